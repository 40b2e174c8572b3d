"""Measure all ways and print the table of the docs: `python -m benchmarks.peers [--times N] [--keep FOLDER]`.

It makes four virtual environments and one for comparison from PyPI, in a folder that goes at the end unless one is
given to keep them for the next time, and takes ten minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import environments, report
from benchmarks.peers.cells import BEFORE, run
from benchmarks.peers.reopening import reopen
from benchmarks.peers.server import serving
from benchmarks.peers.ways import ENVIRONMENTS, WAYS

if TYPE_CHECKING:
    import nbformat

    from benchmarks.peers.cells import Run
    from benchmarks.peers.environments import Environment
    from benchmarks.peers.ways import Way

FEW, SEVERAL = 1, 8
"""Pictures in the notebooks that are opened again."""
TIMES = 5
"""Runs that a median is taken of, unless told otherwise; the note below the table says of how many."""


def main(words: list[str]) -> None:
    """Measure, telling on stderr what is under way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Us beside the peers.")
    parser.add_argument("--times", type=int, default=TIMES, metavar="N", help="runs of each way (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to keep the environments, or find them")
    options = parser.parse_args(words)
    load = report.load_average()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = {name: _made(folder / name, needed) for name, needed in ENVIRONMENTS.items()}
        url = stack.enter_context(serving())
        notebooks = {way: _run(way, made, url, SEVERAL).notebook for way in WAYS}  # also warms up
        turns = [{way: _run(way, made, url) for way in WAYS} for _ in range(options.times)]
    _tell("opening the notebooks")
    numbered = {f"{WAYS.index(way)}-{n}": _cut(notebooks[way], n) for way in WAYS for n in (FEW, SEVERAL)}
    reopened, versions = reopen(numbered, options.times)
    measured = {}
    for number, way in enumerate(WAYS):
        packages, size_bytes = report.added(made, way.environment)
        measured[way] = report.Measured(
            runs=[turn[way] for turn in turns],
            notebook=notebooks[way],
            reopened={n: reopened[f"{number}-{n}"] for n in (FEW, SEVERAL)},
            packages=packages,
            size_bytes=size_bytes,
        )
    load = f"{load} before and {report.load_average()} after"
    print(report.whole(measured, report.note(made, versions, options.times, load)))


def _made(folder: Path, requirements: tuple[str, ...]) -> Environment:
    _tell(f"environment: {folder.name}")
    return environments.make(folder, requirements)


def _run(way: Way, made: dict[str, Environment], url: str, pictures: int = 4) -> Run:
    _tell(f"kernel: {way.name}")
    return run(way, made[way.environment].python, url, pictures)


def _cut(notebook: nbformat.NotebookNode, pictures: int) -> nbformat.NotebookNode:
    """Return a notebook with only its first pictures."""
    cut = copy.deepcopy(notebook)
    cut.cells = cut.cells[: BEFORE + pictures]
    return cut


def _tell(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
