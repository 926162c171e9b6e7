"""One Kafka node (KRaft, broker and controller in one) as a process of this machine: settings, start, end."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from pipeline.broker.errors import BrokerError
from pipeline.broker.jars import kafka_jars, kafka_version
from pipeline.broker.java import find_java
from pipeline.broker.places import Record, state_dir
from pipeline.broker.probe import HOST, free_port

SETTINGS: Final = {
    # One node can't replicate: without these the first consumer group waits for ever.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # 50 partitions by default, each with open files, made at the first consumer.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",  # 3 s by default, for fleets that start together
    "num.partitions": "4",
    "auto.create.topics.enable": "false",  # a misspelt topic is an error, not a new topic
    "log.retention.hours": "168",
    "log.retention.bytes": str(2 * 1024**3),  # a partition: a forgotten broker shall not fill the disk
    "log.cleaner.dedupe.buffer.size": str(8 * 1024**2),  # 128 MB by default, a quarter of our heap
}
"""The part that docker-compose.yml says too, in the environment of its container (a test compares)."""

_children: set[int] = set()
"""Process ids of the nodes that this very process started and has not seen end."""


def spawn(port: int, heap: str, ephemeral: bool, say: Callable[[str], None]) -> Record:
    """Start a node that will listen on `port`; it is not ready yet."""
    java = find_java()
    jars = kafka_jars(say)
    if ephemeral:
        folder = Path(tempfile.mkdtemp(prefix="tidegauge-broker-"))
    else:
        folder = state_dir(port)
        folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "server.properties"
    settings.write_text(_properties(port, free_port(), folder / "data"), "utf-8")
    command = [java, *_jvm_flags(heap, folder), "-cp", f"{jars}/*"]
    if not (folder / "data" / "meta.properties").exists():
        _format([*command, "kafka.tools.StorageTool"], settings)
    log = log_of(folder)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    # Not Popen: the node outlives this process, and a Popen that is dropped complains that its child still runs.
    # A session of its own keeps Ctrl-C in the terminal from ending it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        java,
        [*command, "kafka.Kafka", str(settings)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    _children.add(pid)
    return Record("java", port, str(folder), ephemeral, kafka_version(), pid)


def is_alive(record: Record) -> bool:
    """The process is there and really ours: a pid that was given to another program in the meantime isn't."""
    if record.pid is None:
        return False
    if record.pid in _children:
        # Its pid stays its own until it is collected here. Its command line won't do: it is empty just after the
        # start, and again once it is dead.
        if os.waitpid(record.pid, os.WNOHANG) == (0, 0):
            return True
        _children.remove(record.pid)
        return False
    try:
        return _mark(Path(record.folder)) in psutil.Process(record.pid).cmdline()
    except psutil.Error:
        return False


def end(record: Record, patience_s: float) -> bool:
    """Ask it to stop, wait, then kill. True where it stopped by itself."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        deadline_s = time.monotonic() + patience_s
        if is_alive(record) and record.pid is not None:
            os.kill(record.pid, request)
        while is_alive(record) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        if not is_alive(record):
            return request is signal.SIGTERM
    raise BrokerError(f"the broker (pid {record.pid}) does not end, not even killed")


def clear(record: Record) -> None:
    """Remove the data of an ephemeral node."""
    folder = Path(record.folder)
    if record.ephemeral and folder.name.startswith("tidegauge-broker-"):
        shutil.rmtree(folder, ignore_errors=True)


def log_of(folder: Path) -> Path:
    return folder / "broker.log"


def log_tail(folder: Path, lines: int = 12) -> str:
    """The end of its log, indented, for an error message."""
    try:
        told = log_of(folder).read_text("utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in told)


def _properties(port: int, controller_port: int, data: Path) -> str:
    listener = f"PLAINTEXT://{HOST}:{port}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"{listener},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": listener,
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        **SETTINGS,
    }
    # In a Java properties file the backslash is an escape.
    return "".join(f"{key}={value}\n".replace("\\", "\\\\") for key, value in settings.items())


def _jvm_flags(heap: str, folder: Path) -> list[str]:
    return [
        f"-Xmx{heap}",
        "-Xms64m",
        "-XX:+UseSerialGC",  # on two cores and half a gigabyte, collector threads only stand in the way
        "-XX:-UsePerfData",  # no files in the temporary folder
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        _mark(folder),
    ]


def _mark(folder: Path) -> str:
    """In the node's command line, so that `stop` knows it again."""
    return f"-Dtidegauge.broker={folder}"


def _format(storage_tool: list[str], settings: Path) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # With `=`: StorageTool would take an id that starts with a dash for an option.
    done = subprocess.run(  # noqa: S603 - a path we found ourselves, no shell
        [*storage_tool, "format", f"--cluster-id={cluster}", f"--config={settings}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise BrokerError(f"Kafka could not prepare its data folder:\n{done.stdout.strip()}")
