"""What others post to us: alerts as Prometheus sends them, silences, webhooks. Decoded and judged, nothing stored.

Alertmanager's answers to each mistake are kept, so that its clients see what they know; where one alert of a batch is
wrong the others are taken, as there.
"""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request

from pipeline.desk.external import External
from pipeline.desk.http import times
from pipeline.desk.http.errors import ApiError, not_json, required

LABELS_MAX = 128
NAME_CHARS_MAX = 1024
VALUE_CHARS_MAX = 65_536
ALERTS_MAX = 20_000  # of one request
_JSON_TYPE = re.compile(r"application/json\s*(;.*)?\Z", re.IGNORECASE)
_NO_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class Posted(msgspec.Struct):
    """An alert of POST /api/v2/alerts."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    startsAt: str | None = None
    endsAt: str | None = None
    generatorURL: str | None = None


class PostedMatcher(msgspec.Struct):
    name: str | None = None
    value: str | None = None
    isRegex: bool | None = None
    isEqual: bool | None = None


class PostedSilence(msgspec.Struct):
    id: str | None = None
    matchers: list[PostedMatcher] | None = None
    startsAt: str | None = None
    endsAt: str | None = None
    createdBy: str | None = None
    comment: str | None = None
    annotations: dict[str, str] | None = None


class HookedAlert(msgspec.Struct):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: str | None = None
    endsAt: str | None = None
    generatorURL: str = ""
    fingerprint: str = ""


class Hook(msgspec.Struct):
    """Alertmanager's webhook, version 4. The group's own status says nothing of its alerts, and isn't read."""

    alerts: list[HookedAlert]
    version: str = "4"
    receiver: str = ""
    groupKey: str = ""
    truncatedAlerts: int = 0


class Ack(msgspec.Struct, forbid_unknown_fields=True):
    """Of acknowledging, snoozing or taking it back. until: RFC 3339."""

    comment: str = ""
    by: str = ""
    until: str | None = None


alerts_of = msgspec.json.Decoder(list[Posted]).decode
silence_of = msgspec.json.Decoder(PostedSilence).decode
hook_of = msgspec.json.Decoder(Hook).decode
ack_of = msgspec.json.Decoder(Ack).decode


async def body_of(request: Request, decode: Any) -> Any:
    """Raises ApiError: 415 where it isn't JSON by its type, 400 where it isn't by what it is."""
    if not _JSON_TYPE.match(request.headers.get("content-type", "")):
        raise ApiError(415, "unsupported media type; only application/json is read")
    body = await request.body()
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_json(error) from None
    except RecursionError:
        raise ApiError(400, "can't read the body: nested too deeply") from None


def judged(posted: list[Posted], now_s: float) -> tuple[list[External], list[str]]:
    """The alerts that are right, and what is wrong with the others. Raises ApiError where nothing is to be taken."""
    if len(posted) > ALERTS_MAX:
        raise ApiError(413, f"more than {ALERTS_MAX:,} alerts in one request; send them in parts")
    for number, alert in enumerate(posted):
        if alert.labels is None:
            raise required(f"{number}.labels")
        if alert.generatorURL and not _is_uri(alert.generatorURL):
            raise ApiError(422, f"{number}.generatorURL in body must be of type uri", 601)
    moments = []
    for number, alert in enumerate(posted):
        try:
            moments.append((times.read(alert.startsAt), times.read(alert.endsAt)))
        except ValueError as error:
            raise ApiError(400, f"parsing alerts body: alert {number}: {error}") from None
    right, wrong = [], []
    for number, (alert, (starts_at_s, ends_at_s)) in enumerate(zip(posted, moments, strict=True)):
        labels = {name: value for name, value in (alert.labels or {}).items() if value}
        annotations = alert.annotations or {}
        mistake = label_mistake(labels) or label_mistake(annotations, is_annotation=True)
        start_s = starts_at_s if starts_at_s is not None else min(now_s, ends_at_s or now_s)
        if ends_at_s is not None and ends_at_s < start_s:
            mistake = mistake or "start time must be before end time"
        if mistake:
            wrong.append(mistake if len(posted) == 1 else f"alert {number}: {mistake}")
            continue
        right.append(_seen(labels, annotations, start_s, ends_at_s, alert.generatorURL or ""))
    return right, wrong


def hooked(hook: Hook, now_s: float) -> tuple[list[External], list[str]]:
    """Each alert by its own status. Alerts that the sender cut off (`truncatedAlerts`) stay as they are."""
    right, wrong = [], []
    for number, alert in enumerate(hook.alerts):
        labels = {name: value for name, value in alert.labels.items() if value}
        mistake = label_mistake(labels) or label_mistake(alert.annotations, is_annotation=True)
        if alert.status not in ("firing", "resolved"):
            mistake = mistake or f"status must be firing or resolved, got {alert.status[:20]!r}"
        try:
            starts_at_s, ends_at_s = times.read(alert.startsAt), times.read(alert.endsAt)
        except ValueError as error:
            mistake = mistake or str(error)
        if mistake:
            wrong.append(f"alert {number}: {mistake}")
            continue
        end_s = min(ends_at_s or now_s, now_s) if alert.status == "resolved" else None
        start_s = min(starts_at_s if starts_at_s is not None else now_s, end_s or now_s)
        right.append(_seen(labels, alert.annotations, start_s, end_s, alert.generatorURL))
    return right, wrong


def _seen(
    labels: dict[str, str], annotations: dict[str, str], starts_at_s: float, ends_at_s: float | None, url: str
) -> External:
    return External(
        labels=labels, annotations=annotations, starts_at_s=starts_at_s, ends_at_s=ends_at_s, generator_url=url
    )


def label_mistake(labels: dict[str, str], *, is_annotation: bool = False) -> str | None:
    if not labels and not is_annotation:
        return "at least one label pair required"
    what = "annotation" if is_annotation else "label"
    if len(labels) > LABELS_MAX:
        return f"more than {LABELS_MAX} {what}s"
    for name, value in labels.items():
        if not name or len(name) > NAME_CHARS_MAX:
            return f"invalid {what} name: {'empty' if not name else f'longer than {NAME_CHARS_MAX} characters'}"
        if len(value) > VALUE_CHARS_MAX:
            return f"invalid {what} {name[:60]!r}: longer than {VALUE_CHARS_MAX} characters"
    return None


def _is_uri(text: str) -> bool:
    """As Go's url.ParseRequestURI, near enough: a scheme and something after it, or a path from the root."""
    try:
        found = urlsplit(text)
    except ValueError:
        return False
    return not _NO_CONTROL.search(text) and (bool(found.scheme and (found.netloc or found.path)) or text[0] == "/")
