"""What is under way, in a real JupyterLab with a service that holds it back: stopping, trying again, coming back."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.panel import SET_SOURCE, Panel, begin, ended, fill, open_panel, until
from tests.faults.script import POST, Links, OnceRead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.jupyter import Notebook, Server
    from tests.browser.panel import Open
    from tests.faults.server import FaultServer

from tests import waiting

SERVICE = "sd.configure(backend='novita', api_key='sk_test', base_url={url!r}, concurrency=1)"


def holding(fault_server: FaultServer) -> Iterator[threading.Event]:
    """Hold every request back at the service, which has read it, until this is set."""
    free = threading.Event()

    def answer(_: object) -> Links:
        free.wait(120)
        return Links(width=1024, height=1024)

    fault_server.on(POST, OnceRead(answer))
    yield free
    free.set()


@pytest.fixture
def go(fault_server: FaultServer) -> Iterator[threading.Event]:
    """Hold every request back until this is set."""
    yield from holding(fault_server)


@pytest.fixture
def show(page: Notebook, tmp_path: Path, fault_server: FaultServer) -> Iterator[Open]:
    """Give a function that shows a new panel there, whose service is the fault server."""
    page.problems.clear()
    yield partial(fill, page, tmp_path, before=SERVICE.format(url=fault_server.url))
    assert page.problems == []


@pytest.fixture
def show_alone(lab: Server, tmp_path: Path, fault_server: FaultServer) -> Open:
    """Give a function that shows a panel on a page and in a kernel of its own."""
    return partial(open_panel, lab, tmp_path, before=SERVICE.format(url=fault_server.url))


def press(panel: Panel, prompt: str) -> None:
    """Generate."""
    panel.prompt.fill(prompt)
    expect(panel.generate).not_to_have_attribute("aria-busy", "true")
    panel.page.wait_for_timeout(700)  # else it could be taken for the second half of a double click
    panel.generate.click()


def ask_for(panel: Panel, prompt: str) -> Locator:
    """Generate, and return the row of the queue when it is there; it stays only while the service is held back."""
    press(panel, prompt)
    row = panel.region.get_by_role("region", name=prompt)
    expect(row).to_be_visible()
    return row


def test_a_click_reaches_the_service_while_a_cell_runs(show: Open, fault_server: FaultServer, tmp_path: Path) -> None:
    """The POST comes before the cell's end, and the picture too, although the kernel has told the panel of the cell."""
    panel = show(f"sd.configure(price=0.07)\n{until(tmp_path / 'over')}")
    panel.prompt.fill("a fox")
    begin(panel.notebook, 2)
    time.sleep(1)
    expect(panel.generate).to_contain_text("0.07 USD")
    panel.generate.click()
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_enabled()
    (tmp_path / "over").touch()
    assert fault_server.posts[0].began < ended(panel.notebook, 2)
    assert len(fault_server.posts) == 1
    panel.page.evaluate(SET_SOURCE, [2, "sd.configure(price=None)"])
    panel.notebook.run(2)


def test_it_is_still_there_when_its_view_is_opened_again(show: Open, go: threading.Event) -> None:
    """What was typed and what runs."""
    panel = show("panel")
    row = ask_for(panel, "a fox")
    panel.prompt.fill("half a thought")
    panel.notebook.select(1)
    panel.notebook.command("notebook:clear-cell-output")
    expect(panel.region).to_have_count(0)
    panel.notebook.run(2)
    expect(panel.prompt).to_have_value("half a thought")
    expect(row.get_by_text("Generating")).to_be_visible()
    go.set()
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_enabled()


def test_it_is_still_there_when_the_page_is_loaded_again(show_alone: Open, go: threading.Event) -> None:
    """Row, phase and seconds; then the picture."""
    panel = show_alone()
    row = ask_for(panel, "a fox")
    panel.notebook.command("docmanager:save")
    panel.page.reload()
    panel.notebook.ready()
    expect(row.get_by_text("Generating")).to_be_visible()
    go.set()
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_enabled()


def test_a_page_that_is_closed_meanwhile_finds_the_picture_in_the_history(
    show_alone: Open, lab: Server, tmp_path: Path, go: threading.Event
) -> None:
    """Nobody is there when it lands, and nothing is raised in the kernel."""
    panel = show_alone("import threading\nraised = []\nthreading.excepthook = raised.append")
    panel.notebook.run(2)
    ask_for(panel, "a fox")
    panel.page.evaluate(SET_SOURCE, [2, "raised, [(g.status, len(g)) for g in sd.history]"])
    panel.notebook.command("docmanager:save")
    panel.page.close()
    lab.opened.remove(panel.notebook)
    go.set()
    home = tmp_path / "home"
    waiting.until(lambda: list(home.glob("0001-1-*.jpg")))
    again = lab.open(lab.root / f"{tmp_path.name}.ipynb")
    reopened = Panel(again)
    expect(reopened.history.first.get_by_role("button", name="View @1")).to_be_enabled()
    assert again.run(2)[0]["data"]["text/plain"] == "([], [('done', 1)])"


def test_a_kernel_that_died_is_told(show_alone: Open) -> None:
    """With what to do; what was typed can be copied, and no button pretends to work."""
    panel = show_alone("import os; os._exit(1)")
    panel.prompt.fill("half a thought")
    panel.notebook.select(2)
    panel.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")
    panel.said("The kernel was restarted")
    expect(panel.prompt).to_have_value("half a thought")
    expect(panel.generate).to_be_disabled()
