"""Whether state that ends at some offset belongs to the topic that is there now."""

from enum import Enum

from pipeline.outside import Bounds


class Fit(Enum):
    """Why state can't go on, as a clause: it ends alerts, and must be the same however often it is said."""

    YES = ""
    OTHER_TOPIC = "the topic of its events was made anew"
    FORGOTTEN = "perhaps another topic"
    """Kafka forgets what was committed of a topic that is deleted. But a crash before the first commit looks the same;
    to read from the very first record on is right for both."""
    BEHIND = "Kafka no longer has the events that followed"


def fit(next_offset: int, topic_id: str, bounds: Bounds) -> Fit:
    """next_offset, topic_id: of a snapshot, or of what is held; the id is empty in snapshots of older versions.

    >>> fit(5, "a", Bounds(5, 0, 9, topic_id="a")), fit(5, "a", Bounds(5, 0, 9, topic_id="b"))
    (<Fit.YES: ''>, <Fit.OTHER_TOPIC: 'the topic of its events was made anew'>)
    """
    known = bool(topic_id and bounds.topic_id)
    if (known and topic_id != bounds.topic_id) or next_offset > bounds.end:
        return Fit.OTHER_TOPIC  # to pass over what "was applied before" would drop everything in it
    if not known and bounds.committed is None and bounds.earliest == 0 < next_offset:
        return Fit.FORGOTTEN
    return Fit.BEHIND if next_offset < bounds.earliest else Fit.YES
