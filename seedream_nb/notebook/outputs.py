"""The outputs of a notebook that have pictures: as many as may be kept, and how their pictures are had again."""

from __future__ import annotations

import base64
import io
import itertools
import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from seedream_nb.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        number: counts them; it stays the same where the rest changes.
    """

    sort: Sort
    cell: int | None
    of: Callable[[], object]
    media_type: str = ""
    data: str | bytes | None = None
    display: str | None = None
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def size_bytes(self) -> int:
        """How much is held for it."""
        return len(self.data or "")

    def has_pictures(self) -> bool:
        """Return whether it has any, as far as that is known without drawing it."""
        if self.sort == "ours":
            return bool(files_of(self.of()))
        if self.sort == "unsure":
            from seedream_nb.references.adapters import is_picture

            return is_picture(self.of())
        return True

    def surely_has_pictures(self) -> bool:
        """Return whether it has any that can be had; no object of others is asked for it."""
        if self.sort == "unsure":
            return False
        return self.has_pictures() if self.sort in {"ours", "drawn"} else self.data is not None

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
        from seedream_nb.references.load import open_picture

        return open_picture(io.BytesIO(content)).copy()


class Outputs:
    """The outputs so far, the newest last: only so many, and so many bytes. Thread-safe.

    One more costs the same however many are kept: only `all` looks at all of them.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._kept: OrderedDict[int, Output] = OrderedDict()
        self._with_data: OrderedDict[int, None] = OrderedDict()
        self._displays: dict[str, int] = {}
        self._cells: defaultdict[int, set[int]] = defaultdict(set)
        self._size_bytes = 0

    def add(self, output: Output) -> None:
        """Keep one more. Where cells are counted anew, what was shown before is of another time."""
        with self._lock:
            newest = self._kept[next(reversed(self._kept))].cell if self._kept else None
            if newest is not None and output.cell is not None and output.cell < newest:
                self._begin()
            self._put(output)
            if len(self._kept) > MOST_OUTPUTS:
                self._drop(next(iter(self._kept)))
            while self._size_bytes > MOST_BYTES:
                self._put(replace(self._kept[next(iter(self._with_data))], data=None))

    def name(self, output: Output, display: str) -> None:
        """Let a display id name an output; it takes the place, and the cell, of the one that had it before."""
        with self._lock:
            before = self._displays.get(display)
            if output.number in self._kept and before != output.number:
                cell = output.cell if before is None else self._drop(before).cell
                self._put(replace(self._kept[output.number], display=display, cell=cell))

    def named(self, display: str) -> Output | None:
        """Return the output that a display id names, if it is one of these."""
        with self._lock:
            number = self._displays.get(display)
            return None if number is None else self._kept[number]

    def take_back_cell(self, cell: int) -> None:
        """Let those of a cell be below no cell any more; what was shown last in the notebook stays so."""
        with self._lock:
            for number in sorted(self._cells.get(cell, ())):
                self._put(replace(self._kept[number], cell=None))

    def take_back_display(self, display: str) -> None:
        """Let the one that a display id names be below no cell any more."""
        with self._lock:
            number = self._displays.get(display)
            if number is not None:
                self._put(replace(self._kept[number], cell=None))

    def all(self) -> Sequence[Output]:
        """Return them in the order in which they came."""
        with self._lock:
            return tuple(self._kept.values())

    def forget(self) -> None:
        """Keep none."""
        with self._lock:
            self._begin()

    def _put(self, output: Output) -> None:
        """Keep an output, in the place of what it was before."""
        if output.number in self._kept:
            self._strike(self._kept[output.number])
        self._kept[output.number] = output
        self._size_bytes += output.size_bytes
        if output.data is None:
            self._with_data.pop(output.number, None)
        else:
            self._with_data.setdefault(output.number)
        if output.display is not None:
            self._displays[output.display] = output.number
        if output.cell is not None:
            self._cells[output.cell].add(output.number)

    def _drop(self, number: int) -> Output:
        """Keep an output no longer; return it."""
        output = self._kept.pop(number)
        self._strike(output)
        self._with_data.pop(number, None)
        return output

    def _strike(self, output: Output) -> None:
        """Forget by what an output is found."""
        self._size_bytes -= output.size_bytes
        if output.display is not None:
            del self._displays[output.display]
        if output.cell is not None:
            self._cells[output.cell].remove(output.number)
            if not self._cells[output.cell]:
                del self._cells[output.cell]


def files_of(value: object) -> Sequence[object]:
    """Return the pictures of a result, a job or a picture of ours, or a list of them: the files in full size."""
    if isinstance(value, list):
        return list(value)
    for name in ("images", "pictures"):
        if isinstance(found := getattr(value, name, None), list | tuple):
            return list(found)
    return [] if value is None else [value]
