"""The ids by which Kafka tells a topic from one of the same name that was there before."""

from collections.abc import Collection, Mapping
from contextlib import closing

import structlog
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

log = structlog.get_logger(__name__)

_NONE = "0" * 32
_TIMEOUT_MS = 5_000


def topic_ids(bootstrap: str, topics: Collection[str]) -> Mapping[str, str]:
    """By topic, 32 hex digits; without those that Kafka (before 2.8) doesn't tell. Blocks. aiokafka 0.14 can't ask."""
    try:
        with closing(
            KafkaAdminClient(
                bootstrap_servers=bootstrap.split(","),
                bootstrap_timeout_ms=_TIMEOUT_MS,
                request_timeout_ms=_TIMEOUT_MS,
            )
        ) as admin:
            told = {one["name"]: one.get("topic_id") for one in admin.describe_topics(list(topics))}
    except (KafkaError, OSError) as error:
        log.warning("topic ids are not known: a topic made anew is noticed by its offsets only", error=str(error))
        return {}
    ids = {name: str(one).replace("-", "") for name, one in told.items() if one is not None}
    return {name: one for name, one in ids.items() if one != _NONE}
