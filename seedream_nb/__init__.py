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
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    from seedream_nb.picture import Picture
    from seedream_nb.request import ImageRequest
    from seedream_nb.session import Session

    history: History

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BudgetError",
    "ConnectionFailedError",
    "ContentRefusedError",
    "DownloadError",
    "Generation",
    "ImageRequest",
    "Job",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "Picture",
    "RateLimitError",
    "ReferenceImageError",
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
    "submit",
]

_HOMES = {
    "Generation": "generation",
    "ImageRequest": "request",
    "Job": "job",
    "Picture": "picture",
    **{name: "errors" for name in __all__ if name.endswith("Error")},
}
"""Where each public class is defined: it is loaded when it is first asked for, so that importing stays free."""

_lock = threading.Lock()
_session: Session | None = None


def generate(  # noqa: PLR0913 - the options of the cell magic, by their long names
    prompt: str,
    *,
    values: Mapping[str, object] | None = None,
    images: object = (),
    size: str | None = None,
    aspect: str | None = None,
    max_images: int | None = None,
    sequential: str | None = None,
    watermark: bool | None = None,
    once: bool | None = None,
    save: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> Generation:
    """Make pictures and wait for them.

    Args:
        prompt: what to make: plain text, sent as it is, unless `values` is given.
        values: names for `{expressions}` in the prompt; only these names can be used.
        images: up to 10 reference images: paths, globs, URLs, `bytes`, PIL images, pictures and generations.
        size: `1K`, `2K`, `4K`, `WxH` in pixels (1024x1024 to 4096x4096 in all), or a ratio of the service's table.
        aspect: `W:H`, with `1K`, `2K` or `4K` (alone: 2K).
        max_images: 1 to 15 pictures in a series; references and pictures together at most 15.
        sequential: `auto` or `disabled`, the service's own switch.
        watermark: the "AI generated" mark; the service's default is on.
        once: show an identical request's result from the history, at no cost.
        save: a folder that gets copies of the full-size files.
        timeout: seconds to wait, counted from the last byte sent (600 if not set otherwise).

    Returns:
        The generation; its pictures are on disk.

    Raises:
        RequestError: something is wrong with the request; nothing was sent.
        StoppedError: interrupted; withdrawn, or going on in the background.
        SeedreamError: it failed; the class says how, the message what it cost.
    """
    return submit(
        prompt, values=values, images=images, size=size, aspect=aspect, max_images=max_images, sequential=sequential,
        watermark=watermark, once=once, save=save, timeout=timeout,
    ).result()  # fmt: skip


def submit(  # noqa: PLR0913 - the options of the cell magic, by their long names
    prompt: str,
    *,
    values: Mapping[str, object] | None = None,
    images: object = (),
    size: str | None = None,
    aspect: str | None = None,
    max_images: int | None = None,
    sequential: str | None = None,
    watermark: bool | None = None,
    once: bool | None = None,
    save: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> Job:
    """Begin to make pictures and return at once; see `generate` for the arguments.

    Returns:
        The job: ask its `status`, wait with `result()` or `await`, stop with `cancel()`.

    Raises:
        RequestError: something is wrong with the request; nothing was sent.
        SettingsError: no key, or a folder that can't be written; nothing was sent.
    """
    return _default_session().start(
        prompt, values=values, images=images, size=size, aspect=aspect, max_images=max_images, sequential=sequential,
        watermark=watermark, once=once, save=save, timeout=timeout,
    )  # fmt: skip


def configure(**settings: object) -> None:
    """Set settings by name, for this session; None sets one back: `configure(backend="auto", budget=1.5)`.

    Raises:
        SettingsError: a name that doesn't exist (the nearest is named), or a value that can't be.
    """
    _default_session().settings.change(**settings)


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Register `%%seedream` and `%seedream`: what `%load_ext seedream_nb` does."""
    from seedream_nb.notebook.magic import load

    load(ip, _default_session)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Put everything back as it was: what `%unload_ext seedream_nb` does."""
    from seedream_nb.notebook.magic import unload

    unload(ip)


def _default_session() -> Session:
    """Return the one session of this process, made when it is first asked for."""
    global _session  # noqa: PLW0603 - one session per process is the point
    with _lock:
        if _session is None:
            _session = _new_session()
        return _session


def _new_session() -> Session:
    from seedream_nb.notebook.surroundings import surroundings
    from seedream_nb.session import Session
    from seedream_nb.settings import Settings
    from seedream_nb.view import bundle

    settings = Settings(environ=os.environ, folder=Path.cwd())
    return Session(settings=settings, bundle=bundle, **surroundings())


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
