"""The desk's own keys: the desk itself, planned work, dependencies, flapping, storms; what people do about alerts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from schemas.config.desk.automation import FileAutomation
from schemas.config.desk.escalation import FileEscalation
from schemas.config.desk.incidents import FileIncidents
from schemas.config.desk.oncall import FileOnCall
from schemas.config.desk.words import Condition, LabelName, TimeZone
from schemas.config.errors import shown
from schemas.config.section import Section
from schemas.config.values import Duration, SecretText, WebAddress

_DATABASES = ("sqlite:///", "postgresql://", "postgresql+psycopg://", "${env:")


def _database(value: str) -> str:
    if not value.startswith(_DATABASES):
        raise ValueError("must be sqlite:///PATH, postgresql://USER@HOST/NAME, or ${env:NAME} with one of them")
    return value


def _services(written: object) -> object:
    """A list of `{service, depends_on}` as the mapping it stands for."""
    services: dict[object, object] = {}
    if isinstance(written, dict):
        services = written
    elif isinstance(written, list):
        for entry in written:
            if not isinstance(entry, dict) or set(entry) != {"service", "depends_on"}:
                raise ValueError(f"must be {{service: ..., depends_on: [...]}} or service: [...], got {shown(entry)}")
            if not isinstance(entry["service"], str):
                raise ValueError(f"a service is named by a text, got {shown(entry['service'])}")
            if entry["service"] in services:
                raise ValueError(f"{shown(entry['service'])} is there twice; put all that it depends on in one list")
            services[entry["service"]] = entry["depends_on"]
    else:
        return written
    # What comes out of here is no JSON any more, and a list no tuple.
    return {name: tuple(others) if isinstance(others, list) else others for name, others in services.items()}


Services = Annotated[dict[str, tuple[LabelName, ...]], BeforeValidator(_services)]


class FileToken(Section):
    """Someone who may use the API."""

    name: str = Field(min_length=1, max_length=100, description="Who it is, as it stands beside what was done.")
    role: Literal["viewer", "responder", "admin"] = Field(
        description="`viewer` reads; `responder` acknowledges and silences too; `admin` may all."
    )
    token_sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None = Field(
        default=None, description="SHA-256 of the token, hex: `printf %s TOKEN | sha256sum`."
    )
    token: SecretText | None = Field(default=None, description="Where the token is: `${env:NAME}` or `file:PATH`.")
    token_file: str | None = Field(default=None, min_length=1, description="File with the token.")


class FileDesk(Section):
    """The desk itself: where it keeps what it knows, where it listens, who may speak to it."""

    database: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite:///state/desk.db",
        description="`sqlite:///PATH`, or `postgresql://...` for more than one desk; `${env:NAME}` names it.",
    )
    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; any but a loopback one needs `tokens`."
    )
    port: int = Field(default=8470, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    external_url: WebAddress | None = Field(
        default=None, description="Where people reach it: links in messages start so. Left out: `host` and `port`."
    )
    tokens: tuple[FileToken, ...] = Field(default=(), max_length=1_000, description="Who may use the API.")
    max_page_age_s: Duration = Field(
        default=3600.0,
        gt=0,
        validation_alias="max_page_age",
        description="What is older when it could first be sent goes into a digest; pagers get it as it is.",
    )
    keep_days: float = Field(
        default=90.0, gt=0, le=36_500, description="Days that ended alerts, decisions and sent messages are kept."
    )
    service_label: LabelName = Field(
        default="service", description="Label that names an alert's service, for `dependencies`."
    )


class FileMaintenance(Section):
    """Planned work, during which alerts are held back; their ends are told."""

    name: str = Field(min_length=1, max_length=200, description="As it is called in the reason; once in the file.")
    matchers: tuple[Condition, ...] = Field(min_length=1, description="Which alerts; conditions as in a route.")
    starts_at: str = Field(description="First start, on the wall clock of `time_zone`: `2026-12-01T22:00`.")
    duration_s: Duration = Field(gt=0, validation_alias="duration", description="How long it takes.")
    rrule: str | None = Field(
        default=None, min_length=1, description="When again: an RFC 5545 rule such as `FREQ=WEEKLY;BYDAY=SU`."
    )
    time_zone: TimeZone = Field(default="UTC", description="IANA name, such as `Europe/Berlin`.")


class FileFlapping(Section):
    """Alerts that come and go: after one notice they are held back until they calm down."""

    enabled: bool = Field(default=True, description="Whether it is looked for.")
    start_percent: float = Field(
        default=50.0, gt=0, le=100, description="Flaps from so many percent of changes among the last 21 states on."
    )
    stop_percent: float = Field(default=25.0, ge=0, le=100, description="Has calmed down below so many.")


class FileStorm(Section):
    """Many groups at once become one message a receiver."""

    enabled: bool = Field(default=True, description="Whether they are bundled.")
    groups_max: int = Field(
        default=4, ge=1, le=1_000, description="New groups that a receiver is told one by one within `window`."
    )
    window_s: Duration = Field(default=60.0, gt=0, validation_alias="window", description="The time that is looked at.")


class OwnPart(Section):
    """The desk's own keys."""

    desk: FileDesk = Field(default_factory=FileDesk, description="The desk itself: database, address, tokens.")
    maintenance: tuple[FileMaintenance, ...] = Field(
        default=(), max_length=10_000, description="Planned work, during which alerts are held back."
    )
    dependencies: Services = Field(
        default_factory=dict,
        description="Services that can't work without others: `checkout: [database, cache]`. Their alerts are held "
        "back while one of those is down.",
    )
    flapping: FileFlapping = Field(default_factory=FileFlapping, description="Alerts that come and go.")
    storm: FileStorm = Field(default_factory=FileStorm, description="Many groups at once.")
    incidents: FileIncidents = Field(default_factory=FileIncidents, description="How alerts become incidents.")
    oncall: FileOnCall = Field(default_factory=FileOnCall, description="Who can be told, and who is on call when.")
    escalation: FileEscalation = Field(
        default_factory=FileEscalation, description="Whom to tell next when nobody moves."
    )
    automation: FileAutomation = Field(
        default_factory=FileAutomation, description="What may be done without a person. Off by default."
    )
