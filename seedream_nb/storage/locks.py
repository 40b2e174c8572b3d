"""Locks on files, by which the work of a living kernel is told from that of a dead one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

from seedream_nb.files import read_regular
from seedream_nb.storage.store import PRIVATE_FILE, make_inner

if TYPE_CHECKING:
    from pathlib import Path

UNABLE = {getattr(errno, name, None) for name in ("ENOLCK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EINVAL")}
"""What disks say that can't flush, as some network folders do."""

_HELD = {getattr(errno, name, None) for name in ("EAGAIN", "EWOULDBLOCK", "EACCES", "EDEADLK", "EDEADLOCK")}
"""What systems say of a file that another has locked. Whatever else they say means that the disk has no locks."""

MAX_TOLD = 10
"""Digits that tell who has a claim."""

_LOCK_TRIES = 50
_LOCK_PLACE = 0x7FFF0000  # far beyond the end: on Windows a locked place can't be read


def hold(descriptor: int) -> None:
    """Lock our own file for as long as we live; somebody may be looking at its lock this very moment."""
    for _ in range(_LOCK_TRIES):
        if try_lock(descriptor, shared=False) is not False:
            return
        time.sleep(0.01)


if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int, *, shared: bool) -> bool | None:
        """Lock a journal file, or return False where another holds it; readers let go at once."""
        os.lseek(descriptor, _LOCK_PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            if shared:
                msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        except OSError as error:
            return False if error.errno in _HELD else None
        return True

else:
    import fcntl

    def try_lock(descriptor: int, *, shared: bool) -> bool | None:
        """Lock a journal file, or return False where another holds it; None where the disk has no locks.

        Readers ask for a shared lock, so that they don't take each other for the writer.
        """
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            return False if error.errno in _HELD else None
        return True


class Claim:
    """What one kernel at a time has, such as the right to ask for something; it is free again when that kernel dies."""

    def __init__(self, path: Path) -> None:
        """Name the file that stands for it; it is there while somebody has the claim. Nothing is touched yet."""
        self.path = path
        self._descriptor: int | None = None
        self._released = False
        self._lock = threading.Lock()
        claims.add(self)

    def take(self) -> bool | None:
        """Take the claim, or return False where somebody else has it; None where this disk has no locks."""
        with self._lock:
            if self._released:  # while a thread was about to take it
                return False
            try:
                make_inner(self.path.parent)
                # Never through a link: a folder that somebody gave away may lead anywhere.
                flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
                self._descriptor = os.open(self.path, flags, PRIVATE_FILE)
            except OSError:
                return None
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                self._close()
                return None
            taken = try_lock(self._descriptor, shared=False)
            if taken and not self._is_named():  # who had it took the file away meanwhile
                taken = False
            if taken:
                with contextlib.suppress(OSError):  # a full disk: it is only told to those that wait
                    os.ftruncate(self._descriptor, 0)
                    os.write(self._descriptor, b"%d" % os.getpid())
            else:
                self._close()
            return taken

    def holder(self) -> str:
        """Return the number of the process that has it, as far as it is told."""
        try:
            told = read_regular(self.path, MAX_TOLD).decode()
        except (OSError, ValueError):
            return ""
        return told if told.isdecimal() else ""

    def release(self) -> None:
        """Give it back, if we have it, for good."""
        with self._lock:
            self._released = True
            if self._descriptor is not None:
                with contextlib.suppress(OSError):  # Windows takes away no file that is open
                    self.path.unlink()
                self._close()

    def reset_after_fork(self) -> None:
        """Leave it to the parent, whose claim it is; a child that kept the file open would hold it too."""
        self._lock, self._released = threading.Lock(), True
        self._close()

    def _is_named(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._descriptor or 0))
        except OSError:
            return False

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


claims: weakref.WeakSet[Claim] = weakref.WeakSet()
"""Those of this process."""
