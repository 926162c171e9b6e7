"""What people change in a schedule for a while: somebody takes over, or two swap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from incidents.oncall.spans import Span, clipped, over


@dataclass(frozen=True)
class Override:
    """`person` is on call from start to end instead of `instead_of`, or of whoever it is where that is empty.

    id: unique; swap: the same for the two that are a swap, else empty. by, made_s: who made it, and when.
    """

    id: str
    schedule: str
    person: str
    start_s: float
    end_s: float
    instead_of: str = ""
    by: str = ""
    made_s: float = 0.0
    note: str = ""
    swap: str = ""


def changed(spans: Sequence[Span], overrides: Iterable[Override], from_s: float, to_s: float) -> list[Span]:
    """spans: all in [from, to). Of overrides the one that was made last wins, where it finds whom it replaces."""
    current = list(spans)
    for one in sorted(overrides, key=lambda o: (o.made_s, o.id)):
        theirs = [Span(one.start_s, one.end_s, one.person)]
        if one.instead_of:
            theirs = clipped([span for span in current if span.person == one.instead_of], one.start_s, one.end_s)
        taken = [replace(span, person=one.person, layer=None, override=one.id) for span in theirs]
        current = over(current, clipped(taken, from_s, to_s))
    return current
