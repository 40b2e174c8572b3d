"""Runs a request below the running cell: shows it on its way, returns what came of it, keeps it in a variable."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.display import clear_output, display

from seedream_nb.errors import SeedreamError, StillGeneratingError, StoppedError
from seedream_nb.notebook.displayed import shown_by
from seedream_nb.notebook.shell import in_kernel, show_request
from seedream_nb.view.markup import FAINT, frame, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import DisplayHandle

    from seedream_nb.jobs.job import Job
    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from seedream_nb.view import Bundle

TERMINAL_LOOK_SECONDS = 0.1
"""How often a waiting terminal looks up: an interrupt must free it at once, on every system."""


def wait_in_terminal(job: Job) -> Generation:
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
            words = progress(job)
            if words != shown:
                write_over(words)
            shown, seen = words, job.wait_for_change(seen, TERMINAL_LOOK_SECONDS)
    finally:
        write_over("")


def write_over(words: str) -> None:
    """Write over the line, with blanks and carriage returns: every terminal understands those."""
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write(f"\r{' ' * width}\r{words[:width]}")
    sys.stderr.flush()


LOOK_SECONDS = 0.1
"""How often a waiting cell looks up: an interrupt must free it at once."""
TICK_SECONDS = 1.0
TOGETHER_SECONDS = 0.06
"""Pictures that land within this time are shown together: each showing sends all of them to the page."""
GOES_ON = "It continues while the kernel runs. If this line stays, the kernel ended first: %seedream recover"
"""Below what outlives its cell: in a saved notebook nobody could tell otherwise whether it still runs."""
STOPPED = "This came after the cell was stopped."
WAITED = "This came after the cell had stopped waiting."
WITHDRAWN_SECONDS = 0.3
"""How long a request that was withdrawn may take to end; a stopped cell is free within a second."""
ERROR_SECONDS, SETTLED_SECONDS = 60.0, 0.5
"""How long a cell's error may take to be shown, and how long it then stays at least."""


class LiveOutput:
    """An output below a cell that shows what a job is doing and each picture as it lands."""

    def __init__(
        self,
        job: Job,
        ip: InteractiveShell,
        bundle: Callable[[object], Bundle],
        *,
        goes_on: bool = False,
        alone: bool = False,
    ) -> None:
        """Show the job below the running cell, as `bundle` makes it.

        Args:
            job: what to show.
            ip: the shell that runs the cell.
            bundle: makes the output.
            goes_on: whether the job outlives the cell.
            alone: whether all of the cell's output is ours.
        """
        self._job, self._ip, self._bundle, self._goes_on = job, ip, bundle, goes_on
        self._cell = CellOutput.of_running(ip) if alone else None
        self._cell_over = threading.Event()
        job.followed = True
        self._lock = threading.Lock()
        self._seen, self._ticked, self._shown = job.version, time.monotonic(), 0.0
        self._handle: DisplayHandle | None = None
        self._failed_with: SeedreamError | None = None
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

    def follow_on_after(self, error: SeedreamError) -> None:
        """Do the same after the cell failed with `error`: in the end, what came takes the place of that error too."""
        self._failed_with = error
        self.follow_on()

    def _follow_to_the_end(self) -> None:
        self.follow(lambda: self._job.over)
        self.show()
        if self._failed_with is not None and self._cell is not None and self._cell_over.wait(ERROR_SECONDS):
            # Who runs a notebook unseen (papermill) looks for the error at once, and shall find it.
            time.sleep(SETTLED_SECONDS)
            with contextlib.suppress(Exception):  # as below: it is shown beside the error already
                self._cell.replace(*self._came())
        with contextlib.suppress(ValueError):  # somebody has cleared all of IPython's events
            self._ip.events.unregister("post_run_cell", self._catch_up)

    def _came(self) -> tuple[Bundle | None, SeedreamError | None]:
        """Return what a failed cell shows once its job is over: what came, and what went wrong, if anything did."""
        error, generation = self._job.error, self._job.generation
        if generation is None or not generation.images:
            return None, error or self._failed_with
        shown = self._bundle(generation)
        note = STOPPED if isinstance(self._failed_with, StoppedError) else WAITED
        return _with_line(shown, note), error

    def _catch_up(self, _result: object) -> None:
        """Show at a cell's end what has come by then: nbclient takes nothing that comes after the last one's."""
        self._cell_over.set()
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
        return shown if over or not self._goes_on else _with_line(shown, GOES_ON)


def _with_line(shown: Bundle, text: str) -> Bundle:
    plain, rich = (shown[form] for form in ("text/plain", "text/html"))
    return {**shown, "text/plain": f"{plain}\n{text}", "text/html": rich + frame(line(text, look=FAINT))}


class CellOutput:
    """All of a cell's output, which can be replaced after the cell has ended; thread-safe."""

    def __init__(self, kernel: Any, request: dict[str, Any]) -> None:  # noqa: ANN401 - ipykernel's
        """Replace what is shown in answer to this request."""
        self._kernel, self._request = kernel, request

    @classmethod
    def of_running(cls, ip: InteractiveShell) -> CellOutput | None:
        """Return that of the running cell; None where nothing can be replaced."""
        kernel = getattr(ip, "kernel", None)
        request: dict[str, Any] = {} if kernel is None else ip.get_parent()  # type: ignore[attr-defined] # ipykernel's
        return cls(kernel, request) if request else None

    def replace(self, shown: Bundle | None, error: SeedreamError | None) -> None:
        """Show this and nothing else.

        An error can't be updated as a display can. But a page that still has the cell as it ran takes a message for
        it at any time; any other page ignores all of these.
        """
        self._send("clear_output", wait=True)
        if shown is not None:
            self._send("display_data", data=shown, metadata={}, transient={})
        if error is not None:
            lines = error._render_traceback_()
            self._send("error", ename=type(error).__name__, evalue=error.message, traceback=lines)

    def _send(self, kind: str, **content: object) -> None:
        kernel = self._kernel
        kernel.session.send(kernel.iopub_socket, kind, content, parent=self._request)


Value = TypeVar("Value")


def run_below(
    ip: InteractiveShell, session: Session, request: ImageRequest, options: CellOptions, *, template: str | None
) -> Generation | Job | None:
    """Run a request as the options of its line say, and return the value of the cell."""
    if options.get("dry_run"):
        show_request(session.rehearsed(request), session)
        return None
    if in_kernel(ip):
        importlib.import_module("seedream_nb.notebook.output")  # nothing is imported once it was sent
    try:
        job = session.submit(request, template=template, **options)
        with _previews_of(job, ip):
            if options.get("background"):
                return keep(ip, options.get("out"), job)
            generation = _wait(ip, session, job, options.get("out"))
        # Made here, where an interrupt is understood, and kept: IPython asks for it where none is.
        session.bundle(generation)
        return generation  # noqa: TRY300 - it is the cell's value
    except StoppedError:
        raise
    except KeyboardInterrupt:  # wherever it struck: what the message says must be true
        begun = next((job for job in session.jobs if job.request is request), None)
        if begun is None:
            raise
        begun.cancel()
        return begun.result()


def wait_below(ip: InteractiveShell, session: Session, job: Job) -> Generation:
    """Wait for a job, shown below what the running cell has printed, and return what was made."""
    with _previews_of(job, ip):
        return _wait_in_view(ip, session, job, alone=False) if in_kernel(ip) else wait_in_terminal(job)


def _previews_of(job: Job, ip: InteractiveShell) -> contextlib.AbstractContextManager[None]:
    """Let what is shown meanwhile count as previews of the job's pictures, for `@out`."""
    shown = shown_by(ip)
    return contextlib.nullcontext() if shown is None else shown.previews(lambda: job)


def keep(ip: InteractiveShell, name: str | None, value: Value) -> Value:
    """Let a variable of the notebook hold a value, if one is named; return the value."""
    if name is not None:
        try:
            ip.push({name: value})
        except Exception as error:  # noqa: BLE001 - a namespace of somebody's own; what was paid for is still here
            message = f"{name} could not be set ({type(error).__name__}): the result is in Out and in the history."
            with contextlib.suppress(Exception):
                print(message)
    return value


def _wait(ip: InteractiveShell, session: Session, job: Job, out: str | None) -> Generation:
    try:
        generation = _wait_in_view(ip, session, job, alone=is_alone(ip)) if in_kernel(ip) else wait_in_terminal(job)
    except (StoppedError, StillGeneratingError):
        _keep_what_comes(ip, out, job)
        raise
    except SeedreamError:
        if job.generation is not None:
            keep(ip, out, job.generation)
        raise
    return keep(ip, out, generation)


def is_alone(ip: InteractiveShell) -> bool:
    """Return whether the cell is nothing but our magic, so that all of its output is ours."""
    cell = str(ip.history_manager.input_hist_parsed[-1]).strip() if ip.history_manager else ""
    return cell.startswith("get_ipython().run_cell_magic") or "\n" not in cell


def _wait_in_view(ip: InteractiveShell, session: Session, job: Job, *, alone: bool) -> Generation:
    live = LiveOutput(job, ip, session.bundle, alone=alone)
    try:
        live.follow(lambda: job.over or job.overdue)
    except KeyboardInterrupt:
        job.cancel()
    try:
        generation = job.result()
    except (StoppedError, StillGeneratingError) as error:
        if not job.committed and _ends_at_once(job):  # withdrawn: the error says it all
            live.vanish(alone=alone, wait=False)
        else:
            live.follow_on_after(error)
        raise
    except SeedreamError:
        # What arrived stays in sight; else the progress goes and only the error is left.
        if job.pictures:
            live.show()
        else:
            live.vanish(alone=alone, wait=False)
        raise
    live.vanish(alone=alone, wait=True)
    return generation


def _ends_at_once(job: Job) -> bool:
    """Return whether a job that was stopped is over, or will be in a moment: its error comes before its end."""
    job.wait_over(WITHDRAWN_SECONDS)
    return job.over


def _keep_what_comes(ip: InteractiveShell, out: str | None, job: Job) -> None:
    """Let a variable hold what has come so far, and at the end all of it, unless it was given another value."""
    so_far = job.generation
    if out is None or so_far is None:
        return
    keep(ip, out, so_far)

    def keep_the_rest() -> None:
        if ip.user_ns.get(out) is so_far and job.generation is not None:
            keep(ip, out, job.generation)

    job.when_over(keep_the_rest)
