"""`once`: what was made before is shown again, and what is being made, here or in another kernel, is waited for."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from seedream_nb.errors import OutcomeUnknownError, money
from seedream_nb.jobs import messages
from seedream_nb.jobs.downloads import recover
from seedream_nb.jobs.entries import in_thread
from seedream_nb.jobs.job import PHASES, Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from seedream_nb.jobs.entries import PipelineContext
    from seedream_nb.storage.generation import Generation

NO_CLAIMS = "This disk has no locks, so another kernel that makes the same request at the same time pays for it too."
SEE_USAGE = "your account's usage page at the service shows it."
AGAIN = "To try again, run it again."
CLAIM_SECONDS = 0.1
"""How often to check whether another kernel has finished the same request, with a claim or without."""


@asynccontextmanager
async def exclusive(job: Job, context: PipelineContext, others: Sequence[Job]) -> AsyncIterator[None]:
    """Wait until nobody else makes the same request, in this kernel or another with this home; then hold the claim."""
    waited = False
    for other in others:
        if other.is_same_request(job):
            job.queue(f"Waiting for {other.mark}, which makes the same request…")
            await wait_for_end(other)
            job.queue(None)
            waited = True
    claim = context.claim(job.request_key)
    try:
        while (taken := await in_thread(claim.take)) is False:
            whose = f" (process {number})" if (number := await in_thread(claim.holder)) else ""
            job.queue(f"Waiting for another kernel{whose}, which makes the same request…")
            await asyncio.sleep(CLAIM_SECONDS)
            waited = True
        # Whoever asked without `once` has no claim. Without locks nobody knows whether such a kernel still lives.
        while taken and (mark := await in_thread(lambda: under_way_elsewhere(job, context))):
            job.queue(f"Waiting for {mark}: another kernel makes the same request…")
            await asyncio.sleep(CLAIM_SECONDS)
            waited = True
        job.queue(None)
        if waited:
            await in_thread(lambda: refuse_after_unknown(job, context))
        if taken is None:
            job.notices += (NO_CLAIMS,)
        yield
    finally:
        claim.release()


def under_way_elsewhere(job: Job, context: PipelineContext) -> str | None:
    """Return the mark of the same request that another living kernel has under way; None if none has."""
    last = last_same(job, context)
    return last.mark if last is not None and last.status in PHASES else None


def refuse_after_unknown(job: Job, context: PipelineContext) -> None:
    """Refuse to send a request after waiting for the same one, if that may have been billed already.

    Somebody who did not wait has seen how the other one ended, and may send it again.

    Raises:
        OutcomeUnknownError: nobody knows how the last request of this kind ended.
    """
    last = last_same(job, context)
    if last is not None and last.status == "unknown":
        message = f"@{last.id} made the same request, and its outcome is unknown. This one was not sent."
        raise OutcomeUnknownError(message, hint=f"@{last.id} may have been billed: {SEE_USAGE} {AGAIN}")


def earlier_payment(job: Job, context: PipelineContext) -> tuple[str, ...]:
    """Return a notice if the last same request that may have cost anything is not complete here.

    One that failed or was stopped since, at no cost, says nothing about that.
    """
    last = context.history.last_paid(job.request.fingerprint, job.backend, job.host)
    if last is not None and last.status == "unknown":
        return (f"@{last.id} made the same request and may have been billed too: {SEE_USAGE}",)
    if last is not None and last.deleted:
        cost = f" ({money(last.cost)})" if last.cost else ""
        back = f" %seedream restore @{last.id} brings it back." if last.id in context.history.deleted().ids else ""
        return (f"@{last.id} made the same request and was deleted{cost}: this is a new one.{back}",)
    if last is not None and last.cost:
        cost = f"{'at least ' if last.error else ''}{money(last.cost)}"
        return (f"@{last.id} {came_of(last)} and was billed ({cost}): this was bought again.",)
    mixed = context.history.mixed(job.request.fingerprint)
    return (f"@{mixed[-1]} holds the pictures of this and of another request: this was bought again.",) if mixed else ()


def came_of(last: Generation) -> str:
    """Return in a few words what is here of an earlier result that is not complete."""
    if last.status == "done":
        return "has files that are gone or were changed,"
    most = max(len(last.links), last.request.max_pictures)
    more = f" (%seedream recover may bring {len(last.missing)} more)" if last.missing else ""
    return f"got {len(last.links) - len(last.missing)} of {most} pictures{more}"


def last_same(job: Job, context: PipelineContext) -> Generation | None:
    """Return the last generation of the same request, however it ended."""
    return context.history.last_same(job.request.fingerprint, job.backend, job.host)


async def find_earlier_result(job: Job, context: PipelineContext, others: Sequence[Job]) -> Generation | None:
    """Return the complete result of exactly this request: from the history, from `others`, or from kept links."""
    # With a full disk, the journal does not have what has just come.
    new = next((other.generation for other in others if other.status == "done" and other.is_same_request(job)), None)
    key = job.request.fingerprint, job.backend, job.host
    made = await in_thread(lambda: context.history.same(*key)) or new
    if made is None and (lacking := await in_thread(lambda: context.history.to_complete(*key))):
        job.update(phase="downloading", expected=len(lacking.links))
        # It is paid for: what can still be downloaded is not bought again.
        await recover(lacking, context, service=job.host)
        made = await in_thread(lambda: context.history.same(*key))
        job.update(phase=PHASES[0], expected=None)
    if made is None:
        return None
    job.id = made.id
    # Only a note: a full disk must not keep anyone from a picture that exists.
    await in_thread(lambda: context.journal.note("once", made.id))
    return replace(made, warnings=[*made.warnings, messages.FROM_HISTORY])


async def wait_for_end(other: Job) -> None:
    """Return when another job has ended."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
            loop.call_soon_threadsafe(over.set)

    other.when_over(tell)
    await over.wait()
