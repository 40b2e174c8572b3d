"""`%%seedream` and `%seedream`: from a cell to a job, and from a job to the cell's output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.magic import no_var_expand

from seedream_nb.cell import asks_for_help, read
from seedream_nb.errors import BEFORE_SENDING, SeedreamError, StoppedError
from seedream_nb.needs import Preloader, too_old_notice
from seedream_nb.notebook.complete import Completer
from seedream_nb.notebook.displayed import DisplayListener
from seedream_nb.notebook.help import cell_help, verbs_help
from seedream_nb.notebook.shell import in_kernel
from seedream_nb.options import is_batch, without_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.batches.batch import Batch
    from seedream_nb.errors import Problem
    from seedream_nb.jobs.job import Job
    from seedream_nb.options import CellOptions
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation

MAX_NAMED = 5
TELL_THEMSELVES = frozenset({"", "recover", "doctor"})
"""The verbs that tell what is unfinished anyway."""


class LeftoverNotice:
    """Looks when the first verb or cell is run: loading stays silent, and free."""

    def __init__(self, session: Callable[[], Session]) -> None:
        """Look at nothing yet."""
        self._session = session
        self._was_shown = False

    def line(self, verb: str | None = None) -> str | None:
        """Return the line, if there is something to say and it was not said before; a cell has no `verb`."""
        was_shown, self._was_shown = self._was_shown, True
        if was_shown or verb in TELL_THEMSELVES:
            return None
        # Whatever keeps the history from being read is reported by what was asked for, not by this.
        with contextlib.suppress(OSError, SeedreamError):
            return leftover_line(self._session())
        return None


def leftover_line(session: Session) -> str | None:
    """Return what was left in one line; None where nothing was."""
    left = [
        f"{item.mark} ({item.status if item.status == 'partial' or item.cost is None else 'not billed'})"
        for item in session.history.left_behind()
    ]
    more = f" and {len(left) - MAX_NAMED} more" if len(left) > MAX_NAMED else ""
    named = ", ".join(left[:MAX_NAMED])
    return f"Unfinished since a kernel ended: {named}{more}. See: %seedream recover" if left else None


NAME = "seedream"
IDLE_IMPORTS, OFF = "SEEDREAM_IDLE_IMPORTS", {"0", "false", "no", "off"}
"""The environment variable, and its values, with which nothing is imported between cells."""


class Magics:
    """The two magics of one shell, and what was in their places before."""

    def __init__(self, ip: InteractiveShell, session: Callable[[], Session]) -> None:
        """Serve this shell; the session is asked for when it is first needed."""
        self._ip, self._session = ip, session
        self._before: dict[str, Any] = {}
        self._completer = Completer(ip, session)
        self._shown = DisplayListener(ip)
        self._leftover = LeftoverNotice(session)
        self._ahead = Preloader()

    def register(self) -> None:
        """Put the magics in place."""
        table = self._ip.magics_manager.magics
        for kind, magic in (("cell", self._cell_magic()), ("line", self._line_magic())):
            self._before[kind] = table[kind].get(NAME)
            self._ip.magics_manager.register_function(magic, kind, NAME)
        self._show_jobs(on=True)
        self._completer.register()
        self._shown.listen()
        self._ip.events.register("post_run_cell", self._end_awaits)
        if in_kernel(self._ip) and os.environ.get(IDLE_IMPORTS, "").strip().lower() not in OFF:
            self._ip.events.register("pre_execute", self._ahead.stop)
            self._ip.events.register("post_execute", self._ahead.resume)

    def withdraw(self) -> None:
        """Put back what was there before."""
        table = self._ip.magics_manager.magics
        for kind, before in self._before.items():
            if before is None:
                table[kind].pop(NAME, None)
            else:
                table[kind][NAME] = before
        self._show_jobs(on=False)
        self._completer.withdraw()
        self._shown.leave()
        self._ahead.give_up()
        ours = (
            ("pre_execute", self._ahead.stop),
            ("post_execute", self._ahead.resume),
            ("post_run_cell", self._end_awaits),
        )
        for event, call in ours:
            with contextlib.suppress(ValueError):  # it was switched off, or somebody has cleared them
                self._ip.events.unregister(event, call)

    # -- the cell ----------------------------------------------------------------------------------

    def run_cell(self, line: str, cell: str) -> Generation | Job | Batch | None:
        """Run one `%%seedream` cell and return its value."""
        left = None
        try:
            left = self._leftover.line()
            return self._run(line, cell)
        except SeedreamError:
            raise
        except KeyboardInterrupt:
            raise StoppedError(BEFORE_SENDING) from None
        finally:
            if left:  # now that what the cell shows on its way is gone
                with contextlib.suppress(OSError, ValueError):  # an output that is closed loses no result
                    print(left)

    def _run(self, line: str, cell: str) -> Generation | Job | Batch | None:
        if asks_for_help(line):
            print(cell_help(self._session().settings.model))
            return None
        session = self._session()
        options, problems = read(line, session.settings.model)
        if is_batch(options):
            return self._run_batch(session, cell, options, problems)
        from seedream_nb.notebook.output import run_below

        problems += without_batch(options)
        request = session.compose(cell, scope=session.scope, typed=True, problems=problems, **options)
        return run_below(self._ip, session, request, options, template=cell.strip())

    def _run_batch(
        self, session: Session, cell: str, options: CellOptions, problems: Sequence[Problem]
    ) -> Batch | None:
        from seedream_nb.batches.asking import typed_batch
        from seedream_nb.notebook.batches import run_below

        def ask() -> Batch | None:
            return run_below(self._ip, session, typed_batch(session, cell, options, problems), options)

        return session.without_key(ask)

    def show_batch(self, batch: Batch) -> None:
        """Show a running batch as a table that keeps itself up to date; what has ended shows itself."""
        if batch.over or not in_kernel(self._ip):
            raise NotImplementedError  # IPython then asks for its bundle
        from seedream_nb.notebook.batches import LiveTable

        LiveTable(batch, self._session(), goes_on=True).follow_on()

    def show_job(self, job: Job) -> None:
        """Show a job as an output that keeps itself up to date; in a terminal, where none can, as a line."""
        from seedream_nb.notebook.output import LiveOutput

        if in_kernel(self._ip):
            LiveOutput(job, self._ip, self._session().bundle, goes_on=True).follow_on()
        else:
            print(repr(job))

    def _end_awaits(self, result: Any) -> None:  # noqa: ANN401 - IPython's, whatever its version
        """Withdraw what a cell awaited and was not sent, if it was interrupted; an `await` can't know of that."""
        if "seedream_nb.jobs.queue" not in sys.modules:  # nothing was asked for yet
            return
        error = getattr(result, "error_in_exec", None)
        interrupted = isinstance(error, (KeyboardInterrupt, asyncio.CancelledError))
        for message in self._session().jobs.end_awaits(interrupted=interrupted):
            print(message)

    # -- what IPython is given ---------------------------------------------------------------------

    def _cell_magic(self) -> Callable[[str, str], Any]:
        @no_var_expand
        def seedream(line: str, cell: str) -> Generation | Job | Batch | None:
            return self.run_cell(line, cell)

        seedream.__doc__ = cell_help()
        return seedream

    def _line_magic(self) -> Callable[[str], Any]:
        @no_var_expand
        def seedream(line: str) -> object:
            from seedream_nb.notebook.verbs import run

            try:
                if left := self._leftover.line((*line.split(None, 1), "")[0]):
                    print(left)
                return run(line, self._session(), self._ip)
            except StoppedError:
                raise
            except KeyboardInterrupt:
                raise StoppedError(BEFORE_SENDING) from None

        seedream.__doc__ = verbs_help()
        return seedream

    def _show_jobs(self, *, on: bool) -> None:
        display_formatter: Any = self._ip.display_formatter
        if display_formatter is None:
            return
        formatter = display_formatter.ipython_display_formatter
        for module, name, show in (
            ("seedream_nb.jobs.job", "Job", self.show_job),
            ("seedream_nb.batches.batch", "Batch", self.show_batch),
        ):
            if on:
                formatter.for_type_by_name(module, name, show)
            else:
                formatter.deferred_printers.pop((module, name), None)
                if module in sys.modules:
                    formatter.type_printers.pop(getattr(sys.modules[module], name), None)


def load(ip: InteractiveShell, session: Callable[[], Session]) -> None:
    """Register the magics with this shell, once, and say what is too old for the panel."""
    if getattr(ip, _ATTRIBUTE, None) is None:
        magics = Magics(ip, session)
        magics.register()
        setattr(ip, _ATTRIBUTE, magics)
        for message in filter(None, map(too_old_notice, ("ipywidgets", "anywidget"))) if in_kernel(ip) else ():
            print(message)


def unload(ip: InteractiveShell) -> None:
    """Withdraw the magics from this shell."""
    magics = getattr(ip, _ATTRIBUTE, None)
    if magics is not None:
        magics.withdraw()
        delattr(ip, _ATTRIBUTE)


_ATTRIBUTE = "_seedream_nb_magics"
