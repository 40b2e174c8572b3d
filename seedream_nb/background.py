"""One event loop on one thread of its own, where requests go on while the notebook does something else.

The kernel's own loop stands still while a cell runs, and ipykernel 7 stops a cell's tasks when the cell ends
(https://github.com/ipython/ipykernel/issues/1510); so nothing of ours runs there.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import importlib
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

Result = TypeVar("Result")

ANSWER_SECONDS = 1.0
"""The longest that somebody waits for the loop's thread to answer: nothing on it may block for that long."""


class Background:
    """Runs coroutines on a daemon thread that starts when it is first needed."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0

    @property
    def thread(self) -> threading.Thread | None:
        """The thread that runs what is started now, or None where there is none."""
        return self._thread

    def start(self, coroutine: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        """Run `coroutine` on the loop; return at once with the future of its result."""
        with self._running_loop() as loop:
            return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def call(self, function: Callable[[], Result]) -> Result:
        """Run a quick function on the loop's thread and return its result.

        Raises:
            TimeoutError: the thread did not answer within a second.
        """
        if threading.current_thread() is self._thread:
            return function()
        answer: concurrent.futures.Future[Result] = concurrent.futures.Future()
        with self._running_loop() as loop:
            loop.call_soon_threadsafe(_answer, answer, function)
        return answer.result(ANSWER_SECONDS)

    def stop(self) -> None:
        """End the thread; what still runs on it is cancelled. The next `start` begins a new one."""
        with self._lock:
            thread, loop, self._thread, self._loop = self._thread, self._loop, None, None
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(ANSWER_SECONDS)

    @contextlib.contextmanager
    def _running_loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        """Give the loop; it does not begin to end within the block, so that what it is handed there is heard of."""
        if self._process != os.getpid():
            # A forked child has inherited the loop but not its thread, and maybe a lock that nobody will release.
            self._process, self._lock, self._loop, self._thread = os.getpid(), threading.Lock(), None, None
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, args=(self._loop,), name="seedream", daemon=True)
                self._thread.start()
            yield self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with self._lock:
                if self._loop is loop:
                    self._loop = self._thread = None
            _wind_up(loop)


def at_exit(function: Callable[[], None]) -> None:
    """Call `function` at the end of the process, while threads can still be started and names looked up."""
    # `atexit` comes too late: by then `concurrent.futures`, which looks names up for asyncio, has shut down. So this
    # runs before it, by the hook that it uses itself; the import makes sure that its own is registered first.
    importlib.import_module("concurrent.futures.thread")
    register = getattr(threading, "_register_atexit", atexit.register)
    register(function)


def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs, whatever ended the loop: who waits for it, or for a place that it holds, must hear."""
    loop.run_until_complete(asyncio.sleep(0))  # what was handed over last becomes a task
    while tasks := asyncio.all_tasks(loop):
        loop.run_until_complete(_cancelled(tasks))
    loop.close()


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _answer(answer: concurrent.futures.Future[Result], function: Callable[[], Result]) -> None:
    try:
        answer.set_result(function())
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
        answer.set_exception(error)
