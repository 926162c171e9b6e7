"""A notification as the database has it, and what becomes of one that a later one of its group takes the place of."""

import zlib
from collections.abc import Mapping

import msgspec

from alerting.alert import Notification, Told, What
from pipeline.desk.alerts import Points
from schemas.levels import LEVELS, LevelName

_COMPRESS_FROM_BYTES = 4096  # below it there is little to gain
_encode = msgspec.json.Encoder().encode
_notification = msgspec.json.Decoder(Notification)

_UNSAID: dict[tuple[What, What], What] = {
    # (said earlier but not sent, said now): what to say
    ("new", "same"): "new",
    ("new", "raised"): "new",
    ("new", "lowered"): "new",
    ("raised", "same"): "raised",
    ("lowered", "same"): "lowered",
}
_CHANGES = ("raised", "lowered")
_ENDS = ("resolved", "departed")
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


def packed(notification: Notification) -> bytes:
    """JSON, compressed where it is large: a storm's has 10,000 alerts."""
    body = _encode(notification)
    return body if len(body) < _COMPRESS_FROM_BYTES else zlib.compress(body, 1)


def unpacked(body: bytes) -> Notification:
    return _notification.decode(body if body[:1] == b"{" else zlib.decompress(body))


def merged(unsent: Notification, later: Notification) -> Notification:
    """`later`, saying also what `unsent` would have said: what it called new is still new, and ends that only it knew.

    An alert that has ended in both is told once, as `later` has it. Where one of them is about an acknowledgement, the
    earlier needn't be said: who has taken an incident isn't to be paged for it, and a new page says all.
    """
    if "tell" not in (unsent.says, later.says) or unsent.says != later.says:
        return later
    before = {told.alert.fingerprint: told for told in unsent.alerts}
    alerts = [_with_unsaid(told, before.get(told.alert.fingerprint)) for told in later.alerts]
    listed = {told.alert.fingerprint for told in later.alerts}
    alerts += [told for told in unsent.resolved if told.alert.fingerprint not in listed]
    reason = later.reason
    if unsent.reason == "first_notification" and later.firing:
        reason = "first_notification"
    elif later.reason == "repeat_interval":
        reason = unsent.reason
    return msgspec.structs.replace(later, alerts=alerts, reason=reason)


def without_ends(notification: Notification) -> Notification:
    """For an integration that is not told of ends. May be left without any alert."""
    return msgspec.structs.replace(notification, alerts=notification.firing)


def with_points(notification: Notification, points: Mapping[str, Points]) -> Notification:
    """The alerts have the last points that are given, by fingerprint, and no others."""

    def dressed(told: Told) -> Told:
        t, v = points.get(told.alert.fingerprint, ([], []))
        return msgspec.structs.replace(told, alert=msgspec.structs.replace(told.alert, evidence_t=t, evidence_v=v))

    return msgspec.structs.replace(notification, alerts=[dressed(told) for told in notification.alerts])


def _with_unsaid(told: Told, before: Told | None) -> Told:
    """The level that it had before is the one that the receiver knows, not one that was never sent."""
    if before is None:
        return told
    known = _known_level(before, told)
    previous = None if known == told.alert.level else known
    what = _UNSAID.get((before.what, told.what), told.what)
    if what in _CHANGES and known is not None:
        step = _RANK[told.alert.level] - _RANK[known]
        what = "raised" if step > 0 else "lowered" if step < 0 else "same"
    return msgspec.structs.replace(told, what=what, previous_level=previous)


def _known_level(before: Told, told: Told) -> LevelName | None:
    """What the receiver showed the alert at before both, None: no other level than it has now, or nothing."""
    if told.what == "new" and before.what in _ENDS:  # its own end is said no more, so this start must close it
        return before.previous_level or before.alert.level
    return before.previous_level or told.previous_level
