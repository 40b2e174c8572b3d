"""Opening files that somebody else may have put there, as in a cloned folder: only regular files are read.

A pipe would block, a device never ends, a link leads out of its folder.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def working_folder() -> Path:
    """Return the current folder, or an empty relative path if it was removed."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


_REFUSED = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR}
"""How systems refuse a file name: it is too long, has invalid characters, or is a folder's."""


def is_refused_name(error: Exception) -> bool:
    """Return whether a file could not be written because of its name: its length or characters."""
    return error.errno in _REFUSED if isinstance(error, OSError) else isinstance(error, UnicodeError)


def name_without_words(name: str) -> str:
    """Return the name of one of our pictures without the words of its prompt: `0042-1.jpg`."""
    numbers = "-".join(name.split("-")[:2]).partition(".")[0]
    return numbers + name[name.rfind(".") :]


def is_regular_file(path: Path) -> bool:
    """Return whether this is a regular file; False, and no error, for an impossible name."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, or a link to one, for reading.

    Raises:
        OSError: it is not a regular file, or can't be read.
    """
    _require_regular(path.stat())  # before opening: that alone does something to some devices
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    try:
        _require_regular(os.fstat(descriptor))  # it may have been replaced since
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int, *, start: int = 0) -> bytes:
    """Return what a regular file holds from `start` on.

    Raises:
        OSError: it is not a regular file, can't be read, or has more than `most` bytes there.
    """
    with open_regular(path) as file:
        file.seek(start)
        content = file.read(min(most, max(0, os.fstat(file.fileno()).st_size - start)) + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return content


def refuse_symlink(path: Path) -> None:
    """Make sure that writing to a path does not follow a link elsewhere.

    Raises:
        OSError: the path is a link.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "a link that leads elsewhere is in the way")


def make_way(path: Path) -> None:
    """Move a folder aside that stands where a file is to be written; what is in it stays in it."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f"{path.name}.{os.urandom(4).hex()}"))


def _require_regular(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
