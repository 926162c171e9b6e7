"""Which remedies are for which alerts, and on which targets: by matchers, level and the target's template."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from incidents.remedies.model import Act
from incidents.remedies.naming import Unusable, filled
from schemas.calls import Refused
from schemas.levels import LEVELS, LevelName
from schemas.response.automation import AutomationPlan, RemedyRule
from schemas.selector import compile_regex

_RANK = {level: rank for rank, level in enumerate(LEVELS)}
_ONCE: frozenset[str] = frozenset({"rejected", "expired", "refused", "dry_run"})


@dataclass(frozen=True)
class Seen:
    """A firing alert. labels: as matchers see them. first_seen_s: of this episode, by the desk's clock."""

    fingerprint: str
    episode: str
    labels: dict[str, str]
    level: LevelName
    first_seen_s: float
    value: float | None = None
    why: str = ""


TargetOf = Callable[[RemedyRule, Mapping[str, str]], str]
"""What a remedy of this kind acts on, for an alert with these labels. Raises Refused."""


@dataclass(frozen=True)
class Candidate:
    """A remedy for an alert. problem: why its target can't be touched, empty: it can."""

    rule: RemedyRule
    alert: Seen
    target: str
    problem: str = ""


def candidates(plan: AutomationPlan, alerts: Iterable[Seen], target_of: TargetOf) -> list[Candidate]:
    """One for each remedy and target: of several alerts the worst, then the one that was seen first."""
    best: dict[tuple[str, str, str], Candidate] = {}
    order = {rule.name: place for place, rule in enumerate(plan.remedies)}
    for alert in alerts:
        for rule in plan.remedies:
            if plan.mode_of(rule) == "off" or not applies(rule, alert):
                continue
            found = _candidate(rule, alert, target_of)
            # Where no target can be made, alerts are told apart by themselves.
            key = rule.name, found.target, "" if found.target else alert.fingerprint
            if key not in best or _worse(alert, best[key].alert):
                best[key] = found
    return sorted(best.values(), key=lambda one: (order[one.rule.name], one.target, one.alert.fingerprint))


def applies(rule: RemedyRule, alert: Seen) -> bool:
    return _RANK[alert.level] >= _RANK[rule.level] and rule.matchers.matches(alert.labels)


def is_due(last: Act | None, wanted: Candidate) -> bool:
    """Whether another act is to be made. last: the newest of this remedy on this target in this incident.

    After people were paged automation leaves the incident's target to them. What a person refused, or a guard for
    good, isn't asked again for an alert that fired by then.
    """
    if last is None:
        return True
    if not last.is_final or last.state in ("escalated", "retried"):
        return False
    if last.state in _ONCE:
        return wanted.alert.first_seen_s > (last.ended_s or 0.0)
    # What was dropped though its alert fires on was dropped with an incident that has been opened again.
    return last.state == "dropped" or wanted.alert.episode != last.episode


def newest(acts: Sequence[Act]) -> dict[tuple[str, str], Act]:
    """(remedy, target) -> the last attempt."""
    found: dict[tuple[str, str], Act] = {}
    for act in sorted(acts, key=lambda act: act.attempt):
        found[act.remedy, act.target] = act
    return found


def _candidate(rule: RemedyRule, alert: Seen, target_of: TargetOf) -> Candidate:
    try:
        target = filled(rule.target, alert.labels) if rule.target else target_of(rule, alert.labels)
    except Unusable as problem:
        return Candidate(rule, alert, "", str(problem))
    except Refused as problem:
        return Candidate(rule, alert, "", problem.reason)
    if rule.only and compile_regex(rule.only)(target.encode()) is None:
        return Candidate(rule, alert, target, f"{target} isn't among the targets that `only` lets in")
    return Candidate(rule, alert, target)


def _worse(one: Seen, other: Seen) -> bool:
    return (-_RANK[one.level], one.first_seen_s, one.fingerprint) < (
        -_RANK[other.level],
        other.first_seen_s,
        other.fingerprint,
    )
