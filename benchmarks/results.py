"""What a benchmark leaves: one JSON file with everything needed to judge its figures, and tables made from it."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

from benchmarks.common import ROOT, peers_python

FOLDER = ROOT / "benchmarks" / "results"
_OURS = ("faust-streaming", "aiokafka", "msgspec", "numba", "numpy", "river")


@dataclass(frozen=True)
class Spread:
    """Of several runs."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """
        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(min=1.0, median=2.0, max=3.0)
        """
        return cls(min(values), statistics.median(values), max(values))


def machine() -> dict[str, object]:
    """What the figures are made on, and how busy it is right now."""
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def commit() -> str:
    """Short hash; `+` behind it where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain") else "")


def versions() -> dict[str, object]:
    """Of Python and of what we run on, in this process's environment."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _OURS}}


def peers_versions() -> dict[str, str]:
    """Of the peers' environment."""
    listed = subprocess.run(
        [str(peers_python()), "-m", "pip", "list", "--format", "json"], capture_output=True, text=True, check=True
    )
    wanted = ("aiokafka", "bytewax", "confluent-kafka", "faust-streaming", "orjson", "river")
    return {package["name"]: package["version"] for package in json.loads(listed.stdout) if package["name"] in wanted}


def save(name: str, about: Mapping[str, object], parameters: object, body: Mapping[str, object], quick: bool) -> Path:
    """Writes `name-DATE-COMMIT.json`; a quick run is not worth keeping and overwrites `name-quick.json`.

    `about`: what `machine` said before the first run.
    """
    now = datetime.now(UTC)
    head = commit()
    file = FOLDER / (f"{name}-quick.json" if quick else f"{name}-{now:%Y%m%d-%H%M}-{head.rstrip('+')}.json")
    content = {
        "benchmark": name,
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "commit": head,
        "parameters": parameters,
        "machine": about,
        "versions": versions(),
        **body,
    }
    FOLDER.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + os.linesep, encoding="utf-8")
    return file
