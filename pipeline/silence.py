"""What time alone has ended, written down in Kafka before anyone hears of it.

Records give the same alerts whoever applies them; that a series was silent at some moment is known only to who looked.
So each such look that ends alerts is a decision - at which offset of the partition, and up to which event time - and
stands in the note of the group's committed offset, which Kafka takes from nobody but the partition's owner. Whoever
reads the partition again from an older snapshot ends the same alerts at the same place.
"""

from collections.abc import Mapping

import msgspec

DECISIONS_MAX = 120
"""In one note: Kafka takes 4,096 bytes of it, a decision needs up to 33. Beyond that silence ends nothing until a
snapshot makes room."""

Decisions = dict[int, int]  # next offset of the partition -> Unix s of event time; at one offset the latest counts


class _Note(msgspec.Struct, frozen=True):
    silence: list[tuple[int, int]]


_notes = msgspec.json.Decoder(_Note)


def note(decisions: Mapping[int, int]) -> str:
    """
    >>> note({7: 1790000000}), note({})
    ('{"silence":[[7,1790000000]]}', '')
    """
    return msgspec.json.encode(_Note(sorted(decisions.items()))).decode() if decisions else ""


def decisions_of(text: str) -> Decisions:
    """Those of a note; none where it isn't ours.

    >>> decisions_of(note({7: 1790000000})), decisions_of(""), decisions_of("someone else's")
    ({7: 1790000000}, {}, {})
    """
    try:
        return dict(_notes.decode(text).silence) if text else {}
    except msgspec.MsgspecError:
        return {}
