"""Who is there to be named: what parts of the config that people answer for refer to in each other."""

from collections.abc import Collection
from dataclasses import dataclass

from schemas.config.checking import Checking
from schemas.config.errors import Path, shown, suggestion


@dataclass(frozen=True)
class Names:
    """None: a list that couldn't be read whole, so that who names something in it can't be judged."""

    receivers: Collection[str] | None
    people: Collection[str] | None
    teams: Collection[str] | None
    schedules: Collection[str] | None
    policies: Collection[str] | None


def check_name(name: str, known: Collection[str] | None, what: str, at: Path, checking: Checking) -> None:
    """Reports a name that nothing has. what: as it is called, `receiver`."""
    if known is not None and name not in known and not checking.broken(at):
        checking.report(at, f"no {what} {shown(name)}; {suggestion(name, known)}")
