"""Reading tables: what users really send, and what they send by mistake."""

import codecs
import csv
import struct
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from wuye.imports import contents, files, workbook
from wuye.imports.files import UnreadableFile, read_table

DATA = Path(__file__).parents[2] / "data"
OWNERS = "楼栋,单元,房号,业主,手机\n1栋,2,1203,王小明,13800138000\n1栋,2,1204,李婷,13900139000\n"


def written(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def book(path: Path, *sheets: Sequence[Sequence[object]]) -> Path:
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm"}) as made:
        for rows in sheets:
            sheet = made.add_worksheet()
            for number, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    if cell is not None:
                        sheet.write(number, column, cell)
    return path


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(UnreadableFile) as caught:
        read_table(path, **options)
    return str(caught.value)


class TestCsv:
    def test_municipal_file(self) -> None:
        table = read_table(DATA / "service_requests_2025-03.csv")
        assert len(table.rows) == 235
        assert table.columns[:3] == ("Unique Key", "Created Date", "Closed Date")
        assert [table.rows[0].number, table.rows[-1].number] == [2, 236]
        assert not any(row.fault for row in table.rows)

    @pytest.mark.parametrize(
        ("encoding", "bom"),
        [
            ("utf-8", b""),
            ("utf-8", codecs.BOM_UTF8),
            ("utf-16-le", codecs.BOM_UTF16_LE),
            ("utf-16-be", codecs.BOM_UTF16_BE),
            ("utf-16-le", b""),
            ("utf-16-be", b""),
            ("gb18030", b""),
            ("gbk", b""),
        ],
    )
    def test_encodings(self, tmp_path: Path, encoding: str, bom: bytes) -> None:
        table = read_table(written(tmp_path / "owners.csv", bom + OWNERS.encode(encoding)))
        assert table.columns == ("楼栋", "单元", "房号", "业主", "手机")
        assert table.rows[1].values == ("1栋", "2", "1204", "李婷", "13900139000")

    @pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
    def test_western_text_is_not_taken_for_chinese(self, tmp_path: Path, encoding: str) -> None:
        path = written(tmp_path / "people.csv", "name,city\nJosé Müller,Zürich\n" * 3, encoding)
        assert "neither UTF-8, UTF-16 nor GB18030" in refusal(path)
        assert read_table(path, encoding=encoding).rows[0].values == ("José Müller", "Zürich")

    def test_traditional_text_in_big5_wants_its_encoding_named(self, tmp_path: Path) -> None:
        path = written(tmp_path / "owners.csv", "樓棟,單位,業主,電話\n一樓,甲,陳大文,23456789\n", "big5")
        assert "Line 1" in refusal(path)
        assert read_table(path, encoding="big5").columns == ("樓棟", "單位", "業主", "電話")

    def test_undecodable_byte_is_never_replaced(self, tmp_path: Path) -> None:
        assert "Line 3" in refusal(written(tmp_path / "a.csv", b"a,b\n1,2\n3,\xff\xff\n"))
        assert "Line 2" in refusal(written(tmp_path / "b.csv", codecs.BOM_UTF8 + b"a,b\n1,\xe6\xe6\n"))
        assert "no encoding named" in refusal(written(tmp_path / "c.csv", "a,b\n1,2\n"), encoding="klingon")
        assert "is not ascii" in refusal(written(tmp_path / "d.csv", OWNERS), encoding="ascii")

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_delimiters(self, tmp_path: Path, delimiter: str) -> None:
        path = tmp_path / "table.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = [["name", "note", "m2"], ["a", "one, two; three", "1,5"], ["b", "x|y\tz", "2,5"]]
            csv.writer(file, delimiter=delimiter).writerows(rows)
        assert [row.values for row in read_table(path).rows] == [tuple(row) for row in rows[1:]]

    def test_delimiter_named_by_excel_and_single_column(self, tmp_path: Path) -> None:
        assert read_table(written(tmp_path / "a.csv", "sep=;\na;b\n1;2\n")).rows[0].values == ("1", "2")
        assert read_table(written(tmp_path / "b.csv", "name\nAnn\nBob\n")).columns == ("name",)

    def test_rows_are_numbered_by_the_line_where_they_begin(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", 'a,b\r\n1,"two\r\nlines"\r\n\r\n3,4\r\n')
        assert [(row.number, row.values) for row in read_table(path).rows] == [
            (2, ("1", "two\r\nlines")),
            (5, ("3", "4")),
        ]

    def test_short_row_is_filled_up_and_long_row_is_a_fault(self, tmp_path: Path) -> None:
        rows = read_table(written(tmp_path / "a.csv", "a,b,c\n1,2\n1,2,3,,\n1,2,3,4\n")).rows
        assert [row.values for row in rows[:2]] == [("1", "2", ""), ("1", "2", "3")]
        assert [bool(row.fault) for row in rows] == [False, False, True]
        assert "column D" in str(rows[2].fault)

    def test_open_quotation_mark_is_named_with_its_line(self, tmp_path: Path) -> None:
        assert "line 3" in refusal(written(tmp_path / "a.csv", 'a,b\n1,2\n3,"4\n5,6\n'))

    def test_overlong_value(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", "a,b\n1," + "x" * (contents.MAX_CELL_CHARACTERS + 1))
        assert "line 2" in refusal(path)


class TestHeader:
    def test_title_rows_above_it_are_passed_over(self, tmp_path: Path) -> None:
        title = [["阳光小区业主信息表"], ["制表日期：2026-03-05", "制表人：张三"], []]
        header = ["序号", "楼栋", "房号 \n(必填)", "业主", "手机"]
        path = book(tmp_path / "a.xlsx", [*title, header, [1, "1栋", 1203, "王小明", 13800138000]])
        table = read_table(path)
        assert table.columns == ("序号", "楼栋", "房号 (必填)", "业主", "手机")
        assert table.header_number == 4
        assert table.rows[0].number == 5
        assert table.rows[0].values == ("1", "1栋", "1203", "王小明", "13800138000")

    def test_repeated_and_missing_names(self, tmp_path: Path) -> None:
        assert "more than one column named b" in refusal(written(tmp_path / "a.csv", "a,b,b\n1,2,3\n"))
        assert "column B" in refusal(written(tmp_path / "b.csv", "a,,c,d\n1,2,3,4\n"))

    def test_nameless_column_without_values_is_left_out(self, tmp_path: Path) -> None:
        table = read_table(written(tmp_path / "a.csv", "a,,b,\n1,,2,\n"))
        assert (table.columns, table.rows[0].values) == (("a", "b"), ("1", "2"))

    def test_absent_header(self, tmp_path: Path) -> None:
        assert "no header" in refusal(written(tmp_path / "a.csv", "1203,2026-03-05,88.5\n1204,2026-03-06,90\n"))

    def test_nothing_below_it(self, tmp_path: Path) -> None:
        assert "nothing below it" in refusal(written(tmp_path / "a.csv", "a,b\n"))
        assert "nothing below it" in refusal(book(tmp_path / "a.xlsx", [["a", "b"]]))

    def test_column_by_name(self, tmp_path: Path) -> None:
        table = read_table(written(tmp_path / "a.csv", "a,b\n1,2\n3,4,5\n"))
        assert list(table.column("b")) == ["2"]
        with pytest.raises(KeyError):
            table.column("c")


class TestWorkbook:
    def test_typed_cells(self, tmp_path: Path) -> None:
        moment = datetime(2026, 3, 5, 14, 20)
        rows: list[list[object]] = [["房号", "面积", "日期", "有效"], [1203, 88.5, moment, True]]
        assert read_table(book(tmp_path / "a.xlsx", rows)).rows[0].values == ("1203", 88.5, moment, True)

    def test_number_that_the_workbook_has_rounded_stays_a_number(self, tmp_path: Path) -> None:
        table = read_table(book(tmp_path / "a.xlsx", [["业主", "身份证"], ["王小明", 110101199003071234]]))
        assert isinstance(table.rows[0].values[1], float)

    def test_day_without_time(self, tmp_path: Path) -> None:
        path = tmp_path / "a.xlsx"
        with xlsxwriter.Workbook(path) as made:
            sheet = made.add_worksheet()
            sheet.write_row(0, 0, ["a", "b"])
            sheet.write(1, 0, "x")
            sheet.write_datetime(1, 1, date(2026, 3, 5), made.add_format({"num_format": "yyyy-mm-dd"}))
        assert read_table(path).rows[0].values == ("x", datetime(2026, 3, 5))

    def test_sheets(self, tmp_path: Path) -> None:
        path = book(tmp_path / "a.xlsx", [], [["a"], ["1"]], [["b"], ["2"]])
        assert (read_table(path).columns, read_table(path).other_sheets) == (("a",), ("Sheet3",))
        assert read_table(path, sheet="Sheet3").columns == ("b",)
        assert "Its sheets are: Sheet1, Sheet2, Sheet3" in refusal(path, sheet="Sheet9")
        assert "empty" in refusal(path, sheet="Sheet1")

    def test_packed_bomb_is_refused_before_it_is_unpacked(self, tmp_path: Path) -> None:
        path = book(tmp_path / "a.xlsx", [["a"], ["1"]])
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/media/zeros.bin", bytes(20_000_000))
        assert "too much memory" in refusal(path)

    def test_bomb_that_lies_about_its_size(self, tmp_path: Path) -> None:
        path = book(tmp_path / "a.xlsx", [["a"], ["1"]])
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/media/zeros.bin", bytes(20_000_000))
        path.write_bytes(path.read_bytes().replace(struct.pack("<L", 20_000_000), struct.pack("<L", 2_000)))
        assert "damaged" in refusal(path)

    def test_far_away_cell_does_not_take_the_machines_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "a.xlsx"
        with xlsxwriter.Workbook(path) as made:
            made.add_worksheet().write("XFD1048576", "x")
        assert "too much memory" in refusal(path)

    @pytest.mark.parametrize(
        "cell",
        [
            '<c r="XFD1048576"><v>1</v></c>',
            "<c r='XFD1048576' ><v>1</v></c>",
            '<c t=">" r="XFD1048576"><v>1</v></c>',
            f'<c t="{" " * 100_000}" r="XFD1048576"><v>1</v></c>',
            "<c/>" * 16_000 + '<c r="A1048576"><v>1</v></c>',
        ],
    )
    def test_far_away_cell_cannot_hide(self, tmp_path: Path, cell: str) -> None:
        plain, path = book(tmp_path / "plain.xlsx", [["a"], ["1"]]), tmp_path / "a.xlsx"
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w") as target:
            for part in source.infolist():
                text = source.read(part)
                target.writestr(part, text.replace(b"</row></sheetData>", cell.encode() + b"</row></sheetData>"))
        refusal(path)

    def test_formatted_but_empty_cell_far_away_is_no_obstacle(self, tmp_path: Path) -> None:
        path = tmp_path / "a.xlsx"
        with xlsxwriter.Workbook(path) as made:
            sheet = made.add_worksheet()
            sheet.write_column(0, 0, ["a", "1"])
            sheet.write_blank("XFD1048576", None, made.add_format({"bold": True}))
        assert len(read_table(path).rows) == 1

    def test_damaged(self, tmp_path: Path) -> None:
        whole = book(tmp_path / "a.xlsx", [["a"], ["1"]]).read_bytes()
        assert "damaged" in refusal(written(tmp_path / "b.xlsx", whole[: len(whole) // 2]))


class TestLimits:
    def test_rows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "MAX_ROWS", 3)
        assert len(read_table(written(tmp_path / "a.csv", "a\n1\n2\n3\n")).rows) == 3
        assert "more than" in refusal(written(tmp_path / "b.csv", "a\n1\n2\n3\n4\n"))

    def test_rows_of_a_workbook_are_counted_before_it_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(workbook, "MAX_ROWS", 3)
        assert "more than 3 rows" in refusal(book(tmp_path / "a.xlsx", [["a"], *[["x"]] * 200]))

    def test_bytes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(contents, "MAX_FILE_BYTES", 10)
        assert "at most" in refusal(written(tmp_path / "a.csv", OWNERS))


class TestMistakenFiles:
    @pytest.mark.parametrize(
        ("content", "seems"),
        [
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
            (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d", "a picture"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Excel workbook"),
            (b"<html><body><table><tr><td>1</td></tr></table></body></html>", "a web page"),
            (b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<html></html>", "a web page"),
            (b'<?xml version="1.0"?><Workbook></Workbook>', "an XML document"),
            (b'[{"a": 1}]', "a JSON document"),
            (b"a,b\n1,2\n3,\x004\n", "a binary file: line 3"),
            (b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00", "a binary file"),
            (b"", "is empty"),
            (b"\xef\xbb\xbf \r\n\r\n", "is empty"),
        ],
    )
    @pytest.mark.parametrize("name", ["table.csv", "table.xlsx", "table.xls", "table"])
    def test_says_what_it_seems_to_be(self, tmp_path: Path, name: str, content: bytes, seems: str) -> None:
        if seems.startswith("a binary") and name in ("table.xlsx", "table.xls"):
            seems = "a binary file that is not a table"
        assert seems in refusal(written(tmp_path / name, content))

    def test_workbook_and_text_under_each_others_names(self, tmp_path: Path) -> None:
        whole = book(tmp_path / "a.xlsx", [["a"], ["1"]]).read_bytes()
        assert "an Excel workbook (XLSX)" in refusal(written(tmp_path / "a.csv", whole))
        assert "plain text (CSV)" in refusal(written(tmp_path / "b.xlsx", OWNERS))
        assert read_table(written(tmp_path / "download", whole)).kind == "xlsx"

    def test_password(self, tmp_path: Path) -> None:
        content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
        assert "password" in refusal(written(tmp_path / "a.xlsx", content))

    @pytest.mark.parametrize(
        ("member", "seems"),
        [("word/document.xml", "Word"), ("xl/workbook.bin", "XLSB"), ("readme.txt", "a ZIP archive")],
    )
    def test_archives(self, tmp_path: Path, member: str, seems: str) -> None:
        with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
            archive.writestr(member, "x")
        assert seems in refusal(tmp_path / "a.xlsx")

    def test_open_document(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        assert "OpenDocument" in refusal(tmp_path / "a.xlsx")

    def test_no_file(self, tmp_path: Path) -> None:
        assert "cannot be opened" in refusal(tmp_path / "absent.csv")
        assert "is not a file" in refusal(tmp_path)
