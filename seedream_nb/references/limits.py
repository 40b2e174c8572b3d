"""What the service's reference page asks of a reference image, and how a person is told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, shorten
from seedream_nb.service import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMITS = DEFAULT.model.references
MAX_BYTES, MAX_PIXELS = _LIMITS.max_bytes, _LIMITS.max_pixels
MIN_SIDE, MAX_RATIO = _LIMITS.min_side, _LIMITS.max_ratio

MAX_UNPACKED = 178_956_970
"""Pixels that are decoded at most (Pillow's own limit): beyond, a small file could fill the memory."""

SHOWN = 60
"""Characters of a name that a message shows."""


_DIM = 25
"""Of 255: a picture without anything brighter looks black."""


def told_dim(brightest: int | None, remedy: str) -> str:
    """Return that a picture is all but black, with the remedy; "" if it is not, or if nobody knows."""
    if brightest is None or brightest > _DIM:
        return ""
    if not brightest:
        return f"it is all black; if it should not be, {remedy}"
    return f"its brightest value is {brightest} of 255, so it is nearly black; {remedy}"


def wrong(name: str, told: str) -> Problem:
    """Return the problem with the reference of this name."""
    return Problem(f"{shorten(name, SHOWN)} {told}", reference=True)


def check_shape(name: str, width: int, height: int) -> None:
    """Refuse a shape that no fitting can cure without changing what the picture shows.

    Raises:
        Problem: one sentence for each limit that is broken.
    """
    told = [*_breaches(width, height)]
    if told:
        shape = f"{shorten(name, SHOWN)} has {width}x{height} pixels"
        raise Problem(*(f"{shape}; {each}" for each in told), reference=True)


def _breaches(width: int, height: int) -> Iterator[str]:
    if min(width, height) < MIN_SIDE:
        yield f"each side must be more than {MIN_SIDE - 1}. Use a larger picture or scale it up."
    if max(width, height) > MAX_RATIO * min(width, height):
        across, down = min(width, MAX_RATIO * height), min(height, MAX_RATIO * width)
        crop = f", for instance to {across}x{down}" if min(across, down) >= MIN_SIDE else ""
        yield f"the ratio must be between 1:{MAX_RATIO} and {MAX_RATIO}:1. Crop it{crop}."
    if width * height > MAX_UNPACKED:
        side = int(MAX_PIXELS**0.5)
        yield (
            f"at most {MAX_UNPACKED // 1_000_000} million can be read here. "
            f"Scale it down first, for instance to {side}x{side}."
        )
