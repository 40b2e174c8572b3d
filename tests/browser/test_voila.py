"""A notebook as a page of its own, by Voila: results and the panel are there, the cells' sources are not."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.panel import notebook
from tests.conftest import empty_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

# Each starts a server, a kernel and a page, which takes ten seconds, and minutes where much else runs.
from tests.waiting import until

pytestmark = pytest.mark.timeout(400)

CELLS = (
    "%load_ext seedream_nb\nimport seedream_nb as sd\nsd.configure(backend='sandbox')",
    "%%seedream --size 1K\na fox in the snow",
    "sd.panel()",
)
# The colours of the panel and of the page around it, as light from 0 to 255.
LIGHT = """() => {
  const light = colour => colour.match(/[0-9.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3
  const panel = getComputedStyle(document.querySelector("[role=region][aria-label=Seedream], .sd-panel"))
  return [light(panel.backgroundColor), light(panel.color), light(getComputedStyle(document.body).backgroundColor)]
}"""

ON_CLIPBOARD = "async text => await navigator.clipboard.readText() === text"


def here_only(route: Route) -> None:
    """Let nothing leave this machine: Voila's own template asks for icons from elsewhere."""
    if urllib.parse.urlsplit(route.request.url).hostname in {None, "127.0.0.1"}:
        route.fallback()
    else:
        route.abort()


@contextlib.contextmanager
def served(folder: Path, theme: str) -> Iterator[str]:
    """Serve the notebook app.ipynb of a folder; give the address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = (f"--port={port}", "--Voila.ip=127.0.0.1", "--no-browser", f"--theme={theme}")
    with (folder / "voila.log").open("w") as log:
        command = [sys.executable, "-m", "voila", "app.ipynb", *options]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(process, port, folder / "voila.log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path, seconds: float = 120) -> None:
    """Wait until the server listens; whoever asks for a page gets a notebook that runs, so nobody asks."""

    def is_over() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return True
        return process.poll() is not None

    until(is_over, seconds, told=log.read_text)
    if process.poll() is not None:
        raise RuntimeError(f"Voila did not start:\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def shown(folder: Path, browser: Browser, theme: str) -> Iterator[Page]:
    """Open the notebook by Voila in a theme, until its panel is there."""
    notebook(folder / "app.ipynb", *CELLS)
    with empty_environment(folder / "home"), served(folder, theme) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 1400})
        page.route("**/*", here_only)
        page.goto(address, timeout=120_000)
        expect(page.get_by_role("button", name="Generate")).to_be_visible(timeout=120_000)
        yield page
        page.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder of the light page."""
    return tmp_path_factory.mktemp("voila")


@pytest.fixture(scope="module")
def light(folder: Path, browser: Browser) -> Iterator[Page]:
    """Open it in light colours, once: each visitor has it run anew."""
    with shown(folder, browser, "light") as page:
        yield page


def test_the_panel_makes_a_picture(light: Page, folder: Path) -> None:
    """A click on Generate: the picture is in the history of the page, and on disk."""
    panel = light.get_by_role("region", name="Seedream")
    panel.get_by_role("textbox", name="Prompt").fill("a lighthouse")
    panel.get_by_role("button", name="Generate").click()

    made = panel.get_by_role("list", name="History").get_by_role("listitem", name="a lighthouse")

    expect(made.get_by_role("button", name="View @2")).to_be_enabled(timeout=20_000)
    assert (folder / "seedream" / "0002-1-a-lighthouse.jpg").is_file()


def test_a_cell_is_copied_to_the_clipboard(light: Page) -> None:
    """For there are no cells; where that is forbidden, the panel shows it."""
    panel = light.get_by_role("region", name="Seedream")
    card = panel.get_by_role("list", name="History").get_by_role("listitem", name="a fox in the snow")
    cell = "%%seedream --size 1K\na fox in the snow"

    light.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card.get_by_role("button", name="Copy as cell").click()
    expect(card).to_contain_text("The cell that makes @1 is on the clipboard.")
    light.wait_for_function(ON_CLIPBOARD, arg=cell)  # which the browser fills a moment later

    light.context.clear_permissions()
    light.context.grant_permissions(["clipboard-read"])  # and nothing else
    card.get_by_role("button", name="Copy as cell").click()
    expect(card).to_contain_text("The cell is above the history: copy it from there.")
    expect(panel.get_by_role("textbox", name="The cell")).to_have_value(cell)


def test_the_result_of_a_cell_is_there_without_its_source(light: Page) -> None:
    """The picture that a cell made is shown and can be seen; what the cell says is not on the page."""
    picture = light.get_by_role("img", name="a fox in the snow (@1.1) (sandbox)").first

    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1024
    assert "%%seedream" not in light.content()


def test_on_a_light_page_the_panel_is_light(light: Page) -> None:
    """Dark text on a light ground, as the page around it."""
    back, text, around = light.evaluate(LIGHT)

    assert (back > 128, text < 128, around > 128) == (True, True, True)


def test_on_a_dark_page_the_panel_is_dark(tmp_path: Path, browser: Browser) -> None:
    """Light text on a dark ground, as the page around it."""
    with shown(tmp_path, browser, "dark") as page:
        back, text, around = page.evaluate(LIGHT)

    assert (back < 128, text > 128, around < 128) == (True, True, True)
