"""CSV for replay and score."""

import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.csv_events import CsvError, read_events, read_series
from schemas.formats import Reject
from schemas.metric import Series


def read(*lines: str, cap: int = 100) -> tuple[list[tuple[int, str, float, float]], list[Reject], int]:
    """(line, series, t, x) of every event, rejects, and how many the cap refused."""
    series: dict[Series, int] = {}

    def intern(metric: str, labels: dict[str, str]) -> int:
        one = Series.of(metric, labels)
        return series.setdefault(one, len(series)) if one in series or len(series) < cap else -1

    events, rejects, refused = [], [], 0
    for columns in read_events(lines, "file", intern):
        names = [str(one) for one in series]
        rows = zip(
            columns.record.tolist(), columns.series.tolist(), columns.t.tolist(), columns.x.tolist(), strict=True
        )
        events += [(line, names[s], t, x) for line, s, t, x in rows]
        rejects += columns.rejects
        refused += columns.skipped["series_cap"]
    return events, rejects, refused


def test_a_row_is_an_event_of_the_series_its_other_columns_name() -> None:
    lines = [
        "\ufeffhost,value,metric,timestamp\n",
        "a,1,cpu,1795412000\n",
        "\n",
        ",-0.0,,1795412000500\n",
        "a,2,cpu,1e9\n",
    ]
    assert read(*lines)[0] == [
        (2, 'cpu{host="a"}', 1795412000.0, 1.0),
        (4, "file", 1795412000.5, 0.0),
        (5, 'cpu{host="a"}', 1e9, 2.0),
    ]
    assert math.copysign(1, read(*lines)[0][1][3]) == 1


def test_times_may_be_text_and_without_an_offset_are_utc() -> None:
    lines = ["timestamp,value", "2026-11-23T05:33:20.5Z,1", "2026-11-23 05:33:20,2", "1795412000123456789,3"]
    assert [t for _, _, t, _ in read(*lines)[0]] == [1795412000.5, 1795412000.0, 1795412000123456789 / 10**9]


def test_a_bad_row_is_rejected_alone_with_its_line_and_reason() -> None:
    cells = {
        ",1": "timestamp_missing",
        "soon,1": "timestamp_invalid",
        "nan,1": "timestamp_invalid",
        "1e40,1": "timestamp_out_of_range",
        "5": "value_missing",
        "5,": "value_missing",
        "5,x": "value_not_number",
        "5,1_0": "value_not_number",
        "5,NaN": "value_not_finite",
        "5,-inf": "value_not_finite",
        "5,1,m,x": "row_too_long",
        "5,1," + "m" * 513: "metric_too_long",
    }
    events, rejects, _ = read("timestamp,value,metric", "4,1", *cells, "6,1")
    assert [line for line, *_ in events] == [2, len(cells) + 3]
    assert [(r.record, r.reason) for r in rejects] == list(enumerate(cells.values(), start=3))


def test_a_series_beyond_the_cap_is_counted() -> None:
    events, _, refused = read("timestamp,value,metric", "1,1,a", "2,1,b", "3,1,b", "4,1,a", cap=1)
    assert (len(events), refused) == (2, 2)


def test_score_keeps_every_row() -> None:
    table = read_series(["timestamp,value,note\n", "1,NaN,x\n", "2,,x\n", "2,inf,x\n", ",3,x\n", "5\n"])
    assert str(table.t.tolist()) == "[1.0, 2.0, 2.0, nan, 5.0]"
    assert str(table.x.tolist()) == "[nan, nan, inf, 3.0, nan]"
    assert table.rows == [("1", "NaN"), ("2", ""), ("2", "inf"), ("", "3"), ("5", "")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "line 1: there is nothing"),
        (["time,value"], "line 1: no column timestamp"),
        (["timestamp,value,value"], "line 1: 2 columns are named 'value'"),
        (["timestamp,value,"], "line 1: a column has no name"),
        (["timestamp,value", "1,2", "soon,x", "3,4,5"], "line 3: timestamp 'soon'.*line 3: value 'x'.*line 4: 3 cells"),
        (["timestamp,value", *["x,1"] * 9], "and 4 more"),
        (["timestamp,value,metric", "1,2,cpu", "1,2,disk"], r"2 metrics \(cpu, disk\): one series a file"),
    ],
)
def test_an_error_says_where_and_what(lines: list[str], message: str) -> None:
    with pytest.raises(CsvError, match=message):
        read_series(lines)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='0123456789.,-:TZ "eEnaNx_\n\r'))
def test_any_text_is_read_or_rejected_row_by_row(text: str) -> None:
    events, rejects, _ = read(*io.StringIO("timestamp,value,metric\n" + text, newline=""))
    assert all(math.isfinite(t) and math.isfinite(x) for _, _, t, x in events)
    assert [r.record for r in rejects] == sorted(r.record for r in rejects)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(10**8, 10**19) | st.floats(1.0, 1e18), min_size=1, max_size=5))
def test_a_clean_column_and_a_mixed_one_give_the_same_bits(times: list[float]) -> None:
    rows = [f"{time!r},1" for time in times]
    clean = read_series(["timestamp,value", *rows])
    mixed = read_series(["timestamp,value", *rows, ",1"])
    assert clean.t.tobytes() == mixed.t[:-1].tobytes()
