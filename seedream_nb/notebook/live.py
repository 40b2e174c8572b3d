"""Keeps a cell's output up to date with a job, while the cell runs and after it has ended."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from IPython.display import clear_output, display

from seedream_nb.view.markup import FAINT, frame, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import DisplayHandle

    from seedream_nb.job import Job
    from seedream_nb.view import Bundle

LOOK_SECONDS = 0.1
"""How often a waiting cell looks up: an interrupt must free it at once."""
TICK_SECONDS = 1.0
TOGETHER_SECONDS = 0.06
"""Pictures that land within this time are shown together: each showing sends all of them to the page."""
GOES_ON = "It goes on while the kernel runs. If this line stays, the kernel ended first: %seedream recover"
"""Below what outlives its cell: in a saved notebook nobody could tell otherwise whether it still runs."""


class LiveOutput:
    """An output below a cell that shows what a job is doing and each picture as it lands."""

    def __init__(
        self,
        job: Job,
        ip: InteractiveShell,
        bundle: Callable[[object], Bundle],
        *,
        goes_on: bool = False,
    ) -> None:
        """Show the job below the running cell, as `bundle` makes it; `goes_on` says that it outlives the cell."""
        self._job, self._ip, self._bundle, self._goes_on = job, ip, bundle, goes_on
        job.followed = True
        self._lock = threading.Lock()
        self._seen, self._ticked, self._shown = job.version, time.monotonic(), 0.0
        self._handle: DisplayHandle | None = None
        with contextlib.suppress(Exception):  # what is shown on the way is a courtesy: the result counts
            self._handle = display(self._now(), raw=True, display_id=True)

    def follow(self, until: Callable[[], bool]) -> None:
        """Keep the output up to date until `until()` holds."""
        while not until():
            self._look()

    def follow_on(self) -> None:
        """Keep the output up to date from a thread, until the work is over: the cell is free."""
        if not self._goes_on:
            self._goes_on = True
            self.show()
        self._ip.events.register("post_run_cell", self._catch_up)
        threading.Thread(target=self._follow_to_the_end, name="seedream output", daemon=True).start()

    def _follow_to_the_end(self) -> None:
        self.follow(lambda: self._job.over)
        self.show()
        with contextlib.suppress(ValueError):  # somebody has cleared all of IPython's events
            self._ip.events.unregister("post_run_cell", self._catch_up)

    def _catch_up(self, _result: object) -> None:
        """Show at a cell's end what has come by then: nbclient takes nothing that comes after the last one's."""
        if self._job.version != self._seen or self._job.over:
            self.show()

    def _look(self) -> None:
        version = self._job.wait_for_change(self._seen, LOOK_SECONDS)
        if self._job.pictures and time.monotonic() - self._shown < TOGETHER_SECONDS:
            self._job.wait_over(TOGETHER_SECONDS / 4)
            return
        if len(self._job.pictures) == self._job.expected:  # the result follows at once
            self._job.wait_over(TOGETHER_SECONDS / 4)
        ticking = self._job.phase == "generating" and time.monotonic() - self._ticked >= TICK_SECONDS
        if (version != self._seen and not self._job.over) or ticking:
            self.show()

    def vanish(self, *, alone: bool, wait: bool) -> None:
        """Take the output away; with `wait`, at the moment when the next one comes.

        Only a cell that is ours `alone` can be cleared. In another one, what it printed would go too, so an empty
        output stays.
        """
        with contextlib.suppress(Exception):  # as above
            if alone:
                clear_output(wait=wait)
            elif self._handle is not None:
                self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def show(self) -> None:
        """Bring the output up to date now."""
        with self._lock:  # two threads show it, and what is made later must be sent later
            self._shown = self._ticked = time.monotonic()
            self._seen = self._job.version
            # Only updates by display id reach the right cell from a thread (https://github.com/ipython/ipykernel/issues/1450).
            if self._handle is not None:
                with contextlib.suppress(Exception):  # as above
                    self._handle.update(self._now(), raw=True)

    def _now(self) -> Bundle:
        """Return the job as it is, and what becomes of it if nothing follows."""
        over = self._job.over  # asked first: what ends meanwhile is shown once more
        shown = self._bundle(self._job)
        if over or not self._goes_on:
            return shown
        plain, rich = (shown[form] for form in ("text/plain", "text/html"))
        return {**shown, "text/plain": f"{plain}\n{GOES_ON}", "text/html": rich + frame(line(GOES_ON, look=FAINT))}
