"""One integration's deliveries: what to send now, at which pace, what to do where it fails. Its own task: a slow one
delays no other.

Several groups at once, one message of each; what order they have is the outbox's. A lease says which desk sends a
line; it is renewed while the conversation lasts. Where a crash or a lost reply leaves in doubt whether a message
arrived, it is sent again, with the same id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from alerting.alert import Notification
from alerting.delivery import backoff
from alerting.delivery.breaker import Breaker
from alerting.delivery.limits import TokenBucket
from alerting.notifiers.base import Call, Context, Handle, Notifier
from pipeline.desk import outbox, settling
from pipeline.desk.conversation import Aside, Failed, Sent, converse
from pipeline.desk.counts import Counts
from pipeline.desk.database import passes
from pipeline.desk.health import Health
from pipeline.desk.outbox import Delivery
from pipeline.desk.revival import revive
from schemas.calls import Reply
from schemas.desk import Desk, Integration

log = structlog.get_logger(__name__)
T = TypeVar("T")
Settle = Callable[[Connection], object]

AT_ONCE_MAX = 8  # conversations of one integration
LEASE_S = 60.0
POLL_S = 1.0  # for lines that another desk put there; our own rounds wake us
# So long a receiver is given to come back before its fallback is told, and people that it fails.
PATIENCE_S = 120.0
SAY_AGAIN_S = 60.0  # the alert about ourselves
RESOLVED_FOR_S = 900.0  # that long an integration that forgets is told of an end; Prometheus' resolvedRetention
TRIAL_S = 900.0  # where nothing got through for long: how often a dead letter is tried, to learn whether it works
DATABASE_AWAY_S = 2.0


class Sender(Protocol):
    """See `senders.Senders`."""

    async def make(self, integration: Integration, call: Call) -> Reply: ...


class Transaction(Protocol):
    """`Database.read` or `Database.write`, away from the event loop."""

    async def __call__(self, do: Callable[[Connection], T]) -> T: ...


@dataclass(frozen=True)
class Shell:
    """What all lanes share. owner: who holds our leases. now: Unix seconds. sleep: in seconds of `now`."""

    desk: Desk
    owner: str
    sender: Sender
    context: Callable[[Integration, float], Context]
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    read: Transaction
    write: Transaction
    aside: Aside
    counts: Counts


@dataclass(frozen=True)
class _Result:
    """What came of a message: what is to be written, and whether people are to be told that the integration fails."""

    settle: Settle
    is_failing: bool = False


class Lane:
    """Made by the courier. `run` until it is stopped; `step`, for tests, once."""

    def __init__(self, shell: Shell, integration: Integration, notifier: Notifier) -> None:
        self._shell, self._integration, self._notifier = shell, integration, notifier
        self._fallback = _fallback(shell.desk, integration)
        self._pacing = asyncio.Lock()
        self._bucket = TokenBucket.of(notifier.pace, shell.now())
        most = integration.messages_per_minute
        self._allowance = TokenBucket.of((most, 60.0), shell.now()) if most is not None else None
        self._health = Health(Breaker())
        self._said_s: float | None = None  # the alert about ourselves, when last; None: it isn't said
        self._repeat_s = self._trial_s = shell.now()
        self._is_proven = False  # something got through since the start
        self._told_groups: set[str] = set()  # since repeats were read
        self._groups: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._repeating: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._is_stopping = False
        shell.counts.start(integration.name)

    @property
    def name(self) -> str:
        return self._integration.name

    @property
    def health(self) -> Health:
        return self._health

    def wake(self) -> None:
        """Something may be due. To be called in the loop's own thread."""
        self._wake.set()

    def stop(self) -> None:
        """Starts nothing more. As `wake`."""
        self._is_stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until it is stopped and nothing is under way. Cancelled, it leaves its lines to whoever has them next."""
        renewing = asyncio.create_task(self._renew())
        try:
            while not self._is_stopping:
                self._wake.clear()
                try:
                    wait_s = await self._round()
                except SQLAlchemyError as error:
                    self._database_away(error)
                    wait_s = DATABASE_AWAY_S
                await self._woken(wait_s)
            await asyncio.gather(*self._tasks())
        finally:
            for task in (renewing, *self._tasks()):
                task.cancel()

    async def step(self) -> None:
        """All that is due now, to its end."""
        await self._round()
        while tasks := self._tasks():
            await asyncio.gather(*tasks)
            await self._round()

    async def _round(self) -> float:
        """Starts what is due; returns for how long there is nothing to do unless somebody wakes us."""
        now_s = self._shell.now()
        wait_s = await self._claim(now_s)
        every_s = self._notifier.resend_every_s
        if every_s is not None and self._repeating is None and now_s >= self._repeat_s + every_s:
            self._repeat_s = now_s
            self._repeating = asyncio.create_task(self._repeat(now_s))
        if self._said_s is not None and now_s >= self._said_s + SAY_AGAIN_S:
            await self._say_again(now_s)
        if now_s >= self._trial_s + TRIAL_S:
            self._trial_s = now_s
            if not self._is_proven or self._health.failing_since_s is not None:
                await self._written(partial(revive, integration=self.name, now_s=now_s, is_trial=True))
        return wait_s

    async def _claim(self, now_s: float) -> float:
        free = AT_ONCE_MAX - len(self._under_way)
        if free <= 0:
            return POLL_S  # the end of each of them wakes us
        due_s = await self._shell.read(lambda conn: outbox.due_s(conn, self.name))
        if due_s is None or due_s > now_s:
            return POLL_S if due_s is None else min(POLL_S, due_s - now_s)
        free = self._allowed(free, now_s)
        if free == 0:  # what waits may meanwhile be replaced by a later state
            return min(POLL_S, self._allowance.wait_s(now_s) if self._allowance else POLL_S)
        owner = self._shell.owner
        for delivery in await self._shell.write(
            lambda conn: outbox.claim(conn, self.name, owner, now_s, LEASE_S, free)
        ):
            if delivery.id not in self._under_way:  # ours already, where a lease ran out while we stood still
                if self._allowance is not None:
                    self._allowance = self._allowance.take(now_s) or self._allowance
                self._under_way[delivery.id] = asyncio.create_task(self._deliver(delivery))
        return POLL_S

    def _allowed(self, most: int, now_s: float) -> int:
        """How many messages may start now, by the receiver's own limit."""
        left, count = self._allowance, 0
        if left is None:
            return most
        while count < most and (left := left.take(now_s)) is not None:
            count += 1
        return count

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            async with self._lock(delivery.notification.group.id):
                result = await self._outcome(delivery)
                await self._settled(result.settle)
                if result.is_failing:
                    await self._say()
        finally:
            self._under_way.pop(delivery.id, None)
            self._wake.set()

    async def _settled(self, settle: Settle) -> None:
        """Waits for a database that is away. What can't be written is left to its lease: trying again wouldn't help."""
        while True:
            try:
                await self._shell.write(settle)
            except SQLAlchemyError as error:
                if not passes(error):
                    log.exception("what came of a message can't be written", integration=self.name)
                    return
                self._database_away(error)
                await self._shell.sleep(DATABASE_AWAY_S)
            else:
                return

    async def _outcome(self, delivery: Delivery) -> _Result:
        """What came of it, as what is to be written."""
        note = settling.without_itself(delivery.notification, self.name)
        if not note.alerts:
            if note is not delivery.notification:
                return self._given_up(delivery, "not sent through what it is about")
            return _Result(partial(outbox.skipped, id=delivery.id, reason=outbox.NO_ENDS, now_s=self._shell.now()))
        now_s = self._shell.now()
        if self._health.wait_s(now_s) > 0.0:
            return self._not_sent(delivery, self._health.waiting(now_s), now_s)  # not logged: nothing was tried
        outcome = await self._converse(note, delivery.handle, now_s)
        now_s = self._shell.now()
        if isinstance(outcome, Failed):
            log.warning("not sent", integration=self.name, message=note.id, reason=outcome.reason)
            return self._not_sent(delivery, outcome, now_s)
        self._told_groups.add(note.group.id)
        return _Result(
            partial(settling.told, delivery=delivery, fallback=self._fallback, handle=outcome.handle, now_s=now_s)
        )

    def _not_sent(self, delivery: Delivery, failed: Failed, now_s: float) -> _Result:
        if failed.is_final or now_s >= delivery.deadline_s:
            log.error("given up", integration=self.name, message=delivery.notification.id, reason=failed.reason)
            return self._given_up(delivery, failed.reason, is_failing=True)
        asked_s = max(failed.after_s or 0.0, self._health.wait_s(now_s))
        due_s = backoff.due_s(now_s, delivery.attempts, f"{delivery.id}", asked_s)
        since_s = self._health.failing_since_s
        is_long = since_s is not None and now_s >= min(since_s, delivery.created_s) + PATIENCE_S

        def settle(conn: Connection) -> None:
            settling.postponed(conn, delivery, due_s, failed.reason, now_s)
            if is_long:
                settling.handed_on(conn, delivery, self._fallback, failed.reason, now_s)

        return _Result(settle, is_failing=is_long)

    def _given_up(self, delivery: Delivery, reason: str, *, is_failing: bool = False) -> _Result:
        settle = partial(
            settling.given_up, delivery=delivery, fallback=self._fallback, reason=reason, now_s=self._shell.now()
        )
        return _Result(settle, is_failing)

    async def _converse(self, note: Notification, handle: Handle, now_s: float) -> Sent | Failed:
        """Told apart: what failed, which is remembered here, and what came of this message, which isn't."""
        self._health = self._health.calling(now_s)
        outcome = await converse(
            self._notifier,
            note,
            handle,
            self._shell.context(self._integration, now_s),
            make=lambda call: self._shell.sender.make(self._integration, call),
            pace=self._pace,
            aside=self._shell.aside,
        )
        ended_s = self._shell.now()
        self._shell.counts.count(self.name, outcome, ended_s - now_s)
        was_failing_since_s = self._health.failing_since_s
        self._health = self._health.after(outcome, ended_s)
        if isinstance(outcome, Sent):
            if was_failing_since_s is not None:
                await self._works(was_failing_since_s, ended_s)
            elif not self._is_proven:  # what failed before the start
                await self._written(partial(revive, integration=self.name, now_s=ended_s))
            self._is_proven = True
        return outcome

    async def _pace(self) -> None:
        async with self._pacing:
            while (taken := self._bucket.take(self._shell.now())) is None:
                await self._shell.sleep(max(self._bucket.wait_s(self._shell.now()), 0.001))
            self._bucket = taken

    async def _repeat(self, now_s: float) -> None:
        """For an integration that forgets. What fails here is told again with the next round."""
        try:
            self._told_groups.clear()
            for_s = getattr(self._notifier, "resend_resolved_for_s", RESOLVED_FOR_S)
            for one in await self._shell.read(lambda conn: settling.repeats(conn, self.name, now_s, for_s)):
                group = one.notification.group.id
                async with self._lock(group):
                    started_s = self._shell.now()
                    if group in self._told_groups or self._health.wait_s(started_s) > 0.0 or self._is_stopping:
                        continue
                    outcome = await self._converse(one.notification, one.handle, started_s)
                if isinstance(outcome, Failed):
                    log.warning("not told again", integration=self.name, group=group, reason=outcome.reason)
        except SQLAlchemyError as error:
            self._database_away(error)
        finally:
            self._repeating = None
            self._wake.set()

    async def _say(self) -> None:
        """The alert about ourselves, at most once a minute. Never in one transaction with what came of a message: where
        it can't be written, only it is missing, until the next minute.
        """
        now_s, since_s = self._shell.now(), self._health.failing_since_s
        if since_s is None or (self._said_s is not None and now_s < self._said_s + SAY_AGAIN_S):
            return
        self._said_s = now_s
        what = (self._integration, self._health.why, since_s, self._shell.desk, now_s)
        await self._written(lambda conn: settling.failing(conn, *what))

    async def _say_again(self, now_s: float) -> None:
        since_s = self._health.failing_since_s
        sent_s = await self._shell.read(lambda conn: settling.newest_sent_s(conn, self.name))
        if since_s is None or (sent_s is not None and sent_s > since_s):  # another desk gets through
            await self._works(now_s if since_s is None else since_s, now_s)
            self._health = Health(Breaker())
        else:
            await self._say()

    async def _works(self, since_s: float, now_s: float) -> None:
        log.info("works again", integration=self.name, failed_for_s=round(now_s - since_s))
        await self._written(partial(settling.hurried, integration=self.name, now_s=now_s))
        if now_s >= since_s + PATIENCE_S:
            await self._written(partial(revive, integration=self.name, now_s=now_s))
        if self._said_s is not None:
            what = (self._integration, since_s, self._shell.desk, now_s)
            if await self._written(lambda conn: settling.works(conn, *what)):
                self._said_s = None  # else the alert ends by itself, not being said again
        self._wake.set()

    async def _renew(self) -> None:
        while True:
            await self._shell.sleep(LEASE_S / 3)
            if self._under_way:
                await self._written(partial(self._hold, list(self._under_way), self._shell.now() + LEASE_S))

    def _hold(self, ids: list[int], until_s: float, conn: Connection) -> None:
        outbox.renew(conn, ids, self._shell.owner, until_s)

    async def _written(self, settle: Settle) -> bool:
        """Whether it is; the database may be away."""
        try:
            await self._shell.write(settle)
        except SQLAlchemyError as error:
            self._database_away(error)
            return False
        return True

    def _database_away(self, error: SQLAlchemyError) -> None:
        log.warning("the database can't be used now", integration=self.name, error=type(error).__name__)

    async def _woken(self, wait_s: float) -> None:
        woken = asyncio.ensure_future(self._wake.wait())
        slept = asyncio.ensure_future(self._shell.sleep(max(wait_s, 0.0)))
        try:
            await asyncio.wait((woken, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            slept.cancel()

    def _lock(self, group: str) -> asyncio.Lock:
        return self._groups.setdefault(group, asyncio.Lock())

    def _tasks(self) -> list[asyncio.Task[None]]:
        repeating = [] if self._repeating is None else [self._repeating]
        return [*self._under_way.values(), *repeating]


def _fallback(desk: Desk, integration: Integration) -> Sequence[Integration]:
    receiver = desk.receivers.get(integration.receiver)
    found = desk.receivers.get(receiver.fallback) if receiver is not None and receiver.fallback else None
    return () if found is None else found.integrations
