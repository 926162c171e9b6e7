"""Silences begin, hide and end as Alertmanager's do."""

from dataclasses import replace

import pytest

from alerting.noise.silences import Silence, can_become, check, expire, preview, reminders
from schemas.matchers import Matchers
from tests.alerting.making import alert

NIGHT = Silence("s", Matchers.parse("team=db"), 1000.0, 9000.0, "ann", "moving racks", 900.0)


@pytest.mark.parametrize(
    ("now_s", "state"),
    [(0.0, "pending"), (999.9, "pending"), (1000.0, "active"), (8999.9, "active"), (9000.0, "expired")],
)
def test_it_is_active_from_its_start_until_before_its_end(now_s: float, state: str) -> None:
    assert NIGHT.state(now_s) == state


def test_one_that_alertmanager_would_take_is_taken() -> None:
    check(NIGHT, 950.0)
    check(replace(NIGHT, matchers=Matchers.parse('team=db,env!="dev"')), 950.0)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (replace(NIGHT, matchers=Matchers()), "at least one matcher"),
        (replace(NIGHT, matchers=Matchers.parse('team=~".*"')), "must not match the empty text"),
        (replace(NIGHT, matchers=Matchers.parse('team!="x",env=""')), "must not match the empty text"),
        (replace(NIGHT, ends_at_s=1000.0), "end after it starts"),
        (replace(NIGHT, starts_at_s=100.0, ends_at_s=900.0), "over already"),
        (replace(NIGHT, comment="  "), "needs a comment"),
    ],
)
def test_one_that_hides_all_or_nothing_or_says_no_reason_is_refused(broken: Silence, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(broken, 950.0)


# Whether the new one may keep the id, by the state of the old one: pending at 500, active at 5000, expired at 9500.
@pytest.mark.parametrize(
    ("new", "pending", "active", "expired"),
    [
        (replace(NIGHT, comment="longer"), True, True, False),
        (replace(NIGHT, ends_at_s=20_000.0), True, True, False),
        (replace(NIGHT, starts_at_s=1500.0), True, False, False),
        (replace(NIGHT, starts_at_s=400.0), False, False, False),
        (replace(NIGHT, ends_at_s=4000.0), True, False, False),
        (replace(NIGHT, matchers=Matchers.parse("team=web")), False, False, False),
    ],
)
def test_a_change_keeps_the_id_only_where_history_stays_true(
    new: Silence, pending: bool, active: bool, expired: bool
) -> None:
    assert [can_become(NIGHT, new, now_s) for now_s in (500.0, 5000.0, 9500.0)] == [pending, active, expired]


@pytest.mark.parametrize("now_s", [500.0, 5000.0, 9500.0])
def test_an_expired_one_is_over_at_once_and_for_ever(now_s: float) -> None:
    expired = expire(NIGHT, now_s)
    assert expired.state(now_s) == "expired"
    assert expire(expired, now_s + 1.0) == expired
    assert (expired == NIGHT) is (now_s > 9000.0)


def test_a_preview_shows_firing_alerts_that_match_level_and_severity_included() -> None:
    alerts = [alert("a", team="db"), alert("b", team="web"), alert("c", ends_at_s=1.0, team="db")]
    assert [a.fingerprint for a in preview(NIGHT, alerts)] == ["a"]
    critical = replace(NIGHT, matchers=Matchers.parse("level=critical,severity=critical"))
    assert [a.fingerprint for a in preview(critical, [alert("a"), alert("b", "critical")])] == ["b"]


def test_a_reminder_comes_half_an_hour_before_the_end_while_it_hides_something() -> None:
    firing = [alert("a", team="db")]
    assert reminders([NIGHT], 7199.0, firing) == []
    assert [r.hidden for r in reminders([NIGHT], 7200.0, firing)] == [tuple(firing)]
    assert reminders([NIGHT], 7200.0, [alert("b", team="web")]) == []
    assert reminders([NIGHT], 9000.0, firing) == []


def test_a_short_silence_is_not_reminded_of_when_it_begins() -> None:
    short = replace(NIGHT, ends_at_s=1600.0)
    firing = [alert("a", team="db")]
    assert [bool(reminders([short], now_s, firing)) for now_s in (1000.0, 1299.0, 1300.0)] == [False, False, True]
