"""Everything between the package and IPython: magics, verbs, completion, outputs; and the session that they share."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedream_nb.session import Session


def new_session() -> Session:
    """Return a session for the notebook or the script that this runs in.

    Raises:
        SettingsError: this is a place where none can work.
    """
    from seedream_nb.notebook.shell import refuse_in_browser

    refuse_in_browser(sys.platform)
    from seedream_nb.hosts import Colab
    from seedream_nb.process import PROCESS
    from seedream_nb.session import Session
    from seedream_nb.settings import Settings
    from seedream_nb.view import bundle

    settings = Settings(environ=os.environ, folder=PROCESS.folder, home=PROCESS.home, colab=Colab.around())
    # Links are relative to the notebook's folder, wherever the kernel has gone meanwhile.
    shown = functools.partial(bundle, folder=settings.folder)
    return Session(settings=settings, bundle=shown, tally=PROCESS.tally, **_of_the_notebook())


def _of_the_notebook() -> dict[str, Any]:
    """Return what a session gets from the notebook: its scope and its name; nothing in a script."""
    from seedream_nb.notebook.shell import current_shell, in_kernel, notebook_name

    ip = current_shell()
    if ip is None:
        return {}
    from seedream_nb.notebook.scope import NotebookScope

    return {
        "scope": NotebookScope(ip),
        "notebook": lambda: notebook_name(ip),
        "lingers": not in_kernel(ip),
    }
