"""The panel for everyone: by keyboard alone, enlarged, without motion, in forced colours; and nothing jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.looks import WIDTHS, misplaced, picture_of, resize, use_service
from tests.browser.panel import SET_SOURCE, Panel, fill, type_at_each
from tests.faults.script import POST, Links
from tests.faults.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.jupyter import Notebook

pytestmark = pytest.mark.timeout(300)
# A ring is drawn around what has the focus, around the label that is drawn for it, or around its card.
FOCUSED = """() => {
  const each = document.activeElement
  if (!each.closest(".sd-panel")) return null
  const named = each.getAttribute("aria-label") || each.labels?.[0]?.textContent || each.textContent
  const around = [each, each.closest("label"), each.closest(".sd-card")].filter(Boolean)
  const ringed = around.some(one => {
    const style = getComputedStyle(one)
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
  })
  return [named.trim().split(" · ")[0], ringed]
}"""
UNFOCUSED = """() => [...document.querySelectorAll(".sd-panel :is(button, input, textarea, .sd-card)")]
  .filter(each => each !== document.activeElement && getComputedStyle(each).outlineStyle !== "none").length"""
MOVING = """() => document.getAnimations()
  .filter(each => each.playState === "running" && each.effect?.target?.closest(".sd-panel")).length"""
SHOWN = """() => {
  const style = getComputedStyle(document.querySelector(".sd-segments label:has(:checked)"))
  const other = getComputedStyle(document.querySelector(".sd-segments label:not(:has(:checked))"))
  return style.backgroundColor !== other.backgroundColor
}"""


@pytest.fixture
def panel(wide_page: Notebook, tmp_path: Path) -> Panel:
    """Show a panel with one picture."""
    resize(wide_page.page, "wide", 1000)
    shown = fill(wide_page, tmp_path, before="sd.generate('a fox', size='1K');")
    expect(shown.history).to_have_count(1)
    return shown


@pytest.fixture
def service(wide_page: Notebook) -> Iterator[FaultServer]:
    """Start a service that answers as it is told; what was asked of it is gone afterwards."""
    with FaultServer() as server:
        yield server
    wide_page.restart()


def walk(panel: Panel) -> list[tuple[str, bool]]:
    """Press Tab from the prompt on until the focus leaves the panel; return what had it, and whether that was seen."""
    panel.prompt.focus()
    found: list[tuple[str, bool]] = []
    while (at := panel.page.evaluate(FOCUSED)) is not None:
        found.append((at[0], at[1]))
        assert len(found) < 60, found
        panel.page.keyboard.press("Tab")
    return found


def test_tab_reaches_every_control_in_the_order_of_reading(panel: Panel) -> None:
    """From the prompt to the history, one stop: arrows go on from there, and a menu has what can be done."""
    names = [name for name, _ in walk(panel)]
    form = ["Prompt", "Add images", "Add by name, path or URL", "Generate", "2K", "1:1", "Max images", "Watermark"]
    assert names == [*form, "Model", "Edit this", "Search history", "Select", "View @1", "Picture size"]


def test_the_focus_is_always_visible(panel: Panel) -> None:
    """Each control that Tab comes to has a ring of two pixels, and nothing else has."""
    assert [name for name, ringed in walk(panel) if not ringed] == []
    panel.prompt.focus()
    assert panel.page.evaluate(UNFOCUSED) == 0


def test_typing_in_the_panel_leaves_the_cells_alone(panel: Panel) -> None:
    """`dd`, `x`, `b`, `m`, `00` at any control neither delete, add nor change a cell, nor restart the kernel."""
    panel.history.first.get_by_role("button", name="Use as reference").click()
    expect(panel.references).to_have_count(1)
    panel.page.evaluate(SET_SOURCE, [2, "sd.history[-1].prompt"])
    before = panel.sources()
    names = type_at_each(panel)
    assert {"Add images", "Add by name, path or URL", "Max images", "Watermark", "Select", "View @1"} <= set(names)
    panel.page.wait_for_timeout(300)
    assert panel.sources() == before
    assert panel.notebook.run(2)[0]["data"]["text/plain"] == "'a fox'"


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_nothing_jumps_when_a_result_lands(panel: Panel, service: FaultServer, width: str) -> None:
    """The prompt and Generate stay where they are, from the press to the picture."""
    resize(panel.page, width, 1000)
    service.on(POST, Links(delay=2))
    use_service(panel, service.url)
    panel.prompt.fill("a fox in the snow")
    panel.generate.scroll_into_view_if_needed()
    before = _places(panel)
    panel.generate.click()
    expect(panel.region).to_contain_text("Generating")
    assert _places(panel) == before
    expect(panel.history).to_have_count(2)
    expect(panel.history.first.get_by_role("button", name="View @")).to_be_enabled()
    assert _places(panel) == before


def _places(panel: Panel) -> list[Any]:
    return [each.bounding_box() for each in (panel.prompt, panel.name, panel.generate)]


def test_generate_is_in_sight_in_a_notebook_on_a_laptop(panel: Panel) -> None:
    """With five references and the panel's top at the top of the view."""
    panel.page.evaluate(SET_SOURCE, [2, "sd.generate('five foxes', size='1024x1024', max_images=5)"])
    panel.notebook.run(2)
    for number in range(1, 6):
        panel.add(f"@2.{number}")
        expect(panel.references).to_have_count(number)
    for width, height in ((1366, 768), (1400, 1000), (860, 768)):
        resize(panel.page, width, height)
        panel.region.evaluate("each => each.scrollIntoView({block: 'start'})")
        expect(panel.generate).to_be_in_viewport(ratio=1)
        picture_of(panel.page, f"laptop-{width}")


@pytest.mark.parametrize("width", WIDTHS)
def test_at_200_percent_everything_has_its_place(panel: Panel, width: str) -> None:
    """Half of the pixels, each twice as large: nothing is lost, cut off or overlapping, or beyond the edge."""
    resize(panel.page, max(WIDTHS[width] // 2, 400), 500)
    panel.region.get_by_role("radio", name="Custom").check()
    assert misplaced(panel.page) == {}
    expect(panel.generate).to_be_visible()
    panel.generate.scroll_into_view_if_needed()
    picture_of(panel.page, f"zoomed-{width}")


def test_nothing_moves_for_who_wants_no_motion(panel: Panel, service: FaultServer) -> None:
    """While a request runs, which moves a bar for everybody else."""
    service.on(POST, Links(delay=600))
    use_service(panel, service.url)
    panel.prompt.fill("a fox that takes its time")
    panel.generate.click()
    # Its bar, its frame, and its place in the history.
    panel.page.wait_for_function(f"() => ({MOVING})() >= 2")
    panel.page.emulate_media(reduced_motion="reduce")
    assert panel.page.evaluate(MOVING) == 0
    panel.page.emulate_media(reduced_motion="no-preference")


def test_what_is_chosen_is_seen_in_forced_colours(panel: Panel) -> None:
    """Where the system draws all in a few colours, the chosen size is still another than the rest."""
    panel.page.emulate_media(forced_colors="active")
    assert panel.page.evaluate(SHOWN)
    picture_of(panel.page, "forced-colours")
    panel.page.emulate_media(forced_colors="none")
