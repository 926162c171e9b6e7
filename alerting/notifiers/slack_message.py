"""What a Slack message says: our own in Block Kit, or, where the config has texts, Alertmanager's attachment.

Limits are those of Slack's reference of blocks (`slack_sdk.models.blocks` has them as constants), but for the sum of a
message's blocks, which is undocumented: about 13,200 characters (slackapi/bolt-js#2509).
"""

from typing import Any

from pydantic import Field

from alerting.alert import Notification, Told
from alerting.notifiers.base import Context
from alerting.words import texts
from alerting.words.escaping import clip, slack, web_address
from alerting.words.templates import TemplateText, Written
from schemas.config.section import Section

BLOCKS_MAX = 50
HEADER_CHARS_MAX = 150
SECTION_CHARS_MAX = 3_000
CONTEXT_CHARS_MAX = 2_000  # ours
SUM_CHARS_MAX = 10_000  # of about 13,200
TEXT_CHARS_MAX = 3_000  # Slack advises 4,000 and cuts at 40,000
TITLE_CHARS_MAX = 1_024  # of an attachment, as in Alertmanager
ATTACHMENT_CHARS_MAX = 7_500  # ours; Slack folds what is longer than 700
FIELD_CHARS_MAX = 2_000
FIELDS_MAX = 25  # ours
ACTIONS_MAX = 5  # of an attachment
ALERTS_MAX = 12  # shown one by one; the desk's page has the others
URL_CHARS_MAX = 3_000
BUTTON_CHARS_MAX = 75
BUTTON = "tidegauge:"  # how the names of our buttons begin
BUTTONS = {"acknowledge": "Acknowledge", "resolve": "Resolve", "role": "Take the lead"}

Message = dict[str, Any]


class SlackField(Section):
    """A field of the attachment."""

    title: TemplateText = Field(min_length=1, description="Its heading.")
    value: TemplateText = Field(min_length=1, description="Its text.")
    short: bool | None = Field(default=None, description="Beside another. Left out: as `short_fields` says.")


class SlackConfirmation(Section):
    """A question before an action is taken."""

    text: TemplateText = Field(min_length=1, description="The question.")
    title: TemplateText = Field(default="", description="Its heading.")
    ok_text: TemplateText = Field(default="", description="The button that goes on.")
    dismiss_text: TemplateText = Field(default="", description="The button that doesn't.")


class SlackAction(Section):
    """A button of the attachment."""

    type: TemplateText = Field(min_length=1, description="`button`.")
    text: TemplateText = Field(min_length=1, description="What stands on it.")
    url: TemplateText = Field(default="", description="Where it leads.")
    style: TemplateText = Field(default="", description="`primary` or `danger`.")
    name: TemplateText = Field(default="", description="Name of a message action.")
    value: TemplateText = Field(default="", description="Value of a message action.")
    confirm: SlackConfirmation | None = Field(default=None, description="A question before it is taken.")


class SlackTexts(Section):
    """Alertmanager's texts of a Slack message; all may be templates."""

    channel: TemplateText = Field(default="", description="Channel: `#alerts`, `@person`, or an id.")
    username: TemplateText | None = Field(default=None, description="Name that is shown, where a webhook may set it.")
    color: TemplateText | None = Field(default=None, description="`good`, `warning`, `danger` or `#rrggbb`.")
    title: TemplateText | None = Field(default=None, description="First line.")
    title_link: TemplateText | None = Field(default=None, description="Where it leads.")
    pretext: TemplateText | None = Field(default=None, description="Text above it.")
    text: TemplateText | None = Field(default=None, description="Text below it.")
    fields: tuple[SlackField, ...] = Field(default=(), description="Fields below the text.")
    short_fields: bool = Field(default=False, description="Fields stand in two columns.")
    footer: TemplateText | None = Field(default=None, description="Last line.")
    fallback: TemplateText | None = Field(default=None, description="Text where attachments aren't shown.")
    callback_id: TemplateText | None = Field(default=None, description="Id of the attachment for message actions.")
    icon_emoji: TemplateText | None = Field(default=None, description="Emoji beside the name.")
    icon_url: TemplateText | None = Field(default=None, description="Picture beside the name.")
    image_url: TemplateText = Field(default="", description="Picture below the text, at a public address.")
    thumb_url: TemplateText = Field(default="", description="Small picture, at a public address.")
    link_names: bool = Field(default=False, description="Names such as @person in the texts are links.")
    mrkdwn_in: tuple[str, ...] = Field(default=(), description="Parts of the attachment that are read as markup.")
    actions: tuple[SlackAction, ...] = Field(default=(), description="Buttons.")

    @property
    def has_words(self) -> bool:
        """Whether the config says how the message reads: then it is Alertmanager's attachment."""
        words = ("title", "title_link", "pretext", "text", "footer", "fallback", "color", "image_url", "thumb_url")
        return bool(self.fields or self.actions or any(getattr(self, name) for name in words))


def message(settings: SlackTexts, note: Notification, context: Context) -> Message:
    """All of it but the channel's own fields of the Web API."""
    made = attachment(settings, note, context) if settings.has_words else blocks(note, context)
    own = {
        "channel": _said(context, note, settings.channel),
        "username": _said(context, note, settings.username),
        "icon_emoji": _said(context, note, settings.icon_emoji),
        "icon_url": _said(context, note, settings.icon_url),
        "link_names": settings.link_names,
    }
    return {**{key: value for key, value in own.items() if value}, **made}


def blocks(note: Notification, context: Context) -> Message:
    """Ours. Whatever came with an alert stands in plain text, where nothing is markup; links are of our own words."""
    made: list[Message] = [{"type": "header", "text": _plain(title(note), HEADER_CHARS_MAX)}]
    muted = f"; {note.muted} held back" if note.muted else ""
    made.append({"type": "context", "elements": [_plain(texts.news(note) + muted, CONTEXT_CHARS_MAX)]})
    left = SUM_CHARS_MAX
    shown = 0
    for told in texts.by_news(note.alerts)[:ALERTS_MAX]:
        parts = _alert_blocks(told, note, context)
        size = sum(len(part["text"]["text"]) for part in parts)
        if size > left or len(made) + len(parts) > BLOCKS_MAX - 2:
            break
        made += parts
        left -= size
        shown += 1
    if len(note.alerts) > shown:
        made.append({"type": "context", "elements": [_plain(f"and {len(note.alerts) - shown} more", 100)]})
    if address := _link(texts.page(note, context.link), "All of them"):
        made.append({"type": "context", "elements": [{"type": "mrkdwn", "text": address}]})
    return {"text": clip_escaped(slack(title(note)), TEXT_CHARS_MAX), "blocks": made}


def with_buttons(made: Message, note: Notification, context: Context) -> Message:
    """An incident's page, while it lasts, with buttons, where the desk hears of them. `value`: which incident."""
    if not (context.has_buttons and _is_page(note) and note.firing and "blocks" in made):
        return made
    value = f"{note.group.labels.get('incident', '')}/{note.group.id}"
    buttons: list[Message] = [
        {"type": "button", "action_id": f"{BUTTON}{act}", "value": value, "text": _plain(words, BUTTON_CHARS_MAX)}
        for act, words in BUTTONS.items()
    ]
    buttons[0]["style"] = "primary"
    return {**made, "blocks": [*made["blocks"][: BLOCKS_MAX - 1], {"type": "actions", "elements": buttons}]}


def _is_page(note: Notification) -> bool:
    return note.group.kind == "incident" and note.group.key.endswith("/page")


def title(note: Notification) -> str:
    return f"{texts.ICONS[texts.level(note)]} {texts.title(note)}"


def changes(note: Notification, context: Context) -> Message:
    """A line of the thread: what this notification adds, and the alerts that it is about."""
    about = [told for told in texts.by_news(note.alerts) if told.what != "same"][:ALERTS_MAX]
    made: list[Message] = [{"type": "section", "text": _plain(texts.news(note), SECTION_CHARS_MAX)}]
    left = SUM_CHARS_MAX
    for told in about:
        parts = _alert_blocks(told, note, context)
        left -= sum(len(part["text"]["text"]) for part in parts)
        if left < 0:
            break
        made += parts
    return {"text": clip_escaped(slack(f"{title(note)} - {texts.news(note)}"), TEXT_CHARS_MAX), "blocks": made}


def attachment(settings: SlackTexts, note: Notification, context: Context) -> Message:
    """Alertmanager's (notify/slack/slack.go), with its defaults."""

    def said(text: str | None, named: str, limit: int = ATTACHMENT_CHARS_MAX) -> str:
        default = f'{{{{ template "slack.default.{named}" . }}}}'
        return clip_escaped(_said(context, note, default if text is None else text), limit)

    def colour(note: Notification) -> str:
        return texts.COLOURS[texts.level(note)]

    shade = settings.color or '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
    made: Message = {
        "title": said(settings.title, "title", TITLE_CHARS_MAX),
        "title_link": said(settings.title_link, "titlelink", URL_CHARS_MAX),
        "pretext": said(settings.pretext, "pretext"),
        "text": said(settings.text, "text"),
        "fallback": said(settings.fallback, "fallback", TEXT_CHARS_MAX) or clip(slack(title(note)), TEXT_CHARS_MAX),
        "callback_id": said(settings.callback_id, "callbackid"),
        "image_url": _said(context, note, settings.image_url),
        "thumb_url": _said(context, note, settings.thumb_url),
        "footer": said(settings.footer, "footer", 300),
        "color": context.text(Written(shade, "slack", colour, is_marked=False), note),
        "mrkdwn_in": list(settings.mrkdwn_in) or ["fallback", "pretext", "text"],
        "fields": [
            {
                "title": clip_escaped(_said(context, note, field.title), FIELD_CHARS_MAX),
                "value": clip_escaped(_said(context, note, field.value), FIELD_CHARS_MAX),
                "short": settings.short_fields if field.short is None else field.short,
            }
            for field in settings.fields[:FIELDS_MAX]
        ],
        "actions": [_action(action, note, context) for action in settings.actions[:ACTIONS_MAX]],
    }
    return {"attachments": [{key: value for key, value in made.items() if value or key in _ALWAYS}]}


_ALWAYS = ("text", "fallback", "callback_id", "footer")  # Alertmanager sends them empty too


def plain_message(note: Notification) -> Message:
    """The least that can be said, where Slack takes nothing richer."""
    return {"text": clip_escaped(slack(title(note)), TEXT_CHARS_MAX)}


def clip_escaped(text: str, limit: int) -> str:
    """Cut, but never through an escape or one of Slack's own `<...>`.

    >>> clip_escaped("a &amp; b", 6), clip_escaped("see <https://a.example|x> y", 20)
    ('a …', 'see …')
    """
    if len(text) <= limit:
        return text
    cut = text[: max(limit - 1, 0)]
    if cut.rfind("&") > cut.rfind(";") and len(cut) - cut.rfind("&") < 6:
        cut = cut[: cut.rfind("&")]
    if cut.rfind("<") > cut.rfind(">"):
        cut = cut[: cut.rfind("<")]
    return cut + "…"[:limit]


def _action(action: SlackAction, note: Notification, context: Context) -> Message:
    words = ("type", "text", "url", "style") if action.url else ("type", "text", "style", "name", "value")
    made: Message = {name: _said(context, note, getattr(action, name)) for name in words}
    if action.confirm is not None:
        asked = action.confirm
        confirm = {name: _said(context, note, getattr(asked, name)) for name in SlackConfirmation.model_fields}
        made["confirm"] = {name: text for name, text in confirm.items() if text}
    return {name: value for name, value in made.items() if value}


def _alert_blocks(told: Told, note: Notification, context: Context) -> list[Message]:
    lines = [texts.head(told), *texts.facts(told, note.at_s)]
    made: list[Message] = [{"type": "section", "text": _plain("\n".join(lines), SECTION_CHARS_MAX)}]
    named = texts.links(told.alert, context.link)
    if told.what not in ("resolved", "departed"):
        named.append(("Silence", context.link("silence", told.alert.fingerprint)))
    linked = [_link(address, words) for words, address in named]
    if shown := " · ".join(text for text in linked if text):
        made.append({"type": "section", "text": {"type": "mrkdwn", "text": clip_escaped(shown, SECTION_CHARS_MAX)}})
    return made


def _link(address: str, words: str) -> str:
    """Empty where the address is none that a person may follow."""
    address = web_address(address)
    return f"<{slack(address)}|{words}>" if address and len(address) < URL_CHARS_MAX // 2 else ""


def _plain(text: str, limit: int) -> Message:
    return {"type": "plain_text", "text": clip_escaped(slack(text), limit), "emoji": False}


def _said(context: Context, note: Notification, template: str | None) -> str:
    return context.text(Written(template, "slack", _escaped_title), note) if template else ""


def _escaped_title(note: Notification) -> str:
    return slack(texts.title(note))
