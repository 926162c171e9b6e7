"""A database for each test; the double among the kinds; who was paged, in a list."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incidents.remedies.kinds import KINDS
from pipeline.desk.database import Database
from pipeline.desk.incidents import paging
from pipeline.desk.incidents.scene import Scene
from tests.automation.scene import Double

Paged = list[tuple[int, str, str]]
Fresh = Callable[[], Database]


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database; making one takes longer than a test."""
    path = tmp_path_factory.mktemp("automation") / "desk.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def fresh(_template: Path, tmp_path: Path) -> Fresh:
    """Opens another empty database each time."""

    def make() -> Database:
        path = tmp_path / f"{uuid.uuid4().hex}.db"
        shutil.copy(_template, path)
        return Database.open(f"sqlite:///{path}")

    return make


@pytest.fixture
def db(fresh: Fresh) -> Iterator[Database]:
    database = fresh()
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
