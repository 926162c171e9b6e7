"""A desk's life in a few acts, each safe to do again: what a process does, dies in the middle of, and another goes on
with."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import event as hooks

from pipeline.desk import acks, alerts, duties, intake, outbox
from pipeline.desk.database import Database
from pipeline.desk.external import External
from pipeline.desk.intake import Span
from schemas.alert import AlertEvent
from schemas.desk import Flapping
from tests.desk.scene import START_S, TOPIC, branch, desk, event

NOW_S = START_S + 5.0
ON = desk(integrations=2, routes=(branch('level="critical"'),), flapping=Flapping(), interval_s=30.0)
OPS = "ops/webhook[0]"

BATCHES: tuple[tuple[float, list[AlertEvent]], ...] = (
    (NOW_S, [event(), event("b"), event("c", level="critical")]),
    (NOW_S + 20, [event(), event(seq=1, level="critical"), event("c", seq=1, level=None), event("d")]),
    (NOW_S + 60, [event("b", seq=1, level=None), event("c", starts_s=START_S + 60, level="critical")]),
)


def live(db: Database) -> None:
    """From wherever the database is to the end of the story."""
    for number, (at_s, batch) in enumerate(BATCHES):
        first, end = number * 10, number * 10 + 10
        if (db.read(partial(intake.offset, topic=TOPIC, partition=0)) or 0) <= first:
            db.write(partial(intake.take, events=batch, offsets={(TOPIC, 0): Span(first, end)}, desk=ON, now_s=at_s))
        if number == 0:
            _from_others(db, at_s)
        duties.step(db, ON, at_s + 10)
        _deliver(db, at_s + 11 + 0.1 * number)
    duties.step(db, ON, NOW_S + 1000)


def _from_others(db: Database, at_s: float) -> None:
    seen = External(labels={"alertname": "Disk"}, starts_at_s=START_S, ends_at_s=at_s + 300)
    if not [alert for alert in db.read(alerts.listed) if alert.origin == "api"]:
        db.write(partial(intake.take_external, seen=[seen], desk=ON, now_s=at_s))
    if not db.read(acks.listed):
        db.write(partial(acks.acknowledge, episode=event("b").id, by="ann", comment="", until_s=None, now_s=at_s))


def _deliver(db: Database, at_s: float) -> None:
    """One integration's messages are sent; what somebody died with is free again a second later."""
    for claim_s in (at_s, at_s + 1):
        claim = partial(outbox.claim, integration=OPS, owner="me", now_s=claim_s, lease_s=0.5, limit=10)
        for one in db.write(claim):
            db.write(partial(outbox.sent, id=one.id, handle={"n": str(one.notification.number)}, now_s=at_s))


class Killed(BaseException):
    """No handler of ours takes it for an error."""


@contextmanager
def dying(db: Database, at: int, die: Callable[[], None]) -> Iterator[list[str]]:
    """`die` is called instead of the statement number `at` (from 1) and instead of the commit that would have been
    number `at`: both count. Gives the statements that were run."""
    run: list[str] = []

    def on_statement(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        _next(statement)

    def on_commit(conn: Any) -> None:
        _next("COMMIT")

    def _next(statement: str) -> None:
        if len(run) + 1 == at:
            die()
        run.append(statement)

    hooks.listen(db.writer, "before_cursor_execute", on_statement)
    hooks.listen(db.writer, "commit", on_commit)
    try:
        yield run
    finally:
        hooks.remove(db.writer, "before_cursor_execute", on_statement)
        hooks.remove(db.writer, "commit", on_commit)


def killed() -> None:
    raise Killed


def dead() -> None:
    os._exit(9)


def in_a_child(address: str, at: int) -> bool:
    """`live` in a process of its own that ends, without a word, at that statement. Whether it did."""
    child = os.fork()
    if child == 0:
        try:
            db = Database.open(address)
            with dying(db, at, dead):
                live(db)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), code
    return code == 9
