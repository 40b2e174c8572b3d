"""Says once, in one line, what kernels that died have left unfinished here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.session import Session

MOST_NAMED = 5
TELL_THEMSELVES = frozenset({"", "recover", "doctor"})
"""The verbs that tell what is unfinished anyway."""


class Leftover:
    """Looks when the first verb or cell is run: loading stays silent, and free."""

    def __init__(self, session: Callable[[], Session]) -> None:
        """Look at nothing yet."""
        self._session = session
        self._told = False

    def line(self, verb: str | None = None) -> str | None:
        """Return the line, if there is something to tell and it was not told; a cell has no `verb`."""
        told, self._told = self._told, True
        if told or verb in TELL_THEMSELVES:
            return None
        # Whatever keeps the history from being read is told by what was asked for, not by this.
        with contextlib.suppress(OSError, SeedreamError):
            return leftover_line(self._session())
        return None


def leftover_line(session: Session) -> str | None:
    """Return what was left in one line; None where nothing was."""
    left = [
        f"{each.mark} ({each.status if each.status == 'partial' or each.cost is None else 'not billed'})"
        for each in session.history.left_behind()
    ]
    more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
    named = ", ".join(left[:MOST_NAMED])
    return f"Unfinished since a kernel ended: {named}{more}. See: %seedream recover" if left else None
