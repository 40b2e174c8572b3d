"""Objects of other libraries: files, uploads and widgets hold a picture; whatever their code raises is told."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import Problem, SeedreamError, SettingsError, plain
from seedream_nb.frozen import frozen
from seedream_nb.needs import explain_broken, is_pillow_broken
from seedream_nb.references.limits import wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

    from seedream_nb.service import ReferenceLimits


MAX_READ = 600_000_000
"""Bytes that are taken from an object into memory at most: every picture that can be decoded is smaller."""

_SHOWN = 160


@frozen(eq=False)
class Foreign:
    """Something of another library (`of`), and how to have its picture.

    `draw` is given a name for messages, and the limits of who is to get it.

    `brighter` says what to do about a picture that is all but black.
    """

    of: object
    draw: Callable[[str, ReferenceLimits], bytes | Image.Image]
    brighter: str = ""


@contextlib.contextmanager
def guarded(name: str, remedy: str = "Save it as a picture, and hand over that file.") -> Iterator[None]:
    """Run code of other people: whatever it raises becomes a problem with the reference of this name.

    What we raise ourselves, and an interrupt, come through.

    Raises:
        Problem: what was raised, and the remedy.
        SettingsError: it is Pillow that can't be used, and no picture is at fault.
    """
    try:
        yield
    except (Problem, SeedreamError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic of Rust and SystemExit are no Exception
        if is_pillow_broken(error):
            told, remedy = explain_broken(error)
            raise SettingsError(told, hint=f"Nothing was sent, nothing was billed. {remedy}") from error
        raise wrong(name, f"can't be read: {said(error)}. {remedy}") from error


def said(error: BaseException) -> str:
    """Return what an error says, in one line; even that may fail."""
    kind = type(error).__name__
    try:
        words = plain(str(error), _SHOWN).rstrip(" .")
    except Exception:  # noqa: BLE001 - it is somebody's __str__
        words = ""
    return f"{kind}: {words}" if words else kind


def is_table(value: object) -> bool:
    """Return whether a value is a table of named columns, whatever it could be turned into."""
    return hasattr(type(value), "columns") or hasattr(type(value), "__dataframe__")


def can(value: object, method: str) -> bool:
    """Return whether a value has a method; not so for one that claims to have everything."""
    if not callable(getattr(value, method, None)):
        return False
    return getattr(value, "_seedream_asks_whether_you_claim_to_have_everything_", None) is None


class Bounded(io.BytesIO):
    """What an object writes its picture to: it may not fill the memory."""

    def write(self, data: object, /) -> int:
        """Write all of it.

        Raises:
            ValueError: it is more than any picture has.
        """
        size = super().write(data)  # type: ignore[arg-type]  # whatever it is, it is for BytesIO to judge
        if self.tell() > MAX_READ:
            self.truncate(0)
            raise ValueError(f"it is more than {MAX_READ // 1_000_000} MB")
        return size


_PIECE_BYTES = 1 << 20
_BYTES = (bytes, bytearray, memoryview)


def is_file(value: object) -> bool:
    """Return whether a value is an open file, or was."""
    return can(value, "read") and (can(value, "seek") or hasattr(value, "closed"))


def content_of_file(name: str, file: Any) -> bytes:  # noqa: ANN401 - anything with `read`
    """Return what an open file holds, from its start; it is left where it stood.

    Raises:
        Problem: it is closed, open as text, not a regular file, or too large to be held.
    """
    with from_its_start(name, file):
        return b"".join(_pieces(name, file))


@contextlib.contextmanager
def from_its_start(name: str, file: Any) -> Iterator[None]:  # noqa: ANN401 - anything with `read`
    """Let an open file be read from its start, and put it back to where it stood.

    Raises:
        Problem: it is closed, open as text, or not a regular file.
    """
    if getattr(file, "closed", False) is True:
        raise wrong(name, "is a closed file; open it again, or hand over its path.")
    if hasattr(file, "encoding") and hasattr(file, "buffer"):
        raise wrong(name, "is open as text; write open(path, 'rb'), or hand over its path.")
    if not can(file, "seek") or (can(file, "seekable") and not file.seekable()) or not _is_ordinary(file):
        raise wrong(name, "can't be read from its start; read it, and hand over the bytes.")
    stood = file.tell()
    try:
        file.seek(0)
        yield
    finally:
        file.seek(stood)


def _is_ordinary(file: Any) -> bool:  # noqa: ANN401 - anything with `read`
    """Return whether a file ends: a pipe or a device would keep us waiting."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (AttributeError, OSError, TypeError, ValueError):  # it is in memory
        return True


def _pieces(name: str, file: Any) -> Iterator[bytes]:  # noqa: ANN401 - anything with `read`
    size = 0
    while piece := file.read(_PIECE_BYTES):
        if isinstance(piece, str):
            raise wrong(name, "is open as text; hand over one that is open as bytes.")
        yield bytes(piece)
        size += len(piece)
        if size > MAX_READ:
            raise wrong(name, f"has more than {MAX_READ // 1_000_000} MB; hand over its path, or a smaller picture.")


def holder_of(value: Any) -> Callable[[str], list[tuple[str, str | bytes]]] | None:  # noqa: ANN401 - anything
    """Return what gives the files or URLs that a widget or an upload holds, each with a name, or raises Problem.

    None if it is no such thing.
    """
    if isinstance(value, dict):
        files = _uploads("", value)
        return None if files is None else lambda name: _uploads(name, value) or []
    return None if hasattr(value, "_no_widget_has_this_") else _widget(value)  # a mock answers to any name


def _widget(value: Any) -> Callable[[str], list[tuple[str, str | bytes]]] | None:  # noqa: ANN401 - anything
    if hasattr(value, "sync_image_data") and hasattr(value, "image_data"):
        return lambda name: [(name, _canvas(name, value.image_data))]
    if hasattr(value, "accept") and hasattr(value, "multiple") and hasattr(value, "value"):
        return lambda name: _picked(name, value.value)
    if isinstance(url := getattr(value, "url", None), str) and getattr(value, "data", url) is None:
        return lambda name: [(name, url)]  # IPython's Image of an address
    if isinstance(content := getattr(value, "value", None), _BYTES) and hasattr(value, "format"):
        return lambda name: [(name, _of_widget(name, content, value.format))]
    return None


def _of_widget(name: str, content: bytes | bytearray | memoryview, form: object) -> str | bytes:
    """Return the file that a widget has as its value: `ipywidgets.Image` and its like."""
    if not len(content):
        raise wrong(name, "is a widget with no picture in it; set its value first.")
    return bytes(content).decode(errors="replace") if form == "url" else bytes(content)


def _canvas(name: str, content: object) -> bytes:
    if not isinstance(content, _BYTES) or not len(content):
        raise wrong(
            name,
            "is a canvas whose picture has not come to Python; make it with sync_image_data=True, show it, and draw.",
        )
    return bytes(content)


def _picked(name: str, value: object) -> list[tuple[str, str | bytes]]:
    """Return the files of an upload: ipywidgets 8 gives a tuple, 7 a dict of them by name."""
    files = list(value) if isinstance(value, tuple | list) else [value]
    found = [each for file in files if isinstance(file, dict) for each in _uploads(name, file) or ()]
    if not found:
        raise wrong(name, "has no file in it yet; choose one first.")
    return found


def _uploads(name: str, value: dict[Any, Any]) -> list[tuple[str, str | bytes]] | None:
    """Return the file that a dict describes, or the files of a dict of such."""
    if (described := _described(name, value)) is not None:
        return [described]
    files = [(str(called), file) for called, file in value.items()]
    if not files or not all(isinstance(file, dict) for _, file in files):
        return None
    found = [_described(called, file, named=False) for called, file in files]
    return None if None in found else [each for each in found if each is not None]


def _described(name: str, value: dict[Any, Any], *, named: bool = True) -> tuple[str, str | bytes] | None:
    """Return the file that a dict describes, as an upload does, or the cell of a table of pictures; None if none."""
    for key, name_key in (("content", "name"), ("bytes", "path")):
        content, called = value.get(key), value.get(name_key)
        if key == "bytes" and key in value and not content and isinstance(called, str | os.PathLike) and called:
            return name, os.fsdecode(called)
        if isinstance(content, _BYTES):
            return (str(called or name) if named else name), bytes(content)
    return None
