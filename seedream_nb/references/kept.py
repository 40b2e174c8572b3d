"""Writes what is sent under `inputs/`: private, once for each content, there in full or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from typing import TYPE_CHECKING, BinaryIO, Self

from seedream_nb.store import EXTENSIONS, PRIVATE_FILE, Input, make_inner, unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PIECE_BYTES = 1 << 20


class TooBig(Exception):  # noqa: N818 - nothing failed: the next try is smaller
    """More was written than there is room for."""


class Draft:
    """A file being written under a temporary name; it is gone unless it is kept.

    It offers just `write`, so that no library writes past it, or is asked for with `fill`; and it reports a full
    disk as what it is.
    """

    def __init__(self, folder: Path, most: int | None = None) -> None:
        """Write into `folder`, at most `most` bytes."""
        self._folder, self._most = folder, most
        self._path = folder / f".{secrets.token_hex(8)}.part"
        self._file: BinaryIO
        self._hash, self._size_bytes = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        """Create the file, for its owner only."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with self._told():
            make_inner(self._folder)
            self._file = os.fdopen(os.open(self._path, flags, PRIVATE_FILE), "w+b")
        return self

    def __exit__(self, *_error: object) -> None:
        """Remove what was not kept."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of it; raises TooBig beyond the limit, SettingsError when the disk is full."""
        self._size_bytes += len(data)
        if self._most is not None and self._size_bytes > self._most:
            raise TooBig
        self._hash.update(data)
        with self._told():
            return self._file.write(data)

    def fill(self, save: Callable[[BinaryIO], object], *, end: bytes) -> None:
        """Let a library write all of the file by itself: given a real one, Pillow holds up no other thread meanwhile.

        Args:
            save: writes to the file that it is given.
            end: how such a file ends. Pillow does not notice where a full disk takes only a part of its last piece.

        Raises:
            TooBig: it has more than the limit.
            SettingsError: the disk is full.
        """
        with self._told():
            save(self._file)
            self._file.seek(0)
            last = b""
            while piece := self._file.read(_PIECE_BYTES):
                self._hash.update(piece)
                self._size_bytes += len(piece)
                last = (last + piece)[-len(end) :]
            if last != end:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._most is not None and self._size_bytes > self._most:
            raise TooBig

    @property
    def sha256(self) -> str:
        """The hash of what was written by now."""
        return self._hash.hexdigest()

    def keep(self, media_type: str, note: str | None) -> Input:
        """Give the file the name of its content and return it, ready to be sent."""
        sha256 = self._hash.hexdigest()
        path = self._folder / f"{sha256}.{EXTENSIONS[media_type]}"
        with self._told():
            self._file.close()
            try:
                self._path.replace(path)
            except PermissionError:  # Windows, while another job sends this very picture
                if not path.exists():
                    raise
        return Input(path=path, media_type=media_type, sha256=sha256, size_bytes=self._size_bytes, note=note)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno is None:  # not the disk's: a library's own
                raise
            raise unwritable(self._folder, error) from error
