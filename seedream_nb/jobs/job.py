"""A job: a running request, its phases and pictures; waiting for it and stopping it."""

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
    INTERNAL,
    ConnectionFailedError,
    OutcomeUnknownError,
    SeedreamError,
    StillGeneratingError,
    StoppedError,
)
from seedream_nb.jobs import messages
from seedream_nb.jobs.waits import LOOK_SECONDS, loop_future, read_timeout
from seedream_nb.pickling import NotPicklable
from seedream_nb.service import is_free

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from pathlib import Path

    from seedream_nb.background import Background
    from seedream_nb.budget import Reservation
    from seedream_nb.http.client import RetryDelay
    from seedream_nb.request import ImageRequest
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.picture import Picture

__all__ = ["PHASES", "POLL_SECONDS", "Job"]


def withdrawn(job: Job) -> StoppedError:
    """Return the error for a request that was never sent, or refused each time."""
    refused = job.first_sent is not None
    return StoppedError(messages.REFUSED if refused else messages.WITHDRAWN.format(phase=job.phase))


def stopped(job: Job) -> StoppedError | None:
    """Return the error of `result()` if somebody stopped the job, whether its work goes on or not; else None."""
    error = job.exception() if job.done() else None
    return error if isinstance(error, StoppedError) else None


def still_running(job: Job) -> StoppedError:
    """Return the error for a request that was sent before it was stopped: the work goes on."""
    text = _for_backend(job, messages.GOING_ON if job.expected is None else messages.FETCHING)
    return StoppedError(f"{text.format(phase=job.phase)}\n{_next_words(job)}", hint=messages.SEE_HISTORY)


def undecided(job: Job) -> StoppedError:
    """Return the error when it can't be determined in time whether the request was sent."""
    return StoppedError(
        f"{_for_backend(job, messages.BUSY).format(phase=job.phase)}\n{_next_words(job)}", hint=messages.SEE_HISTORY
    )


def timed_out(job: Job, seconds: float | None) -> StillGeneratingError:
    """Return the error for a wait that timed out: the work goes on."""
    text = _for_backend(job, messages.TOO_LATE if job.expected is None else messages.STILL_FETCHING)
    message = f"{text}\n{_next_words(job)}" if job.committed else messages.UNSENT
    return StillGeneratingError(message.format(seconds=seconds, phase=job.phase), hint=messages.SEE_HISTORY)


def never_sent_in_time(job: Job) -> ConnectionFailedError:
    """Return the error for a request that waited for others until its timeout: it is withdrawn."""
    still = f"{job.wait[:1].lower()}{job.wait[1:].rstrip('…')}" if job.wait else job.phase
    return ConnectionFailedError(messages.NEVER_SENT.format(seconds=job.timeout, still=still), hint=job.remedy)


def killed(job: Job) -> SeedreamError:
    """Return the error for work that was ended by something other than itself or a stop."""
    if not job.committed:
        return SeedreamError(messages.LOST_UNSENT.format(phase=job.phase))
    return OutcomeUnknownError(_for_backend(job, messages.LOST).format(phase=job.phase), hint=messages.RECOVER)


def status_of(error: SeedreamError | None) -> str:
    """Return the status of work that ended with an error."""
    if isinstance(error, StoppedError):
        return "stopped"
    return "unknown" if isinstance(error, OutcomeUnknownError) else "failed"


def _next_words(job: Job) -> str:
    return messages.APPEARS_BELOW if job.followed else messages.IN_THE_HISTORY


def _for_backend(job: Job, text: str) -> str:
    """Return the text that is true of the job's backend: the sandbox bills nothing."""
    return messages.IN_THE_SANDBOX.get(text, text) if job.is_free else text


PHASES = ("preparing", "waiting", "uploading", "generating", "downloading")
POLL_SECONDS = 0.1
"""How often a waiting thread wakes, to notice an interrupt; Windows needs that."""


class Job(NotPicklable, concurrent.futures.Future["Generation"]):
    """One running request. Read `status`, wait with `result()` or `await`, stop it with `cancel()`.

    It is a future as `concurrent.futures.wait` and `as_completed` take them.
    """

    instead = "It goes on in its own process: send the result of job.result()."

    def __init__(  # noqa: PLR0913 - a request and how to run it
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
        super().__init__()
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
        self.waits_since: float | None = None
        self.waited = 0.0
        """The seconds that it waited for others before it was sent: no work of the service's, nor of ours."""
        self.generation: Generation | None = None
        self.error: SeedreamError | None = None
        self.followed = False
        self.reservation: Reservation | None = None
        """What is reserved for it already, if anything is; where it is not sent, that is released at its end."""
        self.on_place: Callable[[], None] | None = None
        """Called once, when it has its place among those in flight, or needs none any more."""
        self.given_up = False
        """Whether an `await` of it was cancelled, in the cell that runs."""
        self.version = 0
        self._changed = threading.Condition()
        self.committed = False
        self.set_running_or_notify_cancel()
        self._work_over = threading.Event()
        self._background: Background | None = None
        self._task: asyncio.Task[Any] | None = None
        self._ending: SeedreamError | None = None
        """What it ends with when it is withdrawn, if that is not a stop."""
        self._thread: threading.Thread | None = None
        self._process, self.asker = os.getpid(), threading.get_ident()

    # -- for users ---------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The phase while it runs; then `done`, `partial`, `failed`, `stopped` or `unknown`."""
        return self.phase

    @property
    def over(self) -> bool:
        """Whether the work has ended, however it ended."""
        return self._work_over.is_set()

    @property
    def has_begun(self) -> bool:
        """Whether its work was handed to the loop."""
        return self._background is not None

    @property
    def mark(self) -> str:
        """Its mark in the history, `@3`; words as long as it has no number."""
        return "another request" if self.id is None else f"@{self.id}"

    @property
    def is_free(self) -> bool:
        """Whether its backend charges nothing."""
        return is_free(self.backend)

    def is_same_request(self, other: Job) -> bool:
        """Return whether another job sends exactly the same request to the same service."""
        return self.request_key == other.request_key

    @property
    def request_key(self) -> str:
        """A key for its request and service: equal for equal requests."""
        return f"{self.request.fingerprint} {self.backend} {self.host}"

    def result(self, timeout: float | None = None) -> Generation:
        """Wait for the generation and return it.

        Args:
            timeout: seconds from now, 0 or more; by default the job's own (see `overdue`).

        Raises:
            StillGeneratingError: the timeout passed, or another process runs the job; the work goes on.
            ConnectionFailedError: its own timeout passed while it waited for others: it was withdrawn, not sent.
            StoppedError: it was stopped, by `cancel()` or by interrupting this call.
            SeedreamError: it failed; the class says how.
        """
        try:
            self.refuse_in_fork()
            timeout = read_timeout(timeout)
            if threading.current_thread() is self._thread and not self.done():
                raise SeedreamError(messages.OWN_THREAD, hint=messages.SEE_HISTORY)
            limit = None if timeout is None else time.monotonic() + timeout
            while not self.done():
                self._finish_if_dead()
                if limit is not None and time.monotonic() >= limit:
                    raise timed_out(self, timeout)
                if limit is None and self.overdue:
                    self.time_out()
                self._wait(limit)
        except StoppedError:
            raise
        except KeyboardInterrupt:
            try:
                self.cancel()
            except KeyboardInterrupt:  # a second one: return at once, with a message that is true in any case
                self._release()
        return super().result()

    @property
    def overdue(self) -> bool:
        """Whether the job's own timeout has passed since its last byte was first sent.

        Before that: since there was progress among the jobs that it waits for. What the service refuses for now is
        sent again within that same time, so nobody waits longer for it.
        """
        since = self.queued if self.first_sent is None else self.first_sent
        return since is not None and not self.over and time.monotonic() - since >= self.timeout

    def cancel(self) -> bool:
        """Stop: withdraw the request if it was not sent; otherwise the work goes on.

        Afterwards `result()` raises StoppedError, which says which. A job that has ended stays as it is.

        Returns:
            Whether it was withdrawn.

        Raises:
            StillGeneratingError: this process was forked from the one that runs the job.
        """
        self.refuse_in_fork()
        if self._background is None:  # interrupted before it started
            if not self.over:
                self.finish(None, withdrawn(self))
            return not self.committed
        try:
            return self._background.call(self._stop, seconds=ANSWER_SECONDS)
        except TimeoutError:  # the loop is busy: return now, and the loop does the rest when it can
            self._release()
            return False

    def __await__(self) -> Generator[Any, None, Generation]:
        """Wait for the generation on any event loop; raises as `result()` does.

        Whoever cancels that has not stopped the job: it may be a timeout. If a cell that awaits it is interrupted,
        it is withdrawn if it was not sent.

        Raises:
            SeedreamError: instead of StoppedError, which is a KeyboardInterrupt and would end the loop, and with it
                the kernel.
        """
        self.refuse_in_fork()
        self.given_up = False
        return loop_future(self, self._finish_if_dead, self._note_given_up).__await__()

    def __repr__(self) -> str:
        """Show as one short line."""
        mark = "" if self.id is None else f" @{self.id}"
        return f"<Job{mark}: {self.status}>"

    # -- for the pipeline --------------------------------------------------------------------------

    def start(self, background: Background, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start the work on the background loop; `work` creates it there."""
        self._background, self.started = background, time.monotonic()
        background.start(lambda: self._run(work))
        self._thread = background.thread

    def update(self, **changes: object) -> None:
        """Set attributes and wake whoever watches the job."""
        with self._changed:
            for name, value in changes.items():
                setattr(self, name, value)
            self.version += 1
            self._changed.notify_all()

    def land(self, generation: Generation | None, mark: str) -> None:
        """Show a picture that is complete on disk and has its preview."""
        if generation is not None:
            shown = {mark, *(picture.mark for picture in self.pictures)}
            pictures = [picture for picture in generation.images if picture.mark in shown]
            self.update(generation=generation, pictures=pictures)

    def commit(self) -> None:
        """Note that the last bytes are being sent: from here on the request may be billed and can't be withdrawn."""
        self.committed, now = True, time.monotonic()
        self.first_sent = now if self.first_sent is None else self.first_sent
        self._end_wait()
        self.update(phase="generating", sent=now)

    def queue(self, message: str | None, *, remedy: str = messages.ONCE_THERE) -> None:
        """Show what it waits for before it is sent; None: nothing any more. Each change restarts its timeout.

        `remedy` is shown if it waited in vain.
        """
        self.remedy = remedy
        if message is None:
            self.queued = None
            self._end_wait()
            self.update(wait=None)
        elif message != self.wait or self.queued is None:
            self.queued = time.monotonic()
            self._begin_wait()
            self.update(phase="waiting", wait=message)

    def _begin_wait(self) -> None:
        self.waits_since = time.monotonic() if self.waits_since is None else self.waits_since

    def _end_wait(self) -> None:
        """Add to the seconds that it waited; whatever it does now counts as work again."""
        if self.waits_since is not None:
            self.waited, self.waits_since = self.waited + time.monotonic() - self.waits_since, None

    def hold(self, pause: RetryDelay | None) -> None:
        """Show that it waits before the next attempt to connect; None: that it goes on."""
        self.update(phase="waiting" if pause else "uploading", wait=str(pause) if pause else None)

    def defer(self, seconds: float, message: str) -> bool:
        """Undo `commit`: the service refused the request for now, so nothing was billed.

        Args:
            seconds: how long to wait before sending it again.
            message: what to show meanwhile.

        Returns:
            Whether to wait and send it again: not if it was stopped, nor past its timeout since it was first sent.
        """
        self.committed, now = False, time.monotonic()
        if self.done() or now + seconds - (self.first_sent or now) >= self.timeout:
            return False
        self._begin_wait()
        self.update(phase="waiting", wait=message, sent=None)
        return True

    def placed(self) -> None:
        """Note that it has its place among those in flight, or needs none any more: the next one may begin."""
        on_place, self.on_place = self.on_place, None
        if on_place is not None:
            on_place()

    def withdraw(self, error: SeedreamError) -> None:
        """End it with this error if it was not sent; call this on its loop. What was sent goes on."""
        if self.committed or self.done():
            return
        self._ending = error
        self.set_exception(error)
        if self._task is not None:
            self._task.cancel()
        elif self._background is None:
            self.finish(None, error)
        else:
            asyncio.get_running_loop().call_soon(self._finish_unstarted)

    def finish(self, generation: Generation | None, error: SeedreamError | None = None) -> None:
        """End the job with its generation, an error, or both."""
        if self.reservation is not None and not self.committed:
            self.reservation.release()
        if generation is not None:
            self.generation = generation
        self.error = error
        # Before the future is set: whoever waits for the result may read the status at once.
        phase = status_of(error) if generation is None or generation.status in PHASES else generation.status
        self._work_over.set()
        self.update(phase=phase)
        self.placed()
        with contextlib.suppress(concurrent.futures.InvalidStateError):  # the waiting call has returned: see `cancel`
            if error is not None:
                self.set_exception(error)
            elif generation is not None:
                self.set_result(generation)

    def wait_over(self, seconds: float) -> None:
        """Return when the work has ended, or after this many seconds."""
        self._finish_if_dead()
        self._work_over.wait(seconds)

    def when_over(self, function: Callable[[], None]) -> None:
        """Call `function` on another thread when the work has ended."""

        def wait() -> None:
            while not self.over:
                self.wait_over(LOOK_SECONDS)
            function()

        threading.Thread(target=wait, name="seedream end", daemon=True).start()

    def wait_for_change(self, version: int, seconds: float) -> int:
        """Return the version as soon as it is no longer `version`, or after this many seconds."""
        self._finish_if_dead()
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, timeout=seconds)
            return self.version

    # -- internal ----------------------------------------------------------------------------------

    def _note_given_up(self) -> None:
        self.given_up = True

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = asyncio.create_task(work())
        if self.done():  # stopped before the loop got to it
            self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            error = self._ending or withdrawn(self)
            self.finish(self.generation, killed(self) if self.committed else error)
        except SeedreamError as error:
            self.finish(self.generation, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end the wait too, and be told
            told = f"{INTERNAL}: {type(error).__name__}: {error}"
            self.finish(self.generation, SeedreamError(told, hint="Please report this. " + messages.SEE_HISTORY))
        return_memory_soon()

    def refuse_in_fork(self) -> None:
        """Never wait for another process; checked before any lock, which one of its threads may hold."""
        if os.getpid() != self._process and not self.over:
            raise StillGeneratingError(messages.FORKED, hint=messages.SEE_HISTORY)

    def _finish_if_dead(self) -> None:
        """End a job whose loop died with its thread: nobody else would."""
        if self._thread is not None and not self._thread.is_alive() and not self.over:
            self.finish(self.generation, killed(self))

    def _stop(self) -> bool:
        """End the wait, and the work if it was not sent; return whether it was not."""
        if self.done():
            return False
        self.set_exception(still_running(self) if self.committed else withdrawn(self))
        if self._task is None:
            asyncio.get_running_loop().call_soon(self._finish_unstarted)
        elif not self.committed:
            self._task.cancel()
        return not self.committed

    def _release(self) -> None:
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.set_exception(undecided(self))

    def time_out(self) -> None:
        """End a wait that reached the job's own timeout; a request not sent by then is withdrawn."""
        if self.first_sent is not None or self._background is None:
            raise timed_out(self, self.timeout)
        with contextlib.suppress(TimeoutError):  # the loop is busy: the wait tries again
            self._background.call(self._withdraw, seconds=ANSWER_SECONDS)

    def _withdraw(self) -> None:
        if self.overdue and self.first_sent is None and not self.done() and self._task is not None:
            self._ending = never_sent_in_time(self)
            self.set_exception(self._ending)
            self._task.cancel()

    def _finish_unstarted(self) -> None:
        """End a job whose work never reached the loop; work that did is a task by now."""
        if self._task is None and not self.over:
            self.finish(None, self._ending or withdrawn(self))

    def _wait(self, limit: float | None) -> None:
        left = POLL_SECONDS if limit is None else min(POLL_SECONDS, max(0.0, limit - time.monotonic()))
        concurrent.futures.wait([self], timeout=left)
