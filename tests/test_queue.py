"""The jobs of a session: which are under way, and how many may be at once.

What becomes of them at the process's end is told by real processes: `test_script.py`, `test_background_hosts.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from seedream_nb.errors import SeedreamError
from seedream_nb.jobs.job import Job
from seedream_nb.jobs.queue import JobQueue
from seedream_nb.request import make_request

HOME = Path("/pictures")


def added(jobs: JobQueue, home: Path = HOME, number: int | None = None) -> Job:
    """Add a job that has not begun."""
    job = Job(make_request("a fox"), backend="sandbox", host="sandbox", price=0.0, timeout=60.0, home=home)
    job.id = number
    jobs.add(job)
    return job


def ended(job: Job) -> None:
    """End a job."""
    job.finish(None, SeedreamError("It failed."))


def test_what_is_over_is_forgotten_with_the_next() -> None:
    """Those under way are given in their order; one that is over stays until another one is begun."""
    jobs = JobQueue(lingers=False)
    first, second = added(jobs), added(jobs)
    assert list(jobs) == [first, second]
    ended(first)
    assert list(jobs) == [first, second]
    third = added(jobs)
    assert list(jobs) == [second, third]
    for each in jobs:
        ended(each)


def test_each_folder_has_its_own() -> None:
    """What goes to another folder, is over, or has no number yet, is not among those worked on in a folder."""
    jobs = JobQueue(lingers=False)
    here, unnumbered, over, _ = added(jobs, number=3), added(jobs), added(jobs, number=4), added(jobs, Path("/other"))
    ended(over)
    assert jobs.running(HOME) == [here, unnumbered]
    assert jobs.ids(HOME) == [3]
    for each in jobs:
        ended(each)


def test_the_places_are_those_of_one_loop() -> None:
    """Places can be added while some are taken; on another loop all are free."""
    jobs = JobQueue(lingers=False)

    async def take(places: int) -> int:
        limiter = jobs.limiter(places)
        await limiter.acquire_on_behalf_of(object())
        assert jobs.limiter(places + 1) is limiter
        return int(limiter.available_tokens)

    assert asyncio.run(take(1)) == 1
    assert asyncio.run(take(4)) == 4
