"""Which dead letters are published again, as what, and how far that is remembered."""

import pytest

from pipeline.commands.redrive import HEADER, Original, Progress, Stored, redrive
from schemas.dead_letter import dead_letter
from schemas.formats import Decoder, Reason


class FakeKafka:
    """Keeps what is published and committed; `records` is what the topics still have."""

    def __init__(self, records: dict[int, Original] | None = None) -> None:
        self.records = records or {}
        self.published: list[tuple[str, int, Original]] = []
        self.committed: list[dict[int, tuple[int, str]]] = []

    def fetch(self, topic: str, partition: int, offset: int) -> Original | None:
        return self.records.get(offset)

    def publish(self, topic: str, partition: int, original: Original) -> None:
        self.published.append((topic, partition, original))

    def commit(self, progress: dict[int, Progress]) -> None:
        self.committed.append({k: (p.offset, p.metadata()) for k, p in progress.items()})

    def values(self) -> list[bytes | None]:
        return [original.value for _, _, original in self.published]


def letters(*payloads: bytes) -> list[Stored]:
    """As a worker would write them, of records 100, 101, ... of metrics, partition 2."""
    rejects = Decoder("auto", lambda metric, labels: 0).decode(payloads).rejects
    made = [
        dead_letter(reject, topic="metrics", partition=2, offset=100 + reject.record, timestamp=None)
        for reject in rejects
    ]
    return [Stored(0, at, letter) for at, letter in enumerate(made)]


def test_a_whole_piece_goes_back_to_where_it_came_from() -> None:
    kafka = FakeKafka()
    good = b'{"metric":"up","timestamp":1795412000,"value":1}'
    counts = redrive(letters(b"nonsense", b"[" + good + b',{"metric":""}]', b"\xff"), {}, kafka)
    assert (counts["redriven"], counts["gone"]) == (3, 0)
    assert kafka.values() == [b"nonsense", b'{"metric":""}', b"\xff"]
    assert {(topic, partition) for topic, partition, _ in kafka.published} == {("metrics", 2)}
    assert kafka.published[0][2].headers == [(HEADER, b"0:0")]
    assert kafka.committed[-1] == {0: (3, "")}


@pytest.mark.parametrize("batch", [b"[%s,%s]", b"%s\n\n%s\n", b'{"metrics":[%s,%s]}'])
def test_a_cut_piece_is_taken_from_its_original_record(batch: bytes) -> None:
    good = b'{"name":"up","timestamp":1795412000,"fields":{"x":1},"tags":{}}'
    bad = b'{"name":"up","timestamp":"never","fields":{"x":1},"pad":"' + b"x" * 3000 + b'"}'
    record = batch % (good, bad)
    stored = letters(record)
    assert [(s.letter.truncated, s.letter.event) for s in stored if s.letter] == [(True, 1)]
    kafka = FakeKafka({100: Original(b"key", record, [("from", b"here")])})
    assert redrive(stored, {}, kafka)["redriven"] == 1
    assert kafka.published == [("metrics", 2, Original(b"key", bad, [("from", b"here"), (HEADER, b"0:0")]))]


def test_what_kafka_no_longer_has_is_told_not_guessed() -> None:
    long = b"nonsense" * 1000
    told: list[str] = []
    stored = letters(long)
    assert redrive(stored, {}, FakeKafka(), tell=lambda t: told.append(t.why))["gone"] == 1
    other = FakeKafka({100: Original(None, b"another record" * 1000)})
    assert redrive(stored, {}, other, tell=lambda t: told.append(t.why))["gone"] == 1
    assert other.published == []
    assert told == ["the original record is gone from its topic", "its piece is not in the record at that offset"]


def test_a_letter_is_redriven_once_also_when_one_reason_came_first() -> None:
    stored = letters(b"nonsense", b'{"metric":""}', b"more nonsense", b'{"metric":7}')
    kafka = FakeKafka()
    progress = {0: Progress()}
    assert redrive(stored, progress, kafka, reason=Reason.NOT_JSON)["redriven"] == 2
    assert kafka.values() == [b"nonsense", b"more nonsense"]
    assert kafka.committed[-1] == {0: (0, '{"not_json":4}')}
    offset, metadata = kafka.committed[-1][0]
    progress = {0: Progress.parse(offset, metadata)}  # another process goes on
    counts = redrive(stored, progress, kafka)
    assert (counts["redriven"], counts["skipped"]) == (2, 2)
    assert kafka.values()[2:] == [b'{"metric":""}', b'{"metric":7}']
    assert redrive(stored, progress, kafka)["redriven"] == 0
    assert kafka.committed[-1] == {0: (4, "")}


def test_max_stops_and_the_next_call_goes_on_there() -> None:
    stored = letters(b"a", b"b", b"c")
    kafka, progress = FakeKafka(), {0: Progress()}
    assert redrive(stored, progress, kafka, most=2)["redriven"] == 2
    assert redrive(stored, progress, kafka, most=2)["redriven"] == 1
    assert kafka.values() == [b"a", b"b", b"c"]


def test_a_dry_run_changes_nothing() -> None:
    kafka = FakeKafka()
    assert redrive(letters(b"a", b"b"), {0: Progress()}, kafka, dry_run=True)["redriven"] == 2
    assert (kafka.published, kafka.committed) == ([], [])


def test_what_is_no_dead_letter_is_passed_over() -> None:
    kafka = FakeKafka()
    counts = redrive([Stored(0, 0, None), *letters(b"a")[:0]], {}, kafka)
    assert (counts["skipped"], kafka.committed[-1]) == (1, {0: (1, "")})


def test_all_reasons_together_fit_into_a_commit() -> None:
    progress = Progress()
    for reason in Reason:
        progress.mark(reason, 10**15)
    assert len(progress.metadata()) < 4096
    assert Progress.parse(0, progress.metadata()) == progress
    assert Progress.parse(5, "somebody else's") == Progress(5)


def test_binary_letters_come_back_byte_for_byte() -> None:
    kafka = FakeKafka()
    redrive(letters(b"\xfe\x00\xff"), {}, kafka)
    assert kafka.values() == [b"\xfe\x00\xff"]
