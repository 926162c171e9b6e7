"""The services that a desk tells, as doubles, all in one config; and what a person would find there afterwards."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.http import Double, Fault, Request, Response
from tests.doubles.opsgenie import OpsgenieDouble
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.slack import TOKEN, WEBHOOK_PATH, Slack
from tests.doubles.teams import Teams
from tests.whole.bed import receivers

JSM = "/jsm/ops/integration"
ROUTING_KEY = "r" * 32
SECRETS = (ROUTING_KEY, "og-key", TOKEN, WEBHOOK_PATH, "sig=secret")  # none of them belongs into a log


@dataclass
class Hook:
    """A webhook that never fails. came: (time.monotonic(), message)."""

    double: Double
    came: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def take(self, request: Request) -> Response:
        self.came.append((time.monotonic(), request.json))
        return Response(200)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for _, message in self.came]

    def of(self, group: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["groupLabels"].get("alertname") == group]

    def late_s(self, group: str, since_s: float) -> float:
        """Seconds from `since_s` to the first message of the group since then."""
        return next(
            at_s - since_s
            for at_s, message in self.came
            if at_s >= since_s and message["groupLabels"].get("alertname") == group
        )


@dataclass
class Services:
    """Each with faults of its own; `hook` without any."""

    pagerduty: PagerDutyDouble
    opsgenie: OpsgenieDouble
    jsm: OpsgenieDouble
    slack: Slack
    bot: Slack
    teams: Teams
    hook: Hook

    @property
    def faulty(self) -> dict[str, Double]:
        """By the name of the integration."""
        return {
            "pager/pagerduty[0]": self.pagerduty,
            "pager/opsgenie[0]": self.opsgenie,
            "pager/jsm[0]": self.jsm,
            "chat/slack[0]": self.slack.http,
            "chat/slack[1]": self.bot.http,
            "chat/msteamsv2[0]": self.teams.http,
        }

    def config(self, timeout_s: float) -> dict[str, object]:
        """`pager`, `chat` and `hook` are all told everything, grouped by alertname. timeout_s: of all but the hook."""
        timeout = f"{timeout_s:g}s"
        return {
            "route": {
                "receiver": "hook",
                "group_by": ["alertname"],
                "group_wait": "300ms",
                "group_interval": "500ms",
                "repeat_interval": "1h",
                "routes": [
                    {"receiver": "pager", "continue": True},
                    {"receiver": "chat", "continue": True},
                    {"receiver": "hook"},
                ],
            },
            "receivers": receivers(
                pager=[
                    {"pagerduty_configs": [
                        {"routing_key": ROUTING_KEY, "url": f"{self.pagerduty.url}/v2/enqueue", "timeout": timeout}
                    ]},
                    {"opsgenie_configs": [{"api_key": "og-key", "api_url": self.opsgenie.url, "timeout": timeout}]},
                    {"jsm_configs": [{"api_key": "og-key", "api_url": f"{self.jsm.url}{JSM}/", "timeout": timeout}]},
                ],
                chat=[
                    {"slack_configs": [
                        {"api_url": self.slack.webhook_url, "channel": "#alerts", "send_resolved": True,
                         "timeout": timeout},
                        {"bot_token": TOKEN, "app_url": self.bot.api_url, "channel": "#alerts", "send_resolved": True,
                         "pictures": False, "timeout": timeout},
                    ]},
                    {"msteamsv2_configs": [
                        {"webhook_url": self.teams.url, "send_resolved": True, "timeout": timeout}
                    ]},
                ],
                hook=[{"webhook_configs": [{"url": self.hook.double.url}]}],
            ),
            # Each group for itself, and nothing held back because it comes and goes.
            "storm": {"enabled": False},
            "flapping": {"enabled": False},
        }  # fmt: skip

    def fail(self, *faults: Fault | None) -> None:
        """Each of the faulty ones, in turn."""
        for double in self.faulty.values():
            double.fail(*faults)


@contextmanager
def services() -> Iterator[Services]:
    with ExitStack() as stack:
        hook = Hook(Double(lambda request: hook.take(request)))
        stack.enter_context(hook.double)
        yield Services(
            pagerduty=stack.enter_context(PagerDutyDouble()),
            opsgenie=stack.enter_context(OpsgenieDouble()),
            jsm=stack.enter_context(OpsgenieDouble(base=JSM)),
            slack=stack.enter_context(Slack()),
            bot=stack.enter_context(Slack()),
            teams=stack.enter_context(Teams()),
            hook=hook,
        )


def incidents(pagerduty: PagerDutyDouble) -> list[tuple[str, str]]:
    """(what a person knows it by, state) of each that was ever opened."""
    found = []
    for one in pagerduty.incidents:
        (name,) = {event["payload"]["class"] for event in one.events if "payload" in event}
        found.append((name, one.state))
    return sorted(found)


def tickets(opsgenie: OpsgenieDouble) -> list[tuple[str, str]]:
    return sorted((_name(one.made["message"]), one.state) for one in opsgenie.alerts)


def threads(bot: Slack) -> list[tuple[str, str]]:
    """(group, how it stands) of each message in the channel itself."""
    return sorted((_name(post.body["text"]), _state(post.body["text"])) for post in bot.posts if post.thread_ts is None)


def posted(slack: Slack) -> Counter[tuple[str, str]]:
    return Counter((_name(post.body["text"]), _state(post.body["text"])) for post in slack.posts)


def cards(teams: Teams) -> Counter[tuple[str, str]]:
    return Counter((_name(card["summary"]), _state(card["summary"])) for card in teams.cards)


def _name(text: str) -> str:
    """Groups are called `Group…` in these tests."""
    return next(word.strip(":,") for word in text.split() if word.startswith("Group"))


def _state(text: str) -> str:
    return "resolved" if "RESOLVED" in text else "firing"
