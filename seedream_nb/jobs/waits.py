"""Waiting for work that goes on elsewhere: how long somebody wants to, and on which loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, TypeVar

from seedream_nb.errors import SeedreamError, StoppedError, describe_value
from seedream_nb.options import MAX_NUMBER, read_number
from seedream_nb.scope import scalar

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable

Result = TypeVar("Result")


def read_timeout(timeout: object) -> float | None:
    """Return how many seconds somebody wants to wait; None: as long as usual.

    Raises:
        SeedreamError: it is no number of seconds.
    """
    if timeout is None:
        return None
    seconds = math.nan if isinstance(timeout, str) else read_number(scalar(timeout))
    if not 0 <= seconds <= MAX_NUMBER:
        told = f"timeout: found {describe_value(timeout)}; write seconds as a number, 0 or more, such as timeout=30."
        raise SeedreamError(told, hint="The job goes on as before.")
    return seconds


LOOK_SECONDS = 1.0


def loop_future(
    ending: concurrent.futures.Future[Result], poll: Callable[[], None], give_up: Callable[[], None]
) -> asyncio.Future[Result]:
    """Return a future of the running loop that ends with `ending`; until then `poll` is called now and then.

    `give_up` is called if that future is cancelled.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[Result] = loop.create_future()

    def wake(ended: concurrent.futures.Future[Result]) -> None:
        with contextlib.suppress(RuntimeError):  # that loop is closed: nobody is waiting
            loop.call_soon_threadsafe(_settle, waiting, ended)

    def note(waiting: asyncio.Future[Result]) -> None:
        if waiting.cancelled():
            give_up()

    waiting.add_done_callback(note)

    def watch() -> None:
        if not waiting.done():
            poll()
            loop.call_later(LOOK_SECONDS, watch)

    ending.add_done_callback(wake)
    watch()
    return waiting


def _settle(waiting: asyncio.Future[Result], ended: concurrent.futures.Future[Result]) -> None:
    if waiting.done():
        return
    error = ended.exception()
    if error is None:
        waiting.set_result(ended.result())
    elif isinstance(error, StoppedError):
        waiting.set_exception(SeedreamError(error.message, hint=error.hint))
    else:
        waiting.set_exception(error)
