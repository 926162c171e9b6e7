"""Who is there to be named: what parts of the config that people answer for refer to in each other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    time_intervals: Collection[str] | None = None


class Named(Protocol):
    @property
    def name(self) -> str: ...


def known(written: Sequence[Named], at: Path, checking: Checking) -> frozenset[str] | None:
    """The names in the list at `at`; None where one of them couldn't be read."""
    places: list[Path] = [at[:1], at, *((*at, position) for position in range(len(written)))]
    places += [(*at, position, "name") for position in range(len(written))]
    return None if any(place in checking.cut for place in places) else frozenset(each.name for each in written)


def check_name(name: str, known: Collection[str] | None, what: str, at: Path, checking: Checking) -> None:
    """Reports a name that nothing has. what: as it is called, `receiver`."""
    if known is not None and name not in known and not checking.broken(at):
        checking.report(at, f"no {what} {shown(name)}; {suggestion(name, known)}")
