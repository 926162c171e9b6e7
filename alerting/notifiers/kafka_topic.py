"""A topic of our own Kafka: Alertmanager's webhook, or the alerts one by one as the detection publishes them."""

from typing import Literal

from pydantic import Field

from alerting.alert import Notification, Told
from alerting.notifiers.base import Context, Conversation, Handle, Notifier
from alerting.notifiers.webhook import webhook_v4
from alerting.notifiers.wire import json_body, settle
from schemas.alert import AlertEvent, Evidence, cloud_event_headers, rfc3339
from schemas.calls import KafkaCall
from schemas.config.section import Section
from schemas.config.values import Topic


class KafkaSettings(Section):
    """A topic of the Kafka that `kafka` names."""

    topic: Topic = Field(description="Topic to write.")
    format: Literal["webhook_v4", "alert"] = Field(
        default="webhook_v4",
        description="`webhook_v4`: a record a message, keyed by group; `alert`: an alert event each, keyed by alert.",
    )


class KafkaTopic(Notifier):
    """One record a notification, or one an alert of it."""

    kind = "kafka"
    Settings = KafkaSettings
    pace = (10_000, 1.0)  # Kafka's own limits are quotas, which its client waits for
    keeps_incident = True  # whoever reads it may

    settings: KafkaSettings

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        for call in self._calls(note, context):
            reply = yield call
            settle(reply, f"Kafka, topic {self.settings.topic},", context.now_s)
        return handle

    def _calls(self, note: Notification, context: Context) -> list[KafkaCall]:
        topic = self.settings.topic
        if self.settings.format == "webhook_v4":
            headers = (("content-type", b"application/json"), ("idempotency-key", note.id.encode()))
            return [KafkaCall(topic, note.group.id.encode(), json_body(webhook_v4(note, context)), headers)]
        # An alert that only left this group goes on elsewhere; its own story has no event for that.
        events = [_event(told) for told in note.alerts if told.what != "departed"]
        return [
            KafkaCall(
                topic,
                event.fingerprint.encode(),
                json_body(event),
                tuple(cloud_event_headers(event, "tidegauge/desk")),
            )
            for event in events
        ]


def _event(told: Told) -> AlertEvent:
    """The desk keeps an alert's last state, so that a few things of its last event are gone: source and config."""
    alert = told.alert
    return AlertEvent(
        id=alert.episode,
        seq=alert.seq,
        status=alert.status,
        level=alert.level if alert.is_firing else None,
        previous_level=told.previous_level if alert.is_firing else alert.level,
        rule=alert.rule,
        detector=alert.detector,
        fingerprint=alert.fingerprint,
        labels=dict(sorted(alert.labels.items())),
        annotations=alert.annotations,
        starts_at=rfc3339(alert.starts_at_s),
        at=rfc3339(alert.updated_s if alert.ends_at_s is None else alert.ends_at_s),
        ends_at=None if alert.ends_at_s is None else rfc3339(alert.ends_at_s),
        value=alert.value,
        expected=alert.expected,
        lower=alert.lower,
        upper=alert.upper,
        score=alert.score,
        deviation=alert.deviation,
        direction=alert.direction,
        evidence=Evidence(alert.evidence_t, alert.evidence_v),
        why=alert.why,
        source=None,
        config="",
    )
