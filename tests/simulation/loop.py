"""An event loop that does one step when told to: no clock, no I/O, no thread. One a simulated process."""

import asyncio
import inspect
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class Loop(asyncio.BaseEventLoop):
    """Callbacks in the order in which they came, as a real loop runs them."""

    def __init__(self) -> None:
        super().__init__()
        self.close()  # nothing of a real one is used
        self._callbacks: deque[asyncio.Handle] = deque()
        self._dead = False
        self._started: list[Coroutine[Any, Any, Any]] = []

    @property
    def has_work(self) -> bool:
        return bool(self._callbacks)

    def step(self) -> None:
        """Run one callback: a task goes on to its next await that has to wait."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            self._callbacks.popleft()._run()
        finally:
            events._set_running_loop(before)

    def kill(self) -> None:
        """No task of it goes on, ever."""
        self._dead = True
        self._callbacks.clear()
        for work in self._started:
            if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
                work.close()
        self._started.clear()

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        self._started = [one for one in self._started if inspect.getcoroutinestate(one) == inspect.CORO_CREATED]
        self._started.append(work)
        return asyncio.Task(work, loop=self)

    # What tasks, futures and locks ask of a loop

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self._dead:
            self._callbacks.append(handle)
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Of tasks that ended with their process; those of living ones are looked at by the world."""


@coroutine
def pause() -> Generator[None, None, None]:
    """A point where anything may come between."""
    yield
