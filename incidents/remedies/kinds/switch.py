"""Switching to a backup: something with an address that tells which of several is active, and can be told another."""

from collections.abc import Generator, Mapping

from pydantic import Field, model_validator

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.kinds.webhook import AskSettings, ask, settle
from incidents.remedies.wire import answered, json_body, json_object, order, revealed, said
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.config.values import SecretAddress


class SwitchSettings(AskSettings):
    """A switch: GET answers `{"active": "primary"}`, POST of `{"active": "backup", "was": "primary"}` turns it."""

    url: SecretAddress = Field(description="Its address.")
    name: str = Field(min_length=1, max_length=200, description="What it switches, such as `database`: for limits.")
    to: str = Field(min_length=1, max_length=200, description="What shall be active: the backup.")
    active_key: str = Field(default="active", min_length=1, description="Key of the JSON that says which is active.")
    from_: str | None = Field(
        default=None, min_length=1, max_length=200, validation_alias="from",
        description="Only from this one, such as the primary; from any, if left out.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _is_a_change(self) -> "SwitchSettings":
        self.check_labels(())
        if self.from_ == self.to:
            raise ValueError("to and from are the same; there is nothing to switch")
        return self


class Switch(Remedy):
    """Told what it was, so that a switch that somebody else has turned meanwhile can refuse; read back afterwards."""

    kind = "switch"
    Settings = SwitchSettings

    settings: SwitchSettings

    def target(self, labels: Mapping[str, str]) -> str:
        return self.settings.name

    def act(self, intent: Intent, context: Context) -> Conversation:
        settings = self.settings
        was = yield from self._active(context)
        if was == settings.to:
            return Done(f"{settings.name} is on {was} already", {"active": was}, {"active": was})
        if settings.from_ is not None and was != settings.from_:
            raise Refused(f"{settings.name} is on {was}, and only {settings.from_} may be switched away from")
        if intent.is_dry_run:
            return Done(
                f"would switch {settings.name} from {was} to {settings.to}", {"active": was}, {"active": settings.to}
            )
        return (yield from self._turn(intent, context, was, settings.to, "do"))

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        return self._verify(context)

    def undo(self, intent: Intent, done: Done, context: Context) -> Conversation | None:
        was, now = done.before.get("active"), done.after.get("active")
        if not isinstance(was, str) or not isinstance(now, str) or was == now:
            return None
        return self._undo(intent, context, was, now)

    def _verify(self, context: Context) -> Conversation:
        active = yield from self._active(context)
        if active != self.settings.to:
            raise Refused(f"{self.settings.name} is on {active}, not on {self.settings.to}")
        return Done(f"{self.settings.name} is on {active}", {}, {"active": active})

    def _undo(self, intent: Intent, context: Context, was: str, now: str) -> Conversation:
        active = yield from self._active(context)
        if active != now:
            raise Refused(f"{self.settings.name} is on {active}, not on {now} as we left it: left alone")
        if intent.is_dry_run:
            return Done(f"would switch {self.settings.name} back from {now} to {was}", {"active": now}, {"active": was})
        return (yield from self._turn(intent, context, now, was, "undo"))

    def _turn(self, intent: Intent, context: Context, was: str, to: str, act: str) -> Conversation:
        settings = self.settings
        body = json_body(order(intent, act, was=was, **{settings.active_key: to}))
        lost: Retry | None = None
        try:
            reply = yield ask(
                settings, revealed(settings.url, context), body, f"{intent.id}-{act}", intent.now_s, context
            )
            settle(reply, settings.name)
        except Retry as failure:
            lost = failure  # it can be looked at whether it turned all the same
        try:
            active = yield from self._active(context)
        except Refused as failure:
            raise Retry(f"it was asked to switch to {to}, and then: {failure.reason}") from None
        if active == to:
            return Done(f"{settings.name} switched from {was} to {to}", {"active": was}, {"active": to})
        if lost is not None:
            raise lost
        raise Refused(f"{settings.name} took the order to switch to {to} and is on {active}")

    def _active(self, context: Context) -> Generator[HttpCall, Reply, str]:
        """Raises Refused: whoever can't be read has not been changed."""
        settings = self.settings
        try:
            reply = yield HttpCall(
                "GET", revealed(settings.url, context), {"Accept": "application/json"}, timeout_s=settings.timeout_s
            )
        except Retry as failure:
            raise Refused(f"{settings.name} does not say what is active: {failure.reason}") from None
        found = (json_object(reply.body) or {}).get(settings.active_key) if reply.status == 200 else None
        if not isinstance(found, str):
            raise Refused(f"no {settings.active_key} in it: {answered(reply, settings.name)}")
        return said(found, chars_max=200)
