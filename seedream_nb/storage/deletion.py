"""Deleting: a line in the journal hides a generation, another brings it back; files go only when that is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError, plain
from seedream_nb.frozen import frozen
from seedream_nb.storage.folding import ENDS, recorded_pictures
from seedream_nb.storage.store import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from seedream_nb.request import Reference
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.history import History
    from seedream_nb.storage.journal import Journal
    from seedream_nb.storage.picture import Picture


@frozen
class Deleted:
    """What became of generations that were to be deleted or restored, by their ids."""

    done: tuple[int, ...] = ()
    already: tuple[int, ...] = ()
    """Those that were so before."""
    starred: tuple[int, ...] = ()
    """Those that stay because of their star."""
    running: tuple[int, ...] = ()
    """Those that stay because they are not over yet."""

    @property
    def told(self) -> list[str]:
        """What to say of them, a sentence each."""
        several = "a star protects from deleting several at once"
        sentences = (
            (self.done, "Deleted {}."),
            (self.already, "{} {was} deleted before."),
            (self.starred, f"{{}} {{stays}}: {several}."),
            (self.running, "{} {stays}: still running."),
        )
        return [
            text.format(
                spelled(ids), was="was" if len(ids) == 1 else "were", stays="stays" if len(ids) == 1 else "stay"
            )
            for ids, text in sentences
            if ids
        ]


def spelled(ids: Iterable[int]) -> str:
    """Return ids as marks, as they can be written again: `@3..@5 @9`."""
    runs: list[list[int]] = []
    for number in sorted(ids):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"@{run[0]}..@{run[-1]}" if len(run) > 1 else f"@{run[0]}" for run in runs)


@frozen
class Removed:
    """What became of the files of generations."""

    generations: tuple[int, ...] = ()
    files: int = 0
    size_bytes: int = 0
    stayed: tuple[str, ...] = ()
    """A sentence for each file that stayed."""


class Deletion:
    """Deletes generations of a folder, and restores them. Thread-safe: the journal is."""

    def __init__(
        self, history: History, journal: Journal, used: Callable[[], Iterable[Reference]] = lambda: ()
    ) -> None:
        """Work on this history by this journal; `used` returns the references of requests that are on their way."""
        self._history, self._journal, self._used = history, journal, used

    def hide(self, ids: Sequence[int]) -> Deleted:
        """Leave generations out of the history. What runs stays, and of several what has a star.

        Raises:
            SeedreamError: it can't be written down.
        """
        starred, running, done, already = [], [], [], []
        for generation in self._generations(ids):
            if generation.deleted:
                already.append(generation.id)
            elif generation.status not in ENDS:
                running.append(generation.id)
            elif generation.starred and len(ids) > 1:
                starred.append(generation.id)
            else:
                self._close(generation)
                self._write(generation.id, on=True)
                done.append(generation.id)
        return Deleted(done=tuple(done), already=tuple(already), starred=tuple(starred), running=tuple(running))

    def restore(self, ids: Sequence[int]) -> Deleted:
        """Bring generations back into the history.

        Raises:
            SeedreamError: the files of the only one were removed, or it can't be written down.
        """
        there = set(self._history.deleted().ids)
        found = self._generations(ids)
        removed = [generation for generation in found if generation.deleted and generation.id not in there]
        if removed and len(removed) == len(found):
            raise SeedreamError(f"{removed[0].mark} can't be restored: its files were removed.")
        for generation in found:
            if generation.id in there:
                self._write(generation.id, on=False)
        return Deleted(
            done=tuple(generation.id for generation in found if generation.id in there),
            already=tuple(generation.id for generation in found if not generation.deleted),
        )

    def remove(self, ids: Sequence[int]) -> Removed:
        """Delete generations for good: their own pictures are removed from the disk, and nothing else is.

        A file stays that another generation was made from, that is not as it was downloaded, or that is a link. What
        the journal tells stays too, for it was paid for. What has a star stays where several are named.

        Raises:
            SeedreamError: one is still running, or it can't be written down.
        """
        found = [each for each in self._generations(ids) if not (each.starred and len(ids) > 1)]
        for generation in found:
            if generation.status not in ENDS:
                raise SeedreamError(f"{generation.mark} is still running: cancel it, or wait until it is over.")
        pictures = [(each, picture) for each in found for picture in self._pictures(each)]
        needed = self._needed([picture for _, picture in pictures], {each.id for each in found})
        for generation in found:
            self._close(generation)
            self._write(generation.id, on=True, forever=True)  # before the files: what is half removed can be finished
        outcomes = [_remove(picture, generation, self._history.home, needed) for generation, picture in pictures]
        return Removed(
            generations=tuple(each.id for each in found),
            files=sum(isinstance(outcome, int) for outcome in outcomes),
            size_bytes=sum(outcome for outcome in outcomes if isinstance(outcome, int)),
            stayed=tuple(outcome for outcome in outcomes if isinstance(outcome, str)),
        )

    def _generations(self, ids: Iterable[int]) -> list[Generation]:
        index = self._history.index
        index.ids()  # up to date
        return [generation for number in dict.fromkeys(ids) if (generation := index.read(number)) is not None]

    def _close(self, generation: Generation) -> None:
        """Write down how far an abandoned one came, so that no later session looks for it again."""
        entry = self._history.index.entry(generation.id)
        if entry is not None and not entry.has_ended:
            with contextlib.suppress(OSError):
                self._journal.append("end", generation.id, status=generation.status, cost=generation.cost)

    def _write(self, number: int, **fields: bool) -> None:
        try:
            self._journal.append("delete", number, **fields)
        except OSError as error:
            raise SeedreamError(
                f"The journal can't be written: {plain(error.strerror or str(error))}.",
                hint=f"@{number} stays as it was.",
            ) from None

    def _pictures(self, generation: Generation) -> Iterator[Picture]:
        """Yield each picture that was ever saved for a generation, once for each file."""
        entry = self._history.index.entry(generation.id)
        records = [line.record() for line in (entry.lines if entry else ()) if line.event == "file"]
        found = recorded_pictures(generation.id, filter(None, records), self._history.home)
        yield from {picture.path: picture for picture in found}.values()

    def _needed(self, pictures: Sequence[Picture], without: Collection[int]) -> dict[str, str]:
        """Return which contents and file names others need, each with who does; nothing of those `without`."""
        wanted = [("intent", picture.sha256, picture.sha256.encode()) for picture in pictures if picture.sha256]
        names = dict.fromkeys(picture.path.name for picture in pictures)
        wanted += [("file", name, json.dumps(name, ensure_ascii=False).encode()) for name in names]
        needed = {str(reference.original or reference.sha256): "a running request" for reference in self._used()}
        for number, entry in self._history.index.all_entries():
            if number not in without and not entry.is_removed:
                needed |= {text: f"@{number}" for event, text, mention in wanted if entry.mentions(event, mention)}
        return needed


def _remove(picture: Picture, generation: Generation, home: Path, needed: dict[str, str]) -> int | str | None:
    """Remove a picture's file; return its size in bytes, or why it stays, or None where there is none."""
    path = picture.path
    if (user := needed.get(picture.sha256) or needed.get(path.name)) is not None:
        return f"{picture.mark} stays: {user} needs it."
    if path.parent != home or number_of(path.name) != generation.id:
        return f"{picture.mark} stays: {plain(path.name)} is not a name that it was given."
    try:
        return _unlink(path, picture)
    except FileNotFoundError:
        return None
    except ValueError as trouble:
        return f"{picture.mark} stays: {trouble}"
    except OSError as error:
        return f"{picture.mark} stays: {plain(path.name)} can't be removed ({plain(error.strerror or str(error))})."


def _unlink(path: Path, picture: Picture) -> int:
    """Remove a file within the folder that was opened, whatever is put in its way meanwhile; return its size in bytes.

    Raises:
        ValueError: it is not the file that was downloaded.
        OSError: it can't be opened or removed.
    """
    folder = _open_folder(path.parent)
    within = {} if folder is None else {"dir_fd": folder}
    name = path if folder is None else path.name
    try:
        found = os.stat(name, follow_symlinks=False, **within)  # noqa: PTH116 - Path knows no open folder
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{plain(path.name)} is a link, or no file.")
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(name, flags, **within), "rb") as file:
            if not os.path.samestat(found, os.fstat(file.fileno())):
                raise ValueError(f"{plain(path.name)} was replaced just now.")
            if found.st_size and hashlib.file_digest(file, "sha256").hexdigest() != picture.sha256:
                raise ValueError(f"{plain(path.name)} was changed since it was downloaded.")
        os.unlink(name, **within)
        return found.st_size
    finally:
        if folder is not None:
            os.close(folder)


def _open_folder(folder: Path) -> int | None:
    """Return the folder, opened; None on a system where nothing can be done within an open folder."""
    if os.unlink not in os.supports_dir_fd or not hasattr(os, "O_DIRECTORY"):
        return None
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
