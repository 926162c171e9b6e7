"""What holds for every detector. A new one gets these checks by its line in KINDS."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors import KINDS, LEVELS_ON, PARAMS
from detectors.base import VERDICT, Point, Settings
from schemas.levels import Border
from tests.detectors.streams import BORDERS, QUICK, Events, cuts, hostile, make, mixed, one_row, run

DOCS = Path(__file__).parents[2] / "docs" / "detectors.md"

every_kind = pytest.mark.parametrize("kind", KINDS)
examples = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@every_kind
@examples
@given(events=mixed, cuts=cuts)
def test_the_cut_of_the_batches_changes_no_bit(kind: str, events: Events, cuts: list[int]) -> None:
    whole = run(make(kind, 3), events)
    assert run(make(kind, 3), events, cuts).tobytes() == whole.tobytes()
    if len(events) < 200:
        assert run(make(kind, 3), events, range(len(events))).tobytes() == whole.tobytes()


@every_kind
@examples
@given(events=hostile | mixed)
def test_scores_and_deviations_are_numbers_whatever_comes(kind: str, events: Events) -> None:
    out = run(make(kind, 3), events)
    assert np.isfinite(out["score"]).all()
    assert (out["score"] >= 0.0).all()
    assert np.isfinite(out["deviation"]).all()
    assert not np.isinf(out["expected"]).any()


@every_kind
@examples
@given(events=mixed)
def test_rows_know_nothing_of_each_other(kind: str, events: Events) -> None:
    together = run(make(kind, 3), events)
    for row in range(3):
        mine = events.rows == row
        assert run(make(kind, 3), events.take(mine)).tobytes() == together[mine].tobytes()


@every_kind
@examples
@given(events=mixed, at=st.integers(0, 900))
def test_growing_keeps_what_was_learned(kind: str, events: Events, at: int) -> None:
    at = min(at, len(events))
    grows = make(kind, 3)
    first = run(grows, events.take(slice(0, at)))
    grows.grow(50)
    second = run(grows, events.take(slice(at, None)))
    assert np.concatenate([first, second]).tobytes() == run(make(kind, 3), events).tobytes()


@every_kind
@examples
@given(before=mixed, after=mixed)
def test_a_row_marked_fresh_behaves_as_a_new_one(kind: str, before: Events, after: Events) -> None:
    fresh = after.fresh.copy()
    for row in range(3):
        fresh[np.flatnonzero(after.rows == row)[:1]] = True
    again = Events(after.rows, fresh, after.t, after.x)
    used = make(kind, 3)
    run(used, before)
    assert run(used, again).tobytes() == run(make(kind, 3), again).tobytes()


@every_kind
@examples
@given(events=mixed, at=st.integers(0, 900))
def test_the_state_is_the_whole_state(kind: str, events: Events, at: int) -> None:
    at = min(at, len(events))
    saved, loaded = make(kind, 3), make(kind, 3)
    run(saved, events.take(slice(0, at)))
    assert all(len(array) == 3 for array in saved.state.values())
    for name, array in saved.state.items():
        loaded.state[name][:] = array.copy()
    rest = events.take(slice(at, None))
    assert run(loaded, rest).tobytes() == run(saved, rest).tobytes()


@every_kind
def test_twice_the_same_run_gives_the_same_bytes(kind: str) -> None:
    events = one_row(np.random.default_rng(5).normal(50.0, 5.0, 2000))
    assert run(make(kind, 1), events).tobytes() == run(make(kind, 1), events).tobytes()


@every_kind
def test_a_series_that_only_warms_up_never_scores(kind: str) -> None:
    if LEVELS_ON[kind] == "value":
        return
    warm_up = make(kind, 1)
    rows = int(getattr(KINDS[kind].Params(**QUICK.get(kind, {})), "warm_up", 30))
    out = run(warm_up, one_row(np.random.default_rng(5).standard_t(1.5, rows)))
    assert (out["score"] == 0.0).all()
    assert (out["deviation"] == 0.0).all()
    assert np.isnan(out["expected"]).all()


@every_kind
def test_a_constant_series_is_calm(kind: str) -> None:
    for value in (0.0, 7.3, -1e-9, 5e12):
        out = run(make(kind, 1), one_row([value] * 1500))
        assert (out["score"] < 1.0).all() or LEVELS_ON[kind] == "value"
        assert (np.abs(out["deviation"]) < 1e-3).all()


@every_kind
def test_the_events_are_left_as_they_were(kind: str) -> None:
    events = one_row(np.random.default_rng(5).normal(0.0, 1e31, 300))
    for column in (events.rows, events.fresh, events.t, events.x):
        column.setflags(write=False)
    run(make(kind, 1), events)


@every_kind
def test_no_events_are_no_work(kind: str) -> None:
    assert len(run(make(kind, 0), one_row([]))) == 0


@every_kind
@pytest.mark.parametrize("score", [0.2, 1.0, 57.0])
@pytest.mark.parametrize("value", [-3.0, 99.0])
def test_why_is_one_clause(kind: str, score: float, value: float) -> None:
    border = BORDERS[LEVELS_ON[kind]][0]
    for bound in (1.0, np.nan):
        text = make(kind, 1).why(Point(value, 3.25, -bound, bound, score, -7.5, border))
        assert "nan" not in text
        assert text
        assert text[0] != " "
        assert not text.endswith((".", " "))
        assert "\n" not in text


@every_kind
def test_unknown_settings_are_refused_and_known_ones_documented(kind: str) -> None:
    with pytest.raises(ValidationError, match="sensitivity"):
        PARAMS[kind](**{**QUICK.get(kind, {}), "sensitivity": 3})
    section = DOCS.read_text().split(f"\n## `{kind}`")[1].split("\n## ")[0]
    for name, field in PARAMS[kind].model_fields.items():
        assert field.description, name
        assert f"| `{name}` |" in section, f"docs/detectors.md: no row for {kind}'s {name}"


def test_a_detector_takes_only_its_own_settings() -> None:
    class Other(Settings):
        pass

    for kind in ("baseline", "river"):
        with pytest.raises(TypeError, match="own Params"):
            KINDS[kind](Other(), (Border.parse(">= 1"),))


def test_the_verdict_has_the_fields_of_a_score_file() -> None:
    assert VERDICT.names == ("expected", "lower", "upper", "score", "deviation", "part")
