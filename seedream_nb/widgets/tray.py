"""The reference tray: pictures that go along with the prompt, dropped, pasted, picked or named."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import Problem, ReferenceImageError, RequestError, SeedreamError, request_error, shorten
from seedream_nb.frozen import frozen
from seedream_nb.preview import MAX_PIXELS, cheap_preview, preview
from seedream_nb.widgets.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedream_nb.request import Reference
    from seedream_nb.session import Session

THUMBNAIL = 160
_NAME = 60
_FULL = "at most {most} references fit. Remove one first."


@frozen
class TrayItem:
    """A reference in the tray, and the number by which the page speaks of it."""

    number: int
    reference: Reference


class Tray:
    """The references that a panel holds, in the order in which the prompt numbers them."""

    def __init__(self, session: Session, change: Callable[[], None]) -> None:
        """Look names up in this session; `change` is called when something has changed."""
        self._session, self._change = session, change
        self._lock = threading.RLock()
        self._held: list[TrayItem] = []
        self._number = 0
        self.arriving = Uploads()
        """The files that the page is handing over."""

    # -- what is in it -----------------------------------------------------------------------------

    def held(self) -> list[Reference]:
        """Return the references, in their order."""
        with self._lock:
            return [each.reference for each in self._held]

    @property
    def _max(self) -> int:
        return self._session.settings.model.references.max_count

    def hold(self, references: Iterable[Reference]) -> None:
        """Hold exactly these."""
        with self._lock:
            self._held = []
            self._take(references)
        self._change()

    def add(self, written: object, name: str | None = None) -> None:
        """Add what was written, or a value, under its own name or this one; raises SeedreamError."""
        held = self.held()
        request = self._session.compose("-", images=[*held, written], typed=True, defaults=False)
        called = name or shorten(str(written), _NAME)
        new = [each if name is None else replace(each, name=name) for each in _others(request.images, held)]
        for each in new:
            _check(each)
        with self._lock:
            new = _others(new, self.held())  # another view may have been faster
            if not new:
                raise SeedreamError(f"{called}: this picture is already there.")
            if len(self._held) + len(new) > self._max:
                raise ReferenceImageError(f"{called}: {_FULL.format(most=self._max)}")
            self._take(new)
        self._change()

    def add_shown(self, mark: str, file: str) -> None:
        """Add a picture of the history that a cell shows; raises SeedreamError if this history has another there.

        Args:
            mark: the mark that stands below it.
            file: the name of its file: the cell may be of a time when the pictures went to another folder.
        """
        try:
            here = self._session.history.marked(mark)[0].path.name
        except Problem as problem:
            raise request_error([problem]) from None
        if here != file:
            told = f"{mark}: in this history that is a different picture, {here}."
            raise SeedreamError(told, hint=f"Add {shorten(file, _NAME)} by its path.")
        self.add(mark)

    def _take(self, references: Iterable[Reference]) -> None:
        for each in references:
            self._number += 1
            self._held.append(TrayItem(number=self._number, reference=each))

    def remove(self, number: int) -> None:
        """Take one out; what follows it gets the number before."""
        with self._lock:
            self._held = [each for each in self._held if each.number != number]
        self._change()

    def move(self, number: int, place: int) -> None:
        """Put one at another place, counted from 0."""
        with self._lock:
            moved = [each for each in self._held if each.number == number]
            others = [each for each in self._held if each.number != number]
            place = min(place, len(others))
            self._held = [*others[:place], *moved, *others[place:]]
        self._change()

    def shown(self) -> list[dict[str, Any]]:
        """Return the references as the page shows them."""
        self.arriving.sweep()
        with self._lock:
            return [
                {
                    "number": each.number,
                    "name": shorten(each.reference.name, _NAME),
                    "width": each.reference.width,
                    "height": each.reference.height,
                    "url": each.reference.url,
                }
                for each in self._held
            ]

    def thumbnail(self, number: int) -> bytes:
        """Return a small JPEG of a reference; nothing where there can't be one (a URL is not fetched for it)."""
        with self._lock:
            found = [each.reference for each in self._held if each.number == number]
        try:
            return _small(found[0]) if found else b""
        except ValueError:
            return b""

    # -- files from the page -----------------------------------------------------------------------

    def receive(self, key: str, name: str, size_bytes: int, offset: int, piece: bytes) -> bool:
        """Keep a piece of a file; return whether the file is whole now and in the tray.

        Raises:
            SeedreamError: it is too large, there is no place left, it broke off, or it is no picture that can be used.
        """
        name = shorten(Path(name).name, _NAME) or "picture"
        if len(self.held()) >= self._max:
            self.arriving.forget(key)
            raise ReferenceImageError(f"{name}: {_FULL.format(most=self._max)}")
        path = self.arriving.receive(key, name, size_bytes, offset, piece)
        if path is None:
            return False
        try:
            self.add(path, name)
        except SeedreamError as error:
            path.unlink(missing_ok=True)
            raise _renamed(error, path, name) from None
        return True


def _others(references: Iterable[Reference], held: Iterable[Reference]) -> list[Reference]:
    there = {each.identity for each in held}
    return [each for each in references if each.identity not in there]


def _small(reference: Reference) -> bytes:
    """Return a small JPEG of a reference, empty where there is none; raises ValueError if the picture is damaged."""
    source = reference.source
    if source is None or (reference.width or 0) * (reference.height or 0) > MAX_PIXELS:
        return b""
    try:
        # What takes long is a large PNG or WebP: of a file it is kept.
        return cheap_preview(source, THUMBNAIL) or (preview(source, THUMBNAIL) if isinstance(source, Path) else b"")
    except OSError:
        return b""


def _check(reference: Reference) -> None:
    """Raise ReferenceImageError for a picture that ends in the middle: its header alone was read so far."""
    try:
        _small(reference)
    except ValueError as error:
        why = str(error).partition(": ")[2]
        told = f"{reference.name}: is damaged ({why}). Save it again, or use another."
        raise ReferenceImageError(told) from error


def _renamed(error: SeedreamError, path: Path, name: str) -> SeedreamError:
    """Return an error that speaks of a file by its own name: where it lies meanwhile is nothing that a person knows."""
    if not isinstance(error, RequestError):
        return error
    return type(error)([problem.replace(str(path), name) for problem in error.problems])
