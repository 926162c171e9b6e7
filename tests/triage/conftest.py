"""What touches the database runs on SQLite and on PostgreSQL, as the desk's own tests do."""

from tests.incidents.conftest import address, db, new_address, postgres_address, postgres_folder

__all__ = ["address", "db", "new_address", "postgres_address", "postgres_folder"]
