"""The end of a script: what was not sent is withdrawn, what was sent is waited for."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.job import Job

LOOK_SECONDS = 0.1


def linger(jobs: Callable[[], list[Job]], *, process: int) -> None:
    """At the end of a script withdraw what was not sent, and wait for what was: it may be billed, so it is wanted.

    A child forked from `process` has inherited its jobs, but they go on there.
    """
    if os.getpid() != process:
        return
    try:
        unsent = [job for job in jobs() if not job.committed and not job.over]
        for job in unsent:
            job.cancel()
        withdrawn = sum(not job.committed for job in unsent)
        if withdrawn:
            tell(f"seedream_nb withdrew {withdrawn} of your requests that were not sent yet: the script has ended.")
        left = [job for job in jobs() if job.committed and not job.over]
        if left:
            tell(f"seedream_nb waits for {len(left)} of your requests that were sent already; Ctrl-C gives up.")
        while not all(job.over for job in jobs()):
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        tell("Given up. What has links can still be fetched: %seedream recover")


def tell(text: str) -> None:
    """Say something at the end of a script, where no value can carry it."""
    print(text, file=sys.stderr)  # noqa: T201
