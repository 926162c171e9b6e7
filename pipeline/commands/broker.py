"""`tidegauge broker`: a local Kafka for trying things out and for tests."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from pipeline import broker

app = typer.Typer(help="A real Kafka on this machine, in seconds.", no_args_is_help=True)

Port = Annotated[int, typer.Option(help="On the loopback address.", min=0, max=65535)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")]


class Via(StrEnum):
    auto = "auto"
    java = "java"
    docker = "docker"


@app.command()
def start(
    port: Port = 9092,
    heap: Annotated[str, typer.Option(help="Java heap of the broker.")] = "512m",
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Remove its data at stop.")] = False,
    via: Annotated[Via, typer.Option(help="auto: Docker where `docker info` succeeds, else Java.")] = Via.auto,
    as_json: AsJson = False,
) -> None:
    """Start Kafka and wait until it is ready. Does nothing where it runs already, or KAFKA_BOOTSTRAP names one."""
    say = Console(stderr=as_json, markup=False, highlight=False, soft_wrap=True).print
    try:
        started = broker.start(port, heap=heap, ephemeral=ephemeral, via=via.value, say=say)
    except broker.BrokerError as error:
        _fail(error)
    if as_json:
        typer.echo(json.dumps({**asdict(started), "log": started.log and str(started.log)}))


@app.command()
def stop(port: Port = 9092, as_json: AsJson = False) -> None:
    """Stop the broker that `start` brought up; never another's. Exit 0 also where none runs."""
    say = Console(stderr=as_json, markup=False, highlight=False, soft_wrap=True).print
    try:
        stopped = broker.stop(port, say=say)
    except broker.BrokerError as error:
        _fail(error)
    if as_json:
        typer.echo(json.dumps({"stopped": stopped}))


@app.command()
def status(port: Port = 9092, as_json: AsJson = False) -> None:
    """Tell what runs. Exit 1 where no broker answers."""
    now = broker.status(port)
    if as_json:
        typer.echo(json.dumps(asdict(now)))
    else:
        Console(markup=False, highlight=False, soft_wrap=True).print(_sentence(now))
    if not now.answers:
        raise typer.Exit(1)


def _sentence(now: broker.Status) -> str:
    if now.via == "outside":
        return f"KAFKA_BOOTSTRAP names {now.bootstrap}: " + ("it answers" if now.answers else "it does not answer")
    if not now.running:
        whose = "a Kafka that tidegauge did not start answers" if now.answers else "no broker runs"
        return f"{whose} at {now.bootstrap}"
    how = f"pid {now.pid}" if now.via == "java" else "docker compose"
    state = "runs" if now.answers else "runs but does not answer"
    return f"Kafka {now.version} {state} at {now.bootstrap} ({how}); data and log: {now.folder}"


def _fail(error: Exception) -> NoReturn:
    Console(stderr=True, markup=False, highlight=False, soft_wrap=True).print(f"broker: {error}")
    raise typer.Exit(1)
