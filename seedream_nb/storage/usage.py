"""Sums over generations: how many, what they cost, what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedream_nb.storage.generation import Generation

_RUNNING = frozenset({"generating", "downloading"})


@frozen
class Usage:
    """Sums over some generations; amounts are in USD."""

    requests: int
    pictures: int
    """Pictures with at least a link: the ones that are billed."""
    imitated: int
    """How many of them the sandbox made."""
    missing: int
    """Pictures that are paid for, or from the sandbox, and were not downloaded."""
    spent: float
    failed: int
    """Refused, failed, or stopped before sending: not billed."""
    unknown: int
    unknown_pictures: int
    """The most pictures for which requests with unknown outcome may have been billed; the sandbox bills none."""
    running: int
    reused: int
    """How often `--once` showed a result instead of making a new request."""
    saved: float


def usage_of(generations: Iterable[tuple[Generation, bool, int]]) -> Usage:
    """Add up generations, each with whether it counts as a request, and how often `--once` reused it."""
    counted = list(generations)
    requested = [generation for generation, counts, _ in counted if counts]
    unknown = [generation for generation in requested if generation.status == "unknown"]
    return Usage(
        requests=len(requested),
        pictures=sum(len(generation.links) for generation in requested),
        imitated=sum(len(generation.links) for generation in requested if generation.is_free),
        missing=sum(
            len(generation.missing)
            for generation in requested
            if generation.links and generation.status not in _RUNNING and not generation.deleted
        ),
        spent=sum(generation.cost or 0.0 for generation in requested),
        failed=sum(generation.status in {"failed", "stopped"} and not generation.links for generation in requested),
        unknown=len(unknown),
        unknown_pictures=sum(generation.request.max_pictures for generation in unknown if generation.cost is None),
        running=sum(generation.status in _RUNNING for generation in requested),
        reused=sum(times for _, _, times in counted),
        saved=sum(times * (generation.cost or 0.0) for generation, _, times in counted),
    )
