"""Whatever a pager's network does to us - 429, 500, silence, lost replies - no page is lost and none becomes two."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert import Notification
from alerting.notifiers.base import Handle, Notifier
from schemas.calls import Retry
from tests.doubles.http import Fault
from tests.doubles.opsgenie import OpsgenieDouble
from tests.doubles.pagerduty import PagerDutyDouble
from tests.notifiers.notes import alert, note, resolved, told
from tests.notifiers.talk import context, notifier, talk

ATTEMPTS_MAX = 12
TIMEOUT_S = 0.15
BUSY = Fault(status=429, retry_after_s=3.0)
BROKEN = Fault(status=500)
LOST = Fault(is_reply_lost=True)
SILENT = Fault(delay_s=30.0)  # it took the request, and whoever asked is gone long before the answer
DOWN = Fault(status=503, is_reply_lost=True)
FAULTS = (BUSY, BROKEN, LOST, DOWN)

STORY = (
    note(told(alert(level="warning"))),
    note(told(alert(), "raised", "warning"), reason="level_raised", number=2),
    note(told(alert(), "same"), reason="repeat_interval", number=3),
    note(resolved(), reason="all_resolved", number=4),
)


def delivered(made: Notifier, one: Notification, handle: Handle) -> Handle:
    """As the courier does it: from the start, until it is told."""
    for _ in range(ATTEMPTS_MAX):
        try:
            return talk(made.deliver(one, dict(handle), context()), TIMEOUT_S)
        except Retry:
            continue
    raise AssertionError(f"not told after {ATTEMPTS_MAX} attempts")


def told_through_pagerduty(faults: Sequence[Fault | None]) -> None:
    with PagerDutyDouble() as double:
        made = notifier("pagerduty", routing_key="r" * 32, url=f"{double.url}/v2/enqueue")
        double.fail(*faults)
        handle: Handle = {}
        for one in STORY:
            handle = delivered(made, one, handle)
            assert len(double.incidents) == 1
            assert len(double.open) == (one.status == "firing")
        events = [event["event_action"] for event in double.incidents[0].events]
        assert events[0] == "trigger"
        assert events[-1] == "resolve"
        severities = [e["payload"]["severity"] for e in double.incidents[0].events if "payload" in e]
        assert severities == sorted(severities, key=["warning", "critical"].index)


def told_through_opsgenie(faults: Sequence[Fault | None]) -> None:
    with OpsgenieDouble() as double:
        made = notifier("opsgenie", api_key="og-key", api_url=double.url, confirm=True)
        double.fail(*faults)
        handle: Handle = {}
        for one in STORY:
            handle = delivered(made, one, handle)
            assert len(double.alerts) == 1
            assert len(double.open) == (one.status == "firing")
        assert double.alerts[0].made["priority"] == "P1"
        assert any("CRITICAL (was warning)" in text for text in double.alerts[0].notes)


FEW_FAULTS = st.lists(st.none() | st.sampled_from(FAULTS), max_size=ATTEMPTS_MAX - 2)


@settings(max_examples=15)
@given(FEW_FAULTS)
def test_pagerduty_has_one_incident_with_a_beginning_and_an_end(faults: list[Fault | None]) -> None:
    told_through_pagerduty(faults)


@settings(max_examples=15)
@given(FEW_FAULTS)
def test_opsgenie_has_one_alert_with_a_beginning_and_an_end(faults: list[Fault | None]) -> None:
    told_through_opsgenie(faults)


@pytest.mark.parametrize("told_through", [told_through_pagerduty, told_through_opsgenie])
def test_half_a_minute_of_silence_is_given_up_and_makes_no_second_incident(
    told_through: Callable[[Sequence[Fault | None]], None],
) -> None:
    told_through([SILENT, None, SILENT, LOST])


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_is_reason_to_try_again(fault: Fault) -> None:
    with PagerDutyDouble() as double:
        made = notifier("pagerduty", routing_key="r" * 32, url=f"{double.url}/v2/enqueue")
        double.fail(fault)
        with pytest.raises(Retry) as raised:
            talk(made.deliver(note(), {}, context()), TIMEOUT_S)
        assert raised.value.after_s == fault.retry_after_s
        assert len(double.incidents) == (fault is LOST)
