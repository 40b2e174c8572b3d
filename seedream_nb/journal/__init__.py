"""The journal: what happened to each request, one line at a time, on disk before the next step begins.

One append-only file per kernel, so that kernels can share a `home` and a network folder will do. Its writer
holds a lock on it, so that the unfinished work of a dead kernel can be told from that of a living one.

```
{"event":"intent","id":42,"at":"2026-11-21T09:30:00.000000+00:00", … ,"v":1}
```
`v` stands last: a line that has it is whole, which spares parsing lines that nobody asks for.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
import time
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from seedream_nb.journal.locks import UNABLE, hold, try_lock
from seedream_nb.store import PRIVATE_FILE, make_private, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1
EVENTS = frozenset({"intent", "links", "reply", "file", "missing", "end"})
MONEY = frozenset({"intent", "links", "reply"})
"""Events that wait for the disk itself; what the others tell can be had again from the links."""

MOST_RAW = 64_000
"""Characters of a senseless reply that are kept: enough to see what it was."""

SILENT_SECONDS = 1800.0
"""On a disk without locks a writer counts as alive for so long after its last line: the longest silence."""

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
        _journals.add(self)

    def append(self, event: str, number: int, /, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write what happened to generation `number`; safe from the death of this process when this returns.

        What money hangs on is safe from a power cut too.

        Raises:
            OSError: the line could not be written; a later one can.
        """
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        line = _spelled({"event": event, "id": number, "at": at, **fields, "v": VERSION})
        with self._lock:
            descriptor = self._opened()
            try:
                _write(descriptor, b"".join([b"\n" * self._torn, *self._owed, line]))
                if event in MONEY:
                    _flush(descriptor)
            except OSError:
                self._torn = True
                raise
            self._torn, self._owed = False, []
            self._remember(event, number, line)

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
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self.path = None

    def _after_fork(self) -> None:
        """Start afresh in a forked child; another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._begun = {}
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


def is_own(path: Path) -> bool:
    """Return whether this process writes this journal file."""
    return any(journal.path == path for journal in list(_journals))


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
    seconds = record.get("seconds")
    if isinstance(seconds, float):
        record["seconds"] = round(seconds, 3)
    try:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"


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
