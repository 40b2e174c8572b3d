"""What an interrupt means that strikes outside of the wait for a job: whether something was sent."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, TypeVar

from seedream_nb.errors import BEFORE_SENDING, StoppedError
from seedream_nb.jobs import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedream_nb.jobs.job import Job

Result = TypeVar("Result")

HAD_ENDED = "Stopped, but the request had ended already: its pictures are in the history."


def stoppable(ask: Callable[[], Result], jobs: Callable[[], Iterable[Job]]) -> Result:
    """Ask; an interrupt wherever it strikes, be it while something is imported, says what was sent.

    Args:
        ask: begins at most one job, and may wait for it.
        jobs: those of the session that are remembered.

    Raises:
        StoppedError: it was stopped; what was begun meanwhile says whether it may be billed.
    """
    before: list[Job] | None = None
    try:
        before = _own(jobs)
        return ask()
    except StoppedError:
        raise
    except KeyboardInterrupt:
        begun = [] if before is None else [job for job in _own(jobs) if job not in before]
        for job in begun:
            job.cancel()
            job.result()
            raise StoppedError(HAD_ENDED, hint=messages.SEE_HISTORY) from None
        raise StoppedError(BEFORE_SENDING) from None


def _own(jobs: Callable[[], Iterable[Job]]) -> list[Job]:
    """Return the jobs that this thread has begun."""
    return [job for job in jobs() if job.asker == get_ident()]
