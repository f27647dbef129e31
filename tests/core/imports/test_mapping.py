"""Mappings: checked when read, guessed from headers, written out and applied to rows."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuye.imports.dates import DateFormat
from wuye.imports.files import read_table
from wuye.imports.headers import normal_value
from wuye.imports.mapping import Mapping, MappingError, Source, Target, guess

DATA = Path(__file__).parents[2] / "data"
REQUEST = (
    Target("external_id", ("Unique Key", "编号"), required=True),
    Target("opened_at", ("Created Date", "opened"), required=True, kind="date"),
    Target("closed_at", ("Closed Date", "closed"), kind="date"),
    Target("category", ("Complaint Type", "类别"), required=True, kind="reference"),
    Target("request_kind", (), kind="choice"),
    Target("title", ("Descriptor", "标题")),
    Target("text", ("Remark", "备注")),
    Target("place", ("Address", "地址"), kind="reference", creates=("address",)),
    Target("channel", ("Channel",), kind="choice"),
    Target("state", ("Status", "状态"), kind="choice"),
    Target("resolution", ("Resolution Description",)),
)
PROPERTY = (
    Target("building", ("楼栋", "栋", "building"), required=True),
    Target("entrance", ("单元", "entrance")),
    Target("unit", ("房号", "unit no", "room"), required=True),
    Target("owner", ("业主", "owner")),
    Target("phone", ("手机", "电话", "phone")),
    Target("area", ("面积", "area"), kind="number"),
)
STATES = {"new", "accepted", "dispatched", "in_progress", "waiting", "resolved", "closed"}
KINDS = {"inquiry", "complaint", "suggestion", "repair", "help", "praise"}
CHANNELS = {"phone", "app", "web", "wechat", "counter", "import"}


def issues(text: str) -> str:
    with pytest.raises(MappingError) as caught:
        Mapping.from_toml(text, REQUEST)
    return str(caught.value)


def taken(columns: list[str], targets: tuple[Target, ...] = PROPERTY) -> dict[str, str]:
    return {name: source.columns[0] for name, source in guess(columns, targets).columns.items()}


class TestMunicipalMapping:
    mapping = Mapping.load(DATA / "nyc311.toml", REQUEST)
    table = read_table(DATA / "service_requests_2025-03.csv")

    def records(self) -> list[dict[str, object]]:
        self.mapping.check(self.table.columns, REQUEST)
        return [dict(self.mapping.apply(self.table.columns, row.values)) for row in self.table.rows]

    def test_every_type_of_complaint_has_its_own_category(self) -> None:
        assert set(self.table.column("Complaint Type")) <= self.mapping.values["category"].keys()

    def test_values_are_those_of_the_fields(self) -> None:
        records = self.records()
        assert {record["state"] for record in records} <= STATES
        assert {record["request_kind"] for record in records} <= KINDS
        assert {record["channel"] for record in records} <= CHANNELS
        assert {str(record["category"]).partition(".")[0] for record in records} == {
            "repair",
            "security",
            "environment",
            "office",
        }
        assert all(record["title"] not in ("", "N/A") for record in records)

    def test_counts(self) -> None:
        records = self.records()
        assert len({record["external_id"] for record in records}) == 235
        assert Counter(record["state"] for record in records) == {
            "closed": 198,
            "new": 19,
            "in_progress": 17,
            "dispatched": 1,
        }
        assert Counter(record["category"] for record in records)["repair.heating"] == 37

    def test_what_the_file_contradicts_or_lacks(self) -> None:
        records = self.records()
        closed = [record for record in records if record["state"] == "closed"]
        assert sum("closed_at" not in record for record in closed) == 3
        assert sum("closed_at" in record for record in records if record["state"] == "new") == 5
        assert sum("place" not in record for record in records) == 4

    def test_one_column_serves_several_fields(self) -> None:
        first = self.records()[0]
        assert (first["category"], first["request_kind"]) == ("security.noise", "complaint")
        assert first["text"] == (
            "Noise - Residential · Banging/Pounding · Residential Building/House · New York City Police Department"
        )

    def test_formats(self) -> None:
        assert str(self.mapping.formats["closed_at"]) == "MM/DD/YYYY hh:mm:ss A"


class TestFromToml:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("[colums]", "colums: There is no such table. Did you mean columns?"),
            (
                '[columns]\nexternalid = "A"',
                "columns.externalid: There is no such field. Did you mean external_id?",
            ),
            ('[columns]\nzzz = "A"', "There are: external_id, opened_at"),
            ("[columns]\ntitle = 3", "columns.title: Write a column's name"),
            ("[columns]\ntitle = []", "columns.title: This must be a list"),
            ('[columns]\ntitle = { last = ["A"] }', "columns.title: Write a column's name"),
            ('[columns]\ntitle = { join = ["A"], with = 3 }', "{ join = […], with ="),
            ('columns = "A"', "columns: This must be a table: [columns]."),
            ('[values]\ntitle = "A"', "values.title: This must be a table"),
            ('[columns]\ntitle = "A"\n[values.title]\nx = 3', "values.title.x: The value must be text"),
            ('[columns]\ntitle = "A"\n[values.title]\nx = "1"\nX = "2"', "given twice"),
            ('[columns]\ntitle = "A"\n[values.state]\nx = "1"', "values.state: No column is mapped"),
            ('[formats]\ntitle = "YYYY"', "formats.title: This field is not a date."),
            ('[formats]\nopened_at = "yyyy"', "formats.opened_at: 'y' in 'yyyy' means nothing"),
            ("[formats]\nopened_at = 3", "formats.opened_at: A date format is text"),
            ("[defaults]\ntitle = [1]", "defaults.title: The value must be"),
            ("[defaults]\ntitle = inf", "defaults.title: The value must be"),
            ("title = ", "This is not TOML"),
        ],
    )
    def test_mistakes_are_named(self, text: str, says: str) -> None:
        assert says in issues(text)

    def test_all_mistakes_are_named_at_once(self) -> None:
        assert len(issues("[a]\n[b]\n[columns]\nc = 1").splitlines()) == 3

    def test_file(self, tmp_path: Path) -> None:
        path = tmp_path / "mapping.toml"
        path.write_text('[columns]\ntitle = "标题"\n', encoding="utf-8-sig")
        assert Mapping.load(path, REQUEST).columns["title"] == Source(("标题",))
        path.write_bytes(b"\xb1\xea\xcc\xe2")
        with pytest.raises(MappingError, match="not UTF-8"):
            Mapping.load(path, REQUEST)
        with pytest.raises(MappingError, match="cannot be opened"):
            Mapping.load(tmp_path / "absent.toml", REQUEST)
        path.write_bytes(b"#" * 2_000_000)
        with pytest.raises(MappingError, match="too large"):
            Mapping.load(path, REQUEST)


class TestCheck:
    def test_column_that_the_file_lacks(self) -> None:
        mapping = Mapping({"title": Source(("Descripter",))})
        with pytest.raises(MappingError) as caught:
            mapping.check(["Unique Key", "Descriptor"], (Target("title"),))
        assert "no column 'Descripter'. Did you mean Descriptor?" in str(caught.value)

    def test_required_field_that_nothing_serves(self) -> None:
        targets = (Target("title", required=True), Target("channel", required=True))
        with pytest.raises(MappingError) as caught:
            Mapping(defaults={"channel": "import"}).check(["A"], targets)
        assert str(caught.value) == "columns.title: This field is required, and nothing is mapped to it."


class TestApply:
    def test_join_first_and_default(self) -> None:
        mapping = Mapping(
            {
                "text": Source(("a", "b"), "join", " · "),
                "title": Source(("b", "a"), "first"),
                "place": Source(("b",)),
                "channel": Source(("b",)),
            },
            defaults={"channel": "import"},
        )
        assert mapping.apply(("a", "b"), ("x", "")) == {"text": "x", "title": "x", "channel": "import"}
        assert mapping.apply(("a", "b"), ("x", 1.5)) == {
            "text": "x · 1.5",
            "title": 1.5,
            "place": 1.5,
            "channel": 1.5,
        }

    def test_values(self) -> None:
        table = {"Open": "new", "": "waiting", "*": "closed"}
        mapping = Mapping({"state": Source(("s",))}, {"state": table})
        shown = {text: mapping.apply(("s",), (text,))["state"] for text in ("Open", " ＯＰＥＮ ", "", "Done")}
        assert shown == {"Open": "new", " ＯＰＥＮ ": "new", "": "waiting", "Done": "closed"}

    def test_unknown_value_passes_when_nothing_else_is_said(self) -> None:
        mapping = Mapping({"state": Source(("s",))}, {"state": {"Open": "new"}})
        assert mapping.apply(("s",), ("closed",)) == {"state": "closed"}


class TestGuess:
    def test_chinese_headers(self) -> None:
        assert taken(["楼栋", "单元", "房号", "业主", "手机", "面积"]) == {
            "building": "楼栋",
            "entrance": "单元",
            "unit": "房号",
            "owner": "业主",
            "phone": "手机",
            "area": "面积",
        }

    def test_spelling_of_headers_does_not_matter(self) -> None:
        columns = ["樓棟", " 單元 ", "*房號(必填)", "ＯＷＮＥＲ", "Phone_No", "建筑面积（㎡）"]
        assert set(taken(columns)) == {"building", "entrance", "unit", "owner", "phone", "area"}
        assert taken(["UnitNo", "BUILDING"]) == {"unit": "UnitNo", "building": "BUILDING"}

    def test_what_stands_last_matters(self) -> None:
        assert taken(["业主手机", "业主"]) == {"phone": "业主手机", "owner": "业主"}
        assert taken(["Owner phone"]) == {"phone": "Owner phone"}

    def test_exact_beats_partial(self) -> None:
        mapping = guess(["紧急联系人电话", "电话"], PROPERTY)
        assert mapping.columns["phone"] == Source(("电话",))
        assert any("Not imported: 紧急联系人电话" in str(note) for note in mapping.notes)

    def test_of_two_equal_columns_neither_is_taken(self) -> None:
        mapping = guess(["手机", "电话", "联系手机"], PROPERTY)
        assert "phone" not in mapping.columns
        assert "手机, 电话 could each be phone; none was taken." in map(str, mapping.notes)

    def test_of_two_equal_fields_neither_is_taken(self) -> None:
        mapping = guess(["名称"], (Target("title", ("名称",)), Target("place", ("名称",))))
        assert not mapping.columns
        assert str(mapping.notes[0]) == "名称 could be each of title, place; none was taken."

    def test_required_fields_without_a_column_are_noted(self) -> None:
        assert "No column was found for unit, which is required." in map(str, guess(["楼栋"], PROPERTY).notes)

    def test_guess_can_be_saved(self) -> None:
        mapping = guess(["楼栋", "手机", "电话"], PROPERTY)
        text = mapping.to_toml()
        assert text.startswith("# ")
        assert Mapping.from_toml(text, PROPERTY) == mapping


texts = st.text(max_size=12).filter(lambda text: text.isprintable() or "\n" in text or "\x7f" in text)
sources = st.builds(
    Source, st.lists(texts, min_size=1, max_size=3).map(tuple), st.sampled_from(["join", "first"]), texts
)
names = st.sampled_from([target.name for target in REQUEST])


@given(
    st.dictionaries(names, sources),
    st.dictionaries(texts, texts, min_size=1),
    st.dictionaries(names, st.one_of(texts, st.booleans(), st.floats(allow_nan=False, allow_infinity=False))),
)
def test_toml_is_read_back_as_it_was(
    columns: dict[str, Source], table: dict[str, str], defaults: dict[str, str | float | bool]
) -> None:
    distinct = {key: table[key] for key in table if len({normal_value(key) for key in table}) == len(table)}
    values = {name: distinct for name in list(columns)[:1] if distinct}
    formats = {name: DateFormat.named("YYYY年MM月DD日[ HH:mm]") for name in columns if name == "opened_at"}
    mapping = Mapping(columns, values, formats, defaults)
    assert Mapping.from_toml(mapping.to_toml(), REQUEST) == mapping
