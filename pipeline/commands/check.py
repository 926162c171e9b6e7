"""`tidegauge check`: is this config right? Kafka isn't asked."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.common import WRONG_USE, AsJson, err, fail, out
from pipeline.config import read_config
from schemas.config import ConfigErrors


def check(
    file: Annotated[Path, typer.Argument(help="The config file.")] = Path("tidegauge.yaml"), as_json: AsJson = False
) -> None:
    """Check a config: every mistake at once as FILE:LINE: path: message. Exit 0 right, 2 wrong. Asks no broker."""
    try:
        config = read_config(file)
    except OSError as error:
        fail(f"{file}: {error.strerror or error}", WRONG_USE)
    except ConfigErrors as errors:
        if as_json:
            typer.echo(json.dumps([vars(error) for error in errors.errors]))
        else:
            err().print(str(errors))
        raise typer.Exit(WRONG_USE) from None
    if as_json:
        typer.echo("[]")
        return
    levels = sum(len(rule.levels) for rule in config.rules)
    out().print(f"{file}: right: {len(config.rules)} rules with {levels} levels, {len(config.inputs)} inputs")
    if config.desk:
        out().print(f"{file}: not checked yet, they are the desk's: {', '.join(sorted(config.desk))}")
