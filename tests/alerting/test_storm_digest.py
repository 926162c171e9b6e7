"""Storms are told in few messages, digests at their times, and what is too old pages nobody."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Alert, Group, Notification, Told, What
from alerting.noise import digest, storm
from alerting.noise.flush import flush
from schemas.desk import Storm
from tests.alerting.making import alert, group, member, route


def groups(n: int) -> list[Group]:
    return [group(first_seen_s=float(i), name=f"g{i}") for i in range(n)]


@pytest.mark.parametrize(
    ("due", "told_recently", "alone"), [(0, 0, 0), (4, 0, 4), (5, 0, 4), (100, 0, 4), (3, 3, 1), (3, 4, 0), (3, 9, 0)]
)
def test_the_first_few_speak_for_themselves_and_the_rest_as_one(due: int, told_recently: int, alone: int) -> None:
    waiting = groups(due)
    to_tell, to_bundle = storm.bundle(waiting, told_recently, Storm(groups_max=4))
    assert (to_tell, to_bundle) == (waiting[:alone], waiting[alone:])


@given(st.permutations(groups(7)), st.integers(0, 5))
def test_which_ones_does_not_depend_on_their_order(shuffled: list[Group], told_recently: int) -> None:
    assert storm.bundle(shuffled, told_recently, Storm()) == storm.bundle(groups(7), told_recently, Storm())


def test_switched_off_everybody_speaks() -> None:
    assert storm.bundle(groups(9), 9, Storm(enabled=False)) == (groups(9), [])


def test_a_receivers_storm_is_one_group_and_due_at_once() -> None:
    one, later = storm.storm_group("ops", route(), 100.0), storm.storm_group("ops", route(), 200.0)
    assert (one.kind, one.next_flush_s, one.told_count) == ("storm", 100.0, 0)
    assert one.id == later.id != storm.storm_group("dev", route(), 100.0).id


def test_a_storm_of_ten_thousand_alerts_is_one_message() -> None:
    fresh = storm.storm_group("ops", route(), 100.0)
    pairs = [(member(a), a) for a in (alert(f"{i:04x}") for i in range(10_000))]
    answer = flush(fresh, pairs, route(), {}, frozenset(), 100.0)
    assert answer.notification is not None
    assert len(answer.notification.firing) == 10_000


@given(st.floats(1.0, 1e6), st.floats(0.0, 2e9))
def test_a_digest_is_next_due_at_the_first_multiple_that_is_later(digest_s: float, after_s: float) -> None:
    next_s = digest.next_s(digest_s, after_s)
    assert 0.0 < next_s - after_s <= digest_s * (1 + 1e-9)
    assert abs(next_s / digest_s - round(next_s / digest_s)) < 1e-6


def note(at_s: float, *told: tuple[Alert, What], name: str = "g", id_: str = "") -> Notification:
    return Notification(
        id=id_ or f"{name}-{at_s}",
        number=3,
        group=group(first_seen_s=at_s, name=name),
        reason="new_alerts",
        alerts=[Told(a, what) for a, what in told],
        at_s=at_s,
        repeat_interval_s=60.0,
    )


def test_what_still_fires_is_never_too_old_to_tell_but_what_is_long_over_is() -> None:
    assert not digest.is_stale(alert(starts_at_s=0.0), 1e6, 3600.0)
    assert not digest.is_stale(alert(ends_at_s=1000.0), 4600.0, 3600.0)
    assert digest.is_stale(alert(ends_at_s=1000.0), 4600.1, 3600.0)


def test_a_message_is_too_old_by_the_time_it_was_made() -> None:
    made = note(1000.0, (alert(), "new"))
    assert not digest.is_stale(made, 4600.0, 3600.0)
    assert digest.is_stale(made, 4600.1, 3600.0)


def test_late_messages_become_one_that_says_of_each_alert_what_was_said_last() -> None:
    a, b = alert("a"), alert("b", "critical")
    over = msgspec.structs.replace(a, status="resolved", ends_at_s=5.0)
    late = [note(1.0, (a, "new")), note(2.0, (b, "new"), name="h"), note(3.0, (over, "resolved"))]
    bundled = digest.bundle(late, "ops", 9000.0)
    assert [(t.alert.fingerprint, t.what) for t in bundled.alerts] == [("b", "new"), ("a", "resolved")]
    assert (bundled.group.kind, bundled.group.receiver, bundled.at_s) == ("digest", "ops", 9000.0)
    assert digest.bundle(late[::-1], "ops", 9000.0) == bundled
    assert digest.bundle(late[:2], "ops", 9000.0).id != bundled.id
