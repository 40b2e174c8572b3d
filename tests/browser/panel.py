"""The panel in a real browser, found by role and accessible name as a screen reader finds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.jupyter import Notebook, Server

    Open = Callable[..., "Panel"]
    """Shows a panel: what its notebook's further cells say, then the options of `fill`."""

# A machine that does other things besides may take longer than Playwright's five seconds.
expect.set_options(timeout=20_000)

CELLS = "() => window.jupyterapp.shell.currentWidget.content.model.cells.length"
SOURCES = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === "code").map(cell => cell.model.sharedModel.getSource())"""
SET_SOURCE = """([index, text]) => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === "code")[index].model.sharedModel.setSource(text)"""
COUNT = """index => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === "code")[index].model.sharedModel.execution_count"""
FILES = """files => {
  const carried = new DataTransfer()
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0))
    carried.items.add(new File([bytes], name, {type}))
  }
  return carried
}"""


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of these code cells."""
    made: list[dict[str, object]] = [
        {"cell_type": "code", "execution_count": None, "id": f"cell{n}", "metadata": {}, "outputs": [], "source": text}
        for n, text in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    return path


FOCUSED = """() => {
  const each = document.activeElement
  const name = each.getAttribute("aria-label") || each.labels?.[0]?.textContent || each.textContent
  return each.closest(".sd-panel") && name.trim()
}"""
FORGET = """() => Object.keys(sessionStorage).filter(key => key.startsWith("seedream-draft-"))
  .forEach(key => sessionStorage.removeItem(key))"""
COMMANDS = "ddxbm00"
"""Keys that delete, cut, add and change cells and restart the kernel, where the notebook gets them."""


class Panel:
    """A panel on a page."""

    def __init__(self, opened: Notebook) -> None:
        """Find the panel of this notebook."""
        self.notebook, self.page = opened, opened.page
        self.region = self.page.get_by_role("region", name="Seedream")
        self.prompt = self.region.get_by_role("textbox", name="Prompt")
        self.generate = self.region.get_by_role("button", name="Generate")
        self.references = self.region.get_by_role("list", name="Reference images").get_by_role("listitem")
        self.history = self.region.get_by_role("list", name="History").get_by_role("listitem")
        self.name = self.region.get_by_role("textbox", name="Add by name, path or URL")
        self.zone = self.region.locator(".sd-zone")
        expect(self.generate).to_be_visible(timeout=20_000)
        expect(self.generate).to_contain_text("picture")
        expect(self.region.get_by_text(" of 10")).to_be_visible()  # the tray, which comes by itself

    def button(self, name: str) -> Locator:
        """Return a button of exactly this name."""
        return self.region.get_by_role("button", name=name, exact=True)

    def said(self, text: str) -> None:
        """Wait until an alarm says this."""
        expect(self.region.get_by_role("alert").filter(has_text=text).first).to_be_visible()

    def make(self, prompt: str, count: int) -> None:
        """Generate, and wait until so many generations are in the history, the newest with its picture."""
        self.prompt.fill(prompt)
        self.generate.click()
        expect(self.history).to_have_count(count, timeout=20_000)
        expect(self.history.first.get_by_role("button", name="View @")).to_be_enabled(timeout=20_000)

    def add(self, written: str) -> None:
        """Add a reference by name."""
        self.name.fill(written)
        self.name.press("Enter")

    def drop(self, name: str, content: str, kind: str = "image/png") -> None:
        """Drop a file of this base64 content on the tray."""
        carried = self.page.evaluate_handle(FILES, [[name, kind, content]])
        self.zone.dispatch_event("drop", {"dataTransfer": carried})

    def cells(self) -> int:
        """Return how many cells the notebook has."""
        return int(self.page.evaluate(CELLS))

    def sources(self) -> list[str]:
        """Return what the code cells say."""
        found: list[str] = self.page.evaluate(SOURCES)
        return found


def type_at_each(panel: Panel) -> list[str]:
    """Type commands at every control, to which Tab comes one after the other; return the names of the controls."""
    keys, found = panel.page.keyboard, list[str]()
    panel.prompt.focus()
    while name := panel.page.evaluate(FOCUSED):
        found.append(name)
        for key in COMMANDS:
            keys.press(key)
        if name == "Search history":  # the cards have to be there again before Tab comes to them
            expect(panel.history).to_have_count(0)
            panel.region.get_by_role("searchbox").fill("")
            expect(panel.history.first.get_by_role("button").first).to_be_visible()
        keys.press("Tab")
    return found


def until(path: Path, seconds: float = 20) -> str:
    """Return a cell that runs until a file is there, at most so many seconds, and says when it ended."""
    return f"""import pathlib, time
last = time.monotonic() + {seconds}
while time.monotonic() < last and not pathlib.Path({str(path)!r}).exists():
    time.sleep(0.02)
time.monotonic()"""


def begin(opened: Notebook, index: int) -> None:
    """Begin to run a cell, and don't wait for its end."""
    opened.select(index)
    opened.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")


def ended(opened: Notebook, index: int) -> float:
    """Wait until a cell of `until` has ended, and return when that was, by this machine's monotonic clock."""
    opened.page.wait_for_function(f"index => ({COUNT})(index) !== null", arg=index, timeout=30_000)
    return float(opened.outputs(index)[0]["data"]["text/plain"])


TRIM = """count => {
  const model = window.jupyterapp.shell.currentWidget.content.model.sharedModel
  while (model.cells.length > count) model.deleteCell(model.cells.length - 1)
}"""
SPARE = 2


def open_panel(server: Server, folder: Path, *more: str, before: str = "", width: int = 1400) -> Panel:
    """Open a notebook of its own with a panel: see `fill`."""
    opened = server.open(notebook(server.root / f"{folder.name}.ipynb", *[""] * (2 + SPARE)), width=width)
    return fill(opened, folder, *more, before=before)


def fill(opened: Notebook, folder: Path, *more: str, before: str = "") -> Panel:
    """Let a notebook's second cell show a new panel, in the sandbox, with a home of its own.

    Args:
        opened: the notebook, which may have had a panel before.
        folder: where the home is made.
        more: what its third and fourth cell say; they are not run.
        before: what its first cell does besides.
    """
    opened.page.evaluate(TRIM, 2 + SPARE)
    opened.command("notebook:clear-all-cell-outputs")  # another panel's, too
    opened.page.evaluate(FORGET)
    settings = f"backend='sandbox', base_url=None, home={str(folder / 'home')!r}"
    first = f"import seedream_nb as sd\nsd.configure({settings})\n{before}"
    for index, source in enumerate([first, "panel = sd.panel()\npanel", *more, *[""] * (SPARE - len(more))]):
        opened.page.evaluate(SET_SOURCE, [index, source])
    opened.run(0)
    opened.run(1)
    return Panel(opened)
