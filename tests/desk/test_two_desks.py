"""Two desks on one database share the work, and one goes on where the other dies."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.desk import alerts, groups, outbox
from pipeline.desk.database import Database
from tests.desk.racer import EVENTS


def start(address: str, name: str, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.desk.racer", address, name, str(folder)])


def sent(folder: Path, name: str) -> list[str]:
    path = folder / name
    return [line for line in path.read_text().splitlines() if line != "moved"] if path.exists() else []


def wait(until: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def assert_all_told(db: Database) -> None:
    assert len(db.read(alerts.firing)) == EVENTS
    lines = db.read(lambda conn: outbox.listed(conn, limit=10 * EVENTS))
    assert {line.status for line in lines} == {"sent"}
    members = [alert.fingerprint for _, found in db.read(groups.listed) for _, alert in found]
    assert sorted(members) == sorted(alert.fingerprint for alert in db.read(alerts.firing))


@pytest.mark.timeout(180)
def test_two_desks_share_the_work_and_nothing_is_told_twice(db: Database, address: str, tmp_path: Path) -> None:
    desks = [start(address, name, tmp_path) for name in ("one", "two")]
    assert [desk.wait(120) for desk in desks] == [0, 0]
    told = sent(tmp_path, "one") + sent(tmp_path, "two")
    assert len(told) == len(set(told))
    assert sent(tmp_path, "one")
    assert sent(tmp_path, "two")
    assert_all_told(db)


@pytest.mark.timeout(180)
def test_where_one_is_killed_the_other_goes_on(db: Database, address: str, tmp_path: Path) -> None:
    victim, other = (start(address, name, tmp_path) for name in ("victim", "other"))
    wait(lambda: bool(sent(tmp_path, "victim")) and bool(sent(tmp_path, "other")))
    victim.kill()
    victim.wait(10)
    assert other.wait(120) == 0
    assert_all_told(db)
    # At least once: what the victim held a lease on, and nothing else, may have been sent by both.
    both = set(sent(tmp_path, "victim")) & set(sent(tmp_path, "other"))
    assert len(both) <= 1
    assert len(sent(tmp_path, "other")) == len(set(sent(tmp_path, "other")))
