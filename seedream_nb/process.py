"""What a process has one of: its session, and the place where it was loaded."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from seedream_nb.files import working_folder
from seedream_nb.needs import imports

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.budget import Tally
    from seedream_nb.session import Session


def _unset() -> Any:  # noqa: ANN401 - nothing
    raise AssertionError


class Process:
    """What a process has one of: its session, and the place where it was loaded. It outlives `%reload_ext`."""

    def __init__(self) -> None:
        """Begin here: a later change of folders moves no pictures, and finds no other `.env`."""
        self.lock = threading.RLock()
        self.session: Session | None = None
        self.tally: Tally | None = None
        """What children have counted that were forked before there was a session."""
        # What the package hands down, for rooms that must not know each other.
        self.maker: Callable[[], Session] = _unset
        self.panel: Callable[[], object] = _unset
        self._extended = False
        self._look()

    def the_session(self) -> Session:
        """Return the one session of this process, made when it is first asked for."""
        with imports.going_on(), self.lock:
            if self.session is None:
                self.session = self.maker()
            return self.session

    def extended_here(self) -> None:
        """Begin where the extension is first loaded, unless there is a session already."""
        if self.session is None and not self._extended:
            self._look()
        self._extended = True

    def before_fork(self) -> None:
        """Let a budget of the environment hold for all children together, though there is no session yet."""
        if self.tally is None and self.session is None and os.environ.get("SEEDREAM_BUDGET"):
            from seedream_nb.budget import Tally

            self.tally = Tally()
        if self.tally is not None:
            self.tally.before_fork()

    def go_on(self) -> None:
        """Go on in the parent."""
        if self.tally is not None:
            self.tally.go_on()

    def after_fork(self) -> None:
        """Go on in the child; a session begins anew of its own accord."""
        self.lock = threading.RLock()
        if self.tally is not None:
            self.tally.after_fork()

    def _look(self) -> None:
        self.home = os.environ.get("SEEDREAM_HOME", "")
        self.folder = working_folder()  # what needs it where it was removed will say so


PROCESS = Process()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=PROCESS.before_fork, after_in_parent=PROCESS.go_on, after_in_child=PROCESS.after_fork)
