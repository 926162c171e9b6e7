"""`tidegauge demo`: a real Kafka, a real worker, a small shop with scripted faults; exit 0 only if all were told of."""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from kafka import KafkaConsumer, OffsetAndMetadata
from rich.progress import Progress
from rich.table import Table

from pipeline import broker
from pipeline.broker.probe import free_port, is_free
from pipeline.commands.clients import Sender, assign_whole, consumer, told
from pipeline.commands.common import PROBLEMS, err, fail, out
from pipeline.commands.rendering import render
from pipeline.commands.tail import Seen, read_alert
from pipeline.config import read_config
from pipeline.demo import phone as phones
from pipeline.demo.checks import Checks
from pipeline.demo.child import Child, ChildEnded, desk, worker
from pipeline.demo.shop import CYCLE_S, FAULTS, NEW, SCRIPT_S, Fault
from pipeline.demo.stage import HISTORY_EVENTS, Stage
from pipeline.desk import intake
from pipeline.desk.database import Database
from pipeline.topics import TopicsError, ensure_topics
from schemas.config import Config

_PORT, _DESK_PORT = 9092, 8470
_STARTS_WITHIN_S = 180.0  # the first worker on a machine compiles its detectors
_LATE_S = 20.0  # what is missing at the end may still come


def demo(
    duration_s: Annotated[
        float | None,
        typer.Option(min=SCRIPT_S, help="Seconds of the script (default: until Ctrl-C, the script again and again)."),
    ] = None,
    keep_broker: Annotated[
        bool, typer.Option("--keep-broker", help="Leave the broker running that this started.")
    ] = False,
) -> None:
    """Show it: start Kafka, worker and desk, publish a backdated hour, then this machine's metrics and a small shop.

    Faults of the shop are scripted; alerts are read back from the alert topic, and what the desk sends to the person on
    duty is shown beside them. Exit 0 only if every fault was told of, at the levels it should, and nothing was said of
    a series that only warms up. KAFKA_BOOTSTRAP: use that Kafka.
    """
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT: a shell ignores it for its background
        signal.signal(how, signal.default_int_handler)  # whoever ends this ends its children too
    folder = Path(tempfile.mkdtemp(prefix="tidegauge-demo-"))
    checks = Checks()
    problem = ""
    try:
        with ExitStack() as stack:
            problem = _show(stack, folder, checks, duration_s, keep_broker)
    except KeyboardInterrupt:
        out().print("ended")
    except ChildEnded as ended:
        problem = str(ended)
    out().print(_verdict(checks))
    for event in checks.false_alarms:
        out().print("A false alarm: this series only warms up.", style="bold red")
        out().print(render(event))
    if checks.passed and not problem:
        shutil.rmtree(folder, ignore_errors=True)
        out().print(
            "Every scripted fault was told of, and nothing of the series that only warms up.", style="bold green"
        )
        return
    _give_up(problem, folder)


def _show(stack: ExitStack, folder: Path, checks: Checks, duration_s: float | None, keep_broker: bool) -> str:
    """Runs to its end; returns what went wrong, or nothing."""
    bootstrap = _kafka(stack, keep_broker)
    stack.enter_context(told("demo", bootstrap))
    # A Kafka that an earlier demo left has its events and commits. A group of our own that begins where the topics end
    # now never sees them, so that neither old faults nor a new feature that isn't new any more can show up.
    group = f"tidegauge-demo-{time.time():.0f}"
    phone = stack.enter_context(phones.phone())
    config = _config(folder, bootstrap, group, phone.url)
    _topics(config)
    _begin_at_the_end(config)
    reader = stack.enter_context(closing(consumer(bootstrap)))
    assign_whole(reader, config.topics.alerts, "now")
    alerts = Alerts(reader, f"tidegauge/{group}".encode(), checks, phone)
    path = folder / "demo.yaml"
    child = stack.enter_context(worker(path, folder / "worker.log"))
    front = stack.enter_context(desk(path, folder / "desk.log", config.desk.server.port))
    _where_to_look(config, child, front)
    sender = stack.enter_context(closing(Sender(bootstrap, config.inputs[0].topic)))
    stage = Stage(sender, time.time())
    with Progress(console=err(), transient=True, disable=not err().is_terminal) as progress:
        task = progress.add_task("an hour of history", total=HISTORY_EVENTS)
        stage.history(lambda events: progress.advance(task, events))
    out().print(f"published an hour of history, {HISTORY_EVENTS:,} events; the worker gets ready and learns it")
    began_s = time.monotonic()
    while child.events() < HISTORY_EVENTS:
        if time.monotonic() - began_s > _STARTS_WITHIN_S:
            return f"the worker had not applied the history within {_STARTS_WITHIN_S:.0f} s"
        _second(stage, alerts, child, front)
    out().print(f"it has learned; the script begins ({time.monotonic() - began_s:.0f} s later)", style="bold")
    stage.begin(time.time())
    while duration_s is None or stage.script_s < duration_s:
        _second(stage, alerts, child, front)
    sender.flush()
    deadline_s = time.monotonic() + _LATE_S
    while not checks.complete and time.monotonic() < deadline_s:
        child.check()
        alerts.show(0.5)
    return ""


class Alerts:
    """Reads the alert topic, shows what comes from our worker and what the phone was sent, and tells the checks."""

    def __init__(self, reader: KafkaConsumer, source: bytes, checks: Checks, phone: phones.Phone) -> None:
        self._reader, self._source, self._checks, self._phone = reader, source, checks, phone
        self._seen = Seen()

    def show(self, wait_s: float) -> None:
        """All that has come, and what comes within `wait_s`."""
        for records in self._reader.poll(timeout_ms=round(max(0.0, wait_s) * 1000)).values():
            for record in records:
                if dict(record.headers).get("ce_source") != self._source:
                    continue  # somebody else's worker on the same Kafka
                event = read_alert(record)
                if event is not None and not self._seen.before(event):
                    self._checks.take(event)
                    out().print(render(event))
        for message in self._phone.messages():
            out().print(phones.render(message))


def _second(stage: Stage, alerts: Alerts, *children: Child) -> None:
    """Publishes what is due, and shows alerts and messages until the next second."""
    for child in children:
        child.check()
    before_s = stage.script_s
    stage.catch_up(time.time())
    _announce(before_s, stage.script_s)
    while (wait_s := stage.next_s - time.time()) > 0:
        alerts.show(wait_s)


def _announce(from_s: int, to_s: int) -> None:
    """The faults that begin in these seconds of the script."""
    for script_s in range(from_s, to_s):
        for fault in FAULTS:
            if fault.begins_s == script_s % CYCLE_S:
                clock = f"{script_s // 60:02}:{script_s % 60:02}"
                out().print(f"{clock}  {fault.title}  (expected: {_expected(fault)})", style="dim")


def _expected(fault: Fault) -> str:
    return f"{fault.rule}: {', then '.join(fault.levels)}"


def _kafka(stack: ExitStack, keep: bool) -> str:
    """On 9092, or on any free port where something else has that one."""
    try:
        port = _PORT if broker.status(_PORT).running or is_free(_PORT) else 0
        started = broker.start(port, say=out().print)
    except broker.BrokerError as error:
        fail(f"broker: {error}", PROBLEMS)
    if started.started and started.port is not None and not keep:
        stack.enter_context(_stopped(started.port))
    return started.bootstrap


@contextmanager
def _stopped(port: int) -> Iterator[None]:
    try:
        yield
    finally:
        broker.stop(port, say=out().print)


def _config(folder: Path, bootstrap: str, group: str, phone_url: str) -> Config:
    """demo.yaml with the run's own Kafka, group, state folder, desk and phone."""
    port = _DESK_PORT if is_free(_DESK_PORT) else free_port()
    run = {
        "kafka": {"bootstrap": bootstrap, "group": group},
        "snapshots": {"path": str(folder / "state")},
        "desk": {"database": f"sqlite:///{folder / 'desk.db'}", "port": port},
    }
    text = files("pipeline.demo").joinpath("demo.yaml").read_text("utf-8").replace("http://127.0.0.1:1/", phone_url)
    path = folder / "demo.yaml"
    path.write_text(text + "".join(f"\n{key}: {json.dumps(value)}" for key, value in run.items()) + "\n", "utf-8")
    return read_config(path)


def _topics(config: Config) -> None:
    try:
        outcomes = ensure_topics(config.kafka.bootstrap, config)
    except TopicsError as error:
        fail(f"demo: {error}", PROBLEMS)
    problems = [f"topic {outcome.topic.name} {outcome.problem}" for outcome in outcomes if outcome.problem]
    if problems:
        fail("\n".join(problems), PROBLEMS)


def _begin_at_the_end(config: Config) -> None:
    """Worker and desk read what comes from now on, not what an earlier demo left."""
    with closing(consumer(config.kafka.bootstrap, config.kafka.group)) as client:
        for source in config.inputs:
            tps = assign_whole(client, source.topic, "now")
            client.commit({tp: OffsetAndMetadata(end, "", -1) for tp, end in client.end_offsets(tps).items()})
        ends = client.end_offsets(assign_whole(client, config.topics.alerts, "now"))
    with closing(Database.open(config.desk.server.database_url)) as db:
        for tp, end in ends.items():
            db.write(partial(intake.set_offset, topic=tp.topic, partition=tp.partition, next_=end))


def _where_to_look(config: Config, child: Child, front: Child) -> None:
    bootstrap, topics = config.kafka.bootstrap, config.topics
    print_ = out().print
    print_(f"Kafka           {bootstrap}: metrics go to {config.inputs[0].topic}, alerts come from {topics.alerts}")
    print_(f"worker          {child.url}/metrics, log {child.log} (kept if the demo fails)")
    print_(f"desk            {front.url}/api/v2/alerts, as Alertmanager's, log {front.log}")
    print_(f"to see alerts   {_command()} tail --bootstrap {bootstrap} --from beginning")
    print_(f"rules           {child.log.with_name('demo.yaml')}")


def _command() -> str:
    """How this very program is called here: from a checkout it isn't on the PATH."""
    return "tidegauge" if shutil.which("tidegauge") else os.path.relpath(Path(sys.executable).with_name("tidegauge"))


def _verdict(checks: Checks) -> Table:
    table = Table("fault", "expected", "read back", box=None)
    for fault in FAULTS:
        missing = checks.missing(fault)
        words = f"missing: {', '.join(missing)}" if missing else "yes"
        table.add_row(fault.title, _expected(fault), words, style="red" if missing else "green")
    count = len(checks.false_alarms)
    table.add_row(f"({NEW.metric} only warms up)", "nothing", f"{count} alerts" if count else "nothing")
    return table


def _give_up(problem: str, folder: Path) -> NoReturn:
    print_ = err().print
    print_(problem or "Not all that was promised was read back (or the demo ended before).", style="bold red")
    for log in sorted(folder.glob("*.log")):
        print_(f"Look at {log}; its end:")
        for line in log.read_text("utf-8", "replace").splitlines()[-8:]:
            print_(f"  {line}")
    raise typer.Exit(PROBLEMS)
