"""A desk in a process of its own that takes, looks and sends as fast as it can, beside another: for `test_two_desks`.

Arguments: address of the database, name, folder. What it sends is appended to FOLDER/NAME, a line each.
"""

import sys
import time
from functools import partial
from pathlib import Path

from pipeline.desk import duties, intake, outbox
from pipeline.desk.database import Database
from pipeline.desk.intake import OffsetMoved, Span
from schemas.desk import Storm
from tests.desk.scene import TOPIC, desk, event

ON = desk(group_by=("series",), wait_s=0.0, interval_s=0.05, storm=Storm(enabled=False))
EVENTS = 200
BATCH = 10
OPS = "ops/webhook[0]"


def main(address: str, name: str, folder: str) -> None:
    """Until all events are in the database and all lines of the outbox are settled."""
    db = Database.open(address)
    told = (Path(folder) / name).open("a", buffering=1)
    while True:
        first = db.read(partial(intake.offset, topic=TOPIC, partition=0)) or 0
        if first < EVENTS:
            span = Span(first, first + BATCH)
            batch = [event(f"{n:04}") for n in range(span.first, span.next)]
            take = partial(intake.take, events=batch, offsets={(TOPIC, 0): span}, desk=ON, now_s=time.time())
            try:
                db.write(take)
            except OffsetMoved:
                print("moved", file=told)
        duties.step(db, ON, time.time())
        claim = partial(outbox.claim, integration=OPS, owner=name, now_s=time.time(), lease_s=1.0, limit=20)
        for one in db.write(claim):
            print(one.notification.id, file=told)
            db.write(partial(outbox.sent, id=one.id, handle={}, now_s=time.time()))
        if first >= EVENTS and not db.read(outbox.waiting):
            return
        time.sleep(0.01)  # as a desk has pauses: SQLite lets in whoever comes, not who has waited


if __name__ == "__main__":
    main(*sys.argv[1:])
