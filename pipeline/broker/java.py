"""Finds Java and Maven, or says which apt line brings them."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from pipeline.broker.errors import BrokerError

OLDEST: Final = 17  # Kafka 4 brokers run on nothing older
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java() -> str:
    """Path of a Java that can run Kafka 4: `JAVA_HOME` first, then `PATH`."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java")) if home else None
    java = java or shutil.which("java")
    if java is None:
        raise BrokerError(_missing(f"a JDK (Java {OLDEST} or newer)", "none is on PATH"))
    found = _version(java)
    if found < OLDEST:
        raise BrokerError(
            _missing(f"a JDK (Java {OLDEST} or newer)", f"{java} is Java {found or 'of an unknown version'}")
        )
    return java


def find_maven() -> str:
    """Path of Maven; needed once a version, to download Kafka."""
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(_missing("Maven (to download Kafka once)", "no mvn is on PATH"))
    return maven


def _version(java: str) -> int:
    """The feature release: 17, 21, 8; 0 where it doesn't say."""
    try:
        done = subprocess.run(  # noqa: S603 - a path we found ourselves, no shell
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(done.stderr + done.stdout)
    return int(match.group(1)) if match else 0


def _missing(what: str, seen: str) -> str:
    return (
        f"a local Kafka needs {what}: {seen}.\n"
        f"  Debian or Ubuntu:  sudo apt-get update && sudo apt-get install -y {_jdk_package()} maven\n"
        "  or start Docker; or export KAFKA_BOOTSTRAP=host:port if a Kafka runs already."
    )


def _jdk_package() -> str:
    """Debian 12 has 17 and not 21, Debian 13 the other way round; Ubuntu has both."""
    try:
        codename = platform.freedesktop_os_release().get("VERSION_CODENAME")
    except OSError:
        codename = None
    return "openjdk-17-jdk-headless" if codename in {"bullseye", "bookworm"} else "openjdk-21-jdk-headless"
