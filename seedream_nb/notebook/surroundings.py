"""What the notebook around us offers: the values of its names, and what it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.interactiveshell import InteractiveShell


class NotebookScope:
    """The names of the notebook, as its cells see them."""

    has_builtins = True

    def __init__(self, ip: InteractiveShell) -> None:
        """Offer the user's namespace of this shell."""
        self._ip = ip

    def names(self) -> Iterable[str]:
        """Return the names that the notebook's cells have."""
        return list(self._ip.user_ns)

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression, as a cell would have it."""
        return eval(expression, self._ip.user_ns)  # noqa: S307 - the user's own expression, in the user's own cell


def surroundings() -> dict[str, Any]:
    """Return what a session is handed: the scope and the name of the notebook; nothing in a script."""
    ip = current_shell()
    if ip is None:
        return {}
    return {
        "scope": NotebookScope(ip),
        "notebook": lambda: notebook_name(ip),
        "lingers": not in_kernel(ip),
    }


def current_shell() -> InteractiveShell | None:
    """Return the running IPython shell, without importing IPython where there is none."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    return get_ipython()


def notebook_name(ip: InteractiveShell) -> str | None:
    """Return the notebook's file name where the host tells it; the name may be of no file."""
    told = ip.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return Path(str(told)).name if told else None


def in_kernel(ip: InteractiveShell) -> bool:
    """Return whether outputs can be updated: in a kernel they can, in a terminal they can't."""
    return getattr(ip, "kernel", None) is not None
