"""However the stream of events is cut into batches, delivered twice or broken off, the desk's story is the same."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.desk import duties, intake
from pipeline.desk.database import Database
from schemas.alert import AlertEvent
from schemas.desk import Flapping
from schemas.levels import LevelName
from tests.desk import scene
from tests.desk.scene import START_S, branch, desk, event

ON = desk(group_by=("series",), routes=(branch('level="critical"'),), flapping=Flapping(), wait_s=20.0, interval_s=40.0)
TICK_S = 15.0
_LEVELS: tuple[LevelName | None, ...] = ("info", "warning", "critical", None)


@dataclass(frozen=True)
class Cut:
    """How one tick's events are delivered: in how many pieces, with which earlier events again, in a new process."""

    pieces: int
    again: tuple[int, ...]
    restarts: bool


@st.composite
def streams(draw: st.DrawFn) -> list[list[AlertEvent]]:
    """Ticks of events; each alert's own in order, episodes one after the other."""
    seqs: dict[str, tuple[float, int, LevelName | None]] = {}
    ticks: list[list[AlertEvent]] = []
    for tick in range(draw(st.integers(1, 6))):
        made: list[AlertEvent] = []
        for name in draw(st.lists(st.sampled_from("abcdefgh"), max_size=8)):
            starts_s, seq, level = seqs.get(name, (0.0, 0, None))
            if level is None:
                starts_s, seq = START_S + tick * TICK_S + len(made) * 0.001, 0
            now = draw(st.sampled_from([one for one in _LEVELS if one != level]))
            made.append(event(name, seq=seq, level=now, previous=level, starts_s=starts_s))
            seqs[name] = (starts_s, seq + 1, now)
        ticks.append(made)
    return ticks


cuts = st.builds(Cut, st.integers(1, 4), st.lists(st.integers(0, 50), max_size=4).map(tuple), st.booleans())


@contextmanager
def fresh() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'desk.db'}"


def told_once(ticks: list[list[AlertEvent]]) -> dict[str, list[str]]:
    with fresh() as address, closing(Database.open(address)) as db:
        for number, events in enumerate(ticks):
            now_s = START_S + number * TICK_S
            db.write(partial(intake.take, events=events, offsets={}, desk=ON, now_s=now_s))
            duties.step(db, ON, now_s)
        duties.step(db, ON, START_S + 1000)
        return db.read(scene.story)


def told_in_pieces(ticks: list[list[AlertEvent]], how: list[Cut]) -> dict[str, list[str]]:
    with fresh() as address:
        db = Database.open(address)
        seen: list[AlertEvent] = []
        for number, (events, cut) in enumerate(zip(ticks, how, strict=False)):
            now_s = START_S + number * TICK_S
            size = max(1, -(-len(events) // cut.pieces))
            for first in range(0, max(1, len(events)), size):
                piece = events[first : first + size]
                again = [seen[n % len(seen)] for n in cut.again if seen]
                seen += piece
                batch = [*again, *piece, *piece[-1:]]
                db.write(partial(intake.take, events=batch, offsets={}, desk=ON, now_s=now_s))
                if cut.restarts:
                    db.close()
                    db = Database.open(address)
            duties.step(db, ON, now_s)
        duties.step(db, ON, START_S + 1000)
        story = db.read(scene.story)
        db.close()
        return story


@settings(max_examples=25)
@given(streams(), st.lists(cuts, min_size=6, max_size=6))
def test_cuts_doubles_and_restarts_change_nothing(ticks: list[list[AlertEvent]], how: list[Cut]) -> None:
    assert told_in_pieces(ticks, how) == told_once(ticks)
