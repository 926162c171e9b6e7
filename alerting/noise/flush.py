"""One look at one group: what its receiver is told now, what is kept of it, and why. Told the time, does nothing.

The shell calls it when `Group.next_flush_s` has come, and stores all of the answer in one transaction. Repeats come as
Alertmanager's do: at a look of the group, so at the first full `group_interval` after `repeat_interval`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

import msgspec

from alerting.alert import Alert, Decision, Group, Member, Muted, Notification, Reason, Told, What
from alerting.noise import digest
from alerting.noise.telling import VERDICTS, Hold, Verdict, hold_of, in_order, now_of, seen_of
from schemas.desk import Route

Change = Literal["new", "raised", "lowered", "resolved", "departed", "muted", "unmuted"]
_SLACK_S = 0.001  # sums of intervals in floating point fall short by less

# The first of these that holds is the message's reason.
_REASONS: tuple[tuple[What, Reason], ...] = (
    ("new", "new_alerts"),
    ("raised", "level_raised"),
    ("flapping", "flapping_started"),
    ("lowered", "level_lowered"),
)


@dataclass(frozen=True)
class Flush:
    """The whole answer. group None: it ended, `members` is empty then. Members that aren't in `members` left it."""

    notification: Notification | None
    group: Group | None
    members: list[Member]
    decisions: list[Decision]


@dataclass(frozen=True)
class _Look:
    """A member, its alert, and what the table says."""

    member: Member
    alert: Alert
    muted: Muted | None
    hold: Hold
    verdict: Verdict


def first_flush_s(route: Route, first_seen_s: float) -> float:
    """When a new group is looked at first. From when the desk saw it, however long ago its alerts started."""
    if route.digest_s is not None:
        return digest.next_s(route.digest_s, first_seen_s)
    return first_seen_s + route.group_wait_s


def next_flush_on_change(group: Group, what: Change, now_s: float, group_wait_s: float = 0.0) -> float:
    """The new `next_flush_s` when one of the group's alerts has changed (in a group that exists already).

    Raised: at once, but no group speaks before its `group_wait`, so that an inhibitor may come, and a digest never
    before its time. Everything else waits for the next look.
    """
    if what != "raised" or group.kind == "digest":
        return group.next_flush_s
    return min(group.next_flush_s, max(now_s, group.first_seen_s + group_wait_s))


def flush(
    group: Group,
    members: Sequence[tuple[Member, Alert]],
    route: Route,
    mutes: Mapping[str, Muted],
    acknowledged: AbstractSet[str],
    now_s: float,
) -> Flush:
    """What to tell of the group now.

    members: each with its alert as it stands now; of a newer episode than the member's, where it has started again.
    mutes: by fingerprint, for resolved alerts too (a flapping alert's end waits). acknowledged: episodes.
    """
    looks = [_look(member, alert, mutes.get(alert.fingerprint)) for member, alert in members]
    listed = [(look, _told(look, look.verdict.what)) for look in looks if look.verdict.what is not None]
    alerts = in_order([told for _, told in listed])
    reason = _reason(group, [look for look in looks if look.verdict.is_news])
    if reason is None and _repeats(group, route, alerts, acknowledged, now_s):
        reason = "repeat_interval"
    if reason == "some_resolved" and all(told.what in ("resolved", "departed") for told in alerts):
        reason = "all_resolved"

    notification, next_group = None, _next(group, route, now_s)
    if reason is not None:
        next_group = msgspec.structs.replace(next_group, last_told_s=now_s, told_count=group.told_count + 1)
        notification = Notification(
            id=notification_id(next_group),
            number=next_group.told_count,
            group=next_group,
            reason=reason,
            alerts=alerts,
            at_s=now_s,
            repeat_interval_s=route.repeat_interval_s,
            muted=sum(look.alert.is_firing and look.hold is Hold.HELD for look in looks),
        )
    decisions = [d for look in looks for d in _explain(look, group, notification, acknowledged, now_s)]
    kept = [_kept(look, notification, acknowledged, now_s) for look in looks if look.verdict.stays]
    if not kept:
        decisions.append(_decision(group, now_s, "ended", "the group ended: none of its alerts is left"))
    return Flush(notification, next_group if kept else None, kept, decisions)


def notification_id(group: Group) -> str:
    """32 hex of the group, its life (it may end and come again) and the message's number in it."""
    written = f"{group.id} {group.first_seen_s!r} {group.told_count}"
    return hashlib.blake2b(written.encode(), digest_size=16).hexdigest()


def _look(member: Member, alert: Alert, muted: Muted | None) -> _Look:
    hold = hold_of(member, muted)
    return _Look(member, alert, muted, hold, VERDICTS[seen_of(member, alert), now_of(member, alert), hold])


def _told(look: _Look, what: What) -> Told:
    member, alert = look.member, look.alert
    if what == "resolved" and alert.is_firing:
        # It started again, unseen; the receiver's own episode is over at the latest since then.
        alert = msgspec.structs.replace(
            alert, status="resolved", episode=member.episode, ends_at_s=alert.starts_at_s,
            starts_at_s=min(alert.starts_at_s, member.joined_s),
        )  # fmt: skip
    return Told(alert, what, member.told_level if member.told_level != alert.level else None)


def _reason(group: Group, news: Sequence[_Look]) -> Reason | None:
    if not news:
        return None
    if group.told_count == 0:
        return "first_notification"
    said = {look.verdict.what for look in news}
    if said == {"new"} and all(look.hold is Hold.SETTLED for look in news):
        return "flapping_stopped"
    return next((reason for what, reason in _REASONS if what in said), "some_resolved")


def _repeats(group: Group, route: Route, alerts: Sequence[Told], acknowledged: AbstractSet[str], now_s: float) -> bool:
    if group.last_told_s is None or now_s - group.last_told_s < route.repeat_interval_s - _SLACK_S:
        return False
    return any(told.alert.episode not in acknowledged for told in alerts)


def _next(group: Group, route: Route, now_s: float) -> Group:
    at_s = now_s + route.group_interval_s if route.digest_s is None else digest.next_s(route.digest_s, now_s)
    return msgspec.structs.replace(group, next_flush_s=at_s)


def _kept(look: _Look, notification: Notification | None, acknowledged: AbstractSet[str], now_s: float) -> Member:
    """The member after this look. Where its earlier episode's end was told, it starts afresh."""
    member, alert, what = look.member, look.alert, look.verdict.what
    muted = _held_by(look, acknowledged)
    fields: dict[str, object] = {"episode": alert.episode, "muted": str(muted) if muted else None}
    if what == "resolved":
        fields |= {"told_status": None, "told_level": None, "told_s": None}
    elif notification is not None and what is not None:
        fields |= {"told_status": "firing", "told_level": alert.level, "told_s": now_s}
    elif notification is not None:
        fields |= {"told_s": None}
    return msgspec.structs.replace(member, **fields)


def _held_by(look: _Look, acknowledged: AbstractSet[str]) -> Muted | None:
    if look.muted is None and look.alert.episode in acknowledged and look.alert.is_firing:
        return Muted("acknowledged", look.alert.episode, "told when it changes, not again and again")
    return look.muted


def _explain(
    look: _Look, group: Group, notification: Notification | None, acknowledged: AbstractSet[str], now_s: float
) -> list[Decision]:
    member, verdict, found = look.member, look.verdict, []
    muted = _held_by(look, acknowledged)
    if muted is not None and str(muted) != member.muted and verdict.stays:
        found.append(_decision(group, now_s, "muted", str(muted), look, muted))
    if muted is None and member.muted is not None and verdict.stays:
        found.append(_decision(group, now_s, "unmuted", f"no longer held back by {member.muted}", look))
    if verdict.is_dropped:
        text = "ended before anybody was told" if not look.alert.is_firing else "left before anybody was told"
        text = f"{text}; held back by {look.muted}" if look.muted else text
        found.append(_decision(group, now_s, "dropped", text, look, look.muted))
    if verdict.is_news and notification is not None:
        text = f"{verdict.what}, in message {notification.number} ({notification.reason})"
        found.append(_decision(group, now_s, "told", text, look))
    return found


def _decision(
    group: Group, now_s: float, what: str, text: str, look: _Look | None = None, muted: Muted | None = None
) -> Decision:
    return Decision(
        at_s=now_s,
        what=what,
        text=text,
        episode=look.alert.episode if look else None,
        fingerprint=look.alert.fingerprint if look else None,
        group=group.id,
        receiver=group.receiver,
        by=muted.by if muted else None,
        ref=muted.ref if muted else None,
    )
