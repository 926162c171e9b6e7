"""Steps from an empty database to the tables of this program, run by Alembic inside one transaction of ours."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def bring_up_to_date(conn: Connection, shown: str) -> None:
    """Runs the steps that are missing. Whoever calls holds the write lock, so no other desk is in the middle of it.

    shown: what to call the database. Raises LookupError where a newer program has been here.
    """
    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", "pipeline.desk:migrations")
    script = ScriptDirectory.from_config(config)
    found, head = MigrationContext.configure(conn).get_current_revision(), script.get_current_head()
    if found == head:
        return
    if found is not None and found not in {step.revision for step in script.walk_revisions()}:
        raise LookupError(
            f"desk.database: {shown} was made by a newer tidegauge (its tables are of step {found}, "
            f"this one knows {head}); install that one, or name another database"
        )
    command.upgrade(config, "head")
