"""A change that somebody made: a deployment, a setting, a feature switched. What others write to the `changes` topic.

Two spellings are read: our own, and CDEvents (CloudEvents, structured or binary) of a service that was deployed,
upgraded, rolled back, removed or published.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from schemas.alert import rfc3339
from schemas.formats.times import rfc3339_s

SCHEMA: Final = "tidegauge.change/1"
RECORD_BYTES_MAX: Final = 65_536
Kind = Literal["deployment", "config", "feature", "infrastructure", "other"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Text = Annotated[str, Meta(max_length=2_000)]
Name = Annotated[str, Meta(max_length=200)]

CDEVENTS: Final[Mapping[str, str]] = {
    "dev.cdevents.service.deployed": "was deployed",
    "dev.cdevents.service.upgraded": "was upgraded",
    "dev.cdevents.service.rolledback": "was rolled back",
    "dev.cdevents.service.removed": "was removed",
    "dev.cdevents.service.published": "was published",
}
"""CDEvents' types that are changes (without their version) -> what happened to the service."""


class ChangeError(ValueError):
    """It is no change. Its text says what was seen and what must be."""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where there is more to read."""

    href: Annotated[str, Meta(pattern="^https?://", max_length=2_000)]
    text: Name = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change. id: a second record of it is a double. service: empty where it may concern all. at: RFC 3339, when it
    took effect.

    >>> made = decode_change(b'{"id": "d-1", "service": "checkout", "summary": "v12", "at": "2026-11-23T05:33:20Z"}')
    >>> made.kind, made.at_s, decode_change(encode_change(made)) == made
    ('deployment', 1795412000.0, True)
    """

    schema: Literal["tidegauge.change/1"] = "tidegauge.change/1"
    id: Annotated[str, Meta(min_length=1, max_length=200)]
    service: Name = ""
    kind: Kind = "deployment"
    summary: Text = ""
    at: Annotated[str, Meta(max_length=40)]
    by: Name = ""
    version: Name = ""
    links: Annotated[list[Link], Meta(max_length=20)] = []
    labels: Annotated[dict[Name, Text], Meta(max_length=64)] = {}

    @property
    def at_s(self) -> float:
        """Unix seconds."""
        return rfc3339_s(self.at)

    @property
    def key(self) -> str:
        """At most 64 characters, one an id.

        >>> Change(id="d-1", at="2026-11-23T05:33:20Z").key
        'd-1'
        """
        return self.id if len(self.id.encode()) <= 64 else hashlib.sha256(self.id.encode()).hexdigest()

    def words(self) -> str:
        """
        >>> Change(id="1", service="checkout", version="v12", by="ann", summary="new cart", at="").words()
        'deployment of checkout v12 by ann: new cart'
        """
        what = " ".join(text for text in (self.service, self.version) if text)
        return (
            self.kind
            + (f" of {what}" if what else "")
            + (f" by {self.by}" if self.by else "")
            + (f": {self.summary}" if self.summary else "")
        )


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Change)


def encode_change(change: Change) -> bytes:
    return _encoder.encode(change)


def decode_change(data: bytes | None, headers: Mapping[str, str] | None = None) -> Change:
    """headers: of the record or request, names in lower case; `ce_*` and `ce-*` are CloudEvents' in binary mode.

    Raises ChangeError.
    """
    if not data or len(data) > RECORD_BYTES_MAX:
        raise ChangeError(f"{len(data or b''):,} bytes where 1 to {RECORD_BYTES_MAX:,} must be")
    event = {name[3:]: value for name, value in (headers or {}).items() if name.startswith(("ce_", "ce-"))}
    try:
        if event.get("type"):
            return _checked(_of_cloud_event(event, msgspec.json.decode(data)))
        raw = msgspec.json.decode(data)
        if isinstance(raw, dict) and "specversion" in raw:
            attributes = {name: value for name, value in raw.items() if isinstance(value, str)}
            return _checked(_of_cloud_event(attributes, raw.get("data")))
        return _checked(_decoder.decode(data))
    except ChangeError:
        raise
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors too
        raise ChangeError(str(error)[:300]) from None


def _checked(change: Change) -> Change:
    try:
        is_time = 0.0 <= change.at_s < 1e11
    except ValueError as error:
        raise ChangeError(f"at: {error}") from None
    if not is_time:
        raise ChangeError(f"at: no such time: {change.at[:40]}")
    return change


def _of_cloud_event(event: Mapping[str, str], data: object) -> Change:
    """event: its attributes. Ids of CloudEvents are unique for their source alone."""
    if event["type"] == SCHEMA:
        return msgspec.convert(data, Change)
    bare, happened = next(
        ((bare, words) for bare, words in CDEVENTS.items() if event["type"].startswith(f"{bare}.")), ("", "")
    )
    if not bare:
        known = ", ".join(name.rpartition(".")[2] for name in CDEVENTS)
        raise ChangeError(f"type {event['type'][:80]} is no change; read are dev.cdevents.service.*: {known}")
    if not event.get("id"):
        raise ChangeError("the CloudEvent has no id")
    whole = data if isinstance(data, dict) else {}
    context, subject = _keys(whole.get("context")), _keys(whole.get("subject"))
    content = _keys(subject.get("content"))
    name = _text(subject.get("id")) or event.get("subject", "")
    service, artifact = name.rpartition("/")[2], _text(content.get("artifactId"))
    environment = _text(_keys(content.get("environment")).get("id"))
    return msgspec.convert(
        {
            "id": f"{event.get('source', '')}#{event['id']}"[:200],
            "service": service[:200],
            "kind": "deployment",
            "summary": f"{service or 'a service'} {happened}" + (f" in {environment}" if environment else ""),
            "at": _text(context.get("timestamp")) or event.get("time", ""),
            "version": artifact.rpartition("@")[2].rpartition("/")[2][:200],
            "by": event.get("source", "")[:200],
            "labels": {
                label: text[:2_000] for label, text in (("environment", environment), ("artifact", artifact)) if text
            },
        },
        Change,
    )


def completed(data: bytes, now_s: float) -> bytes:
    """JSON of a change of our own whose `at` and `id` may be left out: it took effect now; the id is made of the rest.

    Anything else as it is.
    """
    try:
        raw = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(raw, dict) or "specversion" in raw:
        return data
    raw.setdefault("at", rfc3339(now_s))
    if "id" not in raw:
        raw["id"] = hashlib.sha256(msgspec.json.encode(raw, order="deterministic")).hexdigest()[:32]
    return msgspec.json.encode(raw)


def _keys(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
