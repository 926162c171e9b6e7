"""The same broker as a container, through `docker compose` and the compose file in this folder."""

import os
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

from pipeline.broker.errors import BrokerError
from pipeline.broker.jars import kafka_version
from pipeline.broker.places import Record, state_dir

_FILE = files("pipeline.broker") / "compose.yml"


def engine_works() -> bool:
    """`docker info` succeeds - a client without a daemon is common - and the compose plugin is there."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return all(_succeeds([docker, *question]) for question in (["info"], ["compose", "version"]))


def up(port: int, heap: str, ephemeral: bool) -> Record:
    """Start the container; it is not ready yet. The first time it pulls the image, and shows that on stderr."""
    _compose(port, heap, ["up", "--detach", "--quiet-pull"])
    folder = state_dir(port)
    folder.mkdir(parents=True, exist_ok=True)
    return Record("docker", port, str(folder), ephemeral, kafka_version(), None)


def down(record: Record) -> None:
    """Remove container and network; the volume too where the broker was ephemeral."""
    _compose(record.port, "512m", ["down", *(["--volumes"] if record.ephemeral else [])])


def project(port: int) -> str:
    return f"tidegauge-broker-{port}"


def _compose(port: int, heap: str, what: list[str]) -> None:
    docker = shutil.which("docker")
    if docker is None:
        raise BrokerError("docker is no longer on PATH")
    environment = {**os.environ, "TIDEGAUGE_BROKER_PORT": str(port), "TIDEGAUGE_BROKER_HEAP": heap}
    with as_file(_FILE) as file:
        command = [docker, "compose", f"--project-name={project(port)}", f"--file={Path(file)}", *what]
        done = subprocess.run(  # noqa: S603 - a path we found ourselves, no shell
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
        )
    if done.returncode != 0:
        raise BrokerError(f"`docker compose {what[0]}` failed (exit {done.returncode}); its own words are above")


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=15, check=False)  # noqa: S603 - a path we found
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
