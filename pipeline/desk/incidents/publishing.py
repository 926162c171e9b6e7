"""Puts every entry of every timeline on the incidents topic: at least once, each incident's in their order.

What is not on it yet stands in the database (`timeline.published`), so Kafka may be away for as long as it likes, and a
desk without one works. One desk at a time publishes, by a lease in the database.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from incidents.cdevents import event_of, kind_of
from incidents.model import Entry, Incident
from pipeline.desk import tables
from pipeline.desk.bulk import upsert
from pipeline.desk.database import Database
from pipeline.desk.http_client import NoReply
from pipeline.desk.incidents import store
from pipeline.desk.threads import Pool
from schemas.calls import KafkaCall, Reply
from schemas.incident import encode_incident, incident_headers

log = structlog.get_logger(__name__)

ENTRIES_MAX = 200  # between two looks at the database
LEASE_S = 60.0
LOOK_EVERY_S = 1.0
AGAIN_AFTER_S = 10.0
_COMPLAIN_EVERY_S = 300.0
_LEASE = "incidents.publisher"  # in the table `state`: who publishes, until when
_STORED = 200


class Sender(Protocol):
    async def send(self, call: KafkaCall) -> Reply:
        """200 where it is stored, another where it never will be. Raises NoReply."""


class Publisher:
    """`run` until cancelled. now: Unix seconds. outcomes: `sent`, `refused` (never will be), `failed` (tries)."""

    def __init__(
        self,
        db: Database,
        sender: Sender,
        topic: str,
        source: str,
        now: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._db, self._sender, self._topic, self._source, self._now = db, sender, topic, source, now
        self._sleep = sleep
        self._owner = uuid.uuid4().hex
        self._aside = Pool("incidents", 1)
        self._complain_s = 0.0
        self.outcomes: Counter[str] = Counter({"sent": 0, "refused": 0, "failed": 0})

    async def run(self) -> None:
        while True:
            try:
                is_more = await self.step()
            except NoReply as error:
                self._complain(str(error))
                await self._sleep(AGAIN_AFTER_S)
            except SQLAlchemyError as error:
                log.warning("the database failed: trying again", error=" ".join(str(error).split())[:300])
                await self._sleep(AGAIN_AFTER_S)
            except Exception:
                log.exception("incidents can't be published: trying again")
                await self._sleep(AGAIN_AFTER_S)
            else:
                if not is_more:
                    await self._sleep(LOOK_EVERY_S)

    async def step(self) -> bool:
        """Publishes what waits. Returns whether there may be more. Raises NoReply where Kafka doesn't take it now."""
        waiting = await self._aside(lambda: self._db.read(lambda conn: store.unpublished(conn, ENTRIES_MAX)))
        if not waiting or not await self._aside(lambda: self._db.write(self._take_lease)):
            return False
        waiting = await self._aside(lambda: self._db.read(lambda conn: store.unpublished(conn, ENTRIES_MAX)))
        done: list[Entry] = []
        try:
            for incident, entry in waiting:
                await self._publish(incident, entry)
                done.append(entry)
        finally:
            if done:
                await self._aside(lambda: self._db.write(lambda conn: store.published(conn, done)))
        return len(waiting) == ENTRIES_MAX

    async def _publish(self, incident: Incident, entry: Entry) -> None:
        event = event_of(incident, entry)
        headers = incident_headers(event, self._source, kind_of(incident, entry))
        try:
            reply = await self._sender.send(
                KafkaCall(self._topic, incident.id.encode(), encode_incident(event), headers)
            )
        except NoReply:
            self.outcomes["failed"] += 1
            raise
        if reply.status == _STORED:
            self.outcomes["sent"] += 1
            return
        self.outcomes["refused"] += 1
        log.error(
            "Kafka will never take an entry of a timeline: it is left out of the topic",
            incident=incident.id,
            seq=entry.seq,
            topic=self._topic,
            answer=reply.body.decode("utf-8", "replace")[:300],
        )

    def _take_lease(self, conn: Connection) -> bool:
        """Whether it is ours. Its holder has it until it stops asking for it."""
        t, now_s = tables.state.c, self._now()
        held = conn.execute(select(t.value).where(t.key == _LEASE)).scalar()
        owner, _, until = (held or "").partition(" ")
        if owner != self._owner and until and now_s < float(until):
            return False
        upsert(conn, tables.state, [{"key": _LEASE, "value": f"{self._owner} {now_s + LEASE_S}"}])
        return True

    def _complain(self, reason: str) -> None:
        if self._now() >= self._complain_s:
            self._complain_s = self._now() + _COMPLAIN_EVERY_S
            log.warning("incidents wait to be published: trying again", topic=self._topic, reason=reason)
