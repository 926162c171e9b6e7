"""`tidegauge template preview`: what a text of a notification would say."""

from pathlib import Path
from typing import Annotated

import typer

from alerting.words.escaping import Channel
from alerting.words.templates import SAMPLE, BrokenTemplate, Templates
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, fail, load_desk, out
from pipeline.desk.contexts import templates

app = typer.Typer(help="Texts of notifications, in Jinja2 or in Alertmanager's Go.", no_args_is_help=True)


@app.command()
def preview(
    text: Annotated[str, typer.Argument(help="The text itself, or @FILE.")],
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="The config whose template files it may use (default: tidegauge.yaml)."),
    ] = None,
    channel: Annotated[Channel, typer.Option(help="What it will stand in, and is made harmless for.")] = "text",
) -> None:
    """Render a text for a sample of two firing alerts and one that has ended, and say what is wrong with it and where.

    For example: tidegauge template preview '{{ .CommonLabels.alertname }}: {{ len .Alerts.Firing }} firing'
    """
    try:
        out().print(_templates(config).preview(_written(text), SAMPLE, channel))
    except BrokenTemplate as error:
        fail(f"template: line {error.line}: {error.message}", PROBLEMS)


def _written(text: str) -> str:
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"template: {path}: {getattr(error, 'strerror', None) or error}", WRONG_USE)


def _templates(config: Path | None) -> Templates:
    """Those of the config that is named, or of the default one where it is there."""
    if config is None and not DEFAULT_CONFIG.exists():
        return Templates()
    return templates(load_desk(config or DEFAULT_CONFIG).desk)
