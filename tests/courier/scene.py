"""A desk with a database, made-up notifiers, and a service that does as it is told; no sockets, no threads."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace
from pydantic import BaseModel
from sqlalchemy import Connection, make_url

from alerting.alert import Alert, Decision, Group, Member, Notification, Told, What
from alerting.notifiers.base import Call, Context, Conversation, Handle, Notifier
from pipeline.desk import alerts, groups, log, outbox
from pipeline.desk.courier import Courier
from pipeline.desk.database import PATIENCE_S, Database
from pipeline.desk.http_client import NoReply
from schemas.alert import fingerprint
from schemas.calls import HttpCall, Refused, Reply, Retry
from schemas.desk import Desk, Integration, Receiver, Route
from schemas.matchers import Matchers
from tests.courier.clock import now_s

T = TypeVar("T")


class Settings(BaseModel):
    pass


class Plain(Notifier):
    """One call a message; the body says which. 4xx but 429 is final."""

    kind = "plain"
    Settings = Settings
    pace = (1000, 1.0)

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        said = " ".join(f"{told.alert.labels['alertname']}:{told.what}" for told in note.alerts)
        reply = yield HttpCall("POST", "http://service", {"idempotency-key": note.id}, f"{note.number} {said}".encode())
        if reply.status == 429 or reply.status >= 500:
            after_s = float(reply.headers["retry-after"]) if "retry-after" in reply.headers else None
            raise Retry(f"answered {reply.status}", after_s)
        if reply.status >= 400:
            raise Refused(f"answered {reply.status}")
        return {"thread": handle.get("thread", note.id)}


class Slow(Plain):
    kind = "slow"
    pace = (10, 1.0)


class Forgetful(Plain):
    kind = "forgetful"
    resend_every_s = 60.0


class Broken(Plain):
    kind = "broken"

    def deliver(self, note: Notification, handle: Handle, context: Context) -> Conversation:
        yield HttpCall("POST", "http://service")
        raise KeyError("a mistake of ours")


KINDS: dict[str, type[Notifier]] = {kind.kind: kind for kind in (Plain, Slow, Forgetful, Broken)}


@dataclass(frozen=True)
class Heard:
    """A call as the service got it."""

    integration: str
    key: str
    text: str
    at_s: float


Answer = Callable[[Heard], Reply | Exception | float]  # a float: seconds after which nothing has come back


@dataclass
class Service:
    """All receivers. `answers`: by integration; else 200. What is dropped was heard."""

    answers: dict[str, Answer] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    delay_s: dict[str, float] = field(default_factory=dict)

    async def make(self, integration: Integration, call: Call) -> Reply:
        assert isinstance(call, HttpCall)
        heard = Heard(integration.name, call.headers.get("idempotency-key", ""), call.body.decode(), now_s())
        self.heard.append(heard)
        await asyncio.sleep(self.delay_s.get(integration.name, 0.0))
        judge = self.answers.get(integration.name)
        answer = Reply(200) if judge is None else judge(heard)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            raise NoReply(f"no answer within {answer:g} s", is_timeout=True)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def texts(self, integration: str) -> list[str]:
        return [heard.text for heard in self.heard if heard.integration == integration]


def desk_of(**receivers: Iterable[str]) -> Desk:
    """Receivers by name: kinds of their integrations (`KIND-`: isn't told of ends), a fallback as `fallback:NAME`."""
    made = {}
    for name, words in receivers.items():
        kinds = [word for word in words if ":" not in word]
        fallback = next((word.partition(":")[2] for word in words if ":" in word), None)
        integrations = tuple(
            Integration(name, kind.rstrip("-"), index, Settings(), not kind.endswith("-"))
            for index, kind in enumerate(kinds)
        )
        made[name] = Receiver(name, integrations, fallback)
    root = Route("{}", "0", next(iter(made)), Matchers(), ("alertname",), 30.0, 300.0, 14400.0)
    return Desk(root, made)


def note(receiver: str, number: int = 1, group: str = "g", **whats: What) -> Notification:
    """whats: what is new about each alert, by name."""
    made = []
    for name, what in (whats or {"Down": "new"}).items():
        labels = {"alertname": name}
        ended = what in ("resolved", "departed")
        alert = Alert(
            fingerprint=fingerprint(labels),
            episode=f"episode of {name}",
            seq=0,
            status="resolved" if ended else "firing",
            level="critical",
            labels=labels,
            annotations={},
            starts_at_s=1.0,
            ends_at_s=2.0 if ended else None,
            first_seen_s=1.0,
            updated_s=1.0,
        )
        made.append(Told(alert, what))
    whole = Group(
        id=group, kind="group", key=group, receiver=receiver, route="0", labels={}, first_seen_s=0.0, next_flush_s=0.0
    )
    return Notification(
        id=f"{group}-{number}",
        number=number,
        group=whole,
        reason="new_alerts",
        alerts=made,
        at_s=now_s(),
        repeat_interval_s=14400.0,
    )


class Faulty(Database):
    """`fault` says what goes wrong with the next transaction that writes."""

    fault: Callable[[], BaseException | None]

    def write(self, do: Callable[[Connection], T], *, patience_s: float = PATIENCE_S) -> T:
        fault = self.fault()
        if fault is not None:
            raise fault
        return super().write(do, patience_s=patience_s)


class Scene:
    """Made inside the virtual loop."""

    def __init__(self, folder: Path, desk: Desk, service: Service | None = None) -> None:
        Database.open(f"sqlite:///{folder / 'desk.db'}").close()
        self.db = Faulty(make_url(f"sqlite:///{folder / 'desk.db'}"))
        self.db.fault = lambda: None
        self.desk, self.service = desk, service or Service()
        self.courier = self.another_courier("first")
        self._tasks: list[asyncio.Task[None]] = []

    def another_courier(self, owner: str) -> Courier:
        def context(integration: Integration, at_s: float) -> Context:
            return Context(lambda secret: "", lambda template, note: template, lambda kind, ref: "", at_s)

        return Courier(
            self.db, self.desk, self.service, now_s, context=context, kinds=KINDS, owner=owner, threads=False
        )

    def put(self, note: Notification, *integrations: str) -> None:
        names = integrations or [one.name for one in self.desk.receivers[note.group.receiver].integrations]
        receiver = self.desk.receivers[note.group.receiver]
        ends = {one.name: one.send_resolved for one in receiver.integrations}
        entry = outbox.Entry(note, {name: ends.get(name, True) for name in names})
        self.db.write(lambda conn: outbox.put_all(conn, [entry], now_s()))

    def stands(self, note: Notification) -> None:
        """The database's alerts and the group are as the message says."""

        def write(conn: Connection) -> None:
            alerts.save(conn, [told.alert for told in note.alerts], {})
            groups.remove(conn, [note.group.id])
            if note.firing:
                groups.save(conn, [replace(note.group, next_flush_s=1e12)])
                members = [
                    Member(fingerprint=told.alert.fingerprint, episode=told.alert.episode, joined_s=0.0)
                    for told in note.firing
                ]
                groups.save_members(conn, [(note.group.id, member) for member in members])

        self.db.write(write)

    def tell(self, note: Notification, *integrations: str) -> None:
        """As the rounds do: what it says is so, and is to be sent."""
        self.stands(note)
        self.put(note, *integrations)

    def start(self, courier: Courier | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task((courier or self.courier).run())
        self._tasks.append(task)
        return task

    async def after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.db.close()

    def states(self, integration: str | None = None) -> list[str]:
        """Oldest first."""
        lines = self.db.read(lambda conn: outbox.listed(conn, integration=integration, limit=10_000))
        return [line.status for line in reversed(lines)]

    def decisions(self, group: str = "g") -> list[Decision]:
        def read(conn: Connection) -> list[Decision]:
            return log.of(conn, group=group)

        return self.db.read(read)

    def said(self, what: str) -> list[str]:
        return [decision.text for decision in self.decisions() if decision.what == what]


def fails_until(at_s: float, failure: Reply | Exception | float) -> Answer:
    return lambda heard: failure if heard.at_s < at_s else Reply(200)


def status(code: int, **headers: Any) -> Reply:
    return Reply(code, {name.replace("_", "-"): str(value) for name, value in headers.items()})
