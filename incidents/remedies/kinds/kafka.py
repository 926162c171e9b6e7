"""A record in a topic of our own Kafka, for a program that acts on it."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from incidents.remedies.base import Context, Conversation, Done, Intent, Remedy
from incidents.remedies.labels import LabelSettings
from incidents.remedies.wire import answered, json_body, order
from schemas.calls import KafkaCall, Refused
from schemas.config.values import Topic


class KafkaSettings(LabelSettings):
    """A topic of the Kafka that `kafka` names."""

    topic: Topic = Field(description="Topic to write.")
    key: str = Field(min_length=1, description="Key of the record, and what is acted on; may be `{label}`.")
    payload: dict[str, str] = Field(
        default_factory=dict, max_length=50, description="Further keys of the value; each may be `{label}`."
    )
    has_undo: bool = Field(
        default=False,
        validation_alias="undo",
        description="Whether whoever reads it knows `act: undo`, which takes it back.",
    )

    @model_validator(mode="after")
    def _labels_are_allowed_for(self) -> "KafkaSettings":
        self.check_labels([self.key, *self.payload.values()])
        return self


class Kafka(Remedy):
    """Success is that Kafka has it. Whoever reads it tells doubles by the header `idempotency-key`."""

    kind = "kafka"
    Settings = KafkaSettings

    settings: KafkaSettings

    def target(self, labels: Mapping[str, str]) -> str:
        return self.settings.value(self.settings.key, labels)

    def act(self, intent: Intent, context: Context) -> Conversation:
        if intent.is_dry_run:
            return Done(f"would write to topic {self.settings.topic}, key {self.target(intent.labels)}")
        return (yield from self._order(intent, "do"))

    def undo(self, intent: Intent, done: Done, context: Context) -> Conversation | None:
        return self._order(intent, "undo") if self.settings.has_undo else None

    def _order(self, intent: Intent, act: str) -> Conversation:
        settings = self.settings
        payload = {key: settings.value(text, intent.labels) for key, text in settings.payload.items()}
        headers = (("content-type", b"application/json"), ("idempotency-key", f"{intent.id}-{act}".encode()))
        key = self.target(intent.labels).encode("utf-8", "replace")
        reply = yield KafkaCall(settings.topic, key, json_body(order(intent, act, payload=payload)), headers)
        if reply.status != 200:
            raise Refused(answered(reply, f"Kafka, topic {settings.topic},"))
        return Done(f"written to {reply.body.decode('utf-8', 'replace') or settings.topic}")
