"""The desk's commands that ask nobody but the config and, for a test message, the receiver itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli import app
from tests.doubles.http import Double, Fault, Request, Response

CONFIG = """
route:
  receiver: chat
  group_by: [alertname]
  routes:
    - {receiver: pager, matchers: [team="db", level="critical"], continue: true}
    - {receiver: nobody, matchers: [team="db"], mute_time_intervals: [weekends]}
time_intervals:
  - {name: weekends, time_intervals: [{weekdays: ["saturday", "sunday"]}]}
maintenance:
  - {name: move, matchers: [host="web-1"], starts_at: "2026-11-23T02:00:00", duration: 2h, time_zone: UTC}
receivers:
  - name: chat
    webhook_configs: [{url: "URL/chat"}]
  - name: pager
    webhook_configs: [{url: "URL/pager", send_resolved: false}]
  - name: nobody
"""


def run(tmp_path: Path, *arguments: str, url: str = "http://127.0.0.1:9") -> Result:
    path = tmp_path / "desk.yaml"
    path.write_text(CONFIG.replace("URL", url))
    return CliRunner().invoke(app, [*arguments, "-c", str(path)])


def routed(tmp_path: Path, *labels: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(tmp_path, "route", *labels, "--json").stdout)
    return found


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["alertname=x"], ["chat"]),
        (["team=db"], ["nobody"]),
        (["team=db", "level=critical"], ["pager", "nobody"]),
        (["team=db", "severity=page"], ["pager", "nobody"]),
        (["team=web", "level=critical"], ["chat"]),
    ],
)
def test_route_names_every_receiver_an_alert_would_reach(
    labels: list[str], receivers: list[str], tmp_path: Path
) -> None:
    assert [row["receiver"] for row in routed(tmp_path, *labels)] == receivers


def test_route_says_what_is_planned_at_that_time(tmp_path: Path) -> None:
    held, free = (routed(tmp_path, "host=web-1", "--at", f"2026-11-23T0{hour}:30:00Z")[0]["muted"] for hour in (3, 4))
    assert held.startswith("maintenance move: planned work until 2026-11-23 04:00 UTC")
    assert free is None


def test_route_fails_where_nobody_would_be_told(tmp_path: Path) -> None:
    assert run(tmp_path, "route", "alertname=x").exit_code == 0
    assert run(tmp_path, "route", "team=db").exit_code == 1


@pytest.mark.parametrize(
    ("labels", "told"), [(["team"], "not a label: 'team'"), (["level=critcal"], 'did you mean "critical"?')]
)
def test_route_says_what_it_cant_read(labels: list[str], told: str, tmp_path: Path) -> None:
    done = run(tmp_path, "route", *labels)
    assert (done.exit_code, told in done.stderr) == (2, True)


def test_a_receivers_test_is_a_real_message_and_its_end(tmp_path: Path) -> None:
    with Double(lambda request: Response()) as double:
        done = run(tmp_path, "receiver", "test", "chat", url=double.url)
        assert done.exit_code == 0, done.stderr
        assert [(request.path, request.json["status"]) for request in double.requests] == [
            ("/chat", "firing"),
            ("/chat", "resolved"),
        ]


def test_a_receiver_that_hears_no_ends_is_sent_none(tmp_path: Path) -> None:
    with Double(lambda request: Response()) as double:
        run(tmp_path, "receiver", "test", "pager/webhook[0]", url=double.url)
        assert [request.json["status"] for request in double.requests] == ["firing"]


def test_what_a_receiver_answered_is_told(tmp_path: Path) -> None:
    def forbid(request: Request) -> Response:
        return Response(403, b"no such integration")

    with Double(forbid) as double:
        done = run(tmp_path, "receiver", "test", "chat", url=double.url)
    assert done.exit_code == 1
    assert "chat/webhook[0]: fires: " in done.stdout
    assert "403" in done.stdout
    with Double(forbid) as double:
        double.fail(Fault(is_reply_lost=True))
        assert run(tmp_path, "receiver", "test", "chat", url=double.url).exit_code == 1


def test_a_template_is_shown_or_its_mistake_named(tmp_path: Path) -> None:
    shown = run(tmp_path, "template", "preview", "{{ .CommonLabels.alertname }}: {{ len .Alerts.Firing }}")
    assert shown.stdout == "errors: 2\n"
    file = tmp_path / "text.j2"
    file.write_text("line\n{{ labls.x }}")
    wrong = run(tmp_path, "template", "preview", f"@{file}")
    assert wrong.exit_code == 1
    assert "line 2" in wrong.stderr
