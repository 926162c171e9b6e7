"""A broker that may be killed: it keeps its data over that, in a folder that goes in the end."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import broker


@dataclass
class OwnBroker:
    running: broker.Broker

    @property
    def bootstrap(self) -> str:
        return self.running.bootstrap

    def kill(self) -> None:
        assert self.running.pid is not None
        os.kill(self.running.pid, signal.SIGKILL)

    def start_again(self) -> None:
        assert self.running.port is not None
        self.running = broker.start(self.running.port, via="java", heap="512m")


@contextmanager
def own_broker() -> Iterator[OwnBroker]:
    """Whatever KAFKA_BOOTSTRAP says: nobody else's broker is to be killed."""
    os.environ.pop("KAFKA_BOOTSTRAP", None)
    with tempfile.TemporaryDirectory(prefix="tidegauge-chaos-") as folder:
        os.environ["XDG_STATE_HOME"] = str(Path(folder))  # of the broker, and of the workers that we start
        ours = OwnBroker(broker.start(0, via="java", heap="512m"))
        try:
            yield ours
        finally:
            assert ours.running.port is not None
            broker.stop(ours.running.port)
