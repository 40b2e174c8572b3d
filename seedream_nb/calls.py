"""`sd.generate` and `sd.submit`: their options, signatures and explanations are those of the table of options."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, TypeVar, overload

from seedream_nb.errors import BEFORE_SENDING, StoppedError
from seedream_nb.jobs import messages
from seedream_nb.options import read_flag, with_options
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, Unpack

    from seedream_nb.jobs.job import Job
    from seedream_nb.options import RequestOptions
    from seedream_nb.storage.generation import Generation

Result = TypeVar("Result")

HAD_ENDED = "Stopped, but the request had ended already: its pictures are in the history."


@overload
def generate(
    prompt: str, *, dry_run: Literal[False] = ..., background: Literal[False] = ..., **options: Unpack[RequestOptions]
) -> Generation: ...
@overload
def generate(
    prompt: str, *, dry_run: Literal[False] = ..., background: Literal[True], **options: Unpack[RequestOptions]
) -> Job: ...
@overload
def generate(
    prompt: str, *, dry_run: Literal[True], background: bool = ..., **options: Unpack[RequestOptions]
) -> None: ...
@overload
def generate(
    prompt: str, *, dry_run: bool = ..., background: bool = ..., **options: Unpack[RequestOptions]
) -> Generation | Job | None: ...
@with_options
def generate(
    prompt: str, *, dry_run: bool = False, background: bool = False, **options: Unpack[RequestOptions]
) -> Generation | Job | None:
    """Make pictures and wait for them.

    Returns:
        The generation; its pictures are on disk. With `background` the job, with `dry_run` None.

    Raises:
        RequestError: something is wrong with the request; nothing was sent.
        StoppedError: interrupted; withdrawn, or going on in the background.
        SeedreamError: it failed; the class says how, the message what it cost.
    """
    background = read_flag("background", background)  # before anything is paid

    def ask() -> Generation | Job | None:
        job = _submit(prompt, dry_run=dry_run, options=options)
        return job if job is None or background else job.result()

    return _stoppable(ask)


@overload
def submit(
    prompt: str, *, dry_run: Literal[False] = ..., background: bool = ..., **options: Unpack[RequestOptions]
) -> Job: ...
@overload
def submit(
    prompt: str, *, dry_run: bool = ..., background: bool = ..., **options: Unpack[RequestOptions]
) -> Job | None: ...
@with_options
def submit(
    prompt: str, *, dry_run: bool = False, background: bool = True, **options: Unpack[RequestOptions]
) -> Job | None:
    """Begin to make pictures and return at once.

    Returns:
        The job: ask its `status`, wait with `result()` or `await`, stop with `cancel()`.

    Raises:
        RequestError: something is wrong with the request; nothing was sent.
        SettingsError: no key, or a folder that can't be written; nothing was sent.
    """
    read_flag("background", background)  # taken so that the same options go with both
    return _stoppable(lambda: _submit(prompt, dry_run=dry_run, options=options))


def _submit(prompt: str, *, dry_run: bool, options: RequestOptions) -> Job | None:
    from seedream_nb.notebook.shell import show_request

    session = PROCESS.the_session()
    if read_flag("dry_run", dry_run):
        show_request(session.rehearsed(session.compose(prompt, **options)), session)
        return None
    return session.start(prompt, **options)


def _stoppable(ask: Callable[[], Result]) -> Result:
    """Ask; an interrupt wherever it strikes, be it while something is imported, says what was sent.

    Raises:
        StoppedError: it was stopped; what was begun meanwhile says whether it may be billed.
    """
    before = _begun()
    try:
        return ask()
    except StoppedError:
        raise
    except KeyboardInterrupt:
        for job in _begun():
            if job not in before:
                job.cancel()
                job.result()
                raise StoppedError(HAD_ENDED, hint=messages.SEE_HISTORY) from None
        raise StoppedError(BEFORE_SENDING) from None


def _begun() -> list[Job]:
    """Return the jobs that this thread has begun and that are remembered."""
    session = PROCESS.session
    return [] if session is None else [job for job in session.jobs if job.asker == get_ident()]
