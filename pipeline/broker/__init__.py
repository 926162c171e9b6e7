"""A real Kafka on this machine, for those who have none at hand: a container where Docker runs, else a process of Java.

    broker = start()            # ready when it returns; a second start finds the first
    ... broker.bootstrap ...
    stop()

`KAFKA_BOOTSTRAP` in the environment means that there is one already: it is used, never started or stopped. Only this
machine can reach a broker started here. Data outlive a stop, unless it was started as ephemeral.
"""

import os
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.broker import compose, node
from pipeline.broker.errors import BrokerError
from pipeline.broker.lock import locked
from pipeline.broker.places import Record, forget_record, read_record, state_dir, write_record
from pipeline.broker.probe import HOST, answers, any_answers, free_port, is_free, owner

__all__ = ["Broker", "BrokerError", "Status", "start", "status", "stop"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Broker:
    """A broker that accepts connections (an outside one: that is named; nobody asked it)."""

    bootstrap: str
    via: Literal["java", "docker", "outside"]
    port: int | None  # None: outside
    pid: int | None
    log: Path | None
    started: bool  # by this call; False where it ran already


@dataclass(frozen=True)
class Status:
    """What is there now, as `tidegauge broker status --json` prints it."""

    running: bool
    answers: bool  # it lists a broker when asked without TLS or SASL
    bootstrap: str
    via: Literal["java", "docker", "outside"] | None  # None: nothing runs
    port: int | None
    pid: int | None
    version: str | None  # of Kafka; None where it is not ours
    folder: str | None  # data and log
    ephemeral: bool


def start(
    port: int = 9092,
    *,
    heap: str = "512m",
    ephemeral: bool = False,
    via: Literal["auto", "java", "docker"] = "auto",
    timeout_s: float = 60.0,
    say: Say = lambda words: None,
) -> Broker:
    """Bring a broker up on `port` of the loopback address (0: any free one) and wait until it is ready.

    heap: as Java's -Xmx writes it. ephemeral: its data go at `stop`. say: told each slow step, in words.
    Raises BrokerError: port taken, Java or Maven missing, download failed, not ready within `timeout_s`.
    """
    outside = os.environ.get("KAFKA_BOOTSTRAP")
    if outside:
        say(f"using the Kafka at {outside} (KAFKA_BOOTSTRAP): nothing to start")
        return Broker(outside, "outside", None, None, None, started=False)
    if not re.fullmatch(r"\d+[kmg]", heap, re.IGNORECASE):
        raise BrokerError(f'heap: write it as Java does, for example "512m" or "2g", got {heap!r}')
    if not 0 <= port <= 65535:
        raise BrokerError(f"port: must be 0 (any) to 65535, got {port}")
    with _one_at_a_time(say):
        port = port or free_port()
        record = _running(port)
        if record is not None and _comes_up(record, timeout_s):
            say(f"Kafka {record.version} runs already at {HOST}:{port}")
            return _broker(record, started=False)
        _forget(port)
        if not is_free(port):
            raise BrokerError(_taken(port))
        began_s = time.monotonic()
        if via == "docker" or (via == "auto" and compose.engine_works()):
            say("starting Kafka with docker compose ...")
            record = compose.up(port, heap, ephemeral)
        else:
            say("starting Kafka ...")
            record = node.spawn(port, heap, ephemeral, say)
        try:
            write_record(record)
            if not _comes_up(record, timeout_s):
                raise BrokerError(f"Kafka ended while it started; the end of its log:{_log_tail(record)}")
        except BaseException:  # Ctrl-C too: nothing may be left running that nobody was told of
            _end(record)
            raise
        say(f"Kafka {record.version} is ready at {HOST}:{port} after {time.monotonic() - began_s:.1f} s")
        return _broker(record, started=True)


def stop(port: int = 9092, *, say: Say = lambda words: None) -> bool:
    """End the broker that `start` brought up on `port`. False where there is none of ours; never ends another's."""
    outside = os.environ.get("KAFKA_BOOTSTRAP")
    if outside:
        say(f"the Kafka at {outside} (KAFKA_BOOTSTRAP) is not ours to stop")
        return False
    with _one_at_a_time(say):
        record = _running(port)
        if record is None:
            _forget(port)
            say(f"no broker of ours runs on port {port}")
            return False
        by_itself = _end(record)
        say(f"Kafka on port {port} " + ("stopped" if by_itself else "had to be killed"))
        return True


def status(port: int = 9092) -> Status:
    """What runs on `port` (or at `KAFKA_BOOTSTRAP`), without changing anything."""
    outside = os.environ.get("KAFKA_BOOTSTRAP")
    if outside:
        there = any_answers(outside)
        return Status(there, there, outside, "outside", None, None, None, None, ephemeral=False)
    bootstrap, there = f"{HOST}:{port}", answers(HOST, port)
    record = read_record(port)
    if record is None or not _is_alive(record):
        return Status(False, there, bootstrap, None, port, None, None, None, ephemeral=False)
    return Status(
        True, there, bootstrap, record.via, port, record.pid, record.version, record.folder, ephemeral=record.ephemeral
    )


def _one_at_a_time(say: Say) -> AbstractContextManager[None]:
    return locked(state_dir() / "broker.lock", say, "another `tidegauge broker` command")


def _running(port: int) -> Record | None:
    record = read_record(port)
    return record if record is not None and _is_alive(record) else None


def _is_alive(record: Record) -> bool:
    return node.is_alive(record) if record.via == "java" else not is_free(record.port)


def _comes_up(record: Record, timeout_s: float) -> bool:
    """Wait until it answers. False where it ends instead; one that is being killed may still look alive at first."""
    deadline_s = time.monotonic() + timeout_s
    while not answers(HOST, record.port):
        if not _is_alive(record) and record.via == "java":
            return False
        if time.monotonic() > deadline_s:
            raise BrokerError(f"Kafka did not get ready within {timeout_s:.0f} s.{_log_tail(record)}")
        time.sleep(0.1)
    return True


def _end(record: Record) -> bool:
    if record.via == "docker":
        compose.down(record)
        by_itself = True
    else:
        by_itself = node.end(record, patience_s=20.0)
    _forget(record.port)
    return by_itself


def _forget(port: int) -> None:
    """Of a broker that is gone: its record, and its data where they were ephemeral."""
    record = read_record(port)
    if record is not None:
        node.clear(record)
    forget_record(port)


def _log_tail(record: Record) -> str:
    return node.log_tail(Path(record.folder)) if record.via == "java" else ""


def _broker(record: Record, *, started: bool) -> Broker:
    log = node.log_of(Path(record.folder)) if record.via == "java" else None
    return Broker(f"{HOST}:{record.port}", record.via, record.port, record.pid, log, started)


def _taken(port: int) -> str:
    if answers(HOST, port):
        return (
            f"port {port} is taken by a Kafka that tidegauge did not start: {owner(port)}.\n"
            f"  To use it: export KAFKA_BOOTSTRAP={HOST}:{port}   or choose another port: --port {port + 1}"
        )
    return f"port {port} is taken by {owner(port)}; choose another: --port {port + 1}"
