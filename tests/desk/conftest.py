"""Every test of the database runs on SQLite and on PostgreSQL."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.desk.database import Database
from tests.desk import postgres, scene


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[str]:
    try:
        with postgres.cluster() as folder:
            yield folder
    except postgres.Absent as absent:
        pytest.skip(f"no PostgreSQL: {absent}")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_address(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes the address of another empty database each time."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{uuid.uuid4().hex}/desk.db"
    folder: str = request.getfixturevalue("postgres_folder")
    return lambda: postgres.create(folder, f"desk_{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def postgres_address(postgres_folder: str) -> str:
    """A database with all tables; making one takes half a second."""
    made = postgres.create(postgres_folder, "desk")
    Database.open(made).close()
    return made


@pytest.fixture
def address(request: pytest.FixtureRequest, new_address: Callable[[], str]) -> str:
    """Of an empty database that this test has for itself."""
    if "postgresql" not in request.node.callspec.id:
        return new_address()
    found: str = request.getfixturevalue("postgres_address")
    scene.empty(found)
    return found


@pytest.fixture
def db(address: str) -> Iterator[Database]:
    database = Database.open(address)
    yield database
    database.close()
