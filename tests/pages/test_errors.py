"""Pages that say what went wrong: what happened, why, and the way out; in both languages and themes, wide and narrow."""

import re
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from werkzeug.serving import make_server

from wuye.errors import Unavailable
from wuye.i18n import _
from wuye.web.access import PUBLIC, Access, declare

AGENT = ("core.agent", "customer_service.agent")


@pytest.fixture(scope="module")
def app(installation):
    """The application with two more routes, which fail in ways that nothing of ours does on purpose."""
    from wuye.web.app import create_app

    made: Flask = create_app(installation)

    def bug():
        raise KeyError("陈雨 13812345678")

    def down():
        raise Unavailable(_("The database does not answer."))

    made.add_url_rule("/test/bug", "test.bug", declare(bug, Access((PUBLIC,))))
    made.add_url_rule("/test/down", "test.down", declare(down, Access((PUBLIC,))))
    return made


@pytest.fixture(scope="module")
def site(app):
    """The address of this application."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def troubles(estate, visitor):
    """Addresses that fail, by status; and what is changed twice."""
    agent = visitor(*AGENT, name="李静")
    client = estate.login(*AGENT)
    made = client.create("requests", title="厨房漏水", request_kind="repair")
    return agent, made["id"]


def open_trouble(page, status, estate, request):
    """Bring a window to the page of a status, by what a person would do."""
    home = f"/e/{estate.code}"
    one = f"{home}/customer-service/requests/{request}"
    if status == 403:
        return page.goto(f"{home}/settings")
    if status == 404:
        return page.goto(f"{home}/nothing-here")
    if status == 500:
        return page.goto("/test/bug")
    if status == 503:
        return page.goto("/test/down")
    if status == 409:
        page.goto(f"{one}/actions/answer")
        estate.login(*AGENT).act("requests", {"id": request}, "answer", resolution="已电话说明")
        page.fill("[name=resolution]", "换了密封圈")
        with page.expect_navigation() as navigation:
            page.click(".form .btn.p")
        return navigation.value
    if status == 412:
        page.goto(f"{one}/edit")
        estate.login(*AGENT).edit("requests", {"id": request, "version": 1}, title="厨房漏水很急", priority="urgent")
        page.fill("[name=title]", "厨房水管漏水")
        with page.expect_navigation() as navigation:
            page.click(".form .btn.p")
        return navigation.value
    raise AssertionError(status)


WORDS = {
    403: ("You may not do this", "manager"), 404: ("There is no such thing here", "mistyped"),
    409: ("This cannot be done now", "换了密封圈"), 412: ("Yours", "厨房漏水很急"), 500: ("went wrong", "number"), 503: ("Not available", "moment"),
}  # fmt: skip


@pytest.mark.parametrize("status", [403, 404, 409, 412, 500, 503])
@pytest.mark.parametrize(
    ("locale", "theme", "width"),
    [("en", "light", 1440), ("zh_Hans", "dark", 390), ("en", "dark", 1440), ("zh_Hans", "light", 390)],
)
def test_a_trouble_says_what_happened_and_the_way_out(estate, window, troubles, status, locale, theme, width, pictures):
    agent, request = troubles
    page = window(agent, locale=locale, theme=theme, width=width, height=844 if width < 600 else 900)
    answer = open_trouble(page, status, estate, request)
    page.screenshot(path=pictures / f"error-{status}-{locale}-{theme}-{width}.png")
    assert answer.status == status
    text = page.locator("main").inner_text()
    if locale == "en":
        assert all(word in text for word in WORDS[status]), text
    else:
        assert not re.search(r"[A-Za-z]{4,} [a-z]{3,} [a-z]{2,}", text), f"there is English in it: {text}"
    assert page.locator("main a.btn, main button.btn").count() >= 1, "there is a way out"
    assert Axe().run(page).response["violations"] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_a_bug_tells_its_number_and_nothing_else(app, visitor, estate):
    answer = visitor(*AGENT).get("/test/bug")
    assert answer.status_code == 500
    assert "KeyError" not in answer.text and "陈雨" not in answer.text and "Traceback" not in answer.text
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}", answer.text)


def test_both_versions_stand_side_by_side_and_either_can_be_kept(estate, window, troubles):
    agent, request = troubles
    page = window(agent, locale="en")
    open_trouble(page, 412, estate, request)
    row = page.locator("tr", has_text="Title")
    assert [cell.strip() for cell in row.locator("td").all_inner_texts()][-2:] == ["厨房漏水很急", "厨房水管漏水"]
    page.click("main .btn.p")
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}$"))
    assert page.locator("h1, h2.ttl, .detail h1").first.inner_text() == "厨房水管漏水"


def test_too_large_a_form_says_how_large_it_may_be(visitor, estate):
    manager = visitor("core.manager")
    answer = manager.http.post(
        f"/e/{estate.code}/people/import",
        data=b"x",
        content_type="multipart/form-data; boundary=x",
        headers={"Accept-Language": "en"},
        environ_overrides={"CONTENT_LENGTH": str(34 << 20)},
    )
    assert answer.status_code == 413
    assert "33 MB" in answer.text and "Too large" in answer.text and "smaller" in answer.text


def test_too_many_attempts_say_when_to_try_again(app, estate, user):
    client = app.test_client()
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}  # not where other tests sign in from
    typed = {"email": user.email, "password": "wrong"}
    for _attempt in range(30):
        answer = client.post("/sign-in", data=typed, headers={"Accept-Language": "en"}, environ_overrides=elsewhere)
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert "try again in" in answer.text


def test_a_problem_is_in_the_readers_language(app):
    for path, method in (("/nothing", "GET"), ("/sign-in", "DELETE"), ("/test/bug", "GET"), ("/test/down", "GET")):
        text = app.test_client().open(path, method=method, headers={"Accept-Language": "zh-CN"}).get_data(as_text=True)
        heading = re.search(r"<h1>(.*?)</h1>", text)[1]
        assert re.search("[一-鿿]", heading), (path, heading)
