"""The jobs of a session: which are under way, how many may be at once, what becomes of them at the process's end."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from seedream_nb.background import at_exit
from seedream_nb.errors import SeedreamError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anyio import CapacityLimiter

    from seedream_nb.jobs.job import Job

ENDING = "This Python process is ending, so it can't wait for a request any more."
ASK_EARLIER = "Nothing was sent, nothing was billed. Ask before the script ends, not in what `atexit` calls."
LOOK_SECONDS = 0.1
KERNEL_SECONDS = 2.0
"""How long a kernel that is shut down waits: jupyter_client terminates one that takes more than 2.5 s in all."""


class JobQueue:
    """The jobs that are under way, and the one begun last, in the order in which they were begun. Thread-safe."""

    def __init__(self, *, lingers: bool) -> None:
        """Hold none yet; `lingers` says whether the process's end waits for all that was sent, or as a kernel can."""
        self._seconds = math.inf if lingers else KERNEL_SECONDS
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Hold none, as at first: in a forked child, for those of the parent go on there."""
        self._jobs: list[Job] = []
        self._turn: tuple[asyncio.AbstractEventLoop, CapacityLimiter] | None = None
        self.lock = threading.RLock()
        """Held by who looks at what is under way and adds to it: that is one step."""
        self._process: int | None = None
        self._has_ended = False

    def __iter__(self) -> Iterator[Job]:
        """Give those that are under way, and the one begun last."""
        return iter(self._jobs)

    def open(self) -> None:
        """See to it that the process's end will look after those that are about to begin.

        Raises:
            SeedreamError: it is past that, and would leave them alone.
        """
        self._see_to_the_end()
        thread = threading.current_thread()
        # Other threads are waited for, and wait for what they ask.
        if self._has_ended and (thread is threading.main_thread() or thread.daemon):
            raise SeedreamError(ENDING, hint=ASK_EARLIER)

    def add(self, job: Job) -> None:
        """Remember a job that is about to begin."""
        with self.lock:
            self._jobs = [*(each for each in self._jobs if not each.over), job]
            self._see_to_the_end()

    def _see_to_the_end(self) -> None:
        with self.lock:
            if self._process is None:
                self._process = os.getpid()
                try:
                    at_exit(self._end)
                except RuntimeError:
                    self._has_ended = True

    def under_way(self, home: Path) -> list[Job]:
        """Return those whose pictures go to a folder and have not all come."""
        return [job for job in self._jobs if not job.over and job.home == home]

    def ids(self, home: Path) -> list[int]:
        """Return the ids that are worked on in a folder."""
        return [job.id for job in self.under_way(home) if job.id is not None]

    def turn(self, places: int) -> CapacityLimiter:
        """Return the limit of how many are in flight at once, now `places`; called on the loop where they run."""
        import anyio

        # Places that were taken on another loop, before a fork say, are never given back.
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = loop, anyio.CapacityLimiter(1)
        limiter = self._turn[1]
        limiter.total_tokens = places
        return limiter

    def _end(self) -> None:
        """At the process's end withdraw what was not sent, and wait for what was: it may be billed, so it is wanted.

        A child forked from this process has inherited its jobs, but they go on here.
        """
        if os.getpid() != self._process:
            return
        self._has_ended = True
        try:
            self._withdraw()
            self._wait()
        except KeyboardInterrupt:
            self._tell("Given up. What has links can still be fetched: %seedream recover")

    def _withdraw(self) -> None:
        unsent = [job for job in self._jobs if not job.committed and not job.over]
        for job in unsent:
            job.cancel()
        withdrawn = sum(not job.committed for job in unsent)
        if withdrawn:
            self._tell(
                f"seedream_nb withdrew {withdrawn} of your requests that were not sent yet: the script has ended."
            )

    def _wait(self) -> None:
        left, until = [job for job in self._jobs if not job.over], time.monotonic() + self._seconds
        if sent := sum(job.committed for job in left):
            self._tell(f"seedream_nb waits for {sent} of your requests that were sent already; Ctrl-C gives up.")
        while (running := [job for job in left if not job.over]) and time.monotonic() < until:
            running[0].wait_over(LOOK_SECONDS)

    def _tell(self, text: str) -> None:
        """Say something at the end of a script, where no value can carry it; in a kernel it would stand anywhere."""
        if self._seconds == math.inf:
            print(text, file=sys.stderr)  # noqa: T201
