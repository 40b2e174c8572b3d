"""How a person is told what is wrong with a reference image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, shorten
from seedream_nb.request import SHOWN, misshapen

if TYPE_CHECKING:
    from seedream_nb.service import ReferenceLimits

MAX_UNPACKED = 178_956_970
"""Pixels that are decoded at most (Pillow's own limit): beyond, a small file could fill the memory."""

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


def check_shape(name: str, width: int, height: int, limits: ReferenceLimits) -> None:
    """Refuse a shape that no fitting can cure without changing what the picture shows.

    Raises:
        Problem: one sentence for each limit that is broken.
    """
    told = [*limits.breaches(width, height)]
    if width * height > MAX_UNPACKED:
        side, millions = math.isqrt(limits.max_pixels), MAX_UNPACKED // 1_000_000
        told.append(f"at most {millions} million can be read here. Scale it down first, for instance to {side}x{side}.")
    if told:
        raise misshapen(name, width, height, told)
