"""The worker's own metrics, read when they are asked for. docs/metrics.md has a line for each (tested)."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alerting.lifecycle import HELD_BACK
from pipeline.app import Pipeline
from pipeline.sets import SKIPPED
from schemas.levels import LEVELS

_BATCH_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class _Pipeline(Collector):
    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def describe(self) -> Iterator[Metric]:
        return iter(())  # else the registry collects once at registration, before there is a consumer

    def collect(self) -> Iterator[Metric]:
        pipeline = self._pipeline
        totals = pipeline.keeper.totals()
        shard = totals.shard
        valid = shard["applied"] + shard["duplicate"] + shard["late"]
        yield CounterMetricFamily(
            "tidegauge_events", "Valid metric events, repeated and late ones included", value=valid
        )
        yield CounterMetricFamily("tidegauge_bytes", "Bytes of the records' values", value=totals.bytes)
        ignored = CounterMetricFamily(
            "tidegauge_events_ignored", "Valid events that changed nothing", labels=["reason"]
        )
        for reason in ("duplicate", "late"):
            ignored.add_metric([reason], shard[reason])
        yield ignored
        group_late = CounterMetricFamily(
            "tidegauge_group_late", "Events whose group had closed their bucket of time", labels=["rule"]
        )
        for name, count in sorted(shard.items()):
            if name.startswith("group_late:"):
                group_late.add_metric([name.removeprefix("group_late:")], count)
        yield group_late
        group_skipped = CounterMetricFamily(
            "tidegauge_group_skipped",
            "Events of series that a rule matches and no group takes",
            labels=["rule", "reason"],
        )
        for rule in pipeline.config.rules:
            for reason in SKIPPED if rule.group_by is not None else ():
                group_skipped.add_metric([rule.name, reason], shard[f"group_skipped:{rule.name}:{reason}"])
        yield group_skipped
        dead = CounterMetricFamily("tidegauge_dead_letters", "Events sent to the dead-letter topic", labels=["reason"])
        for reason, count in sorted(totals.rejected.items()):
            dead.add_metric([reason], count)
        yield dead
        skipped = CounterMetricFamily(
            "tidegauge_skipped", "Parts of valid records that are no events by rule", labels=["reason"]
        )
        for reason, count in sorted(totals.skipped.items()):
            skipped.add_metric([reason], count)
        yield skipped
        series = sum(len(partition.shard.series) for partition in pipeline.keeper.partitions.values())
        yield CounterMetricFamily(
            "tidegauge_records_redelivered", "Records passed over: they were applied before", value=totals.redelivered
        )
        yield CounterMetricFamily(
            "tidegauge_records_lost",
            "Records that Kafka dropped before they were applied: the partition learned again",
            value=pipeline.keeper.lost_records,
        )
        yield GaugeMetricFamily("tidegauge_series", "Series held by this worker", value=series)
        yield CounterMetricFamily(
            "tidegauge_series_restarted", "Series that started fresh after idle_after", value=shard["restarted"]
        )
        snapshots = CounterMetricFamily("tidegauge_snapshots", "Snapshots, by what became of them", labels=["outcome"])
        for outcome in ("saved", "failed", "loaded", "refused", "discarded", "behind_retention"):
            snapshots.add_metric([outcome], pipeline.keeper.snapshot_counts[outcome])
        yield snapshots
        yield CounterMetricFamily(
            "tidegauge_snapshot_bytes", "Bytes written for snapshots", value=pipeline.keeper.snapshot_counts["bytes"]
        )
        controls = CounterMetricFamily(
            "tidegauge_controls", "Verdicts of people, by what became of them", labels=["outcome"]
        )
        for outcome in ("applied", "undo", "refused"):
            controls.add_metric([outcome], shard[f"control:{outcome}"])
        for outcome in ("invalid", "foreign"):
            controls.add_metric([outcome], pipeline.controls.counts[outcome])
        yield controls
        yield CounterMetricFamily(
            "tidegauge_controls_late", "Verdicts that came after their holds_from", value=shard["control:late"]
        )
        yield GaugeMetricFamily(
            "tidegauge_series_watched", "Series whose newest points are told to the desk", value=pipeline.watch.series
        )
        load = CounterMetricFamily(
            "tidegauge_load_records", "Newest points of watched series, by what became of them", labels=["outcome"]
        )
        for outcome in ("told", "failed", "unwatched", "unsendable"):
            load.add_metric([outcome], pipeline.watch.counts[outcome])
        yield load
        failures = CounterMetricFamily(
            "tidegauge_detector_failures", "Events that a river model raised on, or gave no number", labels=["rule"]
        )
        for name, count in pipeline.keeper.detector_failures().items():
            failures.add_metric([name], count)
        yield failures
        transitions = CounterMetricFamily(
            "tidegauge_transitions", "Alert transitions, by the level reached", labels=["rule", "level"]
        )
        for rule in pipeline.config.rules:
            for rank, level in enumerate(("resolved", *LEVELS)):
                transitions.add_metric([rule.name, level], shard[f"transition:{rule.name}:{rank}"])
        yield transitions
        held = CounterMetricFamily(
            "tidegauge_held_back", "Pulses that would have opened an alert by score", labels=["rule", "reason"]
        )
        for rule in pipeline.config.rules:
            for reason in HELD_BACK:
                held.add_metric([rule.name, reason], shard[f"held_back:{rule.name}:{reason}"])
        yield held
        lag = GaugeMetricFamily("tidegauge_lag_records", "Records not yet applied", labels=["topic", "partition"])
        lag_s = GaugeMetricFamily(
            "tidegauge_lag_seconds", "Age of the newest applied record, 0 when caught up", labels=["topic", "partition"]
        )
        for tp in list(pipeline.keeper.partitions):
            lag.add_metric([tp.topic, str(tp.partition)], pipeline.lag_records(tp))
            lag_s.add_metric([tp.topic, str(tp.partition)], pipeline.lag_s(tp))
        yield lag
        yield lag_s


def registry(pipeline: Pipeline) -> CollectorRegistry:
    """All of the worker's metrics."""
    made = CollectorRegistry()
    made.register(_Pipeline(pipeline))
    batch = Histogram(
        "tidegauge_batch_seconds",
        "Time from a poll's records to their alerts handed to the producer",
        buckets=_BATCH_BUCKETS_S,
        registry=made,
    )
    pipeline.batch_seconds.append(batch.observe)
    return made
