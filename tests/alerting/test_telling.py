"""The table of what a receiver is told of one alert: whole, and each row as written here by hand."""

from itertools import product

import msgspec
import pytest

from alerting.alert import Muted, Told
from alerting.noise.telling import VERDICTS, Hold, Now, Seen, Verdict, hold_of, in_order, now_of, seen_of
from tests.alerting.making import alert, member

# By what was seen: what is told of a firing alert that is free, held back, starts to flap, flaps, has settled.
# `!` is news, `-` is silence.
FIRING = {
    Seen.NOTHING: "new! - flapping! flapping! new!",
    Seen.LOWER: "raised! - flapping! flapping new!",
    Seen.SAME: "same - flapping! flapping new!",
    Seen.HIGHER: "lowered! - flapping! flapping new!",
    Seen.LEFT_OUT: "new! - flapping! flapping new!",
    Seen.EARLIER: "new! resolved! flapping! flapping new!",
    Seen.END: "new! - flapping! flapping! new!",
}


def test_every_row_of_the_table_is_there() -> None:
    assert set(VERDICTS) == set(product(Seen, Now, Hold))


@pytest.mark.parametrize("seen", Seen)
def test_what_is_told_of_a_firing_alert(seen: Seen) -> None:
    verdicts = [VERDICTS[seen, Now.FIRING, hold] for hold in Hold]
    assert " ".join(f"{v.what or '-'}{'!' if v.is_news else ''}" for v in verdicts) == FIRING[seen]
    assert all(v.stays and not v.is_dropped for v in verdicts)


@pytest.mark.parametrize("hold", Hold)
@pytest.mark.parametrize("seen", Seen)
def test_an_end_reaches_whoever_saw_the_start_and_nobody_else(seen: Seen, hold: Hold) -> None:
    verdict = VERDICTS[seen, Now.RESOLVED, hold]
    if seen is Seen.NOTHING:
        assert verdict == Verdict(None, stays=False, is_dropped=True)
    elif seen is Seen.END:
        assert verdict == Verdict(None, stays=False)
    elif hold is Hold.FLAPPING:
        assert verdict == Verdict(None), "waits until it has settled"
    else:
        assert verdict == Verdict("resolved", is_news=True, stays=False)


@pytest.mark.parametrize("hold", Hold)
@pytest.mark.parametrize("seen", Seen)
def test_what_departs_ends_here(seen: Seen, hold: Hold) -> None:
    verdict = VERDICTS[seen, Now.DEPARTED, hold]
    assert not verdict.stays
    assert (verdict.what == "departed") is (seen not in (Seen.NOTHING, Seen.END))
    assert verdict.is_dropped is (seen is Seen.NOTHING)


@pytest.mark.parametrize("key", VERDICTS)
def test_nothing_is_news_without_being_told_nor_leaves_untold(key: tuple[Seen, Now, Hold]) -> None:
    verdict = VERDICTS[key]
    assert verdict.what is not None or not verdict.is_news
    assert verdict.what != "same" or not verdict.is_news
    assert verdict.stays or verdict.is_news or key[0] in (Seen.NOTHING, Seen.END)


def test_what_was_seen_is_read_off_the_member() -> None:
    now = alert(level="warning")
    assert seen_of(member(now), now) is Seen.NOTHING
    assert seen_of(member(now, "info"), now) is Seen.LOWER
    assert seen_of(member(now, "warning"), now) is Seen.SAME
    assert seen_of(member(now, "critical"), now) is Seen.HIGHER
    assert seen_of(member(now, "warning", told_s=None), now) is Seen.LEFT_OUT
    assert seen_of(member(now, "warning"), alert(episode="a-2")) is Seen.EARLIER
    assert seen_of(member(now), alert(episode="a-2")) is Seen.NOTHING


def test_an_end_is_an_end_also_in_a_group_it_has_left() -> None:
    ended = alert(ends_at_s=9.0)
    assert now_of(msgspec.structs.replace(member(ended), departed=True), ended) is Now.RESOLVED


def test_what_holds_it_is_read_off_the_reason_now_and_the_one_before() -> None:
    flapping, silence = Muted("flapping", "a", "flaps"), Muted("silence", "s", "")
    free, flapped = member(alert()), member(alert(), muted=str(flapping))
    assert [hold_of(free, m) for m in (None, silence, flapping)] == [Hold.FREE, Hold.HELD, Hold.FLAPS]
    assert [hold_of(flapped, m) for m in (None, silence, flapping)] == [Hold.SETTLED, Hold.HELD, Hold.FLAPPING]


def test_firing_before_ended_then_worst_then_oldest() -> None:
    told = [
        Told(alert("ended", "critical", ends_at_s=9.0), "resolved"),
        Told(alert("young", "warning", starts_at_s=5.0), "same"),
        Told(alert("old", "warning", starts_at_s=1.0), "new"),
        Told(alert("worst", "critical", starts_at_s=7.0), "same"),
        Told(alert("also-old", "warning", starts_at_s=1.0), "new"),
    ]
    assert [t.alert.fingerprint for t in in_order(told)] == ["worst", "also-old", "old", "young", "ended"]
