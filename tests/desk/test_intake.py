"""Taking in: each transition once, in the order of its alert, whatever is delivered late, twice or not at all."""

from collections.abc import Sequence
from functools import partial

import pytest

from alerting.alert import Alert, Decision
from pipeline.desk import alerts, groups, intake, log, rounds
from pipeline.desk.database import Database
from pipeline.desk.external import External
from pipeline.desk.intake import OffsetMoved, Span, Taken
from schemas.alert import AlertEvent, encode_alert, fingerprint
from schemas.desk import Desk, Flapping
from tests.desk.scene import START_S, TOPIC, branch, desk, event, told

NOW_S = START_S + 5.0


def take(db: Database, *events: AlertEvent, on: Desk | None = None, now_s: float = NOW_S) -> Taken:
    return db.write(lambda conn: intake.take(conn, events, {}, on or desk(), now_s))


def see(db: Database, *seen: External, on: Desk | None = None, now_s: float = NOW_S) -> Taken:
    return db.write(lambda conn: intake.take_external(conn, seen, on or desk(), now_s))


def alert_of(db: Database, print_: str) -> Alert:
    found = db.read(lambda conn: alerts.get(conn, print_))
    assert found is not None
    return found


def whats(decisions: Sequence[Decision]) -> list[str]:
    return [decision.what for decision in decisions]


def test_an_alert_stands_as_its_last_transition_says(db: Database) -> None:
    story = [
        event(),
        event(seq=1, level="critical", previous="warning"),
        event(seq=2, level=None, previous="critical"),
    ]
    assert take(db, story[0]) == Taken(new=1)
    first = alert_of(db, story[0].fingerprint)
    assert (first.status, first.level, first.first_seen_s, first.evidence_v) == ("firing", "warning", NOW_S, [0.0])
    assert take(db, *story[1:], now_s=NOW_S + 1) == Taken(new=2)
    last = alert_of(db, story[0].fingerprint)
    assert (last.status, last.level, last.first_seen_s, last.updated_s) == ("resolved", "critical", NOW_S, NOW_S + 1)
    assert last.ends_at_s == START_S + 2
    assert db.read(lambda conn: alerts.events(conn, last.episode)) == [encode_alert(event) for event in story]


def test_a_transition_is_applied_once_however_often_it_comes(db: Database) -> None:
    assert take(db, event(), event(), event("b")) == Taken(new=2, doubles=1)
    assert take(db, event("b"), event(), now_s=NOW_S + 50) == Taken(doubles=2)
    assert alert_of(db, event().fingerprint).updated_s == NOW_S
    lines = db.read(lambda conn: log.of(conn, fingerprint=event().fingerprint))
    assert whats(lines) == ["received", "routed"]


def test_what_comes_late_is_kept_but_changes_nothing(db: Database) -> None:
    later = event(seq=2, level="critical")
    assert take(db, later) == Taken(new=1)
    assert take(db, event(seq=1, level=None)) == Taken(late=1)
    assert alert_of(db, later.fingerprint).seq == 2
    assert len(db.read(lambda conn: alerts.events(conn, later.id))) == 2
    assert "late" in whats(db.read(lambda conn: log.of(conn, episode=later.id)))


def test_an_older_episode_does_not_reopen_the_alert(db: Database) -> None:
    newer = event(starts_s=START_S + 100)
    take(db, newer, event(starts_s=START_S + 100, seq=1, level=None))
    assert take(db, event(starts_s=START_S)) == Taken(late=1)
    stands = alert_of(db, newer.fingerprint)
    assert (stands.episode, stands.status) == (newer.id, "resolved")


def test_an_episode_that_was_followed_by_another_can_still_be_looked_up(db: Database) -> None:
    take(db, event(level="critical"), event(seq=1, level=None, previous="critical"), event(starts_s=START_S + 100))
    earlier = db.read(lambda conn: alerts.by_episode(conn, event().id))
    assert earlier is not None
    assert (earlier.status, earlier.level, earlier.seq) == ("resolved", "critical", 1)
    assert db.read(lambda conn: alerts.episodes(conn, earlier.fingerprint)) == [
        event().id,
        event(starts_s=START_S + 100).id,
    ]


def test_a_group_waits_from_when_the_desk_saw_it_not_from_when_its_alert_started(db: Database) -> None:
    take(db, event(starts_s=START_S - 7200))
    ((group, _),) = db.read(groups.listed)
    assert group.next_flush_s == NOW_S + 10


def test_a_raised_level_moves_the_alert_to_where_its_routes_lead_now(db: Database) -> None:
    on = desk(routes=(branch('level="critical"'),))
    take(db, event(), on=on)
    take(db, event(seq=1, level="critical"), on=on)
    stands = {group.receiver: [member.departed for member, _ in members] for group, members in db.read(groups.listed)}
    assert stands == {"ops": [True], "pager": [False]}
    take(db, event(seq=2, level="warning"), on=on)
    stands = {group.receiver: [member.departed for member, _ in members] for group, members in db.read(groups.listed)}
    assert stands == {"ops": [False], "pager": [True]}
    assert "moved" in whats(db.read(lambda conn: log.of(conn, episode=event().id)))


def test_a_desk_with_other_routes_moves_what_fires_already(db: Database) -> None:
    take(db, event())
    moved = desk(routes=(branch('series="a"'),))
    assert db.write(lambda conn: intake.reroute(conn, moved, NOW_S)) == 1
    receivers = {group.receiver: members[0][0].departed for group, members in db.read(groups.listed)}
    assert receivers == {"ops": True, "pager": False}


def test_offsets_move_with_the_events_and_never_back(db: Database) -> None:
    place = (TOPIC, 0)
    db.write(lambda conn: intake.take(conn, [event()], {place: Span(0, 1)}, desk(), NOW_S))
    with pytest.raises(OffsetMoved):
        db.write(lambda conn: intake.take(conn, [event("b")], {place: Span(0, 1)}, desk(), NOW_S))
    assert db.read(lambda conn: intake.offset(conn, *place)) == 1
    assert db.read(lambda conn: alerts.get(conn, event("b").fingerprint)) is None
    db.write(lambda conn: intake.take(conn, [], {place: Span(1, 5)}, desk(), NOW_S))
    assert db.read(lambda conn: intake.offset(conn, *place)) == 5


def test_labels_that_are_anybodys_text_go_in_and_come_out(db: Database) -> None:
    hostile = event("\0 \N{POUTING FACE} '; DROP TABLE alerts; --")
    take(db, hostile, on=desk(group_by=None))
    assert alert_of(db, hostile.fingerprint).labels == hostile.labels
    assert db.write(lambda conn: rounds.look(conn, desk(group_by=None), NOW_S + 20, 10)) == 1


# --- alerts of others


def external(starts_at_s: float | None = None, ends_at_s: float | None = None) -> External:
    labels = {"alertname": "Disk", "severity": "page"}
    return External(labels=labels, annotations={"n": "1"}, starts_at_s=starts_at_s, ends_at_s=ends_at_s)


def test_an_external_alert_ends_when_it_is_not_seen_again(db: Database) -> None:
    on = desk()
    print_ = fingerprint(external().labels)
    assert see(db, external(), on=on) == Taken(new=1)
    first = alert_of(db, print_)
    assert (first.level, first.origin, first.status) == ("critical", "api", "firing")
    assert see(db, external(), on=on, now_s=NOW_S + 200) == Taken(seen=1)
    assert db.write(lambda conn: intake.expire_external(conn, on, NOW_S + 499)) == 0
    assert db.write(lambda conn: intake.expire_external(conn, on, NOW_S + 500)) == 1
    ended = alert_of(db, print_)
    assert (ended.status, ended.ends_at_s, ended.episode) == ("resolved", NOW_S + 500, first.episode)
    assert db.write(lambda conn: intake.expire_external(conn, on, NOW_S + 501)) == 0
    assert see(db, external(starts_at_s=first.starts_at_s), on=on, now_s=NOW_S + 600) == Taken(new=1)
    assert alert_of(db, print_).episode != first.episode


def test_an_external_alert_ends_when_it_says_so_and_once(db: Database) -> None:
    see(db, external(starts_at_s=START_S))
    assert see(db, external(starts_at_s=START_S, ends_at_s=NOW_S + 1), now_s=NOW_S + 1) == Taken(new=1)
    assert see(db, external(starts_at_s=START_S, ends_at_s=NOW_S + 1), now_s=NOW_S + 2) == Taken(seen=1)
    assert alert_of(db, fingerprint(external().labels)).ends_at_s == NOW_S + 1


def test_an_end_of_an_unknown_alert_is_nothing(db: Database) -> None:
    assert see(db, external(ends_at_s=START_S)) == Taken(seen=1)
    assert db.read(alerts.listed) == []


def test_an_alert_that_is_said_again_with_the_start_it_had_is_another_episode(db: Database) -> None:
    on = desk()
    for number in range(40):
        said = External(labels={"alertname": "Self", "n": str(number)}, starts_at_s=START_S + number / 7)
        see(db, said, on=on)
        db.write(lambda conn: intake.expire_external(conn, on, NOW_S + 400))
        assert see(db, said, on=on, now_s=NOW_S + 401) == Taken(new=1)
        assert len(db.read(partial(alerts.episodes, fingerprint=fingerprint(said.labels)))) == 2


def test_two_senders_that_give_the_same_alert_different_starts_never_lose_a_batch(db: Database) -> None:
    first, second = START_S + 1, START_S
    other = External(labels={"alertname": "Other"}, starts_at_s=START_S, ends_at_s=NOW_S + 2000)
    see(db, external(first, NOW_S + 240))
    db.write(lambda conn: intake.expire_external(conn, desk(), NOW_S + 600))
    see(db, external(second, NOW_S + 840), now_s=NOW_S + 601)
    see(db, external(second, NOW_S + 659), now_s=NOW_S + 660)
    assert see(db, external(first, NOW_S + 900), other, now_s=NOW_S + 661) == Taken(new=2)
    assert len(db.read(lambda conn: alerts.episodes(conn, fingerprint(other.labels)))) == 1


def test_a_sighting_of_an_alert_that_the_topic_tells_changes_nothing(db: Database) -> None:
    on = desk()
    take(db, event(), on=on)
    before = alert_of(db, event().fingerprint)
    for seen in (External(labels=event().labels), External(labels=event().labels, ends_at_s=NOW_S)):
        assert see(db, seen, seen, on=on, now_s=NOW_S + 1) == Taken(seen=2)
    assert alert_of(db, event().fingerprint) == before
    assert before.evidence_v == [0.0]
    assert db.write(lambda conn: intake.expire_external(conn, on, NOW_S + 9999)) == 0
    assert whats(db.read(lambda conn: log.of(conn, episode=before.episode))).count("ignored") == 1
    assert take(db, event(seq=1, level="critical", previous="warning"), on=on, now_s=NOW_S + 410) == Taken(new=1)
    assert alert_of(db, event().fingerprint).level == "critical"


@pytest.mark.parametrize("is_over", [False, True])
def test_the_topic_takes_over_an_alert_that_was_only_seen_from_outside(is_over: bool, db: Database) -> None:
    on = desk()
    see(db, External(labels=event().labels, starts_at_s=START_S + 3), on=on)
    if is_over:
        see(db, External(labels=event().labels, starts_at_s=START_S + 3, ends_at_s=NOW_S), on=on)
    assert take(db, event(), on=on) == Taken(new=1)  # it started before it was seen
    stands = alert_of(db, event().fingerprint)
    assert (stands.origin, stands.episode, stands.status) == ("kafka", event().id, "firing")
    assert db.write(lambda conn: intake.expire_external(conn, on, NOW_S + 9999)) == 0
    take(db, event(seq=1, level=None), on=on)
    assert alert_of(db, event().fingerprint).status == "resolved"


def test_an_end_from_the_topic_of_an_earlier_episode_does_not_end_what_is_seen_from_outside(db: Database) -> None:
    see(db, External(labels=event().labels, starts_at_s=START_S + 3))
    assert take(db, event(seq=1, level=None)) == Taken(late=1)
    assert alert_of(db, event().fingerprint).is_firing


# --- flapping


def test_an_alert_that_comes_and_goes_is_told_to_flap_until_it_rests(db: Database) -> None:
    on = desk(flapping=Flapping(), interval_s=30.0)
    for n in range(20):
        starts_s = START_S + 20 * n
        take(db, event(starts_s=starts_s), on=on, now_s=starts_s)
        take(db, event(starts_s=starts_s, seq=1, level=None, at_s=starts_s + 5), on=on, now_s=starts_s + 5)
        rounds.flush_due(db, on, starts_s + 6)
    lines = whats(db.read(lambda conn: log.of(conn, fingerprint=event().fingerprint)))
    assert lines.count("flapping") == 1
    due_s = db.read(rounds.next_s)
    assert due_s is not None
    assert len(db.read(told)) < 20
