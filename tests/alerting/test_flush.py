"""What a group's receiver is told at one look, and why: news, silence, ends, repeats, flapping, digests."""

from typing import get_args

import msgspec
import pytest

from alerting.alert import Alert, Member, Muted, Reason, What
from alerting.noise.flush import Change, Flush, first_flush_s, flush, next_flush_on_change, notification_id
from schemas.desk import Route
from schemas.levels import LevelName
from tests.alerting.making import alert, group, member, route

SILENCE = Muted("silence", "s1", "silenced by ann")
FLAPS = Muted("flapping", "a", "flaps")
ROUTE = route(group_wait_s=30.0, group_interval_s=300.0, repeat_interval_s=3600.0)


def look(
    *members: tuple[Member, Alert],
    told_count: int = 1,
    mutes: dict[str, Muted] | None = None,
    acknowledged: frozenset[str] = frozenset(),
    now_s: float = 100.0,
    last_told_s: float | None = 50.0,
) -> Flush:
    last_told_s = last_told_s if told_count else None
    return flush(group(0.0, told_count, last_told_s), members, ROUTE, mutes or {}, acknowledged, now_s)


def said(answer: Flush) -> list[tuple[str, str]]:
    return [(t.alert.fingerprint, t.what) for t in answer.notification.alerts] if answer.notification else []


def reason(answer: Flush) -> Reason | None:
    return answer.notification.reason if answer.notification else None


def test_the_first_message_says_so() -> None:
    answer = look((member(alert()), alert()), told_count=0)
    assert (reason(answer), said(answer)) == ("first_notification", [("a", "new")])
    assert answer.group is not None
    assert (answer.group.told_count, answer.group.last_told_s, answer.group.next_flush_s) == (1, 100.0, 400.0)
    assert answer.members == [member(alert(), "warning", told_s=100.0)]
    assert [d.what for d in answer.decisions] == ["told"]


@pytest.mark.parametrize(
    ("members", "mutes", "expected"),
    [
        ([("a", "warning", "warning"), ("b", None, "info")], {}, "new_alerts"),
        ([("a", "warning", "critical"), ("b", "warning", "info")], {}, "level_raised"),
        ([("a", "warning", "info"), ("b", "warning", None)], {}, "level_lowered"),
        ([("a", "warning", "warning"), ("b", "warning", None)], {}, "some_resolved"),
        ([("a", "warning", None), ("b", "warning", None)], {}, "all_resolved"),
        ([("a", "warning", None), ("b", "warning", "warning")], {"b": SILENCE}, "all_resolved"),
        ([("a", "warning", "warning"), ("b", "warning", None)], {"a": FLAPS}, "flapping_started"),
        ([("a", "warning", "warning")], {}, None),
    ],
)
def test_the_reason_is_the_most_important_news(
    members: list[tuple[str, LevelName | None, LevelName | None]], mutes: dict[str, Muted], expected: Reason | None
) -> None:
    pairs = []
    for name, told, now in members:
        current = alert(name, now or "warning", ends_at_s=None if now else 90.0)
        pairs.append((member(current, told), current))
    assert reason(look(*pairs, mutes=mutes)) == expected


def test_an_alert_that_ended_unseen_is_dropped_with_a_reason() -> None:
    ended = alert(ends_at_s=20.0)
    answer = look((member(ended), ended), told_count=0, mutes={"a": SILENCE})
    assert answer.notification is None
    assert answer.group is None
    assert [(d.what, d.by, d.ref) for d in answer.decisions] == [("dropped", "silence", "s1"), ("ended", None, None)]


def test_a_silenced_alerts_end_closes_the_ticket() -> None:
    """Alertmanager leaves it open for ever (issue 226)."""
    silenced = look((member(alert(), "warning"), alert()), mutes={"a": SILENCE})
    assert silenced.notification is None
    assert [(d.what, d.by) for d in silenced.decisions] == [("muted", "silence")]
    ended = alert(ends_at_s=200.0)
    answer = look((silenced.members[0], ended), mutes={"a": SILENCE}, now_s=400.0)
    assert (reason(answer), said(answer), answer.group) == ("all_resolved", [("a", "resolved")], None)


def test_an_old_alert_waits_for_its_inhibitor() -> None:
    """Alertmanager tells it at once (issue 2229): people's timers start when the desk saw it."""
    old = alert(starts_at_s=-3600.0, first_seen_s=1000.0)
    assert first_flush_s(ROUTE, old.first_seen_s) == 1030.0


def test_a_mute_is_logged_once_and_its_end_too() -> None:
    first = look((member(alert()), alert()), mutes={"a": SILENCE})
    second = look((first.members[0], alert()), mutes={"a": SILENCE})
    third = look((second.members[0], alert()))
    assert [[d.what for d in answer.decisions] for answer in (first, second, third)] == [
        ["muted"],
        [],
        ["unmuted", "told"],
    ]


def test_what_a_message_left_out_is_new_when_it_is_heard_again() -> None:
    """The message is updated in place, or the ticket closed, without it."""
    a, b = alert("a"), alert("b", ends_at_s=90.0)
    answer = look((member(a, "warning"), a), (member(b, "warning"), b), mutes={"a": SILENCE})
    assert said(answer) == [("b", "resolved")]
    again = look((answer.members[0], a), now_s=400.0)
    assert said(again) == [("a", "new")]
    ended = alert("a", ends_at_s=300.0)
    assert said(look((answer.members[0], ended), now_s=400.0)) == [("a", "resolved")]


def test_what_is_heard_again_without_a_message_in_between_is_no_news() -> None:
    held = look((member(alert(), "warning"), alert()), mutes={"a": SILENCE})
    assert look((held.members[0], alert()), now_s=400.0).notification is None


def test_a_new_episode_is_new_and_a_held_back_one_still_ends_the_earlier() -> None:
    newer = alert(episode="a-2", starts_at_s=80.0)
    assert said(look((member(alert(), "warning"), newer))) == [("a", "new")]
    answer = look((member(alert(), "warning"), newer), mutes={"a": SILENCE})
    assert said(answer) == [("a", "resolved")]
    assert answer.notification is not None
    told = answer.notification.alerts[0].alert
    assert (told.status, told.episode, told.ends_at_s) == ("resolved", "a-1", 80.0)
    assert answer.members == [msgspec.structs.replace(member(newer), muted=str(SILENCE))]


@pytest.mark.parametrize(("what", "told", "now"), [("raised", "warning", "critical"), ("lowered", "critical", "info")])
def test_a_change_of_level_says_what_it_was(what: What, told: LevelName, now: LevelName) -> None:
    current = alert(level=now)
    answer = look((member(current, told), current))
    assert answer.notification is not None
    assert [(t.what, t.previous_level) for t in answer.notification.alerts] == [(what, told)]
    assert answer.members[0].told_level == now


def test_what_departs_says_at_what_level_it_was_known() -> None:
    current = alert(level="critical")
    departed = msgspec.structs.replace(member(current, "warning"), departed=True)
    answer = look((departed, current))
    assert answer.notification is not None
    assert [(t.what, t.previous_level) for t in answer.notification.alerts] == [("departed", "warning")]
    assert answer.group is None


def test_a_message_counts_what_it_holds_back() -> None:
    a, b, c = alert("a"), alert("b"), alert("c", ends_at_s=9.0)
    answer = look((member(a), a), (member(b), b), (member(c), c), mutes={"b": SILENCE, "c": SILENCE})
    assert answer.notification is not None
    assert answer.notification.muted == 1


@pytest.mark.parametrize(
    ("now_s", "expected"), [(3649.0, None), (3650.0, "repeat_interval"), (3649.9999, "repeat_interval")]
)
def test_it_repeats_when_repeat_interval_has_passed_since_the_last_message(
    now_s: float, expected: Reason | None
) -> None:
    assert reason(look((member(alert(), "warning"), alert()), now_s=now_s)) == expected


def test_what_is_acknowledged_is_not_repeated_but_its_changes_are_told() -> None:
    known = member(alert(), "warning")
    acknowledged = frozenset({"a-1"})
    quiet = look((known, alert()), now_s=9000.0, acknowledged=acknowledged)
    assert quiet.notification is None
    assert [(d.what, d.by) for d in quiet.decisions] == [("muted", "acknowledged")]
    raised = alert(level="critical")
    assert reason(look((known, raised), now_s=9000.0, acknowledged=acknowledged)) == "level_raised"
    expired = look((quiet.members[0], alert()), now_s=9300.0)
    assert reason(expired) == "repeat_interval"
    two = (known, alert()), (member(alert("b"), "warning"), alert("b"))
    one_of_two = look(*two, now_s=9000.0, acknowledged=acknowledged)
    assert said(one_of_two) == [("a", "same"), ("b", "same")]


def test_a_flapping_alert_gives_one_notice_then_silence_then_one_end() -> None:
    answers = []
    current = member(alert(), "warning")
    for number, (is_firing, muted) in enumerate(
        [(True, FLAPS), (False, FLAPS), (True, FLAPS), (False, FLAPS), (False, None)]
    ):
        now = alert(episode=f"a-{number}", ends_at_s=None if is_firing else 10.0)
        answer = look((current, now), mutes={"a": muted} if muted else {})
        answers.append((reason(answer), said(answer)))
        current = answer.members[0] if answer.members else current
    assert answers == [
        ("flapping_started", [("a", "flapping")]),
        (None, []),
        (None, []),
        (None, []),
        ("all_resolved", [("a", "resolved")]),
    ]


def test_an_alert_that_settles_firing_says_so_once() -> None:
    noticed = look((member(alert(), "warning"), alert()), mutes={"a": FLAPS})
    settled = look((noticed.members[0], alert()))
    assert (reason(settled), said(settled)) == ("flapping_stopped", [("a", "new")])
    assert look((settled.members[0], alert())).notification is None


def test_only_raising_hurries_and_never_before_group_wait_nor_in_a_digest() -> None:
    told = group(first_seen_s=0.0, told_count=1, last_told_s=30.0)
    waiting = msgspec.structs.replace(told, next_flush_s=330.0)
    for what in get_args(Change):
        assert next_flush_on_change(waiting, what, 100.0, 30.0) == (100.0 if what == "raised" else 330.0)
    assert next_flush_on_change(group(), "raised", 10.0, 30.0) == 30.0
    assert next_flush_on_change(waiting, "raised", 400.0, 30.0) == 330.0, "overdue stays overdue"
    digest = msgspec.structs.replace(waiting, kind="digest")
    assert next_flush_on_change(digest, "raised", 100.0, 30.0) == 330.0


def test_a_digest_speaks_only_at_full_multiples() -> None:
    hourly = route(digest_s=3600.0)
    assert first_flush_s(hourly, 3601.0) == 7200.0
    answer = flush(group(), [(member(alert()), alert())], hourly, {}, frozenset(), 7200.0)
    assert answer.group is not None
    assert answer.group.next_flush_s == 10800.0


def test_ten_thousand_members_are_one_quick_look() -> None:
    """About 90 ms on one core of the machine this was written on."""
    pairs = [(member(a), a) for a in (alert(f"{i:04x}") for i in range(10_000))]
    answer = look(*pairs, told_count=0)
    assert len(said(answer)) == len(answer.decisions) == 10_000


def test_a_groups_next_life_has_other_message_ids() -> None:
    ids = {notification_id(group(first_seen_s, told_count)) for first_seen_s in (1.0, 2.0) for told_count in (1, 2)}
    assert len(ids) == 4


def test_a_route_is_all_a_flush_reads_of_the_config() -> None:
    slow: Route = route(group_interval_s=7.0, repeat_interval_s=9.0)
    answer = flush(group(), [(member(alert()), alert())], slow, {}, frozenset(), 100.0)
    assert answer.group is not None
    assert answer.notification is not None
    assert (answer.group.next_flush_s, answer.notification.repeat_interval_s) == (107.0, 9.0)
