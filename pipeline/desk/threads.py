"""Threads for what blocks, so that nobody waits for what others do: the loop's own pool is left to name lookups."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# A resolver that doesn't answer keeps a thread for half a minute, and each receiver may ask it several times.
LOOKUPS_AT_ONCE = 128


class Pool:
    """At most `size` threads for one kind of work."""

    def __init__(self, name: str, size: int) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(size, f"tidegauge-{name}")

    async def __call__(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, do)


def room_for_lookups(loop: asyncio.AbstractEventLoop) -> None:
    """asyncio looks names up in the loop's own pool, whose few threads one dead name after another would take."""
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(LOOKUPS_AT_ONCE, "tidegauge-lookup"))


async def own_thread(do: Callable[[], T]) -> T:
    """In a thread that is made for it, as for a mail to a slow server. A process that ends doesn't wait for it."""
    loop = asyncio.get_running_loop()
    done: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        # Whoever waited may be cancelled, and its loop gone.
        with contextlib.suppress(concurrent.futures.InvalidStateError, RuntimeError):
            try:
                result = do()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(result)

    threading.Thread(target=run, name="tidegauge-send", daemon=True).start()
    return await asyncio.wrap_future(done, loop=loop)
