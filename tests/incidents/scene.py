"""A desk with incidents on a database of its own: alerts come, time passes, people act."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from incidents.model import Entry, Incident, Part
from pipeline.desk import duties, intake
from pipeline.desk.database import Database
from pipeline.desk.incidents import people, store
from schemas.alert import AlertEvent
from schemas.desk import Desk
from schemas.matchers import Matchers
from schemas.response import Response
from schemas.response.incidents import IncidentPlan, IncidentRule
from tests.desk.scene import START_S, desk, event

__all__ = ["START_S", "Scene", "desk_with", "event", "rule"]


def rule(name: str = "shop", matchers: str | Sequence[str] = (), **fields: Any) -> IncidentRule:
    return IncidentRule(name, Matchers.parse(matchers), **fields)


def desk_with(*rules: IncidentRule, dependencies: Any = (), plan: dict[str, Any] | None = None, **fields: Any) -> Desk:
    response = Response(incidents=IncidentPlan(rules, **(plan or {})))
    made = desk(wait_s=0.0, interval_s=1.0, group_by=None, **fields)
    return replace(made, dependencies=tuple(dependencies), response=response)


class Scene:
    """Use as a context."""

    def __init__(self, db: Database, of: Desk) -> None:
        self.db, self.desk, self.now_s = db, of, START_S

    @classmethod
    def on_file(cls, folder: Path, of: Desk) -> "Scene":
        return cls(Database.open(f"sqlite:///{folder / 'desk.db'}"), of)

    def take(self, *events: AlertEvent) -> None:
        self.db.write(lambda conn: intake.take(conn, events, {}, self.desk, self.now_s))

    def wait(self, seconds: float = 1.0) -> None:
        self.now_s += seconds
        duties.step(self.db, self.desk, self.now_s)

    def do(self, act: str, number: int, by: str = "ann", **fields: Any) -> Incident:
        """number: 0 where there is none yet."""
        called = getattr(people, act)
        which = {"number": number} if number else {}
        done: Incident = self.db.write(lambda conn: called(conn, self.desk, by=by, now_s=self.now_s, **which, **fields))
        return done

    @property
    def incidents(self) -> list[Incident]:
        return self.db.read(store.listed)[::-1]

    @property
    def only(self) -> Incident:
        (one,) = self.incidents
        return one

    @property
    def state(self) -> str:
        """Of the only one."""
        return self.only.state

    def parts(self, number: int = 1, *, with_left: bool = False) -> list[Part]:
        return self.db.read(lambda conn: store.parts(conn, number, with_left=with_left))

    def entries(self, number: int = 1) -> list[Entry]:
        return self.db.read(lambda conn: store.entries(conn, number))

    def told(self, number: int = 1) -> list[str]:
        return [f"{entry.what}: {entry.text}" for entry in self.entries(number)]
