"""A desk as a process on a real Kafka, with a database and receivers of a test's choice; killed and started again."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from kafka import KafkaProducer
from sqlalchemy import text

from pipeline.desk.database import Database
from schemas.alert import AlertEvent, encode_alert, rfc3339
from tests.desk import process
from tests.live import harness

Labels = Mapping[str, str]
READY_WITHIN_S = 60.0  # after kill -9 Kafka gives the partitions away only once the dead one's session has ended


class Bed:
    """One desk. `config` is what stands in its file beside Kafka, topic, database and port."""

    def __init__(
        self, folder: Path, bootstrap: str, topic: str, config: Mapping[str, object], database: str = ""
    ) -> None:
        self.bootstrap, self.topic = bootstrap, topic
        port = process.free_port()
        self.address = database or f"sqlite:///{folder / 'desk.db'}"
        desk = {"database": self.address, "port": port, **_section(config, "desk")}
        self.config = process.config_file(folder, bootstrap, topic, port, **{**config, "desk": desk})
        self.url, self._port = f"http://127.0.0.1:{port}", port
        self.desk: process.DeskProcess | None = None
        self._producer: KafkaProducer | None = None
        self._db: Database | None = None

    def start(self, path: str = "/-/ready") -> None:
        """Returns once it has caught up with the topic and looks at its groups; `/-/healthy`: once it answers."""
        self.desk = process.start(self.config, self._port)
        self.desk.wait(path, lambda: self.running.answers(path), READY_WITHIN_S)

    @property
    def running(self) -> process.DeskProcess:
        assert self.desk is not None, "not started"
        return self.desk

    def kill(self) -> None:
        self.running.kill()

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
        if self._db is not None:
            self._db.close()
        if self.desk is not None:
            self.desk.process.kill()
            self.desk.process.wait(10)

    def wait(self, what: str, until: Callable[[], bool], timeout_s: float = 30.0) -> None:
        self.running.wait(what, until, timeout_s)

    # --- what it is told

    def publish(self, *events: AlertEvent) -> None:
        """Returns when Kafka has acknowledged all."""
        if self._producer is None:
            self._producer = KafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5)
        sent = [self._producer.send(self.topic, key=e.fingerprint.encode(), value=encode_alert(e)) for e in events]
        self._producer.flush()
        for future in sent:
            future.get(timeout=30)

    def post(self, *alerts: Mapping[str, object]) -> None:
        """By the API, as Prometheus would."""
        post(self.url, *alerts)

    # --- what it shows

    def get(self, path: str, **params: Any) -> Any:
        answer = httpx.get(f"{self.url}{path}", params=params, timeout=10.0, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Of its database. The desk must have been started once."""
        if self._db is None:
            self._db = Database.open(self.address)
        return self._db.read(lambda conn: [tuple(row) for row in conn.execute(text(sql))])

    def count(self, table: str) -> int:
        found: int = self.rows(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - our own words
        return found

    def unsent(self) -> int:
        return self.count("outbox WHERE status = 'due'")


@contextmanager
def bed(
    folder: Path,
    bootstrap: str,
    topic: str,
    config: Mapping[str, object],
    *,
    database: str = "",
    starts: bool = True,
) -> Iterator[Bed]:
    """Its topic is made; its desk has started, unless it shall not."""
    harness.create_topic(bootstrap, topic, 2)
    made = Bed(folder, bootstrap, topic, config, database)
    try:
        if starts:
            made.start()
        yield made
    finally:
        made.close()


def _section(config: Mapping[str, object], name: str) -> dict[str, object]:
    found = config.get(name, {})
    assert isinstance(found, dict)
    return found


def firing(labels: Labels, since_s: float | None = None) -> dict[str, object]:
    """As Prometheus posts it. since_s: Unix seconds; None: now."""
    starts_s = time.time() if since_s is None else since_s
    return {
        "labels": dict(labels),
        "annotations": {"summary": f"{labels['alertname']} fires"},
        "startsAt": rfc3339(starts_s),
        "generatorURL": "http://prometheus.example/graph",
    }


def over(alert: Mapping[str, object]) -> dict[str, object]:
    """Its end, now."""
    return {**alert, "endsAt": rfc3339(time.time())}


def post(url: str, *alerts: Mapping[str, object]) -> None:
    """To our API or to a real Alertmanager's."""
    answer = httpx.post(f"{url}/api/v2/alerts", json=list(alerts), timeout=30.0, trust_env=False)
    assert answer.status_code == 200, answer.text


def wait(what: str, until: Callable[[], bool], timeout_s: float = 20.0) -> float:
    """Seconds that it took."""
    began_s = time.monotonic()
    while not until():
        assert time.monotonic() - began_s < timeout_s, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began_s


def receivers(**kinds: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """One for each name; its value is what its integrations are: `name=[{"webhook_configs": ...}]`."""
    return [
        {"name": name, **{key: value for one in found for key, value in one.items()}} for name, found in kinds.items()
    ]
