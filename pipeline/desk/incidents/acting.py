"""An act on an incident that is being looked at: its state, its timeline, and the acknowledgements of its alerts."""

from incidents import lifecycle
from incidents.lifecycle import Act
from incidents.model import Part
from incidents.opening import state_line
from pipeline.desk import acks
from pipeline.desk.incidents.scene import Scene


def act(scene: Scene, what: Act, text: str, *, by: str = "tidegauge", source: str = "desk", comment: str = "") -> None:
    """text: for the timeline. Raises `lifecycle.Refused`; nothing is changed then."""
    was = scene.incident
    now = lifecycle.after(was, what, scene.now_s, by)
    scene.change(**{name: getattr(now, name) for name in now.__struct_fields__})
    said = f"{text}: {comment}" if comment else text
    scene.lines.append(state_line(what, was, now, said, by, source))
    if what == "acknowledge":
        acknowledge_parts(scene, scene.firing, comment)
    elif was.acknowledged_s is not None and now.acknowledged_s is None:
        for part in scene.parts:
            acks.withdraw(scene.conn, "acknowledged", part.episode, by, scene.now_s)


def acknowledge_parts(scene: Scene, parts: list[Part], comment: str = "", until_s: float | None = None) -> None:
    """Whoever is on the incident is on its alerts."""
    text = f"{scene.incident.id}: {comment}" if comment else scene.incident.id
    for part in parts:
        acks.acknowledge(scene.conn, part.episode, scene.incident.acknowledged_by, text, until_s, scene.now_s)
