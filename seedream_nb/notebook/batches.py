"""Runs a batch below the running cell: a table that grows, and the batch as the cell's value."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import time
from typing import TYPE_CHECKING

from IPython.display import clear_output, display

from seedream_nb.batches.begin import begin, estimate_of, stopping
from seedream_nb.batches.view import batch_bundle, head, plan_bundle
from seedream_nb.budget import Pictures
from seedream_nb.errors import StillGeneratingError, StoppedError
from seedream_nb.notebook.output import GOES_ON, is_alone, keep, write_over
from seedream_nb.notebook.shell import in_kernel
from seedream_nb.view.markup import FAINT, frame, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import DisplayHandle

    from seedream_nb.batches.batch import Batch
    from seedream_nb.batches.plan import Asked
    from seedream_nb.options import CellOptions
    from seedream_nb.session import Session
    from seedream_nb.view import Bundle

LOOK_SECONDS = 0.1
UPDATE_SECONDS = 0.5
"""The table is sent to the page at most this often: each time with all that it shows."""
TICK_SECONDS = 2.0


class LiveTable:
    """An output below a cell that shows a batch as it grows."""

    def __init__(self, batch: Batch, session: Session, *, goes_on: bool = False) -> None:
        """Show the batch below the running cell; `goes_on` says that it outlives the cell."""
        self._batch, self._session, self._goes_on = batch, session, goes_on
        for job in batch.jobs:
            job.followed = True
        self._seen, self._sent = batch.version, time.monotonic()
        self._handle: DisplayHandle | None = None
        with contextlib.suppress(Exception):  # what is shown on the way is a courtesy: the result counts
            self._handle = display(self._now(), raw=True, display_id=True)

    def follow(self, until: Callable[[], bool]) -> None:
        """Keep the table up to date until `until()` holds."""
        while not until():
            time.sleep(LOOK_SECONDS)
            waited = time.monotonic() - self._sent
            is_new = self._batch.version != self._seen
            if (is_new and waited >= UPDATE_SECONDS) or waited >= TICK_SECONDS:
                self.show()

    def follow_on(self) -> None:
        """Keep the table up to date from a thread, until all work is over: the cell is free."""
        if not self._goes_on:
            self._goes_on = True
            self.show()
        threading.Thread(target=self._follow_to_the_end, name="seedream table", daemon=True).start()

    def _follow_to_the_end(self) -> None:
        self.follow(lambda: self._batch.over)
        self.show(final=True)

    def vanish(self, *, alone: bool) -> None:
        """Take the table away at the moment when the cell's value comes, which shows it."""
        with contextlib.suppress(Exception):  # as above
            if alone:
                clear_output(wait=True)
            elif self._handle is not None:
                self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def show(self, *, final: bool = False) -> None:
        """Bring the table up to date now; the final one has the previews that are saved."""
        self._seen, self._sent = self._batch.version, time.monotonic()
        if self._handle is not None:
            with contextlib.suppress(Exception):  # as above
                self._handle.update(self._now(final=final), raw=True)

    def _now(self, *, final: bool = False) -> Bundle:
        shown = batch_bundle(self._batch, folder=self._session.settings.folder, growing=not final)
        if final or not self._goes_on:
            return shown
        plain, rich = (shown[form] for form in ("text/plain", "text/html"))
        return {**shown, "text/plain": f"{plain}\n{GOES_ON}", "text/html": rich + frame(line(GOES_ON, look=FAINT))}


def show_plan(session: Session, what: Asked, options: CellOptions) -> None:
    """Show what a batch would send and cost, and what would keep it from being sent."""
    estimate = estimate_of(session, what, options)
    average = estimate.dollars / max(1, estimate.pictures)
    error = session.budget.refusal_of(Pictures(estimate.pictures), average)
    refusal = [f"It would be refused. {error.message}", *error.lines()[1:]] if error else []
    shown = plan_bundle(what, estimate, refusal=refusal)
    display(shown, raw=True)


def run_called(ip: InteractiveShell, session: Session, what: Asked, options: CellOptions) -> Batch | None:
    """Run a batch as a call in a notebook says, and return it, failures and all; what is shown on the way goes.

    Raises:
        StoppedError: it was interrupted; the message says what goes on.
        SeedreamError: it can't be begun.
    """
    if options.get("dry_run"):
        show_plan(session, what, options)
        return None
    batch = begin(session, what, options)
    if not options.get("background"):
        if in_kernel(ip):
            wait_in_view(session, batch, alone=False)
        else:
            wait_in_terminal(batch)
    return batch


def run_below(ip: InteractiveShell, session: Session, what: Asked, options: CellOptions) -> Batch | None:
    """Run a batch as the options of its cell say, and return the value of the cell.

    Raises:
        StoppedError: it was interrupted; the message says what goes on.
        SeedreamError: it can't be begun, or something of it is not here at the end.
    """
    if options.get("dry_run"):
        show_plan(session, what, options)
        return None
    if in_kernel(ip):
        importlib.import_module("seedream_nb.notebook.batches")  # nothing is imported once it was sent
    with stopping(session):
        batch = keep(ip, options.get("out"), begin(session, what, options))
        if options.get("background"):
            return batch
        if in_kernel(ip):
            wait_in_view(session, batch, alone=is_alone(ip), stays_on_failure=True)
        else:
            wait_in_terminal(batch)
    if (error := batch.failure()) is not None:
        raise error
    return batch


def wait_in_view(session: Session, batch: Batch, *, alone: bool, stays_on_failure: bool = False) -> None:
    """Wait for a batch, shown below what the running cell has printed.

    Raises:
        StoppedError: it was interrupted; the table goes on with what was sent.
        StillGeneratingError: the timeout of a request passed; the same.
    """
    live = LiveTable(batch, session)
    try:
        live.follow(lambda: batch.over or not batch.is_waited_for())
    except KeyboardInterrupt:
        batch.cancel()
    try:
        batch.result()
    except (StoppedError, StillGeneratingError):
        live.follow_on()
        raise
    if stays_on_failure and batch.failure() is not None:
        live.show(final=True)
    else:
        live.vanish(alone=alone)


def wait_in_terminal(batch: Batch) -> None:
    """Wait for a batch, and show meanwhile how far it is, if anybody looks.

    Raises:
        StoppedError: it was interrupted; the message says what becomes of it.
        StillGeneratingError: the timeout of a request passed.
    """
    try:
        # What is not read in a terminal gets no progress; a script's own output stays its own in any case.
        if sys.stderr is not None and sys.stderr.isatty():
            with contextlib.suppress(Exception):  # whoever can't be shown it gets the result all the same
                _follow(batch)
    except KeyboardInterrupt:
        batch.cancel()
    batch.result()


def _follow(batch: Batch) -> None:
    shown = ""
    try:
        print(batch.estimate.lines()[0], file=sys.stderr)
        while not batch.over and batch.is_waited_for():
            line = head(batch)
            if line != shown:
                write_over(line)
            shown = line
            time.sleep(LOOK_SECONDS)
    finally:
        write_over("")
