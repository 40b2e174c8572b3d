"""How the benchmarks measure and tell: medians of at least nine, each beside its bound."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

TIMES = 9
"""Runs that a median is taken of, at least: one disturbed run in two would have to agree to move it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured fact: its value, in its unit, and the most it may be."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the value keeps within its bound."""
        return self.bound is None or self.value <= self.bound


def seconds_of(action: Callable[[], object]) -> float:
    """Return how many seconds an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median(values: Iterable[float]) -> float:
    """Return the median of at least nine values.

    Raises:
        ValueError: there are fewer.
    """
    known = list(values)
    if len(known) < TIMES:
        raise ValueError(f"A median of {len(known)} values says little: measure at least {TIMES} times.")
    return statistics.median(known)


def median_seconds(action: Callable[[], object], *, times: int = TIMES) -> float:
    """Return the median of how many seconds an action takes; it runs once more, before, to warm up."""
    action()
    return median(seconds_of(action) for _ in range(times))


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table: name, value, bound, and whether the bound holds."""
    cells = [(row.name, f"{row.value:.3g} {row.unit}", _bound(row), "ok" if row.ok else "TOO MUCH") for row in rows]
    lines = [("what", "measured", "at most", ""), *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _bound(row: Row) -> str:
    return "-" if row.bound is None else f"{row.bound:.3g} {row.unit}"
