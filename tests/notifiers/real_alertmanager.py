"""The real Alertmanager, as Debian packages it, on free ports and with a folder of its own."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
AMTOOL = shutil.which("amtool")
needs_alertmanager = pytest.mark.skipif(
    PROGRAM is None or AMTOOL is None,
    reason="no Alertmanager on this machine; Debian has it as prometheus-alertmanager",
)
_READY_WITHIN_S = 20.0


@dataclass(frozen=True)
class RealAlertmanager:
    """One that runs."""

    url: str

    def amtool(self, *arguments: str) -> str:
        assert AMTOOL is not None
        # Without a home there is no amtool config of whoever runs the tests.
        done = subprocess.run(
            [AMTOOL, f"--alertmanager.url={self.url}", *arguments],
            capture_output=True, text=True, check=False, timeout=30, env={**os.environ, "HOME": "/nonexistent"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def alerts(self, *arguments: str) -> list[dict[str, Any]]:
        """As amtool lists them: those that fire and nothing suppresses, unless it is told otherwise."""
        listed: list[dict[str, Any]] = json.loads(self.amtool("alert", "query", "-o", "json", *arguments))
        return listed

    def wait_for_labels(self, wanted: list[dict[str, str]], timeout_s: float = 15.0) -> None:
        """Until its alerts have these label sets and no others."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            labels = [alert["labels"] for alert in self.alerts()]
            if sorted(labels, key=str) == sorted(wanted, key=str):
                return
            assert time.monotonic() < deadline_s, f"{labels} after {timeout_s:g} s, waited for {wanted}"
            time.sleep(0.1)


@contextmanager
def alertmanager(config: dict[str, Any]) -> Iterator[RealAlertmanager]:
    """Runs until the block ends. `config` is what would stand in alertmanager.yml."""
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as folder:
        file = Path(folder, "alertmanager.yml")
        file.write_text(json.dumps(config), "utf-8")
        with alertmanager_of(file) as real:
            yield real


@contextmanager
def alertmanager_of(file: Path) -> Iterator[RealAlertmanager]:
    """The same with a file that is there already."""
    assert PROGRAM is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as folder:
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    PROGRAM,
                    f"--config.file={file}",
                    f"--storage.path={folder}/data",
                    f"--web.listen-address={address}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait_until_ready(process, f"http://{address}", Path(folder, "log"))
            yield RealAlertmanager(f"http://{address}")
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, log.read_text("utf-8")
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"no Alertmanager within {_READY_WITHIN_S:g} s: {log.read_text('utf-8')}")
