"""Search finds Latin and Chinese alike, numbers at once, and shows the newest where very many are found."""

from uuid import UUID

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import text

from wuye.db.migrate import scripts
from wuye.records import search
from wuye.records.spelling import spellings
from wuye.resources.finding import best


@pytest.fixture
def desk(estate):
    manager = estate.login("core.manager")
    for title in ("厨房水龙头漏水", "楼道灯不亮", "Pump 7 makes a noise", "ＰＵＭＰ room is wet"):
        manager.create("work-orders", title=title, order_type="corrective", text=f"EXT-{len(title)}0007")
    return manager


@pytest.mark.parametrize(
    ("needle", "found"),
    [
        ("漏", ["厨房水龙头漏水"]),
        ("水龙", ["厨房水龙头漏水"]),
        ("水头", []),
        ("pump", ["Pump 7 makes a noise", "ＰＵＭＰ room is wet"]),
        ("PUMP 7", ["Pump 7 makes a noise"]),
        ("ext-70007", ["厨房水龙头漏水"]),
        ("xt-7000", ["厨房水龙头漏水"]),
        ("70007", ["厨房水龙头漏水"]),
        ("%", []),
        ("' OR 1=1 --", []),
    ],
)
def test_words_parts_of_words_and_numbers_are_found(desk, needle, found):
    from urllib.parse import quote

    assert sorted(row["title"] for row in desk.list("work-orders", f"q={quote(needle)}")) == sorted(found)


def test_a_whole_number_is_found_alone_though_another_title_contains_more(desk):
    number = desk.list("work-orders", "limit=1")[0]["number"]
    desk.create("work-orders", title=f"follows {number}9", order_type="corrective")
    assert [row["number"] for row in desk.list("work-orders", f"q={number}")] == [number]
    assert len(desk.list("work-orders", f"q={number[:-1]}")) > 1


def test_what_very_many_have_is_shown_newest_first_and_ends(desk, monkeypatch, estate):
    for number in range(60):
        desk.create("work-orders", title=f"灯 {number}", order_type="corrective")
    rows = desk.all("work-orders", "q=灯&limit=20")
    assert [row["title"] for row in rows[:2]] == ["灯 59", "灯 58"]
    assert len(rows) == 61
    with estate.context() as ctx:
        wanted = [search.Wanted(kind, "灯") for kind in ("core_person", "maintenance.work_order")]
        people, orders = search.hits(ctx.session, wanted, [7, 7], revealed=True)
        assert (len(people), len(orders)) == (0, 7), "a kind that nobody asked for is not shown"


def test_another_estates_words_are_not_found(desk, make_estate):
    stranger = make_estate().login("core.manager")
    assert stranger.list("work-orders", "q=水龙头") == []


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("陈雨", {"cy", "chy", "chenyu"}),
        ("曾静", {"cj", "zj", "zengjing"}),
        ("单晓东", {"sxd", "shxd", "dxd", "shanxiaodong"}),
        ("查长乐", {"zcl", "zhchl", "zhachangle"}),
        ("单乐行", {"slx", "shlx"}),
        ("重庆长行", {"cqcx", "chqchx"}),
        ("吕", {"l", "lv"}),
        ("张 Anna", {"z", "zh", "zhang"}),
        ("A座大堂", {"azdt", "azuodatang"}),
    ],
)
def test_a_chinese_name_is_typed_in_full_or_by_its_beginnings(name, typed):
    assert typed <= set(spellings(name))


@pytest.mark.parametrize("name", ["", "Chen", "801室", "一" * 13])
def test_what_is_no_chinese_name_has_no_spellings(name):
    assert spellings(name) == ()


def test_a_name_with_many_readings_has_a_bounded_number_of_spellings():
    assert 0 < len(spellings("和和和和和和和和和和")) <= 40


def test_people_and_places_are_found_by_pinyin_and_work_is_not(estate):
    manager = estate.login("core.manager")
    person = manager.create("people", name="陈雨")
    manager.create("people", name="王芳")
    place = manager.create("properties", kind="plant_room", code="LIFT", name="电梯机房")
    manager.create("work-orders", title="陈雨", order_type="corrective")
    for typed in ("cy", "chy", "CHENYU", "chen", "陈"):
        assert [row["id"] for row in manager.list("people", f"q={typed}")] == [person["id"]], typed
    assert [row["id"] for row in manager.list("properties", "q=dtjf")] == [place["id"]]
    assert manager.list("work-orders", "q=chenyu") == []
    manager.edit("people", person, name="李雨")
    assert manager.list("people", "q=chy") == []
    assert [row["id"] for row in manager.list("people", "q=ly")] == [person["id"]]


def test_work_is_indexed_without_reading_chinese(estate, monkeypatch):
    agent = estate.login("core.manager")
    spellings.cache_clear()
    monkeypatch.setattr("wuye.records.spelling._reader", lambda: pytest.fail("names alone are spelled"))
    order = agent.create("work-orders", title="陈雨家漏水", order_type="corrective")
    assert [row["id"] for row in agent.list("work-orders", "q=漏水")] == [order["id"]]


def test_what_begins_with_a_text_is_shown_before_what_has_it_within(estate):
    manager = estate.login("core.manager")
    for number in range(30):
        manager.create("people", name=f"Nancy {number:02}")
    manager.create("people", name="王晨宇")
    wanted = manager.create("people", name="陈雨")
    with estate.context() as ctx:
        people = ctx.loaded.registry.resources["core.people"]
        found = best(ctx, people, "cy", ("id", "name"), 6)
        assert [row["name"] for row in found[:2]] == ["陈雨", "Nancy 00"]
        assert len(found) == 6
        assert [row["name"] for row in best(ctx, people, "nancy 1", ("id", "name"), 3)] == [
            "Nancy 10",
            "Nancy 11",
            "Nancy 12",
        ]
        assert [row["id"] for row in best(ctx, people, "陈", ("id", "name"), 6)] == [UUID(wanted["id"])]


def test_names_of_before_are_spelled_by_the_upgrade_and_work_is_left_alone(estate):
    manager = estate.login("core.manager")
    person = manager.create("people", name="陈雨", external_id="13812345678")
    order = manager.create("work-orders", title="陈雨", order_type="corrective")
    place = estate.place

    def entries(connection):
        wanted = text("SELECT id, content, grams FROM core_search_entry WHERE estate_id = :estate")
        return {row.id: row for row in connection.execute(wanted, {"estate": estate.info.id})}

    with place.database.engine("owner").connect() as connection, connection.begin() as step:
        now = entries(connection)
        old = "陈雨 13812345678"
        values = {"old": old, "grams": search.grams_of(estate.info.id, "core_person", old), "id": person["id"]}
        connection.execute(text("UPDATE core_search_entry SET content = :old, grams = :grams WHERE id = :id"), values)
        with Operations.context(MigrationContext.configure(connection)):
            scripts(place.plugins.loaded["core"]).get_revision("core_0009").module.upgrade()
        after = entries(connection)
        assert {key: row.content for key, row in after.items()} == {key: row.content for key, row in now.items()}
        assert {key: set(row.grams) for key, row in after.items()} == {key: set(row.grams) for key, row in now.items()}
        assert after[UUID(person["id"])].content.startswith(" 陈雨 13812345678 chenyu cy")
        assert "chenyu" not in after[UUID(order["id"])].content
        step.rollback()
