"""The journal: what happened to each request, one line at a time, on disk before the next step begins.

One append-only file per kernel, so that kernels can share a `home` and a network folder will do. Its writer
holds a lock on it, so that the unfinished work of a dead kernel can be told from that of a living one.

```
{"event":"intent","id":42,"at":"2026-11-21T09:30:00.000000+00:00", … ,"v":1}
```
`v` stands last: a line that has it is whole, which spares parsing lines that nobody asks for.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seedream_nb.journal.forks import afresh_in_child
from seedream_nb.journal.lines import EVENTS, MOST_RAW, VERSION, Line, Lines, Record, read, read_lines, spelled
from seedream_nb.journal.locks import UNABLE, hold, try_lock
from seedream_nb.store import PRIVATE_FILE, make_private, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "EVENTS", "MONEY", "MOST_RAW", "SILENT_SECONDS", "VERSION", "Journal", "Line", "Lines", "Record",
    "afresh_in_child", "is_alive", "is_own", "is_writing", "read", "read_lines",
]  # fmt: skip

MONEY = frozenset({"intent", "again", "links", "reply"})
"""Events that wait for the disk itself; what the others tell can be had again from the links."""

SILENT_SECONDS = 1800.0
"""On a disk without locks a writer counts as alive for so long after its last line: the longest silence."""

_BINARY = getattr(os, "O_BINARY", 0)


class Journal:
    """The file that this process appends to; thread-safe. A forked child gets a file of its own.

    It remembers the lines of what has no end yet: if somebody deletes the file, a new one begins with them.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; the file is made by the first `append`."""
        self.folder = folder
        self.path: Path | None = None
        self._descriptor: int | None = None
        self._torn = False
        self._begun: dict[int, list[bytes]] = {}
        self._owed: list[bytes] = []
        self._lock = threading.Lock()
        self._flushed = threading.Condition(self._lock)
        self._flushing = 0
        _journals.add(self)
        afresh_in_child(self)

    def append(self, event: str, number: int, /, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write what happened to generation `number`; safe from the death of this process when this returns.

        What money hangs on is safe from a power cut too.

        Raises:
            OSError: the line could not be written; a later one can.
        """
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        line = spelled({"event": event, "id": number, "at": at, **fields, "v": VERSION})
        with self._lock:
            descriptor = self._opened()
            try:
                _write(descriptor, b"".join([b"\n" * self._torn, *self._owed, line]))
            except OSError:
                self._torn = True
                raise
            self._torn, self._owed = False, []
            self._remember(event, number, line)
            self._flushing += event in MONEY
        if event in MONEY:
            self._wait_for_the_disk(descriptor)

    def _wait_for_the_disk(self, descriptor: int) -> None:
        """Wait until what was written is safe; other lines are written meanwhile, for a kill does not wait."""
        try:
            _flush(descriptor)
        except OSError:
            self._torn = True
            raise
        finally:
            with self._lock:
                self._flushing -= 1
                self._flushed.notify_all()

    def open(self) -> None:
        """Begin the file before there is a line for it: others see by its lock that this process is at work.

        Raises:
            OSError: it can't be written.
        """
        with self._lock:
            self._opened()

    def close(self) -> None:
        """Give up the lock; the next `append` starts another file."""
        with self._lock:
            self._forget()

    def _remember(self, event: str, number: int, line: bytes) -> None:
        """Keep the lines of what has begun, until it ends."""
        if event == "end":
            self._begun.pop(number, None)
        elif event == "intent":
            self._begun[number] = [line]
        elif number in self._begun and event != "reply":
            self._begun[number].append(line)

    def _opened(self) -> int:
        """Return the file to append to: a new one at first, and when somebody deleted or moved it."""
        if self._descriptor is not None and not _leads_to(self.path, self._descriptor):
            self._forget()
        if self._descriptor is None:
            make_private(self.folder)
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            path = self.folder / name
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY
            descriptor = os.open(path, flags, PRIVATE_FILE)
            self.path, self._descriptor, self._torn = path, descriptor, False
            self._owed = [line for lines in self._begun.values() for line in lines]
            hold(descriptor)
            sync_folder(self.folder)
        return self._descriptor

    def _forget(self) -> None:
        """Close the file without a word to its lock: a forked child must not release its parent's."""
        descriptor, self._descriptor, self.path = self._descriptor, None, None
        if descriptor is not None:
            self._flushed.wait_for(lambda: not self._flushing)
            os.close(descriptor)

    def after_fork(self) -> None:
        """Start afresh in a forked child; another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._flushed, self._flushing = threading.Condition(self._lock), 0
        self._begun = {}
        self._forget()


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def is_own(path: Path) -> bool:
    """Return whether this process writes this journal file."""
    return any(journal.path == path for journal in list(_journals))


def is_writing(folder: Path, process: int) -> bool:
    """Return whether the process of that number, on whatever machine, lives and writes a journal in this folder."""
    return any(map(is_alive, folder.glob(f"*-{process}-*.jsonl")))


def is_alive(path: Path) -> bool:
    """Return whether the process that writes this journal file still lives: it holds the file's lock."""
    if is_own(path):
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY | _BINARY)
    except OSError:
        return False
    try:
        free = try_lock(descriptor, shared=True)
        if free is None:
            # Either way: a clock that was set back must not keep a dead writer alive for years.
            return abs(time.time() - os.fstat(descriptor).st_mtime) < SILENT_SECONDS
        return not free
    finally:
        os.close(descriptor)


def _leads_to(path: Path | None, descriptor: int) -> bool:
    """Return whether the open file is still the one of that name; a network folder renames deleted ones."""
    try:
        return path is not None and os.path.samestat(path.stat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _write(descriptor: int, content: bytes) -> None:
    """Hand all of it to the system."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _flush(descriptor: int) -> None:
    """Wait until what was written is on the disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNABLE:  # some network folders can't flush either
            raise
