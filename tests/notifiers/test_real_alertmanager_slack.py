"""The real Alertmanager's Slack notifier speaks to our double, and says what ours says with the same config.

Alertmanager 0.25 has no notifier for Teams' Workflows: that double stands on its schema alone.
"""

import json
import time
from pathlib import Path
from typing import Any

import httpx

from alerting.alert import Notification
from alerting.notifiers.base import Context
from alerting.words.templates import Templates
from schemas.alert import rfc3339
from schemas.calls import HttpCall, Reply
from tests.doubles.slack import TOKEN, Slack
from tests.notifiers.notes import alert, note, told
from tests.notifiers.real_alertmanager import RealAlertmanager, alertmanager, needs_alertmanager
from tests.notifiers.talk import answered, notifier
from tests.notifiers.talk import context as plain_context

pytestmark = needs_alertmanager

SOURCE = "http://p.example/g"
LABELS = [
    {"alertname": "errors", "service": "cart", "severity": "warning", "zone": "eu 1"},
    {"alertname": "errors", "service": "checkout", "severity": "critical", "instance": "web-1:9100"},
]
ANNOTATIONS = [{"summary": "Too many errors", "runbook": "https://r.example/1"}, {"summary": "ünïcode", "n": "12"}]
FILE = """
{{ define "__our_subject" }}[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]
{{- end }}
{{ define "slack.ours.title" -}}
{{ template "__our_subject" . }} {{ .CommonLabels.alertname }}
{{- end }}
{{ define "slack.ours.text" }}{{ range .Alerts -}}
*Alert:* {{ .Annotations.summary }}{{ if .Labels.severity }} - `{{ .Labels.severity }}`{{ end }}
{{ range .Labels.SortedPairs }} • *{{ .Name }}:* `{{ .Value }}`
{{ end }}{{ end }}{{ end }}
"""
# As people's configs have them; each is one `slack_configs` entry.
ENTRIES: list[dict[str, Any]] = [
    {"title": '{{ template "slack.ours.title" . }}', "text": '{{ template "slack.ours.text" . }}'},
    {
        "title": '[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}] '
        '{{ .GroupLabels.SortedPairs.Values | join " " }} {{ if gt (len .CommonLabels) (len .GroupLabels) }}'
        '({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join " " }}{{ end }}){{ end }}',
    },
    {"text": "{{ range .Alerts }}<{{ .GeneratorURL }}|:graph:> {{ .Annotations.summary }}\n{{ end }}"},
    {"text": '{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Labels.service }}{{ end }}'},
    {"text": '{{ with index .Alerts 0 }}{{ .Labels.nope }}{{ .Labels.zone | title }}{{ end }}', "color": "warning"},
    {"color": '{{ if eq .CommonLabels.severity "critical" }}danger{{ else if .CommonLabels.severity }}warning'
     '{{ else }}#439FE0{{ end }}'},
    {
        "pretext": "{{ .CommonAnnotations.summary }}{{ len .CommonAnnotations }}",
        "fields": [
            {"title": "Firing", "value": '{{ .Alerts.Firing | len }}', "short": True},
            {"title": "{{ .Receiver }}", "value": '{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ end }}'},
        ],
        "short_fields": True,
    },
    {
        "actions": [
            {"type": "button", "text": "Runbook :green_book:", "url": "{{ (index .Alerts 0).Annotations.runbook }}"},
            {"type": "button", "text": "Ack", "name": "ack", "value": "{{ .GroupLabels.alertname }}",
             "confirm": {"text": "sure?", "title": "{{ .Status }}"}},
        ]
    },
    {"footer": '{{ reReplaceAll "e(r+)" "E$1" .GroupLabels.alertname }}', "channel": "#other", "username": "bot",
     "icon_emoji": ":fire:", "link_names": True, "mrkdwn_in": ["text", "pretext"]},
    {"text": '{{ $n := 0 }}{{ range .Alerts }}{{ if eq .Labels.severity "critical" }}{{ $n = 1 }}{{ end }}{{ end }}'
     '{{ if $n }}<!channel>{{ end }} {{ printf "%-8s|" .Status }}'},
    {"text": '{{ range .Alerts }}{{ .StartsAt.Format "2006-01-02 15:04:05 MST" }}; {{ end }}'},
    {"text": '{{ define "x" }}{{ . | toUpper }}{{ end }}{{ template "x" .Status }} {{- /* none */ -}} !'},
    {"text": '{{ if match "^err" .GroupLabels.alertname }}{{ stringSlice "a" "b" | join "/" }}{{ end }}'},
]  # fmt: skip
SILENT = dict.fromkeys(("title", "title_link", "pretext", "text", "fallback", "footer", "username"), "")


def entry(written: dict[str, Any], slack: Slack) -> dict[str, Any]:
    """Defaults that name Alertmanager's own words are left out of the comparison."""
    return {"channel": "#alerts", **SILENT, "api_url": slack.webhook_url, "send_resolved": False, **written}


def fire(server: RealAlertmanager) -> float:
    """Returns when they started: now, since Alertmanager tells the first of older alerts without the others."""
    starts_s = float(round(time.time()))
    alerts = [
        {
            "labels": labels,
            "annotations": annotations,
            "startsAt": rfc3339(starts_s),
            "generatorURL": "http://p.example/g",
        }
        for labels, annotations in zip(LABELS, ANNOTATIONS, strict=True)
    ]
    httpx.post(f"{server.url}/api/v2/alerts", json=alerts, trust_env=False).raise_for_status()
    return starts_s


def config(slack_configs: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    (folder / "ours.tmpl").write_text(FILE, "utf-8")
    return {
        "route": {"receiver": "on-call", "group_by": ["alertname"], "group_wait": "1s", "repeat_interval": "1h"},
        "receivers": [{"name": "on-call", "slack_configs": slack_configs}],
        "templates": [f"{folder}/*.tmpl"],
    }


def wait_for(slack: Slack, count: int) -> None:
    deadline_s = time.monotonic() + 20
    while len(slack.posts) < count and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert len(slack.posts) == count, [request.body for request in slack.http.requests]


def ours(written: dict[str, Any], slack: Slack, starts_s: float) -> dict[str, Any]:
    both = [
        told(alert(labels, annotations=annotations, level=labels["severity"], starts_at_s=starts_s,
                   generator_url=SOURCE))
        for labels, annotations in zip(LABELS, ANNOTATIONS, strict=True)
    ]  # fmt: skip
    one: Notification = note(*both, labels={"alertname": "errors"}, receiver="on-call")
    settings = {key: value for key, value in entry(written, slack).items() if key != "send_resolved"}
    made = notifier("slack", **settings)
    context: Context = plain_context(text=Templates({"ours.tmpl": FILE}).render)
    (call,), _ = answered(made.deliver(one, {}, context), [Reply(200, {}, b"ok")])
    assert isinstance(call, HttpCall)
    body: dict[str, Any] = json.loads(call.body)
    return body


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, and without the fallback: ours is never empty."""
    attachment = {k: v for k, v in body["attachments"][0].items() if v and k != "fallback"}
    return {**{k: v for k, v in body.items() if k != "attachments"}, "attachment": attachment}


def test_the_same_config_says_the_same_in_slack(tmp_path: Path) -> None:
    with Slack() as slack:
        written = config([entry(one, slack) for one in ENTRIES], tmp_path)
        with alertmanager(written) as server:
            starts_s = fire(server)
            wait_for(slack, len(ENTRIES))
        theirs = [json.dumps(comparable(post.body), sort_keys=True) for post in slack.posts]
        mine = [json.dumps(comparable(ours(one, slack, starts_s)), sort_keys=True) for one in ENTRIES]
        assert sorted(mine) == sorted(theirs)


def test_the_double_takes_what_the_real_one_sends_by_webhook_and_by_token(tmp_path: Path) -> None:
    with Slack() as slack:
        by_token = {
            "api_url": slack.api_url,
            "channel": "#other",
            "http_config": {"authorization": {"credentials": TOKEN}},
        }
        refused = {"api_url": slack.webhook_url, "channel": "#nowhere"}
        with alertmanager(
            config([{"api_url": slack.webhook_url, "channel": "#alerts"}, by_token, refused], tmp_path)
        ) as server:
            fire(server)
            wait_for(slack, 2)
        assert {post.channel for post in slack.posts} == {"C1", "C2"}
        assert all(post.body["attachments"][0]["title"].startswith("[FIRING:2] errors") for post in slack.posts)
