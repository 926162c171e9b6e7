"""`tidegauge worker` and `tidegauge up`: detection itself."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from pipeline import broker
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, ConfigPath, err, fail, load
from pipeline.commands.together import together
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
    """A broker if none answers, a worker and a desk, until Ctrl-C. Only the broker stays: `tidegauge broker stop`."""
    checked = load(config)
    host, _, port = checked.kafka.bootstrap.split(",")[0].rpartition(":")
    if host in ("127.0.0.1", "localhost"):
        try:
            broker.start(int(port), say=err().print)
        except broker.BrokerError as error:
            fail(f"broker: {error}", PROBLEMS)
    options = ["--config", str(config), "--log-level", log_level.value]
    commands = {name: [sys.executable, "-m", "pipeline.cli", name, *options] for name in ("worker", "desk")}
    raise typer.Exit(together(commands))
