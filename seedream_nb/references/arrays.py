"""Arrays as pictures: height x width, or with 1, 3 or 4 channels (grey, RGB, RGBA) last or first.

If both ends could be the channels, the last one is: no side of a reference is as small as their number, so no accepted
array is ambiguous. Booleans, uint8 and uint16 use their type's full range, other integers must be within 0..255,
floats are 0 to 1 or 0 to 255, depending on their largest value.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from seedream_nb.references.foreign import MAX_READ, is_table
from seedream_nb.references.limits import check_shape, reference_problem
from seedream_nb.references.load import NotAPicture, open_picture
from seedream_nb.service import all_models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from seedream_nb.service import ReferenceLimits

_CHANNELS = frozenset({1, 3, 4})
_WANTED = "it must be height x width, or with 1, 3 or 4 channels last or first."
_FLAT, _DEEP = 2, 3
_BAND_VALUES = 1 << 20
_OVERSHOOT = 0.01
"""How far floats may exceed their range, as a fraction of it: scaling and rounding cause that."""

_BYTE, _SIXTEEN_BITS = 255, 65_535
_DARK = 2.0
"""Floats beyond 1 and below this may be an overshooting 0..1 as well as an almost black 0..255."""


def is_array(value: object) -> bool:
    """Return whether a value can be converted to an array."""
    return hasattr(type(value), "__array__") or hasattr(type(value), "__dlpack__")


def is_picture_array(value: object) -> bool:
    """Return whether an array has a picture's shape; tables never do."""
    shape = _declared(value)
    return shape is not None and is_array(value) and not is_table(value) and is_picture_shape(shape)


def is_picture_shape(shape: tuple[int, ...]) -> bool:
    """Return whether an array of this shape can be a picture: no side is too small for every model."""
    shown = _layout(shape)
    return shown is not None and min(shown[:2]) >= min(model.references.min_side for model in all_models())


def picture_of_array(name: str, limits: ReferenceLimits, value: Any) -> Image.Image | bytes:
    """Return a copy of an array's picture; or bytes, if the array is the content of a picture file.

    Raises:
        Problem: its shape, type or values are not those of a picture.
    """
    try:
        import numpy as np
    except ImportError:
        raise reference_problem(name, "is an array, which needs numpy: pip install numpy.") from None
    from PIL import Image

    shape = _declared(value)
    if shape is not None:
        if is_table(value) and not is_picture_shape(shape):
            raise reference_problem(name, f"is a table; for pictures in a column write {_spelt(name)}['its name'].")
        if is_flat(shape) and (content := _content(np, name, value)):
            return content
        _checked(name, shape, limits)  # before anything is computed or copied for it
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise reference_problem(name, f"has masked values, which have no colour; write {_spelt(name)}.filled(0).")
    array = _as_numpy(np, value)
    if is_flat(array.shape) and (content := _content(np, name, array)):
        return content
    height, width, channels_first = _checked(name, array.shape, limits)
    shown = array.transpose(1, 2, 0) if channels_first else array
    if shown.ndim == _DEEP and shown.shape[2] == 1:
        shown = shown[:, :, 0]
    pixels = np.empty(shown.shape, np.uint8)
    for rows, band in zip(_bands(pixels, height, width), _in_bytes(np, name, shown), strict=True):
        rows[...] = band
    return Image.fromarray(pixels)


def is_flat(shape: tuple[int, ...]) -> bool:
    """Return whether an array of this shape is one-dimensional, like the bytes of a file."""
    return len(shape) == 1 or (len(shape) == _FLAT and 1 in shape and max(shape) > 1)


def _content(np: Any, name: str, value: Any) -> bytes:
    """Return the bytes of the file that a one-dimensional array is; empty if it may be pixels as well.

    Raises:
        Problem: it is not a file, or not a picture's.
    """
    array = _as_numpy(np, value)
    shape = tuple(int(side) for side in array.shape)
    problem = f"is an array of shape {shape}; {_WANTED} Reshape it: {_spelt(name)}.reshape(height, width)."
    if array.dtype.itemsize == 1 and array.dtype.kind in "iu" and array.size <= MAX_READ:
        content: bytes = array.tobytes()
        try:
            open_picture(io.BytesIO(content))
        except NotAPicture as error:
            problem = (
                f"is an array of shape {shape}, like the content of a file, but it {error}. For pixels reshape it."
            )
        else:
            return content
    if len(shape) == _FLAT:
        return b""
    raise reference_problem(name, problem)


def brighten_remedy(name: str) -> str:
    """Return how to brighten an almost black array, which is usually a mask of 0 and 1."""
    spelt = _spelt(name)
    return f"for a mask of 0 and 1 write {spelt} * 255, else {spelt} * (255 / {spelt}.max())"


def _spelt(name: str) -> str:
    """Return an array's name for use in code; in messages it may be words."""
    return "array" if " " in name else name


def _declared(value: object) -> tuple[int, ...] | None:
    """Return the shape that an array declares, if any."""
    try:
        return tuple(int(side) for side in value.shape)  # type: ignore[attr-defined]  # caught below
    except (AttributeError, TypeError, ValueError):
        return None


def _layout(shape: tuple[int, ...]) -> tuple[int, int, bool] | None:
    """Return height, width and whether the channels come first; None if it is not a picture's shape."""
    if len(shape) == _FLAT:
        return shape[0], shape[1], False
    if len(shape) != _DEEP or not _CHANNELS & {shape[0], shape[2]}:
        return None
    return (shape[0], shape[1], False) if shape[2] in _CHANNELS else (shape[1], shape[2], True)


def _checked(name: str, shape: tuple[int, ...], limits: ReferenceLimits) -> tuple[int, int, bool]:
    """Return the layout of a shape.

    Raises:
        Problem: it is not a picture's, or not within the limits.
    """
    found = _layout(shape)
    if found is None:
        raise reference_problem(name, f"is an array of shape {shape}; {_WANTED} {_remedy_for(shape, _spelt(name))}")
    if 0 in found[:2]:
        raise reference_problem(name, f"is an array of shape {shape}: it is empty.")
    check_shape(f"{name} (an array of shape {shape})", found[1], found[0], limits)
    return found


def _remedy_for(shape: tuple[int, ...], spelt: str) -> str:
    """Return how to turn an array of this shape into a picture."""
    depth = len(shape) - _DEEP
    if depth > 0 and (_layout(shape[depth:]) or _layout(shape[depth + 1 :])):
        depth += _layout(shape[depth:]) is None
        return f"For its first picture write {spelt}[{', '.join('0' * depth)}]."
    if len(shape) != _DEEP:
        return "Reshape it, or take a part of it."
    last = shape[2] <= shape[0]
    bands = shape[2] if last else shape[0]
    first = f"{spelt}[..., {{}}]" if last else f"{spelt}[{{}}]"
    if bands == 2:  # noqa: PLR2004 - the number that it tells
        return f"It has two bands; take a part of it, such as the first, in grey: {first.format(0)}."
    return f"It has {bands} bands; take a part of it, such as three of them, or one: {first.format(':3')}."


def _as_numpy(np: Any, value: Any) -> Any:
    """Return the values as a numpy array, which may share their memory."""
    for step in ("detach", "cpu"):  # torch: from a gradient, from another device
        if callable(away := getattr(value, step, None)):
            value = away()
    if not hasattr(type(value), "__array__"):
        return np.asarray(np.from_dlpack(value))
    try:
        return np.asarray(value)
    except TypeError:
        if not callable(to_float := getattr(value, "float", None)):  # torch's types that numpy does not have
            raise
        return np.asarray(to_float())


def _bands(array: Any, height: int, width: int) -> Iterator[Any]:
    """Yield an array's rows in bands, so that no second copy of the whole array is made."""
    step = max(1, _BAND_VALUES // max(1, width))
    for top in range(0, height, step):
        yield array[top : top + step]


def _in_bytes(np: Any, name: str, array: Any) -> Iterator[Any]:
    """Yield the bands of an array in 8 bits."""
    kind, dtype = array.dtype.kind, array.dtype
    is_float = kind == "f" or (kind == "V" and "float" in dtype.name)  # bfloat16 and the like
    if kind not in "biuf" and not is_float:
        raise reference_problem(
            name, f"is an array of type {dtype}, which is not for pictures; convert it to uint8, bool or float first."
        )
    bands = list(_bands(array, *array.shape[:2]))
    if kind == "b":
        return (band * np.uint8(_BYTE) for band in bands)
    if dtype.itemsize == 1 and kind == "u":
        return iter(bands)
    if dtype.itemsize == 2 and kind == "u":  # noqa: PLR2004 - bytes of uint16
        half = _SIXTEEN_BITS // 2
        return ((band.astype(np.uint32) * _BYTE + half) // _SIXTEEN_BITS for band in bands)
    if is_float:
        factor = _factor(name, *_range(np, name, bands))
        return (_rounded(np, _real(np, band) * factor) for band in bands)
    low, high = min(int(band.min()) for band in bands), max(int(band.max()) for band in bands)
    if low < 0 or high > _BYTE:
        raise reference_problem(
            name, f"has values from {low} to {high}; of type {dtype} they must be 0 to 255. Scale them, or clip them."
        )
    return iter(bands)


def _real(np: Any, band: Any) -> Any:
    """Return floats precise enough for computing, in this machine's byte order."""
    return band.astype(np.float64 if band.dtype.itemsize > 4 else np.float32)  # noqa: PLR2004 - bytes of a float32


def _rounded(np: Any, band: Any) -> Any:
    return np.clip(np.rint(band), 0, _BYTE).astype(np.uint8)


def _range(np: Any, name: str, bands: list[Any]) -> tuple[float, float]:
    """Return the smallest and the largest value.

    Raises:
        Problem: some are NaN or infinite.
    """
    low, high, lost = math.inf, -math.inf, 0
    for values in bands:
        band = _real(np, values)
        finite = np.isfinite(band)
        lost += int(band.size - np.count_nonzero(finite))
        if not lost:
            low, high = min(low, float(band.min())), max(high, float(band.max()))
    if lost:
        count = f"{lost} values that are" if lost > 1 else "a value that is"
        raise reference_problem(
            name, f"has {count} not finite (NaN or infinite); write numpy.nan_to_num({_spelt(name)})."
        )
    return low, high


def _factor(name: str, low: float, high: float) -> float:
    """Return the factor from floats of this range to 8 bits."""
    if low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT:
        return float(_BYTE)
    if low >= -_OVERSHOOT * _BYTE and _DARK <= high <= _BYTE * (1 + _OVERSHOOT):
        return 1.0
    remedy = f"{_spelt(name)}.clip(0, 1)" if high < _DARK else f"{_spelt(name)}.clip(0, 255)"
    raise reference_problem(
        name,
        f"has values from {low:.4g} to {high:.4g}; floats must be 0 to 1, or 0 to 255. Scale them, or write {remedy}.",
    )
