"""What its alerts do to an incident: they end, come back, get worse."""

from pipeline.desk.incidents.scene import Scene


def attend(scene: Scene) -> float | None:
    """Nothing to do."""
    return None
