"""One act from where it was claimed to what came of it: looked at first, then done, or asked about, or taken back.

Every outcome is one transaction. Where it finds that somebody else has judged the act meanwhile (our lease was over),
nothing is written: they don't do it again either.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
import structlog
from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from incidents.remedies.base import Call, Context, Conversation, Done, Intent, Remedy
from incidents.remedies.lifecycle import Verb
from incidents.remedies.model import Act
from pipeline.desk.automation import acts, claiming, switch
from pipeline.desk.automation.driving import Failed, Lost, Outcome, Stopped, drive
from pipeline.desk.automation.load import Loads
from pipeline.desk.automation.settling import settle
from pipeline.desk.automation.targets import Kinds, remedy_of
from pipeline.desk.lane import Transaction
from pipeline.desk.secrets import reveal
from schemas.calls import Reply
from schemas.desk import Desk
from schemas.response.automation import RemedyRule

log = structlog.get_logger(__name__)

_AWAY_S = 2.0
_ASK_AGAIN_S, _ASK_AGAIN_S_MAX = 5.0, 60.0
_FRESH_S = 60.0
_VERIFY_WITHIN_S = 600.0  # where the config has the remedy no more
_Begin = Callable[[Remedy, Context], Conversation | None]


class Maker(Protocol):
    """See `making.Maker`."""

    async def make(self, remedy: str, kind: str, settings: BaseModel, call: Call) -> Reply: ...


@dataclass(frozen=True)
class Hands:
    """What it takes. owner: who holds the lease. now: Unix seconds. loads: newest values of watched metrics."""

    desk: Desk
    kinds: Kinds
    maker: Maker
    owner: str
    read: Transaction
    write: Transaction
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    loads: Loads | None = None


async def do(act: Act, hands: Hands) -> None:
    """act: as it was claimed."""
    await _Doing(hands, act).run()


async def rehearse(rule: RemedyRule, intent: Intent, hands: Hands) -> str:
    """What it would do now, whatever guards say; only what reads is asked."""
    dry = replace(intent, is_dry_run=True)
    found = await _drive(hands, rule, lambda remedy, context: remedy.act(dry, context), _unhindered)
    return _said(found)


class _Doing:
    def __init__(self, hands: Hands, act: Act) -> None:
        self._hands, self._act = hands, act
        self._rule = {rule.name: rule for rule in hands.desk.response.automation.remedies}.get(act.remedy)

    async def run(self) -> None:
        match self._act.state:
            case "running":
                await self._perform()
            case "unknown":
                await self._ask()
            case "undoing":
                await self._take_back()

    async def _perform(self) -> None:
        rule = self._rule
        if rule is None:
            reason = "the config has no such remedy any more"
            await self._settle("fail", reason=reason, text=reason, took_effect=False, can_retry=False)
            return
        intent = await self._intent()
        dry = replace(intent, is_dry_run=True)
        looked = await _drive(self._hands, rule, lambda remedy, context: remedy.act(dry, context), self._pause)
        if self._act.mode == "dry_run":
            await self._settle("tell", reason=_said(looked), text=_said(looked))
            return
        match looked:
            case Done():
                pass
            case Stopped(reason):
                await self._settle("put_back", reason=reason, guard="kill_switch", began_s=None, intended_s=None)
                return
            case _:
                reason = _said(looked)
                can_retry = isinstance(looked, Lost)  # nothing but a look was lost
                await self._settle("fail", reason=reason, text=reason, took_effect=False, can_retry=can_retry)
                return
        if not await self._planned(looked):
            return
        planned = replace(intent, plan=self._act.plan or {})
        done = await _drive(self._hands, rule, lambda remedy, context: remedy.act(planned, context), self._pause)
        match done:
            case Done(text, before, after):
                await self._took_effect(text, before, after)
            case Failed(reason):
                await self._settle("fail", reason=reason, text=reason, took_effect=False, can_retry=False)
            case Stopped(reason):
                await self._settle("put_back", reason=reason, guard="kill_switch", began_s=None, intended_s=None)
            case _:
                reason = _said(done)
                by_s = self._hands.now() + self._verify_within_s
                await self._settle("lose", reason=reason, text=reason, verify_by_s=by_s)

    async def _ask(self) -> None:
        """After a crash, a time limit, a lost reply: whether it was done."""
        rule, act, now_s = self._rule, self._act, self._hands.now()
        intent = await self._intent()
        found = None
        if rule is not None:
            found = await _drive(self._hands, rule, lambda remedy, context: remedy.verify(intent, context), _unhindered)
        match found:
            case Done(text, before, after):
                await self._took_effect(self._then(text), before, after)
            case Failed(reason):
                said = f"it was not done: {reason}"
                await self._settle("fail", reason=said, text=self._then(said), took_effect=False, can_retry=True)
            case None:
                by_s = now_s + self._verify_within_s
                reason = "there is no way to ask whether it was done; its metric will tell"
                await self._settle("go_by_metric", reason=reason, done_s=now_s, verify_by_s=by_s, can_retry=False)
            case _:
                wait_s = min(_ASK_AGAIN_S * 2**act.asks, _ASK_AGAIN_S_MAX)
                changed = {"asks": act.asks + 1, "reason": f"can't be asked now: {_said(found)}"}
                await self._written(lambda conn: acts.save(conn, _with(act, **changed), now_s + wait_s))

    async def _take_back(self) -> None:
        """All that this series of attempts has done, the last first."""
        rule, act = self._rule, self._act
        told: list[str] = []
        series = await self._hands.read(lambda conn: acts.attempts(conn, act.incident, act.remedy, act.target))
        for one in reversed([one for one in series if one.attempt > act.attempt - act.tried and one.took_effect]):
            intent, done = await self._intent(one), Done(one.text, one.before, one.after)
            found = None
            if rule is not None:
                begin = _undoing(intent, done)
                found = await _drive(self._hands, rule, begin, self._pause)
            if isinstance(found, Done):
                told.append(found.text)
                continue
            if found is not None:
                said = "; ".join([*told, f"not taken back: {_said(found)}"])
                await self._settle("fail", reason=said, undone=said)
                return
        said = "; ".join(told)
        if told:
            await self._settle("succeed", reason=said, undone=said)
        else:
            await self._settle("fail", reason=f"{act.reason}; there is no way to take it back")

    async def _planned(self, looked: Done) -> bool:
        """Written down what it will do, in the last moment in which it can still be stopped."""
        act = self._act
        planned = _with(act, plan=dict(looked.after), before=dict(looked.before))

        def write(conn: Connection) -> Act | None:
            if not acts.is_owned(conn, act.id, self._hands.owner):
                return None
            saved = acts.save(conn, planned, None)
            if saved is not None:
                acts.lease(conn, act.id, self._hands.owner, self._hands.now() + claiming.LEASE_S)
            return saved

        saved = await self._hands.write(write)
        if saved is None:
            log.warning("somebody else has judged this act", act=act.id)
            return False
        self._act = saved
        return True

    async def _took_effect(self, text: str, before: Any, after: Any) -> None:
        now_s = self._hands.now()
        await self._settle(
            "succeed",
            reason=text,
            text=text,
            before=dict(before) or self._act.before,
            after=dict(after),
            took_effect=True,
            can_retry=True,
            done_s=now_s,
            verify_by_s=now_s + self._verify_within_s,
        )

    async def _intent(self, of: Act | None = None) -> Intent:
        act, desk = of or self._act, self._hands.desk
        now_s = self._hands.now()
        service = act.labels.get(desk.service_label, "")
        may_lower = await self._hands.read(lambda conn: claiming.may_lower(conn, service))
        known = await self._hands.read(lambda conn: acts.listed(conn, remedy=act.remedy, limit=1000))
        earlier = [
            (one.done_s, Done(one.text, one.before, one.after))
            for one in sorted(known, key=lambda one: one.done_s or 0.0)
            if one.target == act.target and one.took_effect and one.done_s is not None and one.id != act.id
        ]
        return Intent(
            id=act.id,
            remedy=act.remedy,
            target=act.target,
            labels=act.labels,
            value=self._value(act),
            now_s=now_s,
            may_lower=may_lower,
            earlier=tuple(earlier),
            plan=act.plan or {},
        )

    def _value(self, act: Act) -> float | None:
        """The metric's newest where it is watched; an alert tells only what it was when it last changed."""
        load = self._hands.loads.of_alert(act.labels) if self._hands.loads is not None else None
        is_fresh = load is not None and load.at_s > self._hands.now() - _FRESH_S
        return load.value if load is not None and is_fresh else act.value

    def _then(self, text: str) -> str:
        return f"{self._act.text}; {text}" if self._act.text else text

    @property
    def _verify_within_s(self) -> float:
        return self._rule.verify_within_s if self._rule is not None else _VERIFY_WITHIN_S

    async def _pause(self) -> str:
        """The kill switch. Where it can't be read, nothing goes on."""
        try:
            paused = await self._hands.read(switch.paused)
        except SQLAlchemyError as error:
            return f"nobody can say whether automation is paused: {type(error).__name__}"
        return "" if paused is None else str(paused)

    async def _settle(self, verb: Verb, **fields: Any) -> None:
        act, hands = self._act, self._hands

        def write(conn: Connection) -> Act | None:
            if not acts.is_owned(conn, act.id, hands.owner):
                return None
            return settle(conn, act, verb, hands.now(), **fields)

        if await self._written(write) is None:
            log.warning("somebody else has judged this act", act=act.id, came_of_it=verb)

    async def _written(self, write: Callable[[Connection], Act | None]) -> Act | None:
        """However long the database is away; who ends meanwhile leaves it to whoever comes next."""
        while True:
            try:
                return await self._hands.write(write)
            except SQLAlchemyError as error:
                log.warning("the database can't be used now", act=self._act.id, error=type(error).__name__)
            await self._hands.sleep(_AWAY_S)


async def _drive(
    hands: Hands, rule: RemedyRule, begin: _Begin, may_go_on: Callable[[], Awaitable[str]]
) -> Outcome | None:
    async def make(call: Call) -> Reply:
        return await hands.maker.make(rule.name, rule.kind, rule.settings, call)

    def began() -> Conversation | None:
        return begin(remedy_of(rule, hands.kinds), Context(reveal))

    return await drive(began, make, may_go_on, f"the {rule.kind} remedy")


async def _unhindered() -> str:
    """For what only reads."""
    return ""


def _undoing(intent: Intent, done: Done) -> _Begin:
    return lambda remedy, context: remedy.undo(intent, done, context)


def _with(act: Act, **fields: Any) -> Act:
    return msgspec.structs.replace(act, **fields)


def _said(outcome: Outcome | None) -> str:
    if outcome is None:
        return "there is nothing to do"
    return outcome.text if isinstance(outcome, Done) else outcome.reason
