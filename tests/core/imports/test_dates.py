"""Dates: a column proves its format or the import asks; it never guesses."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wuye.imports.dates import EARLIEST, Ambiguous, DateFormat, detect
from wuye.imports.files import read_table

DATA = Path(__file__).parents[2] / "data"
SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


def found(values: list[object]) -> str:
    result = detect(values)
    assert isinstance(result, DateFormat), result
    return result.spelling


def candidates(values: list[object]) -> dict[str, datetime]:
    result = detect(values)
    assert isinstance(result, Ambiguous), result
    return {each.format.spelling: each.reading for each in result.candidates}


class TestDetect:
    @pytest.mark.parametrize("column", ["Created Date", "Closed Date"])
    def test_municipal_file(self, column: str) -> None:
        table = read_table(DATA / "service_requests_2025-03.csv")
        assert found(list(table.column(column))) == "MM/DD/YYYY hh:mm:ss A"

    @pytest.mark.parametrize(
        ("value", "spelling", "moment"),
        [
            ("03/24/2025 11:33:07 PM", "MM/DD/YYYY hh:mm:ss A", datetime(2025, 3, 24, 23, 33, 7)),
            ("2023-12-10T12:00:00.000", "YYYY-MM-DDTHH:mm:ss.SSS", datetime(2023, 12, 10, 12)),
            ("2026/3/5 14:20", "YYYY/MM/DD HH:mm", datetime(2026, 3, 5, 14, 20)),
            ("2026-03-05", "YYYY-MM-DD", datetime(2026, 3, 5)),
            ("20260305", "YYYYMMDD", datetime(2026, 3, 5)),
            ("20260305142007", "YYYYMMDDHHmmss", datetime(2026, 3, 5, 14, 20, 7)),
            ("2026年3月5日 14:20", "YYYY年MM月DD日 HH:mm", datetime(2026, 3, 5, 14, 20)),
            ("2026年3月5日14:20", "YYYY年MM月DD日 HH:mm", datetime(2026, 3, 5, 14, 20)),
            ("2026年3月5日14时20分", "YYYY年MM月DD日 HH时mm分", datetime(2026, 3, 5, 14, 20)),
            ("2026/3/5 下午2:20:00", "YYYY/MM/DD A hh:mm:ss", datetime(2026, 3, 5, 14, 20)),
            ("25.03.2026", "DD.MM.YYYY", datetime(2026, 3, 25)),
            ("5-Mar-2026", "DD-MMM-YYYY", datetime(2026, 3, 5)),
            ("March 5, 2026 9:05 a.m.", "MMM DD, YYYY hh:mm A", datetime(2026, 3, 5, 9, 5)),
            ("２０２６／３／５　１４：２０", "YYYY/MM/DD HH:mm", datetime(2026, 3, 5, 14, 20)),
            ("46086.597222222", "excel", datetime(2026, 3, 5, 14, 20)),
            (46086.5, "excel", datetime(2026, 3, 5, 12)),
            (datetime(2026, 3, 5, 14, 20), "excel", datetime(2026, 3, 5, 14, 20)),
        ],
    )
    def test_one_value_says_it_all(self, value: object, spelling: str, moment: datetime) -> None:
        assert found([value]) == spelling
        local = moment.replace(tzinfo=SHANGHAI)
        assert DateFormat.named(spelling).parse(value, SHANGHAI) == local

    @pytest.mark.parametrize("offset", ["Z", "+00:00", " +0000", "-00", "UTC"])
    def test_offset_wins_over_the_zone(self, offset: str) -> None:
        text = f"2026-03-05T14:20:00{offset}"
        assert found([text]) == "YYYY-MM-DDTHH:mm:ssZ"
        assert DateFormat.named("YYYY-MM-DDTHH:mm:ssZ").parse(text, SHANGHAI) == datetime(
            2026, 3, 5, 14, 20, tzinfo=UTC
        )

    def test_one_value_of_the_column_settles_the_order(self) -> None:
        assert found(["03/04/2025", "05/06/2025", "25/03/2025"]) == "DD/MM/YYYY"
        assert found(["03/04/2025", "05/06/2025", "03/25/2025"]) == "MM/DD/YYYY"

    def test_day_and_month_that_may_be_exchanged_are_asked_for(self) -> None:
        assert candidates(["05.03.2026", "01.01.2026"]) == {
            "MM.DD.YYYY": datetime(2026, 5, 3),
            "DD.MM.YYYY": datetime(2026, 3, 5),
        }

    def test_nothing_is_asked_when_the_answer_makes_no_difference(self) -> None:
        assert found(["05/05/2026", "01/01/2026"]) == "MM/DD/YYYY"

    def test_column_written_in_two_ways_is_asked_for(self) -> None:
        assert {"MM/DD/YYYY", "DD/MM/YYYY"} == candidates(["03/25/2025", "25/03/2025"]).keys()
        assert {"YYYY-MM-DD", "YYYY/MM/DD"} == candidates(["2026-03-05", "2026/03/05"]).keys()

    def test_two_digit_years_are_asked_for(self) -> None:
        assert candidates(["13/25/99", "12/25/99"]) == {"MM/DD/YY": datetime(1999, 12, 25)}
        assert len(candidates(["05/03/04"])) == 3

    def test_bare_years_are_not_taken_for_serial_numbers(self) -> None:
        assert candidates(["2026"]) == {"excel": datetime(1905, 7, 18), "YYYY": datetime(2026, 1, 1)}

    def test_dates_beside_text_may_have_been_exchanged_already(self) -> None:
        assert "DD/MM/YYYY" in candidates([datetime(2025, 4, 3), "25/03/2025"])
        assert found([datetime(2025, 4, 3), "2025-03-25"]) == "YYYY-MM-DD"

    def test_times_that_are_sometimes_absent(self) -> None:
        assert found(["2026/3/5 14:20", "2026/3/6", "2026/3/7 08:00:30"]) == "YYYY/MM/DD[ HH:mm[:ss]]"

    def test_what_is_no_date_at_all_is_left_for_its_row(self) -> None:
        assert found(["N/A", "2026-03-05", "", None, "2026-02-30", "soon"]) == "YYYY-MM-DD"
        assert detect(["N/A", "soon", "1711323187", "0001-01-01"]) is None
        assert detect(["", None, "  "]) is None

    def test_ambiguity_explains_itself(self) -> None:
        text = str(detect(["05.03.2026"]))
        assert "DD.MM.YYYY: 05.03.2026 = 2026-03-05" in text


class TestParse:
    @pytest.mark.parametrize(
        ("spelling", "value", "says"),
        [
            ("YYYY-MM-DD", "1899-12-31", "only years from 1900 to 2125"),
            ("YYYY-MM-DD", "2126-01-01", "only years"),
            ("YYYY-MM-DD", "0001-01-01", "only years"),
            ("YYYY-MM-DD", "2026-02-29", "is not a date written as"),
            ("YYYY-MM-DD", "05.03.2026", "is not a date written as YYYY-MM-DD"),
            ("YYYY-MM-DD", "", "There is no date"),
            ("YYYY-MM-DD", True, "is not a date"),
            ("YYYY-MM-DD", 46086.5, "is not a date"),
            ("MM/DD/YYYY hh:mm A", "03/24/2025 13:00 PM", "is not a date"),
            ("YYYY-MM-DD HH:mm", "2026-03-05 24:00", "is not a date"),
            ("YYYY-MM-DD HH:mmZ", "2026-03-05 12:00+99:00", "is not a date"),
            ("excel", "60", "is not a date"),
            ("excel", "1711323187", "is not a date"),
            ("excel", float("nan"), "is not a date"),
            ("excel", "9999999", "is not a date"),
        ],
    )
    def test_refusals(self, spelling: str, value: object, says: str) -> None:
        with pytest.raises(ValueError) as caught:
            DateFormat.named(spelling).parse(value, SHANGHAI)
        assert says in str(caught.value)

    def test_text_of_the_message_is_bounded(self) -> None:
        with pytest.raises(ValueError) as caught:
            DateFormat.named("YYYY-MM-DD").parse("x" * 1_000_000, SHANGHAI)
        assert len(str(caught.value)) < 200

    def test_time_skipped_by_the_clocks(self) -> None:
        with pytest.raises(ValueError, match="did not exist in America/New_York"):
            DateFormat.named("YYYY-MM-DD HH:mm").parse("2025-03-09 02:30", NEW_YORK)

    def test_time_that_happens_twice_is_the_first(self) -> None:
        moment = DateFormat.named("YYYY-MM-DD HH:mm").parse("2025-11-02 01:30", NEW_YORK)
        assert moment == datetime(2025, 11, 2, 5, 30, tzinfo=UTC)

    def test_callers_limit(self) -> None:
        with pytest.raises(ValueError, match="2026"):
            DateFormat.named("YYYY").parse("2027", SHANGHAI, latest=datetime(2026, 6, 1))

    def test_native_values(self) -> None:
        aware = datetime(2026, 3, 5, 14, tzinfo=timezone(timedelta(hours=2)))
        assert DateFormat.named("excel").parse(aware, SHANGHAI) == aware
        assert DateFormat.named("YYYY").parse(date(2026, 3, 5), SHANGHAI).isoformat() == "2026-03-04T16:00:00+00:00"

    def test_serial_numbers_around_excels_29th_of_february_1900(self) -> None:
        excel = DateFormat.named("excel")
        assert excel.parse(59, ZoneInfo("UTC")) == datetime(1900, 2, 28, tzinfo=UTC)
        assert excel.parse("61", ZoneInfo("UTC")) == datetime(1900, 3, 1, tzinfo=UTC)
        assert DateFormat.named("excel1904").parse(44624, ZoneInfo("UTC")) == datetime(2026, 3, 5, tzinfo=UTC)


class TestSpelling:
    def test_short_parts_are_the_long_ones(self) -> None:
        assert DateFormat.named("D/M/YYYY H:m").parse("5/3/2026 4:05", ZoneInfo("UTC")).hour == 4

    @pytest.mark.parametrize(
        ("spelling", "says"),
        [
            ("%Y-%m-%d", "has %"),
            ("dd/mm/yyyy", "'d' in 'dd/mm/yyyy' means nothing"),
            ("MM/DD", "no year"),
            ("YYYY-DD", "DD without MM"),
            ("YYYY-MM-DD hh:mm", "hh without A"),
            ("YYYY-MM-DD HH:mm A", "both HH and A"),
            ("YYYY-MM-DD HH:HH", "HH twice"),
            ("YYYY-MM-DD[ HH:mm", "brackets"),
            ("YYYY-MM-DD] HH:mm[", "brackets"),
            ("exel", "did you mean 'excel'"),
            ("", "no year"),
        ],
    )
    def test_mistakes_are_named(self, spelling: str, says: str) -> None:
        with pytest.raises(ValueError) as caught:
            DateFormat.named(spelling)
        assert says in str(caught.value)


WRITTEN = {
    "MM/DD/YYYY hh:mm:ss A": "%m/%d/%Y %I:%M:%S %p",
    "YYYY-MM-DDTHH:mm:ss.SSS": "%Y-%m-%dT%H:%M:%S.%f",
    "YYYY/MM/DD HH:mm:ss": "%Y/%m/%d %H:%M:%S",
    "YYYYMMDDHHmmss": "%Y%m%d%H%M%S",
    "YYYY年MM月DD日 HH时mm分ss秒": "%Y年%m月%d日 %H时%M分%S秒",
    "DD.MM.YYYY HH:mm:ss": "%d.%m.%Y %H:%M:%S",
    "DD MMM YYYY HH:mm:ss": "%d %b %Y %H:%M:%S",
    "YYYY-MM-DD HH:mm:ssZ": "%Y-%m-%d %H:%M:%S+00:00",
}
moments = st.datetimes(datetime(1900, 1, 1), datetime(2125, 12, 31)).map(lambda each: each.replace(microsecond=0))


@given(moments, st.sampled_from(sorted(WRITTEN)))
def test_what_is_written_is_read_back(moment: datetime, spelling: str) -> None:
    text = moment.strftime(WRITTEN[spelling])
    assert DateFormat.named(spelling).parse(text, ZoneInfo("UTC")) == moment.replace(tzinfo=UTC)


@given(moments.filter(lambda each: each >= datetime(1900, 3, 1)))
def test_serial_numbers_are_read_back(moment: datetime) -> None:
    serial = (moment - datetime(1899, 12, 30)) / timedelta(days=1)
    assert DateFormat.named("excel").parse(f"{serial:.10f}", ZoneInfo("UTC")) == moment.replace(tzinfo=UTC)


@settings(deadline=None)  # the first call compiles all patterns
@given(st.lists(moments, min_size=1, max_size=20), st.sampled_from(sorted(WRITTEN)))
def test_detection_finds_the_truth_or_asks(column: list[datetime], spelling: str) -> None:
    texts = [moment.strftime(WRITTEN[spelling]) for moment in column]
    result = detect(texts)
    if isinstance(result, Ambiguous):
        assert spelling in [each.format.spelling for each in result.candidates]
        return
    assert result is not None
    assert [result.parse(text, ZoneInfo("UTC")) for text in texts] == [each.replace(tzinfo=UTC) for each in column]


@settings(deadline=None)  # the first call compiles all patterns
@given(st.lists(st.one_of(st.text(max_size=30), st.floats(), st.integers(), st.none(), st.booleans())))
def test_detection_survives_anything(column: list[object]) -> None:
    result = detect(column)
    if isinstance(result, DateFormat):
        readings = [reading for value in column if (reading := result.read(value))]
        assert any(reading.moment.replace(tzinfo=None) >= EARLIEST for reading in readings)
