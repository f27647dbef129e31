"""Files into estates: real ones, with Chinese headers, and with everything in them that can be wrong."""

from pathlib import Path

import pytest
import xlsxwriter
from sqlalchemy import func, select

from wuye.errors import Invalid, NotFound
from wuye.imports.engine import run
from wuye.people.models import Occupancy, Person, Staff
from wuye.properties.models import Property
from wuye.records.models import Record
from wuye.records.timeline import verify_chain

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
