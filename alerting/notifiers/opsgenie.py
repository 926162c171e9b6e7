"""Opsgenie's Alert API v2. One alert a group, known by its alias, by which Opsgenie drops doubles.

A 202 is a promise: Opsgenie looks at the request later. With `confirm` we ask how that ended. Limits are from
docs.opsgenie.com ("Alert API", "Alerts and alert fields"); its specification has none of them.
"""

from collections.abc import Generator, Mapping
from typing import ClassVar, Literal
from urllib.parse import quote

import msgspec
from pydantic import Field, model_validator

from alerting.alert import Group, Notification
from alerting.notifiers.base import Call, Context, Conversation, Handle, Notifier
from alerting.notifiers.labels import evidence
from alerting.notifiers.wire import JSON_HEADERS, TIMEOUT_S, group_hash, json_body, secret_of, settle
from alerting.words import texts
from alerting.words.escaping import MARK, clip, line, plain
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.config.http_config import HttpConfig
from schemas.config.section import Section
from schemas.config.values import Duration, SecretText, WebAddress
from schemas.levels import LEVELS, LevelName

MESSAGE_CHARS_MAX = 130
DESCRIPTION_CHARS_MAX = 15_000
DETAILS_CHARS_MAX = 8_000  # names and values together
TAGS_MAX, TAG_CHARS_MAX = 20, 50
ACTIONS_MAX, ACTION_CHARS_MAX = 10, 50
ENTITY_CHARS_MAX = 512
SOURCE_CHARS_MAX = 100
USER_CHARS_MAX = 100
NOTE_CHARS_MAX = 25_000
RESPONDERS_MAX = 50
SOURCE = "Tidegauge"
ASKED_MAX = 3  # times in a row that a request's end is asked for
REST_S = 2.0  # until it is asked for again

Method = Literal["GET", "POST", "PUT"]
Priority = Literal["P1", "P2", "P3", "P4", "P5"]
PRIORITIES: dict[LevelName, Priority] = {"critical": "P1", "warning": "P3", "info": "P5"}
_MORE = "more"  # name of a detail that says that others found no room
_WORDS: dict[str, Priority] = {"P1": "P1", "P2": "P2", "P3": "P3", "P4": "P4", "P5": "P5"}


class Responder(Section):
    """Who is told. One of `id`, `name`, `username`; each is a template."""

    id: str = Field(default="", description="Its id.")
    name: str = Field(default="", description="Its name; of `teams`, several with commas.")
    username: str = Field(default="", description="A user's name.")
    type: Literal["team", "teams", "user", "escalation", "schedule"] = Field(description="What it is.")

    @model_validator(mode="after")
    def _named(self) -> "Responder":
        if not (self.id or self.name or self.username):
            raise ValueError("needs one of id, name, username")
        return self


class OpsgenieSettings(Section):
    """An Opsgenie integration of type API. Texts are templates."""

    api_key: SecretText | None = Field(default=None, description="Key of the integration.")
    api_key_file: str | None = Field(default=None, min_length=1, description="File with it.")
    api_url: WebAddress = Field(
        default="https://api.opsgenie.com/", description="Its address; in the EU https://api.eu.opsgenie.com/."
    )
    message: str | None = Field(default=None, description="The alert's title. Left out: our own words.")
    description: str | None = Field(default=None, description="Its text. Left out: our own words.")
    source: str | None = Field(default=None, description="Who reports. Left out: Tidegauge.")
    details: dict[str, str] = Field(default_factory=dict, description="Further fields, beside the common labels.")
    entity: str | None = Field(default=None, description="What is affected. Left out: the service or the host.")
    responders: tuple[Responder, ...] = Field(default=(), max_length=RESPONDERS_MAX, description="Who is told.")
    tags: str = Field(default="", description="Tags, with commas.")
    actions: str = Field(default="", description="Actions that the alert offers, with commas.")
    note: str = Field(default="", description="A note beside the alert when it is made.")
    priority: str | None = Field(default=None, description="P1 to P5. Left out: by the highest level that fires.")
    update_alerts: bool = Field(default=False, description="Renews title and text of an alert that is open.")
    confirm: bool = Field(default=False, description="Asks whether what was accepted was done, too.")
    timeout_s: Duration = Field(
        default=TIMEOUT_S, validation_alias="timeout", description="How long a call may take; `0s` is the default."
    )
    http_config: HttpConfig | None = Field(default=None, description="How it is spoken to.")

    @model_validator(mode="after")
    def _one_key(self) -> "OpsgenieSettings":
        if (self.api_key is None) is (self.api_key_file is None):
            raise ValueError("needs either api_key or api_key_file")
        return self


class Opsgenie(Notifier):
    """create while anything fires, a note for what is new about it, close when all of it has ended."""

    kind = "opsgenie"
    Settings: ClassVar[type[OpsgenieSettings]] = OpsgenieSettings
    globals: ClassVar[Mapping[str, str]] = {
        "api_key": "opsgenie_api_key",
        "api_key_file": "opsgenie_api_key_file",
        "api_url": "opsgenie_api_url",
    }
    pace = (10, 1.0)  # a token bucket whose size depends on the plan; what is too much comes back as 429
    service: ClassVar[str] = "Opsgenie"
    keeps_incident = True

    settings: OpsgenieSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        alias = group_hash(note.group)
        if not note.firing:
            yield from self._send("POST", f"{alias}/close", {"source": self._source(note, context)}, context)
            return {}
        priority = self._priority(note, context)
        # Made again each time: an alert that somebody closed by hand opens, one that is open only counts.
        reply = yield from self._send("POST", "", self._alert(note, priority, context), context)
        if self.settings.confirm:
            yield from self._confirm(reply, context)
        if handle.get("priority", priority) != priority:
            yield from self._send("PUT", f"{alias}/priority", {"priority": priority}, context)
        if self.settings.update_alerts:
            yield from self._send("PUT", f"{alias}/message", {"message": self._message(note, context)}, context)
            description = self._description(note, context)
            yield from self._send("PUT", f"{alias}/description", {"description": description}, context)
        # Last, as a note that is sent again stands there twice.
        if "priority" in handle and note.reason not in ("first_notification", "repeat_interval"):
            yield from self._note(note, context)
        return {"priority": priority}

    def acknowledge(self, group: Group, by: str, comment: str, handle: Handle, context: Context) -> Conversation:
        """Says that somebody has taken it."""
        body = {"source": SOURCE, "user": line(by, USER_CHARS_MAX), "note": clip(plain(comment), NOTE_CHARS_MAX)}
        yield from self._send("POST", f"{group_hash(group)}/acknowledge", body, context)
        return handle

    def unacknowledge(self, group: Group, by: str, comment: str, handle: Handle, context: Context) -> Conversation:
        """Its own policy goes on from there."""
        body = {"source": SOURCE, "user": line(by, USER_CHARS_MAX), "note": clip(plain(comment), NOTE_CHARS_MAX)}
        yield from self._send("POST", f"{group_hash(group)}/unacknowledge", body, context)
        return handle

    def _alert(self, note: Notification, priority: Priority, context: Context) -> dict[str, object]:
        settings = self.settings
        common = texts.common_labels(note.firing)
        place = common.get("service") or common.get("host") or common.get("instance") or ""
        entity = place if settings.entity is None else context.text(settings.entity, note)
        alert: dict[str, object] = {
            "message": self._message(note, context),
            "alias": group_hash(note.group),
            "description": self._description(note, context),
            "details": self._details(note, context),
            "source": self._source(note, context),
            "responders": self._responders(note, context),
            "tags": _listed(context.text(settings.tags, note), TAGS_MAX, TAG_CHARS_MAX),
            "actions": _listed(context.text(settings.actions, note), ACTIONS_MAX, ACTION_CHARS_MAX),
            "note": clip(plain(context.text(settings.note, note)), NOTE_CHARS_MAX),
            "priority": priority,
            "entity": line(entity, ENTITY_CHARS_MAX),
        }
        return {key: value for key, value in alert.items() if value}

    def _message(self, note: Notification, context: Context) -> str:
        given = self.settings.message
        ours = texts.title(note, MESSAGE_CHARS_MAX)
        return (line(context.text(given, note), MESSAGE_CHARS_MAX) if given is not None else "") or ours

    def _description(self, note: Notification, context: Context) -> str:
        if self.settings.description is not None:
            return clip(plain(context.text(self.settings.description, note)), DESCRIPTION_CHARS_MAX)
        return clip("\n".join(texts.details(note, DESCRIPTION_CHARS_MAX, context.link)), DESCRIPTION_CHARS_MAX)

    def _source(self, note: Notification, context: Context) -> str:
        given = self.settings.source
        return line(SOURCE if given is None else context.text(given, note), SOURCE_CHARS_MAX)

    def _details(self, note: Notification, context: Context) -> dict[str, str]:
        """What the config asks for before labels, labels before numbers: what doesn't fit goes from the end."""
        given = {name: context.text(template, note) for name, template in self.settings.details.items()}
        numbers = evidence(note.firing[0].alert) if len(note.firing) == 1 else {}
        wanted = given | {k: v for k, v in (texts.common_labels(note.firing) | numbers).items() if k not in given}
        left = DETAILS_CHARS_MAX - len(_MORE + MARK)
        found: dict[str, str] = {}
        for name, text in wanted.items():
            name, text = line(name, TAG_CHARS_MAX), plain(text)
            if left <= len(name):
                return found | {_MORE: MARK}
            found[name] = clip(text, left - len(name))
            left -= len(name) + len(found[name])
        return found

    def _responders(self, note: Notification, context: Context) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        for one in self.settings.responders:
            named = {key: context.text(getattr(one, key), note).strip() for key in ("id", "name", "username")}
            named = {key: text for key, text in named.items() if text}
            if one.type == "teams":
                names = named.get("name", "").split(",")
                found += [{"name": name.strip(), "type": "team"} for name in names if name.strip()]
            elif named:
                found.append({**named, "type": one.type})
        return found[:RESPONDERS_MAX]

    def _priority(self, note: Notification, context: Context) -> Priority:
        """A word that Opsgenie doesn't know would lose the page: then the level speaks."""
        wanted = context.text(self.settings.priority, note).strip().upper() if self.settings.priority else ""
        return _WORDS.get(wanted) or PRIORITIES[texts.level(note) or LEVELS[-1]]

    def _note(self, note: Notification, context: Context) -> Conversation:
        text = clip(f"{texts.title(note)}\n{texts.news(note)}", NOTE_CHARS_MAX)
        body = {"note": text, "source": self._source(note, context)}
        yield from self._send("POST", f"{group_hash(note.group)}/notes", body, context)
        return {}

    def _confirm(self, accepted: Reply, context: Context) -> Conversation:
        """Asks how the request ended. Raises Refused where it failed, Retry where nobody knows yet."""
        request_id = _field(accepted, "requestId")
        if not isinstance(request_id, str) or not request_id:
            raise Retry(f"{self.service} accepted, but gave no requestId to ask for")
        for _ in range(ASKED_MAX):
            reply = yield self._call("GET", f"requests/{quote(request_id, safe='')}", None, context)
            if reply.status == 404:
                continue  # not looked at yet
            settle(reply, self.service, context.now_s, hide=(self._key(context),), rest_s=REST_S)
            data = _field(reply, "data")
            if isinstance(data, dict) and (data.get("isSuccess") or data.get("success")):
                return {}
            status = data.get("status") if isinstance(data, dict) else None
            raise Refused(f"{self.service} accepted the alert and then failed: {line(str(status), 300)}")
        raise Retry(f"{self.service} accepted the alert, and hasn't looked at it yet", REST_S)

    def _send(
        self, method: Method, path: str, body: Mapping[str, object], context: Context
    ) -> Generator[Call, Reply, Reply]:
        reply = yield self._call(method, f"{path}?identifierType=alias" if path else "", body, context)
        settle(reply, self.service, context.now_s, hide=(self._key(context),), rest_s=_rest_s(reply))
        return reply

    def _call(self, method: Method, path: str, body: Mapping[str, object] | None, context: Context) -> HttpCall:
        base = f"{self.settings.api_url.rstrip('/')}/v2/alerts"
        return HttpCall(
            method,
            f"{base}/{path}" if path else base,
            JSON_HEADERS | {"Authorization": f"GenieKey {self._key(context)}"},
            b"" if body is None else json_body(body),
            self.settings.timeout_s or TIMEOUT_S,
        )

    def _key(self, context: Context) -> str:
        return secret_of(self.settings.api_key, self.settings.api_key_file, context)


def _listed(text: str, count_max: int, chars_max: int) -> list[str]:
    parts = (line(part, chars_max) for part in text.split(","))
    return [part for part in parts if part][:count_max]


def _field(reply: Reply, name: str) -> object:
    try:
        answer = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return answer.get(name) if isinstance(answer, dict) else None


def _rest_s(reply: Reply) -> float:
    """Of a 429: the period over which Opsgenie counts (docs.opsgenie.com, "API rate limiting")."""
    text = reply.headers.get("x-ratelimit-period-in-sec", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 5 else REST_S
