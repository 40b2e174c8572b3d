"""The panel on other hosts: Notebook 7, and JupyterLab with older kernels."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests import kernels
from tests.browser.conftest import opened
from tests.browser.panel import COUNT, open_panel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.jupyter import Server
    from tests.browser.panel import Panel

BUSY = "import time; time.sleep(6)"


@pytest.fixture
def older(request: pytest.FixtureRequest, tmp_path: Path, browser: Browser) -> Iterator[Server]:
    """Start a JupyterLab whose kernels are an older ipykernel."""
    version: str = request.param
    if not kernels.is_there(version):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(kernels.ABSENT.format(version=version))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kernels.environment(version).items():
            patch.setenv(name, value)
        with opened("lab", tmp_path, browser) as server:
            yield server


def press_while_busy(panel: Panel) -> None:
    """Press Generate while the third cell runs."""
    panel.prompt.fill("a fox")
    panel.notebook.select(2)
    panel.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")
    time.sleep(1)
    panel.generate.click()


def test_in_notebook_7_it_makes_a_picture(notebook7: Server, tmp_path: Path) -> None:
    """The same panel."""
    panel = open_panel(notebook7, tmp_path)
    panel.make("a fox", 1)
    panel.history.first.get_by_role("button", name="Copy as cell").click()
    panel.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.model.cells.length === 5")
    assert panel.sources()[2] == "%%seedream\na fox"


@pytest.mark.parametrize("older", ["7.3.0"], indirect=True)
def test_on_ipykernel_7_3_a_click_is_acted_on_at_once(older: Server, tmp_path: Path) -> None:
    """While a cell runs."""
    panel = open_panel(older, tmp_path, "import time; time.sleep(20)")
    press_while_busy(panel)
    expect(panel.history).to_have_count(1, timeout=16_000)
    assert panel.page.evaluate(COUNT, 2) is None


@pytest.mark.parametrize("older", ["6.31.0"], indirect=True)
def test_on_ipykernel_6_a_click_waits_for_the_cell_and_is_acted_on_once(older: Server, tmp_path: Path) -> None:
    """The page says so; the click is neither lost nor doubled."""
    panel = open_panel(older, tmp_path, BUSY)
    press_while_busy(panel)
    expect(panel.region.get_by_text("Queued until the running cell ends.")).to_be_visible()
    expect(panel.history).to_have_count(1, timeout=20_000)
    expect(panel.region.get_by_text("Queued until the running cell ends.")).to_have_count(0)
    time.sleep(1)
    expect(panel.history).to_have_count(1)


def test_two_views_of_a_panel_show_the_same(lab: Server, tmp_path: Path) -> None:
    """What is typed in one stands in the other, and what one makes is in both."""
    panel = open_panel(lab, tmp_path, "panel")
    panel.notebook.run(2)
    prompts = panel.page.get_by_role("textbox", name="Prompt")
    expect(prompts).to_have_count(2)
    prompts.nth(0).fill("a fox")
    expect(prompts.nth(1)).to_have_value("a fox")
    panel.page.get_by_role("button", name="Generate").nth(1).click()
    for number in range(2):
        history = panel.page.get_by_role("list", name="History").nth(number).get_by_role("listitem")
        expect(history).to_have_count(1, timeout=10_000)


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
    """And what was typed can still be copied."""
    panel = open_panel(lab, tmp_path)
    panel.prompt.fill("half a thought")
    panel.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    panel.said("The kernel was restarted")
    expect(panel.prompt).to_have_value("half a thought")
    expect(panel.generate).to_be_disabled()
