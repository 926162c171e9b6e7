"""What automation does about an incident."""

from pipeline.desk.incidents.scene import Scene


def attend(scene: Scene) -> float | None:
    """Nothing to do."""
    return None
