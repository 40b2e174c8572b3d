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

import importlib
from typing import TYPE_CHECKING, Any

from seedream_nb.needs import explain_broken, need  # first: it says in a sentence that this Python is too old
from seedream_nb.pickling import HERE
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.batches.batch import Batch
    from seedream_nb.calls import batch, generate, submit
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
    from seedream_nb.jobs.job import Job
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.history import History
    from seedream_nb.storage.picture import Picture
    from seedream_nb.widgets import Gallery, Panel, ReferenceTray

    history: History

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AuthenticationError",
    "Batch",
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
    "batch",
    "configure",
    "generate",
    "history",
    "panel",
    "submit",
]

_DEFINED_IN = {
    "Batch": "batches.batch",
    "Gallery": "widgets",
    "Generation": "storage.generation",
    "ImageRequest": "request",
    "Job": "jobs.job",
    "Picture": "storage.picture",
    "ReferenceTray": "widgets",
    "batch": "calls",
    "generate": "calls",
    "submit": "calls",
    **{name: "errors" for name in __all__ if name.endswith("Error")},
}
"""Where what is public is defined: it is loaded when it is first asked for, so that importing stays free."""


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
    from seedream_nb.notebook.shell import current_shell, publish, refuse_in_terminal
    from seedream_nb.widgets import Panel

    refuse_in_terminal()
    shown = Panel(publish=publish)
    if (ip := current_shell()) is not None:
        load_ipython_extension(ip)
    return shown


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Register `%%seedream` and `%seedream`: what `%load_ext seedream_nb` does."""
    need("IPython")
    from seedream_nb.notebook.magic import load

    PROCESS.remember_folder()
    load(ip, _default_session)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Put everything back as it was: what `%unload_ext seedream_nb` does."""
    from seedream_nb.notebook.magic import unload

    unload(ip)


def _new_session() -> Session:
    from seedream_nb.errors import SeedreamError, SettingsError

    try:
        from seedream_nb.notebook import new_session

        return new_session()
    except SeedreamError:
        raise
    except (ImportError, AttributeError, SyntaxError) as error:  # as from a file that has a library's name
        message, remedy = explain_broken(error)
        raise SettingsError(message, hint=remedy) from error
    except RuntimeError as error:  # a process that ends, where no thread can be had any more
        message = f"This Python process is ending, or can't start threads: {error}."
        raise SettingsError(message, hint="Nothing was sent, nothing was billed.") from error


PROCESS.maker, PROCESS.panel = _new_session, panel
HERE.session = PROCESS.the_session
_default_session = PROCESS.the_session


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name == "history":
        return _default_session().history
    if name in _DEFINED_IN:
        try:
            value = getattr(importlib.import_module(f"{__name__}.{_DEFINED_IN[name]}"), name)
        except KeyboardInterrupt:  # what was half imported begins anew the next time
            from seedream_nb.errors import BEFORE_SENDING, StoppedError

            raise StoppedError(BEFORE_SENDING) from None
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
