"""What a person's verdicts do to the border of each detector that counts them."""

from typing import Any

import numpy as np
import pytest

from detectors.base import Floats, Records
from tests.detectors.streams import Events, make, one_row, run

CUT = 18_000  # rows before the verdict: ramp knows its hours by then


def normal(n: int = 20_000) -> Floats:
    return np.random.default_rng(1).normal(50.0, 1.0, n)


def ramp() -> Events:
    x = normal()
    x[18_060:18_120] += 0.3 * np.arange(60.0)
    x[18_120:] += 18.0
    return one_row(x)


def stuck() -> Events:
    x = normal()
    x[18_060:18_120] = x[18_060]
    return one_row(x)


def noisy() -> Events:
    x = normal()
    x[18_060:18_120] = 50.0 + 5.0 * (x[18_060:18_120] - 50.0)
    return one_row(x)


def silent() -> Events:
    events = one_row(normal())
    return events.take(np.r_[0:18_060, 18_100:20_000])


FAULTS = {"ramp": ramp, "flatline": stuck, "spread": noisy, "gap": silent}
each = pytest.mark.parametrize("kind", FAULTS)


def told(kind: str, *verdicts: tuple[str, bool]) -> tuple[Records, dict[str, Any]]:
    """What is said from CUT on, and the state at the end."""
    events, detector = FAULTS[kind](), make(kind, 1)
    run(detector, events.take(slice(0, CUT)))
    for verdict, undo in verdicts:
        assert detector.feedback(0, verdict, undo)
    return run(detector, events.take(slice(CUT, None))), detector.state


def peak(out: Records) -> float:
    return float(out["score"].max())


@each
def test_noise_raises_the_border_until_the_same_again_is_no_alert(kind: str) -> None:
    assert peak(told(kind)[0]) >= 1.0
    quiet, _ = told(kind, *[("noise", False)] * 20)
    assert peak(quiet) < 1.0
    assert (quiet["deviation"] == 0.0).all()


@each
def test_taken_back_it_leaves_every_bit_as_it_was(kind: str) -> None:
    out, state = told(kind)
    again, other = told(kind, ("noise", False), ("missed", False), ("noise", True), ("missed", True))
    assert again.tobytes() == out.tobytes()
    assert all(other[name].tobytes() == array.tobytes() for name, array in state.items())


@each
def test_missed_never_raises_the_border(kind: str) -> None:
    assert (told(kind, ("missed", False))[0]["score"][:60] >= told(kind)[0]["score"][:60]).all()


@each
def test_what_is_learned_does_not_depend_on_what_was_said(kind: str) -> None:
    learned = {"told", "held", "noise", "missed"}  # the first two are of the open alert
    (_, ours), (_, theirs) = told(kind, ("noise", False), ("noise", False)), told(kind)
    for name in set(ours["series"].dtype.names) - learned:
        assert ours["series"][name].tobytes() == theirs["series"][name].tobytes(), name


@each
def test_what_is_normal_and_what_was_never_said_is_refused(kind: str) -> None:
    detector = make(kind, 1)
    assert not detector.feedback(0, "normal", False)
    assert not detector.feedback(0, "noise", True)
