"""The life of an incident: a table of states and acts; each cell is a new state, or a refusal with its reason.

Acts are what people do, and what happens by itself: an alert comes or comes back, all are over, time passes. Who is
told, what runs and what is written follows from the state elsewhere; here are only state and times.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

from incidents.model import STATES, Incident, State

Act = Literal[
    "acknowledge",
    "unacknowledge",
    "mitigate",
    "resolve",
    "reopen",
    "close",
    "merge",
    "split",
    "alert",
    "quiet",
    "settled",
    "ack_expired",
    "aged",
]
ACTS: tuple[Act, ...] = get_args(Act)
BY_HAND: tuple[Act, ...] = ("acknowledge", "unacknowledge", "mitigate", "resolve", "reopen", "close", "merge", "split")

MEANING: dict[Act, str] = {
    "acknowledge": "a person is on it",
    "unacknowledge": "nobody is on it any more",
    "mitigate": "a person says: contained",
    "resolve": "a person says: over",
    "reopen": "a person says: not over",
    "close": "a person files it away",
    "merge": "it goes into another",
    "split": "alerts of it get an incident of their own",
    "alert": "an alert joins, comes back, or is worse than ever",
    "quiet": "all its alerts are over",
    "settled": "they have been for `resolve_after`",
    "ack_expired": "the acknowledgement has grown old",
    "aged": "it has been resolved for `close_after`",
}
DONE: dict[State, str] = {
    "open": "open again",
    "acknowledged": "acknowledged",
    "mitigated": "mitigated",
    "resolved": "resolved",
    "closed": "closed",
}


@dataclass(frozen=True)
class To:
    """The state from now on; `held` where somebody has acknowledged it."""

    state: State
    held: State | None = None


@dataclass(frozen=True)
class No:
    """Refused."""

    reason: str


class Refused(Exception):
    """What was asked for doesn't fit the state that the incident is in; nothing was changed."""


Cell = To | No

TABLE: dict[State, dict[Act, Cell]] = {
    "open": {
        "acknowledge": To("acknowledged"),
        "unacknowledge": No("nobody has acknowledged it"),
        "mitigate": To("mitigated"),
        "resolve": To("resolved"),
        "reopen": No("it is open"),
        "close": No("it isn't resolved; resolve it first"),
        "merge": To("closed"),
        "split": To("open"),
        "alert": To("open"),
        "quiet": To("mitigated"),
        "settled": No("a person opened it while its alerts were over; a person resolves it"),
        "ack_expired": No("nobody has acknowledged it"),
        "aged": No("it isn't resolved"),
    },
    "acknowledged": {
        "acknowledge": To("acknowledged"),
        "unacknowledge": To("open"),
        "mitigate": To("mitigated"),
        "resolve": To("resolved"),
        "reopen": No("it isn't over; unacknowledge it to have somebody else told"),
        "close": No("it isn't resolved; resolve it first"),
        "merge": To("closed"),
        "split": To("acknowledged"),
        "alert": To("acknowledged"),
        "quiet": To("mitigated"),
        "settled": No("a person opened it while its alerts were over; a person resolves it"),
        "ack_expired": To("open"),
        "aged": No("it isn't resolved"),
    },
    "mitigated": {
        "acknowledge": To("mitigated"),
        "unacknowledge": No("it is mitigated, so nobody is told any more; reopen it instead"),
        "mitigate": No("it is mitigated"),
        "resolve": To("resolved"),
        "reopen": To("open"),
        "close": No("it isn't resolved; resolve it first"),
        "merge": To("closed"),
        "split": To("mitigated"),
        "alert": To("open", held="acknowledged"),
        "quiet": To("mitigated"),
        "settled": To("resolved"),
        "ack_expired": No("it is mitigated, so nobody is told any more"),
        "aged": No("it isn't resolved"),
    },
    "resolved": {
        "acknowledge": No("it is resolved; reopen it first"),
        "unacknowledge": No("it is resolved; reopen it first"),
        "mitigate": No("it is resolved; reopen it first"),
        "resolve": No("it is resolved"),
        "reopen": To("open"),
        "close": To("closed"),
        "merge": To("closed"),
        "split": To("resolved"),
        "alert": To("open"),
        "quiet": To("resolved"),
        "settled": No("it is resolved"),
        "ack_expired": No("it is resolved"),
        "aged": To("closed"),
    },
    "closed": {
        "acknowledge": No("it is closed, and that is final; open another"),
        "unacknowledge": No("it is closed, and that is final; open another"),
        "mitigate": No("it is closed, and that is final; open another"),
        "resolve": No("it is closed, and that is final"),
        "reopen": No("it is closed, and that is final; open another"),
        "close": No("it is closed"),
        "merge": No("it is closed, and that is final"),
        "split": No("it is closed, and that is final; open another"),
        "alert": No("it is closed; the alert opens another"),
        "quiet": To("closed"),
        "settled": No("it is closed"),
        "ack_expired": No("it is closed"),
        "aged": No("it is closed"),
    },
}


def after(incident: Incident, act: Act, now_s: float, by: str = "") -> Incident:
    """The incident with its new state and times. Raises Refused; nothing else ever changes a state.

    >>> fresh = Incident(number=7, title="x", severity=2, opened_s=10.0, detected_s=4.0, updated_s=10.0)
    >>> taken = after(fresh, "acknowledge", 70.0, "ann")
    >>> taken.state, taken.acknowledged_by, durations(taken).acknowledge_s
    ('acknowledged', 'ann', 60.0)
    >>> after(fresh, "close", 70.0)
    Traceback (most recent call last):
    incidents.lifecycle.Refused: INC-7 is open: it isn't resolved; resolve it first
    """
    cell = TABLE[incident.state][act]
    if isinstance(cell, No):
        where = f", merged into INC-{incident.merged_into}" if incident.merged_into is not None else ""
        raise Refused(f"{incident.id} is {incident.state}{where}: {cell.reason}")
    is_held = cell.held is not None and incident.acknowledged_s is not None
    state = cell.held if is_held and cell.held else cell.state
    return msgspec.structs.replace(incident, state=state, **_times(incident, act, state, now_s, by))


def _times(was: Incident, act: Act, state: State, now_s: float, by: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if act == "acknowledge":
        found = {"acknowledged_s": now_s, "acknowledged_by": by, "responded_s": _first(was.responded_s, now_s)}
    if act in ("unacknowledge", "ack_expired") or (act == "reopen" and was.state == "mitigated"):
        found = {"acknowledged_s": None, "acknowledged_by": ""}
    if act == "quiet":
        found["quiet_since_s"] = now_s
    if act == "alert":
        found["quiet_since_s"] = None
    if was.is_over and state == "open":
        found |= {"reopened_s": now_s, "responded_s": None, "acknowledged_s": None, "acknowledged_by": ""}
    if state in ("open", "acknowledged"):
        return found | {"mitigated_s": None, "resolved_s": None}
    if state != was.state and state in ("mitigated", "resolved"):
        found["mitigated_s"] = _first(was.mitigated_s, now_s)
    if state != was.state and state in ("resolved", "closed"):
        found[f"{state}_s"] = now_s
    return found


def refusal(state: State, act: Act) -> str | None:
    """Why not, None where it goes."""
    cell = TABLE[state][act]
    return cell.reason if isinstance(cell, No) else None


def next_acts(state: State) -> list[Act]:
    """What a person can do now."""
    return [act for act in BY_HAND if refusal(state, act) is None]


@dataclass(frozen=True)
class Durations:
    """Seconds; means over many incidents are MTTD, MTTA, MTTM, MTTR. None: not yet, or never.

    detect: from the first alert's start (event time) to the opening. The others count from the opening, or from the
    newest reopening: to the first acknowledgement, to mitigation, to resolution.
    """

    detect_s: float | None
    acknowledge_s: float | None
    mitigate_s: float | None
    resolve_s: float | None


def durations(incident: Incident) -> Durations:
    since_s = incident.opened_s if incident.reopened_s is None else incident.reopened_s

    def lasted(at_s: float | None) -> float | None:
        return None if at_s is None else max(0.0, at_s - since_s)

    return Durations(
        detect_s=max(0.0, incident.opened_s - incident.detected_s) if incident.rule else None,
        acknowledge_s=lasted(incident.responded_s),
        mitigate_s=lasted(incident.mitigated_s),
        resolve_s=lasted(incident.resolved_s),
    )


def diagram() -> str:
    """Mermaid's state diagram of the table: an arrow for all acts that lead from one state to another."""
    lines = ["stateDiagram-v2", "    [*] --> open"]
    for state in STATES:
        arrows: dict[State, list[str]] = {}
        for act in ACTS:
            cell = TABLE[state][act]
            if isinstance(cell, To):
                unless = " (nobody on it)" if cell.held else ""
                arrows.setdefault(cell.state, []).append(act + unless)
                if cell.held:
                    arrows.setdefault(cell.held, []).append(f"{act} (somebody on it)")
        lines += [f"    {state} --> {to}: {', '.join(arrows[to])}" for to in STATES if to in arrows and to != state]
    return "\n".join((*lines, "    closed --> [*]"))


def table() -> str:
    """The whole table in Markdown, a row an act; a refusal is told by its reason."""
    lines = [f"| act | {' | '.join(STATES)} |", f"|---|{'---|' * len(STATES)}"]
    for act in ACTS:
        cells = [_shown(state, TABLE[state][act]) for state in STATES]
        lines.append(f"| **{act}**: {MEANING[act]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(state: State, cell: Cell) -> str:
    if isinstance(cell, No):
        return f"no: {cell.reason}"
    if cell.held:
        return f"**{cell.state}**, **{cell.held}** where somebody is on it"
    return "stays" if cell.state == state else f"**{cell.state}**"


def _first(known_s: float | None, now_s: float) -> float:
    return now_s if known_s is None else known_s
