"""Spans of time and whose they are: in order, without overlaps, each [start, end)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Span:
    """layer: its position in the schedule, None where somebody took it over: then `override` is the id of that."""

    start_s: float
    end_s: float
    person: str
    layer: int | None = None
    override: str = ""


def clipped(spans: Iterable[Span], from_s: float, to_s: float) -> list[Span]:
    """What of them lies in [from, to).

    >>> clipped([Span(0, 10, "ann"), Span(10, 20, "bob")], 5, 10)
    [Span(start_s=5, end_s=10, person='ann', layer=None, override='')]
    """
    found = []
    for span in spans:
        start_s, end_s = max(span.start_s, from_s), min(span.end_s, to_s)
        if start_s < end_s:
            found.append(replace(span, start_s=start_s, end_s=end_s))
    return found


def over(below: Sequence[Span], above: Sequence[Span]) -> list[Span]:
    """`above` where it has somebody, `below` elsewhere.

    >>> [(s.start_s, s.end_s, s.person) for s in over([Span(0, 9, "ann")], [Span(3, 5, "bob")])]
    [(0, 3, 'ann'), (3, 5, 'bob'), (5, 9, 'ann')]
    """
    return sorted([*_without(below, above), *above], key=lambda span: span.start_s)


def _without(spans: Sequence[Span], taken: Sequence[Span]) -> Iterator[Span]:
    position = 0
    for span in spans:
        start_s = span.start_s
        while position < len(taken) and taken[position].end_s <= start_s:
            position += 1
        ahead = position
        while ahead < len(taken) and taken[ahead].start_s < span.end_s:
            if start_s < taken[ahead].start_s:
                yield replace(span, start_s=start_s, end_s=taken[ahead].start_s)
            start_s = taken[ahead].end_s
            ahead += 1
        if start_s < span.end_s:
            yield replace(span, start_s=start_s)


def between(spans: Sequence[Span], from_s: float, to_s: float) -> list[tuple[float, float]]:
    """Where in [from, to) there is nobody.

    >>> between([Span(2, 4, "ann"), Span(4, 5, "bob")], 0, 10)
    [(0, 2), (5, 10)]
    """
    found, until_s = [], from_s
    for span in spans:
        if span.start_s > until_s:
            found.append((until_s, min(span.start_s, to_s)))
        until_s = max(until_s, span.end_s)
    if until_s < to_s:
        found.append((until_s, to_s))
    return [(start_s, end_s) for start_s, end_s in found if start_s < end_s]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Neighbours of one person as one, whatever they are from.

    >>> [(s.start_s, s.end_s) for s in joined([Span(0, 1, "ann", 0), Span(1, 2, "ann", 1), Span(3, 4, "ann")])]
    [(0, 2), (3, 4)]
    """
    found: list[Span] = []
    for span in spans:
        if found and found[-1].end_s == span.start_s and found[-1].person == span.person:
            found[-1] = replace(found[-1], end_s=span.end_s)
        else:
            found.append(span)
    return found
