"""The reference tray: pictures that go along with the prompt, dropped, pasted, picked or named."""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.background import at_exit
from seedream_nb.errors import ReferenceImageError, RequestError, SeedreamError, plain
from seedream_nb.options import MOST_REFERENCES
from seedream_nb.preview import cheap_preview
from seedream_nb.process import PROCESS
from seedream_nb.widgets.messages import Answer, BadMessageError
from seedream_nb.widgets.piece import Piece, module, static

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from seedream_nb.request import Reference
    from seedream_nb.session import Session
    from seedream_nb.widgets.messages import Asked
    from seedream_nb.widgets.state import State

MOST_BYTES = 100_000_000
"""The largest file that the page may hand over: a photo of 100 megapixels has less."""
CHUNK_BYTES = 4_000_000
"""The largest piece of a file: one message over 10 MiB closes the connection without a word."""
THUMBNAIL = 160
MOST_OFFERS = 30
_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Held:
    """A reference in the tray, and the number by which the page speaks of it."""

    number: int
    reference: Reference


@dataclass
class Arriving:
    """A file of which pieces are still to come."""

    name: str
    size_bytes: int
    path: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    pieces: dict[int, int] = field(default_factory=dict)
    """How many bytes came, by where they begin."""


class Tray:
    """The references that a panel holds, in the order in which the prompt numbers them."""

    def __init__(self, session: Session, change: Callable[[], None]) -> None:
        """Look names up in this session; `change` is called when something has changed."""
        self._session, self._change = session, change
        self._lock = threading.RLock()
        self._held: list[Held] = []
        self._number = 0
        self._arriving: dict[str, Arriving] = {}
        self._folder: Path | None = None

    # -- what is in it -----------------------------------------------------------------------------

    def held(self) -> list[Reference]:
        """Return the references, in their order."""
        with self._lock:
            return [each.reference for each in self._held]

    def hold(self, references: Iterable[Reference]) -> None:
        """Hold exactly these."""
        with self._lock:
            self._held = []
            self._take(references)
        self._change()

    def add(self, written: object, name: str | None = None) -> None:
        """Add what was written, or a value, under its own name or this one; raises RequestError."""
        request = self._session.compose("-", images=[*self.held(), written], typed=True, defaults=False)
        with self._lock:
            there = {each.reference.identity for each in self._held}
            new = [each for each in request.images if each.identity not in there]
            if not new:
                raise SeedreamError(f"{name or plain(str(written), _NAME)}: this picture is there already.")
            self._take(new if name is None else [replace(each, name=name) for each in new])
        self._change()

    def _take(self, references: Iterable[Reference]) -> None:
        for each in references:
            self._number += 1
            self._held.append(Held(number=self._number, reference=each))

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
        with self._lock:
            return [
                {
                    "number": each.number,
                    "name": plain(each.reference.name, _NAME),
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
        if not found or found[0].source is None:
            return b""
        try:
            return cheap_preview(found[0].source, THUMBNAIL) or b""
        except ValueError:
            return b""

    # -- files from the page -----------------------------------------------------------------------

    def receive(self, key: str, name: str, size_bytes: int, offset: int, piece: bytes) -> bool:
        """Keep a piece of a file; return whether the file is whole now and in the tray.

        Raises:
            RequestError: it is too large, there is no place left, or it is no picture that can be used.
        """
        name = plain(Path(name).name, _NAME) or "picture"
        if size_bytes > MOST_BYTES:
            raise ReferenceImageError(
                f"{name}: has {size_bytes / 1e6:.0f} MB; the panel takes up to {MOST_BYTES / 1e6:.0f} MB. "
                "Make it smaller, or name its path below."
            )
        if len(self.held()) >= MOST_REFERENCES:
            raise ReferenceImageError(f"{name}: {MOST_REFERENCES} references are the most. Remove one first.")
        arriving = self._begin(key, name, size_bytes)
        if not 0 < len(piece) <= CHUNK_BYTES or offset + len(piece) > size_bytes:
            raise BadMessageError(f"{name}: a piece of it came that does not fit. Add it once more.")
        with arriving.lock:
            with arriving.path.open("r+b") as file:
                file.seek(offset)
                file.write(piece)
            arriving.pieces[offset] = len(piece)
            if sum(arriving.pieces.values()) < size_bytes:
                return False
        del self._arriving[key]
        self._add_file(arriving.path, arriving.name)
        return True

    def _begin(self, key: str, name: str, size_bytes: int) -> Arriving:
        with self._lock:
            if key not in self._arriving:
                # A name that the page gives leads nowhere: it is only shown.
                path = Path(tempfile.mkdtemp(dir=self._own_folder())) / "picture"
                path.touch(mode=0o600)
                self._arriving[key] = Arriving(name=name, size_bytes=size_bytes, path=path)
            return self._arriving[key]

    def _add_file(self, path: Path, name: str) -> None:
        try:
            self.add(path, name)
        except RequestError as error:
            path.unlink(missing_ok=True)
            # Where it lies meanwhile is nothing that a person knows of.
            told = [problem.replace(str(path), name) for problem in error.problems]
            raise type(error)(told) from None

    def _own_folder(self) -> Path:
        """Return a folder for what the page hands over; it goes with the process."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="seedream-"))
            folder = self._folder
            at_exit(lambda: shutil.rmtree(folder, ignore_errors=True))
        return self._folder


class ReferenceTray(Piece):
    """The tray as a widget; `sd.ReferenceTray()` can be used alone, its `value` is what `images=` takes."""

    _esm = module("tray.js")
    _css = static("panel.css")

    def __init__(self, state: State | None = None) -> None:
        """Show the tray of a panel, or one of its own."""
        if state is None:
            from seedream_nb.widgets.state import State

            state = State(PROCESS.the_session())
            state.watch()
        self._state = state
        self._tray = state.tray
        super().__init__(
            {
                "offers": lambda asked: Answer(values={"offers": self._offers(asked.text("word", 1000))}),
                "add": lambda asked: self._tray.add(asked.text("written")),
                "file": self._receive,
                "remove": lambda asked: self._tray.remove(asked.number("number")),
                "move": lambda asked: self._tray.move(asked.number("number"), asked.number("place")),
                "thumbnail": lambda asked: Answer(buffers=[self._tray.thumbnail(asked.number("number"))]),
                "undo": lambda _: state.undo(),
            }
        )
        state.listen(self.refresh)

    @property
    def value(self) -> Sequence[Reference]:
        """The references it holds, for `images=`."""
        return tuple(self._tray.held())

    def _offers(self, word: str) -> list[str]:
        try:
            return list(self._state.session.scope.offers(word))[:MOST_OFFERS]
        except Exception:  # noqa: BLE001 - whatever is wrong, adding it will tell
            return []

    def _receive(self, asked: Asked) -> Answer:
        if len(asked.buffers) != 1:
            raise BadMessageError("A piece of a file came without its bytes. Add it once more.")
        whole = self._tray.receive(
            asked.text("key", 64), asked.text("name", 1000), asked.number("size_bytes"), asked.number("offset"),
            asked.buffers[0],
        )  # fmt: skip
        return Answer(values={"whole": whole})

    def shown(self) -> Mapping[str, Any]:
        """Return all that the panel shows."""
        return self._state.snapshot()
