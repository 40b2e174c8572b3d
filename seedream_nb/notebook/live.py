"""Keeps a cell's output up to date with a job, while the cell runs and after it has ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from IPython.display import clear_output, display

from seedream_nb.view import bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.display import DisplayHandle

    from seedream_nb.job import Job

LOOK_SECONDS = 0.1
"""How often a waiting cell looks up: an interrupt must free it at once."""
TICK_SECONDS = 1.0
TOGETHER_SECONDS = 0.06
"""Pictures that land within this time are shown together: each showing sends all of them to the page."""


class LiveOutput:
    """An output below a cell that shows what a job is doing and each picture as it lands."""

    def __init__(self, job: Job) -> None:
        """Show the job below the running cell."""
        self._job = job
        job.followed = True
        self._seen, self._ticked, self._shown = job.version, time.monotonic(), 0.0
        self._handle: DisplayHandle | None = display(bundle(job), raw=True, display_id=True)

    def follow(self, until: Callable[[], bool]) -> None:
        """Keep the output up to date until `until()` holds."""
        while not until():
            self._look()

    def follow_on(self) -> None:
        """Keep the output up to date from a thread, until the work is over: the cell is free."""
        threading.Thread(target=self._follow_to_the_end, name="seedream output", daemon=True).start()

    def _follow_to_the_end(self) -> None:
        self.follow(lambda: self._job.over)
        self.show()

    def _look(self) -> None:
        version = self._job.wait_for_change(self._seen, LOOK_SECONDS)
        if self._job.pictures and time.monotonic() - self._shown < TOGETHER_SECONDS:
            self._job.wait_over(TOGETHER_SECONDS / 4)
            return
        ticking = self._job.phase == "generating" and time.monotonic() - self._ticked >= TICK_SECONDS
        if (version != self._seen and not self._job.over) or ticking:
            self._seen, self._ticked = version, time.monotonic()
            self.show()

    def vanish(self, *, alone: bool, wait: bool) -> None:
        """Take the output away; with `wait`, at the moment when the next one comes.

        Only a cell that is ours `alone` can be cleared. In another one, what it printed would go too, so an empty
        output stays.
        """
        if alone:
            clear_output(wait=wait)
        elif self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def show(self) -> None:
        """Bring the output up to date now."""
        self._shown = time.monotonic()
        # Only updates by display id reach the right cell from a thread (https://github.com/ipython/ipykernel/issues/1450).
        if self._handle is not None:
            self._handle.update(bundle(self._job), raw=True)
