"""Who has which role, and which ones are to be filled by themselves. One person may hold several.

`Incident.roles` maps a role to who has it; an empty text: it was given back, and is filled by hand only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from incidents.model import Incident
from schemas.response.triage import Role

What = Literal["taken", "handed over", "given back", "same"]

MOVES: dict[tuple[bool, bool], What] = {
    # (somebody had it, somebody gets it): what that is
    (False, True): "taken",
    (True, True): "handed over",
    (True, False): "given back",
    (False, False): "same",
}


@dataclass(frozen=True)
class Move:
    """roles: as they are from now on. is_first: its checklist isn't there yet."""

    what: What
    text: str
    roles: dict[str, str]
    is_first: bool


def move(incident: Incident, role: str, person: str, why: str = "") -> Move:
    """person: empty gives it back. why: ends the sentence.

    >>> one = Incident(number=1, title="x", severity=2, opened_s=0, detected_s=0, updated_s=0, roles={"scribe": "ann"})
    >>> move(one, "scribe", "bob").text, move(one, "commander", "ann", "on call in devops").text
    ('scribe: handed over from ann to bob', 'commander: taken by ann (on call in devops)')
    """
    before = incident.roles.get(role, "")
    what = "same" if before == person else MOVES[bool(before), bool(person)]
    text = {
        "taken": f"{role}: taken by {person}",
        "handed over": f"{role}: handed over from {before} to {person}",
        "given back": f"{role}: given back by {before}; nobody has it now",
        "same": f"{role}: {person or 'nobody'} has it already",
    }[what]
    roles = {**incident.roles, role: person} if what != "same" else dict(incident.roles)
    return Move(what, text + (f" ({why})" if why else ""), roles, role not in incident.roles and what == "taken")


def wanted(incident: Incident, roles: Sequence[Role]) -> list[Role]:
    """To be filled now without a person: bad enough, and never held by anybody in this incident."""
    if incident.is_over:
        return []
    return [
        role
        for role in roles
        if role.assign is not None and incident.severity <= role.severity and role.name not in incident.roles
    ]


def holder(roles: Mapping[str, str], *names: str) -> str:
    """Who has the first of these roles that anybody has.

    >>> holder({"commander": "ann", "communication": ""}, "communication", "commander")
    'ann'
    """
    return next((person for name in names if (person := roles.get(name))), "")
