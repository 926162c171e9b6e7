"""`tidegauge worker` and `tidegauge up`: detection itself."""

import subprocess
import sys
from typing import Annotated

import typer

from pipeline import broker
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, ConfigPath, err, fail, load
from pipeline.topics import TopicsError

LogLevel = Annotated[str, typer.Option("--log-level", help="DEBUG, INFO, WARNING or ERROR.", metavar="LEVEL")]


def worker(config: ConfigPath = DEFAULT_CONFIG, log_level: LogLevel = "INFO") -> None:
    """Detect: read metrics, learn baselines, publish alerts. Start as many as there are partitions.

    Workers of one kafka.group share the partitions. Health and metrics: http://127.0.0.1:8471 (TIDEGAUGE_HTTP_PORT),
    or the next free port. Ends cleanly at SIGTERM and Ctrl-C.
    """
    checked = load(config)
    from pipeline.worker import run  # Faust takes half a second to import, which no other command should wait for

    try:
        run(checked, log_level.upper())
    except TopicsError as error:
        fail(f"worker: {error}", PROBLEMS)


def up(config: ConfigPath = DEFAULT_CONFIG, log_level: LogLevel = "INFO") -> None:
    """A broker if none answers, then a worker, until Ctrl-C. The broker stays: `tidegauge broker stop` ends it."""
    checked = load(config)
    host, _, port = checked.kafka.bootstrap.split(",")[0].rpartition(":")
    if host in ("127.0.0.1", "localhost"):
        try:
            broker.start(int(port), say=err().print)
        except broker.BrokerError as error:
            fail(f"broker: {error}", PROBLEMS)
    command = [sys.executable, "-m", "pipeline.cli", "worker", "--config", str(config), "--log-level", log_level]
    with subprocess.Popen(command) as child:  # noqa: S603 - ourselves
        try:
            code = child.wait()
        except KeyboardInterrupt:  # the terminal sent it to the worker too
            code = child.wait()
    raise typer.Exit(code)
