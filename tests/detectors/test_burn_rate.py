"""`burn_rate`: the cases of the SRE workbook's table, little traffic, roles of members."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.base import Floats, Point, Records
from detectors.burn_rate import BurnRate, Params
from schemas.levels import Border
from schemas.metric import Series
from tests.detectors.groups import make, one_group, run

COUNTS = {"bad": "m0", "total": "m1"}
HISTORY = 5000  # minutes: the longest window is full


def judged(share: Floats, events: float = 1000.0, **params: Any) -> Records:
    x = np.stack([share * events, np.full(len(share), events)], axis=1)
    return run(make("burn_rate", 1, 2, {**COUNTS, **params}), one_group(x))[0]


def failing(share: float, minutes: int) -> Floats:
    return np.concatenate([np.zeros(HISTORY), np.full(minutes, share)])


@pytest.mark.parametrize(
    ("share", "after_min", "pair"),
    [
        (1.0, 0.864, 1),  # an outage: 14.4 * 0.1 % of an hour
        (0.1, 8.64, 1),
        (0.05, 17.28, 1),
        (0.02, 43.2, 1),  # 20 times: an hour's pair comes before that of six (108 min)
        (0.01, 216.0, 2),  # 10 times: under 14.4
        (0.002, 2160.0, 3),
    ],
)
def test_an_alert_opens_when_the_workbook_says(share: float, after_min: float, pair: int) -> None:
    out = judged(failing(share, 3000))
    row = int(np.flatnonzero(out["score"] >= 1.0)[0]) - HISTORY
    slot_min = {1: 1, 2: 6, 3: 72}[pair]
    assert after_min - slot_min - 1 <= row <= after_min + slot_min + 1
    assert out["part"][HISTORY + row] == pair


def test_what_the_budget_allows_never_alerts() -> None:
    assert (judged(failing(0.0009, 6000))["score"] < 1.0).all()


def test_it_resolves_by_the_short_window() -> None:
    out = judged(
        np.concatenate([failing(1.0, 10), np.zeros(100)]), windows=[{"long_s": 3600, "short_s": 300, "burn": 14.4}]
    )
    held = out["deviation"][HISTORY + 1 :] >= 3.0
    assert held[:9].all()
    assert not held[15:].any()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), max_size=40),
    st.integers(20, 500),
)
def test_fewer_than_min_events_never_alert(rows: list[tuple[float, float]], min_events: int) -> None:
    x = np.array(rows, np.float64).reshape(-1, 2)
    out, _ = run(make("burn_rate", 1, 2, {**COUNTS, "min_events": min_events}), one_group(x))
    enough = np.cumsum(x[:, 1]) >= min_events
    assert (out["score"][~enough] == 0.0).all()


def test_an_outage_pages_once_there_are_enough_events() -> None:
    x = np.full((30, 2), 10.0)
    out, _ = run(make("burn_rate", 1, 2, {**COUNTS, "min_events": 100}), one_group(x))
    assert np.flatnonzero(out["score"] >= 1.0)[0] == 9


def test_members_take_their_roles_by_selector_and_add_up() -> None:
    params = {"bad": 'hits{code=~"5.."}', "total": "hits"}
    hour = {"long_s": 3600, "short_s": 300, "burn": 1.0}
    detector = make("burn_rate", 1, 3, {**params, "min_events": 1, "windows": [hour]})
    for member, code in enumerate(("200", "500", "503")):
        detector.join(0, member, Series("hits", (("code", code),)))
    out, burn = run(detector, one_group([[98.0, 1.0, 1.0]] * 61))
    assert burn[-1] == pytest.approx(20.0)
    assert (out["upper"][-1], out["expected"][-1]) == (1.0, 1.0)


def test_a_share_of_failures_counts_a_row_as_one_event() -> None:
    detector = make("burn_rate", 1, 1, {"bad": "m0", "min_events": 10})
    assert detector.gathers == "newest"
    out, burn = run(detector, one_group(np.full((20, 1), 0.05)))
    first = int(np.flatnonzero(out["score"] >= 1.0)[0])
    assert first == 17, "50 times what is allowed: after 18 minutes 14.4 times what an hour is"
    assert burn[first] == pytest.approx(50.0 * 18.0 / 60.0)


def test_what_a_window_has_not_seen_counts_as_free_of_failures() -> None:
    """Three times what is allowed, from the first minute on: news for the pair of three days after one of them."""
    out = judged(np.full(3000, 0.003))
    assert abs(int(np.flatnonzero(out["score"] >= 1.0)[0]) - 1440) <= 72


def test_why_says_rate_objective_and_windows() -> None:
    point = Point(20.0, 1.0, np.nan, 14.4, 1.4, 4.2, Border.parse(">= 1"), 1)
    assert make("burn_rate", 1, 2, COUNTS).why(point) == (
        "errors use up the budget of 99.9 % 20 times as fast as it allows over 1 h and 5 min, "
        "where 14.4 times is the border"
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "bad"),
        ({"bad": "m{"}, "bad"),
        ({"bad": "m", "objective": 100.0}, "objective"),
        ({"bad": "m", "windows": [{"long": 300.0, "short": 3600.0, "burn": 1.0}]}, "1 to 100 times short"),
    ],
)
def test_settings_that_can_not_be_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Params(**params)


def test_windows_are_written_as_durations() -> None:
    params = Params.model_validate_json(
        '{"bad": "m", "windows": [{"long": "1h", "short": "5m", "burn": 2}]}', strict=True
    )
    assert BurnRate(params, ()).state["newest"].shape == (0, 1)
    assert (params.windows[0].long_s, params.windows[0].short_s) == (3600.0, 300.0)
