"""What this package needs at least, said in one sentence where there is less; older Pythons can read this file."""

from __future__ import annotations

import importlib
import re
import sys

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
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:3])
    if numbers < LEAST[name]:
        least = ".".join(str(number) for number in LEAST[name])
        raise TooOldError(f"seedream_nb needs {name} {least} or later, and this is {name} {found}. {_REMEDY[name]}")


need("Python", ".".join(str(number) for number in sys.version_info[:3]))
