"""The journal: what happened to each request, one line at a time, on disk before the next step begins.

One append-only file per kernel, so that kernels can share a `home` and a network folder will do. Its writer
holds a lock on it, so that the unfinished work of a dead kernel can be told from that of a living one.

```
{"event":"intent","id":42,"at":"2026-11-21T09:30:00.000000+00:00", … ,"v":1}
```
`v` stands last: a line that has it is whole, which spares parsing lines that nobody asks for.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from seedream_nb.store import PRIVATE_FILE, PRIVATE_FOLDER, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1
EVENTS = frozenset({"intent", "links", "reply", "file", "missing", "end"})
MOST_RAW = 64_000
"""Characters of a senseless reply that are kept: enough to see what it was."""

SILENT_SECONDS = 1800.0
"""On a disk without locks a writer counts as alive for so long after its last line: the longest silence."""

_LOCK_TRIES = 50
_LOCK_PLACE = 0x7FFF0000  # far beyond the end: on Windows a locked place can't be read
_NO_LOCKS = {getattr(errno, name, None) for name in ("ENOLCK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EINVAL")}
_EVENTS = {event.encode(): event for event in EVENTS}
_BINARY = getattr(os, "O_BINARY", 0)
_LINE = re.compile(rb'\{"event":"([a-z]+)","id":([0-9]{1,15}),"at":".*,"v":1\}\n')

Record = dict[str, Any]


class Line(NamedTuple):
    """One whole line of a journal, not parsed yet."""

    event: str
    id: int
    content: bytes

    def record(self) -> Record | None:
        """Parse the line; None where it is damaged."""
        return _parsed(self.content)


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What a journal file holds from one offset to the next."""

    lines: list[Line]
    offset: int
    damaged: int
    newer: int


class Journal:
    """The file that this process appends to; thread-safe. A forked child gets a file of its own."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; the file is made by the first `append`."""
        self.folder = folder
        self.path: Path | None = None
        self._descriptor: int | None = None
        self._torn = False
        self._lock = threading.Lock()
        _journals.add(self)

    def append(self, event: str, number: int, /, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write what happened to generation `number`; on disk when this returns.

        Raises:
            OSError: the line could not be written; a later one can.
        """
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        line = _spelled({"event": event, "id": number, "at": at, **fields, "v": VERSION})
        with self._lock:
            descriptor = self._opened()
            try:
                _write(descriptor, b"\n" + line if self._torn else line)
            except OSError:
                self._torn = True
                raise
            self._torn = False

    def close(self) -> None:
        """Give up the lock; the next `append` starts another file."""
        with self._lock:
            self._forget()

    def _opened(self) -> int:
        """Return the file to append to: a new one at first, and when somebody deleted it."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0:
            self._forget()
        if self._descriptor is None:
            self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            path = self.folder / name
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY
            descriptor = os.open(path, flags, PRIVATE_FILE)
            self.path, self._descriptor, self._torn = path, descriptor, False
            _hold(descriptor)
            sync_folder(self.folder)
        return self._descriptor

    def _forget(self) -> None:
        """Close the file without a word to its lock: a forked child must not release its parent's."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self.path = None

    def _after_fork(self) -> None:
        """Start afresh in a forked child; another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._forget()


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _after_fork() -> None:
    for journal in list(_journals):
        journal._after_fork()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def read_lines(path: Path, offset: int = 0) -> Lines:
    """Return the lines that a journal file has from `offset` on; what is damaged is counted and left out.

    A line without its end may still be growing: it is left for the next time, unless it is whole as it is.
    """
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    lines: list[Line] = []
    damaged = newer = 0
    whole = content.rfind(b"\n") + 1
    for text in _texts(content, whole, lines):
        record = _parsed(text)
        if record is None:
            damaged += bool(text.strip())
        elif record["v"] != VERSION:
            newer += 1
        elif record["event"] in EVENTS:
            lines.append(Line(event=record["event"], id=record["id"], content=_spelled(record)))
    tail = content[whole:]
    if (record := _parsed(tail)) is not None and record["v"] == VERSION and record["event"] in EVENTS:
        lines.append(Line(event=record["event"], id=record["id"], content=_spelled(record)))
        whole = len(content)
    return Lines(lines=lines, offset=offset + whole, damaged=damaged, newer=newer)


def read(path: Path, offset: int = 0) -> tuple[list[Record], int]:
    """Return the records that a journal file has from `offset` on, and the offset to go on from."""
    found = read_lines(path, offset)
    records = (line.record() for line in found.lines)
    return [record for record in records if record is not None], found.offset


def is_alive(path: Path) -> bool:
    """Return whether the process that writes this journal file still lives: it holds the file's lock."""
    if any(journal.path == path for journal in list(_journals)):
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY | _BINARY)
    except OSError:
        return False
    try:
        free = _try_lock(descriptor, shared=True)
        if free is None:
            return time.time() - os.fstat(descriptor).st_mtime < SILENT_SECONDS
        return not free
    finally:
        os.close(descriptor)


def _texts(content: bytes, end: int, lines: list[Line]) -> Iterator[bytes]:
    """Put the lines that look as we write them into `lines`; give those that need a closer look."""
    position = 0
    while position < end:
        match = _LINE.match(content, position)
        if match is None:
            after = content.index(b"\n", position) + 1
            yield content[position:after]
        else:
            after = match.end()
            text, event, number = match.group(0, 1, 2)
            if event in _EVENTS:
                lines.append(Line(_EVENTS[event], int(number), text))
        position = after


def _parsed(text: bytes) -> Record | None:
    """Return a line as a record that has its version, event, id and time; None where it has not."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fields = (("v", int), ("event", str), ("id", int), ("at", str))
    if isinstance(record, dict) and all(type(record.get(name)) is kind for name, kind in fields):
        return record
    return None


def _spelled(record: Record) -> bytes:
    """Return a record as one line of UTF-8; half characters (lone surrogates) as escapes."""
    raw = record.get("raw")
    if isinstance(raw, str):
        record["raw"] = raw[:MOST_RAW]
    try:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it and wait until it is on the disk."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_LOCKS:  # some network folders can't flush either
            raise


def _hold(descriptor: int) -> None:
    """Lock our own file for as long as we live; somebody may be looking at its lock this very moment."""
    for _ in range(_LOCK_TRIES):
        if _try_lock(descriptor, shared=False) is not False:
            return
        time.sleep(0.01)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, shared: bool) -> bool | None:
        """Lock a journal file, or return False where another holds it; readers let go at once."""
        os.lseek(descriptor, _LOCK_PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            if shared:
                msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        except OSError as error:
            return None if error.errno in _NO_LOCKS else False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool) -> bool | None:
        """Lock a journal file, or return False where another holds it; None where the disk has no locks.

        Readers ask for a shared lock, so that they don't take each other for the writer.
        """
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            return None if error.errno in _NO_LOCKS else False
        return True
