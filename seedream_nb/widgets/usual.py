"""How long requests like one usually take, by the history."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from seedream_nb.sizes import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedream_nb.request import ImageRequest
    from seedream_nb.storage.generation import Generation

LOOK_BACK = 120
"""Generations that are looked at: a service changes."""
_ENOUGH, _MOST = 2, 9
_NEAR = 1.5
"""Sizes with up to so many times the pixels count as alike."""


def usual_seconds(request: ImageRequest, backend: str, newest_first: Iterable[Generation]) -> float | None:
    """Return the median seconds of the last requests like this one; None where there are too few to say."""
    found: list[float] = []
    for generation in newest_first:
        if generation.seconds and generation.backend == backend and _are_alike(request, generation):
            found.append(generation.seconds)
        if len(found) == _MOST:
            break
    return median(found) if len(found) >= _ENOUGH else None


def _are_alike(request: ImageRequest, generation: Generation) -> bool:
    other = generation.request
    return (
        generation.status == "done"
        and other.model is request.model
        and len(generation.images) == request.max_pictures
        and bool(other.images) == bool(request.images)
        and _are_as_large(request.size, other.size)
    )


def _are_as_large(size: str, other: str) -> bool:
    """Return whether two sizes, as the service spells them, have about as many pixels."""
    one, two = shape_of(size), shape_of(other)
    if one is None or two is None:
        return size == other
    small, large = sorted((one[0] * one[1], two[0] * two[1]))
    return large <= small * _NEAR
