"""Reopening a saved notebook in JupyterLab: 8 of our results beside 8 full JPEGs, as an SDK leaves them there."""

from __future__ import annotations

import base64
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from benchmarks.measure import TIMES, Row, median
from benchmarks.peers.reopening import KINDS, reopen
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.view import bundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PICTURES = 8
OURS, FULL = "ours", "full"
SOURCES = {OURS: "%%seedream\na fox in the snow", FULL: "display(Image(base64.b64decode(reply.data[0].b64_json)))"}


def run() -> list[Row]:
    """Open both by turns, in a new page each time: one that has shown HTML before, and one that has not.

    With the first HTML of a page, whatever stands in it, JupyterLab loads MathJax.
    """
    with tempfile.TemporaryDirectory() as folder:
        notebooks = {name: _saved(SOURCES[name], shown) for name, shown in _outputs(Path(folder)).items()}
    later, first = (_ratio(reopen(notebooks, TIMES, before)[0]) for before in (KINDS, KINDS[1:]))
    size = {name: len(nbformat.writes(notebook)) for name, notebook in notebooks.items()}
    return [
        Row(name="8 results opened again: of the time of 8 full JPEGs", value=later, unit="times", bound=1),
        Row(name="8 results opened again, the first HTML of a page", value=first, unit="times", bound=1.25),
        Row(name="8 results: of the notebook of 8 full JPEGs", value=size[OURS] / size[FULL], unit="times", bound=0.3),
    ]


def _ratio(seconds: Mapping[str, Sequence[float]]) -> float:
    return median(seconds[OURS]) / median(seconds[FULL])


def _outputs(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Return what is shown of the same pictures in both ways."""
    settings = Settings(environ={}, folder=folder)
    settings.change(backend="sandbox")
    with contextlib.closing(Session(settings=settings, bundle=bundle, lingers=False)) as session:
        made = [session.start(f"a fox in the snow, {number}", size="2048x2048").result() for number in range(PICTURES)]
        ours = [dict(bundle(each, folder=folder)) for each in made]
    full = [base64.b64encode(each[0].path.read_bytes()).decode() for each in made]
    return {OURS: ours, FULL: [{"text/plain": "<Image>", "image/jpeg": each} for each in full]}


def _saved(source: str, shown: Iterable[Mapping[str, str]]) -> nbformat.NotebookNode:
    cells = [new_code_cell(source, outputs=[new_output("display_data", data=dict(each))]) for each in shown]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook: nbformat.NotebookNode = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    return notebook
