"""A desk with remedies whose acts are counted by a double, on a database of its own, with a clock that is set."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from incidents.model import Incident
from incidents.remedies.base import Call, Context, Conversation, Done, Intent, Remedy
from incidents.remedies.model import Act
from incidents.remedies.naming import Unusable, filled
from pipeline.desk import duties, intake
from pipeline.desk.automation import acts
from pipeline.desk.automation.runner import Runner
from pipeline.desk.database import Database
from pipeline.desk.incidents import store
from schemas.alert import AlertEvent
from schemas.calls import HttpCall, Refused, Reply
from schemas.desk import Desk
from schemas.levels import LevelName
from schemas.matchers import Matchers
from schemas.response.automation import AutomationPlan, RemedyRule
from tests.desk.scene import START_S, desk, event

__all__ = ["START_S", "Double", "World", "event", "rule"]

READ, CHANGE, UNDO, ASK = "GET /", "POST /", "DELETE /", "GET /done"


class Means(BaseModel):
    """can_undo, can_ask: whether the remedy has these."""

    can_undo: bool = False
    can_ask: bool = True


class Double(Remedy):
    """Looks, then changes. What it acts on is its alert's label `service`."""

    kind = "double"
    Settings = Means

    settings: Means

    def target(self, labels: Mapping[str, str]) -> str:
        try:
            return filled("{service}", labels)
        except Unusable as problem:
            raise Refused(str(problem)) from None

    def act(self, intent: Intent, context: Context) -> Conversation:
        yield _call("GET", intent, "")
        if intent.is_dry_run:
            return Done("would do it", {"n": 0}, {"n": 1})
        yield _call("POST", intent, "")
        return Done("did it", {"n": 0}, {"n": 1})

    def verify(self, intent: Intent, context: Context) -> Conversation | None:
        return self._verify(intent) if self.settings.can_ask else None

    def undo(self, intent: Intent, done: Done, context: Context) -> Conversation | None:
        return self._undo(intent) if self.settings.can_undo else None

    def _verify(self, intent: Intent) -> Conversation:
        reply = yield _call("GET", intent, "done")
        if reply.status == 404:
            raise Refused("not there")
        return Done("it was done", {}, {"n": 1})

    def _undo(self, intent: Intent) -> Conversation:
        yield _call("DELETE", intent, "")
        return Done("took it back")


def _call(method: Any, intent: Intent, path: str) -> HttpCall:
    return HttpCall(method, f"http://double/{path}", {"act": intent.id, "target": intent.target})


@dataclass
class Hands:
    """Makes the calls: counts what each act really did. die: raised before or after the call of that number."""

    changes: list[tuple[str, str]] = field(default_factory=list)  # act, target
    undone: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    raises: dict[str, Exception] = field(default_factory=dict)
    lost: dict[str, Exception] = field(default_factory=dict)
    died_at: int | None = None
    is_after: bool = False
    on_call: Any = None

    async def make(self, remedy: str, kind: str, settings: BaseModel, call: Call) -> Reply:
        assert isinstance(call, HttpCall)
        name = f"{call.method} {call.url.removeprefix('http://double')}"
        self.calls.append(name)
        if self.on_call is not None:
            self.on_call(name)
        if self.died_at == len(self.calls) and not self.is_after:
            raise Killed
        if name in self.raises:
            raise self.raises[name]
        act = call.headers["act"]
        status = 200
        if name == CHANGE:
            self.changes.append((act, call.headers["target"]))
        if name == UNDO:
            self.undone.append(act)
        if name == ASK and act not in [each for each, _ in self.changes]:
            status = 404
        if self.died_at == len(self.calls) and self.is_after:
            raise Killed
        if name in self.lost:
            raise self.lost[name]
        return Reply(status)


class Killed(BaseException):
    """No handler of ours takes it for an error."""


def rule(name: str = "mend", **fields: Any) -> RemedyRule:
    made = RemedyRule(name, Matchers(), "double", Means(), mode="auto", escalate_to="team:devops")
    return replace(made, **fields)


class World:
    """take: alert events arrive. look: a second of the desk. run: what is intended is done."""

    def __init__(self, db: Database, *rules: RemedyRule, of: Desk | None = None, **plan: Any) -> None:
        automation = AutomationPlan(**({"mode": "auto", "remedies": rules or (rule(),)} | plan))
        base = of or desk()
        response = replace(base.response, automation=automation)
        self.db, self.desk, self.now_s = db, replace(base, response=response), START_S
        self.hands = Hands()
        self._seqs: dict[str, int] = {}
        self._starts: dict[str, float] = {}
        self.runner = self.another_runner()

    def another_runner(self, owner: str = "me") -> Runner:
        """As after a restart: nothing under way."""
        return Runner(
            self.db,
            self.desk,
            self.hands,
            lambda: self.now_s,
            sleep=_no_time,
            kinds={"double": Double},
            owner=owner,
            threads=False,
        )

    def fire(self, name: str = "a", level: LevelName = "critical", service: str = "shop") -> None:
        """A new episode begins."""
        self._starts[name], self._seqs[name] = self.now_s, 0
        self.take(event(name, level=level, starts_s=self.now_s, service=service))

    def change(self, name: str, level: LevelName | None, service: str = "shop") -> None:
        """None ends it."""
        self._seqs[name] += 1
        starts_s, seq = self._starts[name], self._seqs[name]
        self.take(event(name, seq=seq, level=level, starts_s=starts_s, at_s=self.now_s, service=service))

    def take(self, *events: AlertEvent) -> None:
        self.db.write(lambda conn: intake.take(conn, events, {}, self.desk, self.now_s))

    def look(self) -> None:
        duties.step(self.db, self.desk, self.now_s)

    def run(self) -> int:
        return asyncio.run(self.runner.step())

    def tick(self, seconds: float = 1.0) -> None:
        """Time passes; the desk looks and does."""
        self.now_s += seconds
        self.look()
        self.run()
        self.look()

    def acts(self) -> list[Act]:
        return sorted(
            self.db.read(lambda conn: acts.listed(conn, limit=1000)), key=lambda a: (a.made_s, a.attempt, a.id)
        )

    def states(self) -> list[str]:
        return [act.state for act in self.acts()]

    def incidents(self) -> list[Incident]:
        return self.db.read(store.listed)[::-1]

    def lines(self, number: int = 1) -> list[str]:
        return [entry.text for entry in self.db.read(lambda conn: store.entries(conn, number)) if entry.what == "act"]


async def _no_time(seconds: float) -> None:
    """A pause that takes none."""
    await asyncio.sleep(0)
