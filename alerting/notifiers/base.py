"""What every notifier is: settings, and a conversation that renders requests and judges replies, without I/O.

A notifier's `deliver` is a generator: it yields a `Call`, the shell makes it and sends the `Reply` back, and so on
until the notifier returns what is to be remembered of the conversation (a Slack message's `ts`), or raises `Retry` or
`Refused`. So protocols of several steps are tested without a socket, and one loop delivers them all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from alerting.alert import Group, Notification, Says
from schemas.calls import AppriseCall, HttpCall, KafkaCall, MailCall, Reply
from schemas.secret import Secret

Call = HttpCall | MailCall | KafkaCall | AppriseCall
Handle = dict[str, str]  # what a notifier remembers of a group between notifications, per integration


@dataclass(frozen=True)
class Context:
    """What the shell lends a notifier: secrets behind their references, texts, links, the time.

    text: renders a template of the settings for this notification (see `alerting/words/templates.py`).
    link: kinds `alert` (a fingerprint), `group`, `silence` (a fingerprint), `incident` (such as `INC-12`) to an address
    of the desk. has_buttons: whether the desk hears of buttons in Slack's messages.
    """

    reveal: Callable[[Secret], str]
    text: Callable[[str, Notification], str]
    link: Callable[[str, str], str]
    now_s: float
    has_buttons: bool = False


Conversation = Generator[Call, Reply, Handle]


class Notifier(ABC):
    """Subclass, give `kind`, `Settings` and `deliver`, and add a line to `KINDS`."""

    kind: ClassVar[str]
    Settings: ClassVar[type[BaseModel]]
    # Setting -> key of the config's `global` that it falls back to.
    globals: ClassVar[Mapping[str, str]] = {}
    send_resolved: ClassVar[bool] = True  # where the settings don't say
    # Pace that the service documents: so many calls in so many seconds, for one integration.
    pace: ClassVar[tuple[int, float]] = (10, 1.0)
    # Alertmanager's own needs firing alerts again and again; others are told once a change.
    resend_every_s: ClassVar[float | None] = None
    # What it opens stays open until its end comes under the same key: so it gets each group's own messages, however
    # late, and an incident is taken when all of its alerts are.
    keeps_incident: ClassVar[bool] = False

    def __init__(self, settings: BaseModel) -> None:
        self.settings = settings

    @abstractmethod
    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        """Yields calls, is sent replies, returns the handle to keep. Raises Retry or Refused."""

    def can_say(self, says: Says) -> bool:
        """Whether there is a way to say that somebody is on it, or nobody any more."""
        ours, theirs = getattr(Notifier, says, None), getattr(type(self), says, None)
        return says == "tell" or ours is not theirs

    def acknowledge(self, group: Group, by: str, comment: str, handle: Handle, context: Context) -> Conversation | None:
        """Says where the group was told that somebody is on it; what it returns isn't kept. None: there is no way."""
        return None

    def unacknowledge(
        self, group: Group, by: str, comment: str, handle: Handle, context: Context
    ) -> Conversation | None:
        """Says that nobody is on it any more. As `acknowledge`."""
        return None
