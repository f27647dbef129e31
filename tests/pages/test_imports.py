"""The import wizard: a file in steps, by its sender alone, with every refused row back and its reason."""

import io
import re
from datetime import timedelta

import pytest
import xlsxwriter
from sqlalchemy import func, select, text

from wuye.imports import runs
from wuye.imports.files import read_table
from wuye.imports.models import ImportMapping, ImportRejection, ImportRun
from wuye.imports.workbook import open_sheet
from wuye.people.models import Occupancy, Person
from wuye.properties.models import Property

HOMES = (["楼栋", "单元", "房号", "建筑面积", "业主", "手机"], ["1栋", "1", "101", 88.5, "陈雨", "13800000001"],
         ["1栋", "1", "102", "很大", "李静", "13800000002"], ["1栋", "1", "103", 90, "王强", "13800000003"])  # fmt: skip


def workbook(*rows):
    """Return an XLSX file."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        page = book.add_worksheet()
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
    buffer.seek(0)
    return buffer


def send(who, path, content, name="房产.xlsx"):
    """Send a file to a wizard and return the address of its next step."""
    who.get(path)
    answer = who.post(path, {"file": (content, name)})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.headers["Location"]


def columns_of(who, address):
    """Return what the form of the columns says, as a browser would send it."""
    page = who.get(address).get_data(as_text=True)
    found = {}
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def count(estate, model):
    with estate.context() as ctx:
        return ctx.session.scalar(select(func.count()).select_from(model))


def residents(estate):
    """Return how many people have come in: those who act in the tests have no telephone."""
    with estate.context() as ctx:
        return ctx.session.scalar(select(func.count()).where(Person.phone.is_not(None)))


def test_homes_and_owners_come_in_and_the_bad_row_comes_back(estate, visitor, tmp_path):
    manager = visitor("core.manager")
    address = send(manager, "properties/import", workbook(*HOMES))
    form = columns_of(manager, address)
    assert list(form.values()) == ["building", "entrance", "room", "area_m2", "person", "phone"]
    page = manager.last.get_data(as_text=True)
    assert "陈雨 / 李静 / 王强" in page, "each column shows some of its values"

    assert manager.post(address, {**form, "act": "check"}).status_code == 303
    page = manager.get(address).get_data(as_text=True)
    assert "This is what will happen" in page
    assert "建筑面积" in page
    assert "Import 2 rows" in page
    assert count(estate, Property) == 0, "a rehearsal writes nothing"

    manager.post(address, {"act": "write"})
    assert "Done" in manager.get(address).get_data(as_text=True)
    assert (residents(estate), count(estate, Occupancy), count(estate, Property)) == (2, 2, 4)

    answer = manager.get(f"{address}/rejected")
    file = tmp_path / "rejected.xlsx"
    file.write_bytes(answer.get_data())
    table = read_table(file)
    assert table.columns[:6] == tuple(HOMES[0])
    assert table.rows[0].values[:6] == ("1栋", "1", "102", "很大", "李静", "13800000002")
    assert "建筑面积" in table.rows[0].values[6]

    again = send(manager, "properties/import", workbook(*HOMES))
    manager.post(again, {**columns_of(manager, again), "act": "check"})
    figures = re.findall(r"<dd>(\d+)</dd>", manager.get(again).get_data(as_text=True))
    assert figures == ["0", "0", "2", "1"], "the same file again changes nothing"


def test_what_stands_beyond_the_header_comes_back_too(visitor, tmp_path):
    manager = visitor("core.manager")
    lines = [HOMES[0], ["1栋", "1", "104", "80", "", ""], ["1栋", "1", "105", "80", "", "", "", "钥匙在门卫"]]
    content = io.BytesIO("\n".join(map(",".join, lines)).encode())
    address = send(manager, "properties/import", content, "房产.csv")
    manager.post(address, {**columns_of(manager, address), "act": "check"})
    file = tmp_path / "rejected.xlsx"
    file.write_bytes(manager.get(f"{address}/rejected").get_data())
    [_header, (_number, cells)] = open_sheet(file, None).records()
    assert list(cells[:6]) == lines[2][:6]
    assert "H" in cells[6]
    assert list(cells[7:]) == ["", "钥匙在门卫"]


def test_a_large_file_is_the_workers_and_can_be_taken_up_again(estate, visitor, monkeypatch, work_off):
    manager = visitor("core.manager")
    rows = [["1栋", "1", str(100 + n), 80, f"业主{n}", f"139{n:08}"] for n in range(runs.AT_ONCE + 300)]
    address = send(manager, "properties/import", workbook(HOMES[0], *rows))
    manager.post(address, {**columns_of(manager, address), "act": "check"})
    page = manager.get(address).get_data(as_text=True)
    assert 'http-equiv="refresh"' in page, "it can be followed without a script"
    assert "0 of 600 rows" in page
    work_off()
    assert "Import 600 rows" in manager.get(address).get_data(as_text=True)

    manager.post(address, {"act": "write"})
    from wuye.imports import engine, work

    real, batches = engine._batch, []

    def dies_in_the_second(*given):
        batches.append(given)
        if len(batches) == 2:
            raise MemoryError
        return real(*given)

    with estate.context() as ctx, monkeypatch.context() as patch:
        run = ctx.session.scalars(select(ImportRun)).one()
        patch.setattr(engine, "_batch", dies_in_the_second)
        work.proceed(ctx, str(run.id))
    assert "ended before its last row" in manager.get(address).get_data(as_text=True)
    assert residents(estate) == 500
    with estate.context() as ctx:
        run = ctx.session.scalars(select(ImportRun)).one()
        assert (run.state, run.done, run.created) == ("failed", 500, 500)
        run.state = "writing"  # as a process leaves it that dies
    work_off()
    with estate.context() as ctx:
        run = ctx.session.scalars(select(ImportRun)).one()
        assert (run.state, run.done, run.created, run.unchanged) == ("done", 600, 600, 0)
    assert residents(estate) == 600


def test_what_is_no_table_is_refused_in_words(estate, visitor):
    manager = visitor("core.manager")
    for content, name, said in [
        (b"%PDF-1.7 hello", "homes.xlsx", "PDF"), (b"", "homes.csv", "empty"), (b"PK\x03\x04 broken", "a.xlsx", "damaged"),
        (b"a,b\n", "a.csv", "nothing below"),
    ]:  # fmt: skip
        manager.get("people/import")
        answer = manager.post("people/import", {"file": (io.BytesIO(content), name)})
        assert answer.status_code == 422
        assert said in answer.get_data(as_text=True)
    assert manager.post("people/import", {}).status_code == 422
    assert count(estate, ImportRun) == 0


def test_ambiguous_dates_are_asked_about_and_remembered(estate, visitor):
    manager = visitor("core.manager")
    sheet = (["姓名", "入住日期", "房号"], ["张三", "03/04/2025", ""], ["李四", "05/06/2025", ""])
    address = send(manager, "people/import", workbook(*sheet))
    form = columns_of(manager, address)
    assert form["format-since"] == ""
    answer = manager.post(address, {**form, "act": "check"})
    assert answer.status_code == 422
    assert "day first: 03/04/2025 is April 3, 2025" in answer.get_data(as_text=True)
    assert manager.post(address, {**form, "format-since": "DD/MM/YYYY", "act": "check"}).status_code == 303
    assert "2025-04-0" in manager.get(address).get_data(as_text=True)

    colleague = visitor("core.manager")
    again = send(colleague, "people/import", workbook(*[[row[2], row[0], row[1]] for row in sheet]))
    assert columns_of(colleague, again)["format-since"] == "DD/MM/YYYY"
    assert "Mapped as the last file" in colleague.last.get_data(as_text=True)
    assert count(estate, ImportMapping) == 1


def test_a_column_can_go_elsewhere_and_a_required_field_is_missed(estate, visitor):
    manager = visitor("core.manager")
    address = send(manager, "people/import", workbook(["谁", "手机"], ["张三", "13800000001"]))
    form = columns_of(manager, address)
    assert form["column-0"] == ""
    answer = manager.post(address, {**form, "act": "check"})
    assert answer.status_code == 422
    assert "Name: This field is required" in answer.get_data(as_text=True)
    manager.post(address, {**form, "column-0": "name", "act": "check"})
    manager.post(address, {"act": "write"})
    with estate.context() as ctx:
        assert ctx.session.scalars(select(Person.name).where(Person.phone.is_not(None))).all() == ["张三"]


def test_nobody_else_sees_an_import_and_who_may_not_has_none(estate, visitor, make_estate):
    manager, other, agent = (
        visitor("core.manager"),
        visitor("core.manager"),
        visitor("core.agent", "customer_service.agent"),
    )
    address = send(manager, "people/import", workbook(["姓名"], ["张三"]))
    for path in (address, f"{address}/rejected"):
        assert other.get(path).status_code == 404
        assert agent.get(path).status_code == 403
    other.get("people/import")
    assert other.post(address, {"act": "check"}).status_code == 404
    assert agent.get("people/import").status_code == 403
    assert "people/import" not in agent.get("people").get_data(as_text=True)
    assert "people/import" in manager.get("people").get_data(as_text=True)
    assert "assets/import" in manager.get("settings/imports").get_data(as_text=True)


def test_a_right_that_is_taken_away_ends_the_import(estate, visitor, work_off):
    manager = visitor("core.manager")
    rows = [[f"人{n}"] for n in range(runs.AT_ONCE + 1)]
    address = send(manager, "people/import", workbook(["姓名"], *rows))
    manager.post(address, {**columns_of(manager, address), "act": "check"})
    with estate.place.database.session() as session:
        session.execute(
            text("UPDATE core_membership SET roles = '{core.auditor}' WHERE estate_id = :id AND person_id = :who"),
            {"id": estate.info.id, "who": manager.person},
        )
    work_off()
    with estate.context() as ctx:
        run = ctx.session.scalars(select(ImportRun)).one()
        assert (run.state, run.done) == ("failed", 0)
        assert "may not do it any more" in run.report["problem"]


def test_files_and_accounts_go_when_their_time_has_come(estate, visitor):
    manager = visitor("core.manager")
    address = send(manager, "people/import", workbook(["姓名", "电话"], ["张三", "x"]))
    manager.post(address, {**columns_of(manager, address), "act": "check"})
    with estate.context() as ctx:
        folder = runs.folder_of(ctx)
        run = ctx.session.scalars(select(ImportRun)).one()
        stored = folder / run.sha256[:2] / run.sha256
        assert stored.is_file()
        assert count(estate, ImportRejection) == 1
    import os

    os.utime(stored, (0, 0))
    with estate.context() as ctx:
        runs.purge(ctx)
        assert stored.is_file(), "its time has not come"
    with estate.context() as ctx:
        ctx.now += timedelta(days=8)
        runs.purge(ctx)
    assert not stored.exists()
    assert (count(estate, ImportRun), count(estate, ImportRejection)) == (0, 0)
    assert manager.get(address).status_code == 404


def test_logs_hold_nothing_of_a_file(estate, visitor, monkeypatch, caplog, capsys):
    manager = visitor("core.manager")
    address = send(manager, "people/import", workbook(["姓名"], ["秘密的人"]))
    from wuye.imports import work

    def fails(*_given, **_named):
        raise ValueError("秘密的人")

    monkeypatch.setattr(work, "execute", fails)
    manager.post(address, {**columns_of(manager, address), "act": "check"})
    assert "Something went wrong on our side" in manager.get(address).get_data(as_text=True)
    written = capsys.readouterr()
    assert "import failed" in written.err + written.out + caplog.text
    assert "秘密的人" not in written.err + written.out + caplog.text


@pytest.mark.parametrize(
    "resource",
    ["properties", "people", "staff", "customer-service/requests", "maintenance/work-orders", "maintenance/assets"],
)
def test_every_list_has_its_wizard(estate, visitor, resource):
    manager = visitor("core.manager")
    assert f"{resource}/import" in manager.get(resource).get_data(as_text=True)
    assert manager.get(f"{resource}/import").status_code == 200


def test_a_purge_takes_the_imports_into_a_plugin_with_it(estate, visitor):
    from wuye.estates import lifecycle

    manager = visitor("core.manager")
    for path in ("maintenance/assets/import", "people/import"):
        address = send(manager, path, workbook(["编号", "名称", "姓名", "类别"], ["P-1", "水泵", "张三", "泵"]))
        manager.post(address, {**columns_of(manager, address), "act": "check"})
    with estate.context() as ctx:
        kept = sorted(ctx.session.scalars(select(ImportRun.resource)))
    assert kept == ["core.people", "maintenance.assets"]
    with estate.context() as ctx:
        from wuye.estates.services import disable

        disable(ctx, "maintenance", force=True)
    lifecycle.purge(estate.place, estate.code, "maintenance")
    with estate.context() as ctx:
        assert ctx.session.scalars(select(ImportRun.resource)).all() == ["core.people"]
        assert set(ctx.session.scalars(select(ImportMapping.resource))) <= {"core.people"}
