"""The queue: the jobs of a session as a person follows them, whichever door they came through."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from typing import TYPE_CHECKING

from seedream_nb.errors import ContentRefusedError, SeedreamError, plain, plain_but_links
from seedream_nb.jobs.job import stopped
from seedream_nb.sizes import shape_of
from seedream_nb.view import progress
from seedream_nb.widgets.usual import LOOK_BACK, usual_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from seedream_nb.jobs.job import Job
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session
    from seedream_nb.widgets.protocol import Answers, Message, Row

MAX_RUNNING, MAX_OVER = 12, 20
"""Rows of what is under way, and of what is over: of more failures than a person reads, the oldest go."""
NO_SHAPE = (0, 0)
_PROMPT_CHARACTERS = 300
GOING_ON = "It was already sent and can't be taken back, so it may be billed."
FETCHING = "The service has already answered, so it is paid for."
IN_THE_SANDBOX = "It was already sent and can't be taken back. The sandbox bills nothing."
GONE = (
    "That request is not in the queue any more: it has finished, or was run again or dismissed, perhaps in another "
    "panel. Nothing was sent now."
)
COMES = "It continues, and its pictures will appear in the history here."


_dismissed: weakref.WeakKeyDictionary[Session, weakref.WeakSet[Job]] = weakref.WeakKeyDictionary()
"""What nobody wants to see any more, however often a panel is shown anew."""


_taking = threading.Lock()


class QueueRows:
    """The jobs of a session with the numbers by which the page speaks of them. Thread-safe."""

    def __init__(
        self,
        session: Session,
        change: Callable[[], None] = lambda: None,
        fill: Callable[[ImageRequest, str | None, Message], None] = lambda *_: None,
    ) -> None:
        """Follow the jobs of this session; `change` is called when something has changed, `fill` fills the form."""
        self._session, self._change, self._fill = session, change, fill
        self._lock = threading.RLock()
        self._jobs: dict[int, Job] = {}
        self._numbers: weakref.WeakKeyDictionary[Job, int] = weakref.WeakKeyDictionary()
        self._usual: weakref.WeakKeyDictionary[Job, float | None] = weakref.WeakKeyDictionary()
        self._dismissed = _dismissed.setdefault(session, weakref.WeakSet())
        self._count = itertools.count(1)

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {
            "cancel": self._cancel,
            "again": self._again,
            "amend": self._amend,
            "dismiss": self._dismiss,
            "dismiss_all": self._dismiss_all,
        }

    def jobs(self) -> list[tuple[int, Job]]:
        """Return the jobs with their numbers, oldest first."""
        with self._lock:
            for job in self._session.jobs:
                if job not in self._dismissed:
                    number = self._numbers.get(job) or self._numbers.setdefault(job, next(self._count))
                    self._jobs.setdefault(number, job)
            for number in [number for number, job in self._jobs.items() if job in self._dismissed]:
                del self._jobs[number]  # another panel of this session has done that
            done = [number for number, job in self._jobs.items() if job.over and job.error is None]
            came = {self._jobs[number].request.fingerprint for number in done}
            told = [number for number, job in self._jobs.items() if job.over and job.error is not None]
            mended = [number for number in told if self._jobs[number].request.fingerprint in came]
            for number in {*done, *mended, *told[:-MAX_OVER]}:
                self._dismissed.add(self._jobs.pop(number))
            return sorted(self._jobs.items())

    @property
    def are_moving(self) -> bool:
        """Whether any of them is still under way."""
        return any(not job.over for _, job in self.jobs())

    def shown(self) -> list[Row]:
        """Return the rows as the page shows them; of many under way those that were sent first, and the newest."""
        jobs = self.jobs()
        running = [number for number, job in jobs if not job.over]
        left_out = set(self._left_out(running, dict(jobs)))
        return [_row(number, job, self._usually(job)) for number, job in jobs if number not in left_out]

    @property
    def more(self) -> int:
        """How many are under way that `shown` leaves out: a batch has hundreds."""
        jobs = self.jobs()
        return len(self._left_out([number for number, job in jobs if not job.over], dict(jobs)))

    @staticmethod
    def _left_out(running: Sequence[int], jobs: Mapping[int, Job]) -> Sequence[int]:
        first = sorted(running[:-1], key=lambda number: (not jobs[number].committed, number))
        return first[MAX_RUNNING - 1 :]

    def _usually(self, job: Job) -> float | None:
        """Return the seconds that such a request takes, read once from the history; None while nobody knows."""
        if job.over:
            return None
        if job not in self._usual:
            self._usual[job] = None
            with contextlib.suppress(OSError, SeedreamError):  # it is only told where it is known
                newest = reversed(self._session.history[-LOOK_BACK:])
                self._usual[job] = usual_seconds(job.request, job.backend, newest)
        return self._usual[job]

    def _job(self, number: int) -> Job:
        """Return a job by its number; raises SeedreamError."""
        found = dict(self.jobs()).get(number)
        if found is None:
            raise SeedreamError(GONE)
        return found

    def _take(self, number: int) -> Job:
        """Return a job and show it no more: who takes it, of all panels, alone has it. Raises SeedreamError."""
        with self._lock, _taking:
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

    def _dismiss_all(self, _: Message) -> None:
        """Show none any more of what is over."""
        with self._lock:
            for number in [number for number, job in self.jobs() if job.over]:
                self._dismissed.add(self._jobs.pop(number))
        self._change()

    def _amend(self, asked: Message) -> None:
        """Fill the form with what was asked for; the row stays until that succeeds, or somebody dismisses it."""
        job = self._job(asked.number("number"))
        self._fill(job.request, job.template, asked)

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


def _row(number: int, job: Job, usual: float | None) -> Row:
    width, height = shape_of(job.request.size) or NO_SHAPE
    return {
        "number": number,
        "mark": "" if job.id is None else job.mark,
        "phase": job.phase,
        "told": progress(job),
        "prompt": plain(job.request.prompt, _PROMPT_CHARACTERS),
        "seconds": time.monotonic() - _since(job),
        "over": job.over,
        "sent": job.committed,
        "free": job.is_free,
        "share": _share(job),
        "stopped": _stopped(job),
        "error": None if job.error is None else [plain_but_links(line) for line in job.error.lines()],
        "refused": isinstance(job.error, ContentRefusedError),
        "width": width,
        "height": height,
        "pictures": job.request.max_pictures,
        "usual": usual,
    }


def _since(job: Job) -> float:
    """Return since when it does what it does: the time that it waited is not that of its work."""
    if job.phase == "waiting" and job.waits_since is not None:
        return job.waits_since
    return job.started + job.waited if job.sent is None else job.sent


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
