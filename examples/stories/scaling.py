"""CPU above 85 % for five minutes: the deployment is scaled from 3 to 5, and its metric says that it helped. And again
where scaling fails: DevOps is paged with the log of what was tried.

`python -m examples.stories.scaling`, `... --fail`. Kubernetes is a double that keeps its rules; a pod comes in between.
"""

import argparse
import sys
import time
from typing import Any

from rich.console import Console

from examples.stories.stage import Stage, main, stage
from tests.doubles.http import Double, Request, Response
from tests.doubles.kubernetes import ApiServer

TOKEN = "story"  # noqa: S105 - of the double
LOAD = 276.0  # percent of CPU, on all pods together: 92 on each of 3
CALM = 60.0
STEP_S = 5
MAY_READ = [
    {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
]
MAY_SCALE = [MAY_READ[0] | {"verbs": ["get", "patch"]}, MAY_READ[1]]


def config(kubernetes: str, phone: str) -> dict[str, object]:
    web = 'cpu_usage{service="web"}'
    return {
        "rules": [
            {
                "name": "cpu-high",
                "match": web,
                "detector": "threshold",
                "levels": {"critical": "> 85"},
                "clear": {"critical": "< 75"},
                "for": "5m",
            }
        ],
        "route": {"receiver": "chat", "group_wait": "0s"},
        "receivers": [
            {"name": "chat", "webhook_configs": [{"url": f"{phone}/chat"}]},
            {"name": "devops", "webhook_configs": [{"url": f"{phone}/devops"}]},
        ],
        "incidents": {"rules": [{"name": "cpu", "matchers": ['alertname="cpu-high"'], "severity": 2}]},
        "oncall": {
            "people": [{"name": "dana", "receivers": ["devops"]}],
            "teams": [{"name": "devops", "members": ["dana"]}],
        },
        "automation": {
            "mode": "auto",
            "watch": [web],
            "load_every": "1s",
            "remedies": [
                {
                    "name": "scale-web",
                    "matchers": ['alertname="cpu-high"'],
                    "mode": "auto",
                    "kubernetes_scale": {
                        "api": kubernetes,
                        "token": TOKEN,
                        "namespace": "shop",
                        "deployment": "{service}",
                        "target": 60,
                        "min": 2,
                        "max": 8,
                    },
                    "helped": "< 75",
                    "settle": "2s",
                    "verify_within": "90s",
                    "escalate_to": "team:devops",
                }
            ],
        },
    }


class Phone(Double):
    """Everybody's: says what it is told, by who hears it."""

    def __init__(self) -> None:
        super().__init__(lambda request: Response())

    def heard(self, who: str) -> list[Any]:
        return [request.json for request in self.requests if request.path == f"/{who}"]


class Story:
    def __init__(self, stage: Stage, server: ApiServer, phone: Phone) -> None:
        self._stage, self._server, self._phone = stage, server, phone
        self._next_s = time.time() - 360.0
        self._busy_s = self._next_s + 50.0
        self._told: list[Request] = []

    def play(self, fails: bool) -> None:
        """Raises Failed."""
        stage, server = self._stage, self._server
        stage.chapter("CPU rises")
        stage.say("six minutes of CPU are published: calm at first, then 92 % on each of 3 pods")
        server.meanwhile = [lambda: server.touch("web")]  # a pod becomes ready between our look and our change
        self._go_on()
        stage.until("an incident is open", lambda: stage.get("/api/desk/incidents"), meanwhile=self._go_on)
        if fails:
            stage.until(
                "DevOps is paged, with the log of what was tried", self._is_paged_with_log, meanwhile=self._go_on
            )
            self._go_on()
            stage.check("nothing was scaled", server.replicas("web") == 3)
            return
        stage.until("the deployment has 5 replicas", lambda: server.replicas("web") == 5, meanwhile=self._go_on)
        stage.say("Kubernetes wants 5 pods; the new ones start")
        stage.until("the metric says that it helped", lambda: self._said("it helped"), 120.0, self._go_on)
        stage.check(f"one change, of ours: {server.changes}", server.changes == ["tidegauge scaled web from 3 to 5"])
        stage.check("the first try met a conflict, and was made anew", len(server.writes) == 2)

    def _go_on(self) -> None:
        """Publishes what is due, and says what is new."""
        now_s, due = time.time(), []
        while self._next_s <= now_s:
            cpu = CALM if self._next_s < self._busy_s else LOAD / self._server.pods("web")
            labels = {"service": "web"}
            due.append({"metric": "cpu_usage", "labels": labels, "timestamp": self._next_s, "value": cpu})
            self._next_s += STEP_S if self._next_s < now_s - STEP_S else 1.0
        self._stage.publish(due)
        self._stage.show()
        for request in self._phone.requests[len(self._told) :]:
            self._told.append(request)
            who = request.path.removeprefix("/")
            for alert in request.json["alerts"]:
                words = alert["annotations"].get("summary", "")
                self._stage.say(f"{who} hears: {alert['status']}: {words}", style="green")
                for name in ("description", "why"):
                    for line in alert["annotations"].get(name, "").splitlines():
                        self._stage.say(f"    {name}: {line}", style="green")

    def _said(self, words: str) -> bool:
        return any(words in entry["text"] for incident in self._stage.show() for entry in incident["timeline"])

    def _is_paged_with_log(self) -> bool:
        return any("403" in str(told) for told in self._phone.heard("devops"))


def play(console: Console, arguments: argparse.Namespace) -> None:
    with ApiServer(ready_after_s=5.0) as server, Phone() as phone:
        server.allow(TOKEN, MAY_READ if arguments.fail else MAY_SCALE)
        server.add_workload("web", replicas=3)
        with stage(config(server.url, phone.url), console) as on:
            Story(on, server, phone).play(arguments.fail)


if __name__ == "__main__":
    parsing = argparse.ArgumentParser(description=__doc__)
    parsing.add_argument("--fail", action="store_true", help="the service account may not scale")
    sys.exit(main(play, parsing))
