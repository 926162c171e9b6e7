"""The desk's own metrics, read when they are asked for. docs/metrics.md has a line for each (tested)."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from alerting.delivery.breaker import State
from incidents.model import SEVERITIES, STATES
from pipeline.desk import outbox, silences, tables
from pipeline.desk.automation import meters
from pipeline.desk.incidents import store

if TYPE_CHECKING:
    from pipeline.desk.courier import Courier
    from pipeline.desk.feed import Progress
    from pipeline.desk.http.service import Service
    from pipeline.desk.incidents.publishing import Publisher

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ALERT_STATES = ("active", "suppressed", "unprocessed")
_BREAKER = {State.CLOSED: 0, State.TRYING: 1, State.OPEN: 2}


class Meters:
    """What is observed while it happens; the rest is read. Made once a process, before its parts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.round_seconds = Histogram(
            "tidegauge_desk_round_seconds",
            "Time of a look at the groups that were due",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._delivery_seconds = Histogram(
            "tidegauge_desk_notification_seconds",
            "Time of a conversation with a receiver",
            ["integration"],
            buckets=_SECONDS,
            registry=self.registry,
        )

    def delivery(self, integration: str, seconds: float) -> None:
        self._delivery_seconds.labels(integration).observe(seconds)

    def register(
        self, service: "Service", progress: "Progress | None" = None, publisher: "Publisher | None" = None
    ) -> None:
        """Everything that is read when it is asked for."""
        self.registry.register(_Desk(service))
        if service.courier is not None:
            self.registry.register(_Deliveries(service.courier))
            service.courier.counts.on_seconds.append(self.delivery)
        if progress is not None:
            self.registry.register(_Feed(progress))
        if publisher is not None:
            self.registry.register(_Published(publisher))


class _Described(Collector):
    def describe(self) -> Iterator[Metric]:
        return iter(())  # else the registry collects once at registration


class _Desk(_Described):
    """From the database: the same whichever desk is asked."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        service = self._service
        now_s = service.clock()
        counted, oldest, states, alerts = service.db.read(lambda conn: _read(conn, now_s))
        yield from _incidents(service)
        yield from meters.collected(service.db, service.desk)
        waiting = GaugeMetricFamily(
            "tidegauge_desk_outbox_messages", "Messages that are not sent yet", labels=["integration"]
        )
        dead = GaugeMetricFamily("tidegauge_desk_dead_messages", "Messages that were given up", labels=["integration"])
        age = GaugeMetricFamily(
            "tidegauge_desk_outbox_oldest_seconds", "Age of the oldest message not sent yet", labels=["integration"]
        )
        names = {one.name for receiver in service.desk.receivers.values() for one in receiver.integrations}
        for name in sorted(names | {name for name, _ in counted}):
            waiting.add_metric([name], counted.get((name, "due"), 0))
            dead.add_metric([name], counted.get((name, "failed"), 0))
            age.add_metric([name], max(0.0, now_s - oldest[name]) if name in oldest else 0.0)
        yield from (waiting, dead, age)
        held = GaugeMetricFamily("tidegauge_desk_silences", "Silences, by state", labels=["state"])
        for state in ("active", "pending", "expired"):
            held.add_metric([state], states[state])
        yield held
        by_state = GaugeMetricFamily("tidegauge_desk_alerts", "Alerts that are known", labels=["status", "level"])
        for (status, level), count in sorted(alerts.items()):
            by_state.add_metric([status, level], count)
        yield by_state
        shown = service.view.last
        held_back = GaugeMetricFamily(
            "tidegauge_desk_firing_alerts", "Alerts that fire, by what the API shows of them", labels=["state"]
        )
        found: Counter[str] = Counter()
        if shown is not None:
            found.update(one.status.state for one in shown.standings.values())
        for name in _ALERT_STATES:
            held_back.add_metric([name], found[name])
        yield held_back


class _Deliveries(_Described):
    """Of this process."""

    def __init__(self, courier: "Courier") -> None:
        self._courier = courier

    def collect(self) -> Iterator[Metric]:
        counts = self._courier.counts
        tried = CounterMetricFamily(
            "tidegauge_desk_notifications", "Conversations with receivers, failed ones included", labels=["integration"]
        )
        for name, count in sorted(counts.notifications.items()):
            tried.add_metric([name], count)
        yield tried
        failed = CounterMetricFamily(
            "tidegauge_desk_notifications_failed", "Those that failed", labels=["integration", "reason"]
        )
        for (name, reason), count in sorted(counts.failures.items()):
            failed.add_metric([name, reason], count)
        yield failed
        breaker = GaugeMetricFamily(
            "tidegauge_desk_breaker", "0 calls go through, 1 one is on trial, 2 left alone", labels=["integration"]
        )
        for name, health in self._courier.health.items():
            breaker.add_metric([name], _BREAKER[health.breaker.state])
        yield breaker


class _Feed(_Described):
    """Of this process."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        read = CounterMetricFamily(
            "tidegauge_desk_records", "Records read from the alerts topic, by what they were", labels=["outcome"]
        )
        for outcome in ("new", "doubles", "late", "unreadable"):
            read.add_metric([outcome], self._progress.counts[outcome])
        yield read
        lag = GaugeMetricFamily(
            "tidegauge_desk_lag_records", "Records of the alerts topic not read yet", labels=["partition"]
        )
        for partition, records in sorted(dict(self._progress.lag).items()):
            lag.add_metric([partition], records)
        yield lag
        yield GaugeMetricFamily(
            "tidegauge_desk_kafka_connected", "1 while Kafka answers", value=float(self._progress.is_connected)
        )


class _Published(_Described):
    """Of this process."""

    def __init__(self, publisher: "Publisher") -> None:
        self._publisher = publisher

    def collect(self) -> Iterator[Metric]:
        entries = CounterMetricFamily(
            "tidegauge_desk_incident_entries",
            "Entries of timelines for the incidents topic, by what became of them",
            labels=["outcome"],
        )
        for outcome, count in sorted(self._publisher.outcomes.items()):
            entries.add_metric([outcome], count)
        yield entries


def _incidents(service: "Service") -> Iterator[Metric]:
    counted, waiting = service.db.read(lambda conn: (store.count_by_state(conn), store.count_unpublished(conn)))
    known = GaugeMetricFamily("tidegauge_desk_incidents", "Incidents that are kept", labels=["state", "severity"])
    for state in STATES:
        for severity in SEVERITIES:
            known.add_metric([state, str(severity)], counted.get((state, severity), 0))
    yield known
    yield GaugeMetricFamily(
        "tidegauge_desk_incident_entries_waiting",
        "Entries of timelines that the incidents topic hasn't yet",
        value=waiting,
    )


class ChangesRead(_Described):
    """Of this process."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        read = CounterMetricFamily(
            "tidegauge_desk_changes", "Records read from the changes topic, by what they were", labels=["outcome"]
        )
        for outcome in ("new", "doubles", "unreadable"):
            read.add_metric([outcome], self._progress.counts[outcome])
        yield read


_Read = tuple[dict[tuple[str, str], int], dict[str, float], Counter[str], dict[tuple[str, str], int]]


def _read(conn: Connection, now_s: float) -> _Read:
    o, a = tables.outbox.c, tables.alerts.c
    oldest = select(o.integration, func.min(o.created_s)).where(o.status == "due").group_by(o.integration)
    stand = select(a.status, a.level, func.count()).group_by(a.status, a.level)
    return (
        outbox.counted(conn),
        {row[0]: row[1] for row in conn.execute(oldest)},
        Counter(silence.state(now_s) for silence in silences.listed(conn)),
        {(row[0], row[1]): row[2] for row in conn.execute(stand)},
    )
