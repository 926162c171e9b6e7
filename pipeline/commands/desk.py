"""`tidegauge desk`: from alert events to messages."""

import typer

from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, ConfigPath, fail
from pipeline.commands.worker import Level, LogLevel
from pipeline.config import read_config
from schemas.config import ConfigErrors


def desk(config: ConfigPath = DEFAULT_CONFIG, log_level: LogLevel = Level.info) -> None:
    """Tell people: group alerts, hold back what nobody should hear, deliver, answer on http://127.0.0.1:8470.

    State is in the database of `desk.database`; a SQLite file there is relative to the working folder. Several desks
    on one PostgreSQL share the work. Ends cleanly at SIGTERM and Ctrl-C.
    """
    try:
        checked = read_config(config, need_rules=False)
    except ConfigErrors as errors:
        fail(str(errors), WRONG_USE)
    from pipeline.desk.database import DatabaseError  # what a desk needs takes a second to import
    from pipeline.desk.desk import run

    try:
        code = run(checked, log_level.value.upper())
    except (DatabaseError, OSError, ValueError) as error:
        fail(f"desk: {error}", PROBLEMS)
    raise typer.Exit(code)
