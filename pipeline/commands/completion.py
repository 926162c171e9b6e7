"""`tidegauge completion`: a script that teaches the shell our commands and options."""

from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer


class Shell(StrEnum):
    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell.")] = Shell.bash) -> None:
    """Print a completion script: `source <(tidegauge completion bash)`."""
    # typer gives the function to nobody by name, yet only its scripts understand its programs.
    script = import_module("typer.completion").get_completion_script(
        prog_name="tidegauge", complete_var="_TIDEGAUGE_COMPLETE", shell=shell.value
    )
    typer.echo(script)
