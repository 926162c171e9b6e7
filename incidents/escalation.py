"""How a policy climbs with an incident: a table over stages and acts. `climbing.py` walks it.

A course is one policy's way with one incident. Each look derives what has happened to the incident since the one before
(`acts`), then what time brings; for each act the table says where the course goes on, or why it stops. A step's time
was planned for the incident as it was then: what has happened since comes first, so that no timer pages for what is
over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from incidents.model import OVER, State
from schemas.response.escalation import EscalationPlan, Policy, Step, Target
from schemas.response.oncall import OnCallPlan

Stage = Literal["climbing", "attended", "at_end", "stopped"]
STAGES: dict[Stage, str] = {
    "climbing": "each step pages when its time has come",
    "attended": "somebody has it: only steps that ask for more than that page",
    "at_end": "every step and repeat has been",
    "stopped": "nothing more, for the reason that stands in the timeline",
}
Act = Literal[
    "due",
    "held",
    "exhausted",
    "acknowledged",
    "mitigated",
    "given_back",
    "ack_expired",
    "resolved",
    "closed",
    "merged",
    "reopened",
    "dropped",
    "returned",
]
ACTS: tuple[Act, ...] = get_args(Act)
Does = Literal["page", "hold", "end", "attend", "restart", "stop", "go on", "stay"]


@dataclass(frozen=True)
class Rule:
    """to: the stage from then on. does: what the walk does. why: what the timeline says, with `{}` for the details."""

    to: Stage
    does: Does
    why: str


def _in(stage: Stage) -> Rule:
    return Rule(stage, "stay", "")


_STOPS: dict[Act, Rule] = {
    "resolved": Rule("stopped", "stop", "the incident is resolved"),
    "closed": Rule("stopped", "stop", "the incident is closed"),
    "merged": Rule("stopped", "stop", "merged into {merged}, which pages for both"),
    "dropped": Rule("stopped", "stop", "it isn't the incident's policy any more, or not in the config"),
}
_AGAIN = Rule("climbing", "restart", "the incident was reopened")
TABLE: dict[Stage, dict[Act, Rule]] = {
    "climbing": {
        **_STOPS,
        "due": Rule("climbing", "page", "its time has come"),
        "held": Rule("climbing", "hold", "pages are held: {held}"),
        "exhausted": Rule("at_end", "end", "every step and repeat has been"),
        "acknowledged": Rule("attended", "attend", "acknowledged by {by}"),
        "mitigated": Rule("attended", "attend", "mitigated"),
        "given_back": Rule("climbing", "go on", "nobody had it"),
        "ack_expired": Rule("climbing", "go on", "nobody had it"),
        "reopened": _AGAIN,
        "returned": Rule("climbing", "go on", "it never stopped"),
    },
    "attended": {
        **_STOPS,
        "due": Rule("attended", "page", "its time has come, though somebody has it"),
        "held": Rule("attended", "hold", "pages are held: {held}"),
        "exhausted": Rule("attended", "go on", "somebody has it"),
        "acknowledged": Rule("attended", "attend", "acknowledged by {by}"),
        "mitigated": Rule("attended", "attend", "mitigated"),
        "given_back": Rule("climbing", "restart", "nobody is on it any more"),
        "ack_expired": Rule("climbing", "restart", "the acknowledgement by {by} has expired"),
        "reopened": _AGAIN,
        "returned": Rule("attended", "go on", "it never stopped"),
    },
    "at_end": {
        **_STOPS,
        "due": _in("at_end"),
        "held": _in("at_end"),
        "exhausted": _in("at_end"),
        "acknowledged": Rule("attended", "attend", "acknowledged by {by}"),
        "mitigated": Rule("attended", "attend", "mitigated"),
        "given_back": _in("at_end"),
        "ack_expired": _in("at_end"),
        "reopened": _AGAIN,
        "returned": _in("at_end"),
    },
    "stopped": {
        **{act: _in("stopped") for act in ACTS},
        "reopened": _AGAIN,
        "returned": Rule("climbing", "restart", "it is the incident's policy again"),
    },
}


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How far a policy has come with an incident.

    step: the next, from 0; as many as there are: the end is what comes next. round: how often it has begun again.
    next_s: when that is, None: never by itself. expires_s: of the acknowledgement. version, state, acknowledged_s: of
    the incident when that was planned. is_own: the incident's own policy, not one that was escalated to. insists: pages
    once although somebody has the incident. is_held: it was said that pages are held. paged: steps that reached
    somebody.
    """

    policy: str
    stage: Stage = "climbing"
    why: str = ""
    step: int = 0
    round: int = 0
    next_s: float | None = None
    expires_s: float | None = None
    version: int = 0
    state: State = "open"
    acknowledged_s: float | None = None
    begun_s: float
    reason: str = ""
    is_own: bool = True
    insists: bool = False
    is_held: bool = False
    is_dropped: bool = False
    paged: int = 0

    @property
    def look_s(self) -> float | None:
        """When time brings something next."""
        return min((at_s for at_s in (self.next_s, self.expires_s) if at_s is not None), default=None)


@dataclass(frozen=True)
class Facts:
    """The incident and the world at one moment. held: why planned work holds pages back, empty: it doesn't."""

    now_s: float
    version: int
    state: State
    severity: int
    acknowledged_s: float | None = None
    acknowledged_by: str = ""
    merged_into: int | None = None
    held: str = ""
    is_in: Callable[[str], bool] = lambda interval: True  # a time interval of the config, now


@dataclass(frozen=True)
class Reach:
    """Whom a step would reach now, by names; `why`: what is missing, where that is nobody."""

    names: tuple[str, ...]
    why: str = ""


What = Literal["page", "skip", "hold", "attend", "restart", "expired", "end", "stop"]


@dataclass(frozen=True)
class Move:
    """Something that a course did, to be written down; whom a page tells, and that an acknowledgement has expired, is
    the shell's to see to."""

    what: What
    text: str
    step: int | None = None
    round: int = 0


def begin(policy: Policy, now_s: float, *, reason: str = "", is_own: bool = True, insists: bool = False) -> Course:
    """A policy's first steps with an incident that is open, as far as it knows."""
    return Course(
        policy=policy.name,
        begun_s=now_s,
        next_s=now_s + (policy.steps[0].after_s if policy.steps else 0.0),
        reason=reason,
        is_own=is_own,
        insists=insists,
    )


def policy_of(name: str, plan: EscalationPlan, oncall: OnCallPlan) -> Policy | None:
    """The policy of that name, a team's, or for any other target (`receiver:pagerduty`) one of a single step.

    None: there is no such policy or target. Whether a receiver exists isn't known here.
    """
    if name in plan.policies:
        return plan.policies[name]
    try:
        target = Target.parse(name)
    except ValueError:
        return None
    if target.kind == "team" and target.name in oncall.teams:
        own = plan.policies.get(oncall.teams[target.name].policy)
        if own is not None:
            return own
    lists: dict[str, Mapping[str, object]] = {
        "person": oncall.people,
        "schedule": oncall.schedules,
        "team": oncall.teams,
    }
    known = lists.get(target.kind)
    if known is not None and target.name not in known:
        return None
    return Policy(str(target), (Step(0.0, (target,)),))


def acts(course: Course, facts: Facts, *, is_there: bool) -> list[Act]:
    """What has happened to the incident since the course was planned; `is_there`: its policy still is."""
    if facts.merged_into is not None:
        return ["merged"]
    if facts.state == "resolved" or facts.state == "closed":
        return [facts.state]
    if not is_there:
        return ["dropped"]
    found: list[Act] = []
    if course.state in OVER:
        found.append("reopened")
    elif course.is_dropped:
        found.append("returned")
    if facts.state == "acknowledged":
        is_new = course.state != "acknowledged" or course.acknowledged_s != facts.acknowledged_s
        found += ["acknowledged"] if is_new or found else []
    elif facts.state == "mitigated":
        found += ["mitigated"] if course.state != "mitigated" or found else []
    elif course.state in ("acknowledged", "mitigated") or course.stage == "attended":
        found.append("given_back")
    return found


def diagram() -> str:
    """The table as a Mermaid state diagram: what moves a course from a stage to another, and what it does there."""
    lines = ["stateDiagram-v2", "    [*] --> climbing"]
    for stage, rules in TABLE.items():
        by_target: dict[tuple[Stage, Does], list[Act]] = {}
        for act, rule in rules.items():
            if rule.does not in ("stay", "go on"):
                by_target.setdefault((rule.to, rule.does), []).append(act)
        for (to, does), found in by_target.items():
            lines.append(f"    {stage} --> {to}: {', '.join(sorted(found))} / {does}")
    return "\n".join(lines)
