"""Updates to stakeholders, and reminders of tasks that fall due."""

from pipeline.desk.incidents.scene import Scene


def attend(scene: Scene) -> float | None:
    """Nothing to do."""
    return None
