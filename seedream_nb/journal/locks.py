"""Locks on journal files, by which the work of a living kernel is told from that of a dead one."""

from __future__ import annotations

import errno
import os
import sys
import time

UNABLE = {getattr(errno, name, None) for name in ("ENOLCK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EINVAL")}
"""What disks say that can't flush, as some network folders do."""

_HELD = {getattr(errno, name, None) for name in ("EAGAIN", "EWOULDBLOCK", "EACCES", "EDEADLK", "EDEADLOCK")}
"""What systems say of a file that another has locked. Whatever else they say means that the disk has no locks."""

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
