"""The history: every generation of a `home`, of all kernels, read from the journal. No picture is opened."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from seedream_nb.archive.ledger import Ledger, is_elsewhere
from seedream_nb.archive.leftover import left_behind_in
from seedream_nb.archive.several import NONE, Generations
from seedream_nb.archive.usage import Usage, usage_of
from seedream_nb.errors import Problem, plain
from seedream_nb.files import is_there
from seedream_nb.journal import is_alive, is_own
from seedream_nb.picture import bundle_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from seedream_nb.generation import Generation, Verbs
    from seedream_nb.picture import Picture

__all__ = ["NONE", "Generations", "History", "Usage"]

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
        self._ledger = Ledger(home, verbs, running)

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

    def asked_last(self, fingerprint: str, backend: str, host: str | None = None) -> Generation | None:
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
        of_it = (each for each in of_it if each.error is None or len(each.links) >= each.request.most)
        of_it = (each for each in of_it if all(is_there(picture.path) for picture in each))
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
        gone = [each for each in generation if not is_there(each.path)]
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
    gone = any(not is_there(each.path) for each in generation)
    return bool(generation.links) and (gone or bool(generation.missing))


def _is_here(generation: Generation) -> bool:
    """Return whether it is complete and its files are on disk as they came; none is opened."""
    if generation.status != "done" or not generation.images:
        return False
    try:
        return all(each.path.stat().st_size == each.size_bytes and is_there(each.path) for each in generation)
    except (OSError, ValueError):
        return False


def _is_unfinished(generation: Generation, *, ended: bool) -> bool:
    """Return whether nobody works on it, and something of it could still be had or has to be told."""
    if generation.status in {"done", "generating", "downloading"}:
        return False
    if generation.status == "failed" and not ended:  # the service refused each picture
        return False
    return not ended or bool(generation.links and generation.missing)
