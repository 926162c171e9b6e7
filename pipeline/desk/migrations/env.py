"""Alembic runs this for every command: on the connection, and in the transaction, that `bring_up_to_date` holds."""

from alembic import context

from pipeline.desk.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
