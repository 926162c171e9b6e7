"""Another program is asked over HTTP: signed, with a key by which it tells the same order from a new one."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.labels import LabelSettings
from incidents.remedies.wire import (
    IDEMPOTENCY_KEY,
    SIGNATURE,
    TIMEOUT_S,
    answered,
    json_body,
    order,
    revealed,
    secret_of,
    signature,
)
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.config.http_config import HttpConfig
from schemas.config.values import Duration, SecretAddress, SecretText
from schemas.secret import Secret


def no_redirects(config: HttpConfig | None) -> HttpConfig | None:
    """An order must not wander: who answers with another address has not taken it."""
    if config is not None and "follow_redirects" in config.model_fields_set and config.follow_redirects:
        raise ValueError("follow_redirects: an order is never sent on to another address; leave it out")
    return config


class AskSettings(LabelSettings):
    """How another program is spoken to."""

    secret: SecretText | None = Field(
        default=None, description=f"Signs: `{SIGNATURE}: t=<Unix seconds>,v1=<hex>`, HMAC-SHA256 of t, a dot, the body."
    )
    secret_file: str | None = Field(default=None, min_length=1, description="File with it.")
    timeout_s: Duration = Field(
        default=TIMEOUT_S, gt=0, le=300, validation_alias="timeout", description="How long a call may take."
    )
    http_config: Annotated[HttpConfig | None, AfterValidator(no_redirects)] = Field(
        default=None, description="How it is spoken to; redirects are never followed."
    )

    @model_validator(mode="after")
    def _one_secret(self) -> "AskSettings":
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("has both secret and secret_file; keep one")
        return self


class WebhookSettings(AskSettings):
    """An address that does something when it is told to."""

    url: SecretAddress = Field(description="The address. It is called as it stands: no label becomes a part of it.")
    name: str = Field(
        default="webhook", min_length=1, max_length=200, description="What it acts on, or `{label}`: for limits."
    )
    method: Literal["POST", "PUT", "PATCH"] = Field(default="POST", description="How it is called.")
    payload: dict[str, str] = Field(
        default_factory=dict, max_length=50, description="Further keys of the body; a value may be `{label}`."
    )
    verify_url: SecretAddress | None = Field(
        default=None, description="Asked by GET after a crash, with the same key: 2xx it took effect, 404 it did not."
    )
    undo_url: SecretAddress | None = Field(default=None, description="Takes it back: called in the same way.")
    is_idempotent: bool = Field(
        default=False,
        description="Promises that the same key twice is done once: then it is asked again after a crash.",
    )

    @model_validator(mode="after")
    def _labels_are_allowed_for(self) -> "WebhookSettings":
        self.check_labels([self.name, *self.payload.values()])
        return self


class Webhook(Remedy):
    """2xx: it took effect. 4xx but 408, 425, 429: it surely did not. Anything else: nobody knows."""

    kind = "webhook"
    Settings = WebhookSettings

    settings: WebhookSettings

    def target(self, labels: Mapping[str, str]) -> str:
        return self.settings.value(self.settings.name, labels)

    def act(self, intent: Intent, context: Context) -> Conversation:
        if intent.is_dry_run:
            return Done(f"would ask {self._who(intent)}")
        return (yield from self._order(self.settings.url, intent, "do", context))

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        if self.settings.verify_url is not None:
            return self._verify(self.settings.verify_url, intent, context)
        return self._order(self.settings.url, intent, "do", context) if self.settings.is_idempotent else None

    def undo(self, intent: Intent, done: Done, context: Context) -> Conversation | None:
        return None if self.settings.undo_url is None else self._order(self.settings.undo_url, intent, "undo", context)

    def _order(self, url: Secret, intent: Intent, act: str, context: Context) -> Conversation:
        who = self._who(intent)
        filled = {key: self.settings.value(text, intent.labels) for key, text in self.settings.payload.items()}
        body = json_body(order(intent, act, payload=filled))
        key = f"{intent.id}-{act}"
        reply = yield ask(self.settings, revealed(url, context), body, key, intent.now_s, context, self.settings.method)
        settle(reply, who)
        return Done(answered(reply, who))

    def _verify(self, url: Secret, intent: Intent, context: Context) -> Conversation:
        reply = yield HttpCall(
            "GET", revealed(url, context), {IDEMPOTENCY_KEY: f"{intent.id}-do"}, timeout_s=self.settings.timeout_s
        )
        said = answered(reply, self._who(intent))
        if 200 <= reply.status < 300:
            return Done(said)
        raise Refused(f"it has not taken effect: {said}") if reply.status == 404 else Retry(said)

    def _who(self, intent: Intent) -> str:
        return f"the webhook for {self.target(intent.labels)}"


def ask(
    settings: AskSettings,
    url: str,
    body: bytes,
    key: str,
    now_s: float,
    context: Context,
    method: Literal["POST", "PUT", "PATCH"] = "POST",
) -> HttpCall:
    """A signed order."""
    headers = {"Content-Type": "application/json", IDEMPOTENCY_KEY: key}
    if secret := secret_of(settings.secret, settings.secret_file, context):
        headers[SIGNATURE] = signature(secret, int(now_s), body)
    return HttpCall(method, url, headers, body, settings.timeout_s)


def settle(reply: Reply, who: str) -> None:
    """Returns where it was taken. A redirect wasn't followed, so nothing happened."""
    if 200 <= reply.status < 300:
        return
    if 300 <= reply.status < 400:
        raise Refused(f"{answered(reply, who)}: a redirect, which is not followed; see its url in the config")
    if reply.status < 500 and reply.status not in (408, 425):
        raise Refused(answered(reply, who))
    raise Retry(answered(reply, who))
