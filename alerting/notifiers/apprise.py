"""Apprise's hundred services, by their addresses. An optional extra; the desk says so where it is missing."""

from typing import Literal

from pydantic import Field, model_validator

from alerting.alert import Notification
from alerting.notifiers.base import Context, Conversation, Handle, Notifier
from alerting.notifiers.wire import said
from alerting.words import texts
from alerting.words.escaping import clip, line, plain
from alerting.words.templates import TemplateText
from schemas.calls import AppriseCall, Refused
from schemas.config.section import Section
from schemas.config.values import SecretText
from schemas.secret import Secret

TITLE_CHARS_MAX = 250  # what most of the services take; Apprise cuts further where one takes less
BODY_CHARS_MAX = 4_000
_KINDS: dict[str | None, Literal["info", "warning", "failure", "success"]] = {
    "critical": "failure",
    "warning": "warning",
    "info": "info",
    None: "success",
}


class AppriseSettings(Section):
    """Services by their Apprise addresses (`discord://...`). Texts are templates."""

    urls: tuple[SecretText, ...] = Field(default=(), description="Addresses, as Apprise writes them.")
    urls_file: str | None = Field(default=None, min_length=1, description="File with them, one a line.")
    title: TemplateText | None = Field(default=None, description="First line. Left out: our own words.")
    body: TemplateText | None = Field(default=None, description="What follows. Left out: the alerts.")

    @model_validator(mode="after")
    def _some_address(self) -> "AppriseSettings":
        if bool(self.urls) is bool(self.urls_file):
            raise ValueError("needs either urls or urls_file")
        return self


class Apprise(Notifier):
    """One message a notification, to all of the addresses."""

    kind = "apprise"
    Settings = AppriseSettings

    settings: AppriseSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        settings = self.settings
        urls = [context.reveal(url) for url in settings.urls]
        if settings.urls_file is not None:
            listed = context.reveal(Secret("file", settings.urls_file)).splitlines()
            urls = [url.strip() for url in listed if url.strip() and not url.lstrip().startswith("#")]
        if not urls:
            raise Refused("the file of urls_file has no address in it")
        title = context.text(settings.title, note) if settings.title else texts.title(note)
        body = context.text(settings.body, note) if settings.body else _body(note, context)
        call = AppriseCall(
            tuple(urls),
            line(title, TITLE_CHARS_MAX),
            clip(plain(body), BODY_CHARS_MAX) or line(title, TITLE_CHARS_MAX),
            _KINDS[texts.level(note)],
        )
        reply = yield call
        if reply.status != 200:
            raise Refused(f"Apprise: {said(reply, tuple(urls)) or 'refused it'}")
        return handle


def _body(note: Notification, context: Context) -> str:
    return "\n".join([texts.news(note), *texts.details(note, BODY_CHARS_MAX - 300, context.link)])
