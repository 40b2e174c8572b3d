"""An event loop on its own thread, where requests run while the notebook does something else.

The kernel's own loop is blocked while a cell runs, and ipykernel 7 stops a cell's tasks when the cell ends
(https://github.com/ipython/ipykernel/issues/1510).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import importlib
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

Result = TypeVar("Result")

ANSWER_SECONDS = 1.0
"""The longest that a stop waits for the loop's thread, on which nothing may block for that long."""
PATIENT_SECONDS = 60.0
"""The longest that a request waits for it: another thread may hold the interpreter for seconds."""
STAND_SECONDS = 1.0
"""The longest that a fork waits for the loop to pause, and that it pauses."""

_RETURN_SECONDS = 0.1
"""After a job's end, when its result was shown."""
_TRIM_SECONDS = 0.02
"""The longest that returning memory may take: where a notebook's data make it slower, it is not done again."""

_inherited_loops: list[object] = []
"""The loops that a forked child inherits; kept, because deleting them would run their tasks' cleanup here too."""


class LookupExecutor(concurrent.futures.ThreadPoolExecutor):
    """Resolves host names for asyncio on daemon threads, so that a hanging resolver doesn't delay the process's end.

    The default executor's threads would be waited for. Files are written on anyio's threads, not here.
    """

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:  # noqa: ANN401 - as in the base class
        """Call a function on its own thread."""
        answer: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def call() -> None:
            if answer.set_running_or_notify_cancel():
                _answer(answer, lambda: function(*args, **kwargs))

        threading.Thread(target=call, name="seedream lookup", daemon=True).start()
        return answer


class Background:
    """Runs coroutines on a daemon thread that starts when it is first needed."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._begin()

    def _begin(self) -> None:
        # Reentrant: a signal handler or a finalizer may run while this thread holds it.
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._standing: threading.Event | None = None

    @property
    def thread(self) -> threading.Thread | None:
        """The loop's thread, or None."""
        return self._thread

    def start(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> concurrent.futures.Future[Result]:
        """Run the coroutine that `work` makes on the loop; return at once with the future of its result.

        It is made on the loop's thread, where no interrupt can leave it unawaited.

        Raises:
            RuntimeError: no thread can be started here.
        """
        answer: concurrent.futures.Future[Result] = concurrent.futures.Future()
        with self._running_loop() as loop:
            loop.call_soon_threadsafe(_start_task, loop, work, answer)
        return answer

    def call(self, function: Callable[[], Result], *, seconds: float = PATIENT_SECONDS) -> Result:
        """Run a quick function on the loop's thread and return its result.

        Raises:
            TimeoutError: the thread did not answer in time.
            RuntimeError: no thread can be started here.
        """
        if threading.current_thread() is self._thread:
            return function()
        answer: concurrent.futures.Future[Result] = concurrent.futures.Future()
        with self._running_loop() as loop:
            loop.call_soon_threadsafe(_answer, answer, function)
        return answer.result(seconds)

    def stop(self) -> None:
        """End the thread and cancel what runs on it. The next `start` begins a new one."""
        with self._lock:
            thread, loop, self._thread, self._loop = self._thread, self._loop, None, None
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(ANSWER_SECONDS)

    @contextlib.contextmanager
    def _running_loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        """Give the loop, which doesn't end within the block, so that nothing scheduled there is lost."""
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                loop.set_default_executor(LookupExecutor())
                thread = threading.Thread(target=self._run, args=(loop,), name="seedream", daemon=True)
                thread.start()
                self._loop, self._thread = loop, thread
            yield self._loop

    def before_fork(self) -> None:
        """Pause the loop between two steps while this process forks, so that the child inherits no lock that it holds.

        Imports take such locks, for example, and in the child nobody would release them.
        """
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or thread is threading.current_thread() or not thread.is_alive():
            return
        stands, self._standing = threading.Event(), threading.Event()
        with contextlib.suppress(RuntimeError):  # it has just ended
            loop.call_soon_threadsafe(_hold_loop, stands, self._standing)
            stands.wait(STAND_SECONDS)

    def resume(self) -> None:
        """Go on in the parent."""
        if self._standing is not None:
            self._standing.set()
            self._standing = None

    def reset_after_fork(self) -> None:
        """Reset in the child, which has inherited the loop but not its thread."""
        _inherited_loops.append((self._loop, self._thread))
        self._begin()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with self._lock:
                if self._loop is loop:
                    self._loop = self._thread = None
            _close_loop(loop)


def return_memory_soon() -> None:
    """Give back, shortly after the work that calls this, what it needed: else 15 MB stay in the threads' heaps."""
    loop = asyncio.get_running_loop()

    def begin() -> None:
        with contextlib.suppress(RuntimeError):  # no thread can be had any more
            loop.run_in_executor(None, lambda: return_memory(_trims()))

    loop.call_later(_RETURN_SECONDS, begin)


def return_memory(trims: list[Callable[[int], object]]) -> None:
    """Give freed memory back to the system with the function in a list, and empty the list if that is much work."""
    if trims:
        began = time.thread_time()  # a busy machine, on which it has to wait, is no reason to give up
        trims[-1](0)
        if time.thread_time() - began > _TRIM_SECONDS:
            trims.clear()


@functools.cache
def _trims() -> list[Callable[[int], object]]:
    """Return what returns memory: nothing where the C library is not glibc, or Python has no `ctypes`."""
    with contextlib.suppress(ImportError, OSError, TypeError, AttributeError):
        return [importlib.import_module("ctypes").CDLL(None).malloc_trim]
    return []


def at_exit(function: Callable[[], None]) -> None:
    """Call `function` at the end of the process, while threads can still be started and host names resolved."""
    # `atexit` is too late: by then `concurrent.futures`, which asyncio needs to resolve names, has shut down. So this
    # uses the same hook, and imports it first to be called before it.
    importlib.import_module("concurrent.futures.thread")
    register = getattr(threading, "_register_atexit", atexit.register)
    register(function)


def _hold_loop(stands: threading.Event, go_on: threading.Event) -> None:
    stands.set()
    go_on.wait(STAND_SECONDS)


def _close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs, whatever ended the loop, so that nobody waits for it for ever."""
    loop.run_until_complete(asyncio.sleep(0))  # what was scheduled last becomes a task
    while tasks := asyncio.all_tasks(loop):
        loop.run_until_complete(_cancelled(tasks))
    loop.close()


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _start_task(
    loop: asyncio.AbstractEventLoop,
    work: Callable[[], Coroutine[Any, Any, Result]],
    answer: concurrent.futures.Future[Result],
) -> None:
    """Start the coroutine that another thread scheduled, and link it with its future: cancelling either ends both."""

    async def run() -> Result:
        return await work()

    def cancel(answer: concurrent.futures.Future[Result]) -> None:
        if answer.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all on it
                loop.call_soon_threadsafe(task.cancel)

    task = loop.create_task(run())
    task.add_done_callback(functools.partial(_copy_outcome, answer))
    answer.add_done_callback(cancel)


def _copy_outcome(answer: concurrent.futures.Future[Result], task: asyncio.Task[Result]) -> None:
    if task.cancelled():
        answer.cancel()
    if not answer.set_running_or_notify_cancel():
        return
    if (error := task.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


def _answer(answer: concurrent.futures.Future[Result], function: Callable[[], Result]) -> None:
    try:
        answer.set_result(function())
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
        answer.set_exception(error)
