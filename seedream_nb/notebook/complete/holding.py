"""Tells by its class whether a value may hold a picture: none of its code runs for a Tab, and nothing is imported."""

from __future__ import annotations

import sys
from pathlib import PosixPath, WindowsPath
from typing import Any

from seedream_nb.notebook.complete.suffixes import is_picture_name
from seedream_nb.references.arrays import is_picture_shape

_LONGEST_PATH, _LISTED, _DEEPEST = 500, 3, 2
_RESULT = ("seedream_nb.generation.value", "Generation")
_CLASSES = {
    _RESULT: "result",
    ("seedream_nb.picture", "Picture"): "picture",
    ("PIL.Image", "Image"): "PIL image",
    ("ipywidgets", "Image"): "widget",
    ("ipycanvas", "Canvas"): "canvas",
}
_ARRAY = ("numpy", "ndarray")
_TABLES_AND_COLUMNS = ("columns", "__dataframe__", "to_list", "is_integer")
"""What tables, their columns and single numbers have beside the way to become an array."""

_METHODS = (
    (("savefig", "get_figure"), "figure"),
    (("_repr_png_", "_repr_jpeg_", "to_image"), "drawing"),
    (("__array__", "__dlpack__"), "array"),
)
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF")


def held(value: object, depth: int = 0) -> str:
    """Return in a few words which pictures a value holds; empty for any other value."""
    kind = type(value)
    if kind is list or kind is tuple:
        return _held_by_list(value, depth)  # type: ignore[arg-type]  # it is one
    if kind in {str, PosixPath, WindowsPath}:
        text = str(value) if len(str(value)) < _LONGEST_PATH else ""
        return "path" if is_picture_name(text) and "\n" not in text else ""
    if kind is bytes:
        return "bytes" if value.startswith(_STARTS) else ""  # type: ignore[attr-defined]  # they are
    if _is_a(value, _ARRAY):
        return "array" if is_picture_shape(_shape(value)) else ""
    return next((told for name, told in _CLASSES.items() if _is_a(value, name)), "") or _able(kind)


def is_result(value: object) -> bool:
    """Return whether a value is a result of ours."""
    return _is_a(value, _RESULT)


def _held_by_list(values: list[object] | tuple[object, ...], depth: int) -> str:
    count, first = len(values), values[:_LISTED]
    holds = count > 0 and depth < _DEEPEST and all(held(each, depth + 1) for each in first)
    return f"{count} picture{'s' * (count != 1)}" if holds else ""


def _is_a(value: object, name: tuple[str, str]) -> bool:
    """Return whether a value is of a class, which then is loaded: no code of the value's own runs."""
    module, kind = name
    return getattr(sys.modules.get(module), kind, None) in type(value).__mro__


def _shape(array: Any) -> tuple[int, ...]:  # noqa: ANN401 - an array of numpy
    """Return an array's shape as numpy itself knows it, whatever a class derived from it says."""
    shape: tuple[int, ...] = sys.modules["numpy"].ndarray.shape.__get__(array)
    return shape


def _able(kind: type) -> str:
    """Return what objects of a class are, by what they can do."""
    names = {name for each in kind.__mro__ for name in vars(each)}
    if names.intersection(_TABLES_AND_COLUMNS):
        return ""
    return next((told for methods, told in _METHODS if names.intersection(methods)), "")
