"""`tidegauge worker` and `tidegauge up`: detection itself."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from pipeline import broker
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, ConfigPath, err, fail, load
from pipeline.topics import TopicsError


class Level(StrEnum):
    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


LogLevel = Annotated[Level, typer.Option("--log-level", case_sensitive=False, help="Least severe log line to print.")]


def worker(config: ConfigPath = DEFAULT_CONFIG, log_level: LogLevel = Level.info) -> None:
    """Detect: read metrics, learn baselines, publish alerts. Start as many as there are partitions.

    Workers of one kafka.group share the partitions. Health and metrics: http://127.0.0.1:8471 (TIDEGAUGE_HTTP_PORT),
    or the next free port. Ends cleanly at SIGTERM and Ctrl-C.
    """
    checked = load(config)
    from pipeline.worker import run  # Faust takes half a second to import, which no other command should wait for

    try:
        run(checked, log_level.value.upper())
    except TopicsError as error:
        fail(f"worker: {error}", PROBLEMS)


def up(config: ConfigPath = DEFAULT_CONFIG, log_level: LogLevel = Level.info) -> None:
    """A broker if none answers, then a worker, until Ctrl-C. The broker stays: `tidegauge broker stop` ends it."""
    checked = load(config)
    host, _, port = checked.kafka.bootstrap.split(",")[0].rpartition(":")
    if host in ("127.0.0.1", "localhost"):
        try:
            broker.start(int(port), say=err().print)
        except broker.BrokerError as error:
            fail(f"broker: {error}", PROBLEMS)
    command = [sys.executable, "-m", "pipeline.cli", "worker", "--config", str(config), "--log-level", log_level.value]
    os.execv(sys.executable, command)  # noqa: S606 - ourselves, and so every signal reaches the worker
