"""A remedy that helps again and again hides a fault: then somebody gets the task to find it."""

import msgspec

from incidents.remedies.model import Act
from incidents.tasks import Task
from pipeline.desk.automation import acts
from pipeline.desk.incidents import tasks
from pipeline.desk.incidents.scene import Scene
from schemas.duration import format_duration
from schemas.response.automation import RemedyRule

_DUE_AFTER_S = 7 * 86_400.0


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
    task = Task(
        incident=scene.incident.number,
        kind="action",
        text=text,
        created_s=scene.now_s,
        due_s=scene.now_s + _DUE_AFTER_S,
    )
    tasks.add(scene.conn, [task])
    scene.write("task", text, by="automation")
