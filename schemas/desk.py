"""What the desk is told to do: the desk's part of the config, checked and resolved, in the field's own words.

Made by `schemas/config/desk`; read by the rules in `alerting/` and by the shell. Times are seconds.
"""

from dataclasses import dataclass, field

from pydantic import BaseModel

from schemas.matchers import Matchers
from schemas.response import Response


@dataclass(frozen=True)
class Route:
    """A node of the routing tree. What a child leaves out is its parent's, filled in already.

    key: as Alertmanager spells it (`{}/{team="db"}`), part of a group's key; path: `0.2.1`, positions from the root.
    group_by: label names, sorted; None groups by every label (`...`).
    digest_s: a group of this route speaks only at full multiples of so many seconds; None at its own times.
    """

    key: str
    path: str
    receiver: str
    matchers: Matchers
    group_by: tuple[str, ...] | None
    group_wait_s: float
    group_interval_s: float
    repeat_interval_s: float
    continues: bool = False
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    digest_s: float | None = None
    routes: tuple["Route", ...] = ()


@dataclass(frozen=True)
class Integration:
    """One way of telling one receiver: `kind` is a key of `alerting.notifiers.KINDS`, `settings` its `Settings`.

    messages_per_minute: at most so many; None: as many as the service takes.
    """

    receiver: str
    kind: str
    index: int
    settings: BaseModel
    send_resolved: bool
    messages_per_minute: int | None = None

    @property
    def name(self) -> str:
        """As it is called everywhere: in the outbox, in metrics, by `receiver test`."""
        return f"{self.receiver}/{self.kind}[{self.index}]"


@dataclass(frozen=True)
class Receiver:
    """A receiver's integrations are all told. `fallback`: the receiver that is told where one of them stays down."""

    name: str
    integrations: tuple[Integration, ...]
    fallback: str | None = None


@dataclass(frozen=True)
class InhibitRule:
    """An alert that matches `target` is held back while one that matches `source` fires, if `equal` labels agree.

    A label that is missing equals one that is empty. An alert that matches both sides can't inhibit itself.
    """

    source: Matchers
    target: Matchers
    equal: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Span:
    """Both ends included, as in Alertmanager: days of month may be negative (-1 is the last)."""

    first: int
    last: int


@dataclass(frozen=True)
class TimeInterval:
    """Alertmanager's: a moment is in it where every field that is given has a span with it.

    times: minutes of the day, `last` excluded; weekdays: 0 is Sunday; months: 1 is January; location: IANA name.
    """

    times: tuple[Span, ...] = ()
    weekdays: tuple[Span, ...] = ()
    days_of_month: tuple[Span, ...] = ()
    months: tuple[Span, ...] = ()
    years: tuple[Span, ...] = ()
    location: str = "UTC"


@dataclass(frozen=True)
class Maintenance:
    """Planned work: alerts that match are held back from each start for `duration_s`, in the wall clock of `time_zone`.

    starts_at: local wall clock, ISO 8601 without offset; rrule: RFC 5545, or None for once.
    """

    name: str
    matchers: Matchers
    starts_at: str
    duration_s: float
    rrule: str | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Dependency:
    """`service` can't work without `depends_on`: its alerts are held back while one of those is down."""

    service: str
    depends_on: tuple[str, ...]


@dataclass(frozen=True)
class Flapping:
    """Nagios' rule over the last 21 states of an alert: percent of state changes, newer ones weigh more."""

    start_percent: float = 50.0
    stop_percent: float = 25.0
    enabled: bool = True


@dataclass(frozen=True)
class Storm:
    """More than `groups_max` groups that a receiver would first be told of within `window_s` become one message."""

    groups_max: int = 4
    window_s: float = 60.0
    enabled: bool = True


@dataclass(frozen=True)
class ApiToken:
    """Who may use the API. `digest` is the hex SHA-256 of the token; roles include the ones before them."""

    name: str
    role: str  # viewer, responder, admin
    digest: str


@dataclass(frozen=True)
class DeskServer:
    """The desk itself: database, where it listens, who may speak to it, where people reach it."""

    database_url: str = "sqlite:///state/desk.db"
    host: str = "127.0.0.1"
    port: int = 8470
    external_url: str = "http://127.0.0.1:8470"
    tokens: tuple[ApiToken, ...] = ()
    max_page_age_s: float = 3600.0  # what is older when it could first be sent goes into a digest, not to a pager
    keep_days: float = 90.0  # resolved alerts, decisions and sent messages older than this are deleted


@dataclass(frozen=True)
class Desk:
    """All of it. Without a `route` in the config everything goes to one receiver without integrations."""

    route: Route
    receivers: dict[str, Receiver]
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: dict[str, tuple[TimeInterval, ...]] = field(default_factory=dict)
    maintenance: tuple[Maintenance, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    service_label: str = "service"
    flapping: Flapping = field(default_factory=Flapping)
    storm: Storm = field(default_factory=Storm)
    templates: dict[str, str] = field(default_factory=dict)  # name of a file -> its text
    resolve_timeout_s: float = 300.0
    server: DeskServer = field(default_factory=DeskServer)
    response: Response = field(default_factory=Response)
