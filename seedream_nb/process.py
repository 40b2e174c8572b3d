"""What a process has one of: its session, and the place where it was loaded."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
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
        self._forking = threading.RLock()
        self._held: list[Session] = []
        self._tallies: list[Tally] = []
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

    # -- a forked child begins anew in everything but the shared tally of the budget --------------------

    def stand_still(self) -> None:
        """From now on, let a fork wait until nothing is being imported, and until no loop is within a step.

        Of what a thread has locked meanwhile, the child would never get the lock.
        """
        # These have locks too, and what is registered last is called first: else a fork would hold theirs while it
        # waits for ours, and what goes on here would wait for them.
        with contextlib.suppress(RuntimeError):  # this process is ending, and forks no more
            for name in ("logging", "random", "concurrent.futures.thread"):
                importlib.import_module(name)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._hold, after_in_parent=self._let_go)

    def _hold(self) -> None:
        self._forking.acquire()
        imports.before_fork()
        self._held = _sessions()
        for session in self._held:
            session.background.before_fork()

    def _let_go(self) -> None:
        for session in self._held:
            session.background.resume()
        imports.resume()
        self._forking.release()

    def before_fork(self) -> None:
        """Let a budget hold for all children together, one of the environment though there is no session yet."""
        if self.tally is None and self.session is None and os.environ.get("SEEDREAM_BUDGET"):
            from seedream_nb.budget import Tally

            self.tally = Tally()
        self._tallies = list(filter(None, dict.fromkeys([self.tally, *(each.tally for each in _sessions())])))
        for tally in self._tallies:
            tally.before_fork()

    def resume(self) -> None:
        """Go on in the parent."""
        for tally in self._tallies:
            tally.resume()

    def reset_after_fork(self) -> None:
        """Begin in the child."""
        self.lock, self._forking = threading.RLock(), threading.RLock()
        imports.reset_after_fork()
        for session in _sessions():
            session.reset_after_fork()
        for room in ("seedream_nb.storage.journal", "seedream_nb.storage.index"):
            if room in sys.modules:
                sys.modules[room].reset_after_fork()
        for tally in self._tallies:
            tally.reset_after_fork()

    def _look(self) -> None:
        self.home = os.environ.get("SEEDREAM_HOME", "")
        self.folder = working_folder()  # what needs it where it was removed will say so


def _sessions() -> list[Session]:
    module = sys.modules.get("seedream_nb.session")
    return list(getattr(module, "sessions", ()))


PROCESS = Process()
imports.begin = PROCESS.stand_still

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=PROCESS.before_fork, after_in_parent=PROCESS.resume, after_in_child=PROCESS.reset_after_fork
    )
