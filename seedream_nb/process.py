"""What a process has only one of: its session, and the folder it was loaded in."""

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


def _unset() -> Any:  # noqa: ANN401 - it never returns
    raise AssertionError


class Process:
    """What a process has only one of: its session, and the folder it was loaded in. It outlives `%reload_ext`."""

    def __init__(self) -> None:
        """Remember the folder: later changes of it move no pictures, and find no other `.env`."""
        self.lock = threading.RLock()
        self.session: Session | None = None
        self.tally: Tally | None = None
        """What children spent that were forked before there was a session."""
        # Set by the package, for rooms that must not import each other.
        self.maker: Callable[[], Session] = _unset
        self.panel: Callable[[], object] = _unset
        self._extended = False
        self._forking = threading.RLock()
        self._paused: list[Session] = []
        self._tallies: list[Tally] = []
        self._remember_folder()

    def the_session(self) -> Session:
        """Return the one session of this process, made when it is first needed."""
        with imports.going_on(), self.lock:
            if self.session is None:
                self.session = self.maker()
            return self.session

    def remember_folder(self) -> None:
        """Remember the folder where the extension is first loaded, unless there is a session already."""
        if self.session is None and not self._extended:
            self._remember_folder()
        self._extended = True

    # -- forks: a child starts afresh in everything except for the shared tally of the budget ------------

    def install_fork_hooks(self) -> None:
        """From now on, let a fork wait until nothing is being imported, and no loop is within a step.

        A lock that a thread holds at that moment would never be released in the child.
        """
        # These modules have fork hooks with locks too, and hooks registered last run first: otherwise a fork would hold
        # their locks while it waits for ours, and the running work would wait for theirs.
        with contextlib.suppress(RuntimeError):  # this process is ending, and forks no more
            for name in ("logging", "random", "concurrent.futures.thread"):
                importlib.import_module(name)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._pause, after_in_parent=self._resume)

    def _pause(self) -> None:
        self._forking.acquire()
        imports.before_fork()
        self._paused = _sessions()
        for session in self._paused:
            session.background.before_fork()

    def _resume(self) -> None:
        for session in self._paused:
            session.background.resume()
        imports.resume()
        self._forking.release()

    def before_fork(self) -> None:
        """Share a budget among all children, even one from the environment before there is a session."""
        if self.tally is None and self.session is None and os.environ.get("SEEDREAM_BUDGET"):
            from seedream_nb.budget import Tally

            self.tally = Tally()
        self._tallies = list(filter(None, dict.fromkeys([self.tally, *(session.tally for session in _sessions())])))
        for tally in self._tallies:
            tally.before_fork()

    def resume(self) -> None:
        """Continue in the parent."""
        for tally in self._tallies:
            tally.resume()

    def reset_after_fork(self) -> None:
        """Start afresh in the child."""
        self.lock, self._forking = threading.RLock(), threading.RLock()
        imports.reset_after_fork()
        for session in _sessions():
            session.reset_after_fork()
        for room in ("seedream_nb.storage.journal", "seedream_nb.storage.index"):
            if room in sys.modules:
                sys.modules[room].reset_after_fork()
        for tally in self._tallies:
            tally.reset_after_fork()

    def _remember_folder(self) -> None:
        self.home = os.environ.get("SEEDREAM_HOME", "")
        self.folder = working_folder()  # if it was removed, whoever needs it will say so


def _sessions() -> list[Session]:
    module = sys.modules.get("seedream_nb.session")
    return list(getattr(module, "sessions", ()))


PROCESS = Process()
imports.begin = PROCESS.install_fork_hooks

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=PROCESS.before_fork, after_in_parent=PROCESS.resume, after_in_child=PROCESS.reset_after_fork
    )
