"""What the notebook has shown: which pictures `@out` and `@[5]` stand for.

IPython is listened to where it makes an output of an object, and where an output is published as it is. What is
heard there is kept as it was sent to the page, unread; the object itself only as long as somebody else keeps it.
"""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import re
import sys
import threading
import weakref
from collections import OrderedDict, defaultdict
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from seedream_nb.errors import Problem
from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

MAX_BYTES = 64_000_000
"""Of pictures as they were sent to the page; the oldest are forgotten first."""

MAX_OUTPUTS = 500

Sort = Literal["sent", "image", "drawn", "ours", "unsure"]


@frozen(eq=False)
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
            message = "is not kept any more: show it again, or write its variable or path."
            raise Problem(f"What cell [{self.cell}] showed {message}", reference=True)
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
            if len(self._kept) > MAX_OUTPUTS:
                self._drop(next(iter(self._kept)))
            while self._size_bytes > MAX_BYTES:
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


SHOWN = "_seedream_nb_shown"
"""The shell's attribute that holds who listens to it."""

_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_DRAWINGS = ("image/svg+xml", "application/vnd.plotly.", "application/vnd.vega")
"""What a page draws itself: the picture is had from the object, as long as that exists."""

_MAY_DRAW = ("to_image", "save", "value", "get_image_data")
"""What those have that draw in HTML, or are widgets that hold a picture."""

_OURS = (
    ("seedream_nb.storage.generation", "Generation"),
    ("seedream_nb.storage.picture", "Picture"),
    ("seedream_nb.jobs.job", "Job"),
)
_IMAGE = (("PIL.Image", "Image"),)
_FEW = 8


class DisplayListener:
    """Listens to one shell, from `listen` to `leave`."""

    def __init__(self, ip: InteractiveShell) -> None:
        """Hear nothing yet."""
        self._ip = ip
        self._outputs = Outputs()
        self._latest = _LatestDisplay()
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._format: Any = None
        self._listens = False

    # -- what it knows -----------------------------------------------------------------------------

    def pictures(self, mark: str) -> Sequence[object]:
        """Return what `@out` or `@[5]` stands for, in the order in which it was shown.

        Raises:
            Problem: no such picture was shown, and what was.
        """
        number = re.fullmatch(r"@\[(\d+)\]", mark)
        return self._of_cell(mark, int(number[1])) if number else self._last(mark)

    def _last(self, mark: str) -> Sequence[object]:
        for output in reversed(self._outputs.all()):
            if output.has_pictures():
                return output.pictures(self._format)
        message = "no picture was shown since %load_ext seedream_nb; show one, or write its variable or path."
        raise Problem(f"{mark}: {message}", reference=True)

    def _of_cell(self, mark: str, number: int) -> Sequence[object]:
        outputs = [output for output in self._outputs.all() if output.cell is not None and output.has_pictures()]
        if here := [output for output in outputs if output.cell == number]:
            return [picture for output in here for picture in output.pictures(self._format)]
        cells = list(dict.fromkeys(output.cell for output in outputs))
        there = ", ".join(f"@[{cell}]" for cell in cells[-_FEW:]) or "nothing since %load_ext seedream_nb"
        raise Problem(f"{mark}: cell [{number}] has shown no picture; there is {there}.", reference=True)

    def cells(self) -> Sequence[int]:
        """Return the numbers of the cells that surely showed a picture, the newest first; no object is asked."""
        sure = (output for output in reversed(self._outputs.all()) if output.surely_has_pictures())
        return list(dict.fromkeys(output.cell for output in sure if output.cell is not None))

    @contextlib.contextmanager
    def previews(self, job: Callable[[], object]) -> Iterator[None]:
        """Take what is displayed in here for previews of our own.

        They go when the result comes, which is the cell's value. If it fails or is stopped they stay, and stand for
        the pictures of `job()`, also of those that are still to come.
        """
        self._latest.previews = displays = list[str]()
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                self._stay(displays, job())
            raise
        finally:
            self._latest.previews = None

    def _stay(self, displays: Sequence[str], job: object) -> None:
        if job is None or not displays:
            return
        output = Output(sort="ours", cell=self._cell(), of=_files(job))
        self._outputs.add(output)
        self._outputs.name(output, displays[0])

    # -- listening ---------------------------------------------------------------------------------

    def listen(self) -> None:
        """Begin to listen; the shell knows who does."""
        self._listens = True
        self._format = getattr(self._ip.display_formatter, "format", None)
        self._replace(self._ip.display_formatter, "format", self._formatted)
        self._replace(self._ip.display_pub, "publish", self._published)
        self._replace(self._ip.display_pub, "clear_output", self._cleared)
        setattr(self._ip, SHOWN, self)

    def leave(self) -> None:
        """Give back what was there, and forget what was shown."""
        self._listens = False
        for owner, name, listener, before in reversed(self._replaced):
            if vars(owner).get(name) is not listener:
                continue  # somebody else has put theirs around ours, which from now on only passes on
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        self._replaced.clear()
        self._outputs.forget()
        if getattr(self._ip, SHOWN, None) is self:
            delattr(self._ip, SHOWN)

    def _replace(self, owner: Any, name: str, heard: Callable[..., None]) -> None:  # noqa: ANN401 - IPython's
        inner = getattr(owner, name, None)
        if inner is None:
            return

        def listener(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever IPython hands over
            if heard == self._formatted:
                self._latest.display = None
            result = inner(*args, **kwargs)
            if self._listens:
                # Whatever fails in here, no output may be lost because of it.
                with contextlib.suppress(Exception):
                    heard(result, *args, **kwargs)
            return result

        self._replaced.append((owner, name, listener, vars(owner).get(name)))
        setattr(owner, name, listener)

    def _formatted(self, made: tuple[Mapping[str, Any], Any], obj: object, *_: object, **__: object) -> None:
        """Hear that an output was made of an object: `display` does so, and a cell with its value."""
        latest, self._latest.made = self._latest, None
        if type(self._ip.display_pub).__name__ == "CapturingDisplayPublisher":  # by %%capture: nobody sees it
            return
        bundle = made[0]
        sort = _sort_of(obj, bundle)
        if sort is None:
            return
        kind, data = _picture_in(bundle)
        sent = {"media_type": kind, "data": data} if sort in {"sent", "image"} else {}
        # A job, or an old widget, publishes itself: that has just been heard.
        display = None if bundle else latest.display
        of = _files(obj) if sort == "ours" else _reference(obj)
        output = Output(sort=sort, cell=self._cell(), of=of, **sent)
        self._outputs.add(output)
        if display:
            self._outputs.name(output, display)
        latest.made = (id(bundle), data, output)

    def _published(
        self,
        _: object,
        data: Mapping[str, Any],
        *__: object,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **___: object,
    ) -> None:
        """Hear that an output was published: what was made of an object just now, or a bundle as it is."""
        latest, made = self._latest, self._latest.made
        display = (transient or {}).get("display_id")
        latest.made, latest.display = None, display
        if latest.previews is not None and made is None:
            latest.previews += [display] if display else []
            return
        kind, picture = _picture_in(data)
        output: Output | None = None
        if made is not None and made[0] == id(data) and made[1] is picture and made[2].cell == self._cell():
            output = made[2]
        elif self._is_of_ours(display):
            return
        elif kind:
            output = Output(sort="sent", cell=self._cell(), of=_nothing, media_type=kind, data=picture)
            self._outputs.add(output)
        elif display and update:
            self._outputs.take_back_display(display)
        if output is not None and display:
            self._outputs.name(output, display)

    def _is_of_ours(self, display: str | None) -> bool:
        """Return whether a display shows a job of ours: what it sends are previews."""
        output = self._outputs.named(display) if display else None
        return output is not None and output.sort == "ours"

    def _cleared(self, *_: object, **__: object) -> None:
        """Hear that the running cell took its outputs back."""
        self._outputs.take_back_cell(self._cell())

    def _cell(self) -> int:
        # `execution_count` is one too high in a cell of IPython 9, and where 7.34 shows its figures.
        return len(self._ip.user_ns["In"]) - 1


class _LatestDisplay(threading.local):
    """What was heard last on this thread: `display` publishes at once what it has made of an object."""

    made: tuple[int, object, Output] | None = None
    display: str | None = None
    previews: list[str] | None = None


def _picture_in(bundle: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the first picture of a bundle, and its type: PIL sends each image as PNG and again as JPEG."""
    for kind in _TYPES:
        data = bundle.get(kind)
        if data and isinstance(data, str | bytes):
            return kind, data
    return "", None


def _sort_of(obj: object, bundle: Mapping[str, Any]) -> Sort | None:
    """Return what sort of output an object makes, None if it is one without pictures."""
    if _is_one_of(obj, _OURS):
        return "ours"
    if _picture_in(bundle)[0]:
        return "image" if _is_one_of(obj, _IMAGE) else "sent"
    if any(kind.startswith(_DRAWINGS) for kind in bundle):
        return "drawn"
    shows_more = any(not kind.startswith("text/plain") for kind in bundle) or not bundle
    return "unsure" if shows_more and any(hasattr(type(obj), name) for name in _MAY_DRAW) else None


def _is_one_of(obj: object, classes: tuple[tuple[str, str], ...]) -> bool:
    """Return whether an object is of one of these classes; one whose module nobody loaded has no objects."""
    known = (getattr(sys.modules.get(module), name, None) for module, name in classes)
    return any(isinstance(obj, kind) for kind in known if isinstance(kind, type))


def _files(obj: Any) -> Callable[[], object]:  # noqa: ANN401 - a result, a picture or a job
    """Return what gives the pictures of ours: they are small, for they are files. A request may hold much."""
    if not hasattr(obj, "when_over"):
        pictures = files_of(obj)
        return lambda: pictures
    job, landed = weakref.ref(obj), list[object]()
    obj.when_over(lambda: landed.extend(files_of(job())))
    return lambda: landed or files_of(job())


def _reference(obj: object) -> Callable[[], object]:
    """Return what gives an object as long as somebody keeps it."""
    try:
        return weakref.ref(obj)
    except TypeError:
        return _nothing


def _nothing() -> None:
    """Give no object."""


def shown_by(ip: InteractiveShell) -> DisplayListener | None:
    """Return who listens to a shell, if somebody does."""
    return getattr(ip, SHOWN, None)
