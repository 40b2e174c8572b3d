"""Files that somebody else may have put there, as with a folder that was cloned: what they are is looked at first.

A pipe would keep us waiting, a device never ends, a link leads out of the folder that it stands in.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def working_folder() -> Path:
    """Return the folder where this process works; where somebody removed it, a relative path that leads nowhere."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


_REFUSED = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR}
"""What systems say of a name that they can't have: of too many bytes, of others than they know, or a folder's."""


def is_refused_name(error: Exception) -> bool:
    """Return whether a file's name is what kept it from being written: its length, or characters of it."""
    return error.errno in _REFUSED if isinstance(error, OSError) else isinstance(error, UnicodeError)


def name_without_words(name: str) -> str:
    """Return the name of a picture of ours without the words in it: `0042-1.jpg`."""
    numbers = "-".join(name.split("-")[:2]).partition(".")[0]
    return numbers + name[name.rfind(".") :]


def is_regular_file(path: Path) -> bool:
    """Return whether there is an ordinary file of this name; False, and no error, for what can be no file's name."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it, if it is an ordinary one, or a link to one.

    Raises:
        OSError: it is none, or can't be read.
    """
    _require_regular(path.stat())  # not even opened: that alone does something to some devices
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        _require_regular(os.fstat(descriptor))  # it may have been put in its place since
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int, *, start: int = 0) -> bytes:
    """Return what an ordinary file holds from `start` on.

    Raises:
        OSError: it is none, can't be read, or has more than `most` bytes there.
    """
    with open_regular(path) as file:
        file.seek(start)
        content = file.read(min(most, max(0, os.fstat(file.fileno()).st_size - start)) + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return content


def refuse_symlink(path: Path) -> None:
    """Make sure that what is written to a path is not written elsewhere.

    Raises:
        OSError: a link stands in its place.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "a link that leads elsewhere is in the way")


def _require_regular(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file")
