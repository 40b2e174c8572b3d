"""Messages about what is wrong with a reference image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, shorten
from seedream_nb.request import SHOWN, misshapen

if TYPE_CHECKING:
    from seedream_nb.service import ReferenceLimits

MAX_UNPACKED = 178_956_970
"""The most pixels that are decoded (Pillow's own limit): beyond that, a small file could fill the memory."""

_DIM = 25
"""Of 255: a picture with nothing brighter looks black."""


def dim_warning(brightest: int | None, remedy: str) -> str:
    """Return a warning that a picture is almost black, with the remedy; "" if it is not, or if that is unknown."""
    if brightest is None or brightest > _DIM:
        return ""
    if not brightest:
        return f"it is all black; if it should not be, {remedy}"
    return f"its brightest value is {brightest} of 255, so it is nearly black; {remedy}"


def reference_problem(name: str, problem: str) -> Problem:
    """Return the problem with the reference of this name."""
    return Problem(f"{shorten(name, SHOWN)} {problem}", reference=True)


def check_shape(name: str, width: int, height: int, limits: ReferenceLimits) -> None:
    """Refuse a shape that can't be made to fit without changing what the picture shows.

    Raises:
        Problem: one sentence for each limit that is broken.
    """
    problems = [*limits.breaches(width, height)]
    if width * height > MAX_UNPACKED:
        side, millions = math.isqrt(limits.max_pixels), MAX_UNPACKED // 1_000_000
        problems.append(
            f"at most {millions} million can be read here. Scale it down first, for example to {side}x{side}."
        )
    if problems:
        raise misshapen(name, width, height, problems)
