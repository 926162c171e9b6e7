"""Escalation of an incident: who is told next, and by which messages."""

from pipeline.desk.incidents.scene import Scene


def attend(scene: Scene) -> float | None:
    """Nothing to do."""
    return None
