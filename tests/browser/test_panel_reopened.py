"""A notebook with a panel on another day: the history in pictures, and what to do, whatever was saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.panel import open_panel

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.jupyter import Notebook, Server
    from tests.browser.panel import Panel

MADE = "sd.generate('a fox', size='1K'); sd.generate('a hare', size='1K')"
STATE = "import json, ipywidgets\nprint(json.dumps(ipywidgets.Widget.get_manager_state()))"
SAVE_STATE = """state => window.jupyterapp.shell.currentWidget.content.model.sharedModel.setMetadata("widgets",
  {"application/vnd.jupyter.widget-state+json": {version_major: 2, version_minor: 0, state}})"""
SHOWN = """() => [...document.querySelectorAll(".jp-OutputArea-child")].filter(each => each.offsetHeight)
  .map(each => each.innerText)"""

HAS_FOX = """() => window.jupyterapp.shell.currentWidget.content.model.cells.get(1).outputs.get(0)
  .data["text/html"].includes("a fox")"""


def another_day(panel: Panel, server: Server) -> Notebook:
    """Save the notebook, close it, end its kernel, and open it again."""
    panel.notebook.command("docmanager:save")
    place = server.root / "panel.ipynb"
    server.close()
    server.opened.clear()
    return server.open(place)


def saved_view(opened: Notebook) -> Locator:
    """Return the static output of the panel."""
    return opened.page.locator("[class^=sd-saved-]")


def shown_now(opened: Notebook) -> str:
    """Wait until the history is there, and return all that the outputs show."""
    expect(saved_view(opened)).to_be_visible()
    expect(saved_view(opened).get_by_role("img")).to_have_count(2)
    opened.nap(0.5)  # whatever else would come
    return "\n".join(opened.page.evaluate(SHOWN))


@pytest.fixture(params=["lab", "notebook7"])
def server(request: pytest.FixtureRequest) -> Server:
    """Give JupyterLab, then Notebook 7."""
    given: Server = request.getfixturevalue(request.param)
    return given


def test_the_history_is_there_in_pictures(server: Server, tmp_path: Path) -> None:
    """And what to do; run again, the panel takes its place, with all in it."""
    panel = open_panel(server, tmp_path / "panel", before=MADE)
    expect(saved_view(panel.notebook)).to_be_hidden()
    panel.prompt.fill("half a thought")
    panel.notebook.nap(1.5)  # it is written soon, and the kernel is ended as by a crash
    opened = another_day(panel, server)
    told = shown_now(opened)
    assert "Run this cell again to go on." in told
    assert "Error" not in told
    opened.run(0)
    opened.run(1)
    expect(opened.page.get_by_role("textbox", name="Prompt")).to_have_value("half a thought")
    expect(saved_view(opened)).to_be_hidden()


def test_saved_with_the_state_of_its_widgets_it_is_no_different(lab: Server, tmp_path: Path) -> None:
    """Nor is a notebook of somebody else, which JupyterLab does not trust."""
    panel = open_panel(lab, tmp_path / "panel", STATE, before=MADE)
    state = "".join(output["text"] for output in panel.notebook.run(2))
    panel.page.evaluate(SAVE_STATE, json.loads(state))
    panel.notebook.command("notebook:clear-cell-output")
    opened = another_day(panel, lab)
    told = shown_now(opened)
    assert told.count("Run this cell again to go on.") == 1
    assert "Error" not in told
    assert opened.page.get_by_role("region", name="Seedream").count() == 0
    foreign = lab.root / "foreign.ipynb"
    text = json.loads((lab.root / "panel.ipynb").read_text("utf-8"))
    text["cells"][0]["source"] = "1 + 1"
    foreign.write_text(json.dumps(text), "utf-8")
    told = shown_now(lab.open(foreign))
    assert told.count("Run this cell again to go on.") == 1
    assert "Error" not in told


def test_what_is_made_later_is_in_what_is_saved(lab: Server, tmp_path: Path) -> None:
    """Without running the cell again, and no other cell is touched."""
    panel = open_panel(lab, tmp_path / "panel")
    panel.make("a fox", 1)
    panel.page.wait_for_function(HAS_FOX)
