"""The folder of pictures and history: the chosen one, or a fallback if the default can't be written."""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.errors import SettingsError, WrongOptionError, describe_value
from seedream_nb.frozen import frozen
from seedream_nb.settings import user_folder
from seedream_nb.storage.history import History
from seedream_nb.storage.journal import catch_up, unwritten
from seedream_nb.storage.store import Store
from seedream_nb.storage.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from seedream_nb.budget import Priced
    from seedream_nb.jobs.job import Job
    from seedream_nb.settings import Settings
    from seedream_nb.storage.generation import Verbs
    from seedream_nb.storage.journal import Journal


@frozen
class Workspace:
    """One such folder: its files, its journal, its history."""

    store: Store
    journal: Journal
    history: History


class Workspaces:
    """The folders that a session has used; `current` is the one in the settings."""

    def __init__(
        self,
        *,
        settings: Settings,
        journal: Callable[[Path], Journal],
        verbs: Verbs,
        running: Callable[[Path], Collection[int]],
    ) -> None:
        """`journal` makes journals; `running` returns the ids of this process's running jobs in a folder."""
        self._settings, self._journal, self._verbs, self._running = settings, journal, verbs, running
        self._known: dict[Path, Workspace] = {}
        self._used: set[Path] = set()
        self._notice: str | None = None
        self._left: Workspace | None = None
        self.reset_after_fork()
        self._find_earlier_fallback()

    def reset_after_fork(self) -> None:
        """Replace, in a forked child, a lock that another thread of the parent may have held."""
        self._lock = threading.RLock()

    @property
    def current(self) -> Workspace:
        """The folder in force; reading this writes nothing to it."""
        return self._home(self._settings.get("home"))

    def holding(self, fingerprint: str, backend: str, host: str) -> Workspace | None:
        """Return the folder with the result of exactly this request: the one in force, or the default it replaces."""
        left = self._left if self._settings.source("home") == "default" else None
        places = filter(None, (self.current, left))
        return next(
            (workspace for workspace in places if workspace.history.same(fingerprint, backend, host) is not None), None
        )

    def open(self, *, first_paid: bool = False, is_here: Callable[[], object] = lambda: None) -> tuple[str, ...]:
        """Make the folder ready for writing, or fall back to the user's own if nobody chose it; return what to tell.

        One that was used before stays: elsewhere `once` would not find what is paid for, nor anybody the next picture.
        So does one in which that is found (`is_here`). With the first picture that is paid for, that includes whether
        it will stay.

        Raises:
            SettingsError: a folder that was chosen can't be written; nothing was sent.
        """
        try:
            self.current.store.open()
        except SettingsError as error:
            fallback = fallback_folder()
            is_used = self._settings.get("home") in self._used or is_here() is not None
            if self._settings.source("home") != "default" or fallback is None or is_used:
                raise
            self._fall_back(error.message, fallback)
            self.current.store.open()
        self._used.add(self._settings.get("home"))
        notice, self._notice = self._notice, None
        warning = self._settings.colab.warning(self._settings.get("home")) if first_paid else None
        return tuple(filter(None, (notice, warning)))

    def usage(self) -> Usage:
        """Return what this session requested, and what came of it, in all folders."""
        with self._lock:
            used = [home.history.usage(own=True) for home in self._known.values()]
        return Usage(**{each.name: sum(getattr(one, each.name) for one in used) for each in fields(Usage)})

    def catch_up(self) -> str | None:
        """Write what the journals could not store before; return which still can't, and why."""
        for folder in list(self._known):
            if (trouble := catch_up(folder / "journal")) is not None:
                lines = len(unwritten(folder / "journal"))
                return (
                    f"The journal in {folder} can't be written: {trouble.strerror or trouble}. {lines} of its lines "
                    f"{'is' if lines == 1 else 'are'} known only to this process: make room before it ends, "
                    f"then %seedream recover."
                )
        return None

    def close(self) -> None:
        """Release the locks on the journals; the next line starts another file."""
        for home in self._known.values():
            home.journal.close()

    def _home(self, folder: Path) -> Workspace:
        with self._lock:
            if folder not in self._known:
                history = History(folder, verbs=self._verbs, running=lambda: self._running(folder))
                journal = self._journal(folder / "journal")
                self._known[folder] = Workspace(store=Store(folder), journal=journal, history=history)
            return self._known[folder]

    def _find_earlier_fallback(self) -> None:
        """Read the history of an earlier session's fallback folder, if the default folder still can't be used."""
        default, fallback = self._settings.source("home") == "default", fallback_folder()
        if default and fallback and not may_be_written(self._settings.get("home")) and fallback.is_dir():
            self._fall_back(f"The folder {self._settings.get('home')} can't be written.", fallback)

    def _fall_back(self, reason: str, folder: Path) -> None:
        self._left = self.current
        self._settings.use_home(folder)
        self._notice = f"{reason} Pictures and history are in {folder}."


def may_be_written(folder: Path) -> bool:
    """Return whether a folder exists and is writable, or could be created, as far as that is known without writing."""
    # Unlike `Path.exists`, this does not fail in a folder that may not be entered.
    nearest = next(parent for parent in (folder, *folder.parents) if os.path.exists(parent))  # noqa: PTH110 - see above
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def trouble_with(folder: Path) -> str | None:
    """Return why files can't be kept in a folder, or None; it is really tried, and cleaned up."""
    # Modes don't even show whether a folder may be created: some file systems don't allow it to anybody.
    nearest = next(parent for parent in (folder, *folder.parents) if os.path.exists(parent))  # noqa: PTH110 - see above
    verb = "written" if nearest == folder else "created"
    if not nearest.is_dir():
        return f"The folder {folder} can't be {verb}: {nearest} is not a folder."
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"The folder {folder} can't be {verb}: {error.strerror or type(error).__name__}."


def path_as_written(written: object) -> str | None:
    """Return a path as text; None for what is not a path, whatever it raises when converted."""
    try:
        path = os.fspath(written)  # type: ignore[call-overload]  # that is what is tried
    except Exception:  # noqa: BLE001 - it may be any object
        return None
    return path if isinstance(path, str) else None


def writable_folder(written: str | os.PathLike[str]) -> Path:
    """Return a folder for copies, made if need be.

    Raises:
        WrongOptionError: it is no path.
        SettingsError: it can't be written; found out before anything is paid.
    """
    path = path_as_written(written)
    if path is None:
        raise WrongOptionError(f"save: found {describe_value(written)}; write the path of a folder.")
    try:
        folder = Path(path).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        message = f"{path} can't be written: {error.strerror or type(error).__name__}."
        hint = "Nothing was sent, nothing was billed. Choose another folder for the copies."
        raise SettingsError(message, hint=hint) from None
    except (ValueError, RuntimeError) as error:  # a NUL in it, a user that doesn't exist
        raise SettingsError(f"save={path!r}: {error}.", hint="Nothing was sent, nothing was billed.") from None


def require_room(store: Store, request: Priced, others: Sequence[Job], copies: Path | None) -> None:
    """Make sure, before anything is sent, that a request's pictures fit on the disk beside those of `others`.

    Args:
        store: the folder for the pictures.
        request: what is about to be asked.
        others: what is under way in that folder.
        copies: the folder for copies, if there are to be some.

    Raises:
        SettingsError: how much room there is, and how much is needed.
    """
    pictures = request.max_pictures + sum(job.request.max_pictures for job in others)
    copied = (
        0
        if copies is None
        else request.max_pictures + sum(job.request.max_pictures for job in others if job.save == copies)
    )
    if copies is None or _share_a_disk(store.home, copies):
        return store.require_room(pictures + copied)
    store.require_room(pictures)
    try:
        return Store(copies).require_room(copied)
    except SettingsError as error:
        hint = "Nothing was sent. Make room, or choose another folder for the copies."
        raise SettingsError(error.message, hint=hint) from None


def _share_a_disk(first: Path, second: Path) -> bool:
    try:
        return first.stat().st_dev == second.stat().st_dev
    except OSError:
        return False


def fallback_folder() -> Path | None:
    """Return where pictures and history go if the default folder can't be written: the user's own for data, if any."""
    return user_folder("data", os.environ)
