"""`%%seedream` and `%seedream`: from a cell to a job, and from a job to the cell's output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.magic import no_var_expand

from seedream_nb.errors import SeedreamError, StillGeneratingError, StoppedError
from seedream_nb.notebook.cell import help_text, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.generation import Generation
    from seedream_nb.job import Job
    from seedream_nb.session import Session

Value = TypeVar("Value")

NAME = "seedream"
BEFORE_SENDING = "Stopped before anything was sent. Nothing was billed."


class Magics:
    """The two magics of one shell, and what was in their places before."""

    def __init__(self, ip: InteractiveShell, session: Callable[[], Session]) -> None:
        """Serve this shell; the session is asked for when it is first needed."""
        self._ip, self._session = ip, session
        self._before: dict[str, Any] = {}

    def register(self) -> None:
        """Put the magics in place."""
        table = self._ip.magics_manager.magics
        for kind, magic in (("cell", self._cell_magic()), ("line", self._line_magic())):
            self._before[kind] = table[kind].get(NAME)
            self._ip.magics_manager.register_function(magic, kind, NAME)
        self._show_jobs(on=True)

    def withdraw(self) -> None:
        """Put back what was there before."""
        table = self._ip.magics_manager.magics
        for kind, before in self._before.items():
            if before is None:
                table[kind].pop(NAME, None)
            else:
                table[kind][NAME] = before
        self._show_jobs(on=False)

    # -- the cell ----------------------------------------------------------------------------------

    def run_cell(self, line: str, cell: str) -> Generation | Job | None:
        """Run one `%%seedream` cell and return its value."""
        try:
            return self._run(line, cell)
        except SeedreamError:
            raise
        except KeyboardInterrupt:
            raise StoppedError(BEFORE_SENDING) from None

    def _run(self, line: str, cell: str) -> Generation | Job | None:
        options, problems = read(line)
        if options.help:
            print(help_text())
            return None
        session = self._session()
        request = session.compose(
            cell, scope=session.scope, typed=True, images=options.images, size=options.size, aspect=options.aspect,
            max_images=options.max_images, sequential=options.sequential, watermark=options.watermark,
            problems=problems,
        )  # fmt: skip
        if options.dry_run:
            self._show_request(request, session)
            return None
        job = session.submit(
            request, template=cell.strip(), once=options.once, save=options.save, timeout=options.timeout
        )
        try:
            return self._keep(options.out, job) if options.background else self._wait(job, options.out)
        except StoppedError:
            raise
        except KeyboardInterrupt:  # wherever it struck: what the message says must be true
            job.cancel()
            return job.result()

    def _wait(self, job: Job, out: str | None) -> Generation:
        from seedream_nb.notebook.surroundings import in_kernel

        try:
            generation = self._wait_in_view(job) if in_kernel(self._ip) else job.result()
        except (StoppedError, StillGeneratingError):
            self._keep_what_comes(out, job)
            raise
        except SeedreamError:
            if job.generation is not None:
                self._keep(out, job.generation)
            raise
        return self._keep(out, generation)

    def _wait_in_view(self, job: Job) -> Generation:
        from IPython.display import clear_output

        from seedream_nb.notebook.live import LiveOutput

        live = LiveOutput(job)
        try:
            live.follow(lambda: job.over or job.overdue)
        except KeyboardInterrupt:
            job.cancel()
        try:
            generation = job.result()
        except (StoppedError, StillGeneratingError):
            live.follow_on()
            raise
        except SeedreamError:
            # What arrived stays in sight; else the progress goes and only the error is left.
            if job.pictures:
                live.show()
            else:
                clear_output()
            raise
        clear_output(wait=True)
        return generation

    def _keep_what_comes(self, out: str | None, job: Job) -> None:
        """Let a variable hold what has come so far, and at the end all of it, unless it was given another value."""
        so_far = job.generation
        if out is None or so_far is None:
            return
        self._keep(out, so_far)

        def keep_the_rest() -> None:
            if self._ip.user_ns.get(out) is so_far and job.generation is not None:
                self._keep(out, job.generation)

        job.when_over(keep_the_rest)

    def _show_request(self, request: Any, session: Session) -> None:  # noqa: ANN401
        from IPython.display import display

        from seedream_nb.view import request_bundle

        display(request_bundle(request, session.settings.get("price"), session.backend), raw=True)

    def _keep(self, name: str | None, value: Value) -> Value:
        if name is not None:
            self._ip.push({name: value})
        return value

    # -- what IPython is given ---------------------------------------------------------------------

    def _cell_magic(self) -> Callable[[str, str], Any]:
        @no_var_expand
        def seedream(line: str, cell: str) -> Generation | Job | None:
            return self.run_cell(line, cell)

        seedream.__doc__ = help_text()
        return seedream

    def _line_magic(self) -> Callable[[str], Any]:
        @no_var_expand
        def seedream(line: str) -> object:
            from seedream_nb.notebook.verbs import run

            return run(line, self._session(), self._ip)

        seedream.__doc__ = "Look after seedream_nb: history, settings, login. `%seedream help` tells more."
        return seedream

    def _show_jobs(self, *, on: bool) -> None:
        display_formatter: Any = self._ip.display_formatter
        if display_formatter is None:
            return
        formatter = display_formatter.ipython_display_formatter
        module, name = "seedream_nb.job", "Job"
        if on:
            formatter.for_type_by_name(module, name, show_job)
        else:
            formatter.deferred_printers.pop((module, name), None)
            if module in sys.modules:
                formatter.type_printers.pop(sys.modules[module].Job, None)


def show_job(job: Job) -> None:
    """Show a job as an output that keeps itself up to date."""
    from seedream_nb.notebook.live import LiveOutput

    LiveOutput(job).follow_on()


def load(ip: InteractiveShell, session: Callable[[], Session]) -> None:
    """Register the magics with this shell, once."""
    if getattr(ip, _ATTRIBUTE, None) is None:
        magics = Magics(ip, session)
        magics.register()
        setattr(ip, _ATTRIBUTE, magics)


def unload(ip: InteractiveShell) -> None:
    """Withdraw the magics from this shell."""
    magics = getattr(ip, _ATTRIBUTE, None)
    if magics is not None:
        magics.withdraw()
        delattr(ip, _ATTRIBUTE)


_ATTRIBUTE = "_seedream_nb_magics"
