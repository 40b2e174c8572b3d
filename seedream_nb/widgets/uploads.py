"""Files on their way from the page to the kernel, piece by piece, each into a file of its own, none in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from seedream_nb.background import at_exit
from seedream_nb.errors import ReferenceImageError
from seedream_nb.widgets.protocol import BadMessageError

MAX_BYTES = 100_000_000
"""The largest file that the page may hand over: a photo of 100 megapixels has less."""
CHUNK_BYTES = 4_000_000
"""The largest piece of a file: one message over 10 MiB closes the connection without a word."""
MAX_AT_ONCE = 8
"""Files that may be on their way together: each view of a panel sends one after the other."""
STALE_SECONDS = 600.0
"""After so long without another piece a file is taken for broken off: its page was closed, or its connection."""


@dataclass
class _File:
    path: Path
    size_bytes: int
    received: int = 0
    touched: float = 0.0


class Uploads:
    """The files that are on their way; what breaks off leaves nothing behind."""

    def __init__(self, *, stale_seconds: float = STALE_SECONDS) -> None:
        """Forget a file of which no piece came for so long."""
        self._stale_seconds = stale_seconds
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._folder: Path | None = None

    def receive(self, key: str, name: str, size_bytes: int, offset: int, piece: bytes) -> Path | None:
        """Keep a piece of a file; return where the file lies once it is whole.

        Args:
            key: the same for all pieces of a file, and for no other.
            name: what the file is called where something is wrong with it; it leads nowhere.
            size_bytes: of the whole file.
            offset: where the piece begins; pieces come in their order.
            piece: the bytes.

        Raises:
            ReferenceImageError: the file is too large.
            BadMessageError: the piece is none that can follow; nothing of the file is left.
        """
        if size_bytes > MAX_BYTES:
            raise ReferenceImageError(
                f"{name}: has {size_bytes / 1e6:.0f} MB; the panel takes up to {MAX_BYTES / 1e6:.0f} MB. "
                "Make it smaller, or name its path below."
            )
        file = self._begin(key, size_bytes) if offset == 0 else self._known(key)
        if file is None or not _fits(file, size_bytes, offset, piece):
            self.forget(key)
            raise BadMessageError(f"{name}: the upload was interrupted. Add it again.")
        with file.path.open("ab") as opened:
            opened.write(piece)
        file.received += len(piece)
        file.touched = time.monotonic()
        if file.received < size_bytes:
            return None
        with self._lock:
            if self._files.pop(key, None) is None:  # given up meanwhile, on another thread
                raise BadMessageError(f"{name}: the upload was interrupted. Add it again.")
        return file.path

    def forget(self, key: str) -> None:
        """Drop what came of a file that will not become whole."""
        with self._lock:
            file = self._files.pop(key, None)
        if file is not None:
            file.path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Drop the files that have broken off."""
        now = time.monotonic()
        with self._lock:
            gone = [key for key, file in self._files.items() if now - file.touched > self._stale_seconds]
        for key in gone:
            self.forget(key)

    def folder(self) -> Path:
        """Return a folder for what the page hands over; it goes with the process."""
        with self._lock:
            if self._folder is None:
                self._folder = folder = Path(tempfile.mkdtemp(prefix="seedream-"))
                at_exit(lambda: shutil.rmtree(folder, ignore_errors=True))
            return self._folder

    def _begin(self, key: str, size_bytes: int) -> _File:
        self.forget(key)
        self.sweep()
        # A name that the page gives leads nowhere: it is only shown.
        number, place = tempfile.mkstemp(dir=self.folder())
        os.close(number)
        with self._lock:
            over = list(self._files)[: max(0, len(self._files) - MAX_AT_ONCE + 1)]
            file = self._files[key] = _File(path=Path(place), size_bytes=size_bytes, touched=time.monotonic())
        for each in over:
            self.forget(each)
        return file

    def _known(self, key: str) -> _File | None:
        with self._lock:
            return self._files.get(key)


def _fits(file: _File, size_bytes: int, offset: int, piece: bytes) -> bool:
    return (
        offset == file.received
        and size_bytes == file.size_bytes
        and 0 < len(piece) <= CHUNK_BYTES
        and offset + len(piece) <= size_bytes
    )
