"""Several processes that live and end together."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType

END_WITHIN_S = 15.0
_ASK_EVERY_S = 0.2


def together(commands: Mapping[str, Sequence[str]]) -> int:
    """Runs them until one ends or we are told to (SIGTERM, Ctrl-C); then all are told to end.

    Returns 0 where we were told to and all ended cleanly, else the code of the first that ended by itself or uncleanly.
    """
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    children = {name: subprocess.Popen(command) for name, command in commands.items()}  # noqa: S603 - our own commands
    try:
        first = None
        while not asked and first is None:
            first = next((name for name, child in children.items() if child.poll() is not None), None)
            _wait(children, _ASK_EVERY_S)
        if first is not None:
            print(f"{first} ended with {children[first].returncode}: ending the others", file=sys.stderr)  # noqa: T201 - for who started us
        codes = _end(list(children.values()))
        if first is not None:
            return children[first].returncode or 1
        return next((code for code in codes if code), 0)
    finally:
        for child in children.values():
            if child.poll() is None:
                child.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(children: Mapping[str, "subprocess.Popen[bytes]"], seconds: float) -> None:
    try:
        next(iter(children.values())).wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _end(children: Sequence["subprocess.Popen[bytes]"]) -> list[int]:
    """All are told at once, and have the same time."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    until_s = time.monotonic() + END_WITHIN_S
    for child in children:
        try:
            child.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return [child.returncode for child in children]
