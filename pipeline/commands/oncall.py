"""`tidegauge oncall`: who is on call now and this week, and changing it for a while."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from incidents.oncall.clock import shown_at
from pipeline.commands.common import (
    DEFAULT_CONFIG,
    PROBLEMS,
    WRONG_USE,
    AsJson,
    ConfigPath,
    err,
    fail,
    load_desk,
    logged_in,
    out,
)
from pipeline.commands.desk_client import DeskClient, DeskUrl
from pipeline.commands.rendering import plain
from pipeline.commands.week import drawn, monday_s
from pipeline.desk.incidents import rota
from pipeline.desk.incidents.rota import DAY_S, Rota, Standing
from schemas.alert import rfc3339
from schemas.config.errors import suggestion
from schemas.duration import format_duration, parse_duration_s
from schemas.formats.times import rfc3339_s
from schemas.response.oncall import OnCallPlan

app = typer.Typer(help="Who is on call, and changing it for a while.", no_args_is_help=True)

ScheduleName = Annotated[str, typer.Argument(metavar="SCHEDULE")]
OneSchedule = Annotated[str | None, typer.Option("--schedule", metavar="NAME", help="This one only.")]
At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="RFC 3339; now if left out.")]
By = Annotated[str | None, typer.Option(help="Who does it (default: who is logged in; a token says it for you).")]
Note = Annotated[str, typer.Option("-m", "--note", help="Why.")]


@app.command()
def now(
    schedule: OneSchedule = None,
    at: At = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell who is on call, until when, and who comes then. Exit 1 where it is nobody."""
    at_s = _moment(at, "--at")
    asked = _Asked(config, desk)
    if asked.client:
        found = msgspec.convert(asked.client.get("/api/desk/oncall", at=rfc3339(at_s)), list[Standing])
    else:
        found = [rota.standing(asked.plan, one, (), at_s) for one in asked.plan.schedules.values()]
    shown = [one for one in found if schedule in (None, one.schedule)]
    if schedule is not None and not shown:
        fail(f"oncall: no schedule {schedule!r}; {suggestion(schedule, [one.schedule for one in found])}", WRONG_USE)
    if as_json:
        typer.echo(msgspec.json.encode(shown).decode())
    else:
        width = max((len(one.schedule) for one in shown), default=0)
        for one in shown:
            out().print(f"{plain(one.schedule):<{width}}  {_standing(one, at_s)}")
        if not shown:
            out().print("no schedules; see `oncall:` in the config")
    if any(one.on_call is None for one in shown):
        raise typer.Exit(PROBLEMS)


@app.command()
def week(
    schedule: OneSchedule = None,
    at: At = None,
    weeks: Annotated[int, typer.Option(min=1, max=53, help="How many, from the one with that moment on.")] = 1,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Draw the week's calendar, Monday to Sunday, on the wall clock of each schedule."""
    at_s = _moment(at, "--at")
    asked = _Asked(config, desk)
    if asked.client:
        every = msgspec.convert(asked.client.get("/api/desk/oncall", at=rfc3339(at_s)), list[Standing])
        zones = {one.schedule: one.time_zone for one in every}
    else:
        zones = {one.name: one.time_zone for one in asked.plan.schedules.values()}
    if schedule is not None and schedule not in zones:
        fail(f"oncall: no schedule {schedule!r}; {suggestion(schedule, zones)}", WRONG_USE)
    found = []
    for name, zone in zones.items():
        if schedule in (None, name):
            from_s, to_s = monday_s(at_s, zone), monday_s(at_s, zone, weeks_later=weeks)
            found.append(asked.rota(name, from_s, to_s))
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    for one in found:
        out().print(drawn(one, at_s))
    if not found:
        out().print("no schedules; see `oncall:` in the config")


@app.command()
def override(
    schedule: ScheduleName,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Who is on call instead.")],
    start: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339; now if left out.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339; or say --for.")] = None,
    duration: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="Such as 4h or 2d.")] = None,
    instead_of: Annotated[str, typer.Option(metavar="PERSON", help="Only this one's turns; else whoever it is.")] = "",
    note: Note = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put somebody on call for a while instead of whoever it is."""
    start_s = _moment(start, "--start")
    if (end is None) is (duration is None):
        fail("oncall: say until when: --end TIME, or --for DURATION", WRONG_USE)
    end_s = _moment(end, "--end") if end is not None else start_s + _seconds(duration or "")
    body = {
        "schedule": schedule,
        "person": person,
        "start": rfc3339(start_s) if start is not None else "",
        "end": rfc3339(end_s),
        "instead_of": instead_of,
        "note": note,
        "by": by or logged_in(),
    }
    _tell_made(DeskClient("oncall", config, desk).post("/api/desk/oncall/overrides", body), as_json)


@app.command()
def swap(
    schedule: ScheduleName,
    first: Annotated[str, typer.Argument(metavar="TIME", help="A moment in the one turn, RFC 3339.")],
    second: Annotated[str, typer.Argument(metavar="TIME", help="A moment in the other.")],
    note: Note = "",
    by: By = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Swap two turns: each of the two people takes the other's."""
    moments = {"first": rfc3339(_moment(first, "TIME")), "second": rfc3339(_moment(second, "TIME"))}
    body = {"schedule": schedule, **moments, "note": note, "by": by or logged_in()}
    _tell_made(DeskClient("oncall", config, desk).post("/api/desk/oncall/swap", body), as_json)


@app.command("list-overrides")
def list_overrides(
    every: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show overrides and swaps, and who made them."""
    found = DeskClient("oncall", config, desk).get("/api/desk/oncall/overrides", all=str(every).lower())
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        void = "  has no effect: the config knows the person no more" if one["is_void"] else ""
        out().print(_override(one) + void)
    if not found:
        out().print("no overrides")


@app.command()
def remove(
    id_: Annotated[str, typer.Argument(metavar="ID")], config: ConfigPath = DEFAULT_CONFIG, desk: DeskUrl = None
) -> None:
    """Take back an override, or both halves of a swap. One that has begun ends now."""
    client = DeskClient("oncall", config, desk)
    if not id_.replace("-", "").isalnum():
        fail(f"oncall: {id_!r} is no id of an override; see `tidegauge oncall list-overrides`", WRONG_USE)
    for one in client.delete(f"/api/desk/oncall/overrides/{id_}?by={logged_in()}"):
        out().print(f"removed  {_override(one)}")


@app.command()
def ical(
    schedule: ScheduleName,
    person: Annotated[str | None, typer.Option(metavar="PERSON", help="Only this one's turns.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Standard output else.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    desk: DeskUrl = None,
) -> None:
    """Write the schedule as iCalendar. To subscribe: /api/desk/oncall/SCHEDULE.ics of the desk."""
    asked = _Asked(config, desk)
    if asked.client:
        params = {"person": person} if person is not None else {}
        text = asked.client.text(f"/api/desk/oncall/{schedule}.ics", **params)
    else:
        if schedule not in asked.plan.schedules:
            fail(f"oncall: no schedule {schedule!r}; {suggestion(schedule, asked.plan.schedules)}", WRONG_USE)
        text = rota.calendar(asked.plan.schedules[schedule], (), person, time.time())
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_bytes(text.encode())


class _Asked:
    """client: of the desk that runs, which knows the overrides; None: there is none, so the config alone is asked."""

    def __init__(self, config: Path, desk: str | None) -> None:
        client = DeskClient("oncall", config, desk)
        self.client = client if desk is not None or client.is_there() else None
        self.plan = OnCallPlan()
        if self.client is None:
            self.plan = load_desk(config).desk.response.oncall
            err().print("oncall: no desk runs, so this is by the config alone, without overrides", style="yellow")

    def rota(self, name: str, from_s: float, to_s: float) -> Rota:
        if self.client is None:
            return rota.rota(self.plan.schedules[name], (), from_s, to_s)
        params = {"schedule": name, "from": rfc3339(from_s), "to": rfc3339(to_s)}
        return msgspec.convert(self.client.get("/api/desk/oncall/spans", **params), Rota)


def _standing(one: Standing, at_s: float) -> str:
    if one.on_call is None:
        comes = f"; {plain(one.next.person)} from {_shown(one.next.start, one.time_zone, at_s)}" if one.next else ""
        return f"nobody is on call{comes}"
    until = f" until {_shown(one.on_call.end, one.time_zone, at_s)}" if one.on_call.end else ""
    comes = ""
    if one.next is not None and one.on_call.end:
        is_gap = one.next.start != one.on_call.end
        since = f"nobody; from {_shown(one.next.start, one.time_zone, at_s)} " if is_gap else ""
        comes = f", then {since}{plain(one.next.person)}"
    told = f"  told by {', '.join(map(plain, one.receivers))}" if one.receivers else "  has no receiver: can't be told"
    return f"{plain(one.on_call.person)}{until}{comes}{' (override)' if one.on_call.override else ''}{told}"


def _shown(moment: str, zone: str, at_s: float) -> str:
    """On the schedule's wall clock; the day too where it isn't within one."""
    then_s = rfc3339_s(moment)
    layout = "%H:%M" if abs(then_s - at_s) < DAY_S / 2 else "%a %d %b %H:%M"
    return f"{shown_at(then_s, zone):{layout}} (in {format_duration(max(60.0, then_s - at_s))})"


def _override(one: dict[str, Any]) -> str:
    whom = f" instead of {one['instead_of']}" if one["instead_of"] else ""
    kind = "  (swap)" if one["swap"] else ""
    note = f": {one['note']}" if one["note"] else ""
    return plain(
        f"{one['id']}  {one['schedule']}  {one['person']}{whom}  {one['start']} to {one['end']}{kind}"
        f"  by {one['by']}{note}"
    )


def _tell_made(made: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(made))
        return
    for one in made:
        out().print(_override(one))


def _seconds(duration: str) -> float:
    try:
        return parse_duration_s(duration)
    except ValueError as error:
        fail(f"oncall: --for: {error}", WRONG_USE)


def _moment(text: str | None, what: str) -> float:
    if text is None:
        return time.time()
    try:
        return rfc3339_s(text)
    except ValueError:
        fail(f"oncall: {what} {text!r} is no RFC 3339 time; write for example 2026-11-23T03:00:00Z", WRONG_USE)
