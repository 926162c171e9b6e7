"""What may wait: the times at which a digest speaks, and messages that are too old to wake anybody."""

import hashlib
import math
from collections.abc import Sequence

import msgspec

from alerting.alert import Alert, Group, Notification, Told
from alerting.noise.routing import group_id
from alerting.noise.telling import in_order


def next_s(digest_s: float, after_s: float) -> float:
    """The next full multiple of `digest_s` since 1970 (UTC), later than `after_s`.

    >>> next_s(3600, after_s=7200.0), next_s(3600, after_s=7199.0)
    (10800.0, 7200.0)
    """
    return (math.floor(after_s / digest_s) + 1) * float(digest_s)


def is_stale(seen: Alert | Notification, now_s: float, max_page_age_s: float) -> bool:
    """Whether it is too old to page anybody when it could first be sent.

    An alert: over for longer than that (event time). What still fires is never too old: somebody has to know. Ask at
    first sight only; the end of an alert that was told is told however old it is.
    A notification: made longer ago than that (the desk or the receiver was down): it goes into a digest.
    """
    if isinstance(seen, Notification):
        return now_s - seen.at_s > max_page_age_s
    return seen.ends_at_s is not None and not seen.is_firing and now_s - seen.ends_at_s > max_page_age_s


def bundle(stale: Sequence[Notification], receiver: str, now_s: float) -> Notification:
    """One message instead of several that are too old to page; of each alert what was said last. At least one.

    The same messages give the same id, in any order.
    """
    ordered = sorted(stale, key=lambda note: (note.at_s, note.id))
    newest: dict[str, Told] = {told.alert.fingerprint: told for note in ordered for told in note.alerts}
    group = Group(
        id=group_id("digest", receiver, "late", {}),
        kind="digest",
        key=f"late:{receiver}",
        receiver=receiver,
        route=ordered[-1].group.route,
        labels={},
        first_seen_s=ordered[0].group.first_seen_s,
        next_flush_s=now_s,
    )
    ids = "".join(sorted(note.id for note in ordered))
    return msgspec.structs.replace(
        ordered[-1],
        id=hashlib.blake2b(ids.encode(), digest_size=16).hexdigest(),
        number=1,
        group=group,
        alerts=in_order(list(newest.values())),
        at_s=now_s,
        muted=0,
    )
