"""The history: every generation of a `home`, of all kernels, read from the journal. No picture is opened."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from seedream_nb.errors import Problem, plain
from seedream_nb.files import is_regular_file, read_regular
from seedream_nb.frozen import frozen
from seedream_nb.storage.generation import Generation
from seedream_nb.storage.index import JournalIndex, is_elsewhere
from seedream_nb.storage.journal import MAX_BYTES, is_alive, is_own
from seedream_nb.storage.picture import bundle_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from seedream_nb.storage.generation import Verbs
    from seedream_nb.storage.picture import Picture

__all__ = ["NONE", "Generations", "History", "Usage"]

# An end counts if it is whole: what is not found here, the journal itself is asked about.
_BOUND = re.compile(
    rb'(?m)^[ \t]*+\{"event":"(?:intent","id":([0-9]{1,15}),|end","id":([0-9]{1,15}),.*,"v":1\})', re.MULTILINE
)


def left_behind_in(journal: Path) -> set[int]:
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


NONE = "No pictures yet."
ROWS = 20
"""Lines of the table that it prints; the rest is a search away."""


class Generations(Sequence[Generation]):
    """Generations by their ids, oldest first; one whose line in the journal is damaged is left out."""

    def __init__(self, ids: Sequence[int], ledger: JournalIndex, none: str = NONE) -> None:
        """Keep the ids; the ledger reads them. `none` is what to say if there are none."""
        self._ids = ids
        self._ledger = ledger
        self.none = none

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> Generation: ...
    @overload
    def __getitem__(self, place: slice) -> Generations: ...
    def __getitem__(self, place: int | slice) -> Generation | Generations:
        """Return one by its place, counted from 0, or some of them."""
        if isinstance(place, slice):
            return Generations(self._ids[place], self._ledger, self.none)
        generation = self._ledger.read(self._ids[place])
        if generation is None:
            raise IndexError(f"Generation {self._ids[place]} can't be read: the journal is damaged there.")
        return generation

    @property
    def ids(self) -> Sequence[int]:
        """Their ids, oldest first."""
        return tuple(self._ids)

    def before(self, number: int) -> Generations:
        """Return those with a smaller id."""
        return Generations(self._ids[: bisect.bisect_left(self._ids, number)], self._ledger, self.none)

    def __iter__(self) -> Iterator[Generation]:
        """Give all that can be read, oldest first."""
        return (each for number in self._ids if (each := self._ledger.read(number)) is not None)

    def __reversed__(self) -> Iterator[Generation]:
        """Give all that can be read, newest first."""
        return (each for number in reversed(self._ids) if (each := self._ledger.read(number)) is not None)

    def __repr__(self) -> str:
        """Return a short table, the newest first."""
        rows = [
            f"@{each.id:<5} {plain(each.status):<11} {len(each):>2}  {plain(each.prompt, 60)}"
            for each in reversed(self[-ROWS:])
        ]
        more = len(self) - ROWS
        return "\n".join([*rows, *([f"and {more} more"] if more > 0 else [])]) or self.none

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the table in a notebook, with previews if there is a session."""
        return bundle_of(self, self._ledger.verbs)


_RUNNING = frozenset({"generating", "downloading"})


@frozen
class Usage:
    """Sums over some generations; amounts are in USD."""

    requests: int
    pictures: int
    """Those that came, as links at least: the ones that are billed."""
    imitated: int
    """Those among them that the sandbox made."""
    missing: int
    """Those that are paid for, or imitated, and were not fetched."""
    spent: float
    failed: int
    """Refused, failed, or stopped before they were sent: not billed."""
    unknown: int
    unknown_pictures: int
    """The most that the requests of unknown outcome can have been billed for: the sandbox bills none."""
    running: int
    reused: int
    """How often `--once` showed a result in place of a new request."""
    saved: float


def usage_of(generations: Iterable[tuple[Generation, bool, int]]) -> Usage:
    """Add up generations, each with whether it counts as asked for, and how often `--once` showed it again."""
    counted = list(generations)
    every = [each for each, asked, _ in counted if asked]
    unknown = [each for each in every if each.status == "unknown"]
    return Usage(
        requests=len(every),
        pictures=sum(len(each.links) for each in every),
        imitated=sum(len(each.links) for each in every if each.is_free),
        missing=sum(len(each.missing) for each in every if each.links and each.status not in _RUNNING),
        spent=sum(each.cost or 0.0 for each in every),
        failed=sum(each.status in {"failed", "stopped"} and not each.links for each in every),
        unknown=len(unknown),
        unknown_pictures=sum(each.request.max_pictures for each in unknown if each.cost is None),
        running=sum(each.status in _RUNNING for each in every),
        reused=sum(times for _, _, times in counted),
        saved=sum(times * (each.cost or 0.0) for each, _, times in counted),
    )


_LEFT = frozenset({"unknown", "partial", "stopped"})
FILE_GONE = "its file is gone"
_MARK = re.compile(r"@?(?:(last)|([0-9]{1,15}))(?:\.([0-9]{1,4}))?", re.IGNORECASE)


class History:
    """The generations of a `home`: `history[3]` is the one with id 3, `history[-1]` the newest; oldest first.

    It follows the journal: what any kernel adds is there at the next look. Thread-safe.
    """

    def __init__(
        self, home: Path, verbs: Verbs | None = None, running: Callable[[], Collection[int]] | None = None
    ) -> None:
        """Name the folder; nothing is read before the first look.

        Args:
            home: the folder with pictures and `journal/`; it need not exist yet.
            verbs: the session that its generations ask when they are edited, run again or shown.
            running: gives the ids that jobs of this process work on; without it, whatever this process began and
                did not end counts as running.
        """
        self.home = home
        self._ledger = JournalIndex(home, verbs, running)

    @property
    def damaged(self) -> int:
        """How many lines of the journal could not be read."""
        return self._ledger.damaged

    @property
    def newer(self) -> int:
        """How many lines were written by a newer version of this package, and are left out."""
        return self._ledger.newer

    @property
    def unreadable(self) -> dict[str, str]:
        """The journal files that could not be read at the last look, by name, and why; `journal` is all of them."""
        return dict(self._ledger.unreadable)

    @property
    def left_out(self) -> str:
        """Which generations may be missing here, in words, as of the last look; empty if none.

        A damaged line is not told: a kernel that was killed in the middle of one leaves that, and nothing is lost.
        """
        counted = ((self.newer, "line of a newer seedream-nb"), (len(self.unreadable), "file that can't be read"))
        found = [f"{number} {what.replace(' ', 's ', 1) if number > 1 else what}" for number, what in counted if number]
        return f"{' and '.join(found)} in the journal; %seedream doctor tells more" if found else ""

    def __len__(self) -> int:
        """Return how many generations there are, failed ones too."""
        return len(self._ledger.ids())

    def __iter__(self) -> Iterator[Generation]:
        """Give all generations, oldest first."""
        return iter(self._some(self._ledger.ids()))

    def __reversed__(self) -> Iterator[Generation]:
        """Give all generations, newest first."""
        return reversed(self._some(self._ledger.ids()))

    @overload
    def __getitem__(self, number: int) -> Generation: ...
    @overload
    def __getitem__(self, number: slice) -> Generations: ...
    def __getitem__(self, number: int | slice) -> Generation | Generations:
        """Return a generation by its id; -1 is the newest, -2 the one before; a slice counts places.

        Raises:
            IndexError: there is no such generation.
        """
        ids = self._ledger.ids()
        if isinstance(number, slice):
            return self._some(ids[number])
        if number < 0 and -number <= len(ids):
            return self._some(ids)[number]
        if (generation := self._ledger.read(number)) is None:
            raise IndexError(f"There is no generation {number}: {self._range(ids)}.")
        return generation

    def search(self, words: str) -> Generations:
        """Return the generations whose prompt or template has all these words, in any case, oldest first."""
        wanted = words.casefold().split()
        with self._ledger.lock:
            found = [number for number, entry in self._ledger.entries() if entry.contains(wanted)]
        return self._some(found, none=f"No prompt has: {plain(words, 60)}")

    def with_content(self, hashes: Iterable[str]) -> Generations:
        """Return the generations that made a picture of one of these contents (SHA-256), oldest first."""
        wanted = [each.encode() for each in hashes]
        with self._ledger.lock:
            return self._some([number for number, entry in self._ledger.entries() if entry.has_content(wanted)])

    def starred(self) -> Generations:
        """Return the generations that have a star, oldest first."""
        with self._ledger.lock:
            ids = [number for number, entry in self._ledger.entries() if entry.has_stars]
            return self._some([each.id for each in self._some(ids) if each.starred], none="Nothing has a star.")

    def marked(self, mark: str) -> list[Picture]:
        """Return the pictures of a mark: all of `@3`, one of `@3.2`, of `@last` all of the newest with any.

        Raises:
            Problem: there is none; it says what there is.
        """
        generation, index = self._marked(mark)
        pictures = [each for each in generation if index is None or each.mark == f"{generation.mark}.{index}"]
        if pictures:
            return pictures
        if not generation.images:
            raise Problem(f"{mark}: {generation.mark} has no pictures ({generation.status}).", reference=True)
        there = ", ".join(each.mark for each in generation)
        raise Problem(f"{mark}: there is no such picture; {generation.mark} has {there}.", reference=True)

    def generation(self, mark: str) -> Generation:
        """Return the generation of a mark, a picture's too: `@3`, `3`, `@3.2`, `@last`; raises Problem."""
        return self._marked(mark)[0]

    def same(self, fingerprint: str, backend: str, host: str | None = None) -> Generation | None:
        """Return the newest complete result of exactly this request, if its files are all still on disk."""
        return next(filter(_is_here, self._asked(fingerprint, backend, host)), None)

    def last_same(self, fingerprint: str, backend: str, host: str | None = None) -> Generation | None:
        """Return the newest generation of exactly this request, whatever became of it."""
        return next(self._asked(fingerprint, backend, host), None)

    def _asked(self, fingerprint: str, backend: str, host: str | None) -> Iterator[Generation]:
        """Give the generations of exactly this request, the newest first."""
        ids = [number for number, entry in self._ledger.entries() if entry.asks_for(fingerprint)]
        found = reversed(self._some(ids))
        return (each for each in found if each.backend == backend and host in {None, each.host})

    def to_complete(self, fingerprint: str, backend: str, host: str) -> Generation | None:
        """Return the newest result of exactly this request whose links all came, and whose pictures did not yet.

        One whose file somebody took away is none: it is to be made again.
        """
        ids = {number for number, entry in self._ledger.entries() if entry.asks_for(fingerprint)}
        lacking = self.lacking() if ids else ()
        of_it = (each for each in reversed(lacking) if each.id in ids and each.missing)
        of_it = (each for each in of_it if each.error is None or len(each.links) >= each.request.max_pictures)
        of_it = (each for each in of_it if all(is_regular_file(picture.path) for picture in each))
        return next((each for each in of_it if (each.backend, each.host) == (backend, host)), None)

    def unfinished(self) -> Generations:
        """Return what nobody works on any more and still lacks pictures or its end; `status` tells which."""
        with self._ledger.lock:
            ended = {number: entry.has_ended for number, entry in self._ledger.entries() if not entry.is_done}
            lacking = self._some(list(ended))
            return self._some([each.id for each in lacking if _is_unfinished(each, ended=ended[each.id])])

    def left_behind(self) -> Generations:
        """Return what processes that died have begun and not ended, and what has not all come home since.

        It may have been billed (`unknown`), its links are kept (`partial`), or the service refused it for now and it
        was not sent again (`stopped`). Cheap enough for a kernel's first cell.
        """
        if not self._ledger.is_read and not left_behind_in(self.home / "journal"):
            return self._some([])
        with self._ledger.lock:
            open_ = [(number, entry) for number, entry in self._ledger.entries() if not entry.has_ended]
            dead = [number for number, entry in open_ if not any(map(is_alive, entry.begun_in))]
            return self._some([each.id for each in self._some(dead) if each.status in _LEFT])

    def elsewhere(self) -> Generations:
        """Return what other living processes work on; without locks on its disk, a dead one seems alive for a while."""
        with self._ledger.lock:
            open_ = [(number, entry) for number, entry in self._ledger.entries() if not entry.has_ended]
            return self._some([number for number, entry in open_ if is_elsewhere(entry)])

    def lacking(self, running: Collection[int] = ()) -> Generations:
        """Return what has links and not all its pictures on disk, whatever the journal says of them.

        Args:
            running: ids that jobs of this process work on. They are left out, and so is what another living
                process has begun and not ended.
        """
        busy = {*running, *(self._ledger.running() if self._ledger.running else ())}
        with self._ledger.lock:
            names = _names(self.home)
            ids = [
                number
                for number, entry in self._ledger.entries()
                if number not in busy and entry.has_links and not entry.is_whole(names)
                if entry.has_ended or not is_elsewhere(entry)
            ]
            return self._some([each.id for each in self._some(ids) if _is_lacking(each)])

    def on_disk(self, number: int, reasons: Mapping[int, str] | None = None) -> Generation:
        """Return a generation as the disk has it now: a picture whose file is gone is missing, `reasons` may say why.

        Raises:
            IndexError: there is no such generation.
        """
        generation = self[number]
        gone = [each for each in generation if not is_regular_file(each.path)]
        if not gone:
            return generation
        indexes = [int(each.mark.rpartition(".")[2]) for each in gone]
        missing = {**generation.missing, **{index: (reasons or {}).get(index, FILE_GONE) for index in indexes}}
        return replace(
            generation,
            images=[each for each in generation if each not in gone],
            missing=dict(sorted(missing.items())),
            status="partial" if generation.status == "done" else generation.status,
        )

    def usage(self, *, own: bool = False) -> Usage:
        """Return what all of them brought and cost, or (`own`) only those that this process asked for."""

        def counts(paths: Iterable[Path]) -> int:
            return sum(not own or is_own(path) for path in paths)

        with self._ledger.lock:
            told = [
                (number, counts(entry.begun_in) > 0, counts(entry.reused.values()))
                for number, entry in self._ledger.entries()
            ]
            read = [(self._ledger.read(number), asked, times) for number, asked, times in told if asked or times]
            return usage_of((each, asked, times) for each, asked, times in read if each)

    def _some(self, ids: Sequence[int], none: str = NONE) -> Generations:
        return Generations(ids, self._ledger, none)

    def _marked(self, mark: str) -> tuple[Generation, int | None]:
        """Return the generation that a mark names, and the number of its picture if it names one."""
        match = _MARK.fullmatch(mark.strip())
        if match is None:
            raise Problem(f"{plain(mark)} is no mark: write @3, @3.2 or @last.", reference=True)
        ids = self._ledger.ids()
        if match[1]:
            generation = next((each for each in reversed(self._some(ids)) if each.images), None)
        else:
            generation = self._ledger.read(int(match[2]))
        if generation is None:
            there = "no generation has pictures yet" if match[1] else self._range(ids)
            raise Problem(f"{plain(mark)}: there is no such generation; {there}.", reference=True)
        return generation, int(match[3]) if match[3] else None

    def _range(self, ids: Sequence[int]) -> str:
        there = f"the history goes from {ids[0]} to {ids[-1]}" if ids else "the history is empty"
        if self.newer:
            there += f" ({self.newer} lines of the journal are from a newer seedream-nb, and are left out)"
        if self.unreadable:
            name, why = next(iter(self.unreadable.items()))
            there += f" ({name} can't be read: {why})"
        return there

    def __repr__(self) -> str:
        """Return a short table, the newest first."""
        return repr(self._some(self._ledger.ids()))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the table in a notebook, with previews if there is a session."""
        return bundle_of(self, self._ledger.verbs)


def _names(folder: Path) -> set[str]:
    """Return the names of the files in a folder: one look for all, where a look at each could take minutes."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _is_lacking(generation: Generation) -> bool:
    """Return whether a link's picture is not here, or its file is gone."""
    gone = any(not is_regular_file(each.path) for each in generation)
    return bool(generation.links) and (gone or bool(generation.missing))


def _is_here(generation: Generation) -> bool:
    """Return whether it is complete and its files are on disk as they came; none is opened."""
    if generation.status != "done" or not generation.images:
        return False
    try:
        return all(each.path.stat().st_size == each.size_bytes and is_regular_file(each.path) for each in generation)
    except (OSError, ValueError):
        return False


def _is_unfinished(generation: Generation, *, ended: bool) -> bool:
    """Return whether nobody works on it, and something of it could still be had or has to be told."""
    if generation.status in {"done", "generating", "downloading"}:
        return False
    if generation.status == "failed" and not ended:  # the service refused each picture
        return False
    return not ended or bool(generation.links and generation.missing)
