"""What touches the database runs on SQLite and on PostgreSQL, as the desk's own tests do."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from pipeline.desk.database import Database
from tests.desk.conftest import address, new_address, postgres_address, postgres_folder

__all__ = ["address", "db", "new_address", "postgres_address", "postgres_folder"]


@pytest.fixture
def db(address: str) -> Iterator[Database]:
    """Whose first incident is INC-1, though the tables may have served other tests."""
    database = Database.open(address)
    if not database.is_sqlite:
        database.write(_count_anew)
    yield database
    database.close()


def _count_anew(conn: Connection) -> None:
    conn.exec_driver_sql("ALTER SEQUENCE incidents_number_seq RESTART")
