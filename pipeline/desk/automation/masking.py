"""A remedy that helps again and again hides a fault: then somebody gets the task to find it."""

from typing import Any

import msgspec
from sqlalchemy import insert

from incidents.remedies.model import Act
from pipeline.desk import tables
from pipeline.desk.automation import acts
from pipeline.desk.incidents.scene import Scene
from schemas.duration import format_duration
from schemas.response.automation import RemedyRule


def look(scene: Scene, act: Act, rule: RemedyRule | None) -> None:
    """After an act that helped: a task, once in the time that `masking` looks at."""
    if rule is None:
        return
    since_s = scene.now_s - rule.masking.window_s
    helped = [
        one
        for one in acts.listed(scene.conn, remedy=act.remedy, state="verified", limit=1000)
        if one.target == act.target and (one.ended_s or 0.0) > since_s
    ]
    if len(helped) <= rule.masking.count or any(one.is_masking for one in helped):
        return
    within = format_duration(rule.masking.window_s)
    text = f"automation is masking a fault: {act.name} has helped {len(helped)} times within {within}; find the cause"
    marked = msgspec.structs.replace(act, is_masking=True)
    acts.save(scene.conn, marked, None)
    body: dict[str, Any] = {"title": text, "by": "automation", "made_s": scene.now_s}
    scene.conn.execute(
        insert(tables.tasks).values(
            incident=scene.incident.number,
            kind="action",
            owner="",
            due_s=scene.now_s + 7 * 86_400.0,
            done_s=None,
            body=msgspec.json.encode(body),
        )
    )
    scene.write("task", text, by="automation")
