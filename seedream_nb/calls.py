"""`sd.generate` and `sd.submit`: their options, signatures and explanations are those of the table of options."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from seedream_nb.jobs.stopping import stoppable
from seedream_nb.options import read_flag, with_options
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal, Unpack

    from seedream_nb.batches.batch import Batch
    from seedream_nb.batches.plan import Asked
    from seedream_nb.jobs.job import Job
    from seedream_nb.options import CellOptions, RequestOptions
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation


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

    def ask() -> Generation | Job | None:
        is_job = read_flag("background", background)  # before anything is paid
        job = _submit(prompt, dry_run=dry_run, options=options)
        return job if job is None or is_job else job.result()

    return stoppable(lambda: PROCESS.the_session().without_key(ask), _jobs)


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

    def ask() -> Job | None:
        read_flag("background", background)  # taken so that the same options go with both
        return _submit(prompt, dry_run=dry_run, options=options)

    return stoppable(lambda: PROCESS.the_session().without_key(ask), _jobs)


@with_options
def batch(  # noqa: PLR0913 - what decides what comes back
    prompt: str,
    *,
    over: Mapping[str, object] | None = None,
    rows: object = None,
    repeat: int = 1,
    dry_run: bool = False,
    background: bool = False,
    yes: bool = False,
    retry_unknown: bool = False,
    **options: Unpack[RequestOptions],
) -> Batch | None:
    """Make many pictures at once: checked and reserved as a whole, shown as a table, and only what is missing is sent.

    Returns:
        The batch, failures and all: each of its generations has a `status`. With `dry_run` None.

    Raises:
        RequestError: something is wrong with any of it, or it needs `yes=True`; nothing was sent.
        BudgetError: the whole of it could exceed the budget; nothing was sent.
        StoppedError: interrupted; what was sent goes on, the rest was withdrawn.
    """
    from seedream_nb.batches.asking import called_batch
    from seedream_nb.batches.begin import stopping

    flags = {"dry_run": dry_run, "background": background, "yes": yes, "retry_unknown": retry_unknown}
    session = PROCESS.the_session()

    def ask() -> Batch | None:
        whole: CellOptions = {**options, **{name: read_flag(name, value) for name, value in flags.items()}}  # type: ignore[typeddict-item]
        return _run_batch(session, called_batch(session, prompt, whole, repeat=repeat, over=over, rows=rows), whole)

    with stopping(session):
        return session.without_key(ask)


def _run_batch(session: Session, what: Asked, options: CellOptions) -> Batch | None:
    from seedream_nb.batches.begin import begin, estimate_of
    from seedream_nb.batches.view import plan_bundle
    from seedream_nb.notebook.shell import current_shell

    if (ip := current_shell()) is not None:
        from seedream_nb.notebook.batches import run_called

        return run_called(ip, session, what, options)
    if options.get("dry_run"):
        print(plan_bundle(what, estimate_of(session, what, options))["text/plain"])  # noqa: T201 - what was asked for
        return None
    begun = begin(session, what, options)
    return begun if options.get("background") else begun.result()


def _submit(prompt: str, *, dry_run: bool, options: RequestOptions) -> Job | None:
    from seedream_nb.notebook.shell import show_request

    session = PROCESS.the_session()
    if read_flag("dry_run", dry_run):
        show_request(session.rehearsed(session.compose(prompt, **options)), session)
        return None
    return session.start(prompt, **options)


def _jobs() -> Iterable[Job]:
    """Return the jobs that are remembered; an interrupt may strike before there is a session."""
    return () if PROCESS.session is None else PROCESS.session.jobs
