"""Worker processes under a tiny supervisor: whoever ends unasked is started again a moment later."""

import signal
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.live.harness import STARTS_WITHIN_S, Worker, start_worker

_AGAIN_AFTER_S = 1.0  # as systemd's RestartSec


class Fleet:
    """All of a row's workers. `ends`: exit codes of those that ended unasked, killed ones included."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.workers: list[Worker] = []
        self.ends: list[int] = []
        self.logs: list[Path] = []
        self._frozen: set[int] = set()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def __enter__(self) -> "Fleet":
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._supervisor.join()
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()

    def launch(self, **environment: str) -> Worker:
        """Without waiting for it."""
        with self._lock:
            worker = start_worker(self.config, **environment)
            self.workers.append(worker)
            self.logs.append(worker.log)
        return worker

    def start(self, **environment: str) -> Worker:
        worker = self.launch(**environment)
        worker.wait("ready", worker.ready, STARTS_WITHIN_S)
        return worker

    def stop(self, worker: Worker) -> float:
        """SIGTERM; seconds until it ended, which must be with 0."""
        began_s = time.monotonic()
        self._release(worker)
        code = worker.stop()
        assert code == 0, f"ended with {code}:\n{worker.tail()}"
        return time.monotonic() - began_s

    def stop_all(self) -> float:
        """The longest."""
        return max((self.stop(worker) for worker in list(self.workers)), default=0.0)

    def kill(self, worker: Worker, *, again: bool = True) -> None:
        """kill -9; `again`: the supervisor starts another."""
        if not again:
            self._release(worker)
        worker.process.kill()
        worker.process.wait()

    def freeze(self, worker: Worker) -> None:
        self._frozen.add(worker.process.pid)
        worker.process.send_signal(signal.SIGSTOP)

    def thaw(self, worker: Worker) -> None:
        worker.process.send_signal(signal.SIGCONT)
        self._frozen.discard(worker.process.pid)

    def logged(self, words: str) -> int:
        """Lines of all workers' logs that have these words."""
        return sum(words in line for log in self.logs for line in log.read_text(errors="replace").splitlines())

    def lag(self) -> dict[int, int]:
        """Records not yet applied, by held partition; the least where two say that they hold one."""
        found: dict[int, int] = {}
        for worker in list(self.workers):
            if worker.process.pid in self._frozen:
                continue
            with suppress(urllib.error.URLError, OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=2) as reply:
                    text = reply.read().decode()
                for family in text_string_to_metric_families(text):
                    for sample in family.samples:
                        if sample.name == "tidegauge_lag_records":
                            partition = int(sample.labels["partition"])
                            found[partition] = min(int(sample.value), found.get(partition, 1 << 60))
        return found

    def _release(self, worker: Worker) -> None:
        with self._lock:
            self.workers.remove(worker)

    def _supervise(self) -> None:
        while not self._over.wait(0.1):
            with self._lock:
                ended = [worker for worker in self.workers if worker.process.poll() is not None]
                for worker in ended:
                    self.workers.remove(worker)
                    self.ends.append(worker.process.returncode)
            if ended and not self._over.wait(_AGAIN_AFTER_S):
                for _ in ended:
                    self.launch()
