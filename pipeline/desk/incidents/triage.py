"""Severity, roles and suspects of an incident."""

from pipeline.desk.incidents.scene import Scene


def attend(scene: Scene) -> float | None:
    """Nothing to do."""
    return None
