"""Which sizes the service makes: tiers, a table of ratios, limits, and the nearest size that fits."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, did_you_mean, nearest, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

TIERS = ("1K", "2K", "4K")
"""Resolutions by name: the service chooses width and height itself."""

RATIO_SIZES = {
    "1:1": "2048x2048",
    "4:3": "2304x1728",
    "3:4": "1728x2304",
    "16:9": "2560x1440",
    "9:16": "1440x2560",
    "3:2": "2496x1664",
    "2:3": "1664x2496",
    "21:9": "3024x1296",
}
"""The width and height in pixels that the service recommends for a ratio."""

DEFAULT_SIZE = "2048x2048"
MIN_PIXELS, MAX_PIXELS = 1024 * 1024, 4096 * 4096
"""Pixels in all (width x height), from the service's reference page."""

MAX_RATIO = 16
"""The longer side is at most so many times the shorter, from the service's reference page."""

_STEP = 8
_TRUE_TO = 0.01
_SAME_RATIO = 0.0001
_ROUNDING = 1e-9
_SHOWN = 40
# Patterns are compiled when they are first used: the extension must load at once.
_SHAPE = r"([0-9]{1,9})\s*[x*×]\s*([0-9]{1,9})"
_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_RATIO = rf"{_NUMBER}\s*[:：]\s*{_NUMBER}"
_RATIO_MISSPELT = rf"{_NUMBER}\s*[x*×/-]\s*{_NUMBER}"
_LIMITS = "the range is 1024x1024 to 4096x4096 pixels in all, 1 048 576 to 16 777 216"
_RATIOS = ", ".join(RATIO_SIZES)
_FORMS = f"Write 1K, 2K or 4K, a width and height such as 2560x1440, or one of the ratios {_RATIOS}"


def spell_size(size: str | None, aspect: str | None) -> str:
    """Return the size as the service spells it, such as `2K` or `2560x1440`.

    Args:
        size: `1K`, `2K`, `4K`, a width and height in pixels (`2560x1440`), a ratio of the table, or None.
        aspect: any ratio such as `5:4`, to go with a tier (alone: with `2K`), or None.

    Raises:
        Problem: the value found, the limit, and the nearest value that would do.
    """
    _expect_text("size", size, "2048x1024")
    _expect_text("aspect", aspect, "16:9")
    if aspect is not None:
        return _with_aspect(size, _ratio(aspect))
    if size is None:
        return DEFAULT_SIZE
    return _tier(size) or _of_table(size) or _checked(size)


def shape_of(size: str) -> tuple[int, int] | None:
    """Return width and height in pixels of a spelt size, or None for a tier: the service chooses then."""
    found = re.fullmatch(_SHAPE, size, re.IGNORECASE)
    return (int(found[1]), int(found[2])) if found else None


def nearest_shape(width: int, height: int) -> tuple[int, int]:
    """Return the nearest width and height that the service makes, of the same ratio where that fits."""
    width, height = max(width, 1), max(height, 1)
    # The ratio first, for a stretched picture is another picture; then the area.
    wide, high = max(width, height / MAX_RATIO), max(height, width / MAX_RATIO)
    scale = math.sqrt(min(max(wide * high, MIN_PIXELS), MAX_PIXELS) / (wide * high))
    aim, asked = (wide * scale, high * scale), (width, height)
    return min(_around(*aim), key=lambda shape: math.dist(shape, aim) + math.dist(shape, asked))


def _around(width: float, height: float) -> Iterator[tuple[int, int]]:
    """Yield the shapes that fit within a few pixels of one that fits but for rounding."""
    reach = range(-MAX_RATIO, MAX_RATIO + 1)
    shapes = ((round(width) + across, round(height) + down) for across in reach for down in reach)
    return (shape for shape in shapes if _fits(*shape))


def _fits(width: int, height: int) -> bool:
    in_ratio = 0 < max(width, height) <= MAX_RATIO * min(width, height)
    return in_ratio and MIN_PIXELS <= width * height <= MAX_PIXELS


def _expect_text(name: str, value: object, example: str) -> None:
    if value is not None and not isinstance(value, str):
        raise Problem(f'{name}: found {shown(value)}; write a text such as "{example}".')


def _tier(size: str) -> str | None:
    name = size.strip().upper()
    return name if name in TIERS else None


def _of_table(size: str) -> str | None:
    """Return the table's size for a ratio, or None if this is no ratio at all."""
    if not re.fullmatch(_RATIO, size.strip()):
        return None
    ratio = _ratio(size)
    if spelt := _recommended(ratio):
        return spelt
    other = min(RATIO_SIZES, key=lambda name: abs(math.log(_ratio(name) / ratio)))
    raise Problem(
        f"size: {size.strip()} is none of the ratios {_RATIOS}; the nearest is {other}. "
        f"For other ratios write --aspect {size.strip()}."
    )


def _recommended(ratio: float) -> str | None:
    """Return the table's size for a ratio however it is written: 32:18 is 16:9."""
    for name, spelt in RATIO_SIZES.items():
        if abs(_parts(name) / ratio - 1) <= _SAME_RATIO:
            return spelt
    return None


def _checked(size: str) -> str:
    """Return a width and height within the limits, as the service spells it."""
    shape = shape_of(size.strip())
    if shape is None:
        raise Problem(f'size: "{plain(size, _SHOWN)}" is not a size. {_FORMS}.{_guess(size)}')
    if _fits(*shape):
        return "{}x{}".format(*shape)
    width, height = shape
    fitting = "The nearest size that fits is {}x{}.".format(*nearest_shape(width, height))
    raise Problem(f"size: {width}x{height} {_excess(width, height)}. {fitting}")


def _excess(width: int, height: int) -> str:
    """Say what is out of range, with the range."""
    found = []
    if not MIN_PIXELS <= width * height <= MAX_PIXELS:
        found.append(f"has {_spaced(width * height)} pixels ({_LIMITS})")
    if max(width, height) > MAX_RATIO * min(width, height):
        found.append(f"has sides beyond the ratios 1/{MAX_RATIO} to {MAX_RATIO}")
    return " and ".join(found)


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _guess(size: str) -> str:
    """Return what was perhaps meant: the nearest tier for `3K`, else the nearest spelling."""
    number = re.fullmatch(r"\s*+([0-9]{1,4})\s*+k?\s*", size, re.IGNORECASE)
    if number is None:
        return did_you_mean(size.strip(), (*TIERS, *RATIO_SIZES))
    thousands = int(number[1]) if int(number[1]) < MIN_PIXELS**0.5 else int(number[1]) / 1024
    return f" Did you mean {min(TIERS, key=lambda tier: abs(int(tier[0]) - thousands))}?"


def _parts(text: str) -> float:
    width, _, height = text.replace("：", ":").partition(":")
    return float(width) / float(height)


def _ratio(text: str) -> float:
    """Return the ratio width / height that a text such as `16:9` means, within 1/16 to 16."""
    written = text.strip()
    found = re.fullmatch(_RATIO, written)
    if found is None or not float(found[1]) or not float(found[2]):
        raise Problem(
            f'aspect: "{plain(text, _SHOWN)}" is not a ratio. Write width:height, such as 16:9.{_meant(written)}'
        )
    ratio = _parts(written)
    if max(ratio, 1 / ratio) > MAX_RATIO + _ROUNDING:
        limit = f"The nearest is {MAX_RATIO}:1." if ratio > 1 else f"The nearest is 1:{MAX_RATIO}."
        raise Problem(f"aspect: {written} is beyond the range 1:{MAX_RATIO} to {MAX_RATIO}:1. {limit}")
    return ratio


def _meant(text: str) -> str:
    found = re.fullmatch(_RATIO_MISSPELT, text, re.IGNORECASE)
    guess = f"{found[1]}:{found[2]}" if found else nearest(text, RATIO_SIZES)
    return f" Did you mean {guess}?" if guess else ""


def _with_aspect(size: str | None, ratio: float) -> str:
    """Return the width and height of a ratio in a tier."""
    tier = "2K" if size is None else _tier(size)
    if tier is None:
        raise Problem(
            f"aspect: goes with --size 1K, 2K or 4K, not with {plain(size or '', _SHOWN)}. "
            "Leave out one of the two, or write --size 2K."
        )
    spelt = _recommended(ratio) if tier == "2K" else None
    return spelt or "{}x{}".format(*_shape_in(tier, ratio))


def _shape_in(tier: str, ratio: float) -> tuple[int, int]:
    """Return the largest shape of a ratio within a tier's square, for 1K the smallest that covers it."""
    side = 1024 * int(tier[0])
    low, high = (MIN_PIXELS, MAX_PIXELS) if tier == "1K" else (MIN_PIXELS, side * side)
    shapes = [shape for shape in _shapes(ratio, high) if shape[0] * shape[1] >= low]
    sign = 1 if tier == "1K" else -1
    return min(shapes, key=lambda shape: (sign * shape[0] * shape[1], abs(shape[0] / shape[1] / ratio - 1)))


def _shapes(ratio: float, most: int) -> Iterator[tuple[int, int]]:
    """Yield the shapes with sides in steps of 8, true to the ratio, of at most so many pixels."""
    highest = math.isqrt(int(most / ratio * 2))
    for height in range(_STEP, highest + 1, _STEP):
        below = int(height * ratio) // _STEP * _STEP
        for width in (below, below + _STEP):
            fits = width * height <= most and max(width, height) <= MAX_RATIO * min(width, height)
            if fits and abs(width / height / ratio - 1) <= _TRUE_TO:
                yield width, height
