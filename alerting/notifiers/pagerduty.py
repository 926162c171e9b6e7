"""PagerDuty: Events API v2, and v1 for integrations of its type "Prometheus" (`service_key`).

One incident a group: every event of it carries the same key, by which PagerDuty drops doubles, so that an event sent
again opens nothing new. Limits are from PagerDuty's developer docs, events-API-v2, unless another source is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from alerting.alert import Group, Notification
from alerting.notifiers.base import Context, Conversation, Handle, Notifier
from alerting.notifiers.wire import JSON_HEADERS, TIMEOUT_S, group_hash, json_body, said, secret_of, settle
from alerting.words import texts
from alerting.words.escaping import clip, line, plain, web_address
from schemas.alert import rfc3339
from schemas.calls import HttpCall, Retry
from schemas.config.http_config import HttpConfig
from schemas.config.section import Section
from schemas.config.values import Duration, SecretText, WebAddress
from schemas.levels import LEVELS, LevelName

SUMMARY_CHARS_MAX = 1024  # payload.summary; v1's description too (Alertmanager, notify/pagerduty)
BODY_BYTES_MAX = 512_000  # "512 KB"; Alertmanager's maxEventSize
FIELD_CHARS_MAX = 1024  # of fields whose limit no document names
DETAILS_CHARS_MAX = 20_000  # ours: what a person reads in an incident
LINKS_MAX = 20  # ours
REST_S = 30.0  # after a 429: "3 times 30 s apart"
V1_URL = "https://events.pagerduty.com/generic/2010-04-15/create_event.json"
V1_RATE_LIMITED = 403  # v1 says 403 where v2 says 429 (Alertmanager, notify/pagerduty)
CLIENT = "Tidegauge"

Severity = Literal["critical", "error", "warning", "info"]
SEVERITIES: dict[LevelName, Severity] = {"critical": "critical", "warning": "warning", "info": "info"}
_WORDS: dict[str, Severity] = {"critical": "critical", "error": "error", "warning": "warning", "info": "info"}


class PagerDutyImage(Section):
    """A picture of an incident."""

    src: str = Field(default="", description="Its https address.")
    alt: str = Field(default="", description="Text in its place.")
    href: str = Field(default="", description="Where a click on it leads.")


class PagerDutyLink(Section):
    """A link of an incident."""

    href: str = Field(default="", description="Its address.")
    text: str = Field(default="", description="What it is called.")


class PagerDutySettings(Section):
    """A PagerDuty service. Texts are templates."""

    routing_key: SecretText | None = Field(default=None, description="Key of an Events API v2 integration.")
    routing_key_file: str | None = Field(default=None, min_length=1, description="File with it.")
    service_key: SecretText | None = Field(default=None, description="Key of a v1 integration (type Prometheus).")
    service_key_file: str | None = Field(default=None, min_length=1, description="File with it.")
    url: WebAddress = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        description="Where v2 events go; in the EU https://events.eu.pagerduty.com/v2/enqueue.",
    )
    client: str = Field(default=CLIENT, description="Who reports.")
    client_url: str | None = Field(default=None, description="Where they are reached. Left out: the group's page.")
    description: str | None = Field(default=None, description="The incident's title. Left out: our own words.")
    severity: str | None = Field(
        default=None, description="critical, error, warning or info. Left out: the highest level that fires."
    )
    source: str | None = Field(default=None, description="What is affected. Left out: the service or the host.")
    component: str | None = Field(default=None, description="Part of the source. Left out: the metric.")
    group: str | None = Field(default=None, description="What it belongs to. Left out: the service.")
    class_: str | None = Field(
        default=None, validation_alias="class", description="Kind of event. Left out: the alert's name."
    )
    details: dict[str, str] = Field(
        default_factory=dict, description="Further fields, beside or instead of `alerts`, `news` and the counts."
    )
    images: tuple[PagerDutyImage, ...] = Field(default=(), description="Pictures, at public https addresses.")
    links: tuple[PagerDutyLink, ...] = Field(default=(), description="Links, beside those to our pages.")
    timeout_s: Duration = Field(
        default=TIMEOUT_S, validation_alias="timeout", description="How long a call may take; `0s` is the default."
    )
    http_config: HttpConfig | None = Field(default=None, description="How it is spoken to.")

    @model_validator(mode="after")
    def _one_key(self) -> "PagerDutySettings":
        keys = ("routing_key", "routing_key_file", "service_key", "service_key_file")
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) != 1:
            have = f"{' and '.join(given)} are given" if given else "none of them is given"
            raise ValueError(f"needs one of {', '.join(keys)}; {have}")
        return self


@dataclass(frozen=True)
class ChangeEvent:
    """A deployment, a remedy that ran: PagerDuty shows it beside incidents, and pages nobody."""

    summary: str
    source: str
    at_s: float
    details: Mapping[str, str]
    links: tuple[tuple[str, str], ...] = ()  # (words, address)


class PagerDuty(Notifier):
    """trigger while anything fires, resolve when all of it has ended."""

    kind = "pagerduty"
    Settings = PagerDutySettings
    globals: ClassVar[Mapping[str, str]] = {"url": "pagerduty_url"}
    pace = (120, 60.0)  # events a minute and integration key
    keeps_incident = True

    settings: PagerDutySettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        if note.firing:
            if note.reason == "taken_back":
                # No event takes an acknowledgement back, and a trigger for an incident that has one calls nobody.
                yield from self._send(self._event("resolve", note.group), context)
            yield from self._send(self._trigger(note, context), context)
        else:
            yield from self._send(self._event("resolve", note.group), context)
        return handle

    def acknowledge(self, group: Group, by: str, comment: str, handle: Handle, context: Context) -> Conversation:
        """Says that it has been taken; by whom has no place in the event. PagerDuty drops it where nothing is open."""
        yield from self._send(self._event("acknowledge", group), context)
        return handle

    def change(self, change: ChangeEvent, handle: Handle, context: Context) -> Conversation:
        """Change Events API: v2 keys only. Nothing is sent with a v1 key."""
        if self._is_v1:
            return handle
        event: dict[str, object] = {
            "payload": {
                "summary": line(change.summary, SUMMARY_CHARS_MAX) or "change",
                "source": line(change.source, FIELD_CHARS_MAX),
                "timestamp": rfc3339(change.at_s),
                "custom_details": {name: plain(text) for name, text in change.details.items()},
            },
            "links": [{"href": url, "text": line(words)} for words, url in change.links if web_address(url)][
                :LINKS_MAX
            ],
        }
        yield from self._send(event, context, self.settings.url.removesuffix("enqueue") + "change/enqueue")
        return handle

    @property
    def _is_v1(self) -> bool:
        return self.settings.service_key is not None or self.settings.service_key_file is not None

    def _event(self, action: Literal["trigger", "acknowledge", "resolve"], group: Group) -> dict[str, object]:
        return {"dedup_key": group_hash(group), "event_action": action}

    def _trigger(self, note: Notification, context: Context) -> dict[str, object]:
        settings = self.settings
        common = texts.common_labels(note.firing)
        service = common.get("service", "")

        def text(template: str | None, default: str) -> str:
            return line(default if template is None else context.text(template, note), FIELD_CHARS_MAX)

        payload: dict[str, object] = {
            "summary": text(settings.description, texts.title(note, SUMMARY_CHARS_MAX)) or "alert",
            "source": text(settings.source, service or common.get("host") or common.get("instance") or "") or CLIENT,
            "severity": self._severity(note, context),
            "timestamp": rfc3339(min(told.alert.starts_at_s for told in note.firing)),
            "component": text(settings.component, common.get("metric", "")),
            "group": text(settings.group, service),
            "class": text(settings.class_, common.get("alertname", "")),
            "custom_details": self._details(note, context),
        }
        return self._event("trigger", note.group) | {
            "payload": {key: value for key, value in payload.items() if value},
            "client": text(settings.client, CLIENT),
            "client_url": text(settings.client_url, texts.page(note, context.link)),
            "images": self._images(note, context),
            "links": self._links(note, context),
        }

    def _severity(self, note: Notification, context: Context) -> Severity:
        """A word that PagerDuty doesn't know would lose the page: then the level speaks."""
        highest = texts.level(note) or "critical"
        if self.settings.severity is not None:
            wanted = _WORDS.get(context.text(self.settings.severity, note).strip().lower())
            return wanted or SEVERITIES[highest]
        # "error" from a rule of Prometheus is one of PagerDuty's words, and none of our levels.
        words = {told.alert.labels.get("severity") for told in note.firing if told.alert.level == highest}
        return "error" if words == {"error"} else SEVERITIES[highest]

    def _details(self, note: Notification, context: Context) -> dict[str, str]:
        ours = {
            "alerts": "\n".join(texts.details(note, DETAILS_CHARS_MAX, context.link)),
            "news": texts.news(note),
            "num_firing": str(len(note.firing)),
            "num_resolved": str(len(note.resolved)),
        }
        if note.muted:
            ours["num_held_back"] = str(note.muted)
        given = {name: context.text(template, note) for name, template in self.settings.details.items()}
        return {name: plain(text) for name, text in (ours | given).items()}

    def _images(self, note: Notification, context: Context) -> list[dict[str, str]]:
        """Only https: PagerDuty shows no others."""
        found = []
        for image in self.settings.images:
            src, href = (web_address(context.text(text, note).strip()) for text in (image.src, image.href))
            if src.lower().startswith("https://"):
                alt = line(context.text(image.alt, note), FIELD_CHARS_MAX)
                found.append({"src": src, "alt": alt} | ({"href": href} if href else {}))
        return found[:LINKS_MAX]

    def _links(self, note: Notification, context: Context) -> list[dict[str, str]]:
        found = []
        for link in self.settings.links:
            href = web_address(context.text(link.href, note).strip())
            if href:
                found.append({"href": href, "text": line(context.text(link.text, note), FIELD_CHARS_MAX)})
        worst = max(note.firing, key=lambda told: LEVELS.index(told.alert.level)).alert
        found += [{"href": url, "text": words} for words, url in texts.links(worst, context.link)]
        return found[:LINKS_MAX]

    def _send(self, event: dict[str, object], context: Context, url: str | None = None) -> Conversation:
        settings = self.settings
        if self._is_v1:
            key = secret_of(settings.service_key, settings.service_key_file, context)
            url, event = V1_URL, as_v1(event, key)
        else:
            key = secret_of(settings.routing_key, settings.routing_key_file, context)
            event = {"routing_key": key} | event
        reply = yield HttpCall(
            "POST", url or settings.url, JSON_HEADERS, fitted(event), settings.timeout_s or TIMEOUT_S
        )
        if self._is_v1 and reply.status == V1_RATE_LIMITED:
            raise Retry(f"PagerDuty answered 403, which is its limit of events: {said(reply, (key,))}", REST_S)
        settle(reply, "PagerDuty", context.now_s, hide=(key,), rest_s=REST_S)
        return {}


def as_v1(event: dict[str, object], service_key: str) -> dict[str, object]:
    """A v2 event in the words of v1, which has no severity, images or links."""
    payload = event.get("payload")
    if not isinstance(payload, dict):
        return {
            "service_key": service_key,
            "event_type": event["event_action"],
            "incident_key": event["dedup_key"],
            "description": "",
        }
    return {
        "service_key": service_key,
        "event_type": event["event_action"],
        "incident_key": event["dedup_key"],
        "description": payload["summary"],
        "details": payload["custom_details"],
        "client": event["client"],
        "client_url": event["client_url"],
    }


def fitted(event: dict[str, object]) -> bytes:
    """The body, within BODY_BYTES_MAX: details are cut to half and half again, and go where that isn't enough."""
    body = json_body(event)
    inner = event.get("payload")
    holder, name = (inner, "custom_details") if isinstance(inner, dict) else (event, "details")
    details = holder.get(name)
    chars = BODY_BYTES_MAX
    while len(body) > BODY_BYTES_MAX and isinstance(details, dict):
        chars //= 2
        cut = (
            {key: clip(text, chars) for key, text in details.items()}
            if chars > 100
            else {"cut": "too long for one event"}
        )
        short = {**holder, name: cut}
        body = json_body({**event, "payload": short} if holder is inner else short)
        if chars <= 100:
            break
    return body
