"""What people do about acts: approve, reject, pause. Whoever asks: API, commands, signed links.

Each is one transaction's part. Raises LookupError where there is no such act, NotNow where it isn't in a state for it:
of two who approve, one is refused.
"""

import structlog
from sqlalchemy import Connection

from incidents.remedies.lifecycle import NotNow
from incidents.remedies.model import Act
from pipeline.desk.automation import acts, switch
from pipeline.desk.automation.settling import settle

__all__ = ["NotNow"]

log = structlog.get_logger(__name__)


def approve(conn: Connection, act_id: str, by: str, now_s: float, *, source: str = "api", comment: str = "") -> Act:
    """The guards are asked once more before it is done."""
    act = find(conn, act_id)
    if act.state == "suggested" and act.approve_by_s is not None and now_s >= act.approve_by_s:
        raise NotNow("nobody said yes in time")
    saved = settle(conn, act, "approve", now_s, by=by, source=source, approved_by=by, reason=comment, guard="")
    log.info("approved", act=act.id, remedy=act.remedy, target=act.target, by=by)
    return _written(saved, act)


def reject(conn: Connection, act_id: str, by: str, now_s: float, *, source: str = "api", comment: str = "") -> Act:
    """It isn't suggested again for an alert that fires now."""
    act = find(conn, act_id)
    reason = f"by {by}{f': {comment}' if comment else ''}"
    saved = settle(conn, act, "reject", now_s, by=by, source=source, reason=reason, guard="")
    log.info("rejected", act=act.id, remedy=act.remedy, target=act.target, by=by)
    return _written(saved, act)


def pause(conn: Connection, by: str, now_s: float, *, comment: str = "") -> switch.Paused:
    """Nothing is done from here on; what is under way stops before its next call."""
    made = switch.pause(conn, by, comment, now_s)
    log.warning("automation is paused", by=by, comment=comment)
    return made


def resume(conn: Connection, by: str, now_s: float) -> bool:
    """Whether it was paused."""
    gone = switch.resume(conn, by, now_s)
    if gone:
        log.warning("automation is resumed", by=by)
    return gone


def find(conn: Connection, act_id: str) -> Act:
    """By its id, or by the beginning of one that only one act has. Raises LookupError."""
    found = acts.beginning_with(conn, act_id) if _is_hex(act_id) else []
    if len(found) != 1:
        raise LookupError(f"{len(found) or 'no'} acts begin with {act_id[:40]!r}; see `tidegauge automation list`")
    return found[0]


def _is_hex(text: str) -> bool:
    return 0 < len(text) <= 32 and all(char in "0123456789abcdef" for char in text)


def _written(saved: Act | None, act: Act) -> Act:
    if saved is None:
        raise NotNow(f"{act.name} was changed by somebody else at this moment")
    return saved
