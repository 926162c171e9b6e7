"""What stands before an act: each guard a function in a table, each refusal with its reason.

Asked when an act is to be suggested or done, from what is so at that moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from incidents.remedies.model import Act
from schemas.levels import LEVELS, LevelName
from schemas.response.automation import Limit, Mode, RemedyRule

Then = Literal["hold", "refuse", "page"]
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


@dataclass(frozen=True)
class Facts:
    """What is so now, about one act.

    mode: what the config lets it do. paused, muted, hours, busy, problem: why not, in words; empty: no objection.
    is_firing, level, first_seen_s: of its alert. target_times, remedy_times: when this remedy was begun on this target,
    on any target, without this act. storm_targets: how many different targets all remedies have touched within
    `storm.window_s` or would touch now, this one among them.
    """

    now_s: float
    mode: Mode
    storm: Limit
    is_firing: bool
    level: LevelName
    first_seen_s: float
    is_incident_over: bool = False
    paused: str = ""
    muted: str = ""
    hours: str = ""
    busy: str = ""
    problem: str = ""
    target_times: Sequence[float] = ()
    remedy_times: Sequence[float] = ()
    storm_targets: int = 1


@dataclass(frozen=True)
class Refusal:
    """then: `hold` asks again (at `again_s`, None: before long), `refuse` never does, `page` neither, and tells people.

    >>> refusal = Refusal("cooldown", "done 60 s ago, waits 300 s", "hold", 240.0)
    """

    guard: str
    reason: str
    then: Then = "hold"
    again_s: float | None = None


Guard = Callable[[RemedyRule, Act, Facts], Refusal | None]


def mode(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    if facts.mode == "off":
        return Refusal("mode", "switched off in the config")
    return None


def kill_switch(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    return Refusal("kill_switch", facts.paused) if facts.paused else None


def target(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    return Refusal("target", facts.problem, "refuse") if facts.problem else None


def level(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    if _RANK[facts.level] < _RANK[rule.level]:
        return Refusal("level", f"the alert stands at {facts.level}, it is for {rule.level}")
    return None


def duration(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    due_s = facts.first_seen_s + rule.for_s
    if facts.now_s < due_s:
        return Refusal("duration", f"the alert must fire for {rule.for_s:g} s first", "hold", due_s)
    return None


def held_back(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    return Refusal("held_back", facts.muted) if facts.muted else None


def hours(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    return Refusal("hours", facts.hours) if facts.hours else None


def back_off(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    if facts.now_s < act.not_before_s:
        return Refusal("back_off", f"attempt {act.tried} waits after the one before", "hold", act.not_before_s)
    return None


def storm(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    if facts.storm_targets > facts.storm.count:
        text = (
            f"{facts.storm_targets} different targets within {facts.storm.window_s:g} s, more than "
            f"{facts.storm.count}: they have one cause, and it isn't theirs"
        )
        return Refusal("storm", text, "page")
    return None


def target_limit(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    return _over(rule.limit, "limit", f"{rule.name} on {act.target}", facts.target_times, facts.now_s)


def remedy_limit(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    return _over(rule.limit_all, "limit_all", rule.name, facts.remedy_times, facts.now_s)


def cooldown(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    last_s = max(facts.target_times, default=None)
    if last_s is not None and facts.now_s < last_s + rule.cooldown_s:
        text = f"done {facts.now_s - last_s:.0f} s ago, waits {rule.cooldown_s:g} s"
        return Refusal("cooldown", text, "hold", last_s + rule.cooldown_s)
    return None


def one_at_a_time(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    return Refusal("one_at_a_time", facts.busy) if facts.busy else None


GUARDS: dict[str, tuple[Guard, str]] = {
    "mode": (mode, "the config lets it"),
    "kill_switch": (kill_switch, "nobody has paused automation"),
    "target": (target, "its name is plain text, and among those that `only` lets in"),
    "level": (level, "the alert is still as bad as `level`"),
    "duration": (duration, "the alert has fired for as long as `for`"),
    "held_back": (held_back, "no silence, maintenance, inhibition, snooze or flapping holds the alert back"),
    "hours": (hours, "now is in one of `active_time_intervals`"),
    "back_off": (back_off, "the pause after the attempt before is over"),
    "storm": (storm, "no more different targets than `storm` lets in; else people are paged"),
    "limit": (target_limit, "not done to this target as often as `limit` allows; else people are paged"),
    "limit_all": (remedy_limit, "not done as often as `limit_all` allows; else people are paged"),
    "cooldown": (cooldown, "`cooldown` since it was last done to this target"),
    "one_at_a_time": (one_at_a_time, "nothing else is being done to this target, or being verified"),
}
"""In the order in which they are asked. That the alert still fires in an open incident is asked before all of them."""


def refusal(rule: RemedyRule, act: Act, facts: Facts) -> Refusal | None:
    """The first guard's that refuses; None: it may be."""
    return next((found for guard, _ in GUARDS.values() if (found := guard(rule, act, facts)) is not None), None)


def refusals(rule: RemedyRule, act: Act, facts: Facts) -> list[Refusal]:
    """All of them, for a person who asks."""
    return [found for guard, _ in GUARDS.values() if (found := guard(rule, act, facts)) is not None]


def _over(limit: Limit, guard: str, what: str, times: Sequence[float], now_s: float) -> Refusal | None:
    count = sum(at_s > now_s - limit.window_s for at_s in times)
    if count < limit.count:
        return None
    text = f"{what} was done {count} times within {limit.window_s:g} s: a person must look"
    return Refusal(guard, text, "page")
