"""Files into estates: real ones, with Chinese headers, and with everything in them that can be wrong."""

import random
from pathlib import Path

import pytest
import xlsxwriter
from sqlalchemy import func, select

from wuye.errors import Invalid, NotFound
from wuye.imports.engine import run
from wuye.people.models import Occupancy, Person, Staff
from wuye.properties.models import Property
from wuye.records.models import Record
from wuye.records.services import edit, take
from wuye.records.timeline import verify_chain
from wuye.referrals.models import Referral
from wuye_customer_service.models import Request

DATA = Path(__file__).parents[2] / "data"
NYC, MAPPING = DATA / "service_requests_2025-03.csv", DATA / "nyc311.toml"


def sheet(path, *rows):
    with xlsxwriter.Workbook(str(path)) as book:
        page = book.add_worksheet()
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
    return path


def counts(report):
    return report.created, report.updated, report.unchanged, len(report.rejected)


def totals_add_up(report):
    return report.rows == sum(counts(report))


def test_a_month_of_real_requests_comes_in_once(estate):
    report = run(estate.place, estate.code, "requests", NYC, mapping=MAPPING)
    assert counts(report) == (235, 0, 0, 0)
    assert sum(n for (d, s), n in report.summary.items() if s == "closed") == 198
    assert {d for d, _state in report.summary} == {"maintenance", "security", "environment", "office"}

    again = run(estate.place, estate.code, "requests", NYC, mapping=MAPPING)
    assert counts(again) == (0, 0, 235, 0)
    assert again.summary == report.summary
    with estate.context() as ctx:
        assert ctx.session.scalar(select(func.count()).where(Record.kind == "customer_service.request")) == 235
        assert ctx.session.scalar(select(func.count()).select_from(Property)) == 175
        one = ctx.session.scalars(select(Record).where(Record.external_id == "64446107")).one()
        assert one.opened_at.isoformat() == "2025-03-24T15:33:07+00:00", "the estate's zone is Asia/Shanghai"
        assert one.number.startswith("SR-2025-")
        assert list(verify_chain(ctx.session)) == []


def test_a_dry_run_says_the_same_and_writes_nothing(estate):
    report = run(estate.place, estate.code, "requests", NYC, mapping=MAPPING, dry_run=True)
    assert counts(report) == (235, 0, 0, 0)
    with estate.context() as ctx:
        for model in (Record, Property):
            assert ctx.session.scalar(select(func.count()).select_from(model)) == 0


def test_open_work_is_offered_to_the_department_of_its_category(estate):
    run(estate.place, estate.code, "requests", NYC, mapping=MAPPING)
    offered = estate.login("core.manager").all("referrals")
    by_department = {name: sum(row["department"] == name for row in offered) for name in ("maintenance", "office")}
    assert by_department == {"maintenance": 5, "office": 13}


def test_homes_and_owners_from_one_sheet_with_chinese_headers(estate, tmp_path):
    path = sheet(
        tmp_path / "homes.xlsx",
        ["望江花园住户清单"],
        ["楼栋", "单元", "房号", "面积", "业主", "手机"],
        ["3号楼", "2单元", 1203, 89.5, "陈雨", "13812345678"],
        ["3号楼", "2单元", 1204, "abc", "林芳", "13812345679"],
        ["3号楼", "2单元", 1205, 100, "林芳", "call"],
        ["3号楼", "1单元", 101, 77, "赵强", 13912345670],
        ["", "", "", 50, "", ""],
    )
    report = run(estate.place, estate.code, "properties", path)
    assert counts(report) == (2, 0, 0, 3)
    assert [(each["row"], each["column"]) for each in report.as_dict()["rejected"]] == [
        (4, "面积"),
        (5, "手机"),
        (7, "房号"),
    ]
    assert counts(run(estate.place, estate.code, "properties", path)) == (0, 0, 2, 3)
    with estate.context() as ctx:
        home = ctx.session.scalars(select(Property).where(Property.code == "3-2-1203")).one()
        assert (home.kind, home.label, str(home.area_m2)) == ("unit", "3号楼 2单元 1203", "89.50")
        owner = ctx.session.scalars(select(Person).where(Person.name == "赵强")).one()
        assert owner.phone == "13912345670"
        assert ctx.session.scalar(select(func.count()).select_from(Occupancy)) == 2


def test_people_and_staff_come_in_by_their_usual_headers(estate, tmp_path):
    run(estate.place, estate.code, "properties", sheet(tmp_path / "p.xlsx", ["楼栋", "房号"], ["1号楼", "101"]))
    people = sheet(
        tmp_path / "people.xlsx",
        ["姓名", "手机", "楼栋", "房号", "关系", "入住日期"],
        ["王伟", "13811112222", "1号楼", "101", "租户", "2024-05-01"],
        ["李娜", "13811113333", "1号楼", "999", "业主", "2024-05-02"],
        ["", "13811114444", "", "", "", ""],
    )
    report = run(estate.place, estate.code, "people", people)
    assert (counts(report), totals_add_up(report)) == ((1, 0, 0, 2), True)
    staff = sheet(
        tmp_path / "staff.xlsx",
        ["姓名", "部门", "岗位", "工号"],
        ["张强", "maintenance", "维修技工", "M001"],
        ["刘洋", "没有的部门", "保洁", "E001"],
    )
    report = run(estate.place, estate.code, "staff", staff)
    assert counts(report) == (1, 0, 0, 1)
    with estate.context() as ctx:
        assert [row.post for row in ctx.session.scalars(select(Staff))] == ["维修技工"]
        living = ctx.session.scalars(select(Occupancy)).one()
        assert (living.relation, living.since.isoformat()) == ("tenant", "2024-05-01")


def test_every_bad_row_is_named_and_the_others_come_in(estate, tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text(
        "编号,标题,类型,地址,报修时间\n"
        "1,水管漏水,报修,,2026/3/5 14:20\n"
        "2,,报修,,2026/3/5 14:21\n"
        "3,电梯,许愿,,2026/3/5 14:22\n"
        "4,灯坏了,报修,没有这个地方,2026/3/5 14:23\n"
        "5,门坏了,报修,,很久以前\n"
        f"6,{'长' * 300},报修,,2026/3/5 14:25\n"
        "7,空调,咨询,,2026/3/6 09:00\n",
        "utf-8",
    )
    report = run(estate.place, estate.code, "requests", path)
    assert counts(report) == (2, 0, 0, 5)
    rejected = {each["row"]: each["column"] for each in report.as_dict()["rejected"]}
    assert rejected == {3: "标题", 4: "类型", 5: "地址", 6: "报修时间", 7: "标题"}


def test_dates_that_can_be_read_in_two_ways_are_asked_about(estate, tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("id,title,kind,created date\n1,Lamp,repair,03/04/2026\n2,Lift,repair,05/06/2026\n")
    with pytest.raises(Invalid) as asked:
        run(estate.place, estate.code, "requests", path)
    assert asked.value.errors[0].field == "created date"
    report = run(estate.place, estate.code, "requests", path, formats={"opened_at": "DD/MM/YYYY"})
    assert counts(report) == (2, 0, 0, 0)
    with estate.context() as ctx:
        first = ctx.session.scalars(select(Record).where(Record.external_id == "1")).one()
        assert first.opened_at.astimezone(ctx.estate.tzinfo).date().isoformat() == "2026-04-03"


def test_what_cannot_be_imported_is_said_so(estate):
    with pytest.raises(NotFound):
        run(estate.place, estate.code, "referrals", NYC)
    with pytest.raises(NotFound):
        run(estate.place, "nowhere", "requests", NYC, mapping=MAPPING)


def requests(path, *rows):
    path.write_text("\n".join(["编号,标题,类型,状态,报修时间,关闭时间", *rows]) + "\n", "utf-8")
    return path


def states(estate):
    with estate.context() as ctx:
        rows = ctx.session.execute(select(Record.external_id, Record.state, Record.title))
        return {external: (state, title) for external, state, title in rows if external}


def test_rows_without_an_id_come_in_once_too(estate, tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("标题,类型\n灯坏了,报修\n灯坏了,报修\n门坏了,报修\n", "utf-8")
    first = run(estate.place, estate.code, "requests", path)
    assert counts(first) == (3, 0, 0, 0)
    assert any("external id" in str(note) for note in first.notes)
    assert counts(run(estate.place, estate.code, "requests", path)) == (0, 0, 3, 0)


def test_two_rows_with_one_id_are_not_merged(estate, tmp_path):
    path = requests(tmp_path / "r.csv", "1,灯坏了,报修,,,", "1,门坏了,报修,,,")
    report = run(estate.place, estate.code, "requests", path)
    assert counts(report) == (1, 0, 0, 1)
    assert report.as_dict()["rejected"][0]["column"] == "编号"
    assert states(estate) == {"1": ("new", "灯坏了")}


def test_the_same_file_again_undoes_nothing_that_was_done_here(estate, tmp_path):
    path = requests(tmp_path / "r.csv", "1,灯坏了,报修,Open,2026/3/5 14:20,")
    run(estate.place, estate.code, "requests", path)
    with estate.context() as ctx:
        record = ctx.session.scalars(select(Request).where(Request.external_id == "1")).one()
        take(ctx, record, "answer", {"resolution": "done"})
        edit(ctx, record, {"title": "灯坏了(大堂)"})
    assert counts(run(estate.place, estate.code, "requests", path)) == (0, 0, 1, 0)
    assert states(estate) == {"1": ("resolved", "灯坏了(大堂)")}

    newer = requests(tmp_path / "newer.csv", "1,灯坏了,报修,In Progress,2026/3/5 14:20,")
    report = run(estate.place, estate.code, "requests", newer)
    assert states(estate)["1"][0] == "resolved"
    assert [each["column"] for each in report.as_dict()["warnings"]] == ["state"]


def test_a_newer_export_closes_what_is_untouched_here_and_withdraws_its_referral(estate, tmp_path):
    head = "编号,标题,类型,类别,状态,报修时间,关闭时间\n"
    path = tmp_path / "r.csv"
    path.write_text(head + "1,灯坏了,报修,repair.electric,In Progress,2026/3/5 14:20,\n", "utf-8")
    run(estate.place, estate.code, "requests", path)
    with estate.context() as ctx:
        assert [row.state for row in ctx.session.scalars(select(Referral))] == ["offered"]
    path.write_text(head + "1,灯坏了,报修,repair.electric,Closed,2026/3/5 14:20,2026/3/6 10:00\n", "utf-8")
    assert counts(run(estate.place, estate.code, "requests", path)) == (0, 1, 0, 0)
    with estate.context() as ctx:
        record = ctx.session.scalars(select(Request).where(Request.external_id == "1")).one()
        assert (record.state, record.closed_at.isoformat()) == ("closed", "2026-03-06T02:00:00+00:00")
        assert [row.state for row in ctx.session.scalars(select(Referral))] == ["withdrawn"]
        assert list(verify_chain(ctx.session)) == []


def test_times_that_cannot_be_are_refused(estate, tmp_path):
    path = requests(
        tmp_path / "r.csv",
        "1,a,报修,Closed,2026/3/5 14:20,2026/3/4 10:00",
        "2,b,报修,Closed,2099/3/5 14:20,",
        "3,c,报修,Closed,2026/3/5 14:20,",
    )
    report = run(estate.place, estate.code, "requests", path)
    assert counts(report) == (1, 0, 0, 2)
    assert [(each["row"], each["column"]) for each in report.as_dict()["rejected"]] == [
        (2, "关闭时间"),
        (3, "报修时间"),
    ]
    assert [each["row"] for each in report.as_dict()["warnings"]] == [4]
    with estate.context() as ctx:
        assert ctx.session.scalars(select(Record)).one().closed_at is None


def test_a_refused_row_leaves_nothing_of_itself(estate, tmp_path):
    homes = sheet(
        tmp_path / "h.xlsx", ["楼栋", "单元", "房号", "业主", "关系"], ["3栋", "2单元", "1203", "张三", "房客甲"]
    )
    assert counts(run(estate.place, estate.code, "properties", homes)) == (0, 0, 0, 1)
    people = sheet(tmp_path / "p.xlsx", ["姓名", "手机"], ["李四", "13811112222"])
    run(estate.place, estate.code, "people", people)
    with estate.context() as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(Property)) == 0
        assert ctx.session.scalars(select(Person.name)).all() == ["李四"]
        assert list(verify_chain(ctx.session)) == []


def test_what_the_database_refuses_costs_its_own_row(estate, tmp_path):
    path = tmp_path / "occupancies.csv"
    run(estate.place, estate.code, "properties", sheet(tmp_path / "h.xlsx", ["楼栋", "房号"], ["1栋", "101"]))
    run(estate.place, estate.code, "people", sheet(tmp_path / "p.xlsx", ["姓名"], ["张三"], ["李四"]))
    path.write_text(
        "person,property,relation,since,until\n张三,1-101,业主,2024-05-01,2023-01-01\n李四,1-101,tenant,2024-05-01,\n"
    )
    for dry_run, expected in ((True, (1, 0, 0, 1)), (False, (1, 0, 0, 1)), (False, (0, 0, 1, 1))):
        report = run(estate.place, estate.code, "occupancies", path, dry_run=dry_run)
        assert (counts(report), totals_add_up(report)) == (expected, True)
        assert [each["row"] for each in report.as_dict()["rejected"]] == [2]


def test_departments_are_made_only_if_the_mapping_says_so(estate, tmp_path):
    path = sheet(tmp_path / "s.xlsx", ["姓名", "部门", "岗位"], ["张强", "工程部", "电工"])
    assert counts(run(estate.place, estate.code, "staff", path)) == (0, 0, 0, 1)
    mapping = tmp_path / "staff.toml"
    mapping.write_text('[columns]\nname = "姓名"\ndepartment = "部门"\n\n[create]\ndepartment = "department"\n')
    assert counts(run(estate.place, estate.code, "staff", path, mapping=mapping)) == (1, 0, 0, 0)
    assert counts(run(estate.place, estate.code, "staff", path, mapping=mapping)) == (0, 0, 1, 0)
    assert counts(run(estate.place, estate.code, "staff", path)) == (0, 1, 0, 0)  # the guess maps 岗位 too


def test_formats_that_are_none_are_refused(estate, tmp_path):
    path = requests(tmp_path / "r.csv", "1,a,报修,,2026/3/5 14:20,")
    for formats in ({"opened_at": "rubbish"}, {"nothing": "YYYY-MM-DD"}):
        with pytest.raises(Invalid):
            run(estate.place, estate.code, "requests", path, formats=formats)
    assert states(estate) == {}


def test_assets_come_in_by_their_usual_headers(estate, tmp_path):
    path = sheet(tmp_path / "a.xlsx", ["设备编号", "设备名称", "设备类别", "状态"], ["L1", "1号电梯", "电梯", "在用"])
    assert counts(run(estate.place, estate.code, "assets", path)) == (1, 0, 0, 0)
    assert counts(run(estate.place, estate.code, "assets", path)) == (0, 0, 1, 0)


def messy(seed):
    """Return the rows of a sheet of homes in which places, people and telephones come again, and some rows are wrong."""
    chance = random.Random(seed)
    rows = [["楼栋", "单元", "房号", "面积", "业主", "手机", "关系", "入住日期", "搬出日期"]]
    for _number in range(60):
        rows.append(
            [
                chance.choice(["1栋", "2栋", "1栋", ""]),
                chance.choice(["1单元", "2单元", ""]),
                chance.choice(["101", "102", "201", "1-1-101", ""]),
                chance.choice(["80", "80.5", "", "wide"]),
                chance.choice(["陈雨", " 陈雨 ", "林芳", "赵强", "", "长" * 300]),
                chance.choice(["13812345678", "138 1234 5678", "13912345670", "", "call"]),
                chance.choice(["业主", "租户", "", "房客甲"]),
                "2024-05-01",
                chance.choice(["", "", "2025-05-01", "2023-05-01"]),
            ]
        )
    return rows


def homes_of(estate):
    with estate.context() as ctx:
        places = {row.id: row for row in ctx.session.scalars(select(Property))}
        people = {row.id: (row.name, row.phone) for row in ctx.session.scalars(select(Person))}
        above = {
            row.code: (row.label, row.area_m2, row.parent_id and places[row.parent_id].code) for row in places.values()
        }
        living = [
            (people[row.person_id], places[row.property_id].code, row.relation, row.until)
            for row in ctx.session.scalars(select(Occupancy))
        ]
        assert list(verify_chain(ctx.session)) == []
        return above, sorted(people.values(), key=repr), sorted(living, key=repr)


@pytest.mark.parametrize("seed", range(5))
def test_rows_written_together_become_what_they_become_one_by_one(make_estate, tmp_path, monkeypatch, seed):
    path, found = sheet(tmp_path / "homes.xlsx", *messy(seed)), []
    for size in (500, 1):
        monkeypatch.setattr("wuye.imports.engine.BATCH", size)
        estate = make_estate()
        said = []
        for _time in range(2):
            report = run(estate.place, estate.code, "properties", path)
            assert totals_add_up(report)
            rejected = [(each["row"], each["column"], each["reason"]) for each in report.as_dict()["rejected"]]
            said.append((counts(report), dict(report.made), rejected))
        found.append((said, homes_of(estate)))
    assert found[0] == found[1]
    assert found[0][0][0][0][0] > 5
    assert len(found[0][0][0][2]) > 10
