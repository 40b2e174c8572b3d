"""Things that hold a picture's file: open files, uploads, widgets."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Any

from seedream_nb.references.foreign import MOST_READ, can
from seedream_nb.references.limits import wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 1 << 20
_BYTES = (bytes, bytearray, memoryview)


def is_file(value: object) -> bool:
    """Return whether a value is an open file, or was."""
    return can(value, "read") and (can(value, "seek") or hasattr(value, "closed"))


def content_of_file(name: str, file: Any) -> bytes:  # noqa: ANN401 - anything with `read`
    """Return what an open file holds, from its start; it is left where it stood.

    Raises:
        Problem: it is closed, open as text, no ordinary file, or too large to be held.
    """
    with from_its_start(name, file):
        return b"".join(_pieces(name, file))


@contextlib.contextmanager
def from_its_start(name: str, file: Any) -> Iterator[None]:  # noqa: ANN401 - anything with `read`
    """Let an open file be read from its start, and put it back to where it stood.

    Raises:
        Problem: it is closed, open as text, or no ordinary file.
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
        if size > MOST_READ:
            raise wrong(name, f"has more than {MOST_READ // 1_000_000} MB; hand over its path, or a smaller picture.")


def held(name: str, value: Any) -> list[tuple[str, str | bytes]] | None:  # noqa: ANN401 - anything
    """Return the files or URLs that a widget or an upload holds, each with a name; None if it is no such thing.

    Raises:
        Problem: it is meant to hold one, and is empty.
    """
    if isinstance(value, dict):
        return _uploads(name, value)
    if hasattr(value, "_no_widget_has_this_"):  # a mock or a proxy, which answers to any name
        return None
    if hasattr(value, "sync_image_data") and hasattr(value, "image_data"):
        return [(name, _canvas(name, value.image_data))]
    if hasattr(value, "accept") and hasattr(value, "multiple") and hasattr(value, "value"):
        return _picked(name, value.value)
    if isinstance(url := getattr(value, "url", None), str) and getattr(value, "data", url) is None:
        return [(name, url)]  # IPython's Image of an address
    return _of_widget(name, value, getattr(value, "value", None))


def _of_widget(name: str, value: Any, content: object) -> list[tuple[str, str | bytes]] | None:  # noqa: ANN401 - anything
    """Return the file that a widget has as its value: `ipywidgets.Image` and its like."""
    if not isinstance(content, _BYTES) or not hasattr(value, "format"):
        return None
    if not len(content):
        raise wrong(name, "is a widget with no picture in it; set its value first.")
    if value.format == "url":
        return [(name, bytes(content).decode(errors="replace"))]
    return [(name, bytes(content))]


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
