"""Which values stand for pictures where they could as well stand for their text: in a prompt's braces."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.references.arrays import is_array, is_picture_array
from seedream_nb.references.figures import figure_of
from seedream_nb.references.foreign import can, is_table
from seedream_nb.references.holders import from_its_start, held, is_file
from seedream_nb.references.opening import NotAPicture, is_pil, open_picture
from seedream_nb.references.ours import is_ours, pictures_of
from seedream_nb.references.shown import PICTURES, only_by_repr, shows_picture
from seedream_nb.references.values import holds_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 5


def is_picture(value: Any, depth: int = 0) -> bool:  # noqa: ANN401 - anything
    """Return whether a value stands for pictures where it could as well stand for its text: in a prompt's braces.

    Nothing is drawn, but for what has a text of its own, and no file is read beyond its header. A `str` is text;
    paths and bytes are pictures if they open as one, open files too, arrays if they have a picture's shape with no
    side under 15, lists if all in them are pictures.
    """
    try:
        return not isinstance(value, str | type) and depth <= _DEEPEST and _is_picture(value, depth)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - what can't say that it is one is none
        return False


def is_meant_as_picture(value: Any) -> bool:  # noqa: ANN401 - anything
    """Return whether a value that is no picture can only have been meant as one: a path, bytes, a file, an array.

    Not so for tables and for lists of things, which have texts in them as well.

    Raises:
        Problem: it is meant to hold a picture, as a widget is that takes files, and is empty.
    """
    if isinstance(value, bytes | bytearray | memoryview | os.PathLike) or is_file(value):
        return True
    if is_array(value):
        return getattr(value, "shape", None) != () and not is_table(value) and not holds_objects(value)
    return not isinstance(value, str | dict) and bool(held("", value))


def _is_picture(value: Any, depth: int) -> bool:  # noqa: ANN401 - anything
    if isinstance(value, Path | bytes | bytearray | memoryview) or is_file(value):
        return _opens(bytes(value) if isinstance(value, bytearray | memoryview) else value)
    if isinstance(value, list | tuple) or (is_array(value) and holds_objects(value)):
        items = value if isinstance(value, list | tuple) else value.tolist()
        return bool(len(items)) and all(is_picture(each, depth + 1) for each in items)
    if is_pil(value) or figure_of(value) is not None:
        return True
    if is_ours(value):
        return isinstance(getattr(value, "path", None), Path) or bool(pictures_of(value))
    if is_array(value):
        return is_picture_array(value)
    return (shows_picture(value) and not _shows_text(value)) or bool(held("", value))


def _shows_text(value: Any) -> bool:  # noqa: ANN401 - anything
    """Return whether a value that has a text of its own shows no picture now, though it may: as sympy's numbers."""
    if getattr(type(value), "__str__", None) is object.__str__ or not only_by_repr(value):
        return False
    return all(getattr(value, method)() is None for method in PICTURES if can(value, method))


def _opens(source: Any) -> bool:  # noqa: ANN401 - a path, bytes, or anything with `read`
    """Return whether a content opens as a picture, by its header."""
    if isinstance(source, Path) and not source.is_file():
        return False
    try:
        with _stream(source) as stream:
            open_picture(stream)
    except (NotAPicture, OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _stream(source: Any) -> Iterator[Any]:  # noqa: ANN401 - see above
    """Give a content as a file; one that is open already stays so, and is left where it stood."""
    if isinstance(source, Path | bytes):
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as stream:
            yield stream
    else:
        with from_its_start("", source):
            yield source
