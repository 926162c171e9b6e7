"""Where a local broker keeps its things, and what is remembered of a running one. Nothing is kept in the checkout."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Via = Literal["java", "docker"]


@dataclass(frozen=True)
class Record:
    """What `start` leaves for `stop` and `status`: `broker.json` in the state folder of the port."""

    via: Via
    port: int
    folder: str  # data, log and settings of the node
    ephemeral: bool  # `folder` goes away at stop
    version: str  # of Kafka
    pid: int | None  # None: the container engine looks after the process


def cache_dir() -> Path:
    """What can be downloaded again."""
    return _base("XDG_CACHE_HOME", ".cache")


def state_dir(port: int | None = None) -> Path:
    """What a broker wrote; of all brokers, or of the one on a port."""
    base = _base("XDG_STATE_HOME", ".local/state")
    return base if port is None else base / f"broker-{port}"


def _base(variable: str, fallback: str) -> Path:
    # The XDG specification: a relative path in these variables is to be ignored.
    told = Path(os.environ.get(variable, ""))
    return (told if told.is_absolute() else Path.home() / fallback) / "tidegauge"


def read_record(port: int) -> Record | None:
    """The record of a port; None where there is none, or it can't be read as one."""
    try:
        return Record(**json.loads((state_dir(port) / "broker.json").read_text("utf-8")))
    except (FileNotFoundError, TypeError, ValueError):
        return None


def write_record(record: Record) -> None:
    """Whole or not at all: `status` may read at any moment."""
    folder = state_dir(record.port)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, delete=False) as file:
        json.dump(asdict(record), file, indent=1)
    Path(file.name).replace(folder / "broker.json")


def forget_record(port: int) -> None:
    folder = state_dir(port)
    (folder / "broker.json").unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
