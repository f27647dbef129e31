"""What takes too long for a request: long exports and one action on many things, done by a worker."""

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from sqlalchemy import select

from wuye.identity.models import Membership
from wuye.records.models import Record
from wuye.resources import many
from wuye.tasks import acting, exporting
from wuye.tasks import services as tasks
from wuye.tasks.models import Task
from wuye.testing.statements import counted

AGENT = ("core.agent", "customer_service.agent")
REQUESTS = "customer-service/requests"


@pytest.fixture
def agent(visitor):
    return visitor(*AGENT)


@pytest.fixture
def make(estate):
    """A function that makes requests and returns their ids."""

    def make(count):
        with estate.context() as ctx:
            resource = ctx.loaded.registry.resources["customer_service.requests"]
            from wuye.resources import service

            rows = [
                service.create_from(ctx, resource, {"title": f"No. {n}", "request_kind": "inquiry"})
                for n in range(count)
            ]
            ctx.seal()
            return [row.id for row in rows]

    return make


def states(estate):
    with estate.context() as ctx:
        return dict(ctx.session.execute(select(Record.id, Record.state)).all())


def fetched(agent, address):
    """The status and the bytes of a file."""
    answer = agent.get(address)
    content = answer.get_data()
    answer.close()
    return answer.status_code, content


def export(agent, *, kind="csv"):
    agent.get(REQUESTS)
    return agent.post(f"{REQUESTS}/export?format={kind}&fields=number,title")


def test_a_long_export_is_made_in_the_background_and_fetched(agent, visitor, estate, make, work_off, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 3)
    make(5)
    asked = export(agent)
    page = asked.headers["Location"]
    assert asked.status_code == 303 and "data-progress" in agent.get(page).text
    work_off()
    shown = agent.get(page).text
    link = re.search(r'href="([^"]+/file)"', shown)[1]
    assert "data-progress" not in shown and "5 rows" in shown
    file = agent.get(link)
    lines = file.get_data().decode("utf-8-sig").splitlines()
    file.close()
    assert lines[0] == "number,title" and sorted(line.partition(",")[2] for line in lines[1:]) == [
        f"No. {n}" for n in range(5)
    ]
    assert file.headers["Content-Disposition"].endswith(f"filename={estate.code}-requests.csv")
    colleague = visitor(*AGENT)
    assert colleague.get(link).status_code == colleague.get(page).status_code == 404, "to who asked alone"
    assert "Export: " in agent.get("tasks").text


def test_a_long_workbook_is_made_too(agent, make, work_off, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 1)
    make(2)
    page = export(agent, kind="xlsx").headers["Location"]
    work_off()
    assert fetched(agent, f"{page}/file")[1][:2] == b"PK"


def test_files_are_deleted_and_tasks_forgotten(agent, estate, make, work_off, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 1)
    make(2)
    page = export(agent).headers["Location"]
    work_off()
    for days, status in ((1, 200), (4, 404)):
        with estate.context() as ctx:
            ctx.now += timedelta(days=days)
            tasks.purge(ctx)
        assert fetched(agent, f"{page}/file")[0] == status
    assert "kept for three days" in agent.get(page).text
    with estate.context() as ctx:
        ctx.now += timedelta(days=31)
        tasks.purge(ctx)
    assert agent.get(page).status_code == 404


def test_who_is_no_member_any_more_gets_nothing_done(agent, estate, make, work_off, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 1)
    make(2)
    export(agent)
    with estate.context() as ctx:
        ctx.session.query(Membership).filter_by(estate_id=estate.info.id, person_id=agent.person).delete()
    work_off()
    with estate.context() as ctx:
        [task] = ctx.session.scalars(select(Task))
        assert (task.state, task.file) == ("failed", None) and "no member" in task.problem


def test_only_so_many_are_under_way_for_one(agent, make, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 1)
    make(2)
    answers = [export(agent).status_code for _each in range(tasks.MOST + 1)]
    assert answers == [303] * tasks.MOST + [409]


def test_five_hundred_are_done_in_one_task(agent, estate, make, work_off):
    ids = make(500)
    with estate.context() as ctx:
        ctx.session.get_one(Record, (estate.info.id, ids[7])).state = "closed"
    agent.get(f"{REQUESTS}/new")
    form = {"id": [str(each) for each in ids], "action": "reject", "step": "do", "reason": "no"}
    asked = agent.post(f"{REQUESTS}/bulk", form)
    page = asked.headers["Location"]
    assert asked.status_code == 303 and "0 of 500" in agent.get(page).text
    work_off()
    after = states(estate)
    assert [after[each] for each in ids].count("rejected") == 499 and after[ids[7]] == "closed"
    shown = agent.get(page).text
    assert "499 done, 1 not." in shown and str(ids[7]) in shown


def test_many_cost_few_statements_each(estate, make, monkeypatch):
    ids = make(100)
    with estate.context() as ctx:
        resource = ctx.loaded.registry.resources["customer_service.requests"]
        with counted(estate.place, monkeypatch) as statements:
            assert many.act(ctx, resource, ids, "reject", {"reason": "no"}) == []
    assert len(statements) <= 3 * len(ids)


def test_all_that_a_list_finds_is_chosen(agent, estate, make, work_off):
    ids = make(120)
    with estate.context() as ctx:
        ctx.session.get_one(Record, (estate.info.id, ids[0])).title = "Another"
    agent.get(f"{REQUESTS}?q=No.")
    form = {"all": "1", "query": "filter[request_kind]=inquiry&filter[state]=new"}
    choice = agent.post(f"{REQUESTS}/bulk", form)
    assert choice.status_code == 200 and "and 70 more" in choice.text
    form = {
        "ids": re.search(r'name="ids" value="([^"]+)"', choice.text)[1],
        "action": "reject",
        "step": "do",
        "reason": "x",
    }
    assert agent.post(f"{REQUESTS}/bulk", form).status_code == 303
    work_off()
    assert set(states(estate).values()) == {"rejected"}


def test_too_many_are_refused_with_words(agent, make, monkeypatch):
    monkeypatch.setattr(many, "MOST", 2)
    ids = make(3)
    agent.get(f"{REQUESTS}/new")
    answer = agent.post(f"{REQUESTS}/bulk", {"id": [str(each) for each in ids]})
    assert answer.status_code == 422 and "more than 2" in answer.text


def test_a_worker_that_dies_goes_on_where_it_was(agent, estate, make, work_off, monkeypatch):
    monkeypatch.setattr(acting, "AT_ONCE", 1)
    monkeypatch.setattr(acting, "_BATCH", 2)
    ids = make(6)
    agent.get(f"{REQUESTS}/new")
    form = {"id": [str(each) for each in ids], "action": "reject", "step": "do", "reason": "no"}
    agent.post(f"{REQUESTS}/bulk", form)
    real, calls = many.act, []

    class Killed(BaseException):
        """What no handler catches, as a killed process."""

    def dying(ctx, resource, batch, *rest):
        calls.append(batch)
        if len(calls) == 2:
            raise Killed
        return real(ctx, resource, batch, *rest)

    monkeypatch.setattr(many, "act", dying)
    with estate.context() as ctx:
        [task] = ctx.session.scalars(select(Task))
        job = ctx.loaded.registry.jobs["core.act_on_many"]
    for _attempt in range(2):
        try:
            with estate.context() as ctx:
                job(ctx, task=str(task.id))
        except Killed:
            pass
    assert [len(batch) for batch in calls] == [2, 2, 2, 2] and calls[1] == calls[2]
    assert set(states(estate).values()) == {"rejected"}
    with estate.context() as ctx:
        [task] = ctx.session.scalars(select(Task))
        assert (task.state, task.done, task.refused) == ("done", 6, [])


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_a_task_is_followed_in_a_browser(visitor, window, estate, make, work_off, locale, pictures, monkeypatch):
    """From the list's menu to the file, while the page shows by itself how far it is."""
    monkeypatch.setattr(exporting, "AT_ONCE", 1)
    ids = make(3)
    page = window(visitor(*AGENT, name="李静"), locale=locale)
    page.goto(f"/e/{estate.code}/{REQUESTS}")
    page.locator(".head details.menu summary").click()
    page.get_by_text("CSV").click()
    page.wait_for_selector("[data-progress]")
    look(page, pictures / f"task-running-{locale}")
    work_off()
    page.wait_for_selector("[data-ended]")
    look(page, pictures / f"task-export-{locale}")
    with page.expect_download() as download:
        page.locator("a[href$='/file']").click()
    assert download.value.suggested_filename == f"{estate.code}-requests.csv"
    monkeypatch.setattr(acting, "AT_ONCE", 1)
    with estate.context() as ctx:
        ctx.session.get_one(Record, (estate.info.id, ids[0])).state = "closed"
    page.goto(f"/e/{estate.code}/{REQUESTS}?tab=all")
    for box in page.locator(".item .pick input").all():
        box.check()
    page.locator("#bulk button[name=step]").click()
    page.locator("button[value=reject]").click()
    page.locator("textarea, input[name=reason]").first.fill("x")
    page.locator("button[value=do]").click()
    page.wait_for_selector("[data-progress]")
    work_off()
    page.wait_for_selector("[data-ended]")
    look(page, pictures / f"task-many-{locale}")
    page.goto(f"/e/{estate.code}/tasks")
    look(page, pictures / f"tasks-{locale}")


def look(page, picture):
    """Take pictures, wide and narrow; nothing is inaccessible or wider than the window."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.screenshot(path=f"{picture}-390.png")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.screenshot(path=f"{picture}-1440.png")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    assert found.response["violations"] == []
