"""One incident while it is looked at: what is known, and what is to be changed and written down at the end."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from incidents.model import Incident, Line, Part
from pipeline.desk.incidents import store
from schemas.desk import Desk


@dataclass
class Scene:
    """An attendant reads `incident` and `parts` (those that didn't leave), and calls `change` and `write`.

    Other rows (tasks, acts, pages, messages in the outbox) it writes itself, through `conn`: one transaction.
    """

    conn: Connection
    desk: Desk
    now_s: float
    incident: Incident
    parts: list[Part]
    lines: list[Line] = field(default_factory=list)
    is_changed: bool = False

    def write(self, what: str, text: str, **fields: Any) -> None:
        """A line of the timeline; fields as in `Line`."""
        self.lines.append(Line(what=what, text=text, **fields))

    def change(self, **fields: Any) -> None:
        """Fields of the incident from now on; attendants after this one see them."""
        changed = msgspec.structs.replace(self.incident, **fields)
        self.is_changed |= changed != self.incident
        self.incident = changed

    @property
    def firing(self) -> list[Part]:
        return [part for part in self.parts if part.is_firing]

    def save(self) -> None:
        if self.is_changed:
            self.incident = store.save(self.conn, self.incident, self.lines, self.now_s)
        else:
            store.append(self.conn, self.incident.number, self.lines, self.now_s)
        self.lines, self.is_changed = [], False


def scene_of(conn: Connection, desk: Desk, number: int, now_s: float) -> Scene:
    """Raises LookupError."""
    incident = store.get(conn, number)
    if incident is None:
        raise LookupError(f"no incident INC-{number}")
    return Scene(conn, desk, now_s, incident, store.parts(conn, number))
