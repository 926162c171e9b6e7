"""What an act does next, by what is so now: one function a state that waits for something. Told the time, no I/O."""

from collections.abc import Callable
from dataclasses import dataclass

from incidents.remedies.guards import Facts, refusal
from incidents.remedies.lifecycle import State, Verb
from incidents.remedies.model import Act
from schemas.levels import LEVELS, over
from schemas.response.automation import RemedyRule

INTENT_LASTS_S = 60.0
"""What nobody begins for so long is judged anew: the alert may be another one by then."""
UNDO_WAITS_S = 300.0
_SOON_S = 10.0
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


@dataclass(frozen=True)
class Move:
    """verb None: stays as it is, and is looked at again at `again_s` if nothing happens until then."""

    verb: Verb | None
    reason: str = ""
    guard: str = ""
    again_s: float | None = None


def move(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    """rule: as the config has it now, None: no more."""
    found = COURSE.get(act.state)
    return Move(None) if found is None else found(act, rule, facts)


def _wait(facts: Facts, until_s: float | None = None) -> Move:
    soon_s = facts.now_s + _SOON_S
    return Move(None, again_s=soon_s if until_s is None else min(soon_s, max(until_s, facts.now_s)))


def _end(facts: Facts) -> str:
    if facts.is_incident_over:
        return "the incident is over"
    return "" if facts.is_firing else "the alert has ended"


def _held(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    if end := _end(facts):
        return Move("drop", end)
    if rule is None:
        return Move("refuse", "the config has no such remedy any more", "mode")
    if (found := refusal(rule, act, facts)) is not None:
        again_s = _wait(facts, found.again_s).again_s
        return Move(found.then, found.reason, found.guard, again_s)
    if facts.mode == "suggest" and act.state == "held":
        return Move("suggest", f"would do it; says yes or no within {rule.approve_within_s:g} s")
    return Move("intend", f"{act.mode}: all guards let it pass")


def _suggested(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    if end := _end(facts):
        return Move("drop", end)
    if act.approve_by_s is not None and facts.now_s >= act.approve_by_s:
        return Move("expire", "nobody said yes in time")
    return _wait(facts, act.approve_by_s)


def _approved(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    if act.approve_by_s is not None and facts.now_s >= act.approve_by_s and not _end(facts):
        why = f": {act.reason}" if act.guard else ""
        return Move("expire", f"it was approved, and could not be done in time{why}")
    return _held(act, rule, facts)


def _intended(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    if end := _end(facts):
        return Move("drop", end)
    if facts.paused:
        return Move("put_back", facts.paused, "kill_switch")
    late_s = (act.intended_s or facts.now_s) + INTENT_LASTS_S
    return Move("put_back", "nobody began it in time") if facts.now_s >= late_s else _wait(facts, late_s)


def _unknown(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    """Whoever runs acts asks the remedy; where nobody does, the metric tells."""
    if act.verify_by_s is not None and facts.now_s >= act.verify_by_s:
        return Move("go_by_metric", "nobody could ask whether it was done")
    return _wait(facts, act.verify_by_s)


def _verifying(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    settled_s = (act.done_s or facts.now_s) + (rule.settle_s if rule is not None else 0.0)
    if not facts.is_firing:
        return _wait(facts, settled_s) if facts.now_s < settled_s else Move("verify", "the alert has ended")
    if rule is not None and (act.seen_s or 0.0) >= settled_s and (seen := _is_back(act, rule)):
        return Move("verify", seen)
    if facts.is_incident_over:
        return Move("drop", "the incident is over; whether it helped isn't known")
    if act.verify_by_s is not None and facts.now_s >= act.verify_by_s:
        return Move("fail", f"the alert still fires {facts.now_s - (act.done_s or facts.now_s):.0f} s later")
    return _wait(facts, act.verify_by_s)


def _is_back(act: Act, rule: RemedyRule) -> str:
    """Where its metric stands, if that says that it helped."""
    border, value = rule.helped, act.seen_value
    if border is None or value is None or not over(border.op, border.low, border.high, value):
        return ""
    return f"its metric is at {value:g}, which is {border.words}"


def _failed(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    if end := _end(facts):
        return Move("drop", f"{act.reason}; {end}")
    is_on = rule is not None and facts.mode != "off"
    if rule is not None and is_on and act.can_retry and act.tried < rule.attempts:
        return Move("retry", f"attempt {act.tried + 1} of {rule.attempts} follows")
    if rule is not None and rule.roll_back and act.took_effect and not is_better(act, facts):
        if not facts.paused:
            return Move("undo", "it didn't help, and is taken back")
        return Move("escalate", f"not taken back: {facts.paused}")
    return Move("escalate", act.reason)


def _reverting(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    if facts.paused:
        return Move("lose", f"not taken back: {facts.paused}")
    late_s = (act.undo_s or facts.now_s) + UNDO_WAITS_S
    return Move("lose", "nobody took it back in time") if facts.now_s >= late_s else _wait(facts, late_s)


def _reverted(act: Act, rule: RemedyRule | None, facts: Facts) -> Move:
    return Move("escalate", act.reason)


COURSE: dict[State, Callable[[Act, RemedyRule | None, Facts], Move]] = {
    "held": _held,
    "suggested": _suggested,
    "approved": _approved,
    "intended": _intended,
    "running": lambda act, rule, facts: _wait(facts),
    "unknown": _unknown,
    "verifying": _verifying,
    "failed": _failed,
    "reverting": _reverting,
    "undoing": lambda act, rule, facts: _wait(facts),
    "rolled_back": _reverted,
    "not_rolled_back": _reverted,
}


def is_better(act: Act, facts: Facts) -> bool:
    """Whether the alert's level has fallen since the act was intended."""
    return _RANK[facts.level] < _RANK[act.level]


def holds_page(act: Act) -> bool:
    """Whether it may still help, so that who agreed to wait (`hold_page`) waits on."""
    return act.state in ("intended", "running", "verifying") or (act.state == "held" and act.guard in _PASSING)


_PASSING = frozenset({"", "duration", "back_off", "cooldown", "one_at_a_time"})
