"""What the notebook has shown: which pictures `@out` and `@[5]` stand for.

IPython is listened to where it makes an output of an object, and where an output is published as it is. What is
heard there is kept as it was sent to the page, unread; the object itself only as long as somebody else keeps it.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import Problem
from seedream_nb.notebook.outputs import Output, Outputs, files_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.notebook.outputs import Sort

SHOWN = "_seedream_nb_shown"
"""The shell's attribute that holds who listens to it."""

_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_DRAWINGS = ("image/svg+xml", "application/vnd.plotly.", "application/vnd.vega")
"""What a page draws itself: the picture is had from the object, as long as that exists."""

_MAY_DRAW = ("to_image", "save", "value", "get_image_data")
"""What those have that draw in HTML, or are widgets that hold a picture."""

_OURS = (
    ("seedream_nb.generation.value", "Generation"),
    ("seedream_nb.picture", "Picture"),
    ("seedream_nb.job", "Job"),
)
_IMAGE = (("PIL.Image", "Image"),)
_FEW = 8


class Shown:
    """Listens to one shell, from `listen` to `leave`."""

    def __init__(self, ip: InteractiveShell) -> None:
        """Hear nothing yet."""
        self._ip = ip
        self._outputs = Outputs()
        self._latest = _Latest()
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
        told = "no picture was shown since %load_ext seedream_nb; show one, or write its variable or path."
        raise Problem(f"{mark}: {told}", reference=True)

    def _of_cell(self, mark: str, number: int) -> Sequence[object]:
        outputs = [each for each in self._outputs.all() if each.cell is not None and each.has_pictures()]
        if here := [each for each in outputs if each.cell == number]:
            return [picture for each in here for picture in each.pictures(self._format)]
        cells = list(dict.fromkeys(each.cell for each in outputs))
        there = ", ".join(f"@[{cell}]" for cell in cells[-_FEW:]) or "nothing since %load_ext seedream_nb"
        raise Problem(f"{mark}: cell [{number}] has shown no picture; there is {there}.", reference=True)

    def cells(self) -> Sequence[int]:
        """Return the numbers of the cells that surely showed a picture, the newest first; no object is asked."""
        sure = (each for each in reversed(self._outputs.all()) if each.surely_has_pictures())
        return list(dict.fromkeys(each.cell for each in sure if each.cell is not None))

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


class _Latest(threading.local):
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


def shown_by(ip: InteractiveShell) -> Shown | None:
    """Return who listens to a shell, if somebody does."""
    return getattr(ip, SHOWN, None)
