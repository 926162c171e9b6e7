"""The command line. One line a command; each stands in its own file under pipeline/commands."""

from importlib.metadata import version
from typing import Annotated

import typer

from pipeline.commands import (
    alerts,
    automation,
    broker,
    change,
    check,
    completion,
    dead_letters,
    demo,
    desk,
    doctor,
    explain,
    feedback,
    incident,
    init,
    oncall,
    publish,
    receiver,
    replay,
    reviews,
    route,
    rule_tests,
    schema,
    score,
    silence,
    tail,
    template,
    topics,
    triage,
    worker,
)

app = typer.Typer(
    help="Watch metrics in Kafka: learn what is normal, say once, at the right level, when a series isn't, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(worker.worker)
app.command()(worker.up)
app.command()(desk.desk)
app.command()(demo.demo)
app.command()(init.init)
app.command()(check.check)
app.command()(doctor.doctor)
app.command()(replay.replay)
app.command()(score.score)
app.command("test")(rule_tests.rule_tests)
app.command()(tail.tail)
app.command()(alerts.alerts)
app.command()(explain.explain)
app.command()(alerts.ack)
app.command()(alerts.unack)
app.command()(alerts.snooze)
app.command()(route.route)
app.command()(schema.schema)
app.command()(completion.completion)
app.add_typer(publish.app, name="publish")
app.add_typer(broker.app, name="broker")
app.add_typer(topics.app, name="topics")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(silence.app, name="silence")
reviews.register(incident.app)
triage.register(incident.app)
app.add_typer(incident.app, name="incident")
app.add_typer(change.app, name="change")
app.add_typer(feedback.app, name="feedback")
app.add_typer(automation.app, name="automation")
app.add_typer(oncall.app, name="oncall")
app.add_typer(receiver.app, name="receiver")
app.add_typer(template.app, name="template")


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tidegauge {version('tidegauge')}")
        raise typer.Exit


@app.callback()
def _options(
    asked: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    app(prog_name="tidegauge")


if __name__ == "__main__":
    main()
