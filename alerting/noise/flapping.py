"""Alerts that fire and end again and again: Nagios' rule over the last 21 states, the newer changes weighing more.

Nagios looks at every check; the desk hears of changes only. So a state counts for each change, and again for every
`SAMPLE_S` in which nothing changed: an alert that changes more often than about every ten minutes flaps.
"""

import msgspec

from schemas.desk import Flapping

STATES = 21
SAMPLE_S = 300.0
# base/flapping.c of Nagios Core 4: the oldest change weighs 0.75, the newest 1.25.
_OLDEST, _NEWEST = 0.75, 1.25
_WEIGHTS = tuple(_OLDEST + i * (_NEWEST - _OLDEST) / (STATES - 2) for i in range(STATES - 1))


class FlapState(msgspec.Struct, frozen=True):
    """What is kept of one alert (by fingerprint).

    history: states, oldest first, `1` is firing; at most 21. at_s: until when it is written, desk's clock.
    """

    history: str
    at_s: float
    is_flapping: bool = False


def step(state: FlapState | None, is_firing: bool, now_s: float, rule: Flapping | None = None) -> FlapState:
    """The state after hearing, or hearing again, that the alert fires or not. None: it was never heard of.

    Compare `is_flapping` before and after: it has started or stopped. The time alone stops it too, see `settles_at_s`.
    """
    rule = rule or Flapping()
    if state is None:
        return FlapState(_mark(is_firing), now_s)
    history, is_flapping = state.history, state.is_flapping
    quiet = max(0, int((now_s - state.at_s) // SAMPLE_S))
    at_s = state.at_s + quiet * SAMPLE_S
    added = history[-1] * min(quiet, STATES)
    if history[-1] != _mark(is_firing):
        added, at_s = added + _mark(is_firing), max(now_s, at_s)
    # One by one: whether it is asked in between must make no difference.
    for mark in added:
        history = (history + mark)[-STATES:]
        is_flapping = _judge(history, is_flapping, rule)
    return FlapState(history, at_s, is_flapping and rule.enabled)


def percent(history: str) -> float:
    """State change in percent, weighed.

    >>> percent("01" * 10 + "0"), percent("0" * 20 + "1"), percent("1" * 21)
    (100.0, 6.25, 0.0)
    """
    # A short history is as if it had been quiet before.
    padded = history[0] * (STATES - len(history)) + history
    changes = (weight for weight, a, b in zip(_WEIGHTS, padded, padded[1:], strict=False) if a != b)
    return round(100.0 * sum(changes) / (STATES - 1), 9)


def settles_at_s(state: FlapState, rule: Flapping | None = None) -> float | None:
    """When it stops flapping if nothing changes any more: call `step` then. None: it doesn't flap."""
    if not state.is_flapping:
        return None
    quiet = state.history
    for count in range(1, STATES + 1):
        quiet = (quiet + quiet[-1])[-STATES:]
        if not _judge(quiet, True, rule or Flapping()):
            return state.at_s + count * SAMPLE_S
    return state.at_s + STATES * SAMPLE_S


def is_idle(state: FlapState) -> bool:
    """Nothing changed within the whole history and it doesn't fire: it may be forgotten."""
    return not state.is_flapping and "1" not in state.history


def _judge(history: str, was_flapping: bool, rule: Flapping) -> bool:
    change = percent(history)
    if not rule.enabled or change <= rule.stop_percent:
        return False
    return change >= rule.start_percent or was_flapping


def _mark(is_firing: bool) -> str:
    return "1" if is_firing else "0"
