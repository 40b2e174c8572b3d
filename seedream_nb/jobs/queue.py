"""The jobs of a session: which are running, how many may run at once, and what happens to them at exit."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import threading
import time
import weakref
from collections import Counter
from typing import TYPE_CHECKING

from seedream_nb.background import at_exit
from seedream_nb.errors import SeedreamError
from seedream_nb.jobs.job import still_running, stopped
from seedream_nb.jobs.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anyio import CapacityLimiter

    from seedream_nb.jobs.job import Job
    from seedream_nb.jobs.line import Line
    from seedream_nb.request import Reference

ENDING = "This Python process is ending, so it can't wait for a request any more."
ASK_EARLIER = "Nothing was sent, nothing was billed. Send it before the script ends, not from an `atexit` function."
LOOK_SECONDS = 0.1
KERNEL_SECONDS = 2.0
"""How long a kernel waits at shutdown: jupyter_client terminates one that takes more than 2.5 s in all."""


class JobQueue:
    """The running jobs, and the one started last, in the order in which they were started. Thread-safe."""

    def __init__(self, *, lingers: bool) -> None:
        """Have no jobs yet; `lingers` says whether to wait at exit for all that was sent, or only as a kernel can."""
        self._seconds = math.inf if lingers else KERNEL_SECONDS
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Forget all jobs: in a forked child they belong to the parent."""
        self._jobs: list[Job] = []
        self._lines: weakref.WeakSet[Line] = weakref.WeakSet()
        self._pace: tuple[asyncio.AbstractEventLoop, Pace] | None = None
        self._limiter: tuple[asyncio.AbstractEventLoop, CapacityLimiter] | None = None
        self.lock = threading.RLock()
        """Held while checking what is running and adding to it."""
        self._process: int | None = None
        self._has_ended = False

    def __iter__(self) -> Iterator[Job]:
        """Yield the running jobs, and the one started last."""
        return iter(self._jobs)

    def open(self) -> None:
        """Make sure that the jobs about to start will be waited for at exit.

        Raises:
            SeedreamError: it is too late for that: they would be abandoned.
        """
        self._register_exit()
        thread = threading.current_thread()
        # Other threads are joined at exit, and wait for their own requests.
        if self._has_ended and (thread is threading.main_thread() or thread.daemon):
            raise SeedreamError(ENDING, hint=ASK_EARLIER)

    def add(self, job: Job) -> None:
        """Add a job that is about to start."""
        with self.lock:
            self._jobs = [*(other for other in self._jobs if not other.over), job]
            self._register_exit()

    def lines_of(self, thread: int) -> list[Line]:
        """Return the lines of jobs that a thread has begun."""
        return [line for line in self._lines if line.asker == thread]

    def add_line(self, line: Line) -> None:
        """Add jobs that begin one after another; at exit nothing more of them begins."""
        with self.lock:
            self._lines.add(line)
            self._register_exit()

    def _register_exit(self) -> None:
        with self.lock:
            if self._process is None:
                self._process = os.getpid()
                try:
                    at_exit(self._end)
                except RuntimeError:
                    self._has_ended = True

    def running(self, home: Path) -> list[Job]:
        """Return the running jobs whose pictures go to a folder."""
        return [job for job in self._jobs if not job.over and job.home == home]

    def end_awaits(self, *, interrupted: bool) -> list[str]:
        """Withdraw what was not sent of the jobs that an interrupted cell awaited; return what to say of them all.

        Where a cell was not interrupted, whoever gave up an `await` meant no stop.
        """
        told = Counter[str]()
        for job in self._jobs:
            if job.given_up and interrupted and not job.over:
                if not job.committed:
                    job.cancel()
                told[(stopped(job) or still_running(job)).message] += 1
            job.given_up = False
        for line in self._lines:
            line.end_awaits(interrupted=interrupted)
        return [f"{count} times: {text}" if count > 1 else text for text, count in told.items()]

    def references(self, home: Path) -> list[Reference]:
        """Return the references of the jobs of a folder that run, or wait for their turn."""
        waiting = [job for line in self._lines for job in line.jobs if job.home == home and not job.over]
        return [reference for job in [*self.running(home), *waiting] for reference in job.request.images]

    def ids(self, home: Path) -> list[int]:
        """Return the ids of the running jobs of a folder."""
        return [job.id for job in self.running(home) if job.id is not None]

    def limiter(self, slots: int) -> CapacityLimiter:
        """Return the limiter for requests in flight, set to `slots`; call it on the loop where they run."""
        import anyio

        # Slots taken on another loop, for example before a fork, are never released.
        loop = asyncio.get_running_loop()
        if self._limiter is None or self._limiter[0] is not loop:
            self._limiter = loop, anyio.CapacityLimiter(1)
        limiter = self._limiter[1]
        limiter.total_tokens = slots
        return limiter

    def pace(self, rate: Callable[[], float | None]) -> Pace:
        """Return what all requests of this session take turns by; call it on the loop where they run."""
        loop = asyncio.get_running_loop()
        if self._pace is None or self._pace[0] is not loop:
            self._pace = loop, Pace(rate)
        return self._pace[1]

    def _end(self) -> None:
        """At exit, withdraw what was not sent, and wait for what was: it may be billed, so its pictures are wanted.

        Does nothing in a forked child: there the jobs are the parent's.
        """
        if os.getpid() != self._process:
            return
        self._has_ended = True
        try:
            self._withdraw()
            self._wait()
        except KeyboardInterrupt:
            self._print("Stopped waiting. Pictures that have links can still be fetched: %seedream recover")

    def _withdraw(self) -> None:
        for line in self._lines:
            line.close()
        unsent = [job for job in self._jobs if not job.committed and not job.over]
        for job in unsent:
            job.cancel()
        in_line = [job for line in self._lines for job in line.jobs if not job.has_begun and not job.done()]
        withdrawn = len(in_line) + sum(not job.committed for job in unsent)
        if withdrawn:
            self._print(
                f"seedream_nb withdrew {withdrawn} of your requests that had not been sent: the script has ended."
            )

    def _wait(self) -> None:
        left, until = [job for job in self._jobs if not job.over], time.monotonic() + self._seconds
        if sent := sum(job.committed for job in left):
            self._print(
                f"seedream_nb is waiting for {sent} of your requests that were already sent; Ctrl-C stops that."
            )
        while (running := [job for job in left if not job.over]) and time.monotonic() < until:
            running[0].wait_over(LOOK_SECONDS)

    def _print(self, text: str) -> None:
        """Print at the end of a script, where no value can carry the text; in a kernel it would appear anywhere."""
        if self._seconds == math.inf:
            with contextlib.suppress(Exception):  # closed, or a pipe nobody reads: what was sent is waited for anyway
                print(text, file=sys.stderr)  # noqa: T201 - for whoever runs the script
