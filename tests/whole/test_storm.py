"""Everything breaks at once: a few messages for thousands of alerts, and the API answers meanwhile."""

import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.desk import Asker, publish
from tests.whole.bed import bed, receivers
from tests.whole.scene import services

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
SERIES = 2_000
WITHIN_S = 2.0
MESSAGES_MAX = 5  # four groups for themselves, and the rest


def test_a_storm_is_a_few_messages_and_all_of_it_is_kept(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with services() as found:
        hook, pagerduty = found.hook.double, found.pagerduty
        route = {"receiver": "few", "group_by": ["alertname"], "group_wait": "3s"}
        config: dict[str, object] = {
            # Once they are one group, once each is a group of its own.
            "route": {
                **route,
                "routes": [{"receiver": "few", "continue": True}, {"receiver": "many", "group_by": ["..."]}],
            },
            "receivers": receivers(
                few=[{"webhook_configs": [{"url": f"{hook.url}/few"}]}],
                many=[
                    {"webhook_configs": [{"url": f"{hook.url}/many"}]},
                    {"pagerduty_configs": [{"routing_key": "r" * 32, "url": f"{pagerduty.url}/v2/enqueue"}]},
                ],
            ),
            "storm": {"window": "12s"},  # its message gathers for a quarter of that
        }
        with bed(tmp_path, kafka, topic_name, config) as desk:
            asker = Asker(desk.url)
            asker.start()
            try:
                writer = threading.Thread(target=publish, args=(kafka, topic_name, SERIES, time.time(), WITHIN_S))
                writer.start()
                desk.wait("all are told", lambda: sum(told(found.hook.messages, "many")) >= SERIES, 60.0)
                writer.join()
            finally:
                asker.over.set()
                asker.join()
            time.sleep(1.0)  # nothing follows
            assert desk.count("events") == SERIES
            rss = psutil.Process(desk.running.process.pid).memory_info().rss
        for receiver in ("few", "many"):
            counts = told(found.hook.messages, receiver)
            assert sum(counts) == SERIES
            assert len(counts) <= MESSAGES_MAX
        assert len(found.pagerduty.incidents) <= MESSAGES_MAX
        assert rss < 1e9
        asked = asker.asked()
        print(asked)  # pytest -rP
        assert asked.failures == 0
        # Of a machine that does other things too; benchmarks/desk.py measures.
        assert asked.p50_ms < 200


def told(messages: list[dict[str, Any]], receiver: str) -> list[int]:
    """How many alerts each message has."""
    return [len(message["alerts"]) for message in messages if message["receiver"] == receiver]
