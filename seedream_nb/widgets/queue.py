"""The queue: the jobs of a session as a person follows them, whichever door they came through."""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError, plain, plain_but_links
from seedream_nb.jobs.job import stopped
from seedream_nb.view import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.jobs.job import Job
    from seedream_nb.session import Session
    from seedream_nb.widgets.protocol import Answers, Message, Row

MAX_OVER = 20
"""Rows of what is over: of more failures than a person reads, the oldest go."""
_PROMPT_CHARACTERS = 300
GOING_ON = "It was already sent and can't be taken back, so it may be billed."
FETCHING = "The service has already answered, so it is paid for."
IN_THE_SANDBOX = "It was already sent and can't be taken back. The sandbox bills nothing."
COMES = "It continues, and its pictures will appear in the history here."


class QueueRows:
    """The jobs of a session with the numbers by which the page speaks of them. Thread-safe."""

    def __init__(self, session: Session, change: Callable[[], None] = lambda: None) -> None:
        """Follow the jobs of this session; `change` is called when something has changed."""
        self._session, self._change = session, change
        self._lock = threading.RLock()
        self._jobs: dict[int, Job] = {}
        self._numbers: weakref.WeakKeyDictionary[Job, int] = weakref.WeakKeyDictionary()
        self._dismissed: weakref.WeakSet[Job] = weakref.WeakSet()
        self._count = itertools.count(1)

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {"cancel": self._cancel, "again": self._again, "dismiss": self._dismiss}

    def jobs(self) -> list[tuple[int, Job]]:
        """Return the jobs with their numbers, oldest first."""
        with self._lock:
            for job in self._session.jobs:
                if job not in self._dismissed:
                    number = self._numbers.get(job) or self._numbers.setdefault(job, next(self._count))
                    self._jobs.setdefault(number, job)
            done = [number for number, job in self._jobs.items() if job.over and job.error is None]
            told = [number for number, job in self._jobs.items() if job.over and job.error is not None]
            for number in [*done, *told[:-MAX_OVER]]:
                self._dismissed.add(self._jobs.pop(number))
            return sorted(self._jobs.items())

    @property
    def are_moving(self) -> bool:
        """Whether any of them is still under way."""
        return any(not job.over for _, job in self.jobs())

    def shown(self) -> list[Row]:
        """Return the rows as the page shows them."""
        return [_row(number, job) for number, job in self.jobs()]

    def _job(self, number: int) -> Job:
        """Return a job by its number; raises SeedreamError."""
        found = dict(self.jobs()).get(number)
        if found is None:
            raise SeedreamError("That request has finished; its pictures are in the history.")
        return found

    def _take(self, number: int) -> Job:
        """Return a job and show it no more: who takes it, alone has it. Raises SeedreamError."""
        with self._lock:
            job = self._job(number)
            self._dismissed.add(self._jobs.pop(number))
            return job

    def _put_back(self, job: Job) -> None:
        """Show a job again that was taken."""
        with self._lock:
            self._dismissed.discard(job)
            self._jobs[self._numbers[job]] = job

    def _cancel(self, asked: Message) -> None:
        self._job(asked.number("number")).cancel()
        self._change()

    def _dismiss(self, asked: Message) -> None:
        self._take(asked.number("number"))
        self._change()

    def _again(self, asked: Message) -> None:
        """Send it again; the row is taken first, so that two who press at once have one request."""
        job = self._take(asked.number("number"))
        try:
            self._session.rerun(job.request, template=job.template)
        except BaseException:
            self._put_back(job)
            raise
        finally:
            self._change()


def _row(number: int, job: Job) -> Row:
    since = job.sent if job.sent is not None else job.started
    return {
        "number": number,
        "mark": "" if job.id is None else job.mark,
        "phase": job.phase,
        "told": progress(job),
        "prompt": plain(job.request.prompt, _PROMPT_CHARACTERS),
        "seconds": time.monotonic() - since,
        "over": job.over,
        "sent": job.committed,
        "free": job.is_free,
        "share": _share(job),
        "stopped": _stopped(job),
        "error": None if job.error is None else [plain_but_links(line) for line in job.error.lines()],
    }


def _stopped(job: Job) -> list[str] | None:
    """Return what to say of a job that somebody stopped and that goes on, for it was sent; else None."""
    told = stopped(job)
    if told is None or job.over:
        return None
    if not job.committed:
        return [plain(told.lines()[0])]
    if job.is_free:
        return [IN_THE_SANDBOX, COMES]
    return [FETCHING if job.expected is not None else GOING_ON, COMES]


def _share(job: Job) -> float | None:
    """Return how much of an upload or of the downloads is done; None while it can't be known."""
    if job.phase == "uploading" and job.upload_bytes:
        return job.uploaded_bytes / job.upload_bytes
    if job.phase == "downloading" and job.expected:
        return len(job.pictures) / job.expected
    return None
