"""Alertmanager's webhook, version 4, as Alertmanager sends it (notify/webhook/webhook.go, template/template.go).

What is ours comes in headers: an idempotency key, and a signature where the config has a `secret`.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from alerting.alert import Notification
from alerting.notifiers.base import Context, Conversation, Handle, Notifier
from alerting.notifiers.labels import LabelSet, evidence, label_sets
from alerting.notifiers.wire import JSON_HEADERS, TIMEOUT_S, json_body, secret_of, settle
from schemas.alert import fingerprint, rfc3339
from schemas.calls import HttpCall
from schemas.config.http_config import HttpConfig
from schemas.config.section import Section
from schemas.config.values import Duration, SecretAddress, SecretText

VERSION = "4"
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time: the end of what fires
SIGNATURE = "X-Tidegauge-Signature"
_QUOTED = re.compile(r"[\\.+*?()|\[\]{}^$]")  # what Go's regexp.QuoteMeta escapes


class WebhookSettings(Section):
    """An address that is sent Alertmanager's webhook."""

    url: SecretAddress | None = Field(default=None, description="The address.")
    url_file: str | None = Field(default=None, min_length=1, description="File with it.")
    max_alerts: int = Field(default=0, ge=0, description="Alerts a message; further ones are counted. 0: all.")
    secret: SecretText | None = Field(
        default=None,
        description=f"Signs requests: `{SIGNATURE}: t=<Unix seconds>,v1=<hex>`, HMAC-SHA256 of t, a dot, the body.",
    )
    secret_file: str | None = Field(default=None, min_length=1, description="File with it.")
    timeout_s: Duration = Field(
        default=TIMEOUT_S, validation_alias="timeout", description="How long a call may take; `0s` is the default."
    )
    http_config: HttpConfig | None = Field(default=None, description="How it is spoken to.")

    @model_validator(mode="after")
    def _one_address(self) -> "WebhookSettings":
        if (self.url is None) is (self.url_file is None):
            raise ValueError("needs either url or url_file")
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("has both secret and secret_file; keep one")
        return self


class Webhook(Notifier):
    """One POST a notification."""

    kind = "webhook"
    Settings = WebhookSettings
    keeps_incident = True  # whoever reads it may

    settings: WebhookSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        settings = self.settings
        url = secret_of(settings.url, settings.url_file, context)
        secret = secret_of(settings.secret, settings.secret_file, context)
        body = json_body(webhook_v4(note, context, settings.max_alerts))
        headers = {**JSON_HEADERS, "Idempotency-Key": note.id}
        if secret:
            headers[SIGNATURE] = signature(secret, int(context.now_s), body)
        reply = yield HttpCall("POST", url, headers, body, settings.timeout_s or TIMEOUT_S)
        settle(reply, "the webhook", context.now_s, hide=(url, secret))
        return handle


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """Whoever receives it makes it again, compares in constant time, and refuses a `t` that is minutes old.

    >>> signature("key", 1795412000, b"{}")[:20]
    't=1795412000,v1=81b5'
    """
    signed = hmac.new(secret.encode(), f"{timestamp_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp_s},v1={signed}"


def webhook_v4(note: Notification, context: Context, max_alerts: int = 0) -> dict[str, object]:
    """The message. max_alerts (0 is all): where not all fit, what has ended goes first, then the lowest levels."""
    sets = [one for unit in label_sets(note) for one in unit]
    sets.sort(key=lambda one: one.ends_at_s is not None)
    shown = sets[:max_alerts] if max_alerts else sets
    alerts = [_alert(one, context) for one in shown]
    return {
        "receiver": _QUOTED.sub(r"\\\g<0>", note.group.receiver),
        "status": note.status,
        "alerts": alerts,
        "groupLabels": note.group.labels,
        "commonLabels": _common(one.labels for one in shown),
        "commonAnnotations": _common(_annotations(one) for one in shown),
        "externalURL": "{0.scheme}://{0.netloc}".format(urlsplit(context.link("group", note.group.id))),
        "version": VERSION,
        "groupKey": note.group.key,
        "truncatedAlerts": len(sets) - len(shown),
    }


def _alert(one: LabelSet, context: Context) -> dict[str, object]:
    return {
        "status": "firing" if one.ends_at_s is None else "resolved",
        "labels": one.labels,
        "annotations": _annotations(one),
        "startsAt": rfc3339(one.starts_at_s),
        "endsAt": NEVER if one.ends_at_s is None else rfc3339(one.ends_at_s),
        "generatorURL": one.alert.generator_url or context.link("alert", one.alert.fingerprint),
        "fingerprint": fingerprint(one.labels),
    }


def _annotations(one: LabelSet) -> dict[str, str]:
    return {**evidence(one.alert), **one.alert.annotations}


def _common(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    common: dict[str, str] | None = None
    for one in mappings:
        common = dict(one) if common is None else {k: v for k, v in common.items() if one.get(k) == v}
    return common or {}
