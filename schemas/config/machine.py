"""What a config asks of the machine it is read on. The loader itself reads nothing; the shell lends it this."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.response.oncall import Ahead, Schedule


def _read_nothing(path: str) -> str:
    raise ValueError("no file can be read here")


def _find_nothing(pattern: str) -> Sequence[str]:
    return ()


def _no_variable(name: str) -> str | None:
    return None


def _see_nothing(schedule: Schedule) -> Ahead:
    return Ahead()


@dataclass(frozen=True)
class Machine:
    """read: a file's text, or ValueError with the reason; find: files of a pattern, sorted; env: a variable.

    time_zone: IANA name of the machine's own, for Alertmanager's `Local`. look_ahead: who won't be on call from now on.
    """

    read: Callable[[str], str] = _read_nothing
    find: Callable[[str], Sequence[str]] = _find_nothing
    env: Callable[[str], str | None] = _no_variable
    time_zone: str = "UTC"
    look_ahead: Callable[[Schedule], Ahead] = _see_nothing


NO_MACHINE = Machine()
