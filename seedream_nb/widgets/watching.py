"""Looks at a session from one thread, however many panels show it, and tells them what other doors have done."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

from seedream_nb.errors import SeedreamError

if TYPE_CHECKING:
    from seedream_nb.session import Session

LOOK_SECONDS, BUSY_SECONDS = 0.2, 0.04
"""How often the session is looked at, and how often while something runs: a picture is on the page soon after."""
HISTORY_SECONDS = 1.0
"""How often the folder is looked at for what other kernels made."""
LATEST = 20
"""Generations that may still change."""


class Watcher(Protocol):
    """Who is told."""

    session: Session

    def change(self) -> None:
        """Hear that something has changed."""

    def past_changed(self) -> None:
        """Hear that the history has changed; `change` follows."""


_watched: weakref.WeakKeyDictionary[Session, weakref.WeakSet[Watcher]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def watch(watcher: Watcher) -> None:
    """Tell somebody of changes in their session, for as long as they are there."""
    with _lock:
        there = _watched.get(watcher.session)
        if there is not None:
            there.add(watcher)
            return
        _watched[watcher.session] = watchers = weakref.WeakSet((watcher,))
    look = _Look(watcher.session, watchers)
    threading.Thread(target=look.on, name="seedream panel", daemon=True).start()


class _Look:
    """What was seen of a session at the last look."""

    def __init__(self, session: Session, watchers: weakref.WeakSet[Watcher]) -> None:
        self._session = weakref.ref(session)
        self._watchers = watchers
        self._jobs: tuple[tuple[int, int, bool], ...] = ()
        self._past: object = None
        self._looked = 0.0

    def on(self) -> None:
        """Look, again and again, until the session is gone."""
        while self._once():
            time.sleep(BUSY_SECONDS if any(not over for *_, over in self._jobs) else LOOK_SECONDS)

    def _once(self) -> bool:
        session = self._session()
        if session is None:
            return False
        jobs = tuple((id(job), job.version, job.over) for job in session.jobs)
        if jobs == self._jobs and time.monotonic() - self._looked < HISTORY_SECONDS:
            return True
        self._looked, past = time.monotonic(), _past(session)
        if (jobs, past) != (self._jobs, self._past):
            is_new, self._jobs, self._past = past != self._past, jobs, past
            for watcher in list(self._watchers):
                if is_new:
                    watcher.past_changed()
                watcher.change()
        return True


def _past(session: Session) -> object:
    """Return what changes when the history does, without reading all of it."""
    try:
        history = session.history
        return history.home, len(history), [(each.id, each.status, len(each)) for each in history[-LATEST:]]
    except (OSError, SeedreamError):
        return None
