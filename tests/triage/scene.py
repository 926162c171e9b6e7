"""A desk with people, receivers and a plan of triage; what it tells; and what people do in triage."""

from dataclasses import replace
from typing import Any

from incidents.tasks import Task
from pipeline.desk.incidents import changes, tasks, triaging
from schemas.alert import AlertEvent, rfc3339
from schemas.change import Change
from schemas.desk import Desk, Integration, Receiver
from schemas.response.oncall import OnCallPlan, Person, Team
from schemas.response.triage import DEFAULT_ROLES, Role, TriagePlan
from tests.desk.scene import Nothing, told
from tests.incidents.scene import START_S, Scene, desk_with, event, rule

__all__ = ["START_S", "Triage", "change", "critical", "desk_of", "event", "role", "rule"]


def role(name: str, **fields: Any) -> Role:
    """One of the five, or an own one."""
    known = next((one for one in DEFAULT_ROLES if one.name == name), Role(name))
    return replace(known, **fields)


def desk_of(*roles: Role, dependencies: Any = (), **plan: Any) -> Desk:
    """ann and bob (of team shop), each with a receiver of that name; `status` and `chief` for stakeholders."""
    made = {role.name: role for role in (*DEFAULT_ROLES, *roles)}
    triage = TriagePlan(roles=tuple(made.values()), **plan)
    of = desk_with(rule(level="warning"), plan={"triage": triage, "resolve_after_s": 600.0}, dependencies=dependencies)
    own = {
        name: Receiver(name, (Integration(name, "webhook", 0, Nothing(), True),))
        for name in ("ann", "bob", "status", "chief")
    }
    people = {name: Person(name, (name,)) for name in ("ann", "bob")}
    oncall = OnCallPlan(people, {"shop": Team("shop", ("ann", "bob"))})
    return replace(of, receivers={**of.receivers, **own}, response=replace(of.response, oncall=oncall))


def critical(name: str = "a", service: str = "checkout", **fields: Any) -> AlertEvent:
    return event(name, level="critical", service=service, **fields)


def change(id_: str = "d-1", service: str = "checkout", before_s: float = 240.0, **fields: Any) -> Change:
    return Change(id=id_, service=service, at=rfc3339(START_S - before_s), **fields)


class Triage(Scene):
    """`says` is what people do; `heard` what a receiver was to be told, oldest first."""

    def says(self, act: str, *args: Any, by: str = "ann", number: int = 1, **fields: Any) -> Any:
        called = getattr(triaging, act)
        return self.db.write(lambda conn: called(conn, self.desk, number, *args, by, self.now_s, **fields))

    def changed(self, *found: Change) -> changes.Taken:
        return self.db.write(lambda conn: changes.take(conn, found, {}, self.desk, self.now_s))

    def tasks(self, number: int = 1, **fields: Any) -> list[Task]:
        return self.db.read(lambda conn: tasks.listed(conn, number, **fields))

    def heard(self, receiver: str) -> list[str]:
        notes = sorted(self.db.read(told), key=lambda note: (note.at_s, note.number))
        return [note.alerts[0].alert.annotations["summary"] for note in notes if note.group.receiver == receiver]

    def texts(self, what: str, number: int = 1) -> list[str]:
        return [entry.text for entry in self.entries(number) if entry.what == what]
