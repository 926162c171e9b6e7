"""What the desk does because time passes. Told the time; the desk process calls it."""

from collections.abc import Iterator

import structlog
from sqlalchemy import Connection

from alerting.alert import Alert
from alerting.noise import silences as rules
from alerting.noise.silences import Reminder
from pipeline.desk import alerts, flaps, intake, keep, rounds, silences
from pipeline.desk.automation import seeking
from pipeline.desk.database import Database, passes
from pipeline.desk.external import External
from pipeline.desk.incidents import look
from schemas.desk import Desk

logger = structlog.get_logger(__name__)
REMINDER = "TidegaugeSilenceEnds"


def step(db: Database, desk: Desk, now_s: float) -> int:
    """For every second: groups and incidents whose time has come. Returns how many were looked at."""
    looked = _look_at_groups(db, desk, now_s)
    seeking.seek(db, desk, now_s)
    return looked + look.step(db, desk, now_s)


def _look_at_groups(db: Database, desk: Desk, now_s: float) -> int:
    due_s = db.read(rounds.next_s)
    if due_s is None or due_s > now_s:
        return 0
    while db.write(lambda conn: intake.expire_external(conn, desk, now_s)):
        pass
    db.write(lambda conn: flaps.settle(conn, desk.flapping, now_s))
    looked = 0
    while count := _flush(db, desk, now_s):
        looked += count
    return looked


def _flush(db: Database, desk: Desk, now_s: float) -> int:
    try:
        return rounds.flush_due(db, desk, now_s)
    except Exception as error:
        if passes(error):
            raise
        logger.exception("groups can't be looked at together: one by one")
        return rounds.flush_each(db, desk, now_s)


def tend(db: Database, desk: Desk, now_s: float) -> None:
    """For every minute, and before anything is sent after a start: what is too old to page, reminders, retention."""
    stale = db.write(lambda conn: rounds.bundle_stale(conn, desk, now_s))
    if stale:
        logger.warning("messages are too old to page and go into a digest", messages=stale)
    db.write(lambda conn: remind(conn, desk, now_s))
    gone = keep.forget(db, desk.server.keep_days, now_s)
    if gone:
        logger.info("deleted what is older than desk.keep_days", rows=gone, keep_days=desk.server.keep_days)


def follow_config(db: Database, desk: Desk, now_s: float) -> None:
    """For every start: alerts that fire belong where the routes of this config lead."""
    moved = db.write(lambda conn: intake.reroute(conn, desk, now_s))
    logger.info("alerts that fire", alerts=moved)


def remind(conn: Connection, desk: Desk, now_s: float) -> int:
    """An alert about each silence that ends soon and still hides something, once. Returns how many."""
    ending = rules.reminders(silences.not_reminded(conn, now_s), now_s, _firing(conn))
    if ending:
        intake.take_external(conn, [_about(reminder, now_s) for reminder in ending], desk, now_s)
        silences.reminded(conn, [reminder.silence.id for reminder in ending], now_s)
    return len(ending)


def _firing(conn: Connection) -> Iterator[Alert]:
    """Read only where somebody asks."""
    yield from alerts.firing(conn)


def _about(reminder: Reminder, now_s: float) -> External:
    silence, hidden = reminder.silence, reminder.hidden
    minutes = max(1, round((silence.ends_at_s - now_s) / 60))
    return External(
        labels={"alertname": REMINDER, "silence": silence.id, "severity": "info"},
        annotations={
            "summary": f"a silence of {silence.created_by} ends in {minutes} min and still hides {len(hidden)} alerts",
            "description": f"{silence.matchers}: {silence.comment}",
        },
        starts_at_s=now_s,
        ends_at_s=silence.ends_at_s,
        origin="self",
    )
