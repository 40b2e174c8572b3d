"""A request on its way: its phases, its pictures as they land, waiting for it and stopping it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import SeedreamError, StillGeneratingError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from pathlib import Path

    from seedream_nb.background import Background
    from seedream_nb.generation import Generation
    from seedream_nb.picture import Picture
    from seedream_nb.request import ImageRequest

PHASES = ("preparing", "waiting", "uploading", "generating", "downloading")
POLL_SECONDS = 0.1
"""How often a waiting thread looks up: it must notice an interrupt, on Windows too."""

UNSENT = "Not done within {seconds:g} s: still {phase}, and not sent yet. It goes on, and will be sent."
WITHDRAWN = "Stopped while {phase}: the request was withdrawn before it was sent. Nothing was billed."
GOING_ON = (
    "Stopped while {phase}: the request was sent and can't be taken back, so it may be billed.\n"
    "The work goes on: its pictures appear below this cell, and in the history, when they come."
)
TOO_LATE = (
    "No answer within {seconds:g} s. The request was sent and may be billed.\n"
    "The work goes on: its pictures appear below this cell, and in the history, when they come."
)
SEE_HISTORY = "See: %seedream history"


class Job:
    """One request while it is fulfilled. Ask `status`, wait with `result()` or `await`, stop with `cancel()`."""

    def __init__(  # noqa: PLR0913 - a value and how it is to be fulfilled
        self,
        request: ImageRequest,
        *,
        backend: str,
        host: str,
        price: float,
        timeout: float,
        once: bool = False,
        save: Path | None = None,
        home: Path | None = None,
        template: str | None = None,
        notebook: str | None = None,
        notices: tuple[str, ...] = (),
    ) -> None:
        """Describe the work; `Session.submit` starts it. `price` is USD per picture, `timeout` seconds."""
        self.request = request
        self.backend, self.host, self.price, self.timeout = backend, host, price, timeout
        self.once, self.save, self.template = once, save, template
        self.home, self.notebook, self.notices = home, notebook, notices
        self.id: int | None = None
        self.phase = PHASES[0]
        self.pictures: list[Picture] = []
        self.expected: int | None = None
        self.uploaded_bytes, self.upload_bytes = 0, 0
        self.started = time.monotonic()
        self.sent: float | None = None
        self.generation: Generation | None = None
        self.error: SeedreamError | None = None
        self.version = 0
        self._changed = threading.Condition()
        self.committed = False
        self._future: concurrent.futures.Future[Generation] = concurrent.futures.Future()
        self._future.set_running_or_notify_cancel()
        self._work_over = threading.Event()
        self._background: Background | None = None
        self._task: asyncio.Task[Any] | None = None

    # -- what a user asks --------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The phase while it runs; then `done`, `partial`, `failed`, `stopped` or `unknown`."""
        return self.phase

    @property
    def over(self) -> bool:
        """Whether the work has ended, however it ended."""
        return self._work_over.is_set()

    def result(self, timeout: float | None = None) -> Generation:
        """Wait for the generation and return it.

        Args:
            timeout: seconds from now; without it, the job's own, counted from the last byte sent.

        Raises:
            StillGeneratingError: the timeout passed; the work goes on.
            StoppedError: it was stopped, by `cancel()` or by interrupting this wait.
            SeedreamError: it failed; the class says how.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._future.done():
                if limit is not None and time.monotonic() >= limit:
                    raise self._too_late(timeout)
                if limit is None and self.overdue:
                    raise self._too_late(self.timeout)
                self._pause(limit)
        except StoppedError:
            raise
        except KeyboardInterrupt:
            self.cancel()
        return self._future.result()

    @property
    def overdue(self) -> bool:
        """Whether the job's own timeout has passed since the last byte was sent."""
        return self.sent is not None and not self.over and time.monotonic() - self.sent >= self.timeout

    def cancel(self) -> None:
        """Stop: withdraw the request if it was not sent; else let the work go on, and say so.

        Afterwards `result()` raises StoppedError, which says which it was. A job that has ended stays as it is.
        """
        if self._background is not None:
            self._background.call(self._stop)

    def __await__(self) -> Generator[Any, None, Generation]:
        """Wait for the generation on any event loop; raises as `result()` does.

        Raises:
            SeedreamError: in place of StoppedError, which as a KeyboardInterrupt would end the loop, and the kernel
                with it.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Generation] = loop.create_future()

        def wake(ended: concurrent.futures.Future[Generation]) -> None:
            with contextlib.suppress(RuntimeError):  # that loop was closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, waiting, ended)

        self._future.add_done_callback(wake)
        return waiting.__await__()

    def __repr__(self) -> str:
        """Read as one short line."""
        mark = "" if self.id is None else f" @{self.id}"
        return f"<Job{mark}: {self.status}>"

    # -- what the work tells -----------------------------------------------------------------------

    def start(self, background: Background, work: Coroutine[Any, Any, None]) -> None:
        """Begin the work on the background loop."""
        self._background = background
        background.start(self._run(work))

    def update(self, **changes: object) -> None:
        """Change what is known of the work and wake who watches it."""
        with self._changed:
            for name, value in changes.items():
                setattr(self, name, value)
            self.version += 1
            self._changed.notify_all()

    def land(self, generation: Generation | None, mark: str) -> None:
        """Show a picture that is complete on disk, and whose preview is ready."""
        if generation is not None:
            shown = {mark, *(picture.mark for picture in self.pictures)}
            pictures = [picture for picture in generation.images if picture.mark in shown]
            self.update(generation=generation, pictures=pictures)

    def commit(self) -> None:
        """Note that the last bytes go out now: from here on the request may be billed and is not withdrawn."""
        self.committed = True
        self.update(phase="generating", sent=time.monotonic())

    def finish(self, generation: Generation | None, error: SeedreamError | None = None) -> None:
        """End the work with what was made, what went wrong, or both."""
        if generation is not None:
            self.generation = generation
        self.error = error
        if not self._future.done():
            if error is not None:
                self._future.set_exception(error)
            elif generation is not None:
                self._future.set_result(generation)
        phase = _status_of(error) if generation is None or generation.status in PHASES else generation.status
        self._work_over.set()
        self.update(phase=phase)

    def wait_over(self, seconds: float) -> None:
        """Return when the work has ended, or after some seconds."""
        self._work_over.wait(seconds)

    def when_over(self, function: Callable[[], None]) -> None:
        """Call `function`, on another thread, when the work has ended."""

        def wait() -> None:
            self._work_over.wait()
            function()

        threading.Thread(target=wait, name="seedream end", daemon=True).start()

    def wait_for_change(self, seen: int, seconds: float) -> int:
        """Return the version as soon as it is not `seen` any more, or after some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != seen, timeout=seconds)
            return self.version

    # -- within ------------------------------------------------------------------------------------

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.ensure_future(work)
        if self._future.done():  # stopped before the loop came to it
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            self.finish(self.generation, StoppedError(WITHDRAWN.format(phase=self.phase)))
        except SeedreamError as error:
            self.finish(self.generation, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the wait too, and be told
            told = f"seedream_nb failed in itself: {type(error).__name__}: {error}"
            self.finish(self.generation, SeedreamError(told, hint="Please report this. " + SEE_HISTORY))

    def _too_late(self, seconds: float | None) -> StillGeneratingError:
        text = TOO_LATE if self.committed else UNSENT
        return StillGeneratingError(text.format(seconds=seconds, phase=self.phase), hint=SEE_HISTORY)

    def _stop(self) -> None:
        if self._future.done():
            return
        text = GOING_ON if self.committed else WITHDRAWN
        hint = SEE_HISTORY if self.committed else None
        self._future.set_exception(StoppedError(text.format(phase=self.phase), hint=hint))
        if not self.committed and self._task is not None:
            self._task.cancel()

    def _pause(self, limit: float | None) -> None:
        left = POLL_SECONDS if limit is None else min(POLL_SECONDS, max(0.0, limit - time.monotonic()))
        concurrent.futures.wait([self._future], timeout=left)


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


def _status_of(error: SeedreamError | None) -> str:
    return "stopped" if isinstance(error, StoppedError) else "failed"


def linger(jobs: Callable[[], list[Job]]) -> None:
    """At the end of a script withdraw what was not sent, and wait for what was: it may be billed, so it is wanted."""
    try:
        unsent = [job for job in jobs() if not job.committed and not job.over]
        for job in unsent:
            job.cancel()
        withdrawn = sum(not job.committed for job in unsent)
        if withdrawn:
            tell(f"seedream_nb withdrew {withdrawn} of your requests that were not sent yet: the script has ended.")
        left = [job for job in jobs() if job.committed and not job.over]
        if left:
            tell(f"seedream_nb waits for {len(left)} of your requests that were sent already; Ctrl-C gives up.")
        while not all(job.over for job in jobs()):
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        tell("Given up. What has links can still be fetched: %seedream recover")


def tell(text: str) -> None:
    """Say something at the end of a script, where no value can carry it."""
    print(text, file=sys.stderr)  # noqa: T201
