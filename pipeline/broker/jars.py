"""Apache Kafka from its Maven artifacts, in a cache of the user's: downloaded once a version, whole or not at all."""

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from pipeline.broker.errors import BrokerError
from pipeline.broker.java import find_maven
from pipeline.broker.lock import locked
from pipeline.broker.places import cache_dir

_PLUGIN: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = files("pipeline.broker") / "pom.xml"


def kafka_version() -> str:
    """The version that the shipped pom asks for."""
    match = re.search(r"<kafka\.version>([\d.]+)</kafka\.version>", _POM.read_text("utf-8"))
    if match is None:
        raise BrokerError("pipeline/broker/pom.xml names no kafka.version")
    return match.group(1)


def kafka_jars(say: Callable[[str], None]) -> Path:
    """Folder of the jars; downloads them first where they aren't there whole."""
    # A changed pom is another download, even of the same Kafka.
    pom_hash = hashlib.blake2b(_POM.read_bytes(), digest_size=4).hexdigest()
    home = cache_dir() / f"kafka-{kafka_version()}-{pom_hash}"
    if not _is_whole(home):
        with locked(cache_dir() / "download.lock", say, "another process that downloads Kafka"):
            if not _is_whole(home):
                _download(home, say)
    return home


def _download(home: Path, say: Callable[[str], None]) -> None:
    maven = find_maven()
    say(f"downloading Apache Kafka {kafka_version()} with Maven, once (about 45 MB) ...")
    shutil.rmtree(home, ignore_errors=True)
    for left_over in home.parent.glob("partial-*"):  # of a download that was killed; we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=home.parent))
    try:
        with as_file(_POM) as pom:
            done = subprocess.run(  # noqa: S603 - a path we found ourselves, no shell
                [
                    maven,
                    "--batch-mode",
                    "--quiet",
                    "--strict-checksums",
                    f"--file={pom}",
                    _PLUGIN,
                    "-DincludeScope=runtime",
                    f"-DoutputDirectory={partial}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode != 0:
            told = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[:8])
            raise BrokerError(f"Maven could not download Kafka (exit {done.returncode}):\n{told}")
        sizes = {jar.name: jar.stat().st_size for jar in sorted(partial.glob("*.jar"))}
        if not any(name.startswith("kafka_") for name in sizes):
            raise BrokerError(f"Maven downloaded no Kafka, only {len(sizes)} other files")
        (partial / "complete.json").write_text(json.dumps(sizes, indent=1), "utf-8")
        partial.rename(home)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"kept in {home}")


def _is_whole(home: Path) -> bool:
    """The marker is there, and every jar that it lists has its size: a cache cleaner may have taken some."""
    try:
        sizes: dict[str, int] = json.loads((home / "complete.json").read_text("utf-8"))
        return bool(sizes) and all((home / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False
