"""`sd.generate` and `sd.submit`: their options, signatures and explanations are those of the table of options."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_type_hints, overload

from seedream_nb.options import ALL, IN_CALLS, CellOptions, check_options, read_flag
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, Unpack

    from seedream_nb.generation import Generation
    from seedream_nb.job import Job
    from seedream_nb.options import RequestOptions

_PROMPT = "prompt: what to make: plain text, sent as it is, unless `values` is given."
_Function = TypeVar("_Function", bound="Callable[..., Any]")


def _with_options(function: _Function) -> _Function:
    """Give a function the options of a call, in its signature and its docstring; another one names the nearest."""
    signature = inspect.signature(function)
    own = {name: each for name, each in signature.parameters.items() if each.kind is not each.VAR_KEYWORD}
    hints = get_type_hints(CellOptions)
    told = [option for option in ALL.values() if option.name in {*IN_CALLS, *own}]
    options = [own.get(each.name) or _parameter(each.name, hints[each.name]) for each in told]

    @functools.wraps(function)
    def checked(*args: object, **options: object) -> object:
        check_options(function.__name__, options, {*own, *IN_CALLS})
        return function(*args, **options)

    explained = [_PROMPT, *(f"{each.name}: {each.call or each.help}." for each in told)]
    arguments = "\n        ".join(["Args:", *explained])
    checked.__doc__ = (function.__doc__ or "").replace("Returns:", f"{arguments}\n\n    Returns:", 1)
    checked.__signature__ = signature.replace(parameters=[own["prompt"], *options])  # type: ignore[attr-defined]
    return cast("_Function", checked)


def _parameter(name: str, kind: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


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
@_with_options
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
    job = submit(prompt, dry_run=dry_run, **options)
    return job if job is None or background else job.result()


@overload
def submit(
    prompt: str, *, dry_run: Literal[False] = ..., background: bool = ..., **options: Unpack[RequestOptions]
) -> Job: ...
@overload
def submit(
    prompt: str, *, dry_run: bool = ..., background: bool = ..., **options: Unpack[RequestOptions]
) -> Job | None: ...
@_with_options
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
    from seedream_nb.notebook.surroundings import show_request

    read_flag("background", background)  # taken so that the same options go with both
    session = PROCESS.the_session()
    if read_flag("dry_run", dry_run):
        show_request(session.rehearsed(session.compose(prompt, **options)), session)
        return None
    return session.start(prompt, **options)
