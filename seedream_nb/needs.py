"""Libraries: those that are too old, broken or shadowed by a user's file, and importing them early.

Older Pythons can run this module. Everything that a request needs after sending is imported before: what is paid for
must not fail because a library was updated meanwhile, or because a file beside the notebook has a library's name. Also,
a forked child could wait for ever for the lock of an import that another thread had begun.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.util
import os
import re
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Iterator

MIN = {"Python": (3, 11), "IPython": (7, 34), "anywidget": (0, 9), "ipywidgets": (7, 7, 1)}
_REMEDY = {
    "Python": "Choose another kernel, or make an environment with a later Python.",
    "IPython": "Run this, and restart the kernel: %pip install --upgrade ipython",
    "anywidget": "Run this, and restart the kernel: %pip install --upgrade anywidget",
    "ipywidgets": "Run this, and restart the kernel: %pip install --upgrade ipywidgets",
}


SPLIT_MODULES = (
    "urllib.request", "http.cookiejar", "idna", "h11", "anyio", "anyio.lowlevel", "anyio._core._tasks",
    "anyio._core._typedattr", "anyio.abc", "anyio.streams.stapled", "anyio.streams.tls", "anyio._core._sockets",
    "anyio.streams.memory", "click", "pygments.lexers", "PIL.ExifTags", "PIL.TiffTags", "PIL.ImageFile",
    "PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.PpmImagePlugin", "seedream_nb.settings", "seedream_nb.request",
    "seedream_nb.references.load", "seedream_nb.prompt", "seedream_nb.storage.generation",
    "seedream_nb.references.adapters", "seedream_nb.references.resolve", "seedream_nb.compose",
    "seedream_nb.service", "seedream_nb.storage.history", "seedream_nb.jobs.job",
)  # fmt: skip
"""Parts of the following that are imported by themselves, before what imports them, to keep each step short."""
REQUEST_MODULES = (
    # Looking up a host name needs these two.
    "encodings.idna",
    "stringprep",
    "concurrent.futures.thread",
    "anyio._backends._asyncio",
    "httpcore",
    "httpx",
    "PIL.Image",
    "PIL.ImageOps",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.WebPImagePlugin",
    "fractions",
    "seedream_nb.http.client",
    "seedream_nb.http.transport",
    "seedream_nb.jobs.pipeline",
    "seedream_nb.view",
)
"""What a request needs from beginning to end, display included."""
OPTIONAL_MODULES = ("ctypes", "sniffio")
"""What it uses where installed."""
REFERENCE_MODULES = ("PIL.ImageCms",)
"""What a reference may need, before the request is sent."""
KERNEL_MODULES = ("seedream_nb.session", "seedream_nb.notebook.scope", "seedream_nb.notebook.output")
"""What a cell needs besides."""
SANDBOX_MODULES = ("PIL.ImageDraw", "PIL.ImageFont", "seedream_nb.sandbox.app", "seedream_nb.sandbox.painter")

LIBRARIES = {
    "PIL": "pillow", "anyio": "anyio", "certifi": "certifi", "h11": "h11", "httpcore": "httpcore", "httpx": "httpx",
    "idna": "idna", "sniffio": "sniffio", "starlette": "starlette", "seedream_nb": "seedream-nb",
}  # fmt: skip
"""The libraries that we need: module names and distribution names."""
_PYTHONS_OWN = (
    "abc ast asyncio atexit base64 bisect codecs collections concurrent contextlib contextvars copy dataclasses "
    "datetime decimal difflib email encodings enum errno fnmatch fractions functools getpass glob hashlib heapq html "
    "http importlib inspect io ipaddress itertools json keyword logging math mimetypes numbers operator os pathlib "
    "platform queue random re secrets select selectors shutil signal socket ssl stat string stringprep struct "
    "subprocess sys tempfile textwrap threading time tokenize traceback types typing unicodedata urllib uuid warnings "
    "weakref zipfile zlib"
)
"""Standard modules that we and those libraries use, and whose names users easily give to their own files."""
_WELCOME = "brotli brotlicffi click h2 pygments rich socksio trio zstandard"
"""What those libraries use where installed."""
RESTART = "Restart the kernel"

_FORK_SECONDS = 5.0
"""The longest that a fork waits for an import."""
_IDLE_SECONDS, _PAUSE_SECONDS = 0.2, 0.005
"""After a cell, and after each module, so that queued cells come first."""


class _Imports:
    """Makes forks wait for running imports, which the child could never finish."""

    def __init__(self) -> None:
        self.begin: Callable[[], None] = lambda: None
        """Called before the first import; makes forks wait."""
        self._has_begun = False
        self.reset_after_fork()

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Make forks wait for the end of the block."""
        if not self._has_begun:
            self._has_begun = True
            self.begin()
        with self._lock, _uncollected():
            yield

    def before_fork(self) -> None:
        """Wait for running imports, and allow none until `resume`."""
        self._held.append(self._lock.acquire(timeout=_FORK_SECONDS))

    def resume(self) -> None:
        """Go on in the parent."""
        if self._held.pop():
            self._lock.release()

    def reset_after_fork(self) -> None:
        """Go on in the child."""
        self._lock = threading.RLock()
        self._held = []  # type: list[bool]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Collect no garbage for the length of a block: what is imported stays, and looking for it takes 10 ms."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


imports = _Imports()


class TooOldError(ImportError):
    """A library is too old; a notebook shows the message without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def need(name: str, version: str | None = None) -> None:
    """Make sure that a library is new enough; `version` is by default the installed one.

    Raises:
        TooOldError: names the version found, the one needed, and what to do.
    """
    found = str(importlib.import_module(name).__version__) if version is None else version
    if _numbers(found) < MIN[name]:
        raise TooOldError(f"seedream_nb needs {_requirement(name, found)}")


def too_old_notice(name: str) -> str:
    """Return a message if an installed library is too old for the panel; cells work without. Imports nothing.

    The version is in the name of the `dist-info` folder beside the library. If there is none, the panel finds out.
    """
    try:
        newest = max(_installed_versions(name), key=_numbers, default="")
    except Exception:  # noqa: BLE001 - whatever is odd about how it was installed, loading goes on
        return ""
    return f"The Seedream panel needs {_requirement(name, newest)}" if () < _numbers(newest) < MIN[name] else ""


def load(*, sandbox: bool) -> None:
    """Import all that a request needs; `sandbox` says whether it goes there.

    Raises:
        Exception: a library is broken or shadowed: whatever its import raises. See `explain_broken`.
    """
    with imports.going_on():
        for name in (*REQUEST_MODULES, *(SANDBOX_MODULES if sandbox else ())):
            importlib.import_module(name)
        for name in OPTIONAL_MODULES:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        shadowed = shadowing_files()
        if shadowed:
            raise ImportError(name=shadowed[0][0])


class Preloader:
    """Imports between cells what the first request will need, one module at a time and none while a cell runs.

    What can't be imported is left for the request to report.
    """

    def __init__(self) -> None:
        """Begin after the current cell."""
        self._left = [*SPLIT_MODULES, *REQUEST_MODULES, *OPTIONAL_MODULES, *REFERENCE_MODULES, *KERNEL_MODULES]
        self._running = 0
        self._next: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Pause, as a cell begins."""
        self._running += 1
        if self._next is not None:
            self._next.cancel()

    def resume(self) -> None:
        """Continue when the kernel is idle, now that a cell has ended."""
        self._running = max(0, self._running - 1)
        self._in(_IDLE_SECONDS, self._begin)

    def give_up(self) -> None:
        """Import nothing more."""
        self._left.clear()
        self.stop()

    def _in(self, seconds: float, function: Callable[[], None]) -> None:
        self._left = [name for name in self._left if name not in sys.modules]
        # Cells may also run in other threads; and without a running loop nothing knows when the kernel is idle.
        if self._left and not self._running and threading.current_thread() is threading.main_thread():
            with contextlib.suppress(RuntimeError):
                self._next = sys.modules["asyncio"].get_running_loop().call_later(seconds, function)

    def _begin(self) -> None:
        """Continue unless that would run a file from the notebook's folder, which the first request reports."""
        if not self._running and not shadowing_files(to_come=True, among=_WELCOME.split()):
            self._import()

    def _import(self) -> None:
        if self._running:
            return
        name = self._left.pop(0)
        with contextlib.suppress(BaseException), imports.going_on():  # the kernel's loop must not end of it
            importlib.import_module(name)
        self._in(_PAUSE_SECONDS, self._import)


def shadowing_files(*, to_come: bool = False, among: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return the user's files that Python takes for a library or a standard module, each with its name.

    Args:
        to_come: include those that a later import would take.
        among: further names, besides those of `LIBRARIES` and the standard library.
    """
    places = set()
    for folder in (os.curdir, sys.path[0] if sys.path else ""):
        with contextlib.suppress(OSError):  # the current folder was removed
            places.add(os.path.realpath(folder))
    places.discard(str(Path(os.path.realpath(os.__file__)).parent))
    real_path = functools.cache(os.path.realpath)  # most modules share a few folders
    found = []
    for name in sorted({*_PYTHONS_OWN.split(), *LIBRARIES, *among} - {"seedream_nb"}):
        module = sys.modules.get(name)
        origin = _import_path(name) if module is None and to_come else getattr(module, "__file__", None)
        if origin is not None:
            folder, file = os.path.split(origin)
            if _is_shadowing(real_path(folder), file, name, places):
                found.append((name, str(origin)))
    return found


def _import_path(name: str) -> str | None:
    """Return the file that an import of this name would load."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return None if found is None else found.origin


def _is_shadowing(folder: str, file: str, name: str, places: set[str]) -> bool:
    """Return whether a module is in one of these folders and was not installed there."""
    if not file.startswith("__init__."):
        return folder in places
    beside = Path(folder).parent
    return str(beside) in places and not any(beside.glob(f"{LIBRARIES.get(name, name)}-*.dist-info"))


def is_pillow_broken(error: BaseException) -> bool:
    """Return whether an error is an import that failed because Pillow can't be used."""
    return isinstance(error, ImportError) and _library(error) == "PIL"


def explain_broken(error: BaseException) -> tuple[str, str]:
    """Return why something that a request needs can't be used, and what to do about it, a sentence each."""
    shadowed = shadowing_files(to_come=True)
    if shadowed:
        name, path = shadowed[0]
        whose = f"the library {name}" if name in LIBRARIES else f"Python's own {name}"
        return f"{path} is imported instead of {whose}, which requests need.", f"Rename that file. {RESTART} then."
    name = _library(error)
    text = " ".join(str(error).split())[:_REASON_CHARACTERS]
    reason = text if isinstance(error, ImportError) and text else f"{type(error).__name__}: {text}"
    remedy = f"{RESTART}: it may have been updated while this one ran"
    return (
        f"The library {LIBRARIES[name]} can't be used: {reason.rstrip('.')}.",
        f"{remedy}. If that does not help: %pip install --force-reinstall {LIBRARIES[name]}",
    )


_REASON_CHARACTERS = 200


def _library(error: BaseException) -> str:
    """Return the library in which an error arose, as far as is known, else our own."""
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    candidates = [missing, *(name.partition(".")[0] for name in reversed(modules))]
    others = [name for name in candidates if name in LIBRARIES and name != "seedream_nb"]
    return others[0] if others else "seedream_nb"


def changed_versions() -> list[tuple[str, str, str]]:
    """Return the libraries that were updated since they were loaded: name, loaded version, installed version."""
    from importlib import metadata

    found = []
    for name, distribution in LIBRARIES.items():
        loaded = getattr(sys.modules.get(name), "__version__", None)
        try:
            installed = metadata.version(distribution) if loaded else None
        except metadata.PackageNotFoundError:
            continue
        if installed and _numbers(str(loaded)) != _numbers(installed):
            found.append((distribution, str(loaded), installed))
    return found


def _installed_versions(name: str) -> list[str]:
    library = importlib.util.find_spec(name)
    if library is None or library.origin is None:
        return []
    return [folder.stem.split("-")[1] for folder in Path(library.origin).parent.parent.glob(f"{name}-*.dist-info")]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _requirement(name: str, found: str) -> str:
    minimum = ".".join(str(number) for number in MIN[name])
    return f"{name} {minimum} or later, and this is {name} {found}. {_REMEDY[name]}"


need("Python", ".".join(str(number) for number in sys.version_info[:3]))
