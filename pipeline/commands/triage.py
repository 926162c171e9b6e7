"""`tidegauge incident ...`: the part of triage - severity, roles, tasks, updates, suspects, the verdict."""

import json
from typing import Annotated, Any

import typer

from pipeline.commands.common import DEFAULT_CONFIG, WRONG_USE, AsJson, ConfigPath, fail, logged_in, out
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.rendering import plain

IncidentId = Annotated[str, typer.Argument(metavar="INCIDENT", help="Such as INC-12, or 12.")]
Note = Annotated[str, typer.Option("-m", "--note", help="Why, for others.")]


def severity(
    incident: IncidentId,
    value: Annotated[
        int | None, typer.Argument(metavar="[1-5]", min=1, max=5, help="1 is the worst; left out: shows it.")
    ] = None,
    auto: Annotated[bool, typer.Option("--auto", help="Give it back to the rules.")] = False,
    note: Note = "",
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how bad it is and why; overrule it, which takes a note; or give it back to the rules."""
    if value is not None and auto:
        fail("incident severity: either a number or --auto", WRONG_USE)
    client = DeskClient("incident severity", config, desk)
    if value is None and not auto:
        found = client.get(f"{_at(incident)}/triage")
        if as_json:
            typer.echo(json.dumps(found))
            return
        unjudged = f"SEV{found['severity']}: nobody has said how bad it is, and it has no alerts to tell"
        out().print(plain(f"{found['id']}  {found['severity_reason'] or unjudged}"))
        if found["seen"]:
            out().print(plain(f"  seen: {found['seen']}"))
            out().print(plain(f"  the rules say now: {found['rules_say']}"))
        return
    body = {"severity": value, "auto": auto, "note": note, "by": logged_in()}
    made = client.post(f"{_at(incident)}/severity", body)
    if as_json:
        typer.echo(json.dumps(made))
        return
    left = f"stays SEV{made['severity']}: it has no alerts to judge by"
    out().print(plain(f"{made['id']}  {made['reason'] or left}"))


def role(
    incident: IncidentId,
    name: Annotated[str, typer.Argument(metavar="ROLE", help="Such as commander or communication.")],
    person: Annotated[str, typer.Argument(metavar="[PERSON]", help="Who has it from now on.")] = "",
    give_back: Annotated[bool, typer.Option("--give-back", help="Nobody has it any more.")] = False,
    note: Note = "",
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give somebody a role, hand it over, or give it back. One person may hold several."""
    if bool(person) == give_back:
        fail("incident role: name a person, or say --give-back", WRONG_USE)
    body = {"role": name, "person": person, "note": note, "by": logged_in()}
    made = DeskClient("incident role", config, desk).post(f"{_at(incident)}/roles", body)
    if as_json:
        typer.echo(json.dumps(made))
        return
    held = ", ".join(f"{role}: {who}" for role, who in made["roles"].items()) or "no roles are held"
    out().print(plain(f"{made['id']}  {held}"))


def tasks(
    incident: IncidentId, config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None, as_json: AsJson = False
) -> None:
    """Show what is to be done: checklists of roles, updates that are due, actions of the review; and runbooks."""
    found = DeskClient("incident tasks", config, desk).get(f"{_at(incident)}/tasks")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found["tasks"]:
        out().print(plain(_task(one)))
    for one in found["runbooks"]:
        out().print(plain(f"runbook of {one['of']}: {one['url']}"))
    if not found["tasks"]:
        out().print("no tasks")


def done(
    incident: IncidentId,
    task: Annotated[int, typer.Argument(metavar="TASK", help="Its number: `incident tasks`.")],
    undo: Annotated[bool, typer.Option("--undo", help="It isn't done after all.")] = False,
    note: Note = "",
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tick a task off."""
    body = {"done": not undo, "note": note, "by": logged_in()}
    made = DeskClient("incident done", config, desk).post(f"{_at(incident)}/tasks/{task}", body)
    if as_json:
        typer.echo(json.dumps(made))
    else:
        out().print(plain(_task(made)))


def update(
    incident: IncidentId,
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What stakeholders are to know.")] = "",
    template: Annotated[str, typer.Option(help="Which text of `incidents.updates.templates` it goes into.")] = "",
    to: Annotated[list[str] | None, typer.Option("--to", help="A receiver besides the audience of the config.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show what they would read; send nothing.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell stakeholders how it stands. The clock of the next update starts anew."""
    body = {"text": text, "template": template, "receivers": to or [], "preview": preview, "by": logged_in()}
    made = DeskClient("incident update", config, desk).post(f"{_at(incident)}/updates", body)
    if as_json:
        typer.echo(json.dumps(made))
    elif preview:
        for line in made["text"].splitlines():
            out().print(plain(line))
    else:
        out().print(plain(f"{incident}  {', '.join(made['receivers']) or 'nobody'} will hear it"))


def verdict(
    incident: IncidentId,
    word: Annotated[
        str,
        typer.Argument(
            metavar="true|false|none", help="true: it was real. false: no alert was due. none: takes it back."
        ),
    ],
    note: Note = "",
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say whether it was real. `false` raises the bar of each of its alerts' series, as `feedback noise` does."""
    if word not in ("true", "false", "none"):
        fail(f"incident verdict: {plain(word)!r} is none; say true, false or none", WRONG_USE)
    body = {"verdict": word, "note": note, "by": logged_in()}
    made = DeskClient("incident verdict", config, desk).post(f"{_at(incident)}/verdict", body)
    if as_json:
        typer.echo(json.dumps(made))
        return
    out().print(plain(f"{made['id']}  {made['verdict'].replace('_', ' ') or 'no verdict'}"))
    for line in made["feedback"]:
        out().print(plain(f"  {line}"))


def suspects(
    incident: IncidentId, config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None, as_json: AsJson = False
) -> None:
    """Show which changes may have caused it, likeliest first, and why."""
    found = DeskClient("incident suspects", config, desk).get(f"{_at(incident)}/suspects")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for rank, one in enumerate(found, 1):
        change = one["change"]
        said = " ".join(text for text in (change["version"], f"by {change['by']}" if change["by"] else "") if text)
        out().print(plain(f"{rank}. {one['reason']}  {said}  {change['summary']}".rstrip()))
    if not found:
        out().print("no change that is known may have caused it; `tidegauge change add` tells of one")


def register(app: typer.Typer) -> None:
    """Into `tidegauge incident`."""
    for command in (severity, role, tasks, done, update, verdict, suspects):
        app.command()(command)


def _at(incident: str) -> str:
    bare = incident.upper().removeprefix("INC-")
    if not (bare.isascii() and bare.isdecimal()):
        fail(f"incident: {plain(incident)!r} is no incident; they are called INC-12", WRONG_USE)
    return f"/api/desk/incidents/{bare}"


def _task(one: dict[str, Any]) -> str:
    mark = "x" if one["done"] else " "
    due = f", due {one['due']}" if one["due"] and not one["done"] else ""
    who = one["done_by"] if one["done"] else one["owner"] or "nobody"
    of = f"{one['role']}, " if one["role"] else ""
    return f"{one['id']:>4} [{mark}] {one['text']}  ({of}{who}{due})" + (f": {one['note']}" if one["note"] else "")
