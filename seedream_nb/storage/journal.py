"""The journal: what happened to each request, one line at a time, on disk before the next step begins.

One append-only file per kernel, so that kernels can share a `home` and a network folder will do. Its writer
holds a lock on it, so that the unfinished work of a dead kernel can be told from that of a living one.

```
{"event":"intent","id":42,"at":"2026-11-21T09:30:00.000000+00:00", … ,"v":1}
```
`v` stands last: a line that has it is whole, which spares parsing lines that nobody asks for.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import secrets
import threading
import time
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from seedream_nb.files import open_regular, read_regular
from seedream_nb.frozen import frozen
from seedream_nb.storage.locks import UNABLE, Claim, claims, hold, try_lock
from seedream_nb.storage.store import PRIVATE_FILE, make_inner, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = [
    "EVENTS",
    "MAX_BYTES",
    "MAX_RAW",
    "MONEY",
    "SILENT_SECONDS",
    "VERSION",
    "Claim",
    "Journal",
    "JournalChunk",
    "JournalLine",
    "Record",
    "catch_up",
    "is_alive",
    "is_own",
    "is_writing",
    "read",
    "read_lines",
    "reset_after_fork",
    "unwritten",
    "write_all",
]

VERSION = 1
EVENTS = frozenset({"intent", "refused", "again", "links", "reply", "file", "missing", "end", "once", "star"})

MAX_RAW = 64_000
"""Characters of a senseless reply that are kept: enough to see what it was."""

MAX_BYTES = 512_000_000
"""Of a journal file, read at once: a thousand times what a busy kernel writes in its life."""

MAX_ID = 10**9 - 1
"""Ids count requests: a line about a larger one is damage."""

_EVENTS = {event.encode(): event for event in EVENTS}
_LINE = re.compile(rb'\{"event":"([a-z]+)","id":([0-9]{1,9}),"at":".*,"v":1\}\n')
_NO_OBJECTS = re.compile(rb"(?:[^{\n]*+\n|[^\n]{0,6}+\n){1,1000}+")
_NOT_BLANK = re.compile(rb"\S[^\n]*+")

Record = dict[str, Any]


class JournalLine(NamedTuple):
    """One whole line of a journal, not parsed yet."""

    event: str
    id: int
    content: bytes

    def record(self) -> Record | None:
        """Parse the line; None where it is damaged."""
        return parsed(self.content)


@frozen
class JournalChunk:
    """What a journal file holds from one offset to the next."""

    lines: list[JournalLine]
    offset: int
    damaged: int
    newer: int


def read_lines(path: Path, offset: int = 0) -> JournalChunk:
    """Return the lines that a journal file has from `offset` on; what is damaged is counted and left out.

    A line without its end may still be growing: it is left for the next time, unless it is whole as it is.
    """
    content = read_regular(path, MAX_BYTES, start=offset)
    lines: list[JournalLine] = []
    damaged = newer = 0
    whole = content.rfind(b"\n") + 1
    for text in _texts(content, whole, lines):
        found = _object(text)
        if (record := _whole(found)) is not None:
            lines += _known(record)
        elif _is_newer(found):
            newer += 1
        else:
            damaged += len(_NOT_BLANK.findall(text))
    if (record := parsed(content[whole:])) is not None:
        lines += _known(record)
        whole = len(content)
    return JournalChunk(lines=lines, offset=offset + whole, damaged=damaged, newer=newer)


def read(path: Path, offset: int = 0) -> tuple[list[Record], int]:
    """Return the records that a journal file has from `offset` on, and the offset to go on from."""
    found = read_lines(path, offset)
    records = (line.record() for line in found.lines)
    return [record for record in records if record is not None], found.offset


def _texts(content: bytes, end: int, lines: list[JournalLine]) -> Iterator[bytes]:
    """Put the lines that look as we write them into `lines`; give those that need a closer look.

    Lines that can't be any, of which a damaged file may have millions, are given a thousand at once.
    """
    position = 0
    while position < end:
        match = _LINE.match(content, position)
        if match is None:
            unread = _NO_OBJECTS.match(content, position, end)
            after = unread.end() if unread else content.index(b"\n", position) + 1
            yield content[position:after]
        else:
            after = match.end()
            text, event, number = match.group(0, 1, 2)
            if event in _EVENTS:
                lines.append(JournalLine(_EVENTS[event], int(number), text))
        position = after


def parsed(text: bytes) -> Record | None:
    """Return a line as a record that has our version, event, id and time; None where it has not."""
    return _whole(_object(text))


def _whole(record: Record) -> Record | None:
    fields = (("v", int), ("event", str), ("id", int), ("at", str))
    whole = all(type(record.get(name)) is kind for name, kind in fields) and record["v"] == VERSION
    return record if whole and 0 <= record["id"] <= MAX_ID else None


def _known(record: Record) -> list[JournalLine]:
    """Return a record as a line, spelled as we do; an event that we don't know is none, and passes in silence."""
    if record["event"] not in EVENTS:
        return []
    return [JournalLine(event=record["event"], id=record["id"], content=spelled(record))]


def _is_newer(record: Record) -> bool:
    """Return whether a line is of a later version, which may have other fields altogether."""
    version = record.get("v")
    return type(version) is int and version > VERSION


def _object(text: bytes) -> Record:
    """Return a line's JSON object; an empty one where it is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def spelled(record: Record) -> bytes:
    """Return a record as one line of UTF-8; half characters (lone surrogates) as escapes."""
    raw = record.get("raw")
    if isinstance(raw, str):
        record["raw"] = raw[:MAX_RAW]
    seconds = record.get("seconds")
    if isinstance(seconds, float):
        record["seconds"] = round(seconds, 3)
    try:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"


MONEY = frozenset({"intent", "again", "links", "reply"})
"""Events that wait for the disk itself; what the others tell can be had again from the links."""

SILENT_SECONDS = 1800.0
"""On a disk without locks a writer counts as alive for so long after its last line: the longest silence."""

_BINARY = getattr(os, "O_BINARY", 0)


class Journal:
    """The file that this process appends to; thread-safe. A forked child gets a file of its own.

    It remembers the lines of what has no end yet: if somebody deletes the file, a new one begins with them. What
    could not be written lives as long as this process, and goes in before the next line that can be.
    """

    def __init__(self, folder: Path, *, write: Callable[[int, bytes], None] | None = None) -> None:
        """Name the folder; the file is made by the first `append`, and filled by `write`: all of it, or OSError."""
        self.folder = folder
        self._write = write or write_all
        self.path: Path | None = None
        self._descriptor: int | None = None
        self._torn = False
        self._begun: dict[int, list[JournalLine]] = {}
        self._owed: tuple[JournalLine, ...] = ()
        self._unwritten: tuple[JournalLine, ...] = ()
        self._stays = False
        self._lock = threading.Lock()
        self._flushed = threading.Condition(self._lock)
        self._flushing = 0
        _journals.add(self)

    def append(self, event: str, number: int, /, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write what happened to generation `number`; safe from the death of this process when this returns.

        What money hangs on is safe from a power cut too.

        Raises:
            OSError: the line could not be written, and is not kept; a later one can.
        """
        self._tell(_line(event, number, fields))

    def note(self, event: str, number: int, /, **fields: Any) -> OSError | None:  # noqa: ANN401 - JSON
        """Write what happened, as `append` does; where that fails, keep the line to write it later, and return why."""
        told = {"at": _now(), **fields}
        try:
            self.append(event, number, **told)
        except OSError as error:
            with self._lock:
                self._keep(_line(event, number, told))
            return error
        return None

    def catch_up(self) -> OSError | None:
        """Write what could not be written before; return why it still can't be, or None where nothing is left."""
        try:
            if self.unwritten:
                self._tell()
        except OSError as error:
            return error
        return None

    @property
    def unwritten(self) -> tuple[JournalLine, ...]:
        """The lines that are in no file yet, oldest first."""
        return (*self._owed, *self._unwritten)

    def _tell(self, *fresh: JournalLine) -> None:
        """Write the lines that are owed, and then these; what is written is not written again if a later one fails."""
        written: list[JournalLine] = []
        with self._lock:
            descriptor = self._opened()
            while self._owed:
                written.append(self._put(descriptor, self._owed[0]))
                self._owed = self._owed[1:]
            while self._unwritten:
                written.append(self._put(descriptor, self._unwritten[0]))
                self._unwritten = self._unwritten[1:]
                self._remember(written[-1])
            for line in fresh:
                written.append(self._put(descriptor, line))
                self._remember(line)
            urgent = any(line.event in MONEY for line in written)
            self._flushing += urgent
        if urgent:
            self._wait_for_the_disk(descriptor, [line for line in written if line not in fresh])

    def _put(self, descriptor: int, line: JournalLine) -> JournalLine:
        """Hand a line to the system, apart from one that it took only a part of."""
        try:
            self._write(descriptor, b"\n" * self._torn + line.content)
        except OSError:
            self._torn = True
            raise
        self._torn = False
        return line

    def _wait_for_the_disk(self, descriptor: int, late: list[JournalLine]) -> None:
        """Wait until what was written is safe; other lines are written meanwhile, for a kill does not wait.

        If it is not, those that are `late` are written once more: a line that stands there twice says the same.
        """
        try:
            _flush(descriptor)
        except OSError:
            with self._lock:
                self._torn = True
                self._keep(*late)
            raise
        finally:
            with self._lock:
                self._flushing -= 1
                self._flushed.notify_all()

    def _keep(self, *lines: JournalLine) -> None:
        """Keep lines for later, and this journal as long as the process: it tries once more when that ends."""
        self._unwritten = (*self._unwritten, *lines)
        if lines and not self._stays:
            self._stays = True
            atexit.register(self.catch_up)

    def open(self) -> None:
        """Begin the file before there is a line for it: others see by its lock that this process is at work.

        Raises:
            OSError: it can't be written.
        """
        with self._lock:
            self._opened()

    def close(self) -> None:
        """Give up the lock; the next `append` starts another file."""
        self.catch_up()
        with self._lock:
            self._forget()

    def _remember(self, line: JournalLine) -> None:
        """Keep the lines of what has begun, until it ends."""
        if line.event == "end":
            self._begun.pop(line.id, None)
        elif line.event == "intent":
            self._begun[line.id] = [line]
        elif line.id in self._begun and line.event != "reply":
            self._begun[line.id].append(line)

    def _opened(self) -> int:
        """Return the file to append to: a new one at first, and when somebody deleted or moved it."""
        if self._descriptor is not None and not _leads_to(self.path, self._descriptor):
            self._forget()
        if self._descriptor is None:
            make_inner(self.folder)
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            path = self.folder / name
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY
            descriptor = os.open(path, flags, PRIVATE_FILE)
            self.path, self._descriptor, self._torn = path, descriptor, False
            self._owed = tuple(line for lines in self._begun.values() for line in lines)
            hold(descriptor)
            sync_folder(self.folder)
        return self._descriptor

    def _forget(self) -> None:
        """Close the file without a word to its lock: a forked child must not release its parent's."""
        descriptor, self._descriptor, self.path = self._descriptor, None, None
        if descriptor is not None:
            self._flushed.wait_for(lambda: not self._flushing)
            os.close(descriptor)

    def reset_after_fork(self) -> None:
        """Start afresh in a forked child; another thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._flushed, self._flushing = threading.Condition(self._lock), 0
        self._begun, self._owed, self._unwritten = {}, (), ()  # the parent writes them
        self._forget()


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def reset_after_fork() -> None:
    """Let go, in a forked child, of the files that its parent writes and of what it claims."""
    for journal in _journals:
        journal.reset_after_fork()
    for claim in claims:
        claim.reset_after_fork()


def unwritten(folder: Path) -> list[JournalLine]:
    """Return what this process knows and no file in this folder does yet, since the disk was full say."""
    return [line for journal in list(_journals) if journal.folder == folder for line in journal.unwritten]


def catch_up(folder: Path) -> OSError | None:
    """Write what could not be written before; return why it still can't be, or None where nothing is left."""
    troubles = [journal.catch_up() for journal in list(_journals) if journal.folder == folder]
    return next(filter(None, troubles), None)


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
        file = open_regular(path)
    except OSError:
        return False
    with file:
        free = try_lock(file.fileno(), shared=True)
        if free is None:
            # Either way: a clock that was set back must not keep a dead writer alive for years.
            return abs(time.time() - os.fstat(file.fileno()).st_mtime) < SILENT_SECONDS
        return not free


def _line(event: str, number: int, fields: Record) -> JournalLine:
    record = {"event": event, "id": number, "at": _now(), **fields, "v": VERSION}
    return JournalLine(event=event, id=number, content=spelled(record))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _leads_to(path: Path | None, descriptor: int) -> bool:
    """Return whether the open file is still the one of that name; a network folder renames deleted ones."""
    try:
        return path is not None and os.path.samestat(path.stat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False


def write_all(descriptor: int, content: bytes) -> None:
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
