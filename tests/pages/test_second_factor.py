"""The second factor: set up with an app, asked for at every sign-in, obligatory for some, and not to be got round."""

import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select
from tests.pages.conftest import PASSWORD, Visitor
from werkzeug.test import Client as HttpClient

from wuye.clock import ManualClock
from wuye.identity import factors
from wuye.identity.models import RecoveryCode, SecondFactor, User
from wuye.records.models import Timeline

PATH = "/profile/second-factor"


@pytest.fixture
def clock(installation, monkeypatch):
    """A clock that stands still until it is moved: a code is good for half a minute."""
    made = ManualClock(installation.clock.now())
    monkeypatch.setattr(installation, "clock", made)
    return made


@pytest.fixture
def real(installation, monkeypatch):
    """The installation, not as a demo: there nobody is obliged."""
    monkeypatch.setattr(installation, "settings", dataclasses.replace(installation.settings, demo=False))
    return installation


class Browser(Visitor):
    """A browser that somebody signs in with by their password."""

    def enter(self, email, password=PASSWORD, **data):
        self.email = email
        self.last = self.http.post("/sign-in", data={"email": email, "password": password, **data})
        return self.last

    def code(self, code, going="/profile"):
        return self.http.post("/sign-in/second-factor", data={"code": code, "next": going})


@pytest.fixture
def browser(app, estate):
    return lambda: Browser(HttpClient(app), estate.code, "", None, "")


class App:
    """The app on somebody's telephone, and their recovery codes."""

    def __init__(self, key, clock):
        self.totp, self.clock, self.codes = pyotp.TOTP(key.replace(" ", "")), clock, []

    def now(self, steps=0):
        return self.totp.at(self.clock.now(), counter_offset=steps)

    def next(self):
        self.clock.forward(timedelta(seconds=30))
        return self.now()


def set_up(me, clock):
    """Set a second factor up and return the app."""
    me.get(PATH)
    me.post(PATH, {"act": "begin"})
    page = me.get(PATH)
    app = App(re.search(r'id="fk"[^>]*value="([A-Z2-7 ]+)"', page.text)[1], clock)
    wrong = me.post(PATH, {"act": "confirm", "code": f"{(int(app.now()) + 1) % 10**6:06}"})
    assert wrong.status_code == 422
    done = me.post(PATH, {"act": "confirm", "code": app.now()})
    app.codes = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", done.text)
    assert len(set(app.codes)) == factors.CODES
    return app


@pytest.fixture
def enrolled(browser, user, clock):
    """Somebody with a second factor, signed in: their browser and their app."""
    me = browser()
    assert me.enter(user.email).status_code == 303
    return me, set_up(me, clock)


def test_the_password_alone_does_not_get_in_any_more(enrolled, browser, user, estate, clock):
    me, app = enrolled
    assert me.get("/profile").status_code == 200, "it goes on where it was set up"
    thief = browser()
    asked = thief.enter(user.email)
    assert asked.headers["Location"].startswith("/sign-in/second-factor")
    for path in ("/profile", "", "/estates", "/host", PATH):
        assert thief.get(path).status_code in (303, 302) and "/sign-in" in thief.last.headers["Location"], path
    url = f"/api/v1/estates/{estate.code}/people"
    assert thief.get(url).status_code == 401
    assert thief.code("000000").status_code == 422
    right = browser()
    right.enter(user.email)
    before = right.http.get_cookie("wuye").value
    assert right.code(app.next()).headers["Location"] == "/profile"
    assert right.http.get_cookie("wuye").value != before
    assert right.get("/profile").status_code == 200


def test_a_code_is_good_once_and_for_a_moment(enrolled, browser, user, clock):
    _me, app = enrolled
    used = app.now()

    def try_(code):
        one = browser()
        one.enter(user.email)
        return one.code(code).status_code

    assert try_(used) == 422, "it was spent when it was set up"
    fresh = app.next()
    assert (try_(fresh), try_(fresh)) == (303, 422)
    clock.forward(timedelta(minutes=10))
    assert try_(app.now(-3)) == 422
    assert try_(app.now(1)) == 303, "a telephone may be half a minute ahead"
    assert try_(app.now()) == 422, "what lies before a spent code is spent"


def test_recovery_codes_get_in_once_each_and_are_stored_hashed(enrolled, browser, user, estate):
    me, app = enrolled
    one = browser()
    one.enter(user.email)
    first = app.codes[0]
    assert one.code(first.upper().replace("-", " ")).status_code == 303
    again = browser()
    again.enter(user.email)
    assert again.code(first).status_code == 422
    with estate.place.database.session() as session:
        rows = session.scalars(select(RecoveryCode).where(RecoveryCode.user_id == user.id)).all()
        kept = session.get_one(SecondFactor, user.id)
    stored = repr([vars(each) for each in (*rows, kept)])
    assert not [each for each in app.codes if each in stored or each.replace("-", "") in stored]
    assert app.totp.secret not in stored, "a copy of the database gives no codes away"
    assert "Recovery codes left: 9" in me.get(PATH).text
    new = re.findall(r"<li>([a-z2-9]{5}-[a-z2-9]{5})</li>", me.post(PATH, {"act": "codes", "code": app.next()}).text)
    assert len(new) == 10 and not set(new) & set(app.codes)
    assert again.code(app.codes[1]).status_code == 422
    assert again.code(new[0]).status_code == 303


def test_guessing_codes_is_limited_over_all_browsers(enrolled, browser, user, clock):
    _me, app = enrolled
    clock.forward(timedelta(minutes=6))
    answers = []
    for _number in range(11):
        one = browser()
        one.enter(user.email)
        answers.append(one.code("123456").status_code)
    assert answers == [422] * 10 + [429]
    assert one.code(app.next()).status_code == 429
    clock.forward(timedelta(minutes=6))
    one.enter(user.email)
    assert one.code(app.next()).status_code == 303


def test_a_sign_in_without_the_code_ends_after_ten_minutes(enrolled, browser, user, clock):
    _me, app = enrolled
    one = browser()
    one.enter(user.email, kept="1")
    clock.forward(timedelta(minutes=11))
    assert one.code(app.now()).headers["Location"].startswith("/sign-in?")


def test_turning_it_off_takes_the_password_and_a_code(enrolled, browser, user, estate):
    me, app = enrolled
    me.get(PATH)
    code = app.next()
    assert me.post(PATH, {"act": "off", "present": "wrong password", "code": code}).status_code == 422
    assert me.post(PATH, {"act": "off", "present": PASSWORD, "code": "000000"}).status_code == 422
    assert me.post(PATH, {"act": "begin"}).status_code == 409
    assert me.post(PATH, {"act": "off", "present": PASSWORD, "code": code}).status_code == 303
    assert browser().enter(user.email).headers["Location"] == "/"
    with estate.context() as ctx:
        events = ctx.session.scalars(select(Timeline.event).order_by(Timeline.sequence)).all()
    assert [each for each in events if "factor" in each] == ["second_factor_on", "second_factor_off"]


def test_a_new_password_by_a_link_leaves_the_second_factor(enrolled, browser, user, host):
    _me, app = enrolled
    host.get(f"/host/users/{user.id}")
    link = re.search(r"/password/[\w-]+", host.post(f"/host/users/{user.id}", {"act": "reset"}).text)[0]
    assert browser().http.post(link, data={"password": "some other words here"}).status_code == 303
    one = browser()
    assert "second-factor" in one.enter(user.email, "some other words here").headers["Location"]
    assert one.code(app.next()).status_code == 303


def test_a_token_by_password_needs_the_code_too(enrolled, user, estate, app):
    _me, phone = enrolled
    body = {"email": user.email, "password": PASSWORD, "estate": estate.code}

    def ask(**more):
        return HttpClient(app).post("/api/v1/tokens", json={**body, **more})

    refused = ask()
    assert refused.status_code == 422 and refused.get_json()["errors"][0]["field"] == "code"
    assert ask(code="000000").status_code == 422
    code = phone.next()
    assert ask(code=code).status_code == 201
    assert ask(code=code).status_code == 422


def test_a_host_admin_sets_it_up_before_anything_else(real, browser, user, clock, app):
    with real.database.session() as session:
        session.get_one(User, user.id).host_admin = True
    me = browser()
    me.enter(user.email)
    for path in ("/host", "", "/profile", "/estates", "/profile/tokens"):
        assert me.get(path).headers["Location"].startswith(f"{PATH}?owed=1"), path
    assert me.get(f"/api/v1/estates/{me.estate}/people").status_code == 403
    assert me.post(path, {"act": "x"}).status_code == 403
    body = {"email": user.email, "password": PASSWORD, "estate": me.estate}
    assert HttpClient(app).post("/api/v1/tokens", json=body).status_code == 403
    assert "required" in me.get(f"{PATH}?owed=1").text
    set_up(me, clock)
    assert me.get("/host").status_code == 200
    assert me.http.post("/sign-out", data={"_token": me.token}).status_code in (303, 403)


def test_an_estate_obliges_its_managers_in_that_estate_alone(real, browser, user, visitor, estate, clock):
    staff = visitor("core.agent", "customer_service.agent")
    client = estate.login("core.manager")
    url = f"/api/v1/estates/{estate.code}/settings/core"
    me = browser()
    me.enter(user.email)
    assert me.get("").status_code == 200
    client.ask("PATCH", url, {"managers_second_factor": True}, If_Match="*")
    assert me.get("people").headers["Location"].startswith(f"{PATH}?owed=1")
    assert me.get(f"/api/v1/estates/{estate.code}/people").status_code == 403
    assert me.get("/estates").status_code == 200, "other estates are none of its business"
    assert staff.get("people").status_code == 200
    body = {"email": user.email, "password": PASSWORD, "estate": estate.code}
    assert HttpClient(estate.app).post("/api/v1/tokens", json=body).status_code == 403
    set_up(me, clock)
    assert me.get("people").status_code == 200


def test_in_the_demo_nobody_is_obliged_and_its_people_have_none(host, estate, visitor):
    assert host.get("/host").status_code == 200
    someone = visitor("core.agent")
    with estate.place.database.session() as session:
        session.query(User).filter_by(email=someone.email).one().demo = True
    someone.get(PATH)
    assert someone.post(PATH, {"act": "begin"}).status_code == 403


def test_the_host_resets_it_and_its_owner_is_told(enrolled, browser, user, host, estate, posted, letterbox):
    me, _app = enrolled
    url = f"/host/users/{user.id}"
    assert "second factor" in host.get(url).text.lower()
    assert host.post(url, {"act": "factor"}).status_code == 303
    assert me.get("/profile").status_code == 303, "signed out"
    one = browser()
    assert one.enter(user.email).headers["Location"] == "/"
    assert "second factor was reset" in one.get("notifications").text
    with estate.context() as ctx:
        assert "account_factor" in ctx.session.scalars(select(Timeline.event)).all()
    assert [each["To"] for each in letterbox.letters] == [user.email]


def test_many_at_the_same_moment_use_a_code_once(enrolled, browser, user, estate):
    _me, app = enrolled
    waiting = [browser() for _number in range(4)]
    for one in waiting:
        one.enter(user.email)
    for code in (app.next(), app.codes[0]):
        with ThreadPoolExecutor(len(waiting)) as pool:
            answers = list(pool.map(lambda one, code=code: one.code(code).status_code, waiting))
        assert sorted(answers) == [303] + [422] * 3
        waiting = [one for one, answer in zip(waiting, answers, strict=True) if answer == 422]
        waiting.append(browser())
        waiting[-1].enter(user.email)
