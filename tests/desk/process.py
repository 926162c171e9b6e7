"""A desk as a process, on a config of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_WITHIN_S = 30.0


@dataclass
class DeskProcess:
    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def wait(self, what: str, until: Callable[[], bool], timeout_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            assert self.process.poll() is None, f"the desk ended with {self.process.returncode}:\n{self.tail()}"
            if until():
                return
            time.sleep(0.05)
        raise AssertionError(f"not within {timeout_s} s: {what}\n{self.tail()}")

    def answers(self, path: str = "/-/healthy") -> bool:
        try:
            return httpx.get(self.url + path, timeout=2.0).is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def tail(self) -> str:
        return self.log.read_text()[-5_000:]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def config_file(folder: Path, bootstrap: str, name: str, port: int, **keys: object) -> Path:
    """Topic of alerts: `name`; database: a file in `folder`. keys: further ones; None leaves one of ours out."""
    text = {
        "version": 1,
        "kafka": {"bootstrap": bootstrap, "group": name},
        "topics": {"alerts": name},
        "desk": {"database": f"sqlite:///{folder / 'desk.db'}", "port": port},
        "route": {"receiver": "nobody", "group_wait": "1s"},
        "receivers": [{"name": "nobody"}],
        **keys,
    }
    path = folder / "desk.yaml"
    path.write_text(json.dumps({key: value for key, value in text.items() if value is not None}))
    return path


def start(config: Path, port: int) -> DeskProcess:
    """Just begun. Whoever starts it ends it."""
    log = config.with_suffix(".log")
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "desk", "-c", str(config)], stdout=sink, stderr=sink, env=os.environ
        )
    return DeskProcess(process, f"http://127.0.0.1:{port}", log)
