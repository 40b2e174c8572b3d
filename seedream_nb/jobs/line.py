"""Jobs that begin one after another, and what they share: a thousand of them cost the loop no more than ten."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from seedream_nb.errors import SeedreamError
    from seedream_nb.jobs.job import Job


class PreparedReferences:
    """The references that several requests share, each prepared once; used on the loop only."""

    def __init__(self, at_once: int) -> None:
        """Have none yet; so many are decoded at the same time."""
        self.limiter = anyio.CapacityLimiter(at_once)
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def of(self, identity: str, prepare: Callable[[], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401 - what is sent
        """Return what is sent for the picture of this identity; whoever asks first has it prepared."""
        task = self._tasks.get(identity)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._tasks[identity] = asyncio.create_task(prepare())
        return await asyncio.shield(task)  # who is stopped does not stop it for the others


class Line:
    """Jobs that wait for their turn to begin, in order; few at a time wait for a place among those in flight."""

    def __init__(self, jobs: Sequence[Job], begin: Callable[[Job], None], *, ahead: int) -> None:
        """Begin nothing yet; `ahead` jobs are prepared while they wait for a place."""
        self.jobs, self._begin, self._ahead = jobs, begin, ahead
        self._is_closed = False
        self.asker = threading.get_ident()

    async def run(self) -> None:
        """Begin the jobs, each as soon as there is room for it."""
        room = asyncio.Semaphore(self._ahead)
        for job in self.jobs:
            await room.acquire()
            if self._is_closed:
                return
            if job.done():
                room.release()
            else:
                job.on_place = _released(room)
                self._begin(job)

    def close(self) -> None:
        """Begin nothing more."""
        self._is_closed = True

    def stop(self) -> None:
        """Withdraw what was not sent, and begin nothing more; what was sent goes on. Call it on the loop."""
        self._is_closed = True
        for job in self.jobs:
            job.cancel()

    def end_awaits(self, *, interrupted: bool) -> None:
        """Begin nothing more if the cell that awaited the jobs was interrupted."""
        waiting = [job for job in self.jobs if job.given_up and not job.has_begun]
        for job in waiting:
            job.given_up = False
            if interrupted:
                self._is_closed = True
                job.cancel()

    def withdraw(self, error: SeedreamError) -> None:
        """End with this error whatever was not sent, and begin nothing more. Call it on the loop."""
        self._is_closed = True
        for job in self.jobs:
            job.withdraw(error)


def _released(room: asyncio.Semaphore) -> Callable[[], None]:
    """Return what makes room for the next one, from whatever thread."""
    loop = asyncio.get_running_loop()

    def release() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all on it
            loop.call_soon_threadsafe(room.release)

    return release
