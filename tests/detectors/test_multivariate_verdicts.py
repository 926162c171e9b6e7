"""What a person's verdicts do to a group that `multivariate` judges."""

from typing import Any

import numpy as np
import pytest

from detectors.base import Floats, Records
from detectors.group import GroupDetector
from tests.detectors.groups import GroupRows, make, one_group, run

CUT = 3_000  # rows before the verdict
MEMBERS = 4


def noise(n: int = 4_000) -> Floats:
    return np.random.default_rng(1).normal(50.0, 1.0, (n, MEMBERS))


def fault() -> GroupRows:
    x = noise()
    x[3_100:3_110] += 6.0
    return one_group(x)


def plateau() -> GroupRows:
    """All members move for good, shortly before the verdict."""
    x = noise()
    x[CUT - 20 :] += 12.0
    return one_group(x)


def told(rows: GroupRows, *verdicts: tuple[str, bool]) -> tuple[Records, GroupDetector]:
    """What is said from CUT on."""
    detector = make("multivariate", 1, MEMBERS)
    run(detector, rows.take(slice(0, CUT)))
    for verdict, undo in verdicts:
        assert detector.feedback(0, verdict, undo)
    return run(detector, rows.take(slice(CUT, None)))[0], detector


def test_noise_raises_the_groups_bar_and_missed_lowers_it() -> None:
    raised, lowered = (told(fault(), *[(word, False)] * 5)[0] for word in ("noise", "missed"))
    plain = told(fault())[0]
    some = np.isfinite(plain["upper"])
    assert np.allclose(raised["upper"][some], plain["upper"][some] * 1.25**5)
    assert (lowered["upper"][some] < plain["upper"][some]).all()
    assert plain["score"].max() >= 1.0
    assert told(fault(), *[("noise", False)] * 20)[0]["score"].max() < 1.0


def test_missed_brings_the_bar_down_to_that_of_ordinary_episodes() -> None:
    """Dense faults lift the border until it hides them; no statistics of one group can know that they were faults."""
    rng = np.random.default_rng(3)
    x = noise()
    for at in range(100, 4_000, 150):
        x[at : at + 3] += rng.uniform(6.0, 12.0)
    rows = one_group(x)
    plain, lowered = told(rows)[0], told(rows, *[("missed", False)] * 5)[0]
    some = np.isfinite(plain["upper"])
    assert (lowered["upper"][some] < 0.97**5 * plain["upper"][some]).all()
    assert (lowered["score"] >= 1.0).sum() > (plain["score"] >= 1.0).sum()


def test_normal_learns_the_members_levels_anew_and_ends_what_held_the_alert() -> None:
    before, after = told(plateau())[0], told(plateau(), ("normal", False))[0]
    assert np.abs(before["deviation"][:20]).min() > 3.0
    assert np.abs(after["deviation"][5:20]).max() < 3.0
    assert np.median(after["expected"][:20]) > 0.0


@pytest.mark.parametrize("word", ["noise", "missed"])
def test_what_is_counted_and_taken_back_leaves_every_bit(word: str) -> None:
    out, one = told(fault())
    again, other = told(fault(), (word, False), (word, True))
    assert again.tobytes() == out.tobytes()
    assert all(other.state[name].tobytes() == array.tobytes() for name, array in one.state.items())


def test_normal_taken_back_moves_the_levels_as_far_the_other_way() -> None:
    out, _ = told(plateau())
    again, other = told(plateau(), ("normal", False), ("normal", True))
    assert np.allclose(again["deviation"], out["deviation"])
    members: Any = other.state["members"]
    assert (members["moved"] == 0.0).all()


def test_only_what_was_said_can_be_taken_back() -> None:
    detector = make("multivariate", 1, MEMBERS)
    assert not detector.feedback(0, "normal", False)  # nothing came yet
    run(detector, fault().take(slice(0, 500)))
    for word in ("noise", "missed", "normal"):
        assert not detector.feedback(0, word, True)
    assert detector.feedback(0, "normal", False)
    assert detector.feedback(0, "normal", True)
    assert not detector.feedback(0, "normal", True)


def test_a_group_that_starts_fresh_has_forgotten_what_it_was_told() -> None:
    detector = make("multivariate", 1, MEMBERS)
    run(detector, fault().take(slice(0, 500)))
    for word in ("noise", "normal"):
        detector.feedback(0, word, False)
    rows = fault().take(slice(500, 1500))
    rows.fresh[0] = True
    fresh = make("multivariate", 1, MEMBERS)
    assert run(detector, rows)[0].tobytes() == run(fresh, rows)[0].tobytes()
