"""When everything breaks at once: the first few groups of a receiver speak for themselves, the rest as one."""

from collections.abc import Sequence

from alerting.alert import Group
from alerting.noise.routing import group_id
from schemas.desk import Route, Storm


def bundle(due_first: Sequence[Group], told_recently_n: int, storm: Storm) -> tuple[list[Group], list[Group]]:
    """Which groups of one receiver speak for themselves, and which join its storm.

    due_first: groups that are due, have something to say, and were never told. told_recently_n: groups of this
    receiver that were first told within `window_s`. The oldest speak; the answer doesn't depend on the order given.
    """
    ordered = sorted(due_first, key=lambda group: (group.first_seen_s, group.id))
    if not storm.enabled:
        return ordered, []
    room = max(0, storm.groups_max - told_recently_n)
    return ordered[:room], ordered[room:]


def storm_group(receiver: str, route: Route, now_s: float) -> Group:
    """The group that the rest joins, one a receiver; due at once. route: of any of those that join."""
    return Group(
        id=group_id("storm", receiver, "", {}),
        kind="storm",
        key=f"storm:{receiver}",
        receiver=receiver,
        route=route.path,
        labels={},
        first_seen_s=now_s,
        next_flush_s=now_s,
    )
