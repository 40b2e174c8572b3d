"""Runs a request below the running cell: shows it on its way, returns what came of it, keeps it in a variable."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, TypeVar

from seedream_nb.errors import SeedreamError, StillGeneratingError, StoppedError
from seedream_nb.notebook import terminal
from seedream_nb.notebook.shown import shown_by
from seedream_nb.notebook.surroundings import in_kernel, show_request

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.generation import Generation
    from seedream_nb.job import Job
    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session

Value = TypeVar("Value")


def run_below(
    ip: InteractiveShell, session: Session, request: ImageRequest, options: CellOptions, *, template: str | None
) -> Generation | Job | None:
    """Run a request as the options of its line say, and return the value of the cell."""
    if options.get("dry_run"):
        show_request(session.rehearsed(request), session)
        return None
    if in_kernel(ip):
        importlib.import_module("seedream_nb.notebook.live")  # nothing is imported once it was sent
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
        begun = next((each for each in session.jobs if each.request is request), None)
        if begun is None:
            raise
        begun.cancel()
        return begun.result()


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
            told = f"{name} could not be set ({type(error).__name__}): the result is in Out and in the history."
            with contextlib.suppress(Exception):
                print(told)
    return value


def _wait(ip: InteractiveShell, session: Session, job: Job, out: str | None) -> Generation:
    try:
        generation = _wait_in_view(ip, session, job) if in_kernel(ip) else terminal.wait(job)
    except (StoppedError, StillGeneratingError):
        _keep_what_comes(ip, out, job)
        raise
    except SeedreamError:
        if job.generation is not None:
            keep(ip, out, job.generation)
        raise
    return keep(ip, out, generation)


def _is_alone(ip: InteractiveShell) -> bool:
    """Return whether the cell is nothing but our magic, so that all of its output is ours."""
    cell = str(ip.history_manager.input_hist_parsed[-1]).strip() if ip.history_manager else ""
    return cell.startswith("get_ipython().run_cell_magic") or "\n" not in cell


def _wait_in_view(ip: InteractiveShell, session: Session, job: Job) -> Generation:
    from seedream_nb.notebook.live import LiveOutput

    alone, live = _is_alone(ip), LiveOutput(job, ip, session.bundle)
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
            live.vanish(alone=alone, wait=False)
        raise
    live.vanish(alone=alone, wait=True)
    return generation


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
