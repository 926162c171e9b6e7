"""What holds for every detector of groups. A new one gets these checks by its line in GROUP_KINDS."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors import GROUP_KINDS, KINDS, PARAMS
from detectors.base import Point, Settings
from schemas.levels import Border
from tests.detectors.groups import QUICK, GroupRows, cuts, hostile, make, mixed, one_group, run, said

DOCS = Path(__file__).parents[2] / "docs" / "detectors.md"

COUNTS = {"burn_rate"}  # what never changes may be failures

every_kind = pytest.mark.parametrize("kind", GROUP_KINDS)
examples = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@every_kind
@examples
@given(rows=mixed, cuts=cuts)
def test_the_cut_of_the_batches_changes_no_bit(kind: str, rows: GroupRows, cuts: list[int]) -> None:
    assert said(make(kind, 3, 4), rows, cuts) == said(make(kind, 3, 4), rows)


@every_kind
@examples
@given(rows=hostile | mixed)
def test_scores_and_deviations_are_numbers_whatever_comes(kind: str, rows: GroupRows) -> None:
    out, value = run(make(kind, 3, 4), rows)
    assert np.isfinite(out["score"]).all()
    assert (out["score"] >= 0.0).all()
    assert np.isfinite(out["deviation"]).all()
    assert not np.isinf(out["expected"]).any()
    assert not np.isinf(value).any()
    assert (value[out["score"] >= 1.0] == value[out["score"] >= 1.0]).all()


@every_kind
@examples
@given(rows=mixed)
def test_groups_know_nothing_of_each_other(kind: str, rows: GroupRows) -> None:
    together, _ = run(make(kind, 3, 4), rows)
    for group in range(3):
        mine = rows.rows == group
        assert run(make(kind, 3, 4), rows.take(mine))[0].tobytes() == together[mine].tobytes()


@every_kind
@examples
@given(rows=mixed, at=st.integers(0, 900))
def test_growing_by_groups_and_members_keeps_what_was_learned(kind: str, rows: GroupRows, at: int) -> None:
    at = min(at, len(rows))
    grows = make(kind, 3, 4)
    first = run(grows, rows.take(slice(0, at)))[0]
    grows.grow(9, 7)
    second = run(grows, rows.take(slice(at, None)))[0]
    assert np.concatenate([first, second]).tobytes() == run(make(kind, 3, 4), rows)[0].tobytes()


@every_kind
@examples
@given(before=mixed, after=mixed)
def test_a_group_marked_fresh_behaves_as_a_new_one(kind: str, before: GroupRows, after: GroupRows) -> None:
    fresh = after.fresh.copy()
    for group in range(3):
        fresh[np.flatnonzero(after.rows == group)[:1]] = True
    again = GroupRows(after.rows, fresh, after.t, after.x)
    used = make(kind, 3, 4)
    run(used, before)
    assert said(used, again) == said(make(kind, 3, 4), again)


@every_kind
@examples
@given(rows=mixed, at=st.integers(0, 900))
def test_the_state_is_the_whole_state(kind: str, rows: GroupRows, at: int) -> None:
    at = min(at, len(rows))
    saved, loaded = make(kind, 3, 4), make(kind, 3, 4)
    run(saved, rows.take(slice(0, at)))
    for name, array in saved.state.items():
        assert len(array) == 3
        loaded.state[name][:] = array.copy()
    rest = rows.take(slice(at, None))
    assert said(loaded, rest) == said(saved, rest)


@every_kind
def test_nobody_is_told_of_members_that_never_come_or_never_change(kind: str) -> None:
    for value in (np.nan, 0.0) if kind in COUNTS else (np.nan, 0.0, 7.3, 5e12):
        out, _ = run(make(kind, 1, 4), one_group(np.full((1500, 4), value)))
        assert (out["score"] < 1.0).all()


@every_kind
@pytest.mark.parametrize("score", [0.2, 1.0, 57.0])
def test_why_is_one_clause(kind: str, score: float) -> None:
    for bound in (0.5, 9.0):
        point = Point(2.0, 1.0, np.nan, bound, score, 4.0, Border.parse(">= 1"), 2, ("m0", "m1"))
        text = make(kind, 1, 4).why(point)
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


@every_kind
def test_a_detector_takes_only_its_own_settings(kind: str) -> None:
    class Other(Settings):
        pass

    with pytest.raises(TypeError, match="own Params"):
        GROUP_KINDS[kind](Other(), (Border.parse(">= 1"),))


def test_a_name_of_two_kinds_has_one_set_of_settings() -> None:
    for kind in set(GROUP_KINDS) & set(KINDS):
        assert GROUP_KINDS[kind].Params is KINDS[kind].Params
        assert PARAMS[kind].of_groups is None
