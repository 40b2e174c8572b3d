"""The table for the documentation, from what was measured, and below it what it takes to check it."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.peers.cells import MANY, bytes_a_picture
from benchmarks.peers.server import LATENCY
from benchmarks.peers.ways import BARE, ENVIRONMENTS, WAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import nbformat

    from benchmarks.peers.cells import Run
    from benchmarks.peers.environments import Environment
    from benchmarks.peers.ways import Way

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that was measured of one way."""

    runs: Sequence[Run]
    notebook: nbformat.NotebookNode
    reopened: Mapping[int, Sequence[float]]
    """Seconds until the notebook with so many pictures was open again."""
    packages: int
    size_bytes: int


HEADS = (
    *("loads, s", "first picture, s", "each later, s"),
    *("memory after 1, MB", f"after {MANY}, MB", "notebook, MB a picture"),
    *("reopens with 1, s", "with 8, s", "packages", "on disk, MB"),
)


def figures(measured: Measured) -> tuple[str, ...]:
    """Return what stands below the HEADS for one way: medians."""
    runs = measured.runs
    return (
        _median((run.load for run in runs), 2),
        _median((run.first for run in runs), 2),
        _median((run.later for run in runs), 2),
        _median((run.memory[0] / MEGABYTE for run in runs), 0),
        _median((run.memory[MANY - 1] / MEGABYTE for run in runs), 0),
        f"{bytes_a_picture(measured.notebook) / MEGABYTE:.2f}",
        *(_median(measured.reopened[pictures], 2) for pictures in sorted(measured.reopened)),
        f"{measured.packages}",
        f"{measured.size_bytes / MEGABYTE:.0f}",
    )


def table(measured: Mapping[Way, Measured]) -> str:
    """Return the table; the least of each column is bold."""
    rows = {way.name: figures(each) for way, each in measured.items()}
    least = [min(column, key=float) for column in zip(*rows.values(), strict=True)]
    lines = [("", *HEADS), ("---", *("--:" for _ in HEADS))]
    lines += [
        (name, *(f"**{cell}**" if cell == low else cell for cell, low in zip(row, least, strict=True)))
        for name, row in rows.items()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def note(environments: Mapping[str, Environment], versions: Mapping[str, str], times: int, load: str) -> str:
    """Return what it takes to check the table: what was measured, where, when, with which versions."""
    kernel = environments[BARE].packages
    tools = {**versions, **{name: kernel[name] for name in ("ipykernel", "ipython")}}
    peers = "; ".join(_peer(name, environments[name].packages) for name in ENVIRONMENTS if name != BARE)
    conditions = (
        f"Medians of {times} fresh kernels and as many openings, by turns, on {dt.datetime.now(dt.UTC):%d %B %Y}: "
        f"{_machine()}, load {load}, Python {platform.python_version()}, {_listed(tools)}. With {peers}."
    )
    meaning = (
        f"Pictures: from running the cell until its picture was sent to the notebook, beyond the {LATENCY:g} s in "
        "which the server answered. Memory (USS), packages and disk: beyond those of a kernel alone. Reopened: "
        "trusted, each in a page of its own, whose JupyterLab has shown a little HTML and a picture before, until the "
        "last picture was painted. The least of each column is bold."
    )
    return "\n\n".join(textwrap.fill(each, 120, break_on_hyphens=False) for each in (conditions, meaning))


def load_average() -> str:
    """Return how many processes wanted to run in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def added(environments: Mapping[str, Environment], name: str) -> tuple[int, int]:
    """Return how many packages, and how many bytes, an environment has more than a kernel alone."""
    whole, bare = environments[name], environments[BARE]
    return len(whole.packages.keys() - bare.packages.keys()), whole.size_bytes - bare.size_bytes


def _peer(name: str, packages: Mapping[str, str]) -> str:
    via = f" (openai {packages['openai']})" if name == "JupyterChatbook" else ""
    return f"{name} {packages[name.lower()]}{via}"


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _machine() -> str:
    system = platform.freedesktop_os_release()["PRETTY_NAME"] if platform.system() == "Linux" else platform.platform()
    return f"{os.cpu_count()} cores ({platform.machine()}), {system}"


def _median(values: Iterable[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f}"


def whole(measured: Mapping[Way, Measured], told: str) -> str:
    """Return all that stands between the markers in docs/pages/compared.md, these included."""
    ordered = {way: measured[way] for way in WAYS}
    return f"<!-- peers: written by `python -m benchmarks.peers` -->\n{table(ordered)}\n\n{told}\n<!-- end -->"
