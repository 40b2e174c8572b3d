"""The panel's main states at three widths, light and dark: no violation of WCAG 2.2 AA, and everything in its place.

The screenshots are in the folder that SEEDREAM_SCREENSHOTS names, if it names one.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from benchmarks import bench_history
from tests.browser.looks import PICTURES, REFUSED, THEMES, look, misplaced, picture_of, resize, use_service, widen
from tests.browser.panel import Panel, fill, open_panel
from tests.faults.script import POST, Links, Reply
from tests.faults.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.jupyter import Notebook, Server

pytestmark = pytest.mark.timeout(300)
MANY = 1000
SCROLLED_TO = """number => {
  document.querySelector(".sd-scroll").scrollTop += 300
  return document.querySelector(`.sd-card[aria-label*="number ${number},"]`)
}"""


@pytest.fixture(scope="module")
def made(wide_page: Notebook, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home with pictures, once."""
    folder = tmp_path_factory.mktemp("made")
    fill(wide_page, folder, before=PICTURES)
    return folder


@pytest.fixture
def panel(wide_page: Notebook, made: Path, tmp_path: Path) -> Panel:
    """Show a panel whose home has pictures, a home of its own."""
    shutil.copytree(made / "home", tmp_path / "home")
    shown = fill(wide_page, tmp_path)
    expect(shown.history).to_have_count(5)
    return shown


@pytest.fixture
def service(wide_page: Notebook) -> Iterator[FaultServer]:
    """Start a service that answers as it is told; what was asked of it is gone afterwards."""
    with FaultServer() as server:
        yield server
    wide_page.restart()


def test_empty(wide_page: Notebook, tmp_path: Path) -> None:
    """With nothing made yet, the panel invites to begin."""
    panel = fill(wide_page, tmp_path)
    expect(panel.region.get_by_role("group", name="Examples")).to_be_visible()
    assert look(panel, "empty") == {}


def test_an_example_fills_the_prompt(wide_page: Notebook, tmp_path: Path) -> None:
    """Another takes its place, and what is pressed next generates."""
    panel = fill(wide_page, tmp_path)
    panel.button("A fox in the snow, ink wash").click()
    panel.button("A lighthouse at dusk, oil on canvas").click()
    expect(panel.prompt).to_have_value("A lighthouse at dusk, oil on canvas")
    expect(panel.prompt).to_be_focused()


def test_filled(panel: Panel) -> None:
    """A prompt, two references, four pictures asked for."""
    panel.prompt.fill(
        "Dress the person in image 1 with the jacket from image 2. Keep the pose and the light of image 1."
    )
    for number, words in enumerate(["fifteen views", "product photo"], start=1):
        panel.history.filter(has_text=words).get_by_role("button", name="Use as reference").click()
        expect(panel.references).to_have_count(number)
    panel.region.get_by_role("spinbutton", name="Max images").fill("4")
    panel.region.get_by_role("radio", name="16:9").check()
    assert look(panel, "filled") == {}


def test_no_width_cuts_anything(panel: Panel) -> None:
    """From a phone's width to a screen's, whatever lies between, everything has its place."""
    wrong = {}
    for width in range(320, 1000, 20):
        widen(panel.page, width)
        wrong[width] = misplaced(panel.page)
    assert {width: found for width, found in wrong.items() if found} == {}


def test_a_problem_at_a_field(panel: Panel) -> None:
    """A size that the service doesn't make, and a reference that doesn't exist."""
    panel.region.get_by_role("radio", name="Custom").check()
    panel.region.get_by_role("spinbutton", name="Width").fill("100")
    panel.add("nothing.png")
    panel.said("size:")
    panel.said("nothing.png")
    assert look(panel, "problem") == {}


def test_requests_that_fail_run_and_wait(panel: Panel, service: FaultServer) -> None:
    """What the service refused, with its reason; then one that is generated; then three."""
    refused = Reply(status=400, body=json.dumps(REFUSED).encode(), headers={"Content-Type": "application/json"})
    service.on(POST, refused, *[Links(delay=600)] * 3)
    use_service(panel, service.url)
    panel.prompt.fill("a fox that the service does not want to paint")
    panel.generate.click()
    refused_request = panel.region.get_by_role("region", name="a fox that the service does not want to paint")
    expect(refused_request.get_by_role("button", name="Edit request")).to_be_visible()
    expect(refused_request).to_contain_text("safety check refused")
    assert look(panel, "refused") == {}
    panel.button("Dismiss").click()
    expect(panel.button("Dismiss")).to_have_count(0)
    cancel = panel.region.get_by_role("button", name="Cancel")
    for number, prompt in enumerate(["a fox that takes its time", "一只狐狸在雪地里", "the sea and the hills " * 9]):
        panel.prompt.fill(prompt)
        panel.generate.click()
        expect(cancel).to_have_count(number + 1)
        if number == 0:
            expect(panel.region).to_contain_text("Generating")
            assert look(panel, "running") == {}
    assert look(panel, "queue") == {}


def test_fifteen_results(panel: Panel) -> None:
    """A series of fifteen, of which the last is chosen, and made a reference from its card."""
    card = panel.history.filter(has_text="fifteen views")
    card.get_by_role("button", name="Previous picture").click()
    expect(card).to_contain_text("15 of 15")
    card.get_by_role("button", name="Star").click()
    card.get_by_role("button", name="Use as reference").hover()
    assert look(panel, "fifteen") == {}


def test_search(panel: Panel) -> None:
    """Only what has the words."""
    panel.region.get_by_role("searchbox", name="Search history").fill("mug")
    expect(panel.history).to_have_count(1)
    assert look(panel, "search") == {}


def test_the_full_size_view(panel: Panel) -> None:
    """A picture as large as the page, with the others of its series small beside it: Tab comes to the one shown."""
    panel.history.filter(has_text="fifteen views").get_by_role("button", name="View @").click()
    dialog = panel.page.get_by_role("dialog", name="Picture")
    small = dialog.get_by_role("group", name="Pictures of @5").get_by_role("button")
    expect(small).to_have_count(15)
    small.first.focus()
    panel.page.keyboard.press("ArrowRight")
    expect(small.nth(1)).to_be_focused()
    assert look(panel, "view", "dialog.sd-view") == {}
    panel.page.keyboard.press("Escape")


def many(home: Path) -> None:
    """Write a home with a thousand generations, all of the same picture."""
    home.mkdir()
    bench_history.write(home, MANY)
    picture = home.parent / "picture.jpg"
    Image.radial_gradient("L").convert("RGB").resize((1024, 768)).save(picture)
    for path in home.glob("*-1-*.jpg"):
        path.unlink()
        os.link(picture, path)


def test_a_thousand_in_the_history(wide_page: Notebook, tmp_path: Path) -> None:
    """The panel is as high as ever, and what is older comes as one scrolls."""
    many(tmp_path / "home")
    resize(wide_page.page, "wide")
    panel = fill(wide_page, tmp_path)
    expect(panel.history.nth(8)).to_be_attached()
    panel.page.wait_for_function(SCROLLED_TO, arg=MANY - 100)
    height = panel.region.bounding_box()
    assert height is not None
    assert height["height"] < 1300
    assert look(panel, "thousand") == {}


def test_notebook_7(notebook7: Server, tmp_path: Path, made: Path) -> None:
    """The panel takes its colours from Notebook 7 too."""
    shutil.copytree(made / "home", tmp_path / "looks7" / "home")
    panel = open_panel(notebook7, tmp_path / "looks7")
    expect(panel.history).to_have_count(5)
    for theme, name in THEMES.items():
        panel.notebook.theme(name)
        back = panel.region.evaluate("each => getComputedStyle(each).backgroundColor")
        assert (back == "rgb(255, 255, 255)") == (theme == "light")
        picture_of(panel.page, f"notebook7-{theme}")
    panel.notebook.theme(THEMES["light"])
