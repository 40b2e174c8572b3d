"""`%seedream help`: all options and verbs, or more about one verb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.notebook.helptext import cell_help, verb_help, verbs_help
from seedream_nb.notebook.verbs import known

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session


def help(rest: str, _session: Session, _ip: InteractiveShell) -> None:  # noqa: A001 - the verb's own name
    """Tell about the cell's options and all verbs, or about one verb."""
    name = rest.removeprefix("%seedream").strip()
    print(verb_help(name, known(name)) if name else f"{cell_help()}\n{verbs_help()}")
