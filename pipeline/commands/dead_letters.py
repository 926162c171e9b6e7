"""`tidegauge dead-letters`: what could not be read, why, and publishing it again once the cause is mended."""

import json
import sys
from collections import Counter, deque
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from rich.table import Table
from rich.text import Text

from pipeline.commands import redrive as redriving
from pipeline.commands.clients import Bootstrap, Sender, assign_whole, consumer, place, read_to_end, told
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, AsJson, ConfigPath, err, out
from pipeline.commands.redrive import GROUP, Original, Progress, Stored, Told
from pipeline.commands.rendering import plain
from schemas.dead_letter import DeadLetter, decode_dead_letter
from schemas.formats import Reason

if TYPE_CHECKING:
    from kafka import ConsumerRecord

app = typer.Typer(help="Events that could not be read.", no_args_is_help=True)

OfReason = Annotated[Reason | None, typer.Option(help="Only letters of this reason.")]
_SHOWN = 50
_PAYLOAD_SHOWN = 60  # bytes
_FETCH_TIMEOUT_MS = 10_000


@app.command("list")
def list_(
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
    reason: OfReason = None,
    max_: Annotated[int | None, typer.Option("--max", min=1, help="Only the newest so many (table: 50).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the letters as they are, one a line.")] = False,
) -> None:
    """Show dead letters, oldest first, and how many there are of each reason."""
    where = place(config, bootstrap)
    most = max_ or (None if as_json else _SHOWN)
    newest: deque[tuple[ConsumerRecord, DeadLetter]] = deque(maxlen=most)
    counts: Counter[str] = Counter()
    with told("dead-letters", where.bootstrap), closing(consumer(where.bootstrap)) as client:
        for record in read_to_end(client, assign_whole(client, where.topics.dead_letters, "beginning")):
            letter = _letter(record)
            if letter is not None and (reason is None or letter.reason == reason):
                counts[letter.reason] += 1
                newest.append((record, letter))
    if as_json:
        for record, _ in newest:
            sys.stdout.buffer.write((record.value or b"").replace(b"\n", b" ") + b"\n")
        sys.stdout.buffer.flush()
        return
    if newest:
        out().print(_table([letter for _, letter in newest]))
    total = counts.total()
    out().print(f"{total:,} dead letters" + (f", the newest {len(newest)} shown" if total > len(newest) else ""))
    for name, count in counts.most_common():
        out().print(f"  {count:>9,}  {plain(name)}")


@app.command()
def redrive(
    config: ConfigPath = DEFAULT_CONFIG,
    bootstrap: Bootstrap = None,
    reason: OfReason = None,
    max_: Annotated[int | None, typer.Option("--max", min=1, help="Stop after so many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters again, to the topic and partition they came from. A letter is redriven once.

    A piece longer than the kilobyte that a letter keeps is taken from its original record, with its key and headers;
    where that is gone by now, it is reported and exit is 1. How far this has come is the committed offset of the group
    tidegauge-redrive: reset it to begin again. A redrive that is killed may repeat up to 500 letters.
    """
    where = place(config, bootstrap)
    with told("dead-letters", where.bootstrap), ExitStack() as stack:
        client = stack.enter_context(closing(consumer(where.bootstrap, GROUP)))
        kafka = stack.enter_context(closing(_Kafka(where.bootstrap, client, where.topics.dead_letters)))
        tps = assign_whole(client, where.topics.dead_letters, "beginning")
        progress = {tp.partition: _progress(client, tp) for tp in tps}
        starts = client.beginning_offsets(tps)
        for tp in tps:
            client.seek(tp, max(progress[tp.partition].offset, starts[tp]))
        counts = redriving.redrive(
            (Stored(record.partition, record.offset, _letter(record)) for record in read_to_end(client, tps)),
            progress,
            kafka,
            reason=reason,
            most=max_,
            dry_run=dry_run,
            tell=_tell,
        )
    if as_json:
        typer.echo(json.dumps({**counts, "dry_run": dry_run}))
    else:
        would = "would be " if dry_run else ""
        out().print(f"{counts['redriven']:,} {would}redriven, {counts['gone']:,} gone, {counts['skipped']:,} skipped")
    if counts["gone"]:
        raise typer.Exit(PROBLEMS)


class _Kafka:
    """redrive.Kafka on a real one."""

    def __init__(self, bootstrap: str, group_client: KafkaConsumer, dead_letters: str) -> None:
        self._bootstrap, self._group_client, self._dead_letters = bootstrap, group_client, dead_letters
        self._reader = consumer(bootstrap)
        self._senders: dict[str, Sender] = {}

    def fetch(self, topic: str, partition: int, offset: int) -> Original | None:
        tp = TopicPartition(topic, partition)
        if partition not in (self._reader.partitions_for_topic(topic) or ()):
            return None
        self._reader.assign([tp])
        first, end = self._reader.beginning_offsets([tp])[tp], self._reader.end_offsets([tp])[tp]
        if not first <= offset < end:
            return None
        self._reader.seek(tp, offset)
        while self._reader.position(tp) <= offset:
            for record in self._reader.poll(timeout_ms=_FETCH_TIMEOUT_MS, max_records=1).get(tp, ()):
                return Original(record.key, record.value, record.headers) if record.offset == offset else None
        return None  # compacted away, with all after it

    def publish(self, topic: str, partition: int, original: Original) -> None:
        if topic not in self._senders:
            self._senders[topic] = Sender(self._bootstrap, topic)
        self._senders[topic].send(original.value, original.key, partition=partition, headers=list(original.headers))

    def commit(self, progress: dict[int, Progress]) -> None:
        for sender in self._senders.values():
            sender.flush()
        offsets = {
            TopicPartition(self._dead_letters, partition): OffsetAndMetadata(done.offset, done.metadata(), -1)
            for partition, done in progress.items()
        }
        self._group_client.commit(offsets)

    def close(self) -> None:
        self._reader.close()
        for sender in self._senders.values():
            sender.close()


def _progress(client: KafkaConsumer, tp: TopicPartition) -> Progress:
    """From the beginning where the topic has been made anew since: an offset beyond its end means nothing."""
    committed: OffsetAndMetadata | None = client.committed(tp, metadata=True)
    if committed is None or committed.offset > client.end_offsets([tp])[tp]:
        return Progress()
    return Progress.parse(committed.offset, committed.metadata)


def _letter(record: "ConsumerRecord") -> DeadLetter | None:
    try:
        return decode_dead_letter(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        err().print(f"dead-letters: not a dead letter: {record.topic}:{record.partition}:{record.offset}")
        return None


def _tell(told: Told) -> None:
    letter = told.stored.letter
    if told.what == "gone" and letter is not None:
        event = "" if letter.event is None else f" event {letter.event}"
        where = f"{plain(letter.topic)}:{letter.partition}:{letter.offset}{event}"
        err().print(f"gone: {where} ({plain(letter.reason)}): {told.why}")


def _table(letters: list[DeadLetter]) -> Table:
    table = Table("time", "reason", "where", "event", "detail", "payload", box=None)
    for letter in letters:
        cells = (
            letter.timestamp or "",
            letter.reason,
            f"{letter.topic}:{letter.partition}:{letter.offset}",
            "" if letter.event is None else str(letter.event),
            letter.detail,
            _preview(letter),
        )
        table.add_row(*(Text(plain(cell)) for cell in cells))
    return table


def _preview(letter: DeadLetter) -> str:
    piece = letter.kept
    text = piece[:_PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")
    return text + ("..." if letter.size > _PAYLOAD_SHOWN else "")
