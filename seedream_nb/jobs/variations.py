"""Requests of exactly the same within a batch: what is there of them counts, only the rest is bought.

The same rules hold twice: for the plan that is shown before anything is sent, and once more for each request just
before it is sent, while no other kernel can send the same.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from seedream_nb.errors import OutcomeUnknownError, SeedreamError
from seedream_nb.files import is_regular_file
from seedream_nb.jobs import messages
from seedream_nb.jobs.downloads import recover
from seedream_nb.jobs.entries import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from seedream_nb.jobs.entries import PipelineContext
    from seedream_nb.jobs.job import Job
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.journal import Claim

Standing: TypeAlias = Literal["here", "under way", "incomplete", "in doubt", "nothing"]

LOOK_SECONDS = 0.25
"""How often to look for the end of what another kernel makes."""
ORDER: tuple[Standing, ...] = ("here", "under way", "incomplete", "in doubt")
"""Which of several earlier requests stands for a new one, the best first."""


def standing(generation: Generation) -> Standing:
    """Return what an earlier request of the same means for one that is asked for now.

    It is `incomplete` if it was billed and lacks pictures that may still be fetched, and `in doubt` if it may have been
    billed and nothing can be fetched. Deleting a picture means that another one is wanted.
    """
    if generation.status in {"generating", "downloading"}:
        return "under way"
    if generation.deleted and generation.links:
        return "nothing"
    if generation.missing and generation.links:
        return "incomplete"
    if generation.images:
        is_whole = generation.status == "done" or len(generation.links) <= len(generation.images)
        return "here" if is_whole and _are_there(generation) else "nothing"
    return "in doubt" if generation.status == "unknown" else "nothing"


def _are_there(generation: Generation) -> bool:
    try:
        return all(
            picture.path.stat().st_size == picture.size_bytes and is_regular_file(picture.path)
            for picture in generation
        )
    except (OSError, ValueError):
        return False


def best_first(
    generations: Iterable[Generation], *, retries_unknown: bool = False
) -> list[tuple[Standing, Generation]]:
    """Return those that stand for a new request, each with how, the best first, of equal ones the newest.

    With `retries_unknown` one that may have been billed stands for none.
    """
    wanted = [how for how in ORDER if not retries_unknown or how != "in doubt"]
    standings = [(standing(generation), generation) for generation in generations]
    standings = [pair for pair in standings if pair[0] in wanted]
    return sorted(standings, key=lambda pair: (ORDER.index(pair[0]), -pair[1].id))


def in_doubt(generation: Generation) -> OutcomeUnknownError:
    """Return the error for a request that is left out because it may have been billed before."""
    billed = "was billed and lacks its pictures" if generation.cost else "may have been billed"
    return OutcomeUnknownError(
        f"{generation.mark} made the same request and {billed}: this one was left out.",
        hint="To send it again all the same: --retry-unknown (in Python retry_unknown=True)",
    )


async def _again(generation: Generation, context: PipelineContext) -> Generation:
    """Return a generation as the history has it now."""
    return await in_thread(lambda: context.history[generation.id])


class Variations:
    """The requests of a batch that are exactly the same, one or several; used on the loop only."""

    def __init__(self, *, retries_unknown: bool, counted: Iterable[int] = ()) -> None:
        """Have no jobs yet; the generations with these ids stand for others of them already."""
        self.jobs: list[Job] = []
        self._assigned: dict[Job, int] = {}
        self._retries_unknown, self._counted = retries_unknown, set(counted)
        self._inside = 0
        self._claim: Claim | None = None
        self._gate, self._looking = asyncio.Lock(), asyncio.Lock()

    def add(self, job: Job, generation: Generation | None = None) -> None:
        """Add a job: one that may buy, or one that waits for what comes of an earlier generation and buys nothing."""
        self.jobs.append(job)
        if generation is not None:
            self._assigned[job] = generation.id
            self._counted.add(generation.id)

    @asynccontextmanager
    async def exclusive(self, job: Job, context: PipelineContext) -> AsyncIterator[None]:
        """Hold, together with the others that are inside, the claim for this request: no other kernel sends it."""
        async with self._gate:
            if not self._inside:
                await self._take(job, context)
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside and self._claim is not None:
                self._claim.release()
                self._claim = None

    async def _take(self, job: Job, context: PipelineContext) -> None:
        claim = context.claim(job.request_key)
        try:
            while await in_thread(claim.take) is False:
                holder = await in_thread(claim.holder)
                whose = "another request here" if holder == str(os.getpid()) else f"another kernel (process {holder})"
                job.queue(f"Waiting for {whose}, which makes the same…")
                await asyncio.sleep(LOOK_SECONDS)
        except BaseException:
            claim.release()
            raise
        job.queue(None)
        self._claim = claim

    async def find(self, job: Job, context: PipelineContext) -> Generation | None:
        """Return what is there of this request, once it is complete; None if it is to be bought.

        Raises:
            OutcomeUnknownError: it may have been billed before, and is left out.
            SeedreamError: what was under way for it came to nothing.
        """
        async with self._looking:
            found = await in_thread(lambda: self._look(job, context))
            if found is None:
                return None
            self._counted.add(found[1].id)
        made = await self._completed(*found, job, context)
        if made is None and job in self._assigned:
            raise in_doubt(found[1])
        job.id = None if made is None else made.id
        return made

    async def _completed(
        self, how: Standing, generation: Generation, job: Job, context: PipelineContext
    ) -> Generation | None:
        job.update(generation=generation)  # not its id: then it would seem to run here
        if how == "under way":
            generation = await self._end_of(generation, job, context)
        if standing(generation) == "incomplete":
            job.update(phase="downloading", expected=len(generation.links))
            await recover(generation, context, service=job.host)
            generation = await _again(generation, context)
            job.update(generation=generation)
        return self._complete(generation)

    def _look(self, job: Job, context: PipelineContext) -> tuple[Standing, Generation] | None:
        """Return the earlier request that stands for this one, if any does."""
        if job in self._assigned:
            generation = context.history[self._assigned[job]]
            return standing(generation), generation
        own = {other.id for other in self.jobs}
        same = context.history.all_same(job.request.fingerprint, job.backend, job.host)
        free = [generation for generation in same if generation.id not in self._counted | own]
        return next(iter(best_first(free, retries_unknown=self._retries_unknown)), None)

    async def _end_of(self, generation: Generation, job: Job, context: PipelineContext) -> Generation:
        """Return what another request has become when it has ended."""
        while standing(generation) == "under way":
            job.queue(f"Waiting for {generation.mark}, which makes the same…")
            await asyncio.sleep(LOOK_SECONDS)
            generation = await _again(generation, context)
        job.queue(None)
        job.update(generation=generation)
        return generation

    def _complete(self, generation: Generation) -> Generation | None:
        how = standing(generation)
        if how in {"incomplete", "in doubt"}:
            if self._retries_unknown:
                return None
            raise in_doubt(generation)
        if how != "here":
            told = f"{generation.mark}, which was under way for the same, came to nothing ({generation.status})."
            raise SeedreamError(told, hint=messages.LATER)
        return replace(generation, warnings=[*generation.warnings, messages.FROM_HISTORY])
