"""File locks, which distinguish the work of a living kernel from that of a dead one."""

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
"""Errors of disks that can't flush, such as some network folders."""

_HELD = {getattr(errno, name, None) for name in ("EAGAIN", "EWOULDBLOCK", "EACCES", "EDEADLK", "EDEADLOCK")}
"""Errors for a file that another process has locked. Any other error means that the disk has no locks."""

MAX_HOLDER_DIGITS = 10
"""Digits of the process number in a claim."""

_LOCK_TRIES = 50
_LOCK_OFFSET = 0x7FFF0000  # far beyond the end: on Windows a locked part can't be read


def hold(descriptor: int) -> None:
    """Lock our own file for as long as we live; retry, because somebody may be checking the lock right now."""
    for _ in range(_LOCK_TRIES):
        if try_lock(descriptor, shared=False) is not False:
            return
        time.sleep(0.01)


if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int, *, shared: bool) -> bool | None:
        """Lock a journal file, or return False if another process holds it; readers unlock at once."""
        os.lseek(descriptor, _LOCK_OFFSET, os.SEEK_SET)
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
        """Lock a journal file, or return False if another process holds it; None if the disk has no locks.

        Readers ask for a shared lock, so that they don't take each other for the writer.
        """
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            return False if error.errno in _HELD else None
        return True


class Claim:
    """Something that one kernel at a time can hold, such as a request; it is free again when that kernel dies."""

    def __init__(self, path: Path) -> None:
        """Name the claim's file, which exists while somebody holds the claim. Nothing is touched yet."""
        self.path = path
        self._descriptor: int | None = None
        self._released = False
        self._lock = threading.Lock()
        claims.add(self)

    def take(self) -> bool | None:
        """Take the claim; False if somebody else has it, None if this disk has no locks."""
        with self._lock:
            if self._released:  # released while a thread was about to take it
                return False
            try:
                make_inner(self.path.parent)
                # Never through a link: a shared folder may contain links to anywhere.
                flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
                self._descriptor = os.open(self.path, flags, PRIVATE_FILE)
            except OSError:
                return None
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                self._close()
                return None
            taken = try_lock(self._descriptor, shared=False)
            if taken and not self._is_named():  # the previous holder removed the file meanwhile
                taken = False
            if taken:
                with contextlib.suppress(OSError):  # a full disk: the number is only information for those who wait
                    os.ftruncate(self._descriptor, 0)
                    os.write(self._descriptor, b"%d" % os.getpid())
            else:
                self._close()
            return taken

    def holder(self) -> str:
        """Return the number of the process that holds it, if known."""
        try:
            number = read_regular(self.path, MAX_HOLDER_DIGITS).decode()
        except (OSError, ValueError):
            return ""
        return number if number.isdecimal() else ""

    def release(self) -> None:
        """Release the claim for good, if we hold it."""
        with self._lock:
            self._released = True
            if self._descriptor is not None:
                with contextlib.suppress(OSError):  # Windows can't remove an open file
                    self.path.unlink()
                self._close()

    def reset_after_fork(self) -> None:
        """Leave the claim to the parent; a child that kept the file open would hold it too."""
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
"""The claims of this process."""
