"""`tidegauge schema`: the JSON Schemas of what goes in and comes out."""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from detectors import PARAMS
from pipeline.config import notifiers, remedies
from schemas.config import config_schema
from schemas.export import alert_schema, control_schema, dead_letter_schema, incident_schema, metric_schema


class Name(StrEnum):
    metric = "metric"
    alert = "alert"
    incident = "incident"
    config = "config"
    dead_letter = "dead-letter"
    control = "control"


_SCHEMAS: dict[Name, Callable[[], dict[str, object]]] = {
    Name.metric: metric_schema,
    Name.alert: alert_schema,
    Name.incident: incident_schema,
    Name.config: lambda: config_schema(PARAMS, notifiers(), remedies()),
    Name.dead_letter: dead_letter_schema,
    Name.control: control_schema,
}


def schema(name: Annotated[Name, typer.Argument(help="Which one.")]) -> None:
    """Print a JSON Schema (draft 2020-12): for editors, publishers and consumers."""
    typer.echo(json.dumps(_SCHEMAS[name](), indent=2))
