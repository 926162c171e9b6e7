"""An alertmanager.yml as it is drives the desk: what it tells is what the real Alertmanager tells with the same file.

Both run at the same time on the same file and tell the same doubles; who said what stands in its User-Agent.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.http import Double, Request, Response
from tests.doubles.pagerduty import PagerDutyDouble
from tests.doubles.slack import Slack
from tests.notifiers.real_alertmanager import alertmanager_of, needs_alertmanager
from tests.whole.bed import bed, firing, over, post, wait

pytestmark = [pytest.mark.kafka, needs_alertmanager, pytest.mark.timeout(120)]
FILE = Path(__file__).parent / "alertmanager.yml"
TEMPLATES = """\
{{ define "shop.title" }}[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] \
{{ .GroupLabels.SortedPairs.Values | join " " }}{{ end }}
{{ define "shop.text" }}{{ range $i, $alert := .Alerts }}{{ if $i }}
{{ end }}{{ .Labels.instance }}: {{ .Annotations.summary | reReplaceAll "f(i+)res" "b${1}rns" }}{{ end }}{{ end }}
"""


def alerts() -> list[dict[str, object]]:
    """Several of each way through the tree, none of them enough for a storm."""

    def of(name: str, severity: str, **labels: str) -> dict[str, object]:
        return firing({"alertname": name, "severity": severity, **labels})

    eu, us = {"cluster": "eu-1"}, {"cluster": "us-1"}
    return [
        *(of("Latency", "critical", team="shop", service="cart", instance=f"c{n}", **eu) for n in range(3)),
        of("Latency", "critical", team="shop", service="checkout", instance="k0", **eu),
        of("Latency", "warning", team="shop", service="cart", instance="c0", **eu),  # its critical twin inhibits it
        of("Latency", "warning", team="shop", service="cart", instance="c9", **us),
        of("Errors", "warning", team="shop", service="search", instance="s0", **us),
        of("Errors", "warning", team="shop", service="suggest", instance="s1", **us),
        of("Errors", "critical", team="payment", service="pay", instance="p0", **us),
        of("ClusterDown", "critical", team="infra", cluster="ap-1"),
        of("Latency", "critical", team="payment", service="pay", instance="p1", cluster="ap-1"),  # inhibited
        of("Disk", "none", team="shop", instance="d0", **eu),
        of("Nightly", "warning", team="batch", job="report"),
        of("Printer", "warning", team="office", room="2 <b>"),
        of("Watchdog", "info"),
    ]


@dataclass(frozen=True)
class Doubles:
    hook: Double
    pagerduty: PagerDutyDouble
    slack: Slack

    def said(self, ours: bool) -> dict[str, list[Any]]:
        """What was told, receiver by receiver, in no order, without what differs by nature."""
        return {
            "hook": _sorted(_hooked(r) for r in self.hook.requests if _is_ours(r) is ours),
            "pagerduty": _sorted(_paged(r) for r in self.pagerduty.requests if _is_ours(r) is ours),
            "slack": _sorted(_posted(r) for r in self.slack.http.requests if _is_ours(r) is ours),
        }


def _is_ours(request: Request) -> bool:
    return request.headers["user-agent"] == "tidegauge"


def _sorted(found: Iterator[Any]) -> list[Any]:
    return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))


def _plain(labels: dict[str, str]) -> dict[str, str]:
    """To label-based receivers we say the level as a label, too."""
    return {name: value for name, value in labels.items() if name != "level"}


def _hooked(request: Request) -> dict[str, Any]:
    body = request.json
    alerts = [
        {"labels": _plain(one["labels"]), "status": one["status"], "annotations": one["annotations"]}
        for one in body["alerts"]
    ]
    kept = ("receiver", "status", "groupKey", "groupLabels", "commonAnnotations", "truncatedAlerts", "version")
    # Which alerts are left out of a long message is everybody's own choice.
    listed = len(alerts) if body["truncatedAlerts"] else _sorted(iter(alerts))
    return {
        "path": request.path, "alerts": listed, "commonLabels": _plain(body["commonLabels"]),
        **{key: body[key] for key in kept},
    }  # fmt: skip


def _paged(request: Request) -> dict[str, Any]:
    body = request.json
    kept = ("event_action", "dedup_key", "routing_key")
    payload = body.get("payload", {})
    details = payload.get("custom_details", {})
    instances = sorted(details.get("instances", "").split())
    shown = {key: payload.get(key) for key in ("summary", "severity", "class", "group")}
    if body["event_action"] == "resolve":  # Alertmanager sends the payload then too; PagerDuty doesn't read it
        return {key: body[key] for key in kept}
    return {**{key: body[key] for key in kept}, **shown, "instances": instances, "runbook": details.get("runbook")}


def _posted(request: Request) -> dict[str, Any]:
    body = request.json
    (attachment,) = body["attachments"]
    kept = ("title", "title_link", "color", "fields")
    lines = sorted(attachment["text"].split("\n"))
    return {"channel": body["channel"], "lines": lines, **{key: attachment.get(key) for key in kept}}


@contextmanager
def doubles() -> Iterator[Doubles]:
    with Double(lambda _: Response(200)) as hook, PagerDutyDouble() as pagerduty, Slack() as slack:
        yield Doubles(hook, pagerduty, slack)


def test_it_tells_what_alertmanager_tells(kafka: str, topic_name: str, tmp_path: Path) -> None:
    with doubles() as found:
        written = FILE.read_text("utf-8")
        addresses = {"SLACK": found.slack.http.url, "PAGERDUTY": found.pagerduty.url, "HOOK": found.hook.url}
        for name, address in addresses.items():
            written = written.replace(f"DOUBLES_{name}", address)
        file = tmp_path / "alertmanager.yml"
        file.write_text(written, "utf-8")
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "shop.tmpl").write_text(TEMPLATES, "utf-8")
        included = {"include": [file.name], "route": None, "receivers": None}
        with alertmanager_of(file) as real, bed(tmp_path, kafka, topic_name, included) as desk:
            fired = alerts()
            for url in (real.url, desk.url):
                post(url, *fired)

            time.sleep(2.0)  # group_wait
            wait("as many messages", lambda: len(_all(found, True)) >= len(_all(found, False)) > 0, 10.0)
            time.sleep(1.5)  # group_interval: nothing more is said
            assert found.said(ours=True) == found.said(ours=False)
            assert {request.path for request in found.hook.requests} >= {"/fallback", "/office", "/search"}
            assert "/batch" not in {request.path for request in found.hook.requests}
            # What was inhibited goes on, and is told once nothing inhibits it any more.
            ended = [over(one) for one in fired if not _is_inhibited(one)]
            for url in (real.url, desk.url):
                post(url, *ended)
            time.sleep(2.0)
            wait("as many ends", lambda: len(_all(found, True)) >= len(_all(found, False)), 10.0)
            time.sleep(1.5)
            assert found.said(ours=True) == found.said(ours=False)
    assert [one.events[0]["payload"]["group"] for one in found.pagerduty.open] == ["AP-1"]


def _is_inhibited(alert: dict[str, Any]) -> bool:
    return (alert["labels"].get("instance"), alert["labels"]["severity"]) in {("p1", "critical"), ("c0", "warning")}


def _all(found: Doubles, ours: bool) -> list[Any]:
    return [one for said in found.said(ours).values() for one in said]
