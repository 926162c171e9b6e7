"""What a receiver is told of one alert: a table over what it was told last, how the alert stands, and what holds it.

Walked by `alerting/noise/flush.py`. Told earlier, LEFT_OUT: it was held back and a newer message went out without it,
so the receiver doesn't show it any more, but its end is still owed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from alerting.alert import Alert, Member, Muted, Told, What
from schemas.levels import LEVELS

_RANK = {level: rank for rank, level in enumerate(LEVELS)}


class Seen(Enum):
    """What the receiver was last told of the member."""

    NOTHING = "nothing"
    LOWER = "firing, at a lower level than now"
    SAME = "firing, at the level of now"
    HIGHER = "firing, at a higher level than now"
    LEFT_OUT = "firing, but the newest message left it out"
    EARLIER = "an earlier episode of the same alert, whose end it wasn't told"
    END = "its end"


class Now(Enum):
    """How the alert stands."""

    FIRING = "firing"
    RESOLVED = "resolved"
    DEPARTED = "departed"


class Hold(Enum):
    """What holds it back. FLAPS: the notice of it is still due; FLAPPING: was given."""

    FREE = "free"
    HELD = "held back"
    FLAPS = "starts to flap"
    FLAPPING = "flaps"
    SETTLED = "flaps no longer"


@dataclass(frozen=True)
class Verdict:
    """what: how it stands in the message, None: not in it. is_news: reason enough for a message.

    stays: the group keeps it. is_dropped: it goes without ever having been told.
    """

    what: What | None
    is_news: bool = False
    stays: bool = True
    is_dropped: bool = False


_NEW = Verdict("new", is_news=True)
_SILENT = Verdict(None)
_END = Verdict("resolved", is_news=True, stays=False)
_DEPARTED = Verdict("departed", is_news=True, stays=False)
_DROPPED = Verdict(None, stays=False, is_dropped=True)
_GONE = Verdict(None, stays=False)
_FLAPS = Verdict("flapping", is_news=True)
_FLAPPING = Verdict("flapping")
_END_OF_EARLIER = Verdict("resolved", is_news=True)

_KNOWN = (Seen.LOWER, Seen.SAME, Seen.HIGHER, Seen.LEFT_OUT, Seen.EARLIER)

VERDICTS: dict[tuple[Seen, Now, Hold], Verdict] = {
    # Fires and nothing holds it: what is new about it.
    (Seen.NOTHING, Now.FIRING, Hold.FREE): _NEW,
    (Seen.LOWER, Now.FIRING, Hold.FREE): Verdict("raised", is_news=True),
    (Seen.SAME, Now.FIRING, Hold.FREE): Verdict("same"),
    (Seen.HIGHER, Now.FIRING, Hold.FREE): Verdict("lowered", is_news=True),
    (Seen.LEFT_OUT, Now.FIRING, Hold.FREE): _NEW,
    (Seen.EARLIER, Now.FIRING, Hold.FREE): _NEW,
    (Seen.END, Now.FIRING, Hold.FREE): _NEW,
    # Flapped until now, and fires: said once.
    **{(seen, Now.FIRING, Hold.SETTLED): _NEW for seen in Seen},
    # Fires and is held back: silence. But the ticket of an earlier episode is closed.
    **{(seen, Now.FIRING, Hold.HELD): _SILENT for seen in Seen},
    (Seen.EARLIER, Now.FIRING, Hold.HELD): _END_OF_EARLIER,
    # Flaps: one notice, then it stands in the group's messages as flapping.
    **{(seen, Now.FIRING, Hold.FLAPS): _FLAPS for seen in Seen},
    **{(seen, Now.FIRING, Hold.FLAPPING): _FLAPPING for seen in Seen},
    (Seen.NOTHING, Now.FIRING, Hold.FLAPPING): _FLAPS,
    (Seen.END, Now.FIRING, Hold.FLAPPING): _FLAPS,
    # Its end reaches whoever saw it firing, held back or not. Only after the notice that it flaps the end waits until
    # it has settled: each of its many ends would be followed by its next start.
    **{(seen, Now.RESOLVED, hold): _END for seen in _KNOWN for hold in Hold},
    **{(seen, Now.RESOLVED, Hold.FLAPPING): _SILENT for seen in _KNOWN},
    **{(seen, Now.DEPARTED, hold): _DEPARTED for seen in _KNOWN for hold in Hold},
    # Nobody saw it firing.
    **{(Seen.NOTHING, now, hold): _DROPPED for now in (Now.RESOLVED, Now.DEPARTED) for hold in Hold},
    **{(Seen.END, now, hold): _GONE for now in (Now.RESOLVED, Now.DEPARTED) for hold in Hold},
}


def seen_of(member: Member, alert: Alert) -> Seen:
    if member.told_status is None:
        return Seen.NOTHING
    if member.told_status == "resolved":
        return Seen.END
    if member.episode != alert.episode:
        return Seen.EARLIER
    if member.told_s is None:
        return Seen.LEFT_OUT
    change = _RANK[alert.level] - _RANK[member.told_level or alert.level]
    return Seen.LOWER if change > 0 else Seen.HIGHER if change < 0 else Seen.SAME


def now_of(member: Member, alert: Alert) -> Now:
    # An end is an end also where the alert would be told elsewhere by now.
    if not alert.is_firing:
        return Now.RESOLVED
    return Now.DEPARTED if member.departed else Now.FIRING


def hold_of(member: Member, muted: Muted | None) -> Hold:
    flapped = member.muted is not None and member.muted.startswith("flapping ")
    if muted is None:
        return Hold.SETTLED if flapped else Hold.FREE
    if muted.by != "flapping":
        return Hold.HELD
    return Hold.FLAPPING if flapped else Hold.FLAPS


def in_order(alerts: Sequence[Told]) -> list[Told]:
    """Firing first, then by level, the highest first, then the oldest first."""
    return sorted(
        alerts,
        key=lambda told: (
            told.what in ("resolved", "departed"),
            -_RANK[told.alert.level],
            told.alert.starts_at_s,
            told.alert.fingerprint,
        ),
    )
