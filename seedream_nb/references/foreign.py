"""Objects of other libraries that hold a picture: files, uploads, widgets; any error of their code is reported."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import Problem, SeedreamError, SettingsError, plain
from seedream_nb.frozen import frozen
from seedream_nb.needs import explain_broken, is_pillow_broken
from seedream_nb.references.limits import reference_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from PIL import Image

    from seedream_nb.service import ReferenceLimits


MAX_READ = 600_000_000
"""The most bytes that are read from an object into memory; every picture that can be decoded is smaller."""

_SHOWN = 160


@frozen(eq=False)
class Foreign:
    """An object of another library (`of`), and how to get its picture.

    `draw` is called with a name for messages, and the limits of the model.

    `brighter` is the remedy for an almost black picture.
    """

    of: object
    draw: Callable[[str, ReferenceLimits], bytes | Image.Image]
    brighter: str = ""


@contextlib.contextmanager
def guarded(name: str, remedy: str = "Save it as a picture, and pass that file.") -> Iterator[None]:
    """Run foreign code: whatever it raises becomes a problem with the reference of this name.

    Our own errors, and an interrupt, pass through.

    Raises:
        Problem: says what was raised, and the remedy.
        SettingsError: Pillow itself can't be used; the picture is not the reason.
    """
    try:
        yield
    except (Problem, SeedreamError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic in Rust, and SystemExit, are not Exceptions
        if is_pillow_broken(error):
            message, remedy = explain_broken(error)
            raise SettingsError(message, hint=f"Nothing was sent, nothing was billed. {remedy}") from error
        raise reference_problem(name, f"can't be read: {describe_error(error)}. {remedy}") from error


def describe_error(error: BaseException) -> str:
    """Return an error's type and text in one line; getting its text may fail too."""
    kind = type(error).__name__
    try:
        words = plain(str(error), _SHOWN).rstrip(" .")
    except Exception:  # noqa: BLE001 - a foreign __str__
        words = ""
    return f"{kind}: {words}" if words else kind


def is_table(value: object) -> bool:
    """Return whether a value is a table of named columns, whatever it could be converted to."""
    return hasattr(type(value), "columns") or hasattr(type(value), "__dataframe__")


def has_method(value: object, method: str) -> bool:
    """Return whether a value has a method; False for one that claims to have every method."""
    if not callable(getattr(value, method, None)):
        return False
    return getattr(value, "_seedream_asks_whether_you_claim_to_have_everything_", None) is None


_SHOWS = ("IPython", "ipywidgets")
_FRAME = "save the frame that you mean as PNG or JPEG, and hand over that file"
_MEDIA = {
    "Video": ("a video", _FRAME),
    "YouTubeVideo": ("a video", _FRAME),
    "VimeoVideo": ("a video", _FRAME),
    "Audio": ("a sound", "describe it in words"),
    "IFrame": ("a web page", "take a screenshot, and hand over that file"),
}


def shown_kind(value: object, kinds: Collection[str]) -> str:
    """Return which of these classes of IPython's or ipywidgets' a value is of; by its class, so no code of it runs."""
    named = (kind for kind in type(value).__mro__ if str(kind.__module__).partition(".")[0] in _SHOWS)
    return next((kind.__name__ for kind in named if kind.__name__ in kinds), "")


def no_picture(value: object) -> str:
    """Return what a value is that plays or embeds something and is no picture, and what to do; "" for any other."""
    kind = shown_kind(value, _MEDIA)
    return f"is {_MEDIA[kind][0]}, and a request takes text and pictures: {_MEDIA[kind][1]}." if kind else ""


class Bounded(io.BytesIO):
    """A buffer for an object's picture, limited so that it can't fill the memory."""

    def write(self, data: object, /) -> int:
        """Write all of it.

        Raises:
            ValueError: it is larger than any picture.
        """
        size = super().write(data)  # type: ignore[arg-type]  # BytesIO checks the type itself
        if self.tell() > MAX_READ:
            self.truncate(0)
            raise ValueError(f"it is more than {MAX_READ // 1_000_000} MB")
        return size


_PIECE_BYTES = 1 << 20
_BYTES = (bytes, bytearray, memoryview)


def is_file(value: object) -> bool:
    """Return whether a value is a file, open or closed."""
    return has_method(value, "read") and (has_method(value, "seek") or hasattr(value, "closed"))


def content_of_file(name: str, file: Any) -> bytes:
    """Return the content of an open file from its start, and leave its position as it was.

    Raises:
        Problem: it is closed, open as text, not a regular file, or too large.
    """
    with rewound(name, file):
        return b"".join(_pieces(name, file))


@contextlib.contextmanager
def rewound(name: str, file: Any) -> Iterator[None]:
    """Rewind an open file, and restore its position afterwards.

    Raises:
        Problem: it is closed, open as text, or not a regular file.
    """
    if getattr(file, "closed", False) is True:
        raise reference_problem(name, "is a closed file; open it again, or pass its path.")
    if hasattr(file, "encoding") and hasattr(file, "buffer"):
        raise reference_problem(name, "is open as text; write open(path, 'rb'), or pass its path.")
    if not has_method(file, "seek") or (has_method(file, "seekable") and not file.seekable()) or not _is_ordinary(file):
        raise reference_problem(name, "can't be read from its start; read it, and pass the bytes.")
    position = file.tell()
    try:
        file.seek(0)
        yield
    finally:
        file.seek(position)


def _is_ordinary(file: Any) -> bool:
    """Return whether a file has an end: reading a pipe or a device could take for ever."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (AttributeError, OSError, TypeError, ValueError):  # it is in memory
        return True


def _pieces(name: str, file: Any) -> Iterator[bytes]:
    size = 0
    while piece := file.read(_PIECE_BYTES):
        if isinstance(piece, str):
            raise reference_problem(name, "is open as text; open it in binary mode ('rb').")
        yield bytes(piece)
        size += len(piece)
        if size > MAX_READ:
            raise reference_problem(
                name, f"has more than {MAX_READ // 1_000_000} MB; pass its path, or a smaller picture."
            )


def held_files_of(value: Any) -> Callable[[str], list[tuple[str, str | bytes]]] | None:
    """Return a function for the named files or URLs in a widget or upload; it is called with a name, raises Problem.

    None for other values.
    """
    if isinstance(value, dict):
        files = _uploads("", value)
        return None if files is None else lambda name: _uploads(name, value) or []
    return None if hasattr(value, "_no_widget_has_this_") else _widget(value)  # a mock has every attribute


def _widget(value: Any) -> Callable[[str], list[tuple[str, str | bytes]]] | None:
    if hasattr(value, "sync_image_data") and hasattr(value, "image_data"):
        return lambda name: [(name, _canvas(name, value.image_data))]
    if hasattr(value, "accept") and hasattr(value, "multiple") and hasattr(value, "value"):
        return lambda name: _picked(name, value.value)
    url = getattr(value, "url", None)
    if isinstance(url, str) and getattr(value, "data", url) is None and has_method(value, "_repr_png_"):
        return lambda name: [(name, url)]  # IPython's Image of an address
    if isinstance(content := getattr(value, "value", None), _BYTES) and hasattr(value, "format"):
        return lambda name: [(name, _of_widget(name, content, value.format))]
    return None


def _of_widget(name: str, content: bytes | bytearray | memoryview, form: object) -> str | bytes:
    """Return the file that is a widget's value, as for `ipywidgets.Image`."""
    if not len(content):
        raise reference_problem(name, "is a widget with no picture in it; set its value first.")
    return bytes(content).decode(errors="replace") if form == "url" else bytes(content)


def _canvas(name: str, content: object) -> bytes:
    if not isinstance(content, _BYTES) or not len(content):
        raise reference_problem(
            name,
            "is a canvas whose picture has not reached Python; make it with sync_image_data=True, show it, and draw.",
        )
    return bytes(content)


def _picked(name: str, value: object) -> list[tuple[str, str | bytes]]:
    """Return the files of an upload: a tuple in ipywidgets 8, a dict by name in 7."""
    files = list(value) if isinstance(value, tuple | list) else [value]
    uploads = [upload for file in files if isinstance(file, dict) for upload in _uploads(name, file) or ()]
    if not uploads:
        raise reference_problem(name, "contains no file yet; choose one first.")
    return uploads


def _uploads(name: str, value: dict[Any, Any]) -> list[tuple[str, str | bytes]] | None:
    """Return the file that a dict describes, or those of a dict of such dicts."""
    if (upload := _described(name, value)) is not None:
        return [upload]
    files = [(str(file_name), file) for file_name, file in value.items()]
    if not files or not all(isinstance(file, dict) for _, file in files):
        return None
    uploads = [_described(file_name, file, named=False) for file_name, file in files]
    return None if None in uploads else [upload for upload in uploads if upload is not None]


def _described(name: str, value: dict[Any, Any], *, named: bool = True) -> tuple[str, str | bytes] | None:
    """Return the file described by the dict of an upload or of a cell in a table of pictures; None if there is none."""
    for key, name_key in (("content", "name"), ("bytes", "path")):
        content, file_name = value.get(key), value.get(name_key)
        if key == "bytes" and key in value and not content and isinstance(file_name, str | os.PathLike) and file_name:
            return name, os.fsdecode(file_name)
        if isinstance(content, _BYTES):
            return (str(file_name or name) if named else name), bytes(content)
    return None
