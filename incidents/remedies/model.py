"""An act of automation: a row from the moment a remedy's alert is seen to the act's end."""

import hashlib
from typing import Any

import msgspec

from incidents.remedies.lifecycle import FINAL, TOUCHING, State
from schemas.levels import LevelName
from schemas.response.automation import Mode


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """attempt: the how-manieth of this remedy on this target in this incident, from 1; with these it makes the id.

    tried: the how-manieth for one start of the alert, 1 to the remedy's `attempts`. mode: as it was when it was made.
    reason: why it is in its state; guard: which one refused, empty where none did.
    fingerprint, episode, labels, level, value, why: the alert's, as they were when the act was intended.
    began_s: when it was begun, None: nothing has left the desk. undo_s: when taking it back was decided.
    took_effect: None where nobody knows. can_retry: whether another attempt may follow.
    asks: how often it was asked in vain whether it was done.
    seen_value, seen_s: newest value of its alert's metric after it was done, and its event time, where it is watched.
    plan: what it will do, as a look before it says; None: nobody has looked, so nothing was done.
    text, before, after: what came of it, as the remedy tells.
    version: grows by one with each change, so that of two who change it one is refused.
    """

    id: str
    incident: int
    remedy: str
    kind: str
    target: str
    attempt: int = 1
    tried: int = 1
    mode: Mode
    state: State = "held"
    reason: str = ""
    guard: str = ""
    fingerprint: str
    episode: str
    labels: dict[str, str] = {}
    level: LevelName
    value: float | None = None
    why: str = ""
    made_s: float
    not_before_s: float = 0.0
    approve_by_s: float | None = None
    approved_by: str = ""
    intended_s: float | None = None
    began_s: float | None = None
    done_s: float | None = None
    verify_by_s: float | None = None
    undo_s: float | None = None
    ended_s: float | None = None
    took_effect: bool | None = None
    can_retry: bool = True
    asks: int = 0
    seen_value: float | None = None
    seen_s: float | None = None
    plan: dict[str, Any] | None = None
    text: str = ""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    undone: str = ""
    escalate_to: str = ""
    is_masking: bool = False
    version: int = 0

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def is_touching(self) -> bool:
        """Whether nobody else may act on its target now."""
        return self.state in TOUCHING and self.mode != "dry_run"

    @property
    def touched_s(self) -> float | None:
        """When it counted against limits; None: it hasn't."""
        if self.mode == "dry_run":
            return None
        return self.began_s if self.began_s is not None else self.intended_s if self.state == "intended" else None

    @property
    def name(self) -> str:
        """For people: `scale-web on shop/web`."""
        return f"{self.remedy} on {self.target or 'nothing'}"


def act_id(incident: int, remedy: str, target: str, attempt: int) -> str:
    """32 hex.

    >>> act_id(12, "scale-web", "shop/web", 1) == act_id(12, "scale-web", "shop/web", 1)
    True
    """
    text = msgspec.json.encode([incident, remedy, target, attempt])
    return hashlib.sha256(text).hexdigest()[:32]
