"""The same databases as the desk's own tests."""

from tests.desk.conftest import address, db, new_address, postgres_address, postgres_folder

__all__ = ["address", "db", "new_address", "postgres_address", "postgres_folder"]
