"""Parsing and validating sizes: tiers, ratios, limits, and the nearest size that fits."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, describe_value, did_you_mean, nearest, plain
from seedream_nb.service import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedream_nb.service import Model

_STEP = 8
_TRUE_TO = 0.01
_SAME_RATIO = 0.0001
_ROUNDING = 1e-9
_SHOWN = 40
# Patterns are compiled when they are first used, to keep loading fast.
_SHAPE = r"([0-9]{1,9})\s*[x*×]\s*([0-9]{1,9})"
_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_RATIO = rf"{_NUMBER}\s*[:：]\s*{_NUMBER}"
_RATIO_MISSPELT = rf"{_NUMBER}\s*[x*×/-]\s*{_NUMBER}"


def spell_size(size: str | None, aspect: str | None, model: Model = DEFAULT.model) -> str:
    """Return the size as a model spells it, such as `2K` or `2560x1440`.

    Args:
        size: a tier, a width and height in pixels (`2560x1440`), a ratio of the table, or None.
        aspect: any ratio such as `5:4`, to go with a tier (alone: with the usual one), or None.
        model: whose tiers, ratios and limits apply.

    Raises:
        Problem: names the value found, the limit, and the nearest valid value.
    """
    _expect_text("size", size, model.default_size)
    _expect_text("aspect", aspect, model.example_ratio)
    if aspect is not None:
        return _with_aspect(size, _ratio(aspect, model), model)
    if size is None:
        return model.default_size
    return model.tier(size) or _from_ratio(size, model) or _from_pixels(size, model)


def shape_of(size: str) -> tuple[int, int] | None:
    """Return width and height in pixels, or None for a tier, where the service chooses."""
    found = re.fullmatch(_SHAPE, size, re.IGNORECASE)
    return (int(found[1]), int(found[2])) if found else None


def nearest_shape(width: int, height: int, model: Model = DEFAULT.model) -> tuple[int, int]:
    """Return the nearest width and height that a model makes, of the same ratio where that fits."""
    width, height = max(width, 1), max(height, 1)
    # The ratio first, because stretching changes the picture; then the area.
    wide, high = max(width, height / model.max_ratio), max(height, width / model.max_ratio)
    scale = math.sqrt(min(max(wide * high, model.min_pixels), model.max_pixels) / (wide * high))
    target, requested = (wide * scale, high * scale), (width, height)
    return min(_around(*target, model), key=lambda shape: math.dist(shape, target) + math.dist(shape, requested))


def _around(width: float, height: float, model: Model) -> Iterator[tuple[int, int]]:
    """Yield the shapes that fit within a few pixels of an unrounded one."""
    reach = range(-model.max_ratio, model.max_ratio + 1)
    shapes = ((round(width) + across, round(height) + down) for across in reach for down in reach)
    return (shape for shape in shapes if _fits(*shape, model))


def _fits(width: int, height: int, model: Model) -> bool:
    in_ratio = 0 < max(width, height) <= model.max_ratio * min(width, height)
    return in_ratio and model.min_pixels <= width * height <= model.max_pixels


def either(words: Sequence[str]) -> str:
    """Return the choices in words: `1K, 2K or 4K`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def pixel_range(model: Model) -> str:
    """Return the smallest and the largest square that a model makes: `1024x1024 to 4096x4096`."""
    low, high = math.isqrt(model.min_pixels - 1) + 1, math.isqrt(model.max_pixels)
    return f"{low}x{low} to {high}x{high}"


def _expect_text(name: str, value: object, example: str) -> None:
    if value is not None and not isinstance(value, str):
        raise Problem(f'{name}: found {describe_value(value)}; write a text such as "{example}".')


def _from_ratio(size: str, model: Model) -> str | None:
    """Return the table's size for a ratio, or None if this is not a ratio."""
    if not re.fullmatch(_RATIO, size.strip()):
        return None
    ratio = _ratio(size, model)
    if spelt := _recommended(ratio, model):
        return spelt
    other = min(model.ratios, key=lambda name: abs(math.log(_parts(name) / ratio)))
    raise Problem(
        f"size: {size.strip()} is not one of the ratios {', '.join(model.ratios)}; the nearest is {other}. "
        f"For other ratios write --aspect {size.strip()}."
    )


def _recommended(ratio: float, model: Model) -> str | None:
    """Return the table's size for a ratio; 32:18 is 16:9 too."""
    for name, spelt in model.ratios.items():
        if abs(_parts(name) / ratio - 1) <= _SAME_RATIO:
            return spelt
    return None


def _from_pixels(size: str, model: Model) -> str:
    """Return a width and height within the limits, as the model spells it."""
    shape = shape_of(size.strip())
    if shape is None:
        pixels, ratios = model.ratios[model.example_ratio], ", ".join(model.ratios)
        forms = f"{either(model.tiers)}, a width and height such as {pixels}, or one of the ratios {ratios}"
        raise Problem(f'size: "{plain(size, _SHOWN)}" is not a size{_of(model)}. Write {forms}.{_guess(size, model)}')
    if _fits(*shape, model):
        return "{}x{}".format(*shape)
    width, height = shape
    fitting = f"The nearest size{_of(model)} that fits is {{}}x{{}}.".format(*nearest_shape(width, height, model))
    raise Problem(f"size: {width}x{height} {_excess(width, height, model)}. {fitting}")


def _of(model: Model) -> str:
    """Name the model, unless it is the usual one."""
    return "" if model is DEFAULT.model else f" of {model.title}"


def _excess(width: int, height: int, model: Model) -> str:
    """Describe what is out of range, with the range."""
    excess, low, high, ratio = [], model.min_pixels, model.max_pixels, model.max_ratio
    if not low <= width * height <= high:
        limits = f"the range is {pixel_range(model)} pixels in all, {_spaced(low)} to {_spaced(high)}"
        excess.append(f"has {_spaced(width * height)} pixels ({limits})")
    if max(width, height) > ratio * min(width, height):
        excess.append(f"has sides beyond the ratios 1/{ratio} to {ratio}")
    return " and ".join(excess)


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _guess(size: str, model: Model) -> str:
    """Suggest the nearest tier for `3K`, else the nearest spelling."""
    number = re.fullmatch(r"\s*+([0-9]{1,4})\s*+k?\s*", size, re.IGNORECASE)
    if number is None:
        return did_you_mean(size.strip(), (*model.tiers, *model.ratios))
    thousands = int(number[1]) if int(number[1]) < model.min_pixels**0.5 else int(number[1]) / 1024
    return f" Did you mean {min(model.tiers, key=lambda tier: abs(int(tier[0]) - thousands))}?"


def _parts(text: str) -> float:
    width, _, height = text.replace("：", ":").partition(":")
    return float(width) / float(height)


def _ratio(text: str, model: Model) -> float:
    """Parse a ratio such as `16:9` as width / height, within the model's range."""
    written = text.strip()
    found = re.fullmatch(_RATIO, written)
    if found is None or not float(found[1]) or not float(found[2]):
        remedy = f"Write width:height, such as {model.example_ratio}.{_meant(written, model)}"
        raise Problem(f'aspect: "{plain(text, _SHOWN)}" is not a ratio. {remedy}')
    ratio = _parts(written)
    most = model.max_ratio
    if max(ratio, 1 / ratio) > most + _ROUNDING:
        limit = f"The nearest is {most}:1." if ratio > 1 else f"The nearest is 1:{most}."
        raise Problem(f"aspect: {written} is beyond the range 1:{most} to {most}:1. {limit}")
    return ratio


def _meant(text: str, model: Model) -> str:
    found = re.fullmatch(_RATIO_MISSPELT, text, re.IGNORECASE)
    guess = f"{found[1]}:{found[2]}" if found else nearest(text, model.ratios)
    return f" Did you mean {guess}?" if guess else ""


def _with_aspect(size: str | None, ratio: float, model: Model) -> str:
    """Return the width and height of a ratio in a tier."""
    tier = model.usual_tier if size is None else model.tier(size)
    if tier is None:
        raise Problem(
            f"aspect: goes with --size {either(model.tiers)}, not with {plain(size or '', _SHOWN)}. "
            f"Leave out one of the two, or write --size {model.usual_tier}."
        )
    spelt = _recommended(ratio, model) if tier == model.usual_tier else None
    return spelt or "{}x{}".format(*_shape_in(tier, ratio, model))


def _shape_in(tier: str, ratio: float, model: Model) -> tuple[int, int]:
    """Return the largest shape of a ratio within a tier's square, or the smallest allowed if that is too small."""
    side = 1024 * int(tier[0])
    is_smallest = side * side <= model.min_pixels
    high = model.max_pixels if is_smallest else min(side * side, model.max_pixels)
    shapes = [shape for shape in _shapes(ratio, high, model.max_ratio) if shape[0] * shape[1] >= model.min_pixels]
    sign = 1 if is_smallest else -1
    return min(shapes, key=lambda shape: (sign * shape[0] * shape[1], abs(shape[0] / shape[1] / ratio - 1)))


def _shapes(ratio: float, max_pixels: int, max_ratio: int) -> Iterator[tuple[int, int]]:
    """Yield the shapes of this ratio with sides in steps of 8."""
    highest = math.isqrt(int(max_pixels / ratio * 2))
    for height in range(_STEP, highest + 1, _STEP):
        below = int(height * ratio) // _STEP * _STEP
        for width in (below, below + _STEP):
            fits = width * height <= max_pixels and max(width, height) <= max_ratio * min(width, height)
            if fits and abs(width / height / ratio - 1) <= _TRUE_TO:
                yield width, height
