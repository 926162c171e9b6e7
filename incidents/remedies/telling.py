"""What automation writes into a timeline, and tells those whom it pages."""

from collections.abc import Sequence
from datetime import UTC, datetime

from incidents.model import Line
from incidents.remedies.lifecycle import State
from incidents.remedies.model import Act

TEXT_CHARS_MAX = 2000
_SAID: dict[State, str] = {
    "held": "waits",
    "suggested": "suggested",
    "approved": "approved",
    "intended": "will be done",
    "running": "begun",
    "unknown": "nobody knows whether it was done",
    "verifying": "done",
    "failed": "failed",
    "reverting": "will be taken back",
    "undoing": "is being taken back",
    "rolled_back": "taken back",
    "not_rolled_back": "not taken back",
    "verified": "it helped",
    "retried": "tried again",
    "escalated": "people are paged",
    "refused": "refused",
    "rejected": "rejected",
    "expired": "expired",
    "dropped": "no longer needed",
    "dry_run": "dry run",
}


def line(act: Act, by: str = "automation", source: str = "desk") -> Line:
    """For the state that it is in now.

    >>> one = Act(id="0f", incident=1, remedy="scale-web", kind="webhook", target="shop/web", mode="auto",
    ...     fingerprint="", episode="", level="critical", made_s=0.0, state="held", reason="fires for 60 s")
    >>> line(one).text
    'scale-web on shop/web: waits: fires for 60 s'
    """
    said = _SAID[act.state] + (f" by {act.approved_by}" if act.state == "approved" else "")
    text = f"{act.name}: {said}{f': {act.reason}' if act.reason else ''}"
    details: dict[str, object] = {
        "act": act.id,
        "remedy": act.remedy,
        "target": act.target,
        "state": act.state,
        "attempt": act.attempt,
        "mode": act.mode,
    }
    for name in ("guard", "value", "plan", "before", "after"):
        if (value := getattr(act, name)) not in ("", None, {}):
            details[name] = value
    return Line(what="act", text=text[:TEXT_CHARS_MAX], by=by, source=source, details=details)


def tried(acts: Sequence[Act]) -> str:
    """The log of what was tried, first to last: for whoever takes over."""
    told = [one for act in acts for one in _steps(act)]
    return "; ".join(told)[:TEXT_CHARS_MAX]


def _steps(act: Act) -> list[str]:
    steps = []
    if act.began_s is not None:
        steps.append(
            f"{_clock(act.began_s)} attempt {act.attempt}: {act.text or 'begun, and nobody knows how it ended'}"
        )
    if act.undone:
        steps.append(act.undone)
    elif act.reason and act.reason not in act.text and act.state not in ("rolled_back", "not_rolled_back"):
        steps.append(act.reason)
    return steps


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S UTC")
