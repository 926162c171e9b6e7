"""An incident with a policy, on a database, with receivers that are everybody's."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from alerting.alert import Notification
from alerting.notifiers import KINDS
from incidents.model import Incident, Part
from pipeline.desk import intake, outbox
from pipeline.desk.database import Database
from pipeline.desk.incidents import look, paging, store
from pipeline.desk.incidents.scene import Scene
from pipeline.desk.lines import Line
from schemas.desk import Desk, Integration, Receiver
from schemas.response import Response
from schemas.response.escalation import EscalationPlan, Hooks, Policy, Step, Target
from schemas.response.incidents import IncidentPlan
from schemas.response.oncall import OnCallPlan, Person, Team
from tests.desk.scene import START_S, desk, event

__all__ = ["START_S", "Story", "desk_of", "integration"]
T = TypeVar("T")
SETTINGS: dict[str, dict[str, Any]] = {
    "pagerduty": {"routing_key": "k" * 32},
    "opsgenie": {"api_key": "key-of-opsgenie"},
    "slack": {"bot_token": "xoxb-1-good", "channel": "#alerts"},
    "webhook": {"url": "http://hook.example/"},
    "msteamsv2": {"webhook_url": "http://teams.example/"},
    "email": {"to": "ann@example.org", "from": "desk@example.org", "smarthost": "mail.example.org:25"},
}
STEPS = (
    Step(0.0, (Target("person", "ann"),)),
    Step(300.0, (Target("team", "devops"), Target("person", "ann"), Target("receiver", "war-room"))),
    Step(600.0, (Target("person", "chief"),)),
)
POLICY = Policy("devops", STEPS, ack_expires_s=1800.0)
HOOKS = Hooks()


def integration(receiver: str, kind: str, index: int = 0, **settings: Any) -> Integration:
    made = KINDS[kind].Settings.model_validate({**SETTINGS[kind], **settings})
    return Integration(receiver, kind, index, made, True)


def desk_of(
    policy: Policy = POLICY,
    *,
    hooks: Hooks = HOOKS,
    receivers: dict[str, tuple[str, ...]] | None = None,
    settings: dict[str, dict[str, Any]] | None = None,
    **fields: Any,
) -> Desk:
    """ann, bob (of team devops) and chief, each with a receiver of that name, and a war-room; all Opsgenies."""
    kinds = receivers or {}
    made = {
        name: Receiver(
            name,
            tuple(
                integration(name, kind, place, **(settings or {}).get(kind, {}))
                for place, kind in enumerate(kinds.get(name, ("opsgenie",)))
            ),
        )
        for name in ("ann", "bob", "chief", "war-room")
    }
    people = {
        name: Person(name, (name,), handles={"slack": f"U{name.upper()}", "email": f"{name}@example.org"})
        for name in ("ann", "bob", "chief")
    }
    teams = {"devops": Team("devops", ("ann", "bob"), policy="devops"), "db": Team("db", ("bob",))}
    response = Response(
        incidents=IncidentPlan(resolve_after_s=None),
        oncall=OnCallPlan(people, teams),
        escalation=EscalationPlan({policy.name: policy}, hooks=hooks),
    )
    base = desk()
    return replace(base, receivers={**base.receivers, **made}, response=response, **fields)


class Story:
    """One incident. `at` looks at it so many seconds after the start."""

    def __init__(self, db: Database, on: Desk | None = None, **fields: Any) -> None:
        self.db, self.desk = db, on or desk_of()
        draft = Incident(
            number=0,
            title="checkout fails",
            severity=2,
            service="checkout",
            policy="devops",
            opened_s=START_S,
            detected_s=START_S - 60,
            updated_s=START_S,
        )
        draft = msgspec.structs.replace(draft, **fields)
        self.number = db.write(lambda conn: store.create(conn, draft, [], START_S)).number
        self.now_s = START_S

    @property
    def incident(self) -> Incident:
        found = self.db.read(lambda conn: store.get(conn, self.number))
        assert found is not None
        return found

    def at(self, seconds: float) -> None:
        self.now_s = START_S + seconds
        look.step(self.db, self.desk, self.now_s)

    def does(self, what: Callable[..., T], *args: Any, **options: Any) -> T:
        """What a person does now, as `people` has it."""

        def do(conn: Connection) -> T:
            return what(conn, self.desk, self.number, *args, self.now_s, **options)

        return self.db.write(do)

    def changes(self, **fields: Any) -> None:
        def do(conn: Connection) -> None:
            incident = store.get(conn, self.number)
            assert incident is not None
            store.save(conn, msgspec.structs.replace(incident, **fields), [], self.now_s)

        self.db.write(do)

    def escalates(self, target: str, reason: str) -> None:
        def do(conn: Connection) -> None:
            scene = Scene(conn, self.desk, self.now_s, self.incident, store.parts(conn, self.number))
            paging.escalate(scene, target, reason)
            scene.save()

        self.db.write(do)

    def joins(self, service: str) -> None:
        """An alert that fires."""
        fires = event(service, level="critical", service=service)
        self.db.write(lambda conn: intake.take(conn, [fires], {}, self.desk, self.now_s))
        part = Part(
            incident=self.number,
            episode=fires.id,
            fingerprint=fires.fingerprint,
            labels=fires.labels,
            level="critical",
            worst="critical",
            is_firing=True,
            starts_at_s=START_S,
            first_seen_s=START_S,
            joined_s=START_S,
            updated_s=START_S,
        )
        self.db.write(lambda conn: store.put_parts(conn, [part]))

    def lines(self) -> list[Line]:
        """The outbox, oldest first."""
        return self.db.read(lambda conn: outbox.listed(conn, limit=1000))[::-1]

    def due(self) -> list[tuple[str, str, str]]:
        """What waits to be sent: integration, what it says, firing or resolved."""
        waiting = [line for line in self.lines() if line.status == "due"]
        notes = [(line.integration, self.note(line)) for line in waiting]
        return [(name, note.says, note.status) for name, note in notes]

    def note(self, line: Line) -> Notification:
        found = self.db.read(lambda conn: outbox.notification(conn, line.id))
        assert found is not None
        return found

    def sends(self, *names: str) -> list[tuple[str, str, str]]:
        """Everything that is due arrives (to these only, where some are named). Returns what it was."""
        found: list[tuple[str, str, str]] = []
        integrations = [one.name for receiver in self.desk.receivers.values() for one in receiver.integrations]
        for name in names or integrations:
            for delivery in self.claimed(name):
                note = delivery.notification
                found.append((name, note.says, note.status))
                self.db.write(partial(outbox.sent, id=delivery.id, handle={}, now_s=self.now_s))
        return found

    def claimed(self, name: str) -> list[outbox.Delivery]:
        return self.db.write(lambda conn: outbox.claim(conn, name, "me", self.now_s, 60.0, 9))

    def told(self, what: str | None = None) -> list[str]:
        """The timeline's texts."""
        entries = self.db.read(lambda conn: store.entries(conn, self.number))
        return [entry.text for entry in entries if what is None or entry.what == what]
