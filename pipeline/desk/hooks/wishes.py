"""What a webhook asks for, in our own words: one reader a service. All that is sure is that the service sent it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec

from alerting.notifiers.slack_message import BUTTON, BUTTONS

Act = Literal["acknowledge", "unacknowledge", "resolve", "comment", "role", "note", "nothing"]
Source = Literal["pagerduty", "slack", "opsgenie"]
TEXT_CHARS_MAX = 10_000


@dataclass(frozen=True)
class Wish:
    """id: the same where it is sent again. key: by which the service knows what it is about; ref: its own name for it,
    which may come without the key. handle, by: who it is there, by id and by name. at_s: when it was done, None:
    unknown. why: where nothing is to be done, why not. reply_to: an address for an answer to that person.
    """

    source: Source
    id: str
    act: Act
    key: str = ""
    ref: str = ""
    handle: str = ""
    by: str = ""
    comment: str = ""
    at_s: float | None = None
    why: str = ""
    reply_to: str = ""


class _Agent(msgspec.Struct):
    id: str = ""
    summary: str = ""
    type: str = ""


class _Event(msgspec.Struct):
    id: str
    event_type: str
    occurred_at: str = ""
    agent: _Agent | None = None
    data: dict[str, Any] = {}


class _PagerDuty(msgspec.Struct):
    event: _Event


class _Alert(msgspec.Struct):
    alias: str = ""
    username: str = ""
    note: str = ""


class _OpsgenieSource(msgspec.Struct):
    type: str = ""


class _Opsgenie(msgspec.Struct):
    action: str
    alert: _Alert
    source: _OpsgenieSource | None = None


class _User(msgspec.Struct):
    id: str
    username: str = ""
    name: str = ""


class _Pressed(msgspec.Struct):
    action_id: str = ""
    value: str = ""
    action_ts: str = ""


class _Slack(msgspec.Struct):
    type: str
    user: _User
    actions: list[_Pressed] = []
    response_url: str = ""
    trigger_id: str = ""


_pagerduty = msgspec.json.Decoder(_PagerDuty)
_opsgenie = msgspec.json.Decoder(_Opsgenie)
_slack = msgspec.json.Decoder(_Slack)
_PAGERDUTY: dict[str, Act] = {
    "incident.acknowledged": "acknowledge",
    "incident.unacknowledged": "unacknowledge",
    "incident.resolved": "resolve",
    "incident.annotated": "comment",
    "incident.escalated": "note",
    "incident.reassigned": "note",
    "incident.delegated": "note",
    "incident.responder.added": "note",
    "incident.responder.replied": "note",
    "incident.status_update_published": "comment",
}
_OPSGENIE: dict[str, Act] = {
    "Acknowledge": "acknowledge",
    "UnAcknowledge": "unacknowledge",
    "Close": "resolve",
    "AddNote": "comment",
    "Escalate": "note",
    "AssignOwnership": "note",
    "TakeOwnership": "note",
}


def of_pagerduty(body: bytes) -> Wish:
    """A v3 webhook. Raises msgspec.DecodeError."""
    event = _pagerduty.decode(body).event
    data, agent = event.data, event.agent or _Agent()
    about = data.get("incident") if isinstance(data.get("incident"), dict) else data
    act = _PAGERDUTY.get(event.event_type, "nothing")
    why = "" if act != "nothing" else f"{event.event_type[:80]} asks for nothing here"
    if act in ("acknowledge", "resolve") and "integration" in agent.type:
        act, why = "nothing", "it is the echo of what we told PagerDuty"
    elif act == "resolve" and not agent.type.startswith("user"):
        act, why = "nothing", "no person resolved it; it resolves here when its alerts are over"
    word = event.event_type.removeprefix("incident.").replace(".", " ").replace("_", " ")
    said = _text(data.get("content")) or _text(data.get("message"))
    assigned = ", ".join(_text(one.get("summary")) for one in _dicts(data.get("assignees")))
    if act == "note":
        said = f"PagerDuty: {word}" + (f", now with {assigned}" if assigned else "") + (f": {said}" if said else "")
    return Wish(
        source="pagerduty",
        id=event.id,
        act=act,
        key=_text(data.get("incident_key")),
        ref=_text(about.get("id")) if isinstance(about, dict) else "",
        handle=agent.id,
        by=agent.summary,
        comment=said,
        at_s=_at_s(event.occurred_at),
        why=why,
    )


def of_opsgenie(body: bytes) -> Wish:
    """As Opsgenie's and JSM's webhook integrations post it; it has no id of its own. Raises msgspec.DecodeError."""
    posted = _opsgenie.decode(body)
    act = _OPSGENIE.get(posted.action, "nothing")
    why = "" if act != "nothing" else f"{posted.action[:80]} asks for nothing here"
    if posted.source is not None and posted.source.type.lower() == "api" and act != "nothing":
        act, why = "nothing", "it is the echo of what we told Opsgenie"
    said = posted.alert.note if act == "comment" else f"Opsgenie: {posted.action}" if act == "note" else ""
    return Wish(
        source="opsgenie",
        id=hashlib.sha256(body).hexdigest(),
        act=act,
        key=posted.alert.alias,
        handle=posted.alert.username,
        by=posted.alert.username,
        comment=_text(said),
        why=why,
    )


def of_slack(body: bytes) -> Wish:
    """A button of a page (`block_actions`), as a form. Raises ValueError or msgspec.DecodeError."""
    form = parse_qs(body.decode("utf-8"), max_num_fields=20)
    if len(form.get("payload", [])) != 1:
        raise ValueError("no payload; this address is for Slack's interactivity")
    posted = _slack.decode(form["payload"][0])
    pressed = posted.actions[0] if posted.actions else _Pressed()
    name = pressed.action_id.removeprefix(BUTTON)
    is_ours = posted.type == "block_actions" and pressed.action_id.startswith(BUTTON) and name in BUTTONS
    acts: dict[str, Act] = {"acknowledge": "acknowledge", "resolve": "resolve", "role": "role"}
    return Wish(
        source="slack",
        id=f"{posted.trigger_id} {pressed.action_ts} {pressed.value} {name}",
        act=acts[name] if is_ours else "nothing",
        key=pressed.value,
        handle=posted.user.id,
        by=posted.user.username or posted.user.name or posted.user.id,
        why="" if is_ours else "it is no button of a page",
        reply_to=posted.response_url,
    )


def _text(value: object) -> str:
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) else ""


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _at_s(text: str) -> float | None:
    """Unix seconds of RFC 3339; None where it is none."""
    try:
        at = datetime.fromisoformat(text)
        return at.timestamp() if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
