"""Numbers without a gap or a double, lists that lose and repeat nothing, histories that show every tampering."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from wuye.errors import Problem
from wuye.records.timeline import verify_chain
from wuye.resources import service
from wuye.testing import Refused


def order(estate, number):
    """Create a work order in a session of its own, as a server's thread does."""
    with estate.context() as ctx:
        resource = ctx.loaded.registry.resources["maintenance.work-orders"]
        return service.create(ctx, resource, {"title": f"No. {number}", "order_type": "corrective"})["number"]


def test_eight_writers_leave_no_gap_and_make_no_double(estate):
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda number: order(estate, number), range(80)))
    year = estate.place.clock.now().year
    assert sorted(numbers) == [f"WO-{year}-{number:05d}" for number in range(1, 81)]
    with estate.context() as ctx:
        assert list(verify_chain(ctx.session)) == []


def test_a_step_that_fails_takes_no_number(estate):
    first = order(estate, 1)
    with pytest.raises(Problem), estate.context() as ctx:
        resource = ctx.loaded.registry.resources["maintenance.work-orders"]
        values = {"title": "x", "order_type": "corrective", "place": "01935000-0000-7000-8000-000000000000"}
        service.create(ctx, resource, values)
    assert int(order(estate, 2)[-5:]) == int(first[-5:]) + 1


@pytest.mark.parametrize("sort", ["-opened_at", "opened_at", "due_at", "-due_at"])
def test_pages_lose_and_repeat_nothing_while_others_write(estate, sort):
    manager = estate.login("core.manager")
    due = "2026-03-{:02d}T08:00:00+08:00"
    for number in range(30):
        values = {"due_at": due.format(number % 7 + 1)} if number % 3 else {}
        manager.create("work-orders", title=f"No. {number}", order_type="corrective", **values)
    before = {row["id"] for row in manager.all("work-orders", "limit=200")}
    stop = threading.Event()

    def disturb():
        number = 100
        while not stop.is_set():
            order(estate, number := number + 1)

    writer = threading.Thread(target=disturb)
    writer.start()
    try:
        seen = [row["id"] for row in manager.all("work-orders", f"limit=4&sort={sort}")]
    finally:
        stop.set()
        writer.join()
    assert len(seen) == len(set(seen)), "nothing twice"
    assert before <= set(seen), "nothing lost"


def test_a_cursor_of_another_order_or_none_at_all_is_refused(estate):
    manager = estate.login("core.manager")
    for number in range(3):
        manager.create("work-orders", title=f"No. {number}", order_type="corrective")
    after = manager.ask("GET", f"{manager.url('work-orders')}?limit=1")["after"]
    for query in (f"sort=due_at&after={after}", "after=nonsense", "after=W10", "after=%00"):
        with pytest.raises(Refused) as refused:
            manager.list("work-orders", query)
        assert (refused.value.status, refused.value.problem["errors"][0]["field"]) == (400, "after")


@pytest.mark.parametrize(
    "tampering",
    [
        'UPDATE core_timeline SET data = \'{"text": "forged"}\' WHERE sequence = 2',
        "UPDATE core_timeline SET body = replace(body, 'corrective', 'other'), event = 'x' WHERE sequence = 2",
        "DELETE FROM core_timeline WHERE sequence = 2",
        "DELETE FROM core_timeline WHERE sequence = 3",
        "UPDATE core_timeline SET sequence = CASE sequence WHEN 2 THEN 30 ELSE 2 END WHERE sequence IN (2, 3);"
        "UPDATE core_timeline SET sequence = 3 WHERE sequence = 30",
    ],
)
def test_whatever_is_done_to_the_timeline_shows(estate, tampering):
    for number in range(3):
        order(estate, number)
    with estate.context() as ctx:
        assert list(verify_chain(ctx.session)) == []
    with estate.place.database.session(estate.info.id, role="owner") as session:  # nobody else may
        for statement in tampering.split(";"):
            wanted = statement.replace("WHERE ", f"WHERE estate_id = '{estate.info.id}' AND ")
            session.connection().exec_driver_sql(wanted)
    with estate.context() as ctx:
        assert list(verify_chain(ctx.session)) != []


def test_words_of_one_and_two_characters_are_found_in_the_own_estate_only(estate, make_estate):
    manager, stranger = estate.login("core.manager"), make_estate().login("core.manager")
    found = manager.create("work-orders", title="三号楼电梯异响", order_type="corrective")
    manager.create("work-orders", title="水泵房巡检", order_type="inspection")
    for needle in ("电梯", "梯", "三号楼", found["number"], "异响"):
        assert [row["id"] for row in manager.list("work-orders", f"q={needle}")] == [found["id"]]
    assert manager.list("work-orders", "q=梯异") == [manager.list("work-orders", "q=电梯")[0]]
    assert manager.list("work-orders", "q=没有") == []
    assert stranger.list("work-orders", "q=电梯") == []


def test_the_index_follows_what_people_edit(estate):
    manager = estate.login("core.manager")
    made = manager.create("work-orders", title="Old title", order_type="corrective")
    manager.edit("work-orders", made, title="Quite another")
    assert manager.list("work-orders", "q=old title") == []
    assert len(manager.list("work-orders", "q=another")) == 1
    with estate.place.database.session(role="ops") as session:
        session.pin(estate.info.id)
        assert session.scalar(text("SELECT count(*) FROM core_search_entry WHERE id = :id"), {"id": made["id"]}) == 1


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    start=st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=1, max_size=8),
    later=st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), st.integers(1, 4))), max_size=6),
    limit=st.integers(1, 4),
    sort=st.sampled_from(["due_at", "-due_at", "opened_at", "-opened_at"]),
)
def test_whatever_is_inserted_between_two_pages_nothing_is_lost_or_repeated(make_estate, start, later, limit, sort):
    """`start` are due days of what is there, `later` (before which page, due day) of what comes while it is read."""
    estate = make_estate()
    manager = estate.login("core.manager")

    def add(day):
        values = {} if day is None else {"due_at": f"2026-03-0{day}T08:00:00Z"}
        return manager.create("work-orders", title="x", order_type="corrective", **values)["id"]

    before = [add(day) for day in start]
    seen, after, page = [], "", 0
    while after is not None:
        for _page, day in (item for item in later if item[0] == page):
            add(day)
        answer = manager.ask(
            "GET", f"{manager.url('work-orders')}?limit={limit}&sort={sort}" + (f"&after={after}" if after else "")
        )
        seen += [row["id"] for row in answer["items"]]
        after, page = answer["after"], page + 1
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)
    order = [row["id"] for row in manager.list("work-orders", f"limit=200&sort={sort}") if row["id"] in set(seen)]
    assert seen == order, "and in the order that was asked for"
