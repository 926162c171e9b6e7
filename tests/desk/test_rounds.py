"""Rounds: what the rules decide goes into the outbox once, with all that follows; and lines of the outbox."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy import event as hooks

from alerting.alert import Group, Notification
from alerting.noise import flush
from alerting.noise.silences import Silence
from alerting.notifiers import KINDS
from incidents.oncall.overrides import Override
from pipeline.desk import acks, alerts, duties, flaps, groups, intake, keep, log, outbox, rounds, silences, tables
from pipeline.desk.database import Database
from pipeline.desk.incidents import duty
from pipeline.desk.outbox import Delivery, Line
from schemas.alert import AlertEvent
from schemas.desk import Desk, Flapping, InhibitRule, Storm, TimeInterval
from schemas.matchers import Matchers
from tests.desk.scene import START_S, branch, desk, event, told

NOW_S = START_S + 5.0
OPS = "ops/webhook[0]"


def of_kind(kind: str, on: Desk) -> Desk:
    """The receiver `ops` is told by one integration, `ops/KIND[0]`."""
    ops = on.receivers["ops"]
    only = replace(ops.integrations[0], kind=kind)
    return replace(on, receivers={**on.receivers, "ops": replace(ops, integrations=(only,))})


def take(db: Database, on: Desk, now_s: float, *events: AlertEvent) -> None:
    db.write(lambda conn: intake.take(conn, events, {}, on, now_s))


def said(note: Notification) -> dict[str, str]:
    return {told.alert.labels["series"]: told.what for told in note.alerts}


def claim(db: Database, now_s: float, owner: str = "me", integration: str = OPS) -> list[Delivery]:
    return db.write(lambda conn: outbox.claim(conn, integration, owner, now_s, 30.0, 100))


def lines(db: Database) -> list[Line]:
    return list(reversed(db.read(outbox.listed)))


def send_all(db: Database, now_s: float) -> None:
    for one in claim(db, now_s):
        db.write(partial(outbox.sent, id=one.id, handle={}, now_s=now_s))


def whats(db: Database, print_: str) -> list[str]:
    return [line.what for line in db.read(lambda conn: log.of(conn, fingerprint=print_))]


def test_a_group_is_told_after_its_wait_and_its_end_after_its_interval(db: Database) -> None:
    on = desk(integrations=2)
    take(db, on, NOW_S, event(), event("b"))
    assert duties.step(db, on, NOW_S + 9.9) == 0
    assert duties.step(db, on, NOW_S + 10) == 1
    (note,) = db.read(told)
    assert (note.reason, said(note)) == ("first_notification", {"a": "new", "b": "new"})
    assert [line.integration for line in lines(db)] == ["ops/webhook[0]", "ops/webhook[1]"]
    take(db, on, NOW_S + 20, event(seq=1, level=None), event("b", seq=1, level=None))
    duties.step(db, on, NOW_S + 70)
    assert said(db.read(told)[-1]) == {"a": "resolved", "b": "resolved"}
    assert db.read(groups.listed) == []
    assert db.read(rounds.next_s) is None


def test_a_look_that_was_made_is_not_made_again(db: Database) -> None:
    on = desk()
    take(db, on, NOW_S, event())
    assert [duties.step(db, on, NOW_S + 10) for _ in range(3)] == [1, 0, 0]
    assert len(db.read(told)) == 1


def test_only_the_first_alerts_of_a_message_carry_their_points(db: Database) -> None:
    on = desk()
    take(db, on, NOW_S, *(event(f"{n:02}") for n in range(30)))
    duties.step(db, on, NOW_S + 10)
    (note,) = db.read(told)
    assert [bool(told.alert.evidence_t) for told in note.alerts] == [n < 20 for n in range(30)]


def test_what_is_silenced_inhibited_or_snoozed_is_held_back_and_says_by_what(db: Database) -> None:
    on = desk(integrations=1)
    rule = InhibitRule(Matchers.parse("series=source"), Matchers.parse("series=inhibited"), ("alertname",), "r")
    on = Desk(on.route, on.receivers, inhibit_rules=(rule,), flapping=on.flapping)
    events = {name: event(name) for name in ("source", "inhibited", "silenced", "snoozed")}
    take(db, on, NOW_S, *events.values())
    quiet = Silence("s", Matchers.parse("series=silenced"), NOW_S, NOW_S + 50, "ann", "", NOW_S)
    db.write(lambda conn: silences.put(conn, quiet))
    db.write(lambda conn: acks.snooze(conn, events["snoozed"].id, "ann", "", NOW_S + 1000, NOW_S))
    duties.step(db, on, NOW_S + 10)
    (note,) = db.read(told)
    assert (said(note), note.muted) == ({"source": "new"}, 3)
    by = {
        name: [(line.by, line.ref) for line in found if line.what == "muted"]
        for name, one in events.items()
        if (found := db.read(partial(log.of, fingerprint=one.fingerprint)))
    }
    assert by == {
        "source": [],
        "inhibited": [("inhibition", by["inhibited"][0][1])],
        "silenced": [("silence", "s")],
        "snoozed": [("snooze", events["snoozed"].id)],
    }
    send_all(db, NOW_S + 11)
    duties.step(db, on, NOW_S + 70)
    assert said(db.read(told)[-1]) == {"source": "same", "silenced": "new"}


def test_more_groups_than_a_person_can_read_become_one_message(db: Database) -> None:
    on = desk(group_by=("series",), storm=Storm(groups_max=4, window_s=60.0), interval_s=60.0)
    take(db, on, NOW_S, *(event(f"{n:02}") for n in range(30)))
    take(db, on, NOW_S + 5, *(event(f"x{n}") for n in range(5)))
    for passed_s in range(10, 30):
        duties.step(db, on, NOW_S + passed_s)
    first = db.read(told)
    assert [(note.group.kind, len(note.alerts)) for note in first] == [("group", 1)] * 4 + [("storm", 31)]
    assert first[-1].at_s == NOW_S + 25  # it has gathered for a quarter of the window
    send_all(db, NOW_S + 30)
    # Ends are told where the starts were, and what comes later joins.
    ended = [one.alert.labels["series"] for one in first[-1].alerts][:10]
    take(db, on, NOW_S + 31, event("y"), *(event(name, seq=1, level=None) for name in ended))
    duties.step(db, on, NOW_S + 41)
    duties.step(db, on, NOW_S + 90)
    (later,) = [note for note in db.read(told)[5:] if note.group.kind == "storm"]
    assert said(later)["y"] == "new"
    assert sorted(one.alert.labels["series"] for one in later.resolved) == sorted(ended)
    assert "bundled" in whats(db, event("x4").fingerprint)


def test_a_storm_told_in_pieces_is_one_message(db: Database) -> None:
    on = desk(group_by=("series",))
    take(db, on, NOW_S, *(event(f"{n:02}") for n in range(30)))
    for passed_s in (10, 25):
        while rounds.flush_due(db, on, NOW_S + passed_s, limit=7):
            pass
    assert [len(note.alerts) for note in db.read(told)] == [1, 1, 1, 1, 26]


@pytest.mark.parametrize("quiet", ["a", "b"])
def test_in_a_storm_each_alert_is_held_back_by_the_hours_of_its_own_route(quiet: str, db: Database) -> None:
    """Whichever of the routes is the storm's."""
    routes = tuple(
        branch(
            f"team={team}",
            "ops",
            path=f"0.{place}",
            group_by=("series",),
            mute_time_intervals=("always",) if team == quiet else (),
        )
        for place, team in enumerate("ab")
    )
    on = replace(desk(routes=routes, storm=Storm(groups_max=0)), time_intervals={"always": (TimeInterval(),)})
    for at_s in (NOW_S, NOW_S + 1):
        take(db, on, at_s, *(event(f"{team}{at_s}", team=team) for team in "ab"))
    for passed_s in (10, 11, 30, 90):
        duties.step(db, on, NOW_S + passed_s)
    send_all(db, NOW_S + 90)
    take(db, on, NOW_S + 91, event(f"a{NOW_S}", seq=1, level="critical", previous="warning", team="a"))
    duties.step(db, on, NOW_S + 92)
    notes = db.read(told)
    assert {told.alert.labels["team"] for note in notes for told in note.alerts} == {"a", "b"} - {quiet}
    assert [note.reason for note in notes] == ["first_notification", *(["level_raised"] if quiet == "b" else [])]


def test_what_no_rule_watches_for_flapping_any_more_is_forgotten(db: Database) -> None:
    on, off = desk(flapping=Flapping()), desk(flapping=Flapping(enabled=False))
    for n in range(24):
        take(
            db,
            on,
            NOW_S + 10 * n,
            event(starts_s=START_S + 10 * (n // 2), seq=n % 2, level=None if n % 2 else "warning"),
        )
    assert db.read(flaps.flapping_now) == {event().fingerprint}
    settles_s = db.read(flaps.next_s)
    assert settles_s is not None
    later_s = settles_s + 86_400
    duties.step(db, off, later_s)
    assert (db.read(flaps.flapping_now), db.read(flaps.next_s)) == (frozenset(), None)
    assert "settled" in whats(db, event().fingerprint)
    duties.step(db, off, later_s + 100)
    writes: list[str] = []
    hooks.listen(db.writer, "begin", lambda conn: writes.append("begun"))
    duties.step(db, off, later_s + 101)
    assert writes == []


def held_back(db: Database, on: Desk, hold: Callable[[Connection], object]) -> None:
    """An alert that nobody is told of at its group's first look."""
    take(db, on, NOW_S, event())
    db.write(hold)
    duties.step(db, on, NOW_S + 10)
    assert db.read(told) == []


def test_what_a_snooze_held_back_is_told_when_it_is_taken_back(db: Database) -> None:
    on = desk(interval_s=3600.0)
    held_back(db, on, partial(acks.snooze, episode=event().id, by="ann", comment="", until_s=NOW_S + 9e4, now_s=NOW_S))
    db.write(partial(acks.withdraw, kind="snooze", episode=event().id, by="ann", now_s=NOW_S + 20))
    assert duties.step(db, on, NOW_S + 21) == 1
    assert [said(note) for note in db.read(told)] == [{"a": "new"}]


def test_only_the_groups_that_were_held_back_are_looked_at_and_no_digest_before_its_time(db: Database) -> None:
    routes = (branch("series=d", "ops", path="0.0", digest_s=7200.0), branch("series=o", path="0.1"))
    on = desk(routes=routes, interval_s=3600.0)
    take(db, on, NOW_S, event(), event("d"), event("o"))
    quiet = Silence("s_1", Matchers.parse("series=~a|d"), NOW_S, NOW_S + 90_000, "ann", "", NOW_S)
    db.write(lambda conn: silences.put(conn, quiet))
    for at_s in (NOW_S + 10, NOW_S + 7200):
        duties.step(db, on, at_s)
    db.write(lambda conn: silences.expire(conn, "s_1", NOW_S + 7300))
    before = {group.id: group.next_flush_s for group, _ in db.read(groups.listed)}
    for ref in ("s", "s__", "s%", "s_1"):
        db.write(partial(groups.look_soon, by="silence", ref=ref, now_s=NOW_S + 7301))
    moved = [g.kind for g, _ in db.read(groups.listed) if g.next_flush_s != before[g.id]]
    assert moved == ["group"]


def test_alerts_in_a_storm_stay_there_while_they_change(db: Database) -> None:
    on = desk(group_by=("series",), storm=Storm(groups_max=0, window_s=4.0))
    take(db, on, NOW_S, event(), event("b"))
    duties.step(db, on, NOW_S + 10)
    duties.step(db, on, NOW_S + 11)
    send_all(db, NOW_S + 11)
    take(db, on, NOW_S + 20, event(seq=1, level="critical"))
    ((group, members),) = db.read(groups.listed)
    assert (group.kind, len(members)) == ("storm", 2)
    duties.step(db, on, NOW_S + 21)
    assert said(db.read(told)[-1]) == {"a": "raised", "b": "same"}


def test_a_receiver_that_is_gone_or_empty_is_said_in_the_log(db: Database) -> None:
    on = desk(integrations=0)
    take(db, on, NOW_S, event())
    duties.step(db, on, NOW_S + 10)
    ((group, _),) = db.read(groups.listed)
    assert lines(db) == []
    assert "has no integrations" in db.read(lambda conn: log.of(conn, group=group.id))[-1].text


def test_one_group_that_can_not_be_looked_at_holds_up_no_other(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    on = desk(group_by=("series",))
    take(db, on, NOW_S, event("bad"), event("good"))
    real = flush.flush

    def fails(group: Group, *rest: Any) -> flush.Flush:
        if group.labels["series"] == "bad":
            raise ZeroDivisionError
        return real(group, *rest)

    monkeypatch.setattr("alerting.noise.flush.flush", fails)
    assert duties.step(db, on, NOW_S + 10) == 2
    assert [said(note) for note in db.read(told)] == [{"good": "new"}]
    assert db.read(rounds.next_s) == NOW_S + 70


# --- the outbox


def note_of(db: Database, *events: AlertEvent, now_s: float = NOW_S) -> Notification:
    on = desk()
    take(db, on, now_s, *events)
    duties.step(db, on, now_s + 10)
    return db.read(told)[-1]


def test_a_line_is_claimed_by_one_until_its_lease_ends(db: Database) -> None:
    note = note_of(db, event())
    (mine,) = claim(db, NOW_S + 20)
    assert (mine.notification, mine.attempts, mine.handle) == (note, 1, {})
    assert claim(db, NOW_S + 49, "other") == []
    assert db.read(lambda conn: outbox.due_s(conn, OPS)) == NOW_S + 50
    assert db.write(lambda conn: outbox.renew(conn, [mine.id], "me", NOW_S + 60)) == {mine.id}
    assert claim(db, NOW_S + 50, "other") == []
    (taken,) = claim(db, NOW_S + 60, "other")
    assert taken.attempts == 2
    assert taken.deadline_s == mine.deadline_s
    assert db.write(lambda conn: outbox.renew(conn, [mine.id], "me", NOW_S + 90)) == set()


def test_what_a_notifier_remembers_comes_back_until_the_group_ends(db: Database) -> None:
    on = desk()
    note_of(db, event())
    (first,) = claim(db, NOW_S + 20)
    db.write(lambda conn: outbox.sent(conn, first.id, {"ts": "7"}, NOW_S + 21, "200"))
    assert claim(db, NOW_S + 60) == []
    take(db, on, NOW_S + 30, event(seq=1, level=None))
    duties.step(db, on, NOW_S + 70)
    (end,) = claim(db, NOW_S + 71)
    assert (end.handle, end.notification.reason) == ({"ts": "7"}, "all_resolved")
    db.write(lambda conn: outbox.sent(conn, end.id, {"ts": "7"}, NOW_S + 72))
    take(db, on, NOW_S + 80, event(starts_s=START_S + 80))
    duties.step(db, on, NOW_S + 90)
    (again,) = claim(db, NOW_S + 90)
    assert (again.handle, again.notification.number) == ({}, 1)
    assert again.notification.group.id == end.notification.group.id
    assert [line.status for line in lines(db)] == ["sent", "sent", "due"]


def test_a_later_message_takes_the_place_of_an_unsent_one_and_says_what_it_would_have(db: Database) -> None:
    on = desk()
    note_of(db, event(), event("b"))
    (failing,) = claim(db, NOW_S + 20)
    db.write(lambda conn: outbox.retry(conn, failing.id, NOW_S + 100, "503", NOW_S + 21))
    assert claim(db, NOW_S + 60) == []
    take(db, on, NOW_S + 30, event("c"), event("b", seq=1, level=None))
    duties.step(db, on, NOW_S + 70)
    assert [(line.status, line.number, line.attempts, line.due_s) for line in lines(db)] == [
        ("replaced", 1, 1, NOW_S + 100),
        ("due", 2, 1, NOW_S + 100),
    ]
    (later,) = claim(db, NOW_S + 100)
    assert said(later.notification) == {"a": "new", "c": "new", "b": "resolved"}
    assert later.notification.reason == "first_notification"
    assert (later.attempts, later.deadline_s) == (2, failing.deadline_s)


def test_a_message_behind_one_that_is_being_sent_waits_and_takes_over_when_that_fails(db: Database) -> None:
    on = desk()
    note_of(db, event())
    (first,) = claim(db, NOW_S + 69.5)
    take(db, on, NOW_S + 30, event("b"))
    duties.step(db, on, NOW_S + 70)
    assert [line.status for line in lines(db)] == ["due", "due"]
    assert claim(db, NOW_S + 75) == []
    db.write(lambda conn: outbox.retry(conn, first.id, NOW_S + 80, "timed out", NOW_S + 76))
    assert [line.status for line in lines(db)] == ["replaced", "due"]
    assert claim(db, NOW_S + 79) == []
    (both,) = claim(db, NOW_S + 80)
    assert said(both.notification) == {"a": "new", "b": "new"}
    assert both.attempts == 2


def test_messages_of_one_group_arrive_in_order(db: Database) -> None:
    on = desk()
    note_of(db, event())
    (first,) = claim(db, NOW_S + 69.5)
    take(db, on, NOW_S + 30, event("b"))
    duties.step(db, on, NOW_S + 70)
    db.write(lambda conn: outbox.sent(conn, first.id, {}, NOW_S + 71))
    (second,) = claim(db, NOW_S + 71)
    assert said(second.notification) == {"a": "same", "b": "new"}


def test_a_line_that_is_settled_stays_so(db: Database) -> None:
    note_of(db, event())
    (mine,) = claim(db, NOW_S + 20)
    db.write(lambda conn: outbox.failed(conn, mine.id, "404: no such channel", NOW_S + 21))
    for late in (
        partial(outbox.sent, id=mine.id, handle={}, now_s=NOW_S + 22),
        partial(outbox.retry, id=mine.id, due_s=NOW_S + 30, reason="", now_s=NOW_S + 22),
    ):
        db.write(late)
    ((line),) = lines(db)
    assert (line.status, line.note, line.settled_s) == ("failed", "404: no such channel", NOW_S + 21)
    assert claim(db, NOW_S + 1000) == []


def test_an_integration_that_is_not_told_of_ends_hears_of_starts_only(db: Database) -> None:
    on = desk(send_resolved=False)
    take(db, on, NOW_S, event(), event("b"))
    duties.step(db, on, NOW_S + 10)
    (first,) = claim(db, NOW_S + 10)
    db.write(lambda conn: outbox.sent(conn, first.id, {}, NOW_S + 11))
    take(db, on, NOW_S + 20, event(seq=1, level=None), event("c"))
    duties.step(db, on, NOW_S + 70)
    (second,) = claim(db, NOW_S + 70)
    assert said(second.notification) == {"b": "same", "c": "new"}
    db.write(lambda conn: outbox.sent(conn, second.id, {}, NOW_S + 71))
    take(db, on, NOW_S + 80, event("b", seq=1, level=None), event("c", seq=1, level=None))
    duties.step(db, on, NOW_S + 140)
    assert claim(db, NOW_S + 140) == []
    assert "skipped" in [line.what for line in db.read(lambda conn: log.of(conn, group=second.notification.group.id))]


def test_first_messages_that_nobody_could_send_for_too_long_become_one_digest(db: Database) -> None:
    on = desk(group_by=("series",), max_page_age_s=600.0)
    take(db, on, NOW_S, event(), event("b"), event("c"))
    duties.step(db, on, NOW_S + 10)
    take(db, on, NOW_S + 20, event("c", seq=1, level=None))
    (c,) = [one for one in claim(db, NOW_S + 30) if said(one.notification) == {"c": "new"}]
    db.write(lambda conn: outbox.sent(conn, c.id, {}, NOW_S + 31))
    for late in (NOW_S + 70, NOW_S + 900):
        duties.step(db, on, late)
    duties.tend(db, on, NOW_S + 900)
    waiting = claim(db, NOW_S + 900)
    # The two were tried (claimed), so they may have arrived; nothing of them is bundled.
    assert sorted(one.notification.group.kind for one in waiting) == ["group", "group", "group"]


def test_untried_messages_that_are_too_old_become_one_digest_but_ends_go_out(db: Database) -> None:
    on = of_kind("email", desk(group_by=("series",), max_page_age_s=600.0))
    take(db, on, NOW_S, event(), event("b"))
    duties.step(db, on, NOW_S + 10)
    duties.tend(db, on, NOW_S + 611)
    (digest,) = claim(db, NOW_S + 611, integration="ops/email[0]")
    assert (digest.notification.group.kind, said(digest.notification)) == ("digest", {"a": "new", "b": "new"})
    assert [line.status for line in lines(db)] == ["replaced", "replaced", "due"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_fires_too_late_is_told_under_the_key_that_its_end_has_where_an_incident_is_kept(
    kind: str, db: Database
) -> None:
    on = of_kind(kind, desk(max_page_age_s=600.0))
    take(db, on, NOW_S, event())
    duties.step(db, on, NOW_S + 10)
    duties.tend(db, on, NOW_S + 4000)
    (first,) = claim(db, NOW_S + 4000, integration=f"ops/{kind}[0]")
    db.write(lambda conn: outbox.sent(conn, first.id, {}, NOW_S + 4001))
    take(db, on, NOW_S + 4010, event(seq=1, level=None))
    duties.step(db, on, NOW_S + 4100)
    (end,) = claim(db, NOW_S + 4100, integration=f"ops/{kind}[0]")
    assert (first.notification.status, end.notification.status) == ("firing", "resolved")
    assert (first.notification.group.key == end.notification.group.key) is KINDS[kind].keeps_incident


def test_kinds_that_keep_an_incident_are_those_that_have_a_key_for_it() -> None:
    kept = {kind for kind, made in KINDS.items() if made.keeps_incident}
    assert kept == {"alertmanager", "jsm", "kafka", "opsgenie", "pagerduty", "webhook"}


def test_a_large_message_is_small_in_the_database(db: Database) -> None:
    on = desk()
    take(db, on, NOW_S, *(event(f"{n:04}") for n in range(1000)))
    duties.step(db, on, NOW_S + 10)

    def size(conn: Connection) -> int:
        return len(conn.execute(select(tables.notifications.c.body)).scalar_one())

    assert db.read(size) < 150_000
    assert len(claim(db, NOW_S + 10)[0].notification.alerts) == 1000


# --- duties


def test_one_is_reminded_once_of_a_silence_that_ends_and_hides_something(db: Database) -> None:
    on = desk()
    take(db, on, NOW_S, event())
    ends_s = NOW_S + 7200
    quiet = Silence("s", Matchers.parse("series=a"), NOW_S, ends_s, "ann", "racks", NOW_S)
    db.write(lambda conn: silences.put(conn, quiet))
    for at_s in (NOW_S, ends_s - 1000, ends_s - 900):
        duties.tend(db, on, at_s)
    found = [alert for alert in db.read(alerts.listed) if alert.origin == "self"]
    assert [(alert.labels["alertname"], alert.labels["silence"]) for alert in found] == [("TidegaugeSilenceEnds", "s")]
    duties.step(db, on, ends_s + 1)
    assert [alert.status for alert in db.read(alerts.listed) if alert.origin == "self"] == ["resolved"]


def test_what_was_over_long_ago_goes_and_nothing_else(db: Database) -> None:
    on = desk(group_by=("series",))
    take(db, on, NOW_S, event("over"), event("fires"))
    duties.step(db, on, NOW_S + 10)
    send_all(db, NOW_S + 11)
    take(db, on, NOW_S + 20, event("over", seq=1, level=None))
    duties.step(db, on, NOW_S + 70)
    send_all(db, NOW_S + 72)
    for name, ends_s in (("over", NOW_S + 90), ("to come", NOW_S + 2 * 86_400)):
        made = Override(name, "devops", "ann", NOW_S, ends_s)
        db.write(partial(duty.put, override=made))
    assert keep.forget(db, 1.0, NOW_S + 86_400) == 0
    assert keep.forget(db, 1.0, NOW_S + 86_400 + 100) > 0
    assert [alert.labels["series"] for alert in db.read(alerts.listed)] == ["fires"]
    assert len(db.read(lambda conn: alerts.events(conn, event("fires").id))) == 1
    assert db.read(lambda conn: alerts.events(conn, event("over").id)) == []
    assert lines(db) == []
    assert [one.id for one in db.read(partial(duty.overrides, from_s=0.0, to_s=1e11))] == ["to come"]
    assert len(db.read(groups.listed)) == 1


def test_a_route_that_is_gone_is_followed_by_its_alerts_leaving(db: Database) -> None:
    before, after = desk(routes=(branch("series=a"),)), desk()
    take(db, before, NOW_S, event())
    duties.step(db, before, NOW_S + 10)
    duties.follow_config(db, after, NOW_S + 20)
    duties.step(db, after, NOW_S + 100)
    assert [(note.group.receiver, said(note)) for note in db.read(told)] == [
        ("pager", {"a": "new"}),
        ("ops", {"a": "new"}),
        ("pager", {"a": "departed"}),
    ]
