"""The journal's lines by generation, of all kernels: followed as they are written, parsed when somebody asks."""

from __future__ import annotations

import json
import os
import re
import threading
import weakref
from typing import TYPE_CHECKING, Any

from seedream_nb.pickling import HERE
from seedream_nb.storage.folding import fold
from seedream_nb.storage.journal import JournalLine, Record, is_alive, is_own, read_lines, unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from seedream_nb.storage.generation import Generation, Verbs

_DONE = b'"status":"done"'
_PATH = re.compile(rb'"path":"([^"\\]+)"')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


class IndexEntry:
    """What the journal holds about one generation."""

    __slots__ = ("begun_in", "known", "lines", "reused", "written")

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.lines: list[JournalLine] = []
        self.begun_in: list[Path] = []
        self.reused: dict[bytes, Path] = {}
        self.known: weakref.ref[Generation] | None = None
        self.written: str | None = None

    def add(self, line: JournalLine, path: Path) -> None:
        """Add what was written since; what was made of the rest is stale."""
        if line.event == "once":  # it was shown again, which changes nothing of it
            self.reused.setdefault(line.content, path)  # a cloud drive may keep two copies of a file
            return
        self.lines.append(line)
        if line.event == "intent":
            self.begun_in.append(path)
        self.known = self.written = None

    @property
    def intent(self) -> bytes:
        """The line that tells what was asked."""
        for line in self.lines:
            if line.event == "intent":
                return line.content
        return b""

    @property
    def is_done(self) -> bool:
        """Whether it ended with all its pictures."""
        return any(line.event == "end" and _DONE in line.content for line in self.lines)

    @property
    def has_ended(self) -> bool:
        """Whether it came to any end."""
        return any(line.event == "end" for line in self.lines)

    @property
    def has_links(self) -> bool:
        """Whether the service gave pictures."""
        return any(line.event == "links" for line in self.lines)

    def is_whole(self, names: Collection[str]) -> bool:
        """Return whether all its pictures are among these files; if in doubt, that they are not. Parses nothing."""
        links = sum(line.content.count(b'"http') for line in self.lines if line.event == "links")
        found = {match[1] for line in self.lines if line.event == "file" and (match := _PATH.search(line.content))}
        return self.is_done and len(found) >= links and all(path.decode(errors="replace") in names for path in found)

    def asks_for(self, fingerprint: str) -> bool:
        """Return whether it is the request that has this fingerprint."""
        wanted = fingerprint.encode()
        asked = (line for line in self.lines if line.event == "intent" and wanted in line.content)
        return any((record := line.record()) and record.get("fingerprint") == fingerprint for line in asked)

    def has_content(self, hashes: Collection[bytes]) -> bool:
        """Return whether one of its pictures has one of these contents, each by its SHA-256; parses nothing."""
        return any(line.event == "file" and any(each in line.content for each in hashes) for line in self.lines)

    @property
    def has_stars(self) -> bool:
        """Whether somebody ever gave it a star, or took one away."""
        return any(line.event == "star" for line in self.lines)

    def contains(self, words: Sequence[str]) -> bool:
        """Return whether all the words (casefolded) occur in prompt or template."""
        if self.written is None:
            self.written = "\n".join(_texts(self.intent)).casefold()
        return all(word in self.written for word in words)


class JournalIndex:
    """All generations of a `home`, as lines: found by id, read one by one. Thread-safe."""

    def __init__(self, home: Path, verbs: Verbs | None, running: Callable[[], Collection[int]] | None) -> None:
        """Name the folder; nothing is read before the first look."""
        self.home = home
        self.verbs = verbs
        self.running = running
        self.damaged = 0
        self.newer = 0
        self.unreadable: dict[str, str] = {}
        self.lock = threading.RLock()
        self._entries: dict[int, IndexEntry] = {}
        self._offsets: dict[str, int] = {}
        self._unwritten: set[bytes] = set()
        self._order: list[int] = []
        _ledgers.add(self)

    def __reduce__(self) -> tuple[type[JournalIndex], tuple[Any, ...]]:
        """Be read anew elsewhere, from the same folder."""
        return JournalIndex, (self.home, HERE, None)

    @property
    def is_read(self) -> bool:
        """Whether anything was read yet."""
        return bool(self._offsets)

    def reset_after_fork(self) -> None:
        """Start afresh in a forked child; another thread of the parent may have been at work here."""
        self.lock = threading.RLock()
        self._forget()

    def ids(self) -> list[int]:
        """Return all ids, oldest first, after a look at what the journal has new; the list never changes."""
        with self.lock:
            self._follow()
            return self._order

    def entries(self) -> list[tuple[int, IndexEntry]]:
        """Return all ids with their lines, oldest first."""
        with self.lock:
            return [(number, self._entries[number]) for number in self.ids()]

    def read(self, number: int) -> Generation | None:
        """Return a generation; None where there is none, or where what was asked can't be read any more."""
        with self.lock:
            entry = self._entries.get(number)
            if entry is None or not entry.begun_in:
                return None
            if entry.known is not None and (known := entry.known()) is not None:
                return known
            alive = not entry.has_ended and self._is_at_work(number, entry)
            records = [record for line in entry.lines if (record := line.record()) is not None]
            generation = _folded(records, home=self.home, alive=alive, verbs=self.verbs)
            if generation is None:
                self._order = [each for each in self._order if each != number]
            elif not alive:
                entry.known = weakref.ref(generation)
            return generation

    def _is_at_work(self, number: int, entry: IndexEntry) -> bool:
        """Return whether somebody works on it: here a job, elsewhere a process that lives."""
        if self.running is None:
            return any(is_alive(path) for path in entry.begun_in)
        return number in self.running() or is_elsewhere(entry)

    def _follow(self) -> None:
        """Take in what was added since the last look; all of it anew if something went away."""
        self.unreadable = {}
        try:
            sizes = self._sizes()
        except OSError as error:  # a network folder may be away for a moment: what is known stays known
            self.unreadable["journal"] = error.strerror or str(error)
            return
        if any(sizes.get(name, -1) < offset for name, offset in self._offsets.items()):
            self._forget()
        grown = [name for name, size in sizes.items() if size > self._offsets.get(name, 0)]
        begun = sum(self._take(name) for name in grown)
        if self._take_unwritten() or begun:
            self._order = sorted(number for number, entry in self._entries.items() if entry.begun_in)

    def _forget(self) -> None:
        self._entries, self._offsets, self._order, self._unwritten = {}, {}, [], set()
        self.damaged = self.newer = 0

    def _sizes(self) -> dict[str, int]:
        """Return the journal files with their sizes in bytes, in the order they were begun."""
        folder = os.fspath(self.home / "journal")
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - a thousand paths would cost more than the sizes
        except (FileNotFoundError, NotADirectoryError):
            return {}
        sizes = {}
        for name in names:
            if name.endswith(".jsonl"):
                try:
                    sizes[name] = os.stat(f"{folder}{os.sep}{name}").st_size  # noqa: PTH116 - as above
                except FileNotFoundError:  # it went between the two looks
                    continue
                except OSError as error:
                    self.unreadable[name] = error.strerror or str(error)
                    sizes[name] = self._offsets.get(name, 0)
        return sizes

    def _take(self, name: str) -> bool:
        """Take in what a journal file has new, if it can be read; return whether a generation was begun in it."""
        path = self.home / "journal" / name
        try:
            found = read_lines(path, self._offsets.get(name, 0))
        except OSError as error:
            self.unreadable[name] = error.strerror or str(error)
            return False
        self._add(found.lines, path)
        self._offsets[name] = found.offset
        self.damaged += found.damaged
        self.newer += found.newer
        return any(line.event == "intent" for line in found.lines)

    def _take_unwritten(self) -> bool:
        """Take in what this process knows and its disk refused; return whether a generation was begun there."""
        folder = self.home / "journal"
        fresh = [line for line in unwritten(folder) if line.content not in self._unwritten]
        self._unwritten.update(line.content for line in fresh)
        self._add(fresh, folder)
        return any(line.event == "intent" for line in fresh)

    def _add(self, lines: Iterable[JournalLine], path: Path) -> None:
        for line in lines:
            if line.event != "reply":  # kept for people who look into the file; nothing is made of it
                entry = self._entries.get(line.id)
                if entry is None:
                    entry = self._entries[line.id] = IndexEntry()
                entry.add(line, path)


_ledgers: weakref.WeakSet[JournalIndex] = weakref.WeakSet()


def reset_after_fork() -> None:
    """Have every history read anew, in a forked child."""
    for each in list(_ledgers):
        each.reset_after_fork()


def _folded(records: list[Record], *, home: Path, alive: bool, verbs: Verbs | None) -> Generation | None:
    """Return what the records tell; None where that can't be read, whatever it is: the others are told all the same."""
    try:
        return fold(records, home=home, alive=alive, verbs=verbs)
    except Exception:  # noqa: BLE001 - a journal may hold anything, and one line keeps no other generation away
        return None


def is_elsewhere(entry: IndexEntry) -> bool:
    """Return whether it was begun by another process, which still lives."""
    return any(is_alive(path) for path in entry.begun_in if not is_own(path))


def _texts(intent: bytes) -> list[str]:
    """Return template and prompt of an intent; the rest of its line needs no parsing for that."""
    found = {_string(intent, name) for name in (b'"template":', b'"prompt":')}
    try:
        return [json.loads(text.decode()) for text in found if text]
    except ValueError:
        return []


def _string(line: bytes, name: bytes) -> bytes:
    """Return the string that follows a name; within other strings the name's quotes would be escaped."""
    match = _STRING.match(line, line.find(name) + len(name))
    return match[0] if match else b""
