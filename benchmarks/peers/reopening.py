"""Opening saved notebooks in a JupyterLab that is already on the screen, until their last picture is seen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat.sign import NotebookNotary

from tests.browser import chromium
from tests.browser.jupyter import FLAGS, Notebook, serve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.browser.jupyter import Server

FIRST = "first"
"""A small notebook that each page opens before: parts of JupyterLab load with the first of a kind that they show."""
KINDS = ("text/html", "image/png")
"""What it shows: HTML brings MathJax along, with or without a formula."""
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # transparent
)

# A picture is seen when it is decoded and the page was painted twice since. Cells that are out of sight are not in the
# page until they are scrolled to.
OPEN = """async path => {
  const began = performance.now()
  const widget = await window.jupyterapp.commands.execute("docmanager:open", {path, factory: "Notebook"})
  await widget.context.ready
  await widget.revealed
  const last = widget.content.widgets.length - 1
  await widget.content.scrollToItem(last, "center")
  const frame = () => new Promise(done => requestAnimationFrame(done))
  const picture = () => [...widget.content.widgets[last].node.querySelectorAll("img")].find(
    image => image.complete && image.naturalWidth > 256 && image.getBoundingClientRect().height > 256)
  while (!picture() && performance.now() - began < 60000) await frame()
  await picture().decode()
  await frame()
  await frame()
  const seconds = (performance.now() - began) / 1000
  if (!widget.content.model.cells.get(last).trusted) throw new Error(path + " is not trusted")
  widget.dispose()
  return [seconds, window.jupyterapp.version]
}"""

START = """async path => {
  const widget = await window.jupyterapp.commands.execute("docmanager:open", {path, factory: "Notebook"})
  await widget.context.ready
  await widget.revealed
  await new Promise(done => setTimeout(done, 1500))
}"""


def reopen(
    notebooks: Mapping[str, nbformat.NotebookNode], times: int, before: Sequence[str] = KINDS
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Open each notebook so many times, by turns; return the seconds of each, and versions.

    The first turn, in which their kernels start, is thrown away. `before` are the kinds that a page has shown already.
    """
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.get(), args=[*FLAGS])
        versions = {"Chromium": browser.version}
        with serve("lab", Path(folder), browser) as server:
            notary = NotebookNotary(data_dir=str(Path(folder, "data")))
            for name, notebook in {FIRST: _small(before), **notebooks}.items():
                _save(notebook, server.root / f"{name}.ipynb", notary)
            turns = [_turn(server, _rotated(list(notebooks), turn), versions) for turn in range(times + 1)][1:]
        browser.close()
    return {name: [turn[name] for turn in turns] for name in notebooks}, versions


def _save(notebook: nbformat.NotebookNode, path: Path, notary: NotebookNotary) -> None:
    """Write a notebook, and sign it as JupyterLab does for the person who ran it: else its HTML is cleaned first."""
    nbformat.write(notebook, path)
    notary.sign(nbformat.read(path, as_version=4))


def _small(kinds: Sequence[str]) -> nbformat.NotebookNode:
    shown = {"text/html": "<b>1</b>", "image/png": PIXEL}
    outputs = [nbformat.v4.new_output("display_data", data={kind: shown[kind]}) for kind in kinds]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook: nbformat.NotebookNode = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("1", outputs=outputs)], metadata={"kernelspec": kernel}
    )
    return notebook


def _rotated(names: list[str], turn: int) -> list[str]:
    """Return the names in another order for each turn, so that none is always the first."""
    return names[turn % len(names) :] + names[: turn % len(names)]


def _turn(server: Server, names: list[str], versions: dict[str, str]) -> dict[str, float]:
    """Open each notebook once, in a page of its own: what is left of the one before takes time too."""
    seconds = {}
    for name in names:
        seconds[name], versions["JupyterLab"] = _opened(server, name)
    return seconds


def _opened(server: Server, name: str) -> tuple[float, str]:
    opened = Notebook(server.browser.new_page())
    opened.page.set_viewport_size({"width": 1400, "height": 1000})
    opened.page.goto(f"{server.address}/lab?token={server.token}&reset")
    opened.page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
    opened.page.evaluate(START, f"{FIRST}.ipynb")
    seconds, version = opened.page.evaluate(OPEN, f"{name}.ipynb")
    opened.page.close()
    return seconds, version
