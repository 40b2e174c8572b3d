"""Pictures in a notebook: `%%seedream` and `seedream_nb` make Seedream 4.0 requests and keep what comes of them.

Unofficial: not affiliated with ByteDance or Novita.

```python
import seedream_nb as sd

sd.configure(backend="auto")          # the service when there is a key, else the sandbox
g = sd.generate("a fox in the snow, ink wash", size="16:9")
g[0].path                             # the full-size file
```
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from seedream_nb.needs import broken, need  # first: it says in a sentence that this Python is too old
from seedream_nb.pickling import HERE
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Literal, Unpack

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.archive import History
    from seedream_nb.errors import (
        ApiError,
        AuthenticationError,
        BudgetError,
        ConnectionFailedError,
        ContentRefusedError,
        DownloadError,
        OutcomeUnknownError,
        PermissionDeniedError,
        RateLimitError,
        ReferenceImageError,
        ReplyError,
        RequestError,
        SeedreamError,
        ServiceError,
        SettingsError,
        StillGeneratingError,
        StoppedError,
    )
    from seedream_nb.generation import Generation
    from seedream_nb.job import Job
    from seedream_nb.options import Asked
    from seedream_nb.picture import Picture
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session
    from seedream_nb.widgets import Gallery, Panel, ReferenceTray

    history: History

_Function = TypeVar("_Function", bound="Callable[..., Any]")

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BudgetError",
    "ConnectionFailedError",
    "ContentRefusedError",
    "DownloadError",
    "Gallery",
    "Generation",
    "ImageRequest",
    "Job",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "Picture",
    "RateLimitError",
    "ReferenceImageError",
    "ReferenceTray",
    "ReplyError",
    "RequestError",
    "SeedreamError",
    "ServiceError",
    "SettingsError",
    "StillGeneratingError",
    "StoppedError",
    "configure",
    "generate",
    "history",
    "panel",
    "submit",
]

_HOMES = {
    "Gallery": "widgets",
    "Generation": "generation",
    "ImageRequest": "request",
    "Job": "job",
    "Picture": "picture",
    "ReferenceTray": "widgets",
    **{name: "errors" for name in __all__ if name.endswith("Error")},
}
"""Where each public class is defined: it is loaded when it is first asked for, so that importing stays free."""


def _names_the_nearest(function: _Function) -> _Function:
    """Let a function that gets an option it does not have name the nearest that it has."""

    @functools.wraps(function)
    def checked(*args: object, **options: object) -> object:
        known = {"prompt", *(function.__kwdefaults__ or {})}
        if not known.issuperset(options):
            from seedream_nb.options import check_options

            check_options(function.__name__, options, known)
        return function(*args, **options)

    return cast("_Function", checked)


# fmt: off
@overload
def generate(
    prompt: str, *, dry_run: Literal[False] = ..., background: Literal[False] = ..., **options: Unpack[Asked]
) -> Generation: ...
@overload
def generate(
    prompt: str, *, dry_run: Literal[False] = ..., background: Literal[True], **options: Unpack[Asked]
) -> Job: ...
@overload
def generate(prompt: str, *, dry_run: Literal[True], background: bool = ..., **options: Unpack[Asked]) -> None: ...
@overload
def generate(
    prompt: str, *, dry_run: bool = ..., background: bool = ..., **options: Unpack[Asked]
) -> Generation | Job | None: ...
@_names_the_nearest
def generate(  # noqa: PLR0913 - the options of the cell magic, by their long names
    prompt: str, *, values: Mapping[str, object] | None = None, images: object = (), image: object = (),
    size: str | None = None, aspect: str | None = None, max_images: int | None = None,
    sequential: str | None = None, watermark: bool | None = None, once: bool | None = None,
    save: str | os.PathLike[str] | None = None, timeout: float | None = None, dry_run: bool = False,
    background: bool = False,
) -> Generation | Job | None:
    # fmt: on
    """Make pictures and wait for them.

    Args:
        prompt: what to make: plain text, sent as it is, unless `values` is given.
        values: names for `{expressions}` in the prompt; only these names can be used.
        images: up to 10 reference images: paths, globs, URLs, `bytes`, PIL images, pictures and generations.
        image: another spelling of `images`.
        size: `1K`, `2K`, `4K`, `WxH` in pixels (1024x1024 to 4096x4096 in all), or a ratio of the service's table.
        aspect: `W:H`, with `1K`, `2K` or `4K` (alone: 2K).
        max_images: 1 to 15 pictures in a series; references and pictures together at most 15.
        sequential: `auto` or `disabled`, the service's own switch.
        watermark: the "AI generated" mark; the service's default is on.
        once: show an identical request's result from the history, at no cost.
        save: a folder that gets copies of the full-size files.
        timeout: seconds to wait, counted from the last byte sent (600 if not set otherwise).
        background: return a job at once, as `submit` always does.
        dry_run: show the request and the estimate; send nothing, spend nothing, return None.

    Returns:
        The generation; its pictures are on disk. With `background` the job, with `dry_run` None.

    Raises:
        RequestError: something is wrong with the request; nothing was sent.
        StoppedError: interrupted; withdrawn, or going on in the background.
        SeedreamError: it failed; the class says how, the message what it cost.
    """
    from seedream_nb.options import read_flag

    background = read_flag("background", background)  # before anything is paid
    job = submit(
        prompt, values=values, images=images, image=image, size=size, aspect=aspect, max_images=max_images,
        sequential=sequential, watermark=watermark, once=once, save=save, timeout=timeout, dry_run=dry_run,
    )  # fmt: skip
    return job if job is None or background else job.result()


# fmt: off
@overload
def submit(
    prompt: str, *, dry_run: Literal[False] = ..., background: bool = ..., **options: Unpack[Asked]
) -> Job: ...
@overload
def submit(prompt: str, *, dry_run: bool = ..., background: bool = ..., **options: Unpack[Asked]) -> Job | None: ...
@_names_the_nearest
def submit(  # noqa: PLR0913 - the options of the cell magic, by their long names
    prompt: str, *, values: Mapping[str, object] | None = None, images: object = (), image: object = (),
    size: str | None = None, aspect: str | None = None, max_images: int | None = None,
    sequential: str | None = None, watermark: bool | None = None, once: bool | None = None,
    save: str | os.PathLike[str] | None = None, timeout: float | None = None, dry_run: bool = False,
    background: bool = True,
) -> Job | None:
    # fmt: on
    """Begin to make pictures and return at once.

    Args: those of `generate`.

    Returns:
        The job: ask its `status`, wait with `result()` or `await`, stop with `cancel()`.

    Raises:
        RequestError: something is wrong with the request; nothing was sent.
        SettingsError: no key, or a folder that can't be written; nothing was sent.
    """
    from seedream_nb.compose import as_list
    from seedream_nb.notebook.surroundings import show_request
    from seedream_nb.options import read_flag
    from seedream_nb.scope import NamesScope

    read_flag("background", background)  # taken so that the same options go with both
    session = _default_session()
    options: dict[str, Any] = {
        "images": [*as_list(images), *as_list(image)], "size": size, "aspect": aspect, "max_images": max_images,
        "sequential": sequential, "watermark": watermark,
    }  # fmt: skip
    if read_flag("dry_run", dry_run):
        scope = None if values is None else NamesScope(values)
        show_request(session.rehearsed(session.compose(prompt, scope=scope, **options)), session)
        return None
    return session.start(prompt, values=values, once=once, save=save, timeout=timeout, **options)


_told = (generate.__doc__ or "").partition("Args:")[2].partition("Returns:")[0].rstrip()  # said once, shown by both
submit.__doc__ = (submit.__doc__ or "").replace("Args: those of `generate`.", f"Args:{_told}")


def configure(**settings: object) -> None:
    """Set settings by name, for this session; None sets one back: `configure(backend="auto", budget=1.5)`.

    Raises:
        SettingsError: a name that doesn't exist (the nearest is named), or a value that can't be.
    """
    from seedream_nb.errors import SettingsError

    try:
        return _default_session().settings.change(**settings)
    except SettingsError as error:
        trouble = error.with_traceback(None)
    settings.clear()  # one may be the key, and a verbose traceback would show it
    raise trouble


def panel() -> Panel:
    """Return a panel for a cell's end: form, references, queue, history, live; IPython in a terminal is refused one.

    In a notebook it registers the magics as `%load_ext seedream_nb` does: they are in the cells that the panel writes,
    and in its advice.
    """
    from seedream_nb.notebook.surroundings import current_shell, refuse_in_terminal
    from seedream_nb.widgets import Panel

    refuse_in_terminal()
    shown = Panel()
    if (ip := current_shell()) is not None:
        load_ipython_extension(ip)
    return shown


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Register `%%seedream` and `%seedream`: what `%load_ext seedream_nb` does."""
    need("IPython")
    from seedream_nb.notebook.magic import load

    PROCESS.extended_here()
    load(ip, _default_session)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Put everything back as it was: what `%unload_ext seedream_nb` does."""
    from seedream_nb.notebook.magic import unload

    unload(ip)


def _new_session() -> Session:
    from seedream_nb.errors import SeedreamError, SettingsError

    try:
        from seedream_nb.notebook.surroundings import new_session

        return new_session()
    except SeedreamError:
        raise
    except (ImportError, AttributeError, SyntaxError) as error:  # as from a file that has a library's name
        told, remedy = broken(error)
        raise SettingsError(told, hint=remedy) from error
    except RuntimeError as error:  # a process that ends, where no thread can be had any more
        told = f"This Python process is ending, or can't start threads: {error}."
        raise SettingsError(told, hint="Nothing was sent, nothing was billed.") from error


PROCESS.maker, PROCESS.panel = _new_session, panel
HERE.session = PROCESS.the_session
_default_session = PROCESS.the_session


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name == "history":
        return _default_session().history
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
