"""What records alone don't bring, written down in Kafka before anyone hears of it: what time ended, what people say.

Records give the same alerts whoever applies them; that a series was silent at some moment, or that a control had come,
is known only to who looked. So each such look is a decision - at which offset of the partition: up to which event time
alerts were ended, which controls count from there on - and stands in the note of the group's committed offset, which
Kafka takes from nobody but the partition's owner. Whoever reads the partition again from an older snapshot does the
same at the same place.
"""

from collections.abc import Mapping

import msgspec

NOTE_BYTES_MAX = 4_000
"""Kafka takes 4,096 bytes. Beyond that silence ends nothing, and controls wait, until a snapshot makes room."""

Decisions = dict[int, int]  # next offset of the partition -> Unix s of event time; at one offset the latest counts
Admissions = dict[str, int]  # id of a control -> next offset of the partition when it came


class _Note(msgspec.Struct, frozen=True, omit_defaults=True):
    silence: list[tuple[int, int]] = []
    controls: list[tuple[int, str]] = []


_notes = msgspec.json.Decoder(_Note)


def note(decisions: Mapping[int, int], admissions: Mapping[str, int] | None = None) -> str:
    """
    >>> note({7: 1790000000}), note({}), note({}, {"00ff": 9})
    ('{"silence":[[7,1790000000]]}', '', '{"controls":[[9,"00ff"]]}')
    """
    if not decisions and not admissions:
        return ""
    admitted = sorted((offset, id_) for id_, offset in (admissions or {}).items())
    return msgspec.json.encode(_Note(sorted(decisions.items()), admitted)).decode()


def decisions_of(text: str) -> Decisions:
    """What time has ended, by a note; nothing where it isn't ours.

    >>> decisions_of(note({7: 1790000000})), decisions_of(""), decisions_of("someone else's")
    ({7: 1790000000}, {}, {})
    """
    return dict(_read(text).silence)


def admissions_of(text: str) -> Admissions:
    """Which controls count from where on, by a note.

    >>> admissions_of(note({7: 1790000000}, {"00ff": 9})), admissions_of("")
    ({'00ff': 9}, {})
    """
    return {id_: offset for offset, id_ in _read(text).controls}


def _read(text: str) -> _Note:
    try:
        return _notes.decode(text) if text else _Note()
    except msgspec.MsgspecError:
        return _Note()
