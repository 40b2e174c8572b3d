"""The history: every generation of a `home`, of all kernels, read from the journal. No picture is opened."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from seedream_nb.errors import NoSuchItemError, Problem, WrongIndexError, describe_value, plain
from seedream_nb.files import is_regular_file, read_regular
from seedream_nb.patterns import lazy_pattern
from seedream_nb.storage.generation import Generation, check_index, number_text
from seedream_nb.storage.index import JournalIndex, is_elsewhere
from seedream_nb.storage.journal import MAX_BYTES, is_alive, is_own
from seedream_nb.storage.picture import bundle_of
from seedream_nb.storage.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from seedream_nb.storage.generation import Verbs
    from seedream_nb.storage.index import IndexEntry
    from seedream_nb.storage.picture import Picture
    from seedream_nb.storage.usage import Usage

# An end counts only if its line is complete; if it is not found here, the journal itself is read.
_BOUND = lazy_pattern(
    rb'(?m)^[ \t]*+\{"event":"(?:intent","id":([0-9]{1,15}),|end","id":([0-9]{1,15}),.*,"v":1\})', re.MULTILINE
)


def abandoned_ids(journal: Path) -> set[int]:
    """Return the ids that have no end in any journal file of a folder, and no living writer. Parses no line."""
    begun: dict[int, list[Path]] = {}
    ended: set[int] = set()
    for path in _files(journal):
        for intent, end in _BOUND.findall(_content(path)):
            if intent:
                begun.setdefault(int(intent), []).append(path)
            else:
                ended.add(int(end))
    return {number for number in begun.keys() - ended if not any(map(is_alive, begun[number]))}


def _files(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.endswith(".jsonl")]  # noqa: PTH208 - many names
    except OSError:
        return []


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_BYTES)
    except OSError:
        return b""


NONE, DELETED_NONE = "No pictures yet.", "Nothing is deleted."
_BY_POSITION = "Write [0] for the oldest of these, [-1] for the newest; sd.history[3] is @3."
_BY_ID = 'Write history[3] for @3, history[-1] for the newest, history.search("fox") for words.'
ROWS = 20
"""How many lines the table has when it is printed; use `search` for the rest."""


class Generations(Sequence[Generation]):
    """Generations by id, oldest first; one whose line in the journal is damaged is left out."""

    def __init__(self, ids: Sequence[int], index: JournalIndex, none: str = NONE) -> None:
        """Keep the ids; the index reads them. `none` is what to print if there are none."""
        self._ids = ids
        self._index = index
        self.none = none

    def __len__(self) -> int:
        """Return the number of generations."""
        return len(self._ids)

    @overload
    def __getitem__(self, position: int) -> Generation: ...
    @overload
    def __getitem__(self, position: slice) -> Generations: ...
    def __getitem__(self, position: int | slice) -> Generation | Generations:
        """Return the generation at a position, counted from 0, or a slice.

        Raises:
            NoSuchItemError: there is none; an IndexError.
            WrongIndexError: it is no number; a TypeError.
        """
        position = check_index(position, _BY_POSITION)
        if isinstance(position, slice):
            return Generations(self._ids[position], self._index, self.none)
        if not -len(self) <= position < len(self):
            raise NoSuchItemError(
                f"There is no generation [{number_text(position)}] among these {len(self)}.", hint=_BY_POSITION
            )
        generation = self._index.read(self._ids[position])
        if generation is None:
            raise NoSuchItemError(f"Generation {self._ids[position]} can't be read: the journal is damaged there.")
        return generation

    @property
    def ids(self) -> Sequence[int]:
        """Their ids, oldest first."""
        return tuple(self._ids)

    def before(self, number: int) -> Generations:
        """Return the generations with a smaller id."""
        return Generations(self._ids[: bisect.bisect_left(self._ids, number)], self._index, self.none)

    def __iter__(self) -> Iterator[Generation]:
        """Yield all that can be read, oldest first."""
        return (generation for number in self._ids if (generation := self._index.read(number)) is not None)

    def __reversed__(self) -> Iterator[Generation]:
        """Yield all that can be read, newest first."""
        return (generation for number in reversed(self._ids) if (generation := self._index.read(number)) is not None)

    def __repr__(self) -> str:
        """Return a short table, newest first."""
        rows = [
            f"@{generation.id:<5} {plain(generation.status):<11} {len(generation):>2}  {plain(generation.prompt, 60)}"
            for generation in reversed(self[-ROWS:])
        ]
        more = len(self) - ROWS
        return "\n".join([*rows, *([f"and {more} more"] if more > 0 else [])]) or self.none

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the table in a notebook, with previews if there is a session."""
        return bundle_of(self, self._index.verbs)


_PAID = frozenset({"done", "partial", "unknown"})
_LEFT = frozenset({"unknown", "partial", "stopped"})
_LATELY = 200
"""How far back to look for how long a request takes."""
FILE_GONE = "its file is gone"
_MARK = lazy_pattern(r"@?(?:(last)|([0-9]{1,15}))(?:\.([0-9]{1,4}))?", re.IGNORECASE)


class History:
    """The generations of a `home`: `history[3]` has the id 3, `history[-1]` is the newest; oldest first.

    It follows the journal: whatever any kernel adds is there at the next access. Thread-safe.
    """

    def __init__(
        self, home: Path, verbs: Verbs | None = None, running: Callable[[], Collection[int]] | None = None
    ) -> None:
        """Name the folder; the journal is read at the first access.

        Args:
            home: the folder with pictures and `journal/`; it need not exist yet.
            verbs: the session through which its generations are edited, run again and shown.
            running: returns the ids of this process's running jobs; without it, whatever this process started and
                did not end counts as running.
        """
        self.home = home
        self._index = JournalIndex(home, verbs, running)

    @property
    def index(self) -> JournalIndex:
        """The journal's lines by generation, of what is deleted too."""
        return self._index

    @property
    def damaged(self) -> int:
        """The number of lines of the journal that could not be read."""
        return self._index.damaged

    @property
    def newer(self) -> int:
        """The number of lines that a newer version of this package wrote; they are left out."""
        return self._index.newer

    @property
    def unreadable(self) -> dict[str, str]:
        """The journal files that could not be read at the last access, by name, and why; `journal` stands for all."""
        return dict(self._index.unreadable)

    @property
    def shortened(self) -> Sequence[str]:
        """Say which journal files became shorter or disappeared while we looked, and what to do; nothing if none."""
        return self._loss(sorted(self._index.shortened))

    def untold_loss(self) -> Sequence[str]:
        """Say the same of the files that nobody was told about yet: each is told once."""
        with self._index.lock:
            names, self._index.untold = sorted(self._index.untold & self._index.shortened.keys()), set()
        return self._loss(names)

    def _loss(self, names: Sequence[str]) -> Sequence[str]:
        if not names:
            return ()
        folder = self.home / "journal"
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        became = "became shorter or disappeared" if more else _became(folder / names[0])
        lost = f"The journal file {plain(names[0])}{more} {became} while this kernel was running."
        effect = "What is gone from it is missing in the history, and --once may buy it again."
        remedy = f"If you have a copy, put it back into {plain(str(folder))}. The pictures stay where they are."
        return f"{lost} {effect}", remedy

    @property
    def left_out(self) -> str:
        """Say which generations may be missing here, as of the last access; empty if none.

        Damaged lines don't count: a kernel that is killed while writing leaves one, and nothing is lost.
        """
        counted = ((self.newer, "line of a newer seedream-nb"), (len(self.unreadable), "file that can't be read"))
        parts = [f"{number} {noun.replace(' ', 's ', 1) if number > 1 else noun}" for number, noun in counted if number]
        return f"{' and '.join(parts)} in the journal; %seedream doctor tells more" if parts else ""

    def __len__(self) -> int:
        """Return the number of generations, including failed ones but not what was deleted."""
        return len(self._index.ids())

    def __iter__(self) -> Iterator[Generation]:
        """Yield all generations, oldest first."""
        return iter(self._select(self._index.ids()))

    def __reversed__(self) -> Iterator[Generation]:
        """Yield all generations, newest first."""
        return reversed(self._select(self._index.ids()))

    @overload
    def __getitem__(self, number: int) -> Generation: ...
    @overload
    def __getitem__(self, number: slice) -> Generations: ...
    def __getitem__(self, number: int | slice) -> Generation | Generations:
        """Return a generation by its id; -1 is the newest, -2 the one before; a slice is by position.

        Raises:
            NoSuchItemError: there is no such generation; an IndexError.
            WrongIndexError: it is no number; a TypeError.
        """
        number = check_index(number, _BY_ID)
        ids = self._index.ids()
        if isinstance(number, slice):
            return self._select(ids[number])
        if number < 0 and -number <= len(ids):
            return self._select(ids)[number]
        if (generation := self._index.read(number)) is None:
            raise NoSuchItemError(f"There is no generation {number_text(number)}: {self._range(ids)}.")
        if generation.deleted:
            raise NoSuchItemError(f"@{number} was {self._deleted(number)}")
        return generation

    def search(self, words: str) -> Generations:
        """Return the generations whose prompt or template contains all these words, ignoring case, oldest first.

        Raises:
            WrongIndexError: it is no text; a TypeError.
        """
        if not _is_text(words):
            raise WrongIndexError(f"{describe_value(words)} is not a text to search for.", hint=_BY_ID)
        wanted = words.casefold().split()
        with self._index.lock:
            ids = [number for number, entry in self._index.entries() if entry.contains(wanted)]
        return self._select(ids, none=f"No prompt has: {plain(words, 60)}")

    def with_content(self, hashes: Iterable[str]) -> Generations:
        """Return the generations that made a picture with one of these contents (SHA-256), oldest first."""
        wanted = [digest.encode() for digest in hashes]
        with self._index.lock:
            return self._select([number for number, entry in self._index.entries() if entry.has_content(wanted)])

    def starred(self) -> Generations:
        """Return the starred generations, oldest first."""
        with self._index.lock:
            ids = [number for number, entry in self._index.entries() if entry.has_stars]
            return self._select(
                [generation.id for generation in self._select(ids) if generation.starred], none="Nothing has a star."
            )

    def deleted(self) -> Generations:
        """Return what was deleted and can be restored, oldest first."""
        with self._index.lock:
            entries = [(number, self._index.entry(number)) for number in self._index.deleted_ids()]
            return self._select([number for number, entry in entries if entry and not entry.is_removed], DELETED_NONE)

    def failed(self) -> Generations:
        """Return what failed, or was stopped, without a picture and at no cost, oldest first."""
        return self._select([number for number, entry in self._index.entries() if entry.has_failed])

    def marked(self, mark: str) -> list[Picture]:
        """Return the pictures of a mark: all of `@3`, one of `@3.2`, or of `@last` all of the newest that has any.

        Raises:
            Problem: there are none; it says which there are.
        """
        generation, index = self._marked(mark)
        pictures = [picture for picture in generation if index is None or picture.mark == f"{generation.mark}.{index}"]
        if pictures:
            return pictures
        if not generation.images:
            raise Problem(f"{mark}: {generation.mark} has no pictures ({generation.status}).", reference=True)
        there = ", ".join(picture.mark for picture in generation)
        raise Problem(f"{mark}: there is no such picture; {generation.mark} has {there}.", reference=True)

    def generation(self, mark: str) -> Generation:
        """Return the generation of a mark, or of a picture's mark: `@3`, `3`, `@3.2`, `@last`; raises Problem."""
        return self._marked(mark)[0]

    def same(self, fingerprint: str, backend: str, host: str | None = None) -> Generation | None:
        """Return the newest complete result of exactly this request, if all its files are still on disk.

        A result that was deleted does not count: whoever did not want it gets a new one.
        """
        return next(filter(_is_here, self._matching(fingerprint, backend, host)), None)

    def all_same(self, fingerprint: str, backend: str, host: str) -> list[Generation]:
        """Return all generations of exactly this request, newest first, whatever their status; deleted ones too."""
        return list(self._matching(fingerprint, backend, host, deleted=True))

    def lately(self, backend: str, count: int = 10) -> list[float]:
        """Return the seconds that the last few requests of a backend took: this process's own, else anybody's."""
        own, others = list[float](), list[float]()
        with self._index.lock:
            entries = self._index.entries()[-_LATELY:]
        for number, entry in reversed(entries):
            seconds = own if any(map(is_own, entry.begun_in)) else others
            made = self._index.read(number) if entry.is_done and len(seconds) < count else None
            if made is not None and made.backend == backend and made.seconds is not None:
                seconds.append(made.seconds)
            if len(own) == count:
                break
        return own or others

    def last_same(self, fingerprint: str, backend: str, host: str | None = None) -> Generation | None:
        """Return the newest generation of exactly this request, whatever its status, and deleted or not."""
        return next(self._matching(fingerprint, backend, host, deleted=True), None)

    def last_paid(self, fingerprint: str, backend: str, host: str | None = None) -> Generation | None:
        """Return the newest generation of exactly this request that has ended and was billed, or may have been.

        One that was deleted was paid for too.
        """
        matching = self._matching(fingerprint, backend, host, deleted=True)
        return next((generation for generation in matching if generation.status in _PAID), None)

    def mixed(self, fingerprint: str) -> list[int]:
        """Return the ids under which two machines made this request and another, so that nobody knows whose is what."""
        return [number for number, entry in self._index.all_entries() if entry.is_mixed(fingerprint)]

    def _matching(
        self, fingerprint: str, backend: str, host: str | None, *, deleted: bool = False
    ) -> Iterator[Generation]:
        """Yield the generations of exactly this request, newest first; with `deleted`, those that were deleted too."""
        entries = self._index.all_entries() if deleted else self._index.entries()
        ids = [number for number, entry in entries if entry.has_fingerprint(fingerprint)]
        generations = reversed(self._select(ids))
        return (
            generation
            for generation in generations
            if generation.backend == backend and host in {None, generation.host}
        )

    def to_complete(self, fingerprint: str, backend: str, host: str) -> Generation | None:
        """Return the newest result of exactly this request that has all its links, but not yet all its pictures.

        A result with a deleted file does not count: it is to be made again.
        """
        ids = {number for number, entry in self._index.entries() if entry.has_fingerprint(fingerprint)}
        lacking = self.lacking() if ids else ()
        candidates = (generation for generation in reversed(lacking) if generation.id in ids and generation.missing)
        candidates = (
            generation
            for generation in candidates
            if generation.error is None or len(generation.links) >= generation.request.max_pictures
        )
        candidates = (
            generation for generation in candidates if all(is_regular_file(picture.path) for picture in generation)
        )
        return next(
            (generation for generation in candidates if (generation.backend, generation.host) == (backend, host)), None
        )

    def unfinished(self) -> Generations:
        """Return what is no longer running and still lacks pictures or an end; `status` says which."""
        with self._index.lock:
            ended = {number: entry.has_ended for number, entry in self._index.entries() if not entry.is_done}
            lacking = self._select(list(ended))
            return self._select(
                [generation.id for generation in lacking if _is_unfinished(generation, ended=ended[generation.id])]
            )

    def left_behind(self) -> Generations:
        """Return what dead processes started and did not end, and what has not been completed since.

        It may have been billed (`unknown`), its links are kept (`partial`), or the service refused it for now and it
        was not sent again (`stopped`). Fast enough for a kernel's first cell.
        """
        if not self._index.is_read and not abandoned_ids(self.home / "journal"):
            return self._select([])
        with self._index.lock:
            open_ = [(number, entry) for number, entry in self._index.entries() if not entry.has_ended]
            dead = [number for number, entry in open_ if not any(map(is_alive, entry.begun_in))]
            return self._select([generation.id for generation in self._select(dead) if generation.status in _LEFT])

    def elsewhere(self) -> Generations:
        """Return what other living processes are running; without locks on its disk, a dead one seems alive a while."""
        with self._index.lock:
            open_ = [(number, entry) for number, entry in self._index.entries() if not entry.has_ended]
            return self._select([number for number, entry in open_ if is_elsewhere(entry)])

    def lacking(self, running: Collection[int] = ()) -> Generations:
        """Return what has links but not all its pictures on disk, whatever the journal says.

        Args:
            running: ids of this process's running jobs. They are left out, and so is what another living process
                has started and not ended.
        """
        busy = {*running, *(self._index.running() if self._index.running else ())}
        with self._index.lock:
            names = _names(self.home)
            ids = [
                number
                for number, entry in self._index.entries()
                if number not in busy and entry.has_links and not entry.is_complete(names)
                if entry.has_ended or not is_elsewhere(entry)
            ]
            return self._select([generation.id for generation in self._select(ids) if _is_lacking(generation)])

    def on_disk(self, number: int, reasons: Mapping[int, str] | None = None) -> Generation:
        """Return a generation with the files that exist now: deleted pictures are missing; `reasons` may say why.

        Raises:
            IndexError: there is no such generation.
        """
        self._index.ids()  # up to date
        generation = self._index.read(number) or self[number]
        deleted = [picture for picture in generation if not is_regular_file(picture.path)]
        if not deleted:
            return generation
        indexes = [int(picture.mark.rpartition(".")[2]) for picture in deleted]
        missing = {**generation.missing, **{index: (reasons or {}).get(index, FILE_GONE) for index in indexes}}
        return replace(
            generation,
            images=[picture for picture in generation if picture not in deleted],
            missing=dict(sorted(missing.items())),
            status="partial" if generation.status == "done" else generation.status,
        )

    def spent_since(self, moment: datetime) -> float:
        """Return the USD spent since a moment by all kernels, as far as the journal tells.

        What may have been billed, or is in flight elsewhere, counts with the most that it can cost; what this session
        has in flight is not here, as it is reserved.
        """
        with self._index.lock:
            late = [(number, entry) for number, entry in self._index.all_entries() if entry.is_since(moment)]
            return sum(self._spent_on(number, entry) for number, entry in late)

    def _spent_on(self, number: int, entry: IndexEntry) -> float:
        if entry.cost is not None:
            return entry.cost
        made = self._index.read(number)
        if made is None or made.is_free:
            return 0.0
        running = () if self._index.running is None else self._index.running()
        if made.cost is None and not entry.has_ended and number in running:
            return 0.0  # it is among what is reserved
        most = made.request.max_pictures * entry.price
        cost = most if made.cost is None else made.cost
        if entry.has_ended:
            entry.cost = cost
        return cost

    def usage(self, *, own: bool = False) -> Usage:
        """Return what all of them made and cost, deleted or not; with `own`, only those that this process requested."""

        def counts(paths: Iterable[Path]) -> int:
            return sum(not own or is_own(path) for path in paths)

        with self._index.lock:
            counted = [
                (number, counts(entry.begun_in) > 0, counts(entry.reused.values()))
                for number, entry in self._index.all_entries()
            ]
            read = [
                (self._index.read(number), requested, times)
                for number, requested, times in counted
                if requested or times
            ]
            return usage_of((generation, requested, times) for generation, requested, times in read if generation)

    def _select(self, ids: Sequence[int], none: str = NONE) -> Generations:
        return Generations(ids, self._index, none)

    def _marked(self, mark: str) -> tuple[Generation, int | None]:
        """Return the generation that a mark names, and the number of its picture, if any."""
        match = _MARK.fullmatch(mark.strip()) if _is_text(mark) else None
        if match is None:
            told = plain(mark) if _is_text(mark) else describe_value(mark)
            raise Problem(f"{told} is not a mark: write @3, @3.2 or @last.", reference=True)
        ids = self._index.ids()
        if match[1]:
            generation = next((generation for generation in reversed(self._select(ids)) if generation.images), None)
        else:
            generation = self._index.read(int(match[2]))
        if generation is None:
            there = "no generation has pictures yet" if match[1] else self._range(ids)
            raise Problem(f"{plain(mark)}: there is no such generation; {there}.", reference=True)
        if generation.deleted:
            name = "" if plain(mark) == generation.mark else f"{generation.mark} was "
            raise Problem(f"{plain(mark)}: {name}{self._deleted(generation.id)}", reference=True)
        return generation, int(match[3]) if match[3] else None

    def _deleted(self, number: int) -> str:
        """Return what to say of a generation that was deleted."""
        entry = self._index.entry(number)
        gone = "deleted, and its files were removed." if entry and entry.is_removed else ""
        return gone or f"deleted: %seedream restore @{number} brings it back."

    def _range(self, ids: Sequence[int]) -> str:
        there = f"the history goes from {ids[0]} to {ids[-1]}" if ids else "the history is empty"
        if self.newer:
            there += f" ({self.newer} lines of the journal are from a newer seedream-nb, and are left out)"
        if name := next(iter(self._index.shortened), ""):
            there += f" ({plain(name)} in its journal {_became(self.home / 'journal' / name)})"
        if self.unreadable:
            name, reason = next(iter(self.unreadable.items()))
            there += f" ({name} can't be read: {reason})"
        return there

    def __repr__(self) -> str:
        """Return a short table, newest first."""
        return repr(self._select(self._index.ids()))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the table in a notebook, with previews if there is a session."""
        return bundle_of(self, self._index.verbs)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _became(path: Path) -> str:
    return "became shorter" if os.path.lexists(path) else "disappeared"


def _names(folder: Path) -> set[str]:
    """Return the names of the files in a folder: one listing, where checking each file could take minutes."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _is_lacking(generation: Generation) -> bool:
    """Return whether a picture was not downloaded, or its file is gone."""
    is_deleted = any(not is_regular_file(picture.path) for picture in generation)
    return bool(generation.links) and (is_deleted or bool(generation.missing))


def _is_here(generation: Generation) -> bool:
    """Return whether it is complete and its files are unchanged on disk; none is opened."""
    if generation.status != "done" or not generation.images:
        return False
    try:
        return all(
            picture.path.stat().st_size == picture.size_bytes and is_regular_file(picture.path)
            for picture in generation
        )
    except (OSError, ValueError):
        return False


def _is_unfinished(generation: Generation, *, ended: bool) -> bool:
    """Return whether it is not running, and there is something left to fetch or to report."""
    if generation.status in {"done", "generating", "downloading"}:
        return False
    if generation.status == "failed" and not ended:  # the service refused each picture
        return False
    return not ended or bool(generation.links and generation.missing)
