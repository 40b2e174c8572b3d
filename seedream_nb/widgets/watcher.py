"""Looks at a session from one thread, however many panels show it, and tells them what other doors have done."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

from seedream_nb.errors import SeedreamError

if TYPE_CHECKING:
    from seedream_nb.session import Session

LOOK_SECONDS, BUSY_SECONDS = 0.2, 0.05
"""How often the session is looked at, and how often while something runs: a picture is on the page soon after."""
HISTORY_SECONDS = 1.0
"""How often the folder is looked at for what other kernels made."""
LATEST = 20
"""Generations that may still change."""


class Watcher(Protocol):
    """Who is told."""

    session: Session

    @property
    def is_awake(self) -> bool:
        """Whether there is anybody to tell, or something that must not be missed."""

    def change(self) -> None:
        """Hear that something has changed."""

    def past_changed(self) -> None:
        """Hear that the history has changed; `change` follows."""


_watched: weakref.WeakKeyDictionary[Session, weakref.WeakSet[Watcher]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def watch(watcher: Watcher) -> None:
    """Tell somebody of changes in their session, for as long as they are awake; then it is to be said anew."""
    with _lock:
        there = _watched.get(watcher.session)
        if there is not None:
            there.add(watcher)
            return
        _watched[watcher.session] = weakref.WeakSet((watcher,))
    threading.Thread(target=_Snapshot(watcher.session).on, name="seedream panel", daemon=True).start()


def _is_wanted(session: Session) -> bool:
    """Return whether anybody is awake; if not, note that nobody looks any more."""
    with _lock:
        wanted = any(each.is_awake for each in _watched.get(session, ()))
        if not wanted:
            _watched.pop(session, None)
        return wanted


def _watchers(session: Session) -> list[Watcher]:
    with _lock:
        return list(_watched.get(session, ()))


class _Snapshot:
    """What was seen of a session at the last look."""

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._jobs: list[tuple[int, int, bool]] = []
        self._landed: list[tuple[int, int | None, int, bool]] = []
        self._past: object = None
        self._where: object = None
        self._looked = 0.0

    def on(self) -> None:
        """Look, again and again, until the session is gone or nobody wants to know."""
        try:
            while self._once():
                time.sleep(BUSY_SECONDS if any(not over for *_, over in self._jobs) else LOOK_SECONDS)
        except BaseException:  # a fault of ours: the next page that asks starts another
            with _lock:
                _watched.pop(self._session(), None)  # type: ignore[arg-type]
            raise

    def _once(self) -> bool:
        session = self._session()
        if session is None or not _is_wanted(session):
            return False
        running = list(session.jobs)
        jobs = [(id(job), job.version, job.over) for job in running]
        landed = [(id(job), job.id, len(job.pictures), job.over) for job in running]
        where, is_new = _where(session), False
        if landed != self._landed or time.monotonic() - self._looked >= HISTORY_SECONDS:
            self._looked, past = time.monotonic(), _past(session)
            is_new, self._past = past != self._past, past
        if is_new or (jobs, where) != (self._jobs, self._where):
            self._jobs, self._landed, self._where = jobs, landed, where
            # Asked only now: who came while the history was read may have read it before what is new in it.
            for watcher in _watchers(session):
                if is_new:
                    watcher.past_changed()
                watcher.change()
        return True


def _where(session: Session) -> object:
    """Return where a request would go and what it would cost: a cell may have changed that, or a login."""
    try:
        settings = session.settings
        return session.service.name, session.service_host, settings.model, settings.get("price")
    except SeedreamError:
        return None


def _past(session: Session) -> object:
    """Return what changes when the history does, without reading all of it."""
    try:
        history = session.history
        latest = [(each.id, each.status, len(each)) for each in history[-LATEST:]]
        return history.home, len(history), latest, [each.id for each in history.starred()]
    except (OSError, SeedreamError):
        return None
