"""The panel's main states at three widths, light and dark: no violation of WCAG 2.2 AA, nothing wider than its place.

The screenshots are in the folder that SEEDREAM_SCREENSHOTS names, if it names one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import opened
from tests.browser.panel import SET_SOURCE, Panel, fill, notebook
from tests.page import tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.browser.jupyter import Notebook, Server

WIDTHS = {"wide": 1400, "middle": 860, "narrow": 500}
"""Of the page; the panel has some 1 240, 700 and 360 of it: what is beside the notebook is folded away."""
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Without the first line axe skips colour contrast without a word, for the page's body can't scroll.
AXE = """async ([place, tags]) => {
  document.body.style.overflow = "visible"
  const found = await axe.run(place, {runOnly: tags})
  return {
    wrong: found.violations.map(({id, nodes}) => [id, nodes.map(node => [node.target.join(" "), node.failureSummary])]),
    contrast: found.passes.concat(found.violations).some(each => each.id === "color-contrast"),
  }
}"""
SPILLED = """() => {
  const panel = document.querySelector(".sd-panel").getBoundingClientRect()
  return [...document.querySelectorAll(".sd-panel button, .sd-panel input, .sd-panel textarea, .sd-panel li")]
    .filter(each => each.getClientRects().length && !each.closest("dialog"))
    .filter(each => each.getBoundingClientRect().right > panel.right + 1)
    .map(each => each.outerHTML.slice(0, 120))
}"""
SMALL = """() => [...document.querySelectorAll(".sd-panel button, .sd-panel input:not([type=radio], [type=checkbox])")]
  .filter(each => each.getClientRects().length)
  .filter(each => each.getBoundingClientRect().height < 31.5 || each.getBoundingClientRect().width < 31.5)
  .map(each => each.outerHTML.slice(0, 120))"""
HISTORY = """
prompts = ["a lighthouse at dusk, oil on canvas", "一只狐狸在雪地里，水墨画，远山如黛，近处有一株老梅",
           "the sea and the hills and the wind " * 40, "product photo of a red mug, studio light"]
if not len(sd.history):
    for prompt, size in zip(prompts, ["1536x864", "864x1536", "1568x672", "1024x1024"]):
        sd.generate(prompt, size=size)
    sd.generate("fifteen views of a fox", size="1024x1024", max_images=15)
"""
NOBODY = "sd.configure(backend='novita', api_key='sk_none', base_url='http://127.0.0.1:9')"
SILENT = """import socket
silent = socket.create_server(("127.0.0.1", 0))
address = f"http://127.0.0.1:{silent.getsockname()[1]}"
sd.configure(backend="novita", api_key="sk_none", base_url=address)"""
SPOKEN = """import time
silent.close()
while not all(job.over for job in sd._default_session().jobs):
    time.sleep(0.05)
sd.configure(backend="sandbox", base_url=None)
sd.generate("a fox", size="1K");"""
STATES = ("empty", "filled", "problem", "refused", "search", "view", "queue")


@pytest.fixture(scope="module")
def lab_server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Server]:
    """Start one JupyterLab for all looks."""
    yield from opened("lab", tmp_path_factory.mktemp("lab"), browser)


@pytest.fixture(scope="module")
def page(lab_server: Server) -> Notebook:
    """Open one notebook for all looks."""
    opened = lab_server.open(notebook(lab_server.root / "looks.ipynb", "", "", "", ""))
    opened.command("application:toggle-left-area")
    return opened


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Give a folder for the home of all states but the empty one."""
    return tmp_path


@pytest.fixture(scope="module")
def axe() -> str:
    """Return axe-core; without it, fail on a machine that is there for tests (CI), and skip elsewhere."""
    if not tools.is_installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(tools.ABSENT)
    return tools.axe().read_text("utf-8")


def into(state: str, panel: Panel) -> None:
    """Bring the panel into a state."""
    if state == "filled":
        panel.prompt.fill("Dress the person in image 1 with the jacket from image 2.")
        for number, words in enumerate(["fifteen views", "product photo"], start=1):
            panel.history.filter(has_text=words).get_by_role("button", name="Use as reference").click()
            expect(panel.references).to_have_count(number)
        panel.region.get_by_role("spinbutton", name="Max images").fill("4")
        panel.generate.focus()
    if state == "queue":
        panel.page.evaluate(SET_SOURCE, [2, SILENT])
        panel.notebook.run(2)
        panel.prompt.fill("a fox that takes its time")
        for number in range(3):
            panel.generate.click()
            expect(panel.region.get_by_role("button", name="Cancel")).to_have_count(number + 1)
    if state == "problem":
        panel.region.get_by_role("radio", name="Custom").check()
        panel.region.get_by_role("spinbutton", name="Width").fill("100")
        panel.add("nothing.png")
        panel.said("size:")
        panel.said("nothing.png")
    if state == "refused":
        panel.page.evaluate(SET_SOURCE, [2, NOBODY])
        panel.notebook.run(2)
        panel.prompt.fill("a fox that nobody makes")
        panel.generate.click()
        expect(panel.button("Try again").first).to_be_visible(timeout=30_000)
    if state == "search":
        panel.region.get_by_role("searchbox", name="Search history").fill("mug")
        expect(panel.history).to_have_count(1)
    if state == "view":
        panel.history.filter(has_text="product photo").get_by_role("button", name="View @").click()
        expect(panel.page.get_by_role("dialog", name="Picture").get_by_role("img")).to_be_visible()


def check(panel: Panel, axe: str, name: str) -> None:
    """Take a picture of a state, and let axe-core look at it."""
    panel.region.locator(".sd-head").scroll_into_view_if_needed()
    panel.page.wait_for_timeout(400)
    if folder := os.environ.get("SEEDREAM_SCREENSHOTS"):
        panel.page.screenshot(path=Path(folder) / f"{name}.png")
    panel.page.evaluate(axe)
    place = "dialog.sd-view" if name.startswith("view") else ".sd-panel"
    found: dict[str, Any] = panel.page.evaluate(AXE, [place, TAGS])
    assert found["wrong"] == []
    # Within a dialog, which lies above the page, axe finds no background to compare with.
    assert found["contrast"] or name.startswith("view")
    assert panel.page.evaluate(SPILLED) == []
    assert panel.page.evaluate(SMALL) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_state_is_for_everyone(page: Notebook, made: Path, axe: str, width: str, theme: str) -> None:
    """Names, roles, contrast; targets of at least 32 pixels; nothing beyond the panel's edge."""
    page.page.set_viewport_size({"width": WIDTHS[width], "height": 1300})
    page.theme(THEMES[theme])  # type: ignore[arg-type]
    for state in STATES:
        panel = fill(page, made / "none") if state == "empty" else fill(page, made, before=HISTORY)
        into(state, panel)
        check(panel, axe, f"{state}-{width}-{theme}")
        if state == "view":
            panel.page.keyboard.press("Escape")
        if state == "queue":
            panel.page.evaluate(SET_SOURCE, [2, SPOKEN])
            panel.notebook.run(2)
