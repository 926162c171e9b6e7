"""What the commands share: the config option, consoles that no label can write markup to, and how they fail."""

import getpass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from pipeline.config import read_config
from schemas.config import Config, ConfigErrors

ConfigPath = Annotated[Path, typer.Option("-c", "--config", help="The config file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
DEFAULT_CONFIG = Path("tidegauge.yaml")

PROBLEMS, WRONG_USE = 1, 2  # exit codes


def out() -> Console:
    return Console(markup=False, highlight=False, soft_wrap=True)


def err() -> Console:
    return Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def load(path: Path) -> Config:
    """The config, or all its errors on stderr and exit code 2."""
    try:
        return read_config(path)
    except ConfigErrors as errors:
        fail(str(errors), WRONG_USE)
    except OSError as error:
        fail(f"{path}: {error.strerror or error}", WRONG_USE)


def load_desk(path: Path) -> Config:
    """As `load`, for what the desk needs: a file without rules is right too."""
    try:
        return read_config(path, need_rules=False)
    except ConfigErrors as errors:
        fail(str(errors), WRONG_USE)


def logged_in() -> str:
    """Name of whoever runs this; empty where the system has none for its number, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def fail(message: str, code: int) -> NoReturn:
    err().print(message)
    raise typer.Exit(code)
