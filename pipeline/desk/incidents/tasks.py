"""Tasks in the database: items of checklists, updates that are due, actions of reviews."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from incidents.tasks import Kind, Task
from pipeline.desk import tables

_t = tables.tasks.c
_encode = msgspec.json.Encoder().encode
_task = msgspec.json.Decoder(Task)


def add(conn: Connection, drafts: Sequence[Task]) -> list[Task]:
    """Under ids of their own; those of the drafts are not looked at."""
    made = []
    for draft in drafts:
        key = conn.execute(insert(tables.tasks).values(_row(draft))).inserted_primary_key
        if key is None:
            raise RuntimeError("the database gave the task no number")
        made.append(msgspec.structs.replace(draft, id=key[0]))
        save(conn, made[-1])
    return made


def save(conn: Connection, task: Task) -> None:
    conn.execute(update(tables.tasks).where(_t.id == task.id).values(_row(task)))


def get(conn: Connection, id: int) -> Task | None:
    body = conn.execute(select(_t.body).where(_t.id == id)).scalar()
    return None if body is None else _task.decode(body)


def listed(conn: Connection, number: int, *, kind: Kind | None = None) -> list[Task]:
    """Of an incident, in the order in which they were made."""
    asked = select(_t.body).where(_t.incident == number).order_by(_t.id)
    if kind is not None:
        asked = asked.where(_t.kind == kind)
    return [_task.decode(body) for body in conn.execute(asked).scalars()]


def _row(task: Task) -> dict[str, Any]:
    return {
        "incident": task.incident,
        "kind": task.kind,
        "owner": task.owner,
        "due_s": task.due_s,
        "done_s": task.done_s,
        "body": _encode(task),
    }
