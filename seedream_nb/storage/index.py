"""An index of the journal's lines by generation, of all kernels: kept up to date, parsed on demand."""

from __future__ import annotations

import json
import os
import threading
import weakref
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seedream_nb.patterns import lazy_pattern
from seedream_nb.pickling import HERE
from seedream_nb.storage.folding import fold
from seedream_nb.storage.journal import JournalLine, Record, is_alive, is_own, read_lines, unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from seedream_nb.storage.generation import Generation, Verbs

_DONE, _FAILED = b'"status":"done"', (b'"status":"failed"', b'"status":"stopped"')
_CHANGES = frozenset({"intent", "delete"})
_PATH = lazy_pattern(rb'"path":"([^"\\]+)"')
_AT = lazy_pattern(rb'"at":"([^"]{1,40})"')
_MAX_PRICE = 1e6
_FINGERPRINT = lazy_pattern(rb'"fingerprint":"([^"\\]*)"')
_STRING = lazy_pattern(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


class IndexEntry:
    """The journal lines of one generation."""

    __slots__ = (
        "begun_in",
        "cached",
        "cost",
        "deletions",
        "fingerprints",
        "is_removed",
        "lines",
        "reused",
        "searched_text",
    )

    def __init__(self) -> None:
        """Have no lines yet."""
        self.lines: list[JournalLine] = []
        self.begun_in: list[Path] = []
        self.reused: dict[bytes, Path] = {}
        self.cached: weakref.ref[Generation] | None = None
        self.searched_text: str | None = None
        self.deletions: list[tuple[str, bool]] = []
        """When it was deleted (True) or restored (False)."""
        self.is_removed = False
        """Whether its files were removed with it."""
        self.fingerprints: frozenset[bytes] | None = None
        self.cost: float | None = None
        """What it cost, once somebody has worked that out."""

    def add(self, line: JournalLine, path: Path) -> None:
        """Add a line; what was computed from the others is stale."""
        if line.event == "once":  # it was shown again, which changes nothing
            self.reused.setdefault(line.content, path)  # a cloud drive may keep two copies of a file
            return
        self.lines.append(line)
        if line.event == "intent":
            self.begun_in.append(path)
        elif line.event == "delete":
            self._add_deletion(line)
        self.cached = self.searched_text = self.fingerprints = self.cost = None

    def _add_deletion(self, line: JournalLine) -> None:
        record = line.record() or {}
        if isinstance(on := record.get("on"), bool):
            self.deletions.append((record["at"], on))
            self.is_removed = self.is_removed or record.get("forever") is True

    @property
    def is_deleted(self) -> bool:
        """Whether the history leaves it out."""
        return self.is_removed or (bool(self.deletions) and max(self.deletions)[1])

    @property
    def intent(self) -> bytes:
        """The line with the request."""
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
        """Whether it has any end."""
        return any(line.event == "end" for line in self.lines)

    @property
    def has_links(self) -> bool:
        """Whether the service returned pictures."""
        return any(line.event == "links" for line in self.lines)

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a picture, and at no cost. Parses nothing."""
        ends = [line.content for line in self.lines if line.event == "end"]
        return bool(ends) and all(any(status in end for status in _FAILED) for end in ends) and not self._has_addresses

    @property
    def _has_addresses(self) -> bool:
        return any(line.event == "links" and b'"http' in line.content for line in self.lines)

    def is_complete(self, names: Collection[str]) -> bool:
        """Return whether all its pictures are among these files; False if in doubt. Parses nothing."""
        links = sum(line.content.count(b'"http') for line in self.lines if line.event == "links")
        paths = {match[1] for line in self.lines if line.event == "file" and (match := _PATH.search(line.content))}
        return self.is_done and len(paths) >= links and all(path.decode(errors="replace") in names for path in paths)

    def has_fingerprint(self, fingerprint: str) -> bool:
        """Return whether its request has this fingerprint; what can't match is not parsed, for a batch asks often.

        Where two machines gave one number to two requests, nobody can tell whose the pictures are: then it has none.
        """
        if self._fingerprints() != {fingerprint.encode()}:
            return False
        records = (line.record() for line in self.lines if line.event == "intent")
        return any(record.get("fingerprint") == fingerprint for record in records if record)

    def is_mixed(self, fingerprint: str) -> bool:
        """Return whether it is this request and another under one number."""
        return len(self._fingerprints()) > 1 and fingerprint.encode() in self._fingerprints()

    def _fingerprints(self) -> frozenset[bytes]:
        if self.fingerprints is None:
            intents = (line.content for line in self.lines if line.event == "intent")
            self.fingerprints = frozenset(text for content in intents for text in _FINGERPRINT.findall(content))
        return self.fingerprints

    def is_since(self, moment: datetime) -> bool:
        """Return whether it was begun since a moment; one that does not say when was."""
        match = _AT.search(self.intent)
        try:
            return match is None or datetime.fromisoformat(match[1].decode()) >= moment
        except (ValueError, TypeError):
            return True

    @property
    def price(self) -> float:
        """USD a picture, as it was when this was asked for."""
        record = next((line.record() for line in self.lines if line.event == "intent"), None) or {}
        price = record.get("price")
        return float(price) if isinstance(price, int | float) and 0 <= price < _MAX_PRICE else 0.0

    def mentions(self, event: str, text: bytes) -> bool:
        """Return whether a line of this event contains a text. Parses nothing."""
        return any(line.event == event and text in line.content for line in self.lines)

    def has_content(self, hashes: Collection[bytes]) -> bool:
        """Return whether one of its pictures has one of these contents (SHA-256). Parses nothing."""
        return any(line.event == "file" and any(digest in line.content for digest in hashes) for line in self.lines)

    @property
    def has_stars(self) -> bool:
        """Whether it was ever starred or unstarred."""
        return any(line.event == "star" for line in self.lines)

    def contains(self, words: Sequence[str]) -> bool:
        """Return whether prompt or template contain all the words (casefolded)."""
        if self.searched_text is None:
            self.searched_text = "\n".join(_texts(self.intent)).casefold()
        return all(word in self.searched_text for word in words)


class JournalIndex:
    """All generations of a `home` as journal lines: found by id, read one by one. Thread-safe."""

    def __init__(self, home: Path, verbs: Verbs | None, running: Callable[[], Collection[int]] | None) -> None:
        """Name the folder; the journal is read at the first access."""
        self.home = home
        self.verbs = verbs
        self.running = running
        self.damaged = 0
        self.newer = 0
        self.unreadable: dict[str, str] = {}
        self.shortened: dict[str, int] = {}
        """The journal files that became shorter since they were read, or are gone, with their sizes in bytes then."""
        self.untold: set[str] = set()
        """Those that nobody was told about yet."""
        self.lock = threading.RLock()
        self._entries: dict[int, IndexEntry] = {}
        self._offsets: dict[str, int] = {}
        self._unwritten: set[bytes] = set()
        self._order: list[int] = []
        self._deleted: list[int] = []
        _indexes.add(self)

    def __reduce__(self) -> tuple[type[JournalIndex], tuple[Any, ...]]:
        """Unpickle as an index of the same folder that reads the journal again."""
        return JournalIndex, (self.home, HERE, None)

    @property
    def is_read(self) -> bool:
        """Whether anything has been read yet."""
        return bool(self._offsets)

    def reset_after_fork(self) -> None:
        """Start afresh in a forked child; another thread of the parent may have held the lock."""
        self.lock = threading.RLock()
        self.shortened, self.untold = {}, set()  # the parent tells it
        self._forget()

    def ids(self) -> list[int]:
        """Return the ids of what is not deleted, oldest first, up to date with the journal; that list never changes."""
        with self.lock:
            self._refresh()
            return self._order

    def deleted_ids(self) -> list[int]:
        """Return the ids of what is deleted, oldest first, up to date with the journal; that list never changes."""
        with self.lock:
            self._refresh()
            return self._deleted

    def entries(self) -> list[tuple[int, IndexEntry]]:
        """Return the ids of what is not deleted with their lines, oldest first."""
        with self.lock:
            return [(number, self._entries[number]) for number in self.ids()]

    def all_entries(self) -> list[tuple[int, IndexEntry]]:
        """Return all ids with their lines, oldest first; what is deleted was paid for too."""
        with self.lock:
            return [(number, self._entries[number]) for number in sorted([*self.ids(), *self._deleted])]

    def entry(self, number: int) -> IndexEntry | None:
        """Return the lines of an id, as of the last access; None if it is not known."""
        return self._entries.get(number)

    def read(self, number: int) -> Generation | None:
        """Return a generation; None if there is none, or if its request can't be read any more."""
        with self.lock:
            entry = self._entries.get(number)
            if entry is None or not entry.begun_in:
                return None
            if entry.cached is not None and (cached := entry.cached()) is not None:
                return cached
            alive = not entry.has_ended and self._is_running(number, entry)
            records = [record for line in entry.lines if (record := line.record()) is not None]
            generation = _try_fold(records, home=self.home, alive=alive, deleted=entry.is_deleted, verbs=self.verbs)
            if generation is None:
                self._order = [other for other in self._order if other != number]
                self._deleted = [other for other in self._deleted if other != number]
            elif not alive:
                entry.cached = weakref.ref(generation)
            return generation

    def _is_running(self, number: int, entry: IndexEntry) -> bool:
        """Return whether it is running: as a job here, or in another process that lives."""
        if self.running is None:
            return any(is_alive(path) for path in entry.begun_in)
        return number in self.running() or is_elsewhere(entry)

    def _refresh(self) -> None:
        """Read what was added since the last time; everything, if something was removed."""
        self.unreadable = {}
        try:
            sizes = self._sizes()
        except OSError as error:  # a network folder may be away for a moment: keep what is known
            self.unreadable["journal"] = error.strerror or str(error)
            return
        self.shortened = {name: size for name, size in self.shortened.items() if sizes.get(name, -1) < size}
        if shortened := {name: size for name, size in self._offsets.items() if sizes.get(name, -1) < size}:
            self.shortened = {**shortened, **self.shortened}
            self.untold.update(shortened)
            self._forget()
        grown = [name for name, size in sizes.items() if size > self._offsets.get(name, 0)]
        begun = sum(self._read_new(name) for name in grown)
        if self._read_unwritten() or begun:
            there = sorted((number, entry.is_deleted) for number, entry in self._entries.items() if entry.begun_in)
            self._order = [number for number, is_deleted in there if not is_deleted]
            self._deleted = [number for number, is_deleted in there if is_deleted]

    def _forget(self) -> None:
        self._entries, self._offsets, self._unwritten = {}, {}, set()
        self._order, self._deleted = [], []
        self.damaged = self.newer = 0

    def _sizes(self) -> dict[str, int]:
        """Return the journal files with their sizes in bytes, in the order of their creation."""
        folder = os.fspath(self.home / "journal")
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - a thousand Path objects would cost more than the sizes
        except (FileNotFoundError, NotADirectoryError):
            return {}
        sizes = {}
        for name in names:
            if name.endswith(".jsonl"):
                try:
                    sizes[name] = os.stat(f"{folder}{os.sep}{name}").st_size  # noqa: PTH116 - as above
                except FileNotFoundError:  # removed in between
                    continue
                except OSError as error:
                    self.unreadable[name] = error.strerror or str(error)
                    sizes[name] = self._offsets.get(name, 0)
        return sizes

    def _read_new(self, name: str) -> bool:
        """Read what is new in a journal file, if it can be read; return whether it changes what there is."""
        path = self.home / "journal" / name
        try:
            chunk = read_lines(path, self._offsets.get(name, 0))
        except OSError as error:
            self.unreadable[name] = error.strerror or str(error)
            return False
        self._add_lines(chunk.lines, path)
        self._offsets[name] = chunk.offset
        self.damaged += chunk.damaged
        self.newer += chunk.newer
        return any(line.event in _CHANGES for line in chunk.lines)

    def _read_unwritten(self) -> bool:
        """Add the lines that this process could not write; return whether they change which generations there are."""
        folder = self.home / "journal"
        fresh = [line for line in unwritten(folder) if line.content not in self._unwritten]
        self._unwritten.update(line.content for line in fresh)
        self._add_lines(fresh, folder)
        return any(line.event in _CHANGES for line in fresh)

    def _add_lines(self, lines: Iterable[JournalLine], path: Path) -> None:
        for line in lines:
            if line.event != "reply":  # only for people who look into the file
                entry = self._entries.get(line.id)
                if entry is None:
                    entry = self._entries[line.id] = IndexEntry()
                entry.add(line, path)


_indexes: weakref.WeakSet[JournalIndex] = weakref.WeakSet()


def reset_after_fork() -> None:
    """Let every history be read again, in a forked child."""
    for index in list(_indexes):
        index.reset_after_fork()


def _try_fold(
    records: list[Record], *, home: Path, alive: bool, deleted: bool, verbs: Verbs | None
) -> Generation | None:
    """Return the generation; None if it can't be read, for whatever reason, so that the others still can."""
    try:
        return fold(records, home=home, alive=alive, deleted=deleted, verbs=verbs)
    except Exception:  # noqa: BLE001 - a journal may contain anything, and one line must not hide other generations
        return None


def is_elsewhere(entry: IndexEntry) -> bool:
    """Return whether another process started it and is still alive."""
    return any(is_alive(path) for path in entry.begun_in if not is_own(path))


def _texts(intent: bytes) -> list[str]:
    """Return template and prompt of an intent without parsing the rest of its line."""
    strings = {_string(intent, name) for name in (b'"template":', b'"prompt":')}
    try:
        return [json.loads(text.decode()) for text in strings if text]
    except ValueError:
        return []


def _string(line: bytes, name: bytes) -> bytes:
    """Return the string that follows a name; inside other strings the name's quotes would be escaped."""
    match = _STRING.match(line, line.find(name) + len(name))
    return match[0] if match else b""
