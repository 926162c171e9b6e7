"""What every notifier is: settings, and a conversation that renders requests and judges replies, without I/O.

A notifier's `deliver` is a generator: it yields a `Call`, the shell makes it and sends the `Reply` back, and so on
until the notifier returns what is to be remembered of the conversation (a Slack message's `ts`), or raises `Retry` or
`Refused`. So protocols of several steps are tested without a socket, and one loop delivers them all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import BaseModel

from alerting.alert import Group, Notification
from schemas.secret import Secret

Handle = dict[str, str]  # what a notifier remembers of a group between notifications, per integration


@dataclass(frozen=True)
class HttpCall:
    """A request. `trusted`: the address stands in the config, so a private one is normal; others are checked."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: str = field(repr=False)  # often a credential
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""
    timeout_s: float = 10.0
    trusted: bool = True


@dataclass(frozen=True)
class MailCall:
    """A mail, whole (RFC 5322), and how to hand it over. security: `starttls` refuses a server that has none."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    message: bytes
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hello: str = "localhost"
    timeout_s: float = 30.0


@dataclass(frozen=True)
class KafkaCall:
    """A record for the desk's own Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class AppriseCall:
    """A message for Apprise's hundred services."""

    urls: tuple[str, ...] = field(repr=False)
    title: str = ""
    body: str = ""
    kind: Literal["info", "success", "warning", "failure"] = "info"


Call = HttpCall | MailCall | KafkaCall | AppriseCall


@dataclass(frozen=True)
class Reply:
    """What came back. HTTP: status, lower-case header names, at most 64 KiB of body. Others: 200, or 599 and a text.

    Where nothing came back (refused, timed out, cut off) the shell throws a `Retry` into the conversation, which may
    know somebody else to ask; where it doesn't, it begins again later.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Retry(Exception):
    """Not now: try again, not before `after_s` seconds where the other side said so."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after_s = reason, after_s


class Refused(Exception):
    """Never: the same again will be refused again. Whoever reads `reason` should know what to mend."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Context:
    """What the shell lends a notifier: secrets behind their references, texts, links, the time.

    text: renders a template of the settings for this notification (see `alerting/words/templates.py`).
    link: kinds `alert` (a fingerprint), `group`, `silence` (a fingerprint) to an address of the desk.
    """

    reveal: Callable[[Secret], str]
    text: Callable[[str, Notification], str]
    link: Callable[[str, str], str]
    now_s: float


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

    def acknowledge(self, group: Group, by: str, comment: str, handle: Handle, context: Context) -> Conversation | None:
        """Says where the group was told that somebody is on it; what it returns isn't kept. None: there is no way."""
        return None
