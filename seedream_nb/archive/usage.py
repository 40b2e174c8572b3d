"""What requests brought and cost, added up: what `%seedream usage` tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedream_nb.generation import Generation

_RUNNING = frozenset({"generating", "downloading"})


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Sums over some generations; amounts are in USD."""

    requests: int
    pictures: int
    """Those that came, as links at least: the ones that are billed."""
    imitated: int
    """Those among them that the sandbox made."""
    missing: int
    """Those that are paid for, or imitated, and were not fetched."""
    spent: float
    failed: int
    """Refused, failed, or stopped before they were sent: not billed."""
    unknown: int
    unknown_pictures: int
    """The most that the requests of unknown outcome can have been billed for: the sandbox bills none."""
    running: int
    reused: int
    """How often `--once` showed a result in place of a new request."""
    saved: float


def usage_of(generations: Iterable[tuple[Generation, bool, int]]) -> Usage:
    """Add up generations, each with whether it counts as asked for, and how often `--once` showed it again."""
    counted = list(generations)
    every = [each for each, asked, _ in counted if asked]
    unknown = [each for each in every if each.status == "unknown"]
    return Usage(
        requests=len(every),
        pictures=sum(len(each.links) for each in every),
        imitated=sum(len(each.links) for each in every if each.is_free),
        missing=sum(len(each.missing) for each in every if each.links and each.status not in _RUNNING),
        spent=sum(each.cost or 0.0 for each in every),
        failed=sum(each.status in {"failed", "stopped"} and not each.links for each in every),
        unknown=len(unknown),
        unknown_pictures=sum(each.request.most for each in unknown if each.cost is None),
        running=sum(each.status in _RUNNING for each in every),
        reused=sum(times for _, _, times in counted),
        saved=sum(times * (each.cost or 0.0) for each, _, times in counted),
    )
