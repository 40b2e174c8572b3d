"""Waiting for a job on somebody else's event loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError, StoppedError

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable

    from seedream_nb.generation import Generation

LOOK_SECONDS = 1.0


def awaited(ending: concurrent.futures.Future[Generation], look: Callable[[], None]) -> asyncio.Future[Generation]:
    """Return a future of the running loop that ends as `ending` does; `look` is called now and then until then."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[Generation] = loop.create_future()

    def wake(ended: concurrent.futures.Future[Generation]) -> None:
        with contextlib.suppress(RuntimeError):  # that loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, waiting, ended)

    def watch() -> None:
        if not waiting.done():
            look()
            loop.call_later(LOOK_SECONDS, watch)

    ending.add_done_callback(wake)
    watch()
    return waiting


def _settle(waiting: asyncio.Future[Generation], ended: concurrent.futures.Future[Generation]) -> None:
    if waiting.done():
        return
    error = ended.exception()
    if error is None:
        waiting.set_result(ended.result())
    elif isinstance(error, StoppedError):
        waiting.set_exception(SeedreamError(error.message, hint=error.hint))
    else:
        waiting.set_exception(error)
