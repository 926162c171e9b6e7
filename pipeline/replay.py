"""Replay: the events of files or of a topic's range through the same engine as live, to the same alerts."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pipeline.engine import Batch, Engine, Shard
from pipeline.partition import Partition
from pipeline.topic_range import TopicRange, partitions_of, records_of
from schemas.alert import AlertEvent, encode_alert
from schemas.config import Config
from schemas.control import Control
from schemas.csv_events import CsvError, read_events
from schemas.formats import Columns, Decoder, Intern
from schemas.metric import Series

_LINES_A_BATCH = 5_000

Progress = Callable[[int], None]  # told how many bytes (files) or records (topics) were read


@dataclass
class Report:
    """What a replay read, left out with its reason, and would have published."""

    read: int = 0  # valid events, repeated and late ones included
    ignored: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    held_back: Counter[str] = field(default_factory=Counter)  # openings, by rule and reason
    series: int = 0
    controls: Counter[str] = field(default_factory=Counter)  # verdicts of people, by what became of them
    alerts: list[AlertEvent] = field(default_factory=list)

    def ndjson(self) -> bytes:
        """The alert events a worker would publish, sorted by (id, seq), one a line."""
        ordered = sorted(self.alerts, key=lambda event: (event.id, event.seq))
        return b"".join(encode_alert(event) + b"\n" for event in ordered)

    def summary(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "read": self.read,
            "ignored": dict(self.ignored),
            "rejected": dict(self.rejected),
            "skipped": dict(self.skipped),
            "held_back": dict(self.held_back),
            "series": self.series,
            "controls": dict(self.controls),
            "alerts": len({event.id for event in self.alerts}),
            "alert_events": len(self.alerts),
        }


class Replay:
    """Takes inputs one after another; `report` closes what time alone has ended by then."""

    def __init__(self, config: Config, controls: Sequence[Control] = (), engine: Engine | None = None) -> None:
        """controls: known from the beginning, so that none comes late; engine: made for this config, if not here."""
        self._config, self._controls = config, controls
        self._engine = engine or Engine(config.rules, config.limits, len(config.inputs))
        self._files: tuple[Shard, Decoder] | None = None
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._report = Report()

    def add_file(self, path: Path, format: str = "auto", progress: Progress = lambda _: None) -> None:
        """A `.csv` file, or text in any accepted format: a record a line, or one JSON document over several lines.

        Raises OSError, CsvError.
        """
        shard, decoder = self._files or self._shared_shard(format)
        self._files = shard, decoder
        for columns in read_file(path, decoder, shard.intern, progress):
            self._apply(shard, columns)

    def add_topic(self, wanted: TopicRange, bootstrap: str, progress: Progress = lambda _: None) -> None:
        """A range of a topic, as the worker would have read it. Raises TopicsError."""
        formats = {source.topic: source.format for source in self._config.inputs}
        counts = any(rule.budget_a_day or rule.group_by is not None for rule in self._config.rules)
        count = partitions_of(wanted.topic, bootstrap) if counts else 1
        for tp, records in records_of(wanted, bootstrap):
            key = (wanted.topic, tp)
            partition = self._partitions.get(key)
            if partition is None:
                format = formats.get(wanted.topic, "auto")
                partition = Partition(self._engine, wanted.topic, tp, format, partitions=count)
                self._tell(partition.shard)
                self._partitions[key] = partition
            self._report.alerts += partition.process(records).alerts
            progress(len(records))

    @property
    def series(self) -> list[Series]:
        """All that were seen so far, each once."""
        shards = [partition.shard for partition in self._partitions.values()]
        shards += [self._files[0]] if self._files else []
        return list(dict.fromkeys(one for shard in shards for one in shard.series))

    def report(self) -> Report:
        report = self._report
        waiting = {control.id for control in self._controls}
        shards = [partition.shard for partition in self._partitions.values()]
        for partition in self._partitions.values():
            report.rejected.update(partition.rejected)
            report.skipped.update(partition.skipped)
        if self._files:
            shards.append(self._files[0])
        for shard in shards:
            report.alerts += shard.advance(shard.newest_t)
            report.series += len(shard.series)
            report.read += sum(shard.counts[name] for name in ("applied", "duplicate", "late"))
            report.controls.update(shard.controls.outcomes())
            report.ignored.update({name: shard.counts[name] for name in ("duplicate", "late") if shard.counts[name]})
            for name, held in shard.counts.items():
                if name.startswith("held_back:"):
                    report.held_back[name.removeprefix("held_back:")] += held
            waiting -= shard.controls.done.keys()
        if waiting:
            report.controls["waiting"] = len(waiting)
        return report

    def _shared_shard(self, format: str) -> tuple[Shard, Decoder]:
        shard = self._engine.shard()
        self._tell(shard)
        return shard, Decoder(format, shard.intern)

    def _tell(self, shard: Shard) -> None:
        for control in self._controls:
            shard.admit(control)

    def _apply(self, shard: Shard, columns: Columns) -> None:
        self._report.rejected.update(reject.reason for reject in columns.rejects)
        self._report.skipped.update(columns.skipped)
        self._report.alerts += shard.apply(Batch(columns.series, columns.t, columns.x))


def read_file(path: Path, decoder: Decoder, intern: Intern, progress: Progress = lambda _: None) -> Iterator[Columns]:
    """The events of a file, as `Replay.add_file` takes it. decoder: of what is no CSV. Raises OSError, CsvError."""
    if path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8", newline="") as rows:
            try:
                yield from read_events(rows, default_metric=path.stem, intern=intern, progress=progress)
            except CsvError as error:
                raise CsvError(f"{path}: {error}") from None
        return
    with path.open("rb") as lines:
        for payloads in _payloads(lines):
            yield decoder.decode(payloads)
            progress(sum(map(len, payloads)))


def _payloads(lines: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """Lines as payloads, in batches; or everything as one payload where the first line is not JSON by itself."""
    each = (line for line in lines if line.strip())
    first = next(each, b"")
    if first and not _is_json(first) and first.lstrip()[:1] in (b"{", b"["):
        yield [first + b"".join(each)]
        return
    batch = [first] if first else []
    while batch:
        yield batch
        batch = list(islice(each, _LINES_A_BATCH))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
