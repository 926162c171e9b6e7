"""An event loop whose time jumps to the next timer when nothing else is left to do: hours of waiting in no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
START_S = 1_795_000_000.0


class _Jumps(selectors.SelectSelector):
    """Never waits: what would be waited is added to the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = START_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for something that never comes")
        if timeout > 0:
            self.now_s += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, jumps: _Jumps) -> None:
        super().__init__(jumps)
        self._jumps = jumps
        self._clock_resolution = 1e-6  # a float of this size has no nanoseconds: a timer would never be due

    def time(self) -> float:
        return self._jumps.now_s


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run. No threads and no sockets inside: they take real time."""
    jumps = _Jumps()
    with asyncio.Runner(loop_factory=lambda: _Loop(jumps)) as runner:
        return runner.run(coroutine)


def now_s() -> float:
    """Of the loop that runs."""
    return asyncio.get_running_loop().time()
