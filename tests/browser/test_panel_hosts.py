"""The panel on other hosts: Notebook 7, and JupyterLab with older kernels."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests import kernels
from tests.browser.conftest import opened
from tests.browser.panel import SET_SOURCE, begin, ended, open_panel, type_at_each, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext

    from tests.browser.jupyter import Server
    from tests.browser.panel import Panel
    from tests.faults.server import FaultServer

LAYOUT = """panel => [getComputedStyle(panel, "::before").content, getComputedStyle(panel).display,
  [...panel.children].map(each => each.className).filter(Boolean), panel.offsetWidth]"""
"""What ipywidgets' own mark of a widget without a kernel would change."""
SERVICE = "sd.configure(backend='novita', api_key='sk_test', base_url={url!r})"


@pytest.fixture
def older(request: pytest.FixtureRequest, tmp_path: Path, profile: BrowserContext) -> Iterator[Server]:
    """Start a JupyterLab whose kernels are an older ipykernel."""
    version: str = request.param
    if not kernels.is_there(version):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(kernels.ABSENT.format(version=version))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kernels.environment(version).items():
            patch.setenv(name, value)
        with opened("lab", tmp_path, profile) as server:
            yield server


def press_while_busy(panel: Panel) -> None:
    """Press Generate while the third cell runs."""
    panel.prompt.fill("a fox")
    begin(panel.notebook, 2)
    time.sleep(1)
    panel.generate.click()


def test_in_notebook_7_it_makes_a_picture_and_keeps_what_is_typed(notebook7: Server, tmp_path: Path) -> None:
    """The same panel; `dd`, `x`, `b`, `m`, `00` there neither change a cell nor restart the kernel."""
    panel = open_panel(notebook7, tmp_path)
    panel.make("a fox", 1)
    panel.history.first.get_by_role("button", name="Copy as cell").click()
    panel.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.model.cells.length === 5")
    assert panel.sources()[2] == "%%seedream\na fox"
    panel.page.evaluate(SET_SOURCE, [3, "sd.history[-1].prompt"])
    before = panel.sources()
    assert {"Watermark", "Search history"} <= {*type_at_each(panel)}
    panel.page.wait_for_timeout(300)
    assert panel.sources() == before
    assert panel.notebook.run(3)[0]["data"]["text/plain"] == "'a fox'"


@pytest.mark.parametrize("older", ["7.3.0"], indirect=True)
def test_on_ipykernel_7_3_a_click_is_acted_on_at_once(older: Server, tmp_path: Path, fault_server: FaultServer) -> None:
    """While a cell runs."""
    panel = open_panel(older, tmp_path, until(tmp_path / "over"), before=SERVICE.format(url=fault_server.url))
    press_while_busy(panel)
    expect(panel.history).to_have_count(1)
    (tmp_path / "over").touch()
    assert fault_server.posts[0].began < ended(panel.notebook, 2)


@pytest.mark.parametrize("older", ["6.31.0"], indirect=True)
def test_on_ipykernel_6_a_click_waits_for_the_cell_and_is_acted_on_once(
    older: Server, tmp_path: Path, fault_server: FaultServer
) -> None:
    """The page says so; the click is neither lost nor doubled."""
    panel = open_panel(older, tmp_path, until(tmp_path / "over"), before=SERVICE.format(url=fault_server.url))
    press_while_busy(panel)
    expect(panel.region.get_by_text("Queued until the running cell ends.")).to_be_visible()
    (tmp_path / "over").touch()
    over = ended(panel.notebook, 2)
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_enabled()
    expect(panel.region.get_by_text("Queued until the running cell ends.")).to_have_count(0)
    assert [post.began > over for post in fault_server.posts] == [True]
    time.sleep(1)
    assert len(fault_server.posts) == 1


def test_the_pieces_can_be_used_alone(lab: Server, tmp_path: Path) -> None:
    """A gallery of the history, and a tray whose value is what `images=` takes."""
    panel = open_panel(
        lab,
        tmp_path,
        "tray = sd.ReferenceTray()\ntray",
        "sd.Gallery(sd.history)",
        before="sd.generate('a fox', size='1K')",
    )
    panel.notebook.run(2)
    panel.notebook.run(3)
    expect(panel.notebook.output(3).get_by_role("listitem", name="a fox")).to_be_visible()
    tray = panel.notebook.output(2)
    tray.get_by_role("textbox", name="Add by name, path or URL").fill("@1")
    tray.get_by_role("textbox", name="Add by name, path or URL").press("Enter")
    expect(tray.get_by_role("list", name="Reference images").get_by_role("listitem")).to_have_count(1)


def test_after_a_restart_of_the_kernel_it_says_what_to_do(lab: Server, tmp_path: Path) -> None:
    """What was typed stays, even what is typed then, and is there when the cell has run again."""
    panel = open_panel(lab, tmp_path)
    panel.prompt.fill("half a thought")
    before = panel.region.evaluate(LAYOUT)
    panel.notebook.restart()
    panel.said("The kernel was restarted")
    expect(panel.prompt).to_have_value("half a thought")
    expect(panel.generate).to_be_disabled()
    assert panel.region.evaluate(LAYOUT) == before
    panel.prompt.fill("half a thought, and the rest")
    panel.notebook.run(0)
    panel.notebook.run(1)
    expect(panel.generate).to_be_enabled()
    expect(panel.prompt).to_have_value("half a thought, and the rest")
