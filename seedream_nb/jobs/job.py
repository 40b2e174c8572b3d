"""A request on its way: its phases, its pictures as they land, waiting for it and stopping it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from seedream_nb.background import ANSWER_SECONDS, return_memory_soon
from seedream_nb.errors import (
    ConnectionFailedError,
    OutcomeUnknownError,
    SeedreamError,
    StillGeneratingError,
    StoppedError,
)
from seedream_nb.jobs import messages
from seedream_nb.pickling import NotPicklable
from seedream_nb.service import is_free

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from pathlib import Path

    from seedream_nb.background import Background
    from seedream_nb.http.client import RetryDelay
    from seedream_nb.request import ImageRequest
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.picture import Picture

__all__ = ["PHASES", "POLL_SECONDS", "Job"]


def withdrawn(job: Job) -> StoppedError:
    """Return the error for a request that was not sent, or that the service had refused each time."""
    refused = job.first_sent is not None
    return StoppedError(messages.REFUSED if refused else messages.WITHDRAWN.format(phase=job.phase))


def stopped(job: Job) -> StoppedError | None:
    """Return what `result()` raises since somebody stopped the job, whether its work goes on or not; else None."""
    ending = job._future  # noqa: SLF001 - of this room
    error = ending.exception() if ending.done() else None
    return error if isinstance(error, StoppedError) else None


def going_on(job: Job) -> StoppedError:
    """Return the error for a request that was sent: the work goes on."""
    text = _said(job, messages.GOING_ON if job.expected is None else messages.FETCHING)
    return StoppedError(f"{text.format(phase=job.phase)}\n{_where(job)}", hint=messages.SEE_HISTORY)


def busy(job: Job) -> StoppedError:
    """Return the error for a request of which nobody could say in time whether it was sent."""
    return StoppedError(
        f"{_said(job, messages.BUSY).format(phase=job.phase)}\n{_where(job)}", hint=messages.SEE_HISTORY
    )


def too_late(job: Job, seconds: float | None) -> StillGeneratingError:
    """Return the error for a request that was waited for as long as was asked: the work goes on."""
    text = _said(job, messages.TOO_LATE if job.expected is None else messages.STILL_FETCHING)
    told = f"{text}\n{_where(job)}" if job.committed else messages.UNSENT
    return StillGeneratingError(told.format(seconds=seconds, phase=job.phase), hint=messages.SEE_HISTORY)


def never_sent(job: Job) -> ConnectionFailedError:
    """Return the error for a request that waited for others as long as its timeout allows: it is withdrawn."""
    still = f"{job.wait[:1].lower()}{job.wait[1:].rstrip('…')}" if job.wait else job.phase
    return ConnectionFailedError(messages.NEVER_SENT.format(seconds=job.timeout, still=still), hint=job.remedy)


def ended_from_outside(job: Job) -> SeedreamError:
    """Return the error for work that was ended by something else than its own end or a stop."""
    if not job.committed:
        return SeedreamError(messages.LOST_UNSENT.format(phase=job.phase))
    return OutcomeUnknownError(_said(job, messages.LOST).format(phase=job.phase), hint=messages.RECOVER)


def status_of(error: SeedreamError | None) -> str:
    """Return the status of work that an error ended."""
    if isinstance(error, StoppedError):
        return "stopped"
    return "unknown" if isinstance(error, OutcomeUnknownError) else "failed"


def _where(job: Job) -> str:
    return messages.APPEARS_BELOW if job.followed else messages.IN_THE_HISTORY


def _said(job: Job, text: str) -> str:
    """Return a text as it is true of where the request went: the sandbox bills nothing."""
    return messages.IN_THE_SANDBOX.get(text, text) if job.is_free else text


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


PHASES = ("preparing", "waiting", "uploading", "generating", "downloading")
POLL_SECONDS = 0.1
"""How often a waiting thread looks up: it must notice an interrupt, on Windows too."""


class Job(NotPicklable):
    """One request while it is fulfilled. Ask `status`, wait with `result()` or `await`, stop with `cancel()`."""

    instead = "It goes on in its own process: send what job.result() gives."

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
        self.wait: str | None = None
        self.first_sent: float | None = None
        self.queued: float | None = None
        self.remedy: str | None = None
        self.generation: Generation | None = None
        self.error: SeedreamError | None = None
        self.followed = False
        self.version = 0
        self._changed = threading.Condition()
        self.committed = False
        self._future: concurrent.futures.Future[Generation] = concurrent.futures.Future()
        self._future.set_running_or_notify_cancel()
        self._work_over = threading.Event()
        self._background: Background | None = None
        self._task: asyncio.Task[Any] | None = None
        self._out_of_time: SeedreamError | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    # -- what a user asks --------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The phase while it runs; then `done`, `partial`, `failed`, `stopped` or `unknown`."""
        return self.phase

    @property
    def over(self) -> bool:
        """Whether the work has ended, however it ended."""
        return self._work_over.is_set()

    @property
    def mark(self) -> str:
        """How the history will call it, `@3`; in words as long as it has no number."""
        return "another request" if self.id is None else f"@{self.id}"

    @property
    def is_free(self) -> bool:
        """Whether an imitation makes its pictures, which charges nothing."""
        return is_free(self.backend)

    def asks_the_same(self, other: Job) -> bool:
        """Return whether another job asks the same service for exactly the same."""
        return self.asks == other.asks

    @property
    def asks(self) -> str:
        """What it asks for, and where: the same text for the same."""
        return f"{self.request.fingerprint} {self.backend} {self.host}"

    def result(self, timeout: float | None = None) -> Generation:
        """Wait for the generation and return it.

        Args:
            timeout: seconds from now; without it, the job's own (see `overdue`).

        Raises:
            StillGeneratingError: the timeout passed, or another process works on it; the work goes on.
            ConnectionFailedError: its own timeout passed while it waited for others: it was withdrawn, not sent.
            StoppedError: it was stopped, by `cancel()` or by interrupting this wait.
            SeedreamError: it failed; the class says how.
        """
        try:
            self._refuse_in_fork()
            if threading.current_thread() is self._thread and not self._future.done():
                raise SeedreamError(messages.OWN_THREAD, hint=messages.SEE_HISTORY)
            limit = None if timeout is None else time.monotonic() + timeout
            while not self._future.done():
                self._notice_death()
                if limit is not None and time.monotonic() >= limit:
                    raise too_late(self, timeout)
                if limit is None and self.overdue:
                    self._run_out_of_time()
                self._pause(limit)
        except StoppedError:
            raise
        except KeyboardInterrupt:
            try:
                self.cancel()
            except KeyboardInterrupt:  # another one: who waits is let go, and is told what is true in any case
                self._let_go()
        return self._future.result()

    @property
    def overdue(self) -> bool:
        """Whether the job's own timeout has passed since its last byte was sent for the first time.

        Before that, whether it has passed since something moved among the others that it waits for. What the service
        refuses for now is sent again within that same time: nobody waits longer for that.
        """
        since = self.queued if self.first_sent is None else self.first_sent
        return since is not None and not self.over and time.monotonic() - since >= self.timeout

    def cancel(self) -> None:
        """Stop: withdraw the request if it was not sent; else let the work go on, and say so.

        Afterwards `result()` raises StoppedError, which says which it was. A job that has ended stays as it is.

        Raises:
            StillGeneratingError: another process works on it: this one is a fork of that.
        """
        self._refuse_in_fork()
        if self._background is None:  # interrupted before it began
            return self.finish(None, withdrawn(self))
        try:
            self._background.call(self._stop, seconds=ANSWER_SECONDS)
        except TimeoutError:  # the loop is busy: who waits is let go now, and the loop does the rest when it can
            self._let_go()

    def __await__(self) -> Generator[Any, None, Generation]:
        """Wait for the generation on any event loop; raises as `result()` does.

        Raises:
            SeedreamError: in place of StoppedError, which as a KeyboardInterrupt would end the loop, and the kernel
                with it.
        """
        self._refuse_in_fork()
        return awaited(self._future, self._notice_death).__await__()

    def __repr__(self) -> str:
        """Read as one short line."""
        mark = "" if self.id is None else f" @{self.id}"
        return f"<Job{mark}: {self.status}>"

    # -- what the work tells -----------------------------------------------------------------------

    def start(self, background: Background, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin, on the background loop, the work that is made there."""
        self._background = background
        background.start(lambda: self._run(work))
        self._thread = background.thread

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
        self.committed, now = True, time.monotonic()
        self.first_sent = now if self.first_sent is None else self.first_sent
        self.update(phase="generating", sent=now)

    def queue(self, told: str | None, *, remedy: str = messages.ONCE_THERE) -> None:
        """Show for whom it waits before it is sent; None: for nobody any more. Each change begins its timeout anew.

        The `remedy` is for who has waited in vain.
        """
        self.remedy = remedy
        if told is None:
            self.queued = None
            self.update(wait=None)
        elif told != self.wait or self.queued is None:
            self.queued = time.monotonic()
            self.update(phase="waiting", wait=told)

    def hold(self, pause: RetryDelay | None) -> None:
        """Show that it waits before another try to connect; None: that it goes on."""
        self.update(phase="waiting" if pause else "uploading", wait=str(pause) if pause else None)

    def put_off(self, seconds: float, told: str) -> bool:
        """Take `commit` back, for the service refused the request for now: nothing was billed.

        Args:
            seconds: how long to wait before it is sent again.
            told: what to show meanwhile.

        Returns:
            Whether to wait and send it again: not once it was stopped, nor past its timeout since it was first sent.
        """
        self.committed, now = False, time.monotonic()
        if self._future.done() or now + seconds - (self.first_sent or now) >= self.timeout:
            return False
        self.update(phase="waiting", wait=told, sent=None)
        return True

    def finish(self, generation: Generation | None, error: SeedreamError | None = None) -> None:
        """End the work with what was made, what went wrong, or both."""
        if generation is not None:
            self.generation = generation
        self.error = error
        # First, for who waits for the result may ask for the status at once.
        phase = status_of(error) if generation is None or generation.status in PHASES else generation.status
        self._work_over.set()
        self.update(phase=phase)
        with contextlib.suppress(concurrent.futures.InvalidStateError):  # who waited was let go: see `cancel`
            if error is not None:
                self._future.set_exception(error)
            elif generation is not None:
                self._future.set_result(generation)

    def wait_over(self, seconds: float) -> None:
        """Return when the work has ended, or after some seconds."""
        self._notice_death()
        self._work_over.wait(seconds)

    def when_over(self, function: Callable[[], None]) -> None:
        """Call `function`, on another thread, when the work has ended."""

        def wait() -> None:
            while not self.over:
                self.wait_over(LOOK_SECONDS)
            function()

        threading.Thread(target=wait, name="seedream end", daemon=True).start()

    def wait_for_change(self, seen: int, seconds: float) -> int:
        """Return the version as soon as it is not `seen` any more, or after some seconds."""
        self._notice_death()
        with self._changed:
            self._changed.wait_for(lambda: self.version != seen, timeout=seconds)
            return self.version

    # -- within ------------------------------------------------------------------------------------

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = asyncio.create_task(work())
        if self._future.done():  # stopped before the loop came to it
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            error = self._out_of_time or withdrawn(self)
            self.finish(self.generation, ended_from_outside(self) if self.committed else error)
        except SeedreamError as error:
            self.finish(self.generation, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the wait too, and be told
            told = f"seedream_nb failed in itself: {type(error).__name__}: {error}"
            self.finish(self.generation, SeedreamError(told, hint="Please report this. " + messages.SEE_HISTORY))
        return_memory_soon()

    def _refuse_in_fork(self) -> None:
        """Wait for nothing that goes on in another process; before any lock, for a thread there may hold it."""
        if os.getpid() != self._process and not self.over:
            raise StillGeneratingError(messages.FORKED, hint=messages.SEE_HISTORY)

    def _notice_death(self) -> None:
        """End a job whose loop has died with its thread: nobody else would."""
        if self._thread is not None and not self._thread.is_alive() and not self.over:
            self.finish(self.generation, ended_from_outside(self))

    def _stop(self) -> None:
        if self._future.done():
            return
        self._future.set_exception(going_on(self) if self.committed else withdrawn(self))
        if self._task is None:
            asyncio.get_running_loop().call_soon(self._end_unbegun)
        elif not self.committed:
            self._task.cancel()

    def _let_go(self) -> None:
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self._future.set_exception(busy(self))

    def _run_out_of_time(self) -> None:
        """End a wait that took as long as the job's own timeout; what was not sent by then is withdrawn."""
        if self.first_sent is not None or self._background is None:
            raise too_late(self, self.timeout)
        with contextlib.suppress(TimeoutError):  # the loop is busy: who waits tries again
            self._background.call(self._withdraw, seconds=ANSWER_SECONDS)

    def _withdraw(self) -> None:
        if self.overdue and self.first_sent is None and not self._future.done() and self._task is not None:
            self._out_of_time = never_sent(self)
            self._future.set_exception(self._out_of_time)
            self._task.cancel()

    def _end_unbegun(self) -> None:
        """End a job whose work was never handed to the loop: what was handed over before is a task by now."""
        if self._task is None and not self.over:
            self.finish(None, withdrawn(self))

    def _pause(self, limit: float | None) -> None:
        left = POLL_SECONDS if limit is None else min(POLL_SECONDS, max(0.0, limit - time.monotonic()))
        concurrent.futures.wait([self._future], timeout=left)
