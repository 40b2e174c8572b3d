"""The outputs of a notebook that have pictures: as many as may be kept, and how their pictures are had again."""

from __future__ import annotations

import base64
import io
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from seedream_nb.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST_BYTES = 64_000_000
"""Of pictures as they were sent to the page; the oldest are forgotten first."""

MOST_OUTPUTS = 500

Sort = Literal["sent", "image", "drawn", "ours", "unsure"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Output:
    """One output that has a picture, or may have one.

    Attributes:
        sort: `sent`, a picture that was sent to the page as it is; `image`, one that was made of an image of Pillow;
            `drawn` by the page from something else; `ours`, a result, a picture, a job; `unsure`, to be looked at
            when it is asked for.
        cell: the number of the cell that it stands below; None once that cell took it back.
        of: gives the object that it was made of; None if that is gone, or was never known.
        media_type: of `data`.
        data: as it was sent to the page, bytes or base64; None if there was none, or there is no more room for it.
        display: the display id by which it can be updated.
    """

    sort: Sort
    cell: int | None
    of: Callable[[], object]
    media_type: str = ""
    data: str | bytes | None = None
    display: str | None = None

    @property
    def size_bytes(self) -> int:
        """How much is held for it."""
        return len(self.data or "")

    def has_pictures(self) -> bool:
        """Return whether it has any, as far as that is known without drawing it."""
        if self.sort == "ours":
            return bool(files_of(self.of()))
        if self.sort == "unsure":
            from seedream_nb.references.recognise import is_picture

            return is_picture(self.of())
        return True

    def pictures(self, form: Callable[..., Any]) -> Sequence[object]:
        """Return its pictures, as values that can be references; `form` makes an output of an object.

        Raises:
            Problem: there is one that can't be had any more.
        """
        value = self.of()
        if self.sort == "ours":
            return files_of(value)
        if self.data is not None:
            return [value if self._still_shows(value, form) else self._content()]
        # What was once sent may have been painted over since; what the page draws is known by its object only.
        if value is None or self.sort in {"sent", "image"}:
            told = "is not kept any more: show it again, or write its variable or path."
            raise Problem(f"What cell [{self.cell}] showed {told}", reference=True)
        return [value]

    def _still_shows(self, value: object, form: Callable[..., Any]) -> bool:
        """Return whether an object that can be drawn larger, a figure, still looks as it did."""
        if not hasattr(type(value), "savefig"):
            return False
        try:
            return bool(form(value, include=[self.media_type])[0].get(self.media_type) == self.data)
        except Exception:  # noqa: BLE001 - it can't be drawn any more
            return False

    def _content(self) -> object:
        content = self.data if isinstance(self.data, bytes) else base64.b64decode(self.data or "")
        if self.sort != "image":
            return content
        # As an image it is the same picture as the variable that it was shown from.
        from seedream_nb.references.opening import open_picture

        return open_picture(io.BytesIO(content)).copy()


class Outputs:
    """The outputs so far, the newest last: only so many, and so many bytes. Thread-safe."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: list[Output] = []
        self._lock = threading.Lock()

    def add(self, output: Output) -> None:
        """Keep one more. Where cells are counted anew, what was shown before is of another time."""
        with self._lock:
            newest = self._kept[-1].cell if self._kept else None
            again = newest is not None and output.cell is not None and output.cell < newest
            self._keep([*(() if again else self._kept), output])

    def name(self, output: Output, display: str) -> None:
        """Let a display id name an output; it takes the place, and the cell, of the one that had it before."""
        with self._lock:
            old = [each for each in self._kept if each.display == display and each is not output]
            named = replace(output, display=display, cell=old[0].cell if old else output.cell)
            self._keep([named if each is output else each for each in self._kept if each not in old])

    def named(self, display: str) -> Output | None:
        """Return the output that a display id names, if it is one of these."""
        with self._lock:
            return next((each for each in self._kept if each.display == display), None)

    def take_back(self, fits: Callable[[Output], bool]) -> None:
        """Let some be below no cell any more; what was shown last in the notebook stays so."""
        with self._lock:
            self._keep([replace(each, cell=None) if fits(each) else each for each in self._kept])

    def all(self) -> Sequence[Output]:
        """Return them in the order in which they came."""
        with self._lock:
            return tuple(self._kept)

    def forget(self) -> None:
        """Keep none."""
        with self._lock:
            self._kept = []

    def _keep(self, outputs: Iterable[Output]) -> None:
        room, kept = MOST_BYTES, []
        for each in reversed([*outputs][-MOST_OUTPUTS:]):
            room -= each.size_bytes
            kept.append(each if room >= 0 or not each.data else replace(each, data=None))
        self._kept = kept[::-1]


def files_of(value: object) -> Sequence[object]:
    """Return the pictures of a result, a job or a picture of ours, or a list of them: the files in full size."""
    if isinstance(value, list):
        return list(value)
    for name in ("images", "pictures"):
        if isinstance(found := getattr(value, name, None), list | tuple):
            return list(found)
    return [] if value is None else [value]
