"""IPython in a terminal: what a job is doing, on one line that goes when the result comes."""

from __future__ import annotations

import contextlib
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seedream_nb.generation import Generation
    from seedream_nb.job import Job

LOOK_SECONDS = 0.1
"""How often a waiting terminal looks up: an interrupt must free it at once, on every system."""


def wait(job: Job) -> Generation:
    """Wait for the generation and return it, and show meanwhile what the job is doing, if anybody looks.

    Raises:
        StoppedError: it was interrupted; the message says what becomes of it.
        SeedreamError: as `job.result()`.
    """
    try:
        # What is not read in a terminal gets no progress; a script's own output stays its own in any case.
        if sys.stderr is not None and sys.stderr.isatty():
            with contextlib.suppress(Exception):  # whoever can't be shown it gets the result all the same
                _follow(job)
    except KeyboardInterrupt:
        job.cancel()
    return job.result()


def _follow(job: Job) -> None:
    from seedream_nb.view import progress

    seen, shown = -1, ""
    try:
        while not (job.over or job.overdue):
            told = progress(job)
            if told != shown:
                _write(told)
            shown, seen = told, job.wait_for_change(seen, LOOK_SECONDS)
    finally:
        _write("")


def _write(told: str) -> None:
    """Write over the line, with blanks and carriage returns: every terminal understands those."""
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write(f"\r{' ' * width}\r{told[:width]}")
    sys.stderr.flush()
