"""`%seedream panel`: the panel, as the value of the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.notebook.verbs import no_words
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session


def panel(rest: str, _session: Session, _ip: InteractiveShell) -> object:
    """Return a panel of this process's session."""
    no_words("panel", rest)
    return PROCESS.panel()
