"""The topics that a config names: what each must be like. Makes the missing, never changes one that exists."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from pipeline.broker.probe import reachable
from pipeline.snapshots.topic import TOPIC_SETTINGS as SNAPSHOT_TOPIC
from schemas.config import Config

_DAY_MS: Final = 86_400_000
_KEPT: Final = {"cleanup.policy": "delete", "retention.ms": str(365 * _DAY_MS), "retention.bytes": "-1"}
SETTINGS: Final[dict[str, dict[str, str]]] = {
    "input": {},  # the owner's business: whatever the broker's default is
    "alerts": _KEPT,
    "alerts-state": {
        "cleanup.policy": "compact",
        "segment.ms": str(_DAY_MS // 24),  # only closed segments are compacted; by default one stays open for a week
        "min.cleanable.dirty.ratio": "0.1",
        "delete.retention.ms": str(_DAY_MS),  # how long a reader that was away still sees that an alert is gone
    },
    "dead-letters": {"cleanup.policy": "delete", "retention.ms": str(14 * _DAY_MS)},
    "incidents": _KEPT,
    "changes": _KEPT,
    "workers": {"cleanup.policy": "delete", "retention.ms": str(_DAY_MS)},
    "load": {  # of a series that is gone, nothing is left after a day
        "cleanup.policy": "compact,delete",
        "retention.ms": str(_DAY_MS),
        "segment.ms": str(_DAY_MS // 24),
    },
    "control": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},  # it is read from its start
    "snapshots": dict(SNAPSHOT_TOPIC),
}
"""By what a topic is for. Kafka's own settings; milliseconds."""

INPUT_PARTITIONS: Final = 4
"""Of an input keyed by series. One that isn't gets one partition: over several the order within a series is unknown."""


class TopicsError(Exception):
    """The broker could not be asked at all."""


@dataclass(frozen=True)
class Topic:
    """One that the config names."""

    name: str
    role: str  # a key of SETTINGS
    partitions: int


@dataclass(frozen=True)
class Outcome:
    """What became of one topic. `problem` may stand beside `exists`: it is there but not as it must be."""

    topic: Topic
    what: Literal["exists", "created", "missing", "failed"]  # missing: on a dry run
    problem: str | None = None


def topics_of(config: Config, partitions: int | None = None) -> list[Topic]:
    """Every topic once, inputs first. `partitions` overrides the default of 4 for keyed inputs and 1 for the others.

    One partition each for what we write: it is little, and a reader then sees all alerts in one order.
    """
    named: dict[str, Topic] = {}
    for source in config.inputs:
        count = (partitions or INPUT_PARTITIONS) if source.keyed_by_series else 1
        named.setdefault(source.topic, Topic(source.topic, "input", count))
    own = config.topics
    for name, role in (
        (own.alerts, "alerts"),
        (own.state, "alerts-state"),
        (own.dead_letters, "dead-letters"),
        (own.incidents, "incidents"),
        (own.changes, "changes"),
        (own.workers, "workers"),
    ):
        named.setdefault(name, Topic(name, role, partitions or 1))
    named.setdefault(own.control, Topic(own.control, "control", 1))  # one order for all
    if config.desk.response.automation.watched:
        named.setdefault(own.load, Topic(own.load, "load", partitions or 1))
    if config.snapshots.store == "topic":
        most = max(topic.partitions for topic in named.values() if topic.role == "input")
        named.setdefault(own.snapshots, Topic(own.snapshots, "snapshots", most))
    return list(named.values())


def ensure_topics(
    bootstrap: str,
    config: Config,
    *,
    partitions: int | None = None,
    replication: int | None = None,
    dry_run: bool = False,
    timeout_s: float = 10.0,
) -> list[Outcome]:
    """Make the topics that are missing and wait until they can be used; two callers at once don't disturb each other.

    replication: None is the broker's default. dry_run: asks the broker whether it would, and makes nothing.
    Raises TopicsError where no broker answers within `timeout_s`. What the broker refuses is in the outcome.
    """
    wanted = topics_of(config, partitions)
    return ensure(bootstrap, wanted, replication=replication, dry_run=dry_run, timeout_s=timeout_s)


def ensure(
    bootstrap: str,
    wanted: list[Topic],
    *,
    replication: int | None = None,
    dry_run: bool = False,
    timeout_s: float = 10.0,
) -> list[Outcome]:
    """As `ensure_topics`, of these."""
    # kafka-python leaks its sockets where it finds nobody, and says so only after its whole timeout.
    if not reachable(bootstrap, timeout_s):
        raise TopicsError(f"no answer from Kafka at {bootstrap} within {timeout_s:.0f} s")
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="tidegauge-topics",
            bootstrap_timeout_ms=round(timeout_s * 1000),
            request_timeout_ms=round(timeout_s * 1000),
        )
        with closing(admin):
            outcomes = {outcome.topic.name: outcome for outcome in _existing(admin, wanted)}
            missing = [topic for topic in wanted if topic.name not in outcomes]
            outcomes |= {outcome.topic.name: outcome for outcome in _make(admin, missing, replication, dry_run)}
    except (KafkaError, OSError) as error:
        raise TopicsError(f"Kafka at {bootstrap} failed: {error}") from error
    return [outcomes[topic.name] for topic in wanted]


def _existing(admin: KafkaAdminClient, wanted: list[Topic]) -> Iterator[Outcome]:
    found = {told["name"]: told for told in admin.describe_topics([topic.name for topic in wanted])}
    there = [topic for topic in wanted if found.get(topic.name, {}).get("error_code") == 0]
    policies = _policies(admin, there)
    for topic in there:
        yield Outcome(topic, "exists", _unfit(topic, len(found[topic.name]["partitions"]), policies.get(topic.name)))


def _policies(admin: KafkaAdminClient, topics: list[Topic]) -> dict[str, str]:
    """`cleanup.policy` of those for which it matters."""
    matters = [topic.name for topic in topics if "cleanup.policy" in SETTINGS[topic.role]]
    if not matters:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, ["cleanup.policy"]) for name in matters]
    told = admin.describe_configs(asked, config_filter="all").get("topic", {})
    return {
        name: settings["cleanup.policy"]["value"] for name, settings in told.items() if "cleanup.policy" in settings
    }


def _unfit(topic: Topic, partitions: int, policy: str | None) -> str | None:
    must = SETTINGS[topic.role].get("cleanup.policy")
    if policy is not None and policy != must:
        return f"has cleanup.policy={policy}, must be {must}: kafka-configs --alter, or delete it and create it anew"
    if topic.role == "input" and topic.partitions == 1 and partitions > 1:
        return (
            f"has {partitions} partitions: say keyed_by_series: true if each series stays on one partition, "
            "else use a topic of one partition"
        )
    return None


def _make(admin: KafkaAdminClient, missing: list[Topic], replication: int | None, dry_run: bool) -> Iterator[Outcome]:
    if not missing:
        return
    asked: dict[str, dict[str, object]] = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": replication or -1,
            "configs": SETTINGS[topic.role],
        }
        for topic in missing
    }
    answer = admin.create_topics(asked, validate_only=dry_run, raise_errors=False)
    told: dict[str, dict[str, Any]] = {topic["name"]: topic for topic in answer["topics"]}
    outcomes = [_outcome(topic, told.get(topic.name), dry_run) for topic in missing]
    made = [outcome.topic.name for outcome in outcomes if outcome.what in ("created", "exists")]
    if not dry_run:
        admin.wait_for_topics(made)
    yield from outcomes


def _outcome(topic: Topic, told: dict[str, Any] | None, dry_run: bool) -> Outcome:
    if told is None:
        return Outcome(topic, "failed", "the broker said nothing about it")
    if told["error_code"] == 0:
        return Outcome(topic, "missing" if dry_run else "created")
    if for_code(told["error_code"]) is TopicAlreadyExistsError:
        return Outcome(topic, "exists")  # another process was faster
    return Outcome(topic, "failed", told["error_message"] or for_code(told["error_code"]).__name__)
