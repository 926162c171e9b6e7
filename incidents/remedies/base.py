"""What every kind of remedy is: settings, and a conversation that renders calls and judges replies, without I/O."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from schemas.calls import ExecCall, HttpCall, KafkaCall, Reply
from schemas.secret import Secret

Call = HttpCall | KafkaCall | ExecCall


@dataclass(frozen=True)
class Done:
    """It took effect. before, after: what was changed, such as `{"replicas": 3}`; they are what `undo` goes by."""

    text: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Intent:
    """One act, as it was written down before it is done. id: 32 hex, the same however often it is asked for.

    target: what is acted on, plain text, as `Remedy.target` or a template of the config makes it. labels: of the alert
    that it is for, hostile text: they reach an act by `labels.LabelSettings.value` only. value: the metric's value at
    the time, None where unknown. may_lower: False while a critical incident is open on the service; then nothing may
    become less, and what would raises Refused. earlier: (Unix seconds, what came of it) of this remedy's acts on this
    target, oldest first. plan: `after` of the dry run that was made and written down right before, empty where there
    was none; it is what `verify` goes by where an act's goal depends on what was found (`step: 2`).
    """

    id: str
    remedy: str
    target: str
    labels: Mapping[str, str]
    value: float | None
    now_s: float
    is_dry_run: bool = False
    may_lower: bool = True
    earlier: tuple[tuple[float, Done], ...] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What the shell lends: secrets behind their references."""

    reveal: Callable[[Secret], str]


Conversation = Generator[Call, Reply, Done]
"""Raises `schemas.calls.Refused` where it has failed for sure, which its reason tells, `Retry` where nobody knows.

A read that fails before anything was changed is a Refused. Where a call brings no reply a Retry is thrown in.
"""


class Remedy(ABC):
    """Subclass, give `kind`, `Settings`, `target`, `act`, and add a line to `KINDS`."""

    kind: ClassVar[str]
    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: BaseModel) -> None:
        self.settings = settings

    @abstractmethod
    def target(self, labels: Mapping[str, str]) -> str:
        """What it acts on, for an alert with these labels: cooldowns, limits and locks are by it.

        Raises `Refused` where a label that names it is missing or isn't allowed.
        """

    @abstractmethod
    def act(self, intent: Intent, context: Context) -> Conversation:
        """Does it. With `is_dry_run` only what reads: `Done.text` says what would be done."""

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        """After a crash: whether it has taken effect (`Done`) or hasn't (`Refused`). None: there is no way to tell."""
        return None

    def undo(self, intent: Intent, done: Done, context: Context) -> Conversation | None:
        """Takes it back. None: it can't be."""
        return None
