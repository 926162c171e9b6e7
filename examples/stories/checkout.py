"""Checkout answers with errors: a warning, above 5 % a page, taken in Slack, roles, the end, a draft of the review.

    python -m examples.stories.checkout

Slack and PagerDuty are stood in for by doubles that refuse what the real ones refuse; all else is real.
"""

import argparse
import hashlib
import hmac
import json
import os
import sys
import time
from typing import Any
from urllib.parse import urlencode

import httpx
from rich.console import Console

from examples.stories.stage import Failed, Metric, Stage, main, stage
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.slack import TOKEN, Post, Slack

SIGNING_SECRET = "the signing secret of a double"  # noqa: S105
NORMAL, SLIGHT, BAD = 0.004, 0.02, 0.08  # shares of requests that fail


def config(slack: Slack, pagerduty: PagerDutyDouble) -> dict[str, object]:
    """What a team would write, with shorter times."""
    os.environ["STORY_SLACK_SECRET"] = SIGNING_SECRET
    baseline = {"detector": "baseline", "at": 1.0, "params": {"direction": "above", "min_change": 0.005}}
    chat = {"bot_token": TOKEN, "channel": "#alerts", "app_url": slack.api_url, "send_resolved": True}
    return {
        "rules": [
            {
                "name": "errors",
                "match": "http_error_ratio",
                "levels": {"warning": baseline, "critical": {"detector": "threshold", "at": "> 0.05"}},
                "labels": {"team": "shop"},
                "annotations": {
                    "summary": "Checkout answers with errors",
                    "runbook_url": "https://runbooks.example/shop/errors",
                },
            }
        ],
        "route": {"receiver": "chat", "group_by": ["alertname", "service"], "group_wait": "1s", "group_interval": "3s"},
        "receivers": [
            {"name": "chat", "slack_configs": [chat]},
            {"name": "phone", "pagerduty_configs": [{"routing_key": "0" * 32, "url": f"{pagerduty.url}/v2/enqueue"}]},
        ],
        "oncall": {
            "people": [
                {
                    "name": "ann",
                    "receivers": ["phone", "chat"],
                    "handles": {"slack": "U0ANN"},
                    "time_zone": "Europe/Berlin",
                },
                {"name": "bob", "receivers": ["chat"], "handles": {"slack": "U0BOB"}},
            ],
            "schedules": [{"name": "shop", "time_zone": "Europe/Berlin", "layers": [{"people": ["ann"]}]}],
            "teams": [{"name": "shop", "members": ["ann", "bob"], "schedule": "shop", "policy": "shop"}],
        },
        "escalation": {
            "policies": [
                {
                    "name": "shop",
                    "steps": [{"notify": ["schedule:shop"]}, {"after": "5m", "notify": ["person:bob"]}],
                    "ack_expires": "30m",
                }
            ],
            "hooks": {"slack_signing_secret": "${env:STORY_SLACK_SECRET}"},
        },
        "incidents": {
            "rules": [{"name": "shop", "matchers": ['team="shop"'], "level": "critical", "team": "shop"}],
            "resolve_after": "5s",
        },
    }


def play(console: Console, _: argparse.Namespace) -> None:
    with (
        Slack() as slack,
        PagerDutyDouble() as pagerduty,
        stage(config(slack, pagerduty), console) as on,
        Metric(on, "http_error_ratio", {"service": "checkout"}, NORMAL, 0.0008) as errors,
    ):
        on.say("0.4 % of checkout's requests fail, as always")
        on.until("the worker knows the series", lambda: on.events >= Metric.HISTORY_S)
        _tell(on, slack, pagerduty, errors)


def _tell(on: Stage, slack: Slack, pagerduty: PagerDutyDouble, errors: Metric) -> None:
    on.chapter("a slight rise")
    on.run("change", "add", "checkout", "-m", "baskets of two currencies", "--version", "2.31.0")
    errors.level = SLIGHT
    on.say("2 % fail: far below the border of 5 %, but not as always")
    on.until("a warning stands in #alerts, and nobody is paged", lambda: _said(slack, "warning"))
    on.check("no incident yet", not on.get("/api/desk/incidents"))

    on.chapter("above 5 %")
    errors.level = BAD
    on.until("an incident is open", lambda: on.get("/api/desk/incidents"))
    on.until("ann, who is on call, is paged", lambda: pagerduty.open)
    on.run("incident", "show", "INC-1")
    on.run("incident", "suspects", "INC-1")

    on.chapter("somebody takes it, from Slack")
    post = on.until(
        "the page in Slack has a button", lambda: next((p for p in slack.posts if _button(p, "Acknowledge")), None)
    )
    _press(on, slack, post, "Acknowledge", "U0ANN", "ann")
    on.until("the incident is ann's", lambda: on.get("/api/desk/incidents/INC-1")["acknowledged_by"] == "ann")
    on.until("PagerDuty knows it, and stops", lambda: all(one.state == "acknowledged" for one in pagerduty.open))
    on.run("incident", "role", "INC-1", "communication", "bob", "--note", "writes to the shops")
    on.run("incident", "role", "INC-1", "troubleshooting", "ann")
    on.run("incident", "comment", "INC-1", "2.31.0 sends baskets twice; rolled back to 2.30.4")

    on.chapter("the end")
    errors.level = NORMAL
    on.until("the alert is over", lambda: on.get("/api/desk/incidents/INC-1")["state"] in ("mitigated", "resolved"))
    on.until("the incident resolves", lambda: on.get("/api/desk/incidents/INC-1")["state"] == "resolved")
    on.until("PagerDuty's is closed", lambda: not pagerduty.open)
    on.run("incident", "verify", "INC-1")
    review = on.run("incident", "review", "INC-1", most=34)
    on.check("the review is half written", "## Detection and response" in review and "baskets twice" in review)


def _said(slack: Slack, word: str) -> bool:
    return any(word in json.dumps(post.body).lower() for post in slack.posts)


def _button(post: Post, text: str) -> dict[str, Any] | None:
    elements = [
        element for block in post.body.get("blocks", []) if block["type"] == "actions" for element in block["elements"]
    ]
    return next((element for element in elements if element["text"]["text"] == text), None)


def _press(on: Stage, slack: Slack, post: Post, text: str, user: str, name: str) -> None:
    """As Slack tells an app of it: a form, signed."""
    button = _button(post, text)
    if button is None:
        raise Failed(f"the message has no button {text}")
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": name, "name": name, "team_id": "T0"},
        "channel": {"id": post.channel, "name": "alerts"},
        "message": {"ts": post.ts},
        "container": {"type": "message", "message_ts": post.ts, "channel_id": post.channel},
        "actions": [{**button, "action_ts": f"{time.time():.6f}"}],
        "response_url": slack.webhook_url,
        "trigger_id": "1.2.3",
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    now = str(int(time.time()))
    digest = hmac.new(SIGNING_SECRET.encode(), f"v0:{now}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": now,
        "X-Slack-Signature": f"v0={digest}",
    }
    answer = httpx.post(f"{on.url}/hooks/slack", content=body, headers=headers, timeout=10.0, trust_env=False)
    on.check(f"{name} presses {text} in Slack", answer.is_success)


if __name__ == "__main__":
    sys.exit(main(play, argparse.ArgumentParser(description=__doc__)))
