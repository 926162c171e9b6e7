"""A database for each test; the double among the kinds; who was paged, in a list."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from incidents.remedies.kinds import KINDS
from pipeline.desk.database import Database
from pipeline.desk.incidents import paging
from pipeline.desk.incidents.scene import Scene
from tests.automation.scene import Double

Paged = list[tuple[int, str, str]]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/desk.db")
    yield database
    database.close()


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "double", Double)


@pytest.fixture
def paged(monkeypatch: pytest.MonkeyPatch) -> Paged:
    """(incident, whom, why)."""
    found: Paged = []

    def escalate(scene: Scene, target_or_policy: str, reason: str) -> None:
        found.append((scene.incident.number, target_or_policy, reason))

    monkeypatch.setattr(paging, "escalate", escalate)
    return found
