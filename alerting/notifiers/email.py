"""Mail: plain text and HTML, the pictures of the first alerts in it, and a group's mails in one thread.

The first mail of a group has a Message-ID made from the group, so that the same mail sent twice is one, and those that
follow refer to it. Header lines are made by the standard library; what a label brings is on one line before that.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import ClassVar

from pydantic import Field, field_validator

from alerting.alert import Notification
from alerting.notifiers.base import Context, Conversation, Handle, Notifier
from alerting.notifiers.wire import said, secret_of
from alerting.words import pictures, texts
from alerting.words.escaping import as_html, line, plain
from alerting.words.templates import TemplateText, Written
from schemas.calls import MailCall, Refused
from schemas.config.http_config import TlsConfig
from schemas.config.section import Section
from schemas.config.values import Duration, SecretText

SUBJECT_CHARS_MAX = 200
HEADER_CHARS_MAX = 800  # of a line's 998 (RFC 5322, 2.1.1), with room for its name
TEXT_CHARS_MAX = 60_000
RECIPIENTS_MAX = 100  # what every server takes at once (RFC 5321, 4.5.3.1.8)
SUBMISSIONS_PORT = 465  # TLS from the first byte
_HEADER_NAME = re.compile(r"[!-9;-~]{1,60}")
_SMARTHOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\s\[\]]+)):(\d{1,5})")
# Those that we make, and that would be there twice.
_OWN = {"content-type", "content-transfer-encoding", "mime-version", "in-reply-to", "references", "bcc", "date"}


class EmailSettings(Section):
    """Mail addresses, and the server that takes mail for them. Texts and header lines are templates."""

    to: TemplateText = Field(min_length=1, description="Who gets it: addresses, with commas.")
    from_: TemplateText = Field(default="", validation_alias="from", description="Who sends it.")
    smarthost: str = Field(default="", description="The mail server, `host:port`.")
    hello: str = Field(default="localhost", min_length=1, description="What we call ourselves to it.")
    auth_username: str = Field(default="", description="User name there.")
    auth_password: SecretText | None = Field(default=None, description="Password there.")
    auth_password_file: str | None = Field(default=None, min_length=1, description="File with it.")
    auth_secret: SecretText | None = Field(default=None, description="Password for CRAM-MD5, if another.")
    auth_secret_file: str | None = Field(default=None, min_length=1, description="File with it.")
    auth_identity: str = Field(default="", description="Taken as it is; the user name says who we are.")
    require_tls: bool = Field(default=True, description="Sends nothing where the server has no STARTTLS.")
    force_implicit_tls: bool | None = Field(
        default=None, description="TLS from the first byte. Left out: on port 465 alone."
    )
    tls_config: TlsConfig | None = Field(default=None, description="Certificates and versions of TLS.")
    headers: dict[str, TemplateText] = Field(default_factory=dict, description="Header lines; Subject is one.")
    html: TemplateText | None = Field(default=None, description="HTML part; empty: none. Left out: our own.")
    text: TemplateText | None = Field(default=None, description="Plain part; empty: none. Left out: our own.")
    timeout_s: Duration = Field(default=30.0, gt=0, validation_alias="timeout", description="How long it may take.")

    @field_validator("smarthost")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        found = _SMARTHOST.fullmatch(value)
        if value and (not found or not 0 < int(found.group(3)) < 65536):
            raise ValueError(f"not a mail server: {value!r}; write host:port, for example mail.example.com:587")
        return value

    @field_validator("headers")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN:
                raise ValueError(f"{name!r} can't be set as a header line")
        if len({name.lower() for name in value}) < len(value):
            raise ValueError("a header line is given twice; their names are the same in small letters")
        return value


class Email(Notifier):
    """A mail a notification."""

    kind = "email"
    Settings = EmailSettings
    globals: ClassVar[Mapping[str, str]] = {
        "from_": "smtp_from",
        "hello": "smtp_hello",
        "smarthost": "smtp_smarthost",
        "auth_username": "smtp_auth_username",
        "auth_password": "smtp_auth_password",
        "auth_password_file": "smtp_auth_password_file",
        "auth_secret": "smtp_auth_secret",
        "auth_secret_file": "smtp_auth_secret_file",
        "auth_identity": "smtp_auth_identity",
        "require_tls": "smtp_require_tls",
        "force_implicit_tls": "smtp_force_implicit_tls",
        "tls_config": "smtp_tls_config",
    }
    pace = (5, 1.0)

    settings: EmailSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        settings = self.settings
        sender = _addresses(context.text(settings.from_, note), "from")
        recipients = _addresses(context.text(settings.to, note), "to")
        if len(sender) != 1:
            raise Refused(f"from (or global.smtp_from) must be one address, got {len(sender)}; see the config")
        found = _SMARTHOST.fullmatch(settings.smarthost)
        if found is None:
            raise Refused("no mail server; set smarthost, or global.smtp_smarthost, to host:port")
        port = int(found.group(3))
        thread = handle.get("thread") or _thread(note, sender[0][1])
        message = self._message(note, thread, bool(handle.get("thread")), sender[0], recipients, context)
        password = secret_of(settings.auth_password, settings.auth_password_file, context)
        password = password or secret_of(settings.auth_secret, settings.auth_secret_file, context)
        is_implicit = port == SUBMISSIONS_PORT if settings.force_implicit_tls is None else settings.force_implicit_tls
        reply = yield MailCall(
            host=found.group(1) or found.group(2),
            port=port,
            sender=sender[0][1],
            recipients=tuple(address for _, address in recipients[:RECIPIENTS_MAX]),
            message=message,
            security="tls" if is_implicit else "starttls" if settings.require_tls else "none",
            username=settings.auth_username or None,
            password=password or None,
            hello=settings.hello,
            timeout_s=settings.timeout_s,
        )
        if reply.status != 200:
            raise Refused(f"the mail server refused it: {said(reply, (password,)) or 'without a word'}")
        return {"thread": thread} if note.firing else {}

    def _message(
        self,
        note: Notification,
        thread: str,
        follows: bool,
        sender: tuple[str, str],
        recipients: list[tuple[str, str]],
        context: Context,
    ) -> bytes:
        settings = self.settings
        mail = EmailMessage(policy=SMTP)
        given = {name.title(): context.text(text, note) for name, text in settings.headers.items()}
        own = f"<{note.id}.{thread.strip('<>')}>" if follows else thread
        lines = {
            "Subject": texts.title(note, SUBJECT_CHARS_MAX),
            "From": _shown([sender]),
            "To": _shown(recipients[:RECIPIENTS_MAX]),
            "Message-Id": own,
            **given,
            "Date": format_datetime(datetime.fromtimestamp(context.now_s, UTC)),
            "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday notices back
            "X-Tidegauge-Group": note.group.id,
        }
        if follows:
            lines |= {"In-Reply-To": thread, "References": thread}
        if texts.level(note) == "critical":
            lines["Importance"] = "high"
        try:
            for name, value in lines.items():
                limit = SUBJECT_CHARS_MAX if name == "Subject" else HEADER_CHARS_MAX
                mail[name] = line(value) if name in _STRUCTURED else line(value, limit)
            self._fill(mail, note, context)
            return mail.as_bytes()
        except (MessageError, ValueError, LookupError) as error:
            raise Refused(f"no mail can be made of it: {error}; see the headers in the config") from None

    def _fill(self, mail: EmailMessage, note: Notification, context: Context) -> None:
        """Plain part, HTML part with its pictures. Boundaries are the notification's, so that doubles are equal."""
        settings = self.settings
        text = _text(note, context) if settings.text is None else context.text(settings.text, note)
        html_template = '{{ template "email.default.html" . }}' if settings.html is None else settings.html
        html = context.text(Written(html_template, "html", _html, is_marked=False), note) if html_template else ""
        if text or not html:
            mail.set_content(plain(text) + "\n", cte="quoted-printable")
        if not html:
            return
        if text:
            mail.add_alternative(plain(html), subtype="html", cte="quoted-printable")
            mail.set_boundary(f"=_{note.id}_a")
            parts = list(mail.iter_parts())
            part: MIMEPart = parts[1] if isinstance(parts[1], MIMEPart) else mail
        else:
            mail.set_content(plain(html), subtype="html", cte="quoted-printable")
            part = mail
        by_fingerprint = {told.alert.fingerprint: told.alert for told in note.alerts}
        for fingerprint in dict.fromkeys(_PICTURES.findall(html)):
            alert = by_fingerprint.get(fingerprint)
            if alert is not None and pictures.can_draw(alert):
                part.add_related(
                    pictures.draw(alert), "image", "png", cid=f"<{fingerprint}>", filename=f"{fingerprint}.png"
                )
        if part.is_multipart():
            part.set_boundary(f"=_{note.id}_r")


_PICTURES = re.compile(r"\bcid:([0-9a-f]{16})\b")
_STRUCTURED = ("From", "To", "Cc", "Message-Id", "In-Reply-To", "References")


def _thread(note: Notification, sender: str) -> str:
    """Of the group as it began now: when it fires again after its end, that is another thread."""
    domain = re.sub(r"[^A-Za-z0-9.-]", "", sender.rpartition("@")[2]) or "tidegauge"
    return f"<{note.group.id}.{round(note.group.first_seen_s * 1000)}@{domain}>"


def _addresses(written: str, key: str) -> list[tuple[str, str]]:
    """(name, address) of each. Raises Refused where there is none."""
    found = [(name, address) for name, address in getaddresses([line(written)]) if "@" in address]
    if not found:
        raise Refused(f"{key} has no mail address in it; see the config")
    return found


def _shown(addresses: list[tuple[str, str]]) -> str:
    return ", ".join(f'"{_NAME.sub("", name)}" <{address}>' if name else address for name, address in addresses)


_NAME = re.compile(r"[\"\\<>]")


def _text(note: Notification, context: Context) -> str:
    group = texts.page(note, context.link)
    lines = [texts.title(note), texts.news(note), "", *texts.details(note, TEXT_CHARS_MAX, context.link), "", group]
    return "\n".join(lines)


def _html(note: Notification) -> str:
    return f"<pre>{as_html(texts.title(note))}\n\n{as_html(chr(10).join(texts.details(note, TEXT_CHARS_MAX)))}</pre>"
