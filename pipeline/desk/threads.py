"""A thread for one call that may take long, such as a mail to a slow server: no pool that it could fill up."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def own_thread(do: Callable[[], T]) -> T:
    """As `asyncio.to_thread`. A process that ends doesn't wait for it."""
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
