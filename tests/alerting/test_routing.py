"""Routing agrees with Alertmanager: with its amtool on generated trees, and group keys with those of the server."""

import json
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from alerting.noise.routing import group_id, group_key, group_labels, places, routes_for
from schemas.desk import Route
from schemas.matchers import Matchers
from tests.alerting.making import alert, route

AMTOOL, ALERTMANAGER = shutil.which("amtool"), shutil.which("prometheus-alertmanager")
NAMES, VALUES = ("a", "b", "team"), ("x", "y", "xy", "z-1")
TREES, LABEL_SETS = 100, 4
WIDTHS = ((3, 4), (0, 1, 2, 3), (0, 1, 2))  # children, by depth


def written_tree(rng: random.Random, path: str = "0", depth: int = 0) -> dict[str, Any]:
    """A route as alertmanager.yml has it; every node has its own receiver, named after its path."""
    node: dict[str, Any] = {"receiver": path}
    if depth:
        node["continue"] = rng.random() < 0.4
        name, value = rng.choice(NAMES), rng.choice(VALUES)
        spelling = rng.randrange(5)
        if spelling == 0:
            node["match"] = {name: value}
        elif spelling == 1:
            node["match_re"] = {name: rng.choice(("x|y", "x.*", ".*", ".+", ""))}
        elif spelling < 4:
            written = [f'{name}="{value}"', f"{name}!={value}", f'{name}=~"x.*|"', f'{name}!~"[xy]+"', f'{name}=""']
            node["matchers"] = rng.sample(written, rng.randrange(1, 3))
    if depth < 3:
        node["routes"] = [
            written_tree(rng, f"{path}.{i}", depth + 1) for i in range(rng.randrange(0 if depth else 3, 5))
        ]
    return node


def read_tree(node: dict[str, Any], parent_key: str = "") -> Route:
    texts = Matchers.parse(node.get("matchers", [])).matchers
    matchers = Matchers((*texts, *Matchers.of(node.get("match", {}), node.get("match_re", {})).matchers))
    key = f"{parent_key}/{matchers}" if parent_key else "{}"
    return Route(
        key=key,
        path=node["receiver"],
        receiver=node["receiver"],
        matchers=matchers,
        group_by=node.get("group_by", ()),
        group_wait_s=0.0,
        group_interval_s=0.0,
        repeat_interval_s=0.0,
        continues=node.get("continue", False),
        routes=tuple(read_tree(child, key) for child in node.get("routes", ())),
    )


def receivers(node: dict[str, Any]) -> Iterator[str]:
    yield node["receiver"]
    for child in node.get("routes", ()):
        yield from receivers(child)


@pytest.mark.skipif(AMTOOL is None, reason="amtool (Debian package prometheus-alertmanager) isn't installed")
def test_routing_agrees_with_amtool_on_generated_trees(tmp_path: Path) -> None:
    rng = random.Random(8)
    cases: list[tuple[Path, Route, dict[str, str]]] = []
    for number in range(TREES):
        tree = written_tree(rng)
        path = tmp_path / f"{number}.yml"
        path.write_text(yaml.safe_dump({"route": tree, "receivers": [{"name": name} for name in receivers(tree)]}))
        for _ in range(LABEL_SETS):
            labels = {name: rng.choice(VALUES) for name in NAMES if rng.random() < 0.7}
            cases.append((path, read_tree(tree), labels))

    def theirs(case: tuple[Path, Route, dict[str, str]]) -> list[str]:
        path, _, labels = case
        command = [str(AMTOOL), "config", "routes", "test", f"--config.file={path}", *map("=".join, labels.items())]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split(",")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(theirs, cases))
    ours = [[found.receiver for found in routes_for(root, labels)] for _, root, labels in cases]
    assert ours == answers
    assert sum(len(answer) > 1 for answer in answers) > 20, "the trees are too dull to show anything"
    assert sum(answer == ["0"] for answer in answers) < len(cases) / 2


GROUPING: dict[str, Any] = {
    "receiver": "hook",
    "group_by": ["alertname", "host"],
    "group_wait": "1ms",
    "routes": [
        {"matchers": ['team=~"d|e.*"', "z!=y"], "group_by": ["..."], "continue": True},
        {
            "match": {"team": "db"},
            "match_re": {"a": "b|c|"},
            "group_by": ["nothing"],
            "routes": [{"matchers": ['a=""']}],
        },
    ],
}
HOSTILE = ['say "hi"', "a\\b", "two\nlines", "tab\tand\rreturn", "ünï·cødé", "zero\u200bwidth", "\x01", "🌊", "%q{}"]


@pytest.mark.skipif(ALERTMANAGER is None, reason="Alertmanager (Debian: prometheus-alertmanager) isn't installed")
def test_group_keys_are_alertmanagers(tmp_path: Path) -> None:
    seen: set[str] = set()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.add(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["groupKey"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook, socket.create_server(("127.0.0.1", 0)) as free:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        port = free.getsockname()[1]
        free.close()
        address = f"http://127.0.0.1:{hook.server_address[1]}/"
        config = tmp_path / "alertmanager.yml"
        hooks = [{"url": address}]
        config.write_text(
            yaml.safe_dump({"route": GROUPING, "receivers": [{"name": "hook", "webhook_configs": hooks}]})
        )
        sets = [{"alertname": "A", "host": host} for host in HOSTILE]
        sets += [{"alertname": "B", "team": team, "a": a} for team in ("db", "d", "ex") for a in ("b", "q", "")]
        sets += [{"alertname": "C", "a1": "x", "team": "e", "z": "y"}]
        command = [str(ALERTMANAGER), f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        command += ["--cluster.listen-address=", f"--storage.path={tmp_path}"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            post(f"http://127.0.0.1:{port}/api/v2/alerts", [{"labels": labels} for labels in sets])
            ours = set()
            root = read_tree({**GROUPING, "receiver": "hook", "routes": [inherit(r) for r in GROUPING["routes"]]})
            for labels in sets:
                labels = {name: value for name, value in labels.items() if value}
                for found in routes_for(root, labels):
                    by_all = found.group_by is not None and "..." in found.group_by
                    mine = labels if by_all else group_labels(found, labels)
                    ours.add(group_key(found, mine))
            deadline_s = time.monotonic() + 15
            while seen != ours and time.monotonic() < deadline_s:
                time.sleep(0.05)
        finally:
            server.kill()
            server.wait()
            hook.shutdown()
    assert sorted(seen) == sorted(ours)


def inherit(node: dict[str, Any], group_by: object = ("alertname", "host")) -> dict[str, Any]:
    mine = node.get("group_by", group_by)
    return {**node, "receiver": "hook", "group_by": mine, "routes": [inherit(n, mine) for n in node.get("routes", ())]}


def post(url: str, body: object) -> None:
    """Tries for ten seconds: the server has just been started."""
    for attempt in range(200):
        try:
            httpx.post(url, json=body).raise_for_status()
            return
        except httpx.TransportError:
            if attempt == 199:
                raise
            time.sleep(0.05)


def test_a_missing_label_is_no_group_label() -> None:
    assert group_labels(route(group_by=("a", "b")), {"a": "1"}) == {"a": "1"}


def test_grouping_by_all_labels_outlives_a_change_of_level() -> None:
    root = route(group_by=None)
    (low,), (high,) = (places(root, alert(level=level)) for level in ("warning", "critical"))
    assert low == high
    assert low.labels == {"alertname": "a"}


def test_grouping_by_level_does_not() -> None:
    (low,), (high,) = (places(route(group_by=("level",)), alert(level=level)) for level in ("warning", "critical"))
    assert low.id != high.id


def test_two_routes_to_one_group_are_one_place() -> None:
    child = route('alertname="a"', continues=True)
    assert len(places(route(routes=(child, child)), alert())) == 1


def test_a_route_with_a_digest_makes_another_group_than_one_without() -> None:
    (plain,), (digest,) = (places(route(digest_s=digest_s), alert()) for digest_s in (None, 3600.0))
    assert (plain.kind, digest.kind) == ("group", "digest")
    assert plain.id != digest.id


def test_group_ids_tell_apart_what_differs_and_stay_the_same_for_ever() -> None:
    ids = [
        group_id("group", "ops", "{}", {"a": "b"}),
        group_id("storm", "ops", "{}", {"a": "b"}),
        group_id("group", "dev", "{}", {"a": "b"}),
        group_id("group", "ops", '{}/{a="b"}', {"a": "b"}),
        group_id("group", "ops", "{}", {"a": "b,c"}),
        group_id("group", "ops", "{}", {"a": "b", "c": ""}),
        group_id("group", "ops", "{}", {}),
    ]
    assert len(set(ids)) == len(ids)
    assert group_id("group", "ops", "{}", {"b": "2", "a": "1"}) == group_id("group", "ops", "{}", {"a": "1", "b": "2"})
    assert ids[0] == "0f1b9f32439314b9ac05a65b3f7cdb85"
