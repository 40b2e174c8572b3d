"""The journal: one line per event of each request, on disk before the next step begins.

One append-only file per kernel, so that kernels can share a `home`, even on a network folder. Its writer holds a
lock on it, which distinguishes the unfinished work of a dead kernel from that of a living one.

```
{"event":"intent","id":42,"at":"2026-11-21T09:30:00.000000+00:00", … ,"v":1}
```
`v` stands last: a line that has it is complete, so lines that nobody needs don't have to be parsed.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import threading
import time
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from seedream_nb.files import open_regular, read_regular
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
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
EVENTS = frozenset({"intent", "refused", "again", "links", "reply", "file", "missing", "end", "once", "star", "delete"})

MAX_RAW = 64_000
"""How many characters of an unreadable reply are kept: enough to see what it was."""

MAX_BYTES = 512_000_000
"""Of a journal file, which is read at once: a thousand times what a busy kernel writes."""

MAX_ID = 10**9 - 1
"""Ids count requests: a line with a larger one is damaged."""

_EVENTS = {event.encode(): event for event in EVENTS}
_LINE = lazy_pattern(rb'\{"event":"([a-z]+)","id":([0-9]{1,9}),"at":".*,"v":1\}\n')
_NO_OBJECTS = lazy_pattern(rb"(?:[^{\n]*+\n|[^\n]{0,6}+\n){1,1000}+")
_NOT_BLANK = lazy_pattern(rb"\S[^\n]*+")

Record = dict[str, Any]


class JournalLine(NamedTuple):
    """One complete line of a journal, not parsed yet."""

    event: str
    id: int
    content: bytes

    def record(self) -> Record | None:
        """Parse the line; None if it is damaged."""
        return parse_line(self.content)


@frozen
class JournalChunk:
    """The content of a journal file from one offset to the next."""

    lines: list[JournalLine]
    offset: int
    damaged: int
    newer: int


def read_lines(path: Path, offset: int = 0) -> JournalChunk:
    """Return the lines of a journal file from `offset` on; damaged ones are counted and left out.

    An unterminated line may still be growing: it is left for the next time, unless it is complete as it is.
    """
    content = read_regular(path, MAX_BYTES, start=offset)
    lines: list[JournalLine] = []
    damaged = newer = 0
    end = content.rfind(b"\n") + 1
    for text in _unusual_lines(content, end, lines):
        record = _object(text)
        if (valid := _valid(record)) is not None:
            lines += _as_lines(valid)
        elif _is_newer(record):
            newer += 1
        else:
            damaged += len(_NOT_BLANK.findall(text))
    if (last := parse_line(content[end:])) is not None:
        lines += _as_lines(last)
        end = len(content)
    return JournalChunk(lines=lines, offset=offset + end, damaged=damaged, newer=newer)


def read(path: Path, offset: int = 0) -> tuple[list[Record], int]:
    """Return the records of a journal file from `offset` on, and the offset to continue from."""
    chunk = read_lines(path, offset)
    records = (line.record() for line in chunk.lines)
    return [record for record in records if record is not None], chunk.offset


def _unusual_lines(content: bytes, end: int, lines: list[JournalLine]) -> Iterator[bytes]:
    """Add the lines that are written as we write them to `lines`; yield those that must be parsed.

    Lines that can't be JSON objects, of which a damaged file may have millions, are yielded a thousand at a time.
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


def parse_line(text: bytes) -> Record | None:
    """Return a line as a record that has our version, event, id and time; None if it is none."""
    return _valid(_object(text))


def _valid(record: Record) -> Record | None:
    fields = (("v", int), ("event", str), ("id", int), ("at", str))
    is_valid = all(type(record.get(name)) is kind for name, kind in fields) and record["v"] == VERSION
    return record if is_valid and 0 <= record["id"] <= MAX_ID else None


def _as_lines(record: Record) -> list[JournalLine]:
    """Return a record as a line in our own spelling; nothing for an event that we don't know."""
    if record["event"] not in EVENTS:
        return []
    return [JournalLine(event=record["event"], id=record["id"], content=serialize(record))]


def _is_newer(record: Record) -> bool:
    """Return whether a line was written by a later version, which may have entirely different fields."""
    version = record.get("v")
    return type(version) is int and version > VERSION


def _object(text: bytes) -> Record:
    """Return a line's JSON object; empty if it is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def serialize(record: Record) -> bytes:
    """Return a record as one line of UTF-8; lone surrogates become escapes."""
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
"""Events that wait for the disk itself; the content of all others can be had again from the links."""

SILENT_SECONDS = 1800.0
"""How long after its last line a writer counts as alive on a disk without locks: the longest silence."""

_BINARY = getattr(os, "O_BINARY", 0)


class Journal:
    """The file that this process appends to; thread-safe. A forked child gets a file of its own.

    It remembers the lines of unfinished generations: if somebody deletes the file, a new one begins with them. Lines
    that could not be written are kept while this process lives, and written before the next one that can be.
    """

    def __init__(self, folder: Path, *, write: Callable[[int, bytes], None] | None = None) -> None:
        """Name the folder; the first `append` creates the file; `write` writes all of the bytes or raises OSError."""
        self.folder = folder
        self._write = write or write_all
        self.path: Path | None = None
        self._descriptor: int | None = None
        self._torn = False
        self._size_bytes = 0
        self._begun: dict[int, list[JournalLine]] = {}
        self._owed: tuple[JournalLine, ...] = ()
        self._unwritten: tuple[JournalLine, ...] = ()
        self._stays = False
        self._lock = threading.Lock()
        self._flushed = threading.Condition(self._lock)
        self._flushing = 0
        _journals.add(self)

    def append(self, event: str, number: int, /, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write an event of generation `number`; when this returns, it survives the death of this process.

        Events that concern money survive a power cut too.

        Raises:
            OSError: the line could not be written and is not kept; later ones can be.
        """
        self._append(_line(event, number, fields))

    def note(self, event: str, number: int, /, **fields: Any) -> OSError | None:  # noqa: ANN401 - JSON
        """Write an event as `append` does; if that fails, keep the line to write it later, and return the error."""
        stamped = {"at": _now(), **fields}
        try:
            self.append(event, number, **stamped)
        except Exception as error:  # noqa: BLE001 - whatever it is, as a lack of memory: the line may be paid for
            with self._lock:
                self._keep(_line(event, number, stamped))
            return error if isinstance(error, OSError) else OSError(f"{type(error).__name__}: {error}")
        return None

    def catch_up(self) -> OSError | None:
        """Write the lines that could not be written before; return why that still fails, or None."""
        try:
            if self.unwritten:
                self._append()
        except OSError as error:
            return error
        return None

    @property
    def unwritten(self) -> tuple[JournalLine, ...]:
        """The lines that are in no file yet, oldest first."""
        return (*self._owed, *self._unwritten)

    def _append(self, *fresh: JournalLine) -> None:
        """Write the owed lines, then the fresh ones; what is written is not repeated if a later one fails."""
        written: list[JournalLine] = []
        with self._lock:
            descriptor = self._open_file()
            while self._owed:
                written.append(self._write_line(descriptor, self._owed[0]))
                self._owed = self._owed[1:]
            while self._unwritten:
                written.append(self._write_line(descriptor, self._unwritten[0]))
                self._unwritten = self._unwritten[1:]
                self._remember(written[-1])
            for line in fresh:
                written.append(self._write_line(descriptor, line))
                self._remember(line)
            urgent = any(line.event in MONEY for line in written)
            self._flushing += urgent
        if urgent:
            self._sync(descriptor, [line for line in written if line not in fresh])

    def _write_line(self, descriptor: int, line: JournalLine) -> JournalLine:
        """Hand a line to the system, on a line of its own even after a partial write."""
        try:
            self._write(descriptor, b"\n" * self._torn + line.content)
        except OSError:
            self._torn = True
            raise
        self._size_bytes += len(line.content)
        self._torn = False
        return line

    def _sync(self, descriptor: int, late: list[JournalLine]) -> None:
        """Wait until the lines are safe; meanwhile other lines can be written, for a kill does not wait.

        If that fails, the `late` lines are written again: a line that appears twice says the same.
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
        """Keep lines for later; at exit, try once more to write them."""
        self._unwritten = (*self._unwritten, *lines)
        if lines and not self._stays:
            self._stays = True
            atexit.register(self.catch_up)

    def open(self) -> None:
        """Create the file before its first line: its lock shows others that this process is running.

        Raises:
            OSError: it can't be written.
        """
        with self._lock:
            self._open_file()

    def close(self) -> None:
        """Release the lock; the next `append` starts another file."""
        self.catch_up()
        with self._lock:
            self._forget()

    def _remember(self, line: JournalLine) -> None:
        """Keep the lines of a generation until it ends."""
        if line.event == "end":
            self._begun.pop(line.id, None)
        elif line.event == "intent":
            self._begun[line.id] = [line]
        elif line.id in self._begun and line.event != "reply":
            self._begun[line.id].append(line)

    def _open_file(self) -> int:
        """Return the file to append to: a new one at first, and after somebody deleted, moved or shortened it."""
        if self._descriptor is not None and not _is_whole(self.path, self._descriptor, self._size_bytes):
            self._forget()
        if self._descriptor is None:
            make_inner(self.folder)
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            path = self.folder / name
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY
            descriptor = os.open(path, flags, PRIVATE_FILE)
            self.path, self._descriptor, self._torn, self._size_bytes = path, descriptor, False, 0
            self._owed = tuple(line for lines in self._begun.values() for line in lines)
            hold(descriptor)
            sync_folder(self.folder)
        return self._descriptor

    def _forget(self) -> None:
        """Close the file without unlocking it: a forked child must not release its parent's lock."""
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
    """Let go of the parent's files and claims, in a forked child."""
    for journal in _journals:
        journal.reset_after_fork()
    for claim in claims:
        claim.reset_after_fork()


def unwritten(folder: Path) -> list[JournalLine]:
    """Return the lines that this process could not write to this folder, for example because the disk is full."""
    return [line for journal in list(_journals) if journal.folder == folder for line in journal.unwritten]


def catch_up(folder: Path) -> OSError | None:
    """Write the lines that could not be written before; return why that still fails, or None."""
    errors = [journal.catch_up() for journal in list(_journals) if journal.folder == folder]
    return next(filter(None, errors), None)


def is_own(path: Path) -> bool:
    """Return whether this process writes this journal file."""
    return any(journal.path == path for journal in list(_journals))


def is_writing(folder: Path, process: int) -> bool:
    """Return whether the process with this number, on any machine, lives and writes a journal in this folder."""
    return any(map(is_alive, folder.glob(f"*-{process}-*.jsonl")))


def is_alive(path: Path) -> bool:
    """Return whether the writer of this journal file lives: it holds the file's lock."""
    if is_own(path):
        return True
    try:
        file = open_regular(path)
    except OSError:
        return False
    with file:
        is_free = try_lock(file.fileno(), shared=True)
        if is_free is None:
            # In both directions: a clock that was set back must not keep a dead writer alive for years.
            return abs(time.time() - os.fstat(file.fileno()).st_mtime) < SILENT_SECONDS
        return not is_free


def _line(event: str, number: int, fields: Record) -> JournalLine:
    record = {"event": event, "id": number, "at": _now(), **fields, "v": VERSION}
    return JournalLine(event=event, id=number, content=serialize(record))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _is_whole(path: Path | None, descriptor: int, size_bytes: int) -> bool:
    """Return whether the open file has all that was written, and its name: network folders rename deleted files."""
    try:
        found = os.fstat(descriptor)
        return path is not None and os.path.samestat(path.stat(), found) and found.st_size >= size_bytes
    except (FileNotFoundError, NotADirectoryError):
        return False


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it."""
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
