"""The timeline of an incident: append-only, each entry chained to the one before it by its hash.

Whoever has an export can tell that nothing was changed, taken out or put in: `broken_at` walks the chain.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from incidents.model import Entry, Line

KINDS: dict[str, str] = {
    "opened": "the incident was opened",
    "joined": "an alert joined it",
    "left": "an alert left it",
    "alert": "one of its alerts changed",
    "related": "another incident may have the same cause",
    "state": "its state changed",
    "severity": "its severity changed",
    "edited": "title, summary, service or policy changed",
    "role": "a role was taken, handed over or given back",
    "task": "a task was made, done or fell due",
    "page": "somebody was told by the escalation policy",
    "escalation": "the escalation went on, or stopped",
    "message": "a message went out, or came in",
    "update": "stakeholders were told",
    "act": "automation decided or did something",
    "change": "a deployment or another change",
    "comment": "what a person wrote",
    "verdict": "a person said whether it was real",
    "merged": "it was merged, or another into it",
    "split": "alerts were split off into another",
    "review": "its review was drafted or changed",
}
"""What an entry can be about."""

FIRST = "0" * 64
"""`previous` of an incident's first entry."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def chained(incident: int, lines: Sequence[Line], seq: int, previous: str, now_s: float) -> list[Entry]:
    """The lines as entries, the first of them the `seq`-th of its incident after one with the hash `previous`.

    Raises KeyError for a kind that isn't in KINDS.

    >>> first, second = chained(1, [Line(what="opened", text="a"), Line(what="comment", text="b")], 0, FIRST, 5.0)
    >>> second.previous == first.hash, broken_at([first, second])
    (True, None)
    """
    entries = []
    for line in lines:
        KINDS[line.what]
        entry = Entry(
            incident=incident,
            seq=seq,
            at_s=_micros(now_s if line.at_s is None else line.at_s),
            written_s=_micros(now_s),
            what=line.what,
            text=line.text,
            by=line.by,
            source=line.source,
            details=line.details,
            previous=previous,
            hash="",
        )
        entry = msgspec.structs.replace(entry, hash=digest(entry))
        entries.append(entry)
        seq, previous = seq + 1, entry.hash
    return entries


def _micros(unix_s: float) -> float:
    """As exact as RFC 3339 writes it, so that what was written can be hashed again."""
    return round(unix_s * 1e6) / 1e6


def digest(entry: Entry) -> str:
    """Hex SHA-256 of everything but the hash itself: JSON with sorted keys."""
    return hashlib.sha256(_encode(msgspec.structs.replace(entry, hash=""))).hexdigest()


def broken_at(entries: Sequence[Entry]) -> int | None:
    """The first `seq` at which a whole timeline doesn't hold together, None where it does.

    >>> a, b = chained(1, [Line(what="opened", text="a"), Line(what="comment", text="b")], 0, FIRST, 5.0)
    >>> broken_at([a, msgspec.structs.replace(b, text="c")]), broken_at([b])
    (1, 0)
    """
    previous = FIRST
    for seq, entry in enumerate(entries):
        if entry.seq != seq or entry.previous != previous or entry.hash != digest(entry):
            return seq
        previous = entry.hash
    return None
