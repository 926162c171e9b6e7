"""What people change in a schedule for a while: somebody takes over, or two swap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from incidents.oncall.spans import Span, clipped, over
from schemas.response.oncall import OnCallPlan

LENGTH_S_MAX = 400 * 86_400.0
TEXT_CHARS_MAX = 1000


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


def refusal(one: Override, plan: OnCallPlan, now_s: float) -> str | None:
    """Why it can't be made, None where it can. What was is never changed: its start is now or later."""
    if one.schedule not in plan.schedules:
        return f"no schedule {one.schedule[:60]!r}"
    for person in (one.person, one.instead_of):
        if person and person not in plan.people:
            return f"no person {person[:60]!r} in the config"
    if not one.person:
        return "says of nobody that they are on call; name a person"
    if one.person == one.instead_of:
        return f"{one.person} can't be on call instead of {one.person}"
    if one.end_s <= one.start_s or one.end_s <= now_s:
        return "ends before it begins, or is over already"
    if one.end_s - one.start_s > LENGTH_S_MAX:
        return "is longer than 400 days; change the schedule in the config"
    if max(len(one.note), len(one.by)) > TEXT_CHARS_MAX:
        return f"a text is longer than {TEXT_CHARS_MAX:,} characters"
    return None


def swapped(first: Span, second: Span, template: Override, second_id: str) -> tuple[Override, Override]:
    """Each takes the other's turn. template: schedule, id of the first, who swaps them.

    Raises ValueError with the reason where there is nothing to swap.

    >>> one, other = swapped(Span(0, 5, "ann"), Span(5, 9, "bob"), Override("i", "s", "", 0, 0), "j")
    >>> (one.person, one.instead_of, one.start_s, one.end_s), (other.person, other.instead_of, other.swap)
    (('bob', 'ann', 0, 5), ('ann', 'bob', 'i'))
    """
    if first.person == second.person:
        raise ValueError(f"both turns are {first.person}'s")
    if first.start_s < second.end_s and second.start_s < first.end_s:
        raise ValueError(f"the turns of {first.person} and {second.person} are at the same time; make an override")
    one, other = (
        replace(
            template,
            id=id_,
            person=taker.person,
            instead_of=giver.person,
            start_s=giver.start_s,
            end_s=giver.end_s,
            swap=template.id,
        )
        for id_, giver, taker in ((template.id, first, second), (second_id, second, first))
    )
    return one, other
