"""The errors for a request that was stopped, or that nobody waits for: each says what it means for the bill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import (
    ConnectionFailedError,
    OutcomeUnknownError,
    SeedreamError,
    StillGeneratingError,
    StoppedError,
)
from seedream_nb.job import words

if TYPE_CHECKING:
    from seedream_nb.job import Job


def withdrawn(job: Job) -> StoppedError:
    """Return the error for a request that was not sent, or that the service had refused each time."""
    refused = job.first_sent is not None
    return StoppedError(words.REFUSED if refused else words.WITHDRAWN.format(phase=job.phase))


def stopped(job: Job) -> StoppedError | None:
    """Return what `result()` raises since somebody stopped the job, whether its work goes on or not; else None."""
    ending = job._future  # noqa: SLF001 - of this room
    error = ending.exception() if ending.done() else None
    return error if isinstance(error, StoppedError) else None


def going_on(job: Job) -> StoppedError:
    """Return the error for a request that was sent: the work goes on."""
    text = _said(job, words.GOING_ON if job.expected is None else words.FETCHING)
    return StoppedError(f"{text.format(phase=job.phase)}\n{_where(job)}", hint=words.SEE_HISTORY)


def busy(job: Job) -> StoppedError:
    """Return the error for a request of which nobody could say in time whether it was sent."""
    return StoppedError(f"{_said(job, words.BUSY).format(phase=job.phase)}\n{_where(job)}", hint=words.SEE_HISTORY)


def too_late(job: Job, seconds: float | None) -> StillGeneratingError:
    """Return the error for a request that was waited for as long as was asked: the work goes on."""
    text = _said(job, words.TOO_LATE if job.expected is None else words.STILL_FETCHING)
    told = f"{text}\n{_where(job)}" if job.committed else words.UNSENT
    return StillGeneratingError(told.format(seconds=seconds, phase=job.phase), hint=words.SEE_HISTORY)


def never_sent(job: Job) -> ConnectionFailedError:
    """Return the error for a request that waited for others as long as its timeout allows: it is withdrawn."""
    still = f"{job.wait[:1].lower()}{job.wait[1:].rstrip('…')}" if job.wait else job.phase
    return ConnectionFailedError(words.NEVER_SENT.format(seconds=job.timeout, still=still), hint=job.remedy)


def ended_from_outside(job: Job) -> SeedreamError:
    """Return the error for work that was ended by something else than its own end or a stop."""
    if not job.committed:
        return SeedreamError(words.LOST_UNSENT.format(phase=job.phase))
    return OutcomeUnknownError(_said(job, words.LOST).format(phase=job.phase), hint=words.RECOVER)


def status_of(error: SeedreamError | None) -> str:
    """Return the status of work that an error ended."""
    if isinstance(error, StoppedError):
        return "stopped"
    return "unknown" if isinstance(error, OutcomeUnknownError) else "failed"


def _where(job: Job) -> str:
    return words.BELOW if job.followed else words.IN_THE_HISTORY


def _said(job: Job, text: str) -> str:
    """Return a text as it is true of where the request went: the sandbox bills nothing."""
    return words.IN_THE_SANDBOX.get(text, text) if job.is_free else text
