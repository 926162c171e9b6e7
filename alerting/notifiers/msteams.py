"""Microsoft Teams, by a Workflow that posts what it is sent: an Adaptive Card 1.4.

The address is a secret without a shape to check. What came with an alert stands in text runs, which know no markup;
only texts of the config are Markdown. A Workflow answers 202 before it has posted, so a later failure is not seen.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from alerting.alert import Notification, Told
from alerting.notifiers.base import Call, Context, Conversation, Handle, Notifier
from alerting.notifiers.wire import JSON_HEADERS, json_body, said, secret_of, settle
from alerting.words import texts
from alerting.words.escaping import clip, line, markdown, plain, web_address
from alerting.words.templates import TemplateText, Written
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.config.http_config import HttpConfig
from schemas.config.section import Section
from schemas.config.values import Duration, SecretAddress

# Teams takes 28,672 bytes of what it expands a card to: 24,453 bytes became 28,897 (MicrosoftDocs/msteams-docs#11274).
BODY_BYTES_MAX = 20_000
ALERTS_MAX = 12
ACTIONS_MAX = 6  # what Teams shows
TEXT_CHARS_MAX = 8_000  # of a text of the config
URL_CHARS_MAX = 1_500
_STYLES = {"critical": "attention", "warning": "warning", "info": "accent", None: "good"}
_CONNECTOR_ERROR = "HTTP error"  # old connectors answer 200 and say it in the text (msteams-docs#1810)

Element = dict[str, Any]


class MsTeamsSettings(Section):
    """A Teams channel, by the address of a Workflow. Texts are templates."""

    webhook_url: SecretAddress | None = Field(default=None, description="Address of the Workflow.")
    webhook_url_file: str | None = Field(default=None, min_length=1, description="File with it.")
    title: TemplateText | None = Field(default=None, description="First line, in Markdown. Left out: our own words.")
    text: TemplateText | None = Field(default=None, description="What follows, in Markdown. Left out: the alerts.")
    summary: TemplateText | None = Field(default=None, description="What the notice says. Left out: the title.")
    timeout_s: Duration = Field(default=10.0, gt=0, validation_alias="timeout", description="How long a call may take.")
    http_config: HttpConfig | None = Field(default=None, description="How it is spoken to.")

    @model_validator(mode="after")
    def _one_address(self) -> "MsTeamsSettings":
        if (self.webhook_url is None) is (self.webhook_url_file is None):
            raise ValueError("needs either webhook_url or webhook_url_file")
        return self


class MsTeams(Notifier):
    """A card a notification: a Workflow gives no handle by which a card could be changed."""

    kind = "msteamsv2"
    Settings = MsTeamsSettings
    pace = (4, 1.0)  # requests a second

    settings: MsTeamsSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        url = secret_of(self.settings.webhook_url, self.settings.webhook_url_file, context)
        if not (yield from self._post(url, self._card(note, context), context)) and not (
            yield from self._post(url, json_body(wrapped(_least(note, context), texts.title(note))), context)
        ):
            raise Refused("Teams took neither the card nor its title alone; see the Workflow's run history")
        return handle

    def _post(self, url: str, body: bytes, context: Context) -> Generator[Call, Reply, bool]:
        """False where the card is at fault. Raises Retry or Refused for all else."""
        reply = yield HttpCall("POST", url, JSON_HEADERS, body, self.settings.timeout_s)
        if reply.status in (400, 413):
            return False
        settle(reply, "Teams", context.now_s, hide=(url,))
        words = said(reply, (url,))
        if _CONNECTOR_ERROR not in words:
            return True
        if f"{_CONNECTOR_ERROR} 413" in words or f"{_CONNECTOR_ERROR} 400" in words:
            return False
        if f"{_CONNECTOR_ERROR} 429" in words or f"{_CONNECTOR_ERROR} 5" in words:
            raise Retry(f"Teams answered {words}")
        raise Refused(f"Teams answered {words}")

    def _card(self, note: Notification, context: Context) -> bytes:
        """The richest that fits: fewer and fewer alerts one by one, at last none."""
        settings = self.settings
        title = self._said(settings.title, note, context)
        text = self._said(settings.text, note, context)
        summary = context.text(settings.summary, note) if settings.summary else texts.title(note)
        limit = TEXT_CHARS_MAX
        told = [] if text else texts.by_news(note.alerts)[:ALERTS_MAX]
        while True:
            elements = _heading(note, title)
            if text:
                elements.append({"type": "TextBlock", "text": clip(text, limit), "wrap": True})
            elements += [_alert(one, note) for one in told]
            if not text and len(note.alerts) > len(told):
                elements.append(_line(f"and {len(note.alerts) - len(told)} more", subtle=True))
            card = {"body": elements, "actions": _actions(told or texts.by_news(note.alerts)[:1], note, context)}
            body = json_body(wrapped(card, summary))
            if len(body) <= BODY_BYTES_MAX:
                return body
            if not told and limit < 100:
                return json_body(wrapped(_least(note, context), texts.title(note)))
            told, limit = told[: len(told) * 2 // 3], limit * 2 // 3

    def _said(self, template: str | None, note: Notification, context: Context) -> str:
        def default(note: Notification) -> str:
            return markdown(texts.title(note))

        return context.text(Written(template, "markdown", default), note) if template else ""


def wrapped(card: Mapping[str, Any], summary: str) -> Element:
    """The message around a card, as Alertmanager sends it (notify/msteamsv2) and Workflows expect it."""
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        **card,
        "msteams": {"width": "full"},
    }
    attached = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "summary": line(summary, 300), "attachments": [attached]}


def _least(note: Notification, context: Context) -> Element:
    return {"body": [_line(texts.title(note), bold=True)], "actions": _actions([], note, context)}


def _heading(note: Notification, title: str) -> list[Element]:
    style = _STYLES[texts.level(note)]
    said: Element = {
        "type": "TextBlock",
        "text": clip(title, 1_000),
        "weight": "Bolder",
        "size": "Medium",
        "wrap": True,
    }
    first = said if title else _line(f"{texts.ICONS[texts.level(note)]} {texts.title(note)}", bold=True, size="Medium")
    muted = f"; {note.muted} held back" if note.muted else ""
    return [
        {"type": "Container", "style": style, "bleed": True, "items": [first]},
        _line(texts.news(note) + muted, subtle=True),
    ]


def _alert(told: Told, note: Notification) -> Element:
    lines = [_line(clip(text, 700)) for text in texts.facts(told, note.at_s)]
    return {"type": "Container", "separator": True, "items": [_line(texts.head(told), bold=True), *lines]}


def _line(text: str, *, bold: bool = False, subtle: bool = False, size: str = "Default") -> Element:
    """In a text run, where Markdown, HTML and mentions are letters. Teams' own `{{DATE(...)}}` is cut apart."""
    run: Element = {"type": "TextRun", "text": plain(text).replace("{{", "{ {") or " "}
    run |= {"weight": "Bolder"} if bold else {}
    run |= {"isSubtle": True} if subtle else {}
    run |= {"size": size} if size != "Default" else {}
    return {"type": "RichTextBlock", "inlines": [run]}


def _actions(told: Sequence[Told], note: Notification, context: Context) -> list[Element]:
    """Only links: a card that came by webhook may not submit anything."""
    found = [("Open", texts.page(note, context.link))]
    for one in told[:1]:
        found += [link for link in texts.links(one.alert, context.link) if link[0] != "Open"]
        if note.firing:
            found.append(("Silence", context.link("silence", one.alert.fingerprint)))
    return [
        {"type": "Action.OpenUrl", "title": words, "url": address}
        for words, address in found
        if web_address(address) and len(json.dumps(address)) <= URL_CHARS_MAX
    ][:ACTIONS_MAX]
