"""The life of an act as a table: what may follow what. docs/automation.md draws its picture from it."""

from typing import Literal, get_args

State = Literal[
    "held", "suggested", "approved", "intended", "running", "unknown", "verifying", "failed", "reverting", "undoing",
    "rolled_back", "not_rolled_back", "verified", "retried", "escalated", "refused", "rejected", "expired", "dropped",
    "dry_run",
]  # fmt: skip
Verb = Literal[
    "hold", "suggest", "approve", "reject", "expire", "intend", "refuse", "drop", "page",
    "take", "put_back", "succeed", "fail", "lose", "tell", "go_by_metric", "verify", "retry", "undo", "escalate",
]  # fmt: skip

STATES: dict[State, str] = {
    "held": "a guard says not now; asked again",
    "suggested": "waits for a person's word",
    "approved": "a person said yes; the guards are asked once more",
    "intended": "written down, to be done next",
    "running": "somebody does it, until their lease ends; from here on it is never done again",
    "unknown": "nobody knows whether it was done",
    "verifying": "done; does it help?",
    "failed": "wasn't done, or didn't help",
    "reverting": "to be taken back next",
    "undoing": "somebody takes it back",
    "rolled_back": "taken back",
    "not_rolled_back": "couldn't be taken back, or nobody knows",
    "verified": "it helped",
    "retried": "it didn't help, another attempt follows",
    "escalated": "people were paged, with all that was tried",
    "refused": "a guard says never",
    "rejected": "a person said no",
    "expired": "nobody said yes in time",
    "dropped": "no longer needed: the alert or the incident is over",
    "dry_run": "said what it would do",
}
VERBS: dict[Verb, str] = {
    "hold": "a guard refuses for now",
    "suggest": "the guards let it pass, the mode asks a person",
    "approve": "a person says yes",
    "reject": "a person says no",
    "expire": "time runs out",
    "intend": "the guards let it pass",
    "refuse": "a guard refuses for good",
    "drop": "it is over by itself",
    "page": "a guard refuses and people must know",
    "take": "a desk takes its lease",
    "put_back": "paused, or too old, before anything was done",
    "succeed": "it took effect",
    "fail": "it surely took no effect, or did not help in time",
    "lose": "crash, time limit, no reply",
    "tell": "a dry run has read what it needs",
    "go_by_metric": "there is no way to ask; the metric will tell",
    "verify": "the alert has ended",
    "retry": "attempts are left",
    "undo": "none is left; what was done can be taken back",
    "escalate": "none is left",
}

TRANSITIONS: dict[tuple[State, Verb], State] = {
    ("held", "hold"): "held",
    ("held", "suggest"): "suggested",
    ("held", "intend"): "intended",
    ("held", "refuse"): "refused",
    ("held", "page"): "escalated",
    ("held", "drop"): "dropped",
    ("suggested", "approve"): "approved",
    ("suggested", "reject"): "rejected",
    ("suggested", "expire"): "expired",
    ("suggested", "drop"): "dropped",
    ("approved", "hold"): "approved",
    ("approved", "intend"): "intended",
    ("approved", "reject"): "rejected",
    ("approved", "refuse"): "refused",
    ("approved", "page"): "escalated",
    ("approved", "expire"): "expired",
    ("approved", "drop"): "dropped",
    ("intended", "take"): "running",
    ("intended", "put_back"): "held",
    ("intended", "drop"): "dropped",
    ("running", "put_back"): "held",
    ("running", "succeed"): "verifying",
    ("running", "fail"): "failed",
    ("running", "lose"): "unknown",
    ("running", "tell"): "dry_run",
    ("unknown", "succeed"): "verifying",
    ("unknown", "fail"): "failed",
    ("unknown", "go_by_metric"): "verifying",
    ("verifying", "verify"): "verified",
    ("verifying", "fail"): "failed",
    ("verifying", "drop"): "dropped",
    ("failed", "retry"): "retried",
    ("failed", "undo"): "reverting",
    ("failed", "escalate"): "escalated",
    ("failed", "drop"): "dropped",
    ("reverting", "take"): "undoing",
    ("reverting", "lose"): "not_rolled_back",
    ("undoing", "succeed"): "rolled_back",
    ("undoing", "fail"): "not_rolled_back",
    ("undoing", "lose"): "not_rolled_back",
    ("rolled_back", "escalate"): "escalated",
    ("not_rolled_back", "escalate"): "escalated",
}
"""What isn't here is refused. No way leads from `running` or `unknown` back to where it would be done again, but for
`put_back`, which is only said while nothing has left the desk."""

FINAL: frozenset[State] = frozenset(get_args(State)) - {state for state, _ in TRANSITIONS}
TOUCHING: frozenset[State] = frozenset(
    {"intended", "running", "unknown", "verifying", "failed", "reverting", "undoing", "rolled_back", "not_rolled_back"}
)
"""States in which an act has its target for itself."""


class NotNow(Exception):
    """The table doesn't have it. Says why."""


def after(state: State, verb: Verb) -> State:
    """
    >>> after("suggested", "approve")
    'approved'
    >>> after("running", "approve")
    Traceback (most recent call last):
    incidents.remedies.lifecycle.NotNow: it is running (somebody does it, until their lease ends; ...

    Raises NotNow.
    """
    try:
        return TRANSITIONS[state, verb]
    except KeyError:
        raise NotNow(f"it is {state} ({STATES[state]}): can't {verb.replace('_', ' ')}") from None


def picture() -> str:
    """Mermaid's words for the table."""
    lines = ["stateDiagram-v2", "    [*] --> held"]
    joined: dict[tuple[State, State], list[str]] = {}
    for (state, verb), to in TRANSITIONS.items():
        if state != to:
            joined.setdefault((state, to), []).append(verb)
    lines += [f"    {state} --> {to}: {', '.join(verbs)}" for (state, to), verbs in joined.items()]
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in STATES if state in FINAL)])
