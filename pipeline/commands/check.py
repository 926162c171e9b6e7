"""`tidegauge check`: is this config right? Kafka isn't asked."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.common import PROBLEMS, WRONG_USE, AsJson, err, fail, out
from pipeline.commands.rerun import rerun
from pipeline.config import read_config
from pipeline.desk.missing import missing
from pipeline.replay import Replay
from pipeline.sample import SAMPLE_LINTS
from schemas.config import Config, ConfigError, ConfigErrors, desk_without_route
from schemas.desk import Desk, Route
from schemas.duration import format_duration


def check(
    file: Annotated[Path, typer.Argument(help="The config file.")] = Path("tidegauge.yaml"),
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 where there are warnings.")] = False,
    routes: Annotated[bool, typer.Option("--routes", help="Draw the tree of routes.")] = False,
    sample: Annotated[
        list[str] | None,
        typer.Option(
            help="A file, or kafka://TOPIC[?from=TIME&to=TIME]: rules that match nothing there are told. Several times."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a config: every mistake at once as FILE:LINE: path: message. Exit 0 right, 2 wrong.

    Warnings are of what is right and can hardly be meant: shadowed rules, levels and routes that nothing reaches, gaps
    in on-call. Asks no broker, but for a --sample that is a topic.
    """
    try:
        config = _read(file)
    except OSError as error:
        fail(f"{file}: {error.strerror or error}", WRONG_USE)
    except ConfigErrors as errors:
        if as_json:
            typer.echo(json.dumps([{**vars(error), "severity": "error"} for error in errors.errors]))
        else:
            err().print(str(errors))
        raise typer.Exit(WRONG_USE) from None
    if sample:
        config = config.model_copy(update={"warnings": (*config.warnings, *_against(sample, config))})
    if as_json:
        typer.echo(json.dumps([{**vars(warning), "severity": "warning"} for warning in config.warnings]))
    else:
        for warning in config.warnings:
            err().print(f"{warning.file}:{warning.line}: {warning.path}: warning: {warning.message}")
        out().print(f"{file}: right: {_counts(config)}")
        if config.desk != desk_without_route():
            for problem in missing(config.desk):
                err().print(f"{file}: warning: {problem}")
            out().print(f"{file}: desk: {_desk_counts(config.desk)}")
        if routes:
            for line in _tree(config.desk.route, depth=0):
                out().print(line)
    if strict and config.warnings:
        raise typer.Exit(PROBLEMS)


def _read(file: Path) -> Config:
    """A file that is the desk's alone (an alertmanager.yml) needs no rules; any other does."""
    config = read_config(file, need_rules=False)
    return config if config.rules or config.desk != desk_without_route() else read_config(file)


def _against(sample: list[str], config: Config) -> Iterator[ConfigError]:
    """What a sample of its inputs says of the rules. The events run through an engine without rules."""
    run = Replay(config.model_copy(update={"rules": ()}))
    rerun("check", run, sample, config)
    series = run.series
    if not series:
        fail(f"check: no event of {', '.join(sample)} could be read; what says `tidegauge replay` of it?", PROBLEMS)
    for lint in SAMPLE_LINTS:
        for number, message in lint(config.rules, series):
            yield replace(config.rules_at[number], message=message)


def _counts(config: Config) -> str:
    levels = sum(len(rule.levels) for rule in config.rules)
    return f"{len(config.rules)} rules with {levels} levels, {len(config.inputs)} inputs"


def _desk_counts(desk: Desk) -> str:
    kinds = Counter(each.kind for receiver in desk.receivers.values() for each in receiver.integrations)
    ways = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no way to tell them"
    response = desk.response
    counts = {
        "routes": _size(desk.route),
        f"receivers ({ways})": len(desk.receivers),
        "inhibit rules": len(desk.inhibit_rules),
        "time intervals": len(desk.time_intervals),
        "maintenance windows": len(desk.maintenance),
        "dependencies": len(desk.dependencies),
        "template files": len(desk.templates),
        "tokens": len(desk.server.tokens),
        "incident rules": len(response.incidents.rules),
        "people": len(response.oncall.people),
        "schedules": len(response.oncall.schedules),
        "escalation policies": len(response.escalation.policies),
        f"remedies ({response.automation.mode})": len(response.automation.remedies),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _size(route: Route) -> int:
    return 1 + sum(map(_size, route.routes))


def _tree(route: Route, depth: int) -> Iterator[str]:
    conditions = str(route.matchers) if route.matchers.matchers else "every alert"
    by = "every label" if route.group_by is None else ", ".join(route.group_by) or "nothing"
    times = "/".join(map(format_duration, (route.group_wait_s, route.group_interval_s, route.repeat_interval_s)))
    extra = [f"digest every {format_duration(route.digest_s)}"] if route.digest_s else []
    extra += [f"silent in {name}" for name in route.mute_time_intervals]
    extra += [f"only in {name}" for name in route.active_time_intervals]
    extra += ["continue"] if route.continues else []
    yield f"{'  ' * depth}{conditions} -> {route.receiver} (by {by}; {'; '.join([times, *extra])})"
    for child in route.routes:
        yield from _tree(child, depth + 1)
