"""Says where an alert was told that somebody is on it: an incident is acknowledged there, a thread gets a line.

Beside the outbox, as nothing hangs on it: tried a few times, and the log of decisions says how that ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
import structlog
from sqlalchemy import Connection, and_, select

from alerting.alert import Decision, Group
from alerting.delivery import backoff
from alerting.notifiers import KINDS
from alerting.notifiers.base import Context, Conversation, Handle, Notifier
from pipeline.desk import acks, groups, log, tables
from pipeline.desk.acks import Ack
from pipeline.desk.contexts import contexts
from pipeline.desk.conversation import Failed, Sent, hold
from pipeline.desk.database import Database
from pipeline.desk.lane import Sender
from pipeline.desk.threads import Pool
from schemas.desk import Desk, Integration

logger = structlog.get_logger(__name__)
TRIES = 3
WAIT_MAX_S = 30.0  # between two of them, whatever the service asks for
_o, _h = tables.outbox.c, tables.handles.c


@dataclass(frozen=True)
class Place:
    """An integration that was to be told of a group with the alert. is_told: it has arrived there.

    others: firing alerts of the group that it was told of and that nobody has acknowledged.
    """

    group: Group
    integration: str
    handle: Handle
    is_told: bool
    others: int


class Taken:
    """now: Unix seconds. sleep: in seconds of `now`."""

    def __init__(
        self,
        db: Database,
        desk: Desk,
        sender: Sender,
        now: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        context: Callable[[Integration, float], Context] | None = None,
        kinds: Mapping[str, type[Notifier]] = KINDS,
    ) -> None:
        self._db, self._sender, self._now, self._sleep = db, sender, now, sleep
        self._context = context or contexts(desk)
        self._aside = Pool("taken", 2)
        self._notifiers = {
            one.name: (one, kinds[one.kind](one.settings))
            for receiver in desk.receivers.values()
            for one in receiver.integrations
        }

    async def tell(self, ack: Ack) -> None:
        """Everybody who was told of the alert. Never fails: what goes wrong is in the log."""
        try:
            found = await self._aside(lambda: self._db.read(lambda conn: places(conn, ack, self._now())))
            decisions = await asyncio.gather(*(self._tell(place, ack) for place in found))
            said = [decision for decision in decisions if decision is not None]
            await self._aside(lambda: self._db.write(lambda conn: log.add(conn, said)))
        except Exception:
            logger.exception("an acknowledgement wasn't passed on", alert=ack.episode)

    async def _tell(self, place: Place, ack: Ack) -> Decision | None:
        """None: there is nothing that this kind could say."""
        if place.integration not in self._notifiers:
            return None
        integration, notifier = self._notifiers[place.integration]
        line = partial(_line, place, ack, self._now)
        begin = partial(notifier.acknowledge, place.group, ack.by, ack.comment, place.handle)
        if begin(self._context(integration, self._now())) is None:
            return None
        if not place.is_told:
            return line("skipped", "wasn't told of the acknowledgement: the alert itself hasn't arrived there")
        if place.others and notifier.keeps_incident:
            return line("skipped", f"keeps its incident open: {place.others} more of the group are not acknowledged")
        outcome = await self._tried(integration, begin, f"{place.group.id} {place.integration}")
        if isinstance(outcome, Failed):
            logger.warning("not acknowledged there", integration=integration.name, reason=outcome.reason)
            return line("failed", f"wasn't told of the acknowledgement: {outcome.reason}")
        return line("sent", f"was told that it is acknowledged by {ack.by}")

    async def _tried(
        self, integration: Integration, begin: Callable[[Context], Conversation | None], spread: str
    ) -> Sent | Failed:
        for number in range(1, TRIES + 1):
            outcome = await hold(
                partial(_begun, begin, self._context(integration, self._now())),
                f"the {integration.kind} notifier",
                make=partial(self._sender.make, integration),
                pace=_at_once,
                aside=self._aside,
            )
            if isinstance(outcome, Sent) or outcome.is_final or number == TRIES:
                break
            now_s = self._now()
            due_s = backoff.due_s(now_s, number, spread, outcome.after_s or 0.0)
            await self._sleep(min(due_s - now_s, WAIT_MAX_S))
        return outcome


def places(conn: Connection, ack: Ack, now_s: float) -> list[Place]:
    """Fallbacks too, where one stood in."""
    acknowledged = acks.acknowledged(conn, now_s)
    found = []
    for group, member in groups.memberships(conn, ack.fingerprint):
        if member.episode != ack.episode or member.told_status != "firing":
            continue
        others = sum(
            one.told_status == "firing" and alert.is_firing and alert.episode not in acknowledged
            for one, alert in groups.members_of(conn, [group.id])[group.id]
        )
        here = and_(_o.group_id == group.id, _o.life_s == group.first_seen_s)
        told = set(conn.execute(select(_o.integration).where(here, _o.status == "sent")).scalars())
        names = conn.execute(select(_o.integration).where(here).distinct().order_by(_o.integration)).scalars().all()
        found += [Place(group, name, _handle(conn, group, name), name in told, others) for name in names]
    return found


def _handle(conn: Connection, group: Group, integration: str) -> Handle:
    mine = and_(_h.group_id == group.id, _h.integration == integration, _h.life_s == group.first_seen_s)
    body = conn.execute(select(_h.body).where(mine)).scalar()
    return {} if body is None else msgspec.json.decode(body, type=Handle)


def _line(place: Place, ack: Ack, now: Callable[[], float], what: str, text: str) -> Decision:
    return Decision(
        at_s=now(),
        what=what,
        text=f"{place.integration} {text}",
        episode=ack.episode,
        fingerprint=ack.fingerprint,
        group=place.group.id,
        receiver=place.group.receiver,
        integration=place.integration,
    )


def _begun(begin: Callable[[Context], Conversation | None], context: Context) -> Conversation:
    conversation = begin(context)
    return {} if conversation is None else (yield from conversation)


async def _at_once() -> None:
    """People acknowledge at no pace that a service would mind."""
