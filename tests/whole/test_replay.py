"""The alerts topic read again from its beginning: who is paged, and for what."""

import time
from pathlib import Path

import pytest

from schemas.alert import AlertEvent
from tests.desk.scene import event
from tests.whole.bed import bed
from tests.whole.scene import services

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]
DAY_S = 86_400.0
ENDED, FIRE = 1500, 12
MESSAGES = 5  # `storm.groups_max`, and the storm


def history(now_s: float) -> list[AlertEvent]:
    """Of a week: many alerts that are over, some more than once, and a few that fire since then."""
    found = []
    for n in range(ENDED):
        starts_s = now_s - 7 * DAY_S + 60.0 * n
        found += [
            event(f"over{n % 500}", starts_s=starts_s, alertname=f"Group{n % 40}"),
            event(f"over{n % 500}", seq=1, level="critical", starts_s=starts_s, alertname=f"Group{n % 40}"),
            event(f"over{n % 500}", seq=2, level=None, starts_s=starts_s, alertname=f"Group{n % 40}"),
        ]
    for n in range(FIRE):
        starts_s = now_s - 6 * DAY_S + n
        found.append(event(f"fires{n}", starts_s=starts_s, level="critical", alertname=f"Group{n}"))
    return sorted(found, key=lambda one: one.at)


def test_a_new_desk_tells_only_what_fires_once_and_bundled(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with services() as found:
        config = {**found.config(5.0), "storm": {"window": "4s"}}  # its message gathers for a quarter of that
        with bed(tmp_path, kafka, topic_name, config, starts=False) as desk:
            events = history(time.time())
            desk.publish(*events)
            desk.start()
            assert desk.count("events") == len(events)
            desk.wait("all is told", lambda: len(found.hook.messages) >= MESSAGES and desk.unsent() == 0)
            time.sleep(1.5)  # group_interval three times
            told = [one["labels"]["series"] for message in found.hook.messages for one in message["alerts"]]
            assert sorted(told) == sorted(f"fires{n}" for n in range(FIRE))
            # The first few groups of a receiver speak for themselves, the rest is one message.
            assert len(found.hook.messages) == MESSAGES
            assert len(found.pagerduty.incidents) == len(found.opsgenie.alerts) == len(found.teams.cards) == MESSAGES
            assert len([post for post in found.bot.posts if post.thread_ts is None]) == MESSAGES


def test_what_ended_while_the_desk_was_away_is_told_as_over_and_not_repeated(
    kafka: str, topic_name: str, tmp_path: Path
) -> None:
    started_s = time.time()
    with services() as found:
        route = {
            "receiver": "hook",
            "group_by": ["alertname"],
            "group_wait": "200ms",
            "group_interval": "2s",
            "repeat_interval": "2s",  # due by the time it is back
        }
        with bed(tmp_path, kafka, topic_name, {**found.config(5.0), "route": route}) as desk:
            for n in range(3):
                desk.publish(event(f"s{n}", starts_s=started_s, level="critical", alertname="GroupA"))
            found.hook.double.wait_for(1)
            desk.running.stop()
            before, gone_s = len(found.hook.messages), time.time()
            for n in range(3):
                desk.publish(event(f"s{n}", seq=1, level=None, starts_s=started_s, at_s=gone_s, alertname="GroupA"))
            desk.start()
            desk.wait("the end is told", lambda: len(found.hook.messages) > before)
            assert [message["status"] for message in found.hook.messages[before:]] == ["resolved"]
