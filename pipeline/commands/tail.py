"""`tidegauge tail`: the alerts topic as it grows, read with kafka-python as any other service would."""

import json
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from kafka import KafkaConsumer

from pipeline.commands.clients import Bootstrap, assign_whole, consumer, place, told
from pipeline.commands.common import DEFAULT_CONFIG, ConfigPath, err, out
from pipeline.commands.rendering import rank_of, render
from schemas.alert import AlertEvent, decode_alert
from schemas.levels import LEVELS

if TYPE_CHECKING:
    from kafka import ConsumerRecord

_EPISODES_REMEMBERED = 100_000


class Start(StrEnum):
    beginning = "beginning"
    now = "now"


class LevelChoice(StrEnum):
    info = "info"
    warning = "warning"
    critical = "critical"


def tail(
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
    topic: Annotated[str | None, typer.Option(help="Topic of alert events (default: the config's).")] = None,
    start: Annotated[Start, typer.Option("--from", help="Where to begin.")] = Start.now,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the records' values as they are, one a line, repeated ones too.")
    ] = False,
    max_: Annotated[int | None, typer.Option("--max", min=1, help="Stop after so many alert events.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Stop after so many seconds.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only alerts of this rule.")] = None,
    level: Annotated[
        LevelChoice | None, typer.Option(help="Only alerts that reached or left this level or a worse one.")
    ] = None,
) -> None:
    """Print alerts as they come, until Ctrl-C: level, time (of the event), rule, series, value, and why.

    Kafka may deliver an alert event twice; a repeated one is shown once.
    """
    where = place(config, bootstrap)
    topic = topic or where.topics.alerts
    floor = LEVELS.index(level.value) + 1 if level else 0
    seen, shown = Seen(), 0
    deadline_s = None if timeout is None else time.monotonic() + timeout
    with told("tail", where.bootstrap), closing(consumer(where.bootstrap)) as client:
        assign_whole(client, topic, start.value)
        try:
            for record in _records(client, deadline_s):
                event = read_alert(record)
                if event is None or (rule and event.rule != rule) or rank_of(event) < floor:
                    continue
                if as_json:
                    _print_raw(record.value or b"")
                elif seen.before(event):
                    continue
                else:
                    out().print(render(event))
                shown += 1
                if shown == max_:
                    return
        except KeyboardInterrupt:
            return


class Seen:
    """Tells repeated alert events, by id and sequence. Events of one alert arrive in order, so the newest is enough."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, int] = OrderedDict()

    def before(self, event: AlertEvent) -> bool:
        if event.seq <= self._newest.get(event.id, -1):
            return True
        self._newest[event.id] = event.seq
        self._newest.move_to_end(event.id)
        if len(self._newest) > _EPISODES_REMEMBERED:
            self._newest.popitem(last=False)
        return False


def read_alert(record: "ConsumerRecord") -> AlertEvent | None:
    """None, and a line on stderr, where the record isn't an alert event."""
    try:
        return decode_alert(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        err().print(f"tail: not an alert event: {record.topic}:{record.partition}:{record.offset}")
        return None


def _records(client: KafkaConsumer, deadline_s: float | None) -> "Iterator[ConsumerRecord]":
    while deadline_s is None or time.monotonic() < deadline_s:
        wait_s = 0.5 if deadline_s is None else min(0.5, max(0.0, deadline_s - time.monotonic()))
        for records in client.poll(timeout_ms=round(wait_s * 1000)).values():
            yield from records


def _print_raw(value: bytes) -> None:
    """On one line. A terminal gets what it would obey as JSON escapes, which mean the same."""
    line = value.replace(b"\n", b" ").replace(b"\r", b" ")  # in JSON these stand between tokens only
    if sys.stdout.isatty():
        line = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line.decode()).encode()
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
