"""Manifest and blocks: what goes in comes out to the last bit; what was not made by us is refused before it costs."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import Engine
from pipeline.saved import SavedShard, restore
from pipeline.snapshots.cuts import Plan, Sink, pieces
from pipeline.snapshots.dtypes import describe
from pipeline.snapshots.errors import SnapshotInvalid
from pipeline.snapshots.format import Piece, Place, Snapshot, decode, encode
from pipeline.snapshots.manifest import MAGIC, VERSION, Block, Manifest, decode_manifest, digest, encode_manifest
from schemas.alert import encode_alert
from tests.engine.streams import Event, alerts, apply, config, streams
from tests.snapshots.states import BLOCK_BYTES, calm, same, shard_of, snapshot

BYTES_MAX = 50_000_000


class Heap:
    """Blocks in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def keep(self, piece: Piece) -> Place:
        self.data += piece.data
        return Place("heap", len(self.data) - len(piece.data))

    def fetch(self, block: Block, into: memoryview) -> None:
        into[:] = self.data[block.at : block.at + block.size]


def there_and_back(made: Snapshot, block_bytes: int = BLOCK_BYTES) -> Snapshot:
    heap = Heap()
    data = encode_manifest(encode(made, heap.keep, block_bytes=block_bytes))
    return decode(decode_manifest(data, made.topic, made.partition, BYTES_MAX), heap.fetch)


@settings(max_examples=40)
@given(streams(), st.data())
def test_a_snapshot_at_any_event_comes_back_bit_for_bit_and_goes_on_with_the_same_alert_bytes(
    stream: list[Event], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(stream)))
    made = config()
    shard = Engine(made.rules, made.limits).shard()
    found = apply(shard, stream[:cut])
    before = snapshot(shard, cut)
    after = there_and_back(before, data.draw(st.sampled_from([1024, 5000, 262_144])))
    assert same(before, after)
    shard = Engine(made.rules, made.limits).shard()
    assert restore(shard, after.saved) == []
    found += apply(shard, stream[cut:], cut)
    assert [encode_alert(event) for event in found] == alerts(stream)


@given(
    shape=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    slow=st.integers(1, 3) | st.none(),
    dtype=st.sampled_from(["f8", "i1", "?", "f4,i2"]),
    block=st.sampled_from([16, 50, 100_000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_array_cut_and_put_together_is_the_same(
    shape: list[int], slow: int | None, dtype: str, block: int, seed: int
) -> None:
    kind = np.dtype(dtype)
    raw = np.random.default_rng(seed).integers(0, 2, (*shape, kind.itemsize), np.uint8)
    array = raw.reshape(-1).view(kind).reshape(shape)
    plan = Plan(tuple(shape), kind.itemsize, slow if slow is not None and slow < len(shape) else None, block)
    sink = Sink(kind, plan)
    cuts = list(plan.cuts())
    found = [bytes(piece) for piece in pieces(array, plan)]
    assert [len(piece) for piece in found] == [cut.size for cut in cuts]
    assert all(0 < cut.size <= block for cut in cuts)
    for cut, data in zip(cuts, found, strict=True):
        buffer = sink.buffer(cut)
        buffer[:] = data
        sink.place(cut, buffer)
    assert sink.array.tobytes() == array.tobytes()


def test_a_shard_without_a_series_has_a_snapshot_too() -> None:
    before = snapshot(shard_of([]), 0)
    assert same(before, there_and_back(before))


def test_hostile_names_of_series_come_back_as_they_were() -> None:
    shard = shard_of([])
    for label in ['a"b', "line\nbreak", "\x00", "\u2028", "x" * 100_000, ""]:
        shard.intern(label, {label: label, "b": "ü"})
    before = snapshot(shard)
    assert same(before, there_and_back(before))


def test_only_what_changed_is_new_to_a_store() -> None:
    """A row of 60 in one series: its own cells, points and one bin of its profile, not the profiles of all."""
    shard = shard_of(calm(series=500, rows=60))
    heap = Heap()
    kept: dict[str, Place] = {}

    def keep(piece: Piece) -> Place:
        return kept.get(piece.digest) or kept.setdefault(piece.digest, heap.keep(piece))

    encode(snapshot(shard), keep, block_bytes=65_536)
    first = len(heap.data)
    encode(snapshot(shard), keep, block_bytes=65_536)
    assert len(heap.data) == first
    apply(shard, calm(series=500, rows=1, first=60))
    manifest = encode(snapshot(shard), keep, block_bytes=65_536)
    assert len(heap.data) - first < 0.5 * manifest.bytes_total


def test_state_that_is_no_plain_numbers_is_told_to_whoever_writes_the_detector() -> None:
    for dtype in (np.dtype(object), np.dtype("U5"), np.dtype([("a", "i1"), ("b", "f8")], align=True), np.dtype(">f8")):
        with pytest.raises(TypeError, match="can't be kept"):
            describe(dtype)


# What must be refused ------------------------------------------------------------------------------------------------


def manifest_of(made: Snapshot) -> tuple[Manifest, Heap]:
    heap = Heap()
    return encode(made, heap.keep, block_bytes=BLOCK_BYTES), heap


def refused(body: dict[str, Any] | bytes, heap: Heap | None = None) -> str:
    """The reason; taking less than 5 MB to find it."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    whole = b"%s/%d %s %d\n" % (MAGIC, VERSION, digest(data).encode(), len(data)) + data
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotInvalid) as caught:
            decode(decode_manifest(whole, "metrics", 0, BYTES_MAX), (heap or Heap()).fetch)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    return str(caught.value)


def shape(name: str, at: int, size: int) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        next(info for info in body["arrays"] if info["name"] == name)["shape"][at] = size

    return change


def put(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.__setitem__(key, value)


def column(name: str, columns: list[object]) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        next(info for info in body["arrays"] if info["name"] == name)["columns"] = columns

    return change


HOSTILE: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (shape("rule1.detector0.profile", 0, 2**60), "size 1152921504606846976"),
    (shape("rule1.detector0.profile", 1, 2**47), "bytes are allowed|are allowed"),
    (shape("rule1.detector0.profile", 1, -1), "size -1"),
    (shape("point_t", 0, 19), "19 rows where 20 must be"),
    (shape("rule0.cells", 0, 21), "21 rows where 20 must be"),
    (shape("point_t", 1, 32), "block"),
    (put("series", 21), "must be"),
    (put("series", 2**62), "series in"),
    (put("series_bytes", 2**60), "are allowed"),
    (put("series_bytes", -1), "series in"),
    (put("block_bytes", 0), "blocks of 0"),
    (put("block_bytes", 2**40), "blocks of"),
    (put("blocks", []), "0 blocks"),
    (put("files", []), "file number 0"),
    (put("partition", 1), "is of metrics/1, not of metrics/0"),
    (put("topic", "other"), "is of other/0"),
    (put("next_offset", -5), "-5"),
    (put("arrays", []), "blocks where"),
    (put("tombstones", {"a": "b"}), "tombstones"),
    (put("rules", "x"), "rules"),
    (lambda body: body.pop("generation"), "generation"),
    (lambda body: body["blocks"][0].__setitem__(1, -1), "lies at -1"),
    (lambda body: body["blocks"][0].__setitem__(2, 2**60), "must be"),
    (lambda body: body["blocks"].append(body["blocks"][0]), "blocks where"),
    (lambda body: body["arrays"].append(body["arrays"][0]), "twice"),
    (lambda body: body["arrays"][0].__setitem__("slow", 5), "no axis 5"),
    (lambda body: body["arrays"][0].__setitem__("shape", [1] * 40), "40 dimensions"),
    (column("last_t", [["", "|O", []]]), "no plain number"),
    (column("last_t", [["", "<f8", [2**60]]]), "size"),
    (column("last_t", [["a", "<f8", []], ["a", "<f8", []]]), "twice"),
    (column("last_t", [["__class__()", "<f8", []]]), "odd"),
    (column("last_t", [["", "<i8", []]]), "which is not what is kept"),
    (column("last_t", [["", "V8", []]]), "no plain number"),
    (column("last_t", []), "0 fields"),
    (lambda body: body["rules"][0].__setitem__("ranks", [1, 9]), "can't be"),
    (lambda body: body["rules"][0].__setitem__("speaks", [0, 3]), "can't be"),
    (lambda body: body["rules"].append(body["rules"][0]), "twice"),
    (lambda body: body["rules"].append({**body["rules"][0], "name": "more"}), "rule3.series_of is missing"),
]


@pytest.mark.parametrize(("change", "reason"), HOSTILE)
def test_a_manifest_whose_claims_do_not_fit_is_refused_before_memory_is_taken(
    change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    manifest, heap = manifest_of(snapshot(shard_of(calm())))
    body = msgspec.to_builtins(manifest)
    change(body)
    found = refused(body, heap)
    assert any(word in found for word in reason.split("|")), found


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{}", b"[" * 200_000, b'{"rules":' * 100_000, b"\xff\xfe", b'{"series": 1e400}']
)
def test_json_that_is_no_manifest_is_refused(data: bytes) -> None:
    assert "not as a manifest must be" in refused(data)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("rule0.series_of", lambda array: array.__setitem__(3, 20)),
        ("rule0.series_of", lambda array: array.__setitem__(3, -1)),
        ("rule0.series_of", lambda array: array.__setitem__(3, 4)),
        ("rule0.cells", lambda array: array["state"].__setitem__((3, 0), 5)),
        ("rule0.cells", lambda array: array["state"].__setitem__((3, 0), -1)),
        ("rule0.cells", lambda array: array["rank"].__setitem__(3, 1)),
        ("rule0.cells", lambda array: array["seq"].__setitem__(3, -1)),
        ("point_count", lambda array: array.__setitem__(3, -1)),
    ],
)
def test_numbers_by_which_compiled_loops_index_are_checked(name: str, spoil: Callable[[Any], None]) -> None:
    made = snapshot(shard_of(calm()))
    spoil(made.saved.arrays[name])
    manifest, heap = manifest_of(made)
    with pytest.raises(SnapshotInvalid):
        decode(manifest, heap.fetch)


def test_a_series_that_is_there_twice_is_refused() -> None:
    made = snapshot(shard_of(calm()))
    made.saved.series[1] = made.saved.series[0]
    manifest, heap = manifest_of(made)
    with pytest.raises(SnapshotInvalid, match="twice"):
        decode(manifest, heap.fetch)


def test_another_version_of_the_format_is_refused_with_words() -> None:
    manifest, _ = manifest_of(snapshot(shard_of([])))
    data = encode_manifest(manifest).replace(b"/1 ", b"/2 ", 1)
    with pytest.raises(SnapshotInvalid, match="its format is version 2, this program reads version 1"):
        decode_manifest(data, "metrics", 0, BYTES_MAX)


def test_every_byte_of_a_manifest_is_under_its_checksum() -> None:
    manifest, _ = manifest_of(snapshot(shard_of(calm(series=2, rows=2))))
    data = bytearray(encode_manifest(manifest))
    for i in range(len(data)):
        for flip in (0x01, 0x80):
            data[i] ^= flip
            with pytest.raises(SnapshotInvalid):
                decode_manifest(bytes(data), "metrics", 0, BYTES_MAX)
            data[i] ^= flip
    for size in range(len(data)):
        with pytest.raises(SnapshotInvalid):
            decode_manifest(bytes(data[:size]), "metrics", 0, BYTES_MAX)
    assert decode_manifest(bytes(data), "metrics", 0, BYTES_MAX)


def test_every_byte_of_the_blocks_is_under_a_checksum() -> None:
    manifest, heap = manifest_of(snapshot(shard_of(calm(series=3, rows=3))))
    rng = np.random.default_rng(5)
    for i in rng.integers(0, len(heap.data), 200).tolist():
        heap.data[i] ^= 0x40
        with pytest.raises(SnapshotInvalid, match="checksum"):
            decode(manifest, heap.fetch)
        heap.data[i] ^= 0x40
    assert isinstance(decode(manifest, heap.fetch).saved, SavedShard)
