"""Starts a worker process: checks what it needs, compiles, joins the consumer group, and ends with its exit code."""

import gc
import io
from pathlib import Path

import faust
import structlog

from pipeline import logs, warm
from pipeline.app import Pipeline
from pipeline.http import StatusServer
from pipeline.metrics import registry
from pipeline.snapshots.folder import FolderStore
from pipeline.snapshots.store import Store
from pipeline.snapshots.topic import TopicStore
from pipeline.topics import TopicsError, ensure_topics
from pipeline.watchdog import Watchdog
from schemas.config import Config

log = structlog.get_logger(__name__)


def run(config: Config, log_level: str = "INFO") -> None:
    """Runs until SIGTERM or SIGINT; leaves by SystemExit. Raises TopicsError before Faust starts."""
    logs.configure(log_level)
    _prepare_topics(config)
    warm.compile_all(config)  # before joining the group: seconds of compiling would look like a dead worker
    _calm_the_collector()
    pipeline = Pipeline(config, _store(config))
    pipeline.app.finalize()
    watchdog = Watchdog(config.kafka.bootstrap, pipeline.standing)
    worker = faust.Worker(
        pipeline.app,
        StatusServer(pipeline, registry(pipeline), watchdog.broker_away_for_s),
        quiet=True,
        stdout=io.StringIO(),  # its spinner writes terminal codes even when quiet
        override_logging=False,
        redirect_stdouts=False,
    )
    watchdog.start()
    log.info("worker starts", group=config.kafka.group, rules=len(config.rules), broker=config.kafka.bootstrap)
    worker.execute_from_commandline()


def _prepare_topics(config: Config) -> None:
    refused = []
    for outcome in ensure_topics(config.kafka.bootstrap, config):
        name, is_input = outcome.topic.name, outcome.topic.role == "input"
        if outcome.what == "created":
            tell = log.warning if is_input else log.info  # an input that is missing may be a misspelt one
            tell("topic was missing and is made", topic=name, partitions=outcome.topic.partitions)
        elif outcome.what == "failed" or (is_input and outcome.problem):
            refused.append(f"topic {name}: {outcome.problem}")
        elif outcome.problem:
            log.warning("topic is not as it should be", topic=name, problem=outcome.problem)
    if refused:
        raise TopicsError("; ".join(refused))


def _store(config: Config) -> Store:
    if config.snapshots.store == "topic":
        return TopicStore(config.kafka.bootstrap, config.topics.snapshots, config.kafka.group)
    return FolderStore(Path(config.snapshots.path), config.kafka.group)


def _calm_the_collector() -> None:
    """A poll makes thousands of short-lived records that reference counts free by themselves. The default threshold of
    700 has Python look for cycles several times a poll, through everything the process holds: a third of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
