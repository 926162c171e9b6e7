"""Escalation of an incident: who is told next, and by which messages."""

from pipeline.desk.incidents.scene import Scene


def attend(scene: Scene) -> float | None:
    """Nothing to do."""
    return None


def escalate(scene: Scene, target_or_policy: str, reason: str) -> None:
    """Begins a policy, or pages a target (`team:devops`), besides the incident's own policy and though somebody may
    have acknowledged it. reason: what those who are paged are told.
    """
