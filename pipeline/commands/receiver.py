"""`tidegauge receiver`: who can be told, and whether they really are."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from alerting.alert import Alert, Group, Notification, Told
from alerting.notifiers import KINDS
from alerting.notifiers.base import Handle
from pipeline.commands.common import DEFAULT_CONFIG, PROBLEMS, WRONG_USE, AsJson, ConfigPath, fail, load_desk, out
from pipeline.commands.rendering import plain
from pipeline.desk.contexts import contexts
from pipeline.desk.conversation import Failed, Sent, converse
from pipeline.desk.senders import Senders
from schemas.alert import fingerprint
from schemas.config import Config
from schemas.config.errors import suggestion
from schemas.desk import Integration, Receiver
from schemas.levels import LevelName

app = typer.Typer(help="Whom the desk can tell, and how.", no_args_is_help=True)
T = TypeVar("T")
_NAME = "TidegaugeTest"


@app.command("list")
def list_(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show every receiver with its ways of telling, and who is told where one of them stays down."""
    receivers = load_desk(config).desk.receivers.values()
    if as_json:
        typer.echo(json.dumps([_row(receiver) for receiver in receivers]))
        return
    table = Table("receiver", "told by", "else", box=None)
    for receiver in receivers:
        names = [integration.name for integration in receiver.integrations]
        table.add_row(plain(receiver.name), plain(", ".join(names) or "nothing"), plain(receiver.fallback or ""))
    out().print(table)


@app.command("test")
def try_out(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A receiver, or one of its ways: oncall/slack[0].")],
    config: ConfigPath = DEFAULT_CONFIG,
    level: Annotated[LevelName, typer.Option(help="Of the test alert.")] = "info",
    as_json: AsJson = False,
) -> None:
    """Really send a test alert and then its end, and say what came back. Exit 1 where either was refused.

    The message names itself a test. Nothing of it is kept: the desk's database isn't asked.
    """
    checked = load_desk(config)
    chosen = _chosen(checked, name)
    answers = asyncio.run(_send(checked, chosen, level, time.time()))
    if as_json:
        typer.echo(json.dumps([{"integration": i, "step": step, **_told(answer)} for i, step, answer in answers]))
    else:
        for integration, step, answer in answers:
            out().print(_line(integration, step, answer))
    if any(isinstance(answer, Failed) for _, _, answer in answers):
        raise typer.Exit(PROBLEMS)


def _chosen(config: Config, name: str) -> list[Integration]:
    everyone = config.desk.receivers
    ways = {way.name: way for receiver in everyone.values() for way in receiver.integrations}
    if name in ways:
        return [ways[name]]
    if name not in everyone:
        fail(f"receiver: no receiver {name!r}; {suggestion(name, everyone)}", WRONG_USE)
    if not everyone[name].integrations:
        fail(f"receiver: {name} has no way to tell anybody; add for example slack_configs to it", PROBLEMS)
    return list(everyone[name].integrations)


_Answer = tuple[str, str, Sent | Failed]


async def _send(config: Config, chosen: list[Integration], level: LevelName, now_s: float) -> list[_Answer]:
    senders, context = Senders(config.kafka.bootstrap), contexts(config.desk)
    answers: list[_Answer] = []
    try:
        for way in chosen:
            notifier, handle = KINDS[way.kind](way.settings), Handle()
            steps = ("fires", "ends") if way.send_resolved else ("fires",)
            for number, step in enumerate(steps, start=1):
                answer = await converse(
                    notifier, _note(way, level, step == "ends", number, now_s), handle, context(way, now_s),
                    make=partial(senders.make, way), pace=_at_once, aside=_here,
                )  # fmt: skip
                answers.append((way.name, step, answer))
                if isinstance(answer, Failed):
                    break
                handle = answer.handle
    finally:
        await senders.aclose()
    return answers


async def _at_once() -> None:
    pass


def _here(do: Callable[[], T]) -> Coroutine[None, None, T]:
    async def done() -> T:
        return do()

    return done()


def _note(way: Integration, level: LevelName, is_over: bool, number: int, now_s: float) -> Notification:
    labels = {"alertname": _NAME, "receiver": way.receiver}
    alert = Alert(
        fingerprint=fingerprint(labels), episode="0" * 32, seq=number - 1,
        status="resolved" if is_over else "firing", level=level, labels=labels,
        annotations={"summary": "A test of this receiver; nothing is wrong"}, rule=_NAME, origin="self",
        starts_at_s=now_s, ends_at_s=now_s + 1 if is_over else None, first_seen_s=now_s, updated_s=now_s,
        why="Somebody ran `tidegauge receiver test`.",
    )  # fmt: skip
    # A key of its own each time: a receiver that drops doubles shall not drop the second test of a day.
    key = f"test of {way.name} at {now_s:.0f}"
    group = Group(
        id=fingerprint({"test": key}) * 2, kind="group", key=key, receiver=way.receiver, route="0", labels=labels,
        first_seen_s=now_s, next_flush_s=now_s, told_count=number,
    )  # fmt: skip
    return Notification(
        id=fingerprint({"test": key, "number": str(number)}) * 2, number=number, group=group,
        reason="all_resolved" if is_over else "first_notification",
        alerts=[Told(alert, "resolved" if is_over else "new")], at_s=now_s, repeat_interval_s=14_400.0,
    )  # fmt: skip


def _told(answer: Sent | Failed) -> dict[str, object]:
    if isinstance(answer, Failed):
        return {"ok": False, "reason": answer.reason}
    return {"ok": True, "status": answer.reply.status if answer.reply else None}


def _line(integration: str, step: str, answer: Sent | Failed) -> Text:
    ok = isinstance(answer, Sent)
    line = Text("  ok  " if ok else " fail ", "green" if ok else "bold red")
    line.append(f"{plain(integration)}: {step}: ", "bold")
    if isinstance(answer, Failed):
        return line.append(plain(answer.reason), "default")
    return line.append(f"answered {answer.reply.status}" if answer.reply else "nothing had to be said", "default")


def _row(receiver: Receiver) -> dict[str, object]:
    ways = [integration.name for integration in receiver.integrations]
    return {"receiver": receiver.name, "told_by": ways, "fallback": receiver.fallback}
