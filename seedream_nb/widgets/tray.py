"""The reference tray: pictures that go along with the prompt, dropped, pasted, picked or named.

Files come from the page piece by piece, each into a file of its own, none in memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.background import at_exit
from seedream_nb.errors import Problem, ReferenceImageError, RequestError, SeedreamError, request_error, shorten
from seedream_nb.preview import MAX_PIXELS, TRAY_SIDE, cheap_preview, preview
from seedream_nb.widgets.protocol import BadMessageError, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedream_nb.request import Reference
    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.widgets.protocol import Answers, Held, Message

MAX_OFFERS = 30
"""Names that are offered for what is being typed."""
MAX_BYTES = 100_000_000
"""The largest file that the page may hand over: a photo of 100 megapixels has less."""
CHUNK_BYTES = 4_000_000
"""The largest piece of a file: one message over 10 MiB closes the connection without a word."""
MAX_AT_ONCE = 8
"""Files that may be on their way together: each view of a panel sends one after the other."""
STALE_SECONDS = 600.0
"""After so long without another piece a file is taken for broken off: its page was closed, or its connection."""
UPLOADS = "seedream-"
"""How the name of the folder begins in which files from the page lie; it goes with the process."""
_NAME = 60
_FULL = "at most {most} references fit. Remove one first."


class Tray:
    """The references that a panel holds, in the order in which the prompt numbers them."""

    def __init__(
        self, session: Session, change: Callable[[], None], model: Callable[[], Model | None] = lambda: None
    ) -> None:
        """Look names up in this session; `change` is called when something has changed.

        The limits are those of the `model` that is chosen, else of the one that is set.
        """
        self._session, self._change, self._chosen = session, change, model
        self._lock = threading.RLock()
        self._held: list[tuple[int, Reference]] = []
        """The references, each with the number by which the page speaks of it."""
        self._number = 0
        self.arriving = Uploads()
        """The files that the page is handing over."""

    # -- what is in it -----------------------------------------------------------------------------

    def held(self) -> list[Reference]:
        """Return the references, in their order."""
        with self._lock:
            return [reference for _, reference in self._held]

    @property
    def _model(self) -> Model:
        return self._chosen() or self._session.settings.model

    @property
    def _max(self) -> int:
        return self._model.references.max_count

    def hold(self, references: Iterable[Reference]) -> None:
        """Hold exactly these; those that were there keep their numbers."""
        with self._lock:
            numbers = {reference.identity: number for number, reference in self._held}
            self._held = []
            for each in references:
                if (number := numbers.get(each.identity)) is None:
                    self._take([each])
                else:
                    self._held.append((number, each))
        self._change()

    def place(self, number: int) -> int:
        """Return the place of one, counted from 0; its length if it is not there."""
        with self._lock:
            return next((at for at, (own, _) in enumerate(self._held) if own == number), len(self._held))

    def add(self, written: object, name: str | None = None) -> None:
        """Add what was written, or a value, under its own name or this one; raises SeedreamError."""
        held = self.held()
        request = self._session.compose(
            "-", images=[*held, written], model=self._model.name, typed=True, defaults=False
        )
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
        """Add a picture that a cell shows, by its mark; raises SeedreamError if this history has another file there.

        The cell may be of a time when the pictures went to another folder.
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
            self._held.append((self._number, each))

    def remove(self, number: int) -> None:
        """Take one out; what follows it gets the number before."""
        with self._lock:
            self._held = [each for each in self._held if each[0] != number]
        self._change()

    def move(self, number: int, place: int) -> None:
        """Put one at another place, counted from 0."""
        with self._lock:
            moved = [each for each in self._held if each[0] == number]
            others = [each for each in self._held if each[0] != number]
            place = min(place, len(others))
            self._held = [*others[:place], *moved, *others[place:]]
        self._change()

    def shown(self) -> list[Held]:
        """Return the references as the page shows them."""
        self.arriving.sweep()
        with self._lock:
            held = list(self._held)
        return [
            {
                "number": number,
                "name": shorten(each.name, _NAME),
                "width": each.width,
                "height": each.height,
                "url": each.url,
            }
            for number, each in held
        ]

    def thumbnail(self, number: int) -> bytes:
        """Return a small JPEG of a reference; nothing where there can't be one (a URL is not fetched for it)."""
        with self._lock:
            found = [reference for own, reference in self._held if own == number]
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

    # -- what the page asks ------------------------------------------------------------------------

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {
            "offers": lambda asked: Response(values={"offers": self._offers(asked.text("word", 1000))}),
            "add": lambda asked: self.add(asked.text("written")),
            "use": lambda asked: self.add(asked.text("mark", 40)),
            "shown": lambda asked: self.add_shown(asked.text("mark", 30), asked.text("file", 1000)),
            "file": self._receive,
            "forget": lambda asked: self.arriving.forget(asked.text("key", 64)),
            "remove": lambda asked: self.remove(asked.number("number")),
            "move": lambda asked: self.move(asked.number("number"), asked.number("place")),
            "thumbnail": lambda asked: Response(buffers=[self.thumbnail(asked.number("number"))]),
        }

    def _offers(self, word: str) -> list[str]:
        try:
            return list(self._session.scope.offers(word))[:MAX_OFFERS]
        except Exception:  # noqa: BLE001 - whatever is wrong, adding it will tell
            return []

    def _receive(self, asked: Message) -> Response:
        if len(asked.buffers) != 1:
            raise BadMessageError("A part of a file arrived without its bytes. Add it again.")
        whole = self.receive(
            asked.text("key", 64), asked.text("name", 1000), asked.number("size_bytes"), asked.number("offset"),
            asked.buffers[0],
        )  # fmt: skip
        return Response(values={"whole": whole})


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
        return cheap_preview(source, TRAY_SIDE) or (preview(source, TRAY_SIDE) if isinstance(source, Path) else b"")
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


@dataclass
class _File:
    path: Path
    size_bytes: int
    received: int = 0
    touched: float = 0.0


class Uploads:
    """The files that are on their way; what breaks off leaves nothing behind."""

    def __init__(self, *, stale_seconds: float = STALE_SECONDS) -> None:
        """Forget a file of which no piece came for so long."""
        self._stale_seconds = stale_seconds
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._folder: Path | None = None

    def receive(self, key: str, name: str, size_bytes: int, offset: int, piece: bytes) -> Path | None:
        """Keep a piece of a file, which has the same key as its others; return where the file lies once it is whole.

        Raises:
            ReferenceImageError: the file is too large.
            BadMessageError: the piece is none that can follow; nothing of the file is left.
        """
        if size_bytes > MAX_BYTES:
            raise ReferenceImageError(
                f"{name}: has {size_bytes / 1e6:.0f} MB; the panel takes up to {MAX_BYTES / 1e6:.0f} MB. "
                "Make it smaller, or name its path below."
            )
        file = self._begin(key, size_bytes) if offset == 0 else self._known(key)
        if file is None or not _fits(file, size_bytes, offset, piece):
            self.forget(key)
            raise BadMessageError(f"{name}: the upload was interrupted. Add it again.")
        with file.path.open("ab") as opened:
            opened.write(piece)
        file.received += len(piece)
        file.touched = time.monotonic()
        if file.received < size_bytes:
            return None
        with self._lock:
            if self._files.pop(key, None) is None:  # given up meanwhile, on another thread
                raise BadMessageError(f"{name}: the upload was interrupted. Add it again.")
        return file.path

    def forget(self, key: str) -> None:
        """Drop what came of a file that will not become whole."""
        with self._lock:
            file = self._files.pop(key, None)
        if file is not None:
            file.path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Drop the files that have broken off."""
        now = time.monotonic()
        with self._lock:
            gone = [key for key, file in self._files.items() if now - file.touched > self._stale_seconds]
        for key in gone:
            self.forget(key)

    def folder(self) -> Path:
        """Return a folder for what the page hands over; it goes with the process."""
        with self._lock:
            if self._folder is None:
                self._folder = folder = Path(tempfile.mkdtemp(prefix=UPLOADS))
                at_exit(lambda: shutil.rmtree(folder, ignore_errors=True))
            return self._folder

    def _begin(self, key: str, size_bytes: int) -> _File:
        self.forget(key)
        self.sweep()
        # A name that the page gives leads nowhere: it is only shown.
        number, place = tempfile.mkstemp(dir=self.folder())
        os.close(number)
        with self._lock:
            over = list(self._files)[: max(0, len(self._files) - MAX_AT_ONCE + 1)]
            file = self._files[key] = _File(path=Path(place), size_bytes=size_bytes, touched=time.monotonic())
        for each in over:
            self.forget(each)
        return file

    def _known(self, key: str) -> _File | None:
        with self._lock:
            return self._files.get(key)


def _fits(file: _File, size_bytes: int, offset: int, piece: bytes) -> bool:
    return (
        offset == file.received
        and size_bytes == file.size_bytes
        and 0 < len(piece) <= CHUNK_BYTES
        and offset + len(piece) <= size_bytes
    )
