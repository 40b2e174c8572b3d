"""What this package needs at least, said in one sentence where there is less; older Pythons can read this file."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

LEAST = {"Python": (3, 11), "IPython": (7, 34), "anywidget": (0, 9), "ipywidgets": (7, 7, 1)}
_REMEDY = {
    "Python": "Choose another kernel, or make an environment with a later Python.",
    "IPython": "Run this, and restart the kernel: %pip install --upgrade ipython",
    "anywidget": "Run this, and restart the kernel: %pip install --upgrade anywidget",
    "ipywidgets": "Run this, and restart the kernel: %pip install --upgrade ipywidgets",
}


class TooOldError(ImportError):
    """Something is older than this package can use; a notebook shows the sentence and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def need(name: str, version: str | None = None) -> None:
    """Make sure that a library is new enough; `version` is the installed one's if not given.

    Raises:
        TooOldError: it is not; says which it is, which is needed, and what to do.
    """
    found = str(importlib.import_module(name).__version__) if version is None else version
    if _numbers(found) < LEAST[name]:
        raise TooOldError(f"seedream_nb needs {_told(name, found)}")


def lacks(name: str) -> str:
    """Return the sentence if a library that is here is too old for the panel; cells do without. Imports nothing.

    The version is read from the name of the folder that an installer writes beside a library. Where there is none, the
    panel finds out.
    """
    try:
        newest = max(_written(name), key=_numbers, default="")
    except Exception:  # noqa: BLE001 - whatever is odd about how it was installed, loading goes on
        return ""
    return f"The Seedream panel needs {_told(name, newest)}" if () < _numbers(newest) < LEAST[name] else ""


def _written(name: str) -> list[str]:
    library = importlib.util.find_spec(name)
    if library is None or library.origin is None:
        return []
    return [each.stem.split("-")[1] for each in Path(library.origin).parent.parent.glob(f"{name}-*.dist-info")]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _told(name: str, found: str) -> str:
    least = ".".join(str(number) for number in LEAST[name])
    return f"{name} {least} or later, and this is {name} {found}. {_REMEDY[name]}"


need("Python", ".".join(str(number) for number in sys.version_info[:3]))
