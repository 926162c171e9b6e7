"""Nothing put into the outbox is lost, whatever a service does, and no service's trouble is another's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError, OperationalError

from pipeline.desk import lane, outbox, rounds, settling, tables
from pipeline.desk.conversation import FAILURE_KINDS
from pipeline.desk.http_client import NoReply
from schemas.calls import Reply
from schemas.desk import Desk
from tests.courier import clock
from tests.courier.clock import START_S, now_s
from tests.courier.scene import Answer, Scene, desk_of, fails_until, note, status

ONE = desk_of(oncall=["plain"])
NAME = "oncall/plain[0]"
BACKED = desk_of(oncall=["plain", "fallback:spare"], spare=["plain"])
SPARE = "spare/plain[0]"


def played(folder: Path, act: Callable[[Scene], Awaitable[None]], desk: Desk = ONE) -> Scene:
    """The scene once `act` has been played in it, in virtual time."""

    async def play() -> Scene:
        scene = Scene(folder, desk)
        try:
            await act(scene)
            return scene
        finally:
            await scene.close()

    return clock.run(play())


FAULTS: dict[str, tuple[Answer, str]] = {
    "500": (fails_until(START_S + 300, status(500)), "serverError"),
    "429": (fails_until(START_S + 300, status(429)), "rateLimited"),
    "429 with Retry-After": (fails_until(START_S + 100, status(429, retry_after=90)), "rateLimited"),
    "no reply, after 10 s": (fails_until(START_S + 300, 10.0), "contextDeadlineExceeded"),
    "refused connections": (fails_until(START_S + 300, NoReply("can't connect")), "other"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_message_arrives_once_the_service_is_back_with_the_id_of_its_first_try(fault: str, tmp_path: Path) -> None:
    answer, kind = FAULTS[fault]

    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = answer
        scene.put(note("oncall"))
        scene.start()
        await scene.after(1200)
        assert scene.states() == ["sent"]
        assert {heard.key for heard in scene.service.heard} == {"g-1"}
        assert len(scene.service.heard) > 1
        assert scene.courier.counts.failures[NAME, kind] == len(scene.service.heard) - 1
        assert scene.courier.health[NAME].failing_since_s is None

    played(tmp_path, act)


def test_retry_after_is_waited_for(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 1, status(429, retry_after=90))
        scene.put(note("oncall"))
        scene.put(note("oncall", group="other"))
        scene.start()
        await scene.after(200)
        first, *rest = sorted(heard.at_s for heard in scene.service.heard)
        assert all(at_s - first < 1 or at_s - first >= 90 for at_s in rest)
        assert scene.states() == ["sent", "sent"]

    played(tmp_path, act)


def test_a_receiver_that_takes_30_seconds_for_every_answer_delays_no_other(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.delay_s["slow/plain[0]"] = 30.0
        for number in range(40):
            for receiver in ("slow", "quick"):
                scene.put(note(receiver, group=f"{receiver} {number}"))
        scene.start()
        await scene.after(5)
        assert scene.states("quick/plain[0]") == ["sent"] * 40
        assert scene.states("slow/plain[0]") == ["due"] * 40
        await scene.after(300)
        assert scene.states("slow/plain[0]") == ["sent"] * 40

    played(tmp_path, act, desk_of(slow=["plain"], quick=["plain"]))


def test_integrations_of_one_receiver_dont_wait_for_each_other(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers["oncall/plain[0]"] = lambda heard: status(500)
        scene.put(note("oncall"))
        scene.start()
        await scene.after(1)
        assert scene.states("oncall/plain[1]") == ["sent"]
        assert scene.states("oncall/plain[0]") == ["due"]

    played(tmp_path, act, desk_of(oncall=["plain", "plain"]))


def test_messages_of_a_group_keep_their_order_and_the_last_state_wins(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.delay_s[NAME] = 20.0
        scene.put(note("oncall", 1, A="new"))
        scene.start()
        await scene.after(5)  # number 1 is on its way
        scene.put(note("oncall", 2, A="same", B="new"))
        await scene.after(1)
        scene.put(note("oncall", 3, A="resolved", B="resolved"))
        await scene.after(100)
        assert scene.service.texts(NAME) == ["1 A:new", "3 A:resolved B:resolved"]
        assert scene.states() == ["sent", "replaced", "sent"]

    played(tmp_path, act)


def test_of_a_group_one_message_is_under_way_at_a_time_and_of_several_groups_several(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.delay_s[NAME] = 7.0
        scene.start()
        for number in range(1, 9):
            for group in "abc":
                scene.put(note("oncall", number, group=group, A="new" if number == 1 else "same"))
            await scene.after(5)
        await scene.after(60)
        for group in "abc":
            times = [heard.at_s for heard in scene.service.heard if heard.key.startswith(group)]
            assert all(later - earlier >= 7 for earlier, later in pairwise(times))
        assert len({round(heard.at_s) for heard in scene.service.heard}) < len(scene.service.heard)

    played(tmp_path, act)


def test_the_pace_of_a_service_is_kept(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for number in range(60):
            scene.put(note("oncall", group=f"g{number}"))
        scene.start()
        await scene.after(30)
        times = sorted(heard.at_s for heard in scene.service.heard)
        assert len(times) == 60
        assert all(later - earlier >= 0.999 for earlier, later in zip(times, times[11:], strict=False))

    played(tmp_path, act, desk_of(oncall=["slow"]))


def test_a_receivers_own_limit_is_kept_and_what_waits_is_replaced_by_the_later_state(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for number in range(12):
            scene.put(note("oncall", group=f"g{number}"))
        scene.start()
        await scene.after(1)
        told = len(scene.service.heard)
        assert told == 3  # of 4 a minute, half of them and one at once
        scene.put(note("oncall", 2, group="g11", Down="resolved"))
        await scene.after(600)
        times = sorted(heard.at_s for heard in scene.service.heard)
        assert len(times) == 12
        assert all(later - earlier >= 59.9 for earlier, later in zip(times, times[4:], strict=False))
        assert scene.states().count("replaced") == 1

    limited = desk_of(oncall=["plain"])
    receiver = limited.receivers["oncall"]
    ways = tuple(replace(way, messages_per_minute=4) for way in receiver.integrations)
    played(tmp_path, act, replace(limited, receivers={"oncall": replace(receiver, integrations=ways)}))


def test_the_breaker_opens_tries_with_one_call_and_closes(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 60, status(500))
        for number in range(20):
            scene.put(note("oncall", group=f"g{number}"))
        scene.start()
        await scene.after(29)
        before = len(scene.service.heard)
        assert before <= lane.AT_ONCE_MAX + 5  # five in a row were enough; some were on their way
        await scene.after(10)
        assert len(scene.service.heard) == before + 1  # the one that tries
        await scene.after(65)  # it waits twice as long, tries again, and that one is answered
        assert scene.states() == ["sent"] * 20  # nobody sits out an old back-off

    played(tmp_path, act)


def test_a_refusal_is_a_dead_letter_at_once_and_others_of_its_messages_pass(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = lambda heard: status(400) if heard.key == "bad-1" else Reply(200)
        scene.put(note("oncall", group="bad"))
        scene.put(note("oncall", group="good"))
        scene.start()
        await scene.after(1)
        assert scene.states() == ["failed", "sent"]
        assert scene.courier.counts.failures[NAME, "clientError"] == 1

    played(tmp_path, act)


def test_after_its_deadline_a_message_is_a_dead_letter(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = lambda heard: status(503)
        scene.put(note("oncall"))
        scene.start()
        await scene.after(outbox.DEADLINE_S - 60)
        assert scene.states() == ["due"]
        await scene.after(1000)
        assert scene.states() == ["failed"]
        assert "answered 503" in scene.said("failed")[0]

    played(tmp_path, act)


def test_a_notifiers_own_mistake_loses_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.put(note("oncall"))
        scene.start()
        await scene.after(100)
        assert scene.states("oncall/broken[0]") == ["due"]
        assert any("KeyError" in text for text in scene.said("retried"))

    played(tmp_path, act, desk_of(oncall=["broken"]))


# --- the fallback


def test_the_fallback_is_told_where_the_first_stays_down_and_of_the_end_too(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 900, status(500))
        scene.put(note("oncall", 1))
        scene.start()
        await scene.after(lane.PATIENCE_S - 5)
        assert scene.service.texts(SPARE) == []
        await scene.after(300)
        assert scene.service.texts(SPARE) == ["1 Down:new"]  # once, however often the first fails
        await scene.after(1200)
        assert scene.states(NAME) == ["sent"]  # the first is told as well, when it is back
        scene.put(note("oncall", 2, Down="resolved"))
        await scene.after(60)
        assert scene.service.texts(NAME)[-1] == "2 Down:resolved"
        assert scene.service.texts(SPARE)[-1] == "2 Down:resolved"
        scene.put(note("oncall", 3, Down="new"))
        scene.put(note("oncall", 4, Down="resolved"), NAME)
        await scene.after(60)
        assert len(scene.service.texts(SPARE)) == 2  # it stood in for that one only

    played(tmp_path, act, BACKED)


@pytest.mark.parametrize("code", [401, 404])
def test_what_is_refused_goes_to_the_fallback_at_once(code: int, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = lambda heard: status(code)
        scene.put(note("oncall"))
        scene.start()
        await scene.after(3)
        assert scene.service.texts(SPARE) == ["1 Down:new"]

    played(tmp_path, act, BACKED)


def test_the_fallback_is_told_of_the_end_also_where_the_first_is_never_told_of_ends(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 500, status(503))
        scene.tell(note("oncall", 1, A="new", B="new"))
        scene.start()
        await scene.after(1500)
        scene.tell(note("oncall", 2, A="same", B="resolved"))
        await scene.after(60)
        scene.tell(note("oncall", 3, A="resolved"))
        await scene.after(60)
        assert scene.service.texts(NAME)[-1] == "2 A:same"
        assert scene.service.texts(SPARE) == ["1 A:new B:new", "2 A:same B:resolved", "3 A:resolved"]

    played(tmp_path, act, desk_of(oncall=["plain-", "fallback:spare"], spare=["plain"]))


def test_what_ended_before_it_could_be_sent_is_skipped_where_ends_arent_told(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 100, status(503))
        scene.tell(note("oncall"))
        scene.start()
        await scene.after(20)
        scene.tell(note("oncall", 2, Down="resolved"))
        await scene.after(600)
        assert scene.states() == ["skipped"]
        assert "send_resolved" in scene.said("skipped")[0]
        assert scene.said("failed") == []

    played(tmp_path, act, desk_of(oncall=["plain-"]))


# --- what a receiver that was down for long is told


def test_an_end_is_sent_however_long_the_receiver_was_down(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.tell(note("oncall"))
        scene.start()
        await scene.after(30)
        scene.service.answers[NAME] = fails_until(START_S + 2 * 3600, status(503))
        scene.tell(note("oncall", 2, Down="resolved"))
        await scene.after(2 * 3600 + 600)
        assert scene.states() == ["sent", "sent"]
        assert scene.service.texts(NAME)[-1] == "2 Down:resolved"

    played(tmp_path, act)


@pytest.mark.parametrize("code", [503, 401])
def test_a_page_that_was_given_up_is_sent_when_its_receiver_works_again_if_it_still_fires(
    code: int, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 2.5 * 3600, status(code))
        scene.tell(note("oncall", group="fires"))
        scene.tell(note("oncall", group="over", Other="new"))
        scene.start()
        await scene.after(2 * 3600)
        assert "failed" in scene.states()
        scene.stands(note("oncall", group="over", Other="resolved"))
        await scene.after(3600)
        assert sorted(scene.states()) == ["failed", "sent"]
        assert scene.service.texts(NAME)[-1] == "1 Down:new"

    played(tmp_path, act)


def test_of_several_dead_letters_of_a_group_one_is_sent_that_says_all(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 3000, status(401))
        scene.start()
        scene.tell(note("oncall", 1, A="new"))
        await scene.after(10)
        scene.tell(note("oncall", 2, A="same", B="new"))
        await scene.after(2000)
        scene.service.answers[NAME] = lambda heard: Reply(200)
        scene.put(note("oncall", group="another", C="new"))
        await scene.after(60)
        assert scene.states() == ["replaced", "sent", "sent"]
        assert scene.service.texts(NAME)[-1] == "2 A:new B:new"

    played(tmp_path, act)


def test_what_a_receiver_refuses_while_it_takes_others_is_not_sent_again_and_again(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = lambda heard: status(400) if heard.key.startswith("bad") else Reply(200)
        scene.tell(note("oncall", group="bad"))
        scene.start()
        for number in range(8):
            await scene.after(300)
            scene.put(note("oncall", group=f"good {number}"))
        assert len([heard for heard in scene.service.heard if heard.key == "bad-1"]) == 2

    played(tmp_path, act)


def test_what_waits_for_an_integration_that_left_the_config_is_given_up_at_the_start(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.put(note("oncall"), "oncall/plain[7]", NAME)
        scene.start()
        await scene.after(5)
        assert scene.states("oncall/plain[7]") == ["failed"]
        assert scene.states(NAME) == ["sent"]
        assert scene.said("failed") == ["message 1 was given up: the config has no such integration any more"]

    played(tmp_path, act)


# --- the alert about ourselves


def self_alerts(scene: Scene) -> list[tuple[str, str]]:
    a = tables.alerts.c

    def read(conn: Connection) -> list[tuple[str, str]]:
        asked = select(a.status, a.body).where(a.origin == "self")
        return [(row.status, row.body.decode()) for row in conn.execute(asked)]

    return scene.db.read(read)


def test_an_alert_about_ourselves_fires_while_an_integration_fails_and_ends_when_it_works(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 700, status(500))
        scene.put(note("oncall"))
        scene.start()
        await scene.after(lane.PATIENCE_S - 5)
        assert self_alerts(scene) == []
        await scene.after(400)
        (firing,) = self_alerts(scene)
        assert firing[0] == "firing"
        assert settling.SELF_ALERT in firing[1]
        assert f'"integration":"{NAME}"' in firing[1]
        await scene.after(600)
        (ended,) = self_alerts(scene)
        assert ended[0] == "resolved"

    played(tmp_path, act)


def test_the_alert_about_ourselves_never_goes_through_what_it_is_about(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = lambda heard: status(500)
        scene.put(note("oncall"))
        scene.start()
        for _ in range(60):
            await scene.after(20)
            rounds.flush_due(scene.db, scene.desk, now_s())
            scene.courier.wake()
        assert not any(settling.SELF_ALERT in text for text in scene.service.texts(NAME))
        assert any(settling.SELF_ALERT in text for text in scene.service.texts(SPARE))

    played(tmp_path, act, BACKED)


def test_a_message_arrives_also_where_the_alert_about_ourselves_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise IntegrityError("INSERT", {}, Exception("twice"))

    monkeypatch.setattr(settling, "failing", fails)

    async def act(scene: Scene) -> None:
        scene.service.answers[NAME] = fails_until(START_S + 900, status(503))
        for number in range(3):
            scene.put(note("oncall", group=f"g{number}"))
        scene.start()
        await scene.after(1800)
        assert scene.states() == ["sent"] * 3

    played(tmp_path, act)


def test_an_outcome_that_can_never_be_written_holds_up_no_other_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = settling.told

    def told(conn: Connection, delivery: outbox.Delivery, **rest: Any) -> None:
        if delivery.notification.group.id == "bad":
            raise IntegrityError("INSERT", {}, Exception("twice"))
        real(conn, delivery, **rest)

    monkeypatch.setattr(settling, "told", told)

    async def act(scene: Scene) -> None:
        for number in range(lane.AT_ONCE_MAX):
            scene.put(note("oncall", group="bad", number=number + 1))
        scene.start()
        await scene.after(5)
        scene.put(note("oncall", group="good"))
        await scene.after(5)
        assert scene.service.texts(NAME)[-1] == "1 Down:new"
        assert "sent" in scene.states()
        assert len(scene.service.heard) == 2  # left to its lease

    played(tmp_path, act)


# --- crashes, leases, two desks


class Crash(BaseException):
    """The process is gone."""


def test_dying_between_sending_and_writing_it_down_sends_again_with_the_same_id(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.put(note("oncall"))
        scene.db.fault = lambda: Crash() if scene.service.heard else None
        task = scene.start()
        await scene.after(5)
        assert len(scene.service.heard) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        scene.db.fault = lambda: None
        scene.start(scene.another_courier("after the crash"))
        await scene.after(lane.LEASE_S - 10)
        assert len(scene.service.heard) == 1  # the dead one's lease still holds
        await scene.after(20)
        assert [heard.key for heard in scene.service.heard] == ["g-1", "g-1"]
        assert scene.states() == ["sent"]

    played(tmp_path, act)


def test_two_desks_on_one_database_send_each_message_once_even_where_sending_outlasts_a_lease(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.delay_s[NAME] = lane.LEASE_S * 2.5
        for number in range(6):
            scene.put(note("oncall", group=f"g{number}"))
        scene.start()
        scene.start(scene.another_courier("second"))
        await scene.after(lane.LEASE_S * 4)
        assert sorted(heard.key for heard in scene.service.heard) == [f"g{number}-1" for number in range(6)]
        assert scene.states() == ["sent"] * 6

    played(tmp_path, act)


def test_a_database_that_is_away_costs_time_and_no_message(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        gone = OperationalError("INSERT", {}, Exception("gone"), connection_invalidated=True)
        scene.db.fault = lambda: gone if START_S + 2 < now_s() < START_S + 40 else None
        scene.service.delay_s[NAME] = 5.0
        scene.put(note("oncall"))
        scene.start()
        await scene.after(60)
        assert scene.states() == ["sent"]
        assert len(scene.service.heard) == 1  # it was told once; only writing that down took long

    played(tmp_path, act)


def test_told_to_end_it_finishes_what_is_under_way_and_starts_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.service.delay_s[NAME] = 4.0
        for number in range(20):
            scene.put(note("oncall", group=f"g{number}"))
        task = scene.start()
        await scene.after(1)
        scene.courier.stop()
        await asyncio.wait_for(task, 10)
        assert sorted(scene.states()) == ["due"] * 12 + ["sent"] * 8

    played(tmp_path, act)


# --- integrations that forget


def test_what_fires_is_told_again_every_minute_and_an_end_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    name = "am/forgetful[0]"

    async def act(scene: Scene) -> None:
        scene.tell(note("am", 1, A="new", B="new"))
        scene.start()
        await scene.after(601)
        assert scene.service.texts(name) == ["1 A:new B:new"] + ["1 A:same B:same"] * 10
        scene.tell(note("am", 2, A="same", B="resolved"))
        await scene.after(1800)
        after = scene.service.texts(name)[11:]
        assert after[0] == "2 A:same B:resolved"
        assert 14 <= after.count("2 A:same B:resolved") <= 16
        assert after[-1] == "2 A:same"
        scene.tell(note("am", 3, A="resolved"))
        await scene.after(3600)
        ends = [text for text in scene.service.texts(name) if text == "3 A:resolved"]
        assert 14 <= len(ends) <= 16
        assert scene.service.texts(name)[-1] == "3 A:resolved"

    played(tmp_path, act, desk_of(am=["forgetful"]))


def test_an_old_state_is_never_told_again_after_a_newer_one(tmp_path: Path) -> None:
    name = "am/forgetful[0]"

    async def act(scene: Scene) -> None:
        scene.service.delay_s[name] = 8.0
        for group in "abcdefgh":
            scene.tell(note("am", 1, group=group, A="new"))
        scene.start()
        await scene.after(55)
        for group in "abcdefgh":  # while the first repeats are under way, one after another
            await scene.after(3)
            scene.tell(note("am", 2, group=group, A="resolved"))
        await scene.after(300)
        for group in "abcdefgh":
            numbers = [heard.text[0] for heard in scene.service.heard if heard.key.startswith(group)]
            assert numbers == sorted(numbers)

    played(tmp_path, act, desk_of(am=["forgetful"]))


@pytest.mark.parametrize("kind", ["forgetful", "forgetful-"])
def test_nobody_is_told_again_that_something_fires_after_its_end_wherever_that_end_went(
    kind: str, tmp_path: Path
) -> None:
    name = "am/forgetful[0]"

    async def act(scene: Scene) -> None:
        scene.tell(note("am", 1))
        scene.start()
        await scene.after(100)
        scene.service.answers[name] = lambda heard: status(400) if "resolved" in heard.text else Reply(200)
        scene.tell(note("am", 2, Down="resolved"))
        await scene.after(3)
        count = len(scene.service.texts(name))
        await scene.after(3600)
        assert set(scene.service.texts(name)[count:]) <= {"2 Down:resolved"}  # tried again now and then

    played(tmp_path, act, desk_of(am=[kind]))


# --- counts


def test_counters_are_there_before_the_first_failure(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        assert scene.courier.counts.notifications == {NAME: 0}
        assert dict(scene.courier.counts.failures) == {(NAME, kind): 0 for kind in FAILURE_KINDS}

    played(tmp_path, act)
