"""Messages that were never sent: the one that takes their place says what they would have."""

import pytest
from msgspec.structs import replace

from alerting.alert import Notification, What
from alerting.notifiers.labels import label_sets
from pipeline.desk.payloads import merged
from schemas.levels import LevelName
from tests.notifiers import notes


def note_of(what: What, level: LevelName, previous: LevelName | None = None) -> Notification:
    alert = notes.alert(level=level)
    if what == "resolved":
        alert = replace(alert, status="resolved", ends_at_s=notes.NOW_S)
    return notes.note(notes.told(alert, what, previous))


def shown(note: Notification) -> dict[str, str]:
    """By level: whether that label set fires or has ended."""
    return {
        one.labels["level"]: "fires" if one.ends_at_s is None else "ended" for sets in label_sets(note) for one in sets
    }


KNOWS_INFO: dict[str, tuple[Notification, Notification, dict[str, str], What]] = {
    "raised twice": (
        note_of("raised", "warning", "info"),
        note_of("raised", "critical", "warning"),
        {"critical": "fires", "info": "ended"},
        "raised",
    ),
    "raised, then lowered less": (
        note_of("raised", "critical", "info"),
        note_of("lowered", "warning", "critical"),
        {"warning": "fires", "info": "ended"},
        "raised",
    ),
    "raised and back": (
        note_of("raised", "critical", "info"),
        note_of("lowered", "info", "critical"),
        {"info": "fires"},
        "same",
    ),
    "raised, then nothing new": (
        note_of("raised", "critical", "info"),
        note_of("same", "critical"),
        {"critical": "fires", "info": "ended"},
        "raised",
    ),
    "raised, then its end": (
        note_of("raised", "critical", "info"),
        note_of("resolved", "critical"),
        {"info": "ended"},
        "resolved",
    ),
    "raised, then it left": (
        note_of("raised", "critical", "info"),
        note_of("departed", "critical"),
        {"info": "ended"},
        "departed",
    ),
    "ended, then a new start": (
        note_of("resolved", "warning", "info"),
        note_of("new", "critical"),
        {"critical": "fires", "info": "ended"},
        "new",
    ),
}


@pytest.mark.parametrize("story", KNOWS_INFO)
def test_the_level_that_the_receiver_knows_ends_however_many_messages_it_missed(story: str) -> None:
    unsent, later, stands, what = KNOWS_INFO[story]
    both = merged(unsent, later)
    assert shown(both) == stands
    assert [told.what for told in both.alerts] == [what]
