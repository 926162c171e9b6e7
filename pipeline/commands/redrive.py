"""Publishing dead letters again, each once, from where they came: the rules of it, told what Kafka has.

Progress is one committed offset a partition of the dead-letter topic, in a consumer group of its own: it lives where
the letters live, any Kafka tool shows it, and resetting the group's offset starts over. One offset can't say that only
the letters of one reason are done, so the commit's metadata holds, by reason, how far beyond it that one has come.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import msgspec

from schemas.dead_letter import DeadLetter
from schemas.formats import Reason

GROUP = "tidegauge-redrive"
HEADER = "tidegauge-redriven"  # on what is published again: partition:offset of its dead letter
COMMIT_EVERY = 500  # letters; as many may go out twice where a redrive is killed

Headers = Sequence[tuple[str, bytes]]
_WHITE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_as_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_as_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True)
class Original:
    """A record that Kafka still has."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True)
class Stored:
    """A record of the dead-letter topic; `letter` is None where it isn't one."""

    partition: int
    offset: int
    letter: DeadLetter | None


class Kafka(Protocol):
    """What a redrive needs of Kafka."""

    def fetch(self, topic: str, partition: int, offset: int) -> Original | None:
        """None: it is gone."""

    def publish(self, topic: str, partition: int, original: Original) -> None: ...

    def commit(self, progress: "dict[int, Progress]") -> None:
        """Called when all that was published before is to be durable."""


@dataclass
class Progress:
    """Of one partition: all letters below `offset` are done, and those of a reason below `beyond[reason]`."""

    offset: int = 0
    beyond: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, offset: int | None, metadata: str) -> "Progress":
        """
        >>> Progress.parse(4, '{"future": 9}')
        Progress(offset=4, beyond={'future': 9})
        """
        try:
            beyond = msgspec.json.decode(metadata or "{}", type=dict[str, int])
        except msgspec.DecodeError:
            beyond = {}  # somebody else's commit, such as a reset
        return cls(offset or 0, beyond)

    def done(self, reason: str, offset: int) -> bool:
        return offset < max(self.offset, self.beyond.get(reason, 0))

    def mark(self, reason: Reason | None, offset: int) -> None:
        """All letters (of the reason, if one is given) up to and with `offset` are done."""
        if reason is None:
            self.offset = max(self.offset, offset + 1)
            self.beyond = {name: mark for name, mark in self.beyond.items() if mark > self.offset}
        else:
            self.beyond[reason.value] = max(self.beyond.get(reason.value, 0), offset + 1)

    def metadata(self) -> str:
        """At most one entry a reason there is: well below the 4096 bytes that Kafka allows."""
        return json.dumps(self.beyond, separators=(",", ":"), sort_keys=True) if self.beyond else ""


@dataclass(frozen=True)
class Told:
    """What became of one letter; `why` where it can't be published."""

    what: Literal["redriven", "gone"]
    stored: Stored
    why: str = ""


def redrive(
    letters: Iterable[Stored],
    progress: dict[int, Progress],
    kafka: Kafka,
    *,
    reason: Reason | None = None,
    most: int | None = None,
    dry_run: bool = False,
    tell: Callable[[Told], None] = lambda told: None,
) -> Counter[str]:
    """Publishes letters to the partition they came from and commits; counts of `redriven`, `gone` and `skipped`.

    letters: by partition in rising offsets. progress: by partition; advanced. reason: only letters of it. most: stop
    after so many. `gone`: neither whole in the letter nor in its topic any more. `skipped`: not a dead letter, done in
    an earlier redrive, or of another reason.
    """
    counts: Counter[str] = Counter(redriven=0, gone=0, skipped=0)
    for stored in letters:
        letter, at = stored.letter, progress.setdefault(stored.partition, Progress())
        if letter is None or at.done(letter.reason, stored.offset) or (reason and letter.reason != reason):
            counts["skipped"] += 1
        elif counts["redriven"] + counts["gone"] == most:
            break
        else:
            original = _restore(letter, kafka)
            if isinstance(original, str):
                told = Told("gone", stored, original)
            else:
                told = Told("redriven", stored)
                if not dry_run:
                    kafka.publish(letter.topic, letter.partition, _marked(original, stored))
            tell(told)
            counts[told.what] += 1
        at.mark(reason, stored.offset)
        if not dry_run and counts.total() % COMMIT_EVERY == 0:
            kafka.commit(progress)
    if not dry_run:
        kafka.commit(progress)
    return counts


def _marked(original: Original, stored: Stored) -> Original:
    others = [header for header in original.headers if header[0] != HEADER]
    return replace(original, headers=[*others, (HEADER, f"{stored.partition}:{stored.offset}".encode())])


def _restore(letter: DeadLetter, kafka: Kafka) -> Original | str:
    """What to publish, or why that is impossible."""
    if not letter.truncated:
        return Original(None, letter.kept)
    original = kafka.fetch(letter.topic, letter.partition, letter.offset)
    if original is None or original.value is None:
        return "the original record is gone from its topic"
    for piece in _pieces(original.value, letter.event):
        if piece.startswith(letter.kept) and len(piece) == letter.size:
            return Original(original.key, piece, original.headers)
    return "its piece is not in the record at that offset"


def _pieces(value: bytes, event: int | None) -> list[bytes]:
    """Candidates for the bad piece: the record itself, or element or line `event` of a batch, or an element of that."""
    if event is None:
        return [value]
    elements = _elements(value)
    if elements is None:
        elements = [line for line in value.removeprefix(_BOM).split(b"\n") if line.strip(_WHITE)]
    if event >= len(elements):
        return []
    return [elements[event], *(_elements(elements[event]) or [])]


def _elements(value: bytes) -> list[bytes] | None:
    """Of an array, or of the array in Telegraf's wrapping; None where it is neither."""
    text = value.removeprefix(_BOM)
    try:
        array = _as_array(text if text.strip(_WHITE)[:1] == b"[" else _as_object(text)["metrics"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return None
    return [bytes(element) for element in array]
