"""What a process has one of: its session, and the place where it was loaded."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.session import Session


def _unset() -> Any:  # noqa: ANN401 - nothing
    raise AssertionError


class Process:
    """What a process has one of: its session, and the place where it was loaded. It outlives `%reload_ext`."""

    def __init__(self) -> None:
        """Begin here: a later change of folders moves no pictures, and finds no other `.env`."""
        self.lock = threading.Lock()
        self.session: Session | None = None
        # What the package hands down, for rooms that must not know each other.
        self.maker: Callable[[], Session] = _unset
        self.panel: Callable[[], object] = _unset
        self._extended = False
        self._look()

    def the_session(self) -> Session:
        """Return the one session of this process, made when it is first asked for."""
        with self.lock:
            if self.session is None:
                self.session = self.maker()
            return self.session

    def extended_here(self) -> None:
        """Begin where the extension is first loaded, unless there is a session already."""
        if self.session is None and not self._extended:
            self._look()
        self._extended = True

    def _look(self) -> None:
        self.home = os.environ.get("SEEDREAM_HOME", "")
        try:
            self.folder = Path.cwd()
        except OSError:  # it was removed: what needs it will say so
            self.folder = Path()


PROCESS = Process()
