"""amtool and Prometheus themselves, from their packages, take the desk for an Alertmanager."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.api.scene import Api, event, served
from tests.desk.scene import branch, desk

AMTOOL, PROMETHEUS = shutil.which("amtool"), shutil.which("prometheus")
_SLOW_S = 40.0


class Amtool:
    """One desk, asked by amtool."""

    def __init__(self, url: str, home: Path) -> None:
        self._url, self._home = url, home

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert AMTOOL is not None
        done = subprocess.run(
            [AMTOOL, f"--alertmanager.url={self._url}", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"HOME": str(self._home), "USER": "ann"},
            timeout=30,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout  # beside it, it warns that our version isn't its own

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path, desk(routes=(branch('team="db"'),))) as made:
        made.now.is_real = True
        yield made


@pytest.fixture
def amtool(api: Api, tmp_path: Path) -> Iterator[Amtool]:
    if AMTOOL is None:
        pytest.skip("amtool isn't installed (package prometheus-alertmanager)")
    with served(api) as url:
        yield Amtool(url, tmp_path)


def names(found: list[dict[str, Any]]) -> list[str]:
    return sorted(one["labels"]["series"] for one in found)


def test_amtool_lists_and_queries_alerts(api: Api, amtool: Amtool) -> None:
    start_s = api.now() - 60
    api.take(event("a", starts_s=start_s), event("b", starts_s=start_s, level="critical", team="db"))
    assert names(amtool.json("alert", "query")) == ["a", "b"]
    assert names(amtool.json("alert", "query", "team=db")) == ["b"]
    assert names(amtool.json("alert", "query", 'level=~"crit.*"')) == ["b"]
    assert names(amtool.json("alert", "query", "--receiver", "ops")) == ["a"]
    text = amtool("alert", "query", "-o", "extended")
    assert "Latency: a" in text


def test_amtool_adds_alerts(api: Api, amtool: Amtool) -> None:
    amtool("alert", "add", "alertname=Disk", "series=sda", "--annotation=summary=full")
    (found,) = amtool.json("alert", "query")
    assert found["labels"]["alertname"] == "Disk"
    assert found["annotations"] == {"summary": "full"}


def test_amtool_silences_extends_and_expires(api: Api, amtool: Amtool) -> None:
    start_s = api.now() - 60
    api.take(event("a", starts_s=start_s), event("b", starts_s=start_s))
    id_ = amtool("silence", "add", "series=a", "--comment=racks", "--duration=1h", "--author=ann").strip()
    assert names(amtool.json("alert", "query")) == ["b"]  # amtool asks for what isn't silenced
    assert names(amtool.json("alert", "query", "--silenced")) == ["a"]
    assert amtool("silence", "query", "-q").split() == [id_]
    assert amtool("silence", "query", "-q", "series=b").split() == []
    amtool("silence", "update", id_, "--duration=2h")
    (found,) = amtool.json("silence", "query")
    assert found["id"] == id_
    assert found["createdBy"] == "ann"
    amtool("silence", "expire", id_)
    assert names(amtool.json("alert", "query")) == ["a", "b"]
    assert amtool("silence", "query", "-q").split() == []
    assert amtool("silence", "query", "-q", "--expired").split() == [id_]
    amtool("silence", "expire", "00000000-0000-4000-8000-000000000000", code=1)


def test_amtool_imports_the_silences_it_exports(api: Api, amtool: Amtool, tmp_path: Path) -> None:
    amtool("silence", "add", "series=~a|b", "team!=db", "--comment=racks", "--duration=1h", "--author=ann")
    exported = json.loads(amtool("silence", "query", "-o", "json"))
    (tmp_path / "silences.json").write_text(json.dumps([{**one, "id": ""} for one in exported]))
    amtool("silence", "import", str(tmp_path / "silences.json"))
    assert len(amtool("silence", "query", "-q").split()) == 2


def test_amtool_shows_and_tests_our_routes(amtool: Amtool) -> None:
    assert "receiver: pager" in amtool("config", "routes", "show")
    assert amtool("config", "routes", "test", "team=db").strip() == "pager"
    assert amtool("config", "routes", "test", "team=web").strip() == "ops"
    assert "ops" in amtool("config", "show")
    assert "disabled" in amtool("cluster", "show")


# --- Prometheus


@contextmanager
def prometheus(folder: Path, desk_url: str, rule: Path) -> Iterator[str]:
    """Its address, while it evaluates the rules of that file and tells the desk."""
    if PROMETHEUS is None:
        pytest.skip("prometheus isn't installed (package prometheus)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(rule)],
        "alerting": {
            "alertmanagers": [
                {"api_version": "v2", "static_configs": [{"targets": [desk_url.removeprefix("http://")]}]}
            ]
        },
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-lifecycle",
                "--rules.alert.resend-delay=1s",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def until(holds: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + _SLOW_S
    while time.monotonic() < deadline_s:
        if holds():
            return True
        time.sleep(0.2)
    return False


def test_prometheus_sends_its_alerts_and_their_end(api: Api, tmp_path: Path) -> None:
    def write(expression: str) -> None:
        alert = {
            "alert": "AlwaysOn",
            "expr": expression,
            "labels": {"severity": "critical", "team": "db"},
            "annotations": {"summary": "it is {{ $value }}"},
        }
        rule.write_text(yaml.safe_dump({"groups": [{"name": "test", "rules": [alert]}]}))

    def now() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = api.get("/api/v2/alerts")
        return found

    rule = tmp_path / "rules.yml"
    write("vector(1)")
    with served(api) as url, prometheus(tmp_path, url, rule) as its_url:
        assert until(lambda: bool(now())), (tmp_path / "log").read_text()
        (found,) = now()
        assert found["labels"] == {"alertname": "AlwaysOn", "severity": "critical", "team": "db", "level": "critical"}
        assert found["annotations"] == {"summary": "it is 1"}
        assert found["receivers"] == [{"name": "pager"}]
        assert found["generatorURL"].startswith("http://")
        time.sleep(2.5)
        (again,) = now()
        assert again["startsAt"] == found["startsAt"]  # seen again and again, one alert
        write("vector(1) > 1")
        assert httpx.post(f"{its_url}/-/reload").status_code == 200
        assert until(lambda: not now())
