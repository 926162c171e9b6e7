"""From what was observed to reasons: why each level of each rule stood as it stood at a point. No I/O, no clock."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alerting.back_off import WORSE
from alerting.budget import factor_at
from alerting.lifecycle import Record, State
from detectors.base import Detector, Point
from detectors.default import Default
from pipeline.binding import SHOWN_RAISE, Binding
from pipeline.observing import Standing, Step, Watched
from schemas.alert import AlertEvent, rfc3339
from schemas.config import Level, Rule
from schemas.duration import format_duration
from schemas.levels import LEVELS, over

Said = dict[str, Any]  # as `--json` prints it
_NUMBERS = ("expected", "lower", "upper", "score", "deviation")


@dataclass(frozen=True)
class View:
    """All that speaks for or against one level at one point. standing: after the point; before: before it."""

    binding: Binding
    level: Level
    number: int  # of the level in its rule
    step: Step
    before: Standing
    standing: Standing

    @property
    def detector(self) -> Detector:
        return self.binding.detectors[self.level.detector]

    @property
    def on_score(self) -> bool:
        return self.detector.levels_on == "score"

    @property
    def verdict(self) -> Record:
        return self.step.verdicts[self.level.detector]

    @property
    def value(self) -> float:
        return self.step.values[self.level.detector]

    @property
    def measured(self) -> float:
        return float(self.verdict["score"]) if self.on_score else self.value

    @property
    def raised(self) -> float:
        """By how much the budget raises the border here."""
        budget = self.before.budget.copy()
        if not self.on_score or not budget["a_day"][0]:
            return 1.0
        if not self.before.cell["seen"]:
            budget["series"] += 1.0  # the point itself counts its series in, before it is judged
        return float(factor_at(budget[0], self.step.t))

    @property
    def is_over(self) -> bool:
        """As the border is, raised by nothing."""
        return over(self.level.open.op, self.level.open.low, self.level.open.high, self.measured)

    @property
    def is_over_raised(self) -> bool:
        return over(self.level.open.op, self.level.open.low, self.level.open.high, self.measured / self.raised)

    @property
    def state(self) -> State:
        return State(int(self.standing.cell["state"][self.number]))

    @property
    def since_s(self) -> float:
        return float(self.standing.cell["since_s"][self.number])

    @property
    def lasted_s(self) -> float:
        return self.step.t - self.since_s

    @property
    def is_backed_off(self) -> bool:
        return self.binding.rule.back_off and self.on_score and self.lasted_s >= self.level.for_s


def _quiet(view: View) -> str:
    name = "score" if view.on_score else "value"
    if view.is_over and not view.is_over_raised:
        return (
            f"held back by the budget: {name} {view.measured:.3g} is over {_opens(view)}, but the border is raised "
            f"x{view.raised:.2g}"
        )
    if view.on_score and _is_mute(view):
        rows = _warm_up(view.binding.rule, view.level.detector)
        if 0 < view.step.row_number <= rows:
            return f"warming up: point {view.step.row_number:,} of the {rows:,} that it needs first"
        return "the detector has no expectation here, and scores 0"
    return f"{name} {view.measured:.4g} is not {_opens(view)}"


def _pending(view: View) -> str:
    if view.lasted_s < view.level.for_s:
        wanted = format_duration(view.level.for_s)
        return f"held back by for: over its border for {format_duration(view.lasted_s)} of {wanted}"
    if view.is_backed_off:
        cell = view.standing.cell
        return (
            f"held back by back-off: {int(cell['since'])} of {int(cell['hold'])} points since it opened last; a score "
            f"over {WORSE * float(cell['told']):.3g} times its border would not wait"
        )
    return "over its border"


def _firing(view: View) -> str:
    since = f"since {rfc3339(view.since_s)}"
    if view.is_over_raised:
        return f"{'score' if view.on_score else 'value'} {view.measured:.4g} is {_opens(view)}, {since}"
    if view.level.clear_deviation is not None:
        deviation = float(view.verdict["deviation"])
        return f"held: |deviation| {abs(deviation):.3g} is not below {view.level.clear_deviation:g} sigmas, {since}"
    return f"held: value {view.value:.4g} is not {view.level.clear.words if view.level.clear else 'back'}, {since}"


def _recovering(view: View) -> str:
    held = format_duration(view.level.keep_firing_for_s)
    return f"held by keep_firing_for: back for {format_duration(view.lasted_s)} of {held}"


def _resolved(view: View) -> str:
    return f"ended at this point: {_quiet(view)}"


REASONS: dict[State, Callable[[View], str]] = {
    State.INACTIVE: _quiet,
    State.PENDING: _pending,
    State.FIRING: _firing,
    State.RECOVERING: _recovering,
    State.RESOLVED: _resolved,
}


def _opens(view: View) -> str:
    border = view.level.open
    return f"at or above its border {border.low:g}" if view.on_score else border.words


def _is_mute(view: View) -> bool:
    v = view.verdict
    return float(v["score"]) == 0.0 and all(math.isnan(float(v[name])) for name in ("expected", "lower", "upper"))


def _warm_up(rule: Rule, detector: int) -> int:
    """Points that a detector needs before it may score; 0 where its settings don't say."""
    params = rule.detectors[detector].params
    own = getattr(params, "baseline", None) or params
    return int(getattr(own, "warm_up", 0) or 0)


def explain_rule(watched: Watched, told: list[AlertEvent], at_s: float, newest_s: float) -> Said:
    """told: the alert events of this rule on this series up to then; newest_s: of the series' newest point."""
    binding = watched.binding
    step = watched.steps[-1] if watched.steps else None
    return {
        "rule": binding.rule.name,
        "resolved": resolved(binding.rule),
        "point": None if step is None else _point(binding, step),
        "levels": _levels(binding, step),
        "silence": _silence(binding, at_s, newest_s),
        "points": [_point(binding, one, short=True) for one in watched.steps],
        "events": [
            {"id": e.id, "seq": e.seq, "at": e.at, "level": e.level, "previous_level": e.previous_level, "why": e.why}
            for e in told
        ],
    }


def _levels(binding: Binding, step: Step | None) -> list[Said]:
    if step is None or step.before is None or step.after is None:
        return []
    found = []
    for number, level in enumerate(binding.rule.levels):
        view = View(binding, level, number, step, step.before, step.after)
        one: Said = {"level": level.name, "state": view.state.name.lower(), "reason": REASONS[view.state](view)}
        if view.raised >= SHOWN_RAISE:
            one["border_raised_by_budget"] = round(view.raised, 4)
        found.append(one)
    return found


def _silence(binding: Binding, at_s: float, newest_s: float) -> str:
    if binding.deadlines is None:
        return ""
    silent = format_duration(max(0.0, at_s - newest_s))
    after = [(LEVELS[int(d["rank"]) - 1], format_duration(float(d["after_s"]))) for d in binding.deadlines]
    opens = ", ".join(f"{level} after {told}" for level, told in after)
    return f"silent for {silent} by then; it opens {opens}"


def _point(binding: Binding, step: Step, short: bool = False) -> Said:
    best = _speaks(binding, step)
    said: Said = {"at": rfc3339(step.t), "value": _number(step.values[best]), **_verdict(step.verdicts[best])}
    if step.after is not None:
        rank = int(step.after.cell["rank"])
        said["level"] = LEVELS[rank - 1] if rank else None
    if short:
        return said
    said["detectors"] = [_detector(binding, step, number) for number in range(len(binding.detectors))]
    return said


def _detector(binding: Binding, step: Step, number: int) -> Said:
    detector, verdict = binding.detectors[number], step.verdicts[number]
    said: Said = {"detector": detector.kind, **_verdict(verdict)}
    if votes := step.votes.get(number):
        said["votes"] = {part: _verdict(vote) for part, vote in votes.items()}
    if float(verdict["score"]) >= 1.0:
        level = next(level for level in binding.rule.levels if level.detector == number)
        expected, lower, upper, score, deviation = (float(verdict[name]) for name in _NUMBERS)
        part, value = int(verdict["part"]), step.values[number]
        said["why"] = detector.why(Point(value, expected, lower, upper, score, deviation, level.open, part))
        if isinstance(detector, Default):
            said["speaks"] = detector.part_of(int(verdict["part"]))
    return said


def _speaks(binding: Binding, step: Step) -> int:
    """Number of the detector that says most; of equals one that expects something."""
    return max(
        range(len(binding.detectors)),
        key=lambda k: (float(step.verdicts[k]["score"]), math.isfinite(float(step.verdicts[k]["expected"]))),
    )


def _verdict(verdict: Record) -> Said:
    return {name: _number(float(verdict[name])) for name in _NUMBERS}


def _number(x: float) -> float | None:
    return x if math.isfinite(x) else None


def resolved(rule: Rule) -> Said:
    """The rule with all defaults, presets and inheritance in place, as the engine has it. Times in seconds."""
    return {
        "match": str(rule.selector),
        "detectors": [{"kind": d.kind, "params": d.params.model_dump(mode="json")} for d in rule.detectors],
        "levels": {
            level.name: {
                "detector": rule.detectors[level.detector].kind,
                "opens": str(level.open),
                "clears": str(level.clear) if level.clear else level.clear_deviation,
                "for_s": level.for_s,
                "keep_firing_for_s": level.keep_firing_for_s,
            }
            for level in rule.levels
        },
        "group_by": rule.group_by,
        "stale_after_s": rule.stale_after_s,
        "back_off": rule.back_off,
        "budget_a_day": rule.budget_a_day,
        "config": rule.config_hash,
    }
