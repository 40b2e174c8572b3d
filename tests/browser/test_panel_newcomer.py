"""The panel for who opens it for the first time: no key, nothing loaded; then make, pick, edit and save by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.panel import COMMANDS, SET_SOURCE, Panel, fill, notebook
from tests.faults.script import POST, Links, Reply
from tests.faults.server import FaultServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.jupyter import Notebook, Server

FIRST = "import seedream_nb as sd; sd.configure(home={home!r}, backend='novita', api_key=None); sd.panel()"
HAS = (
    "words => (document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).includes(words)"
)
IN_PANEL = "() => !!document.activeElement.closest('.sd-panel')"


@pytest.fixture
def first(lab: Server, tmp_path: Path) -> Panel:
    """Show a panel where nothing else was ever run, and no key is known."""
    source = FIRST.format(home=str(tmp_path / "home"))
    made = lab.open(notebook(lab.root / f"{tmp_path.name}.ipynb", source, ""))
    made.run(0)
    return Panel(made)


def go_to(panel: Panel, words: str, key: str = "Tab") -> None:
    """Press a key until what has these words has the focus, as somebody without a mouse does."""
    for _ in range(40):
        panel.page.keyboard.press(key)
        if panel.page.evaluate(HAS, words):
            return
    raise AssertionError(words)


# -- the first minute ----------------------------------------------------------------------------------


def test_without_a_key_it_says_what_to_do_and_that_does_it(first: Panel) -> None:
    """Beside the button; what it advises can be run in the next cell, and the open panel goes on from there."""
    first.prompt.fill("a fox")
    first.generate.click()
    first.said("There is no key")
    first.page.evaluate(SET_SOURCE, [1, "%seedream config backend=sandbox"])
    assert first.notebook.run(1) == []
    expect(first.generate).to_contain_text("free")
    expect(first.region.get_by_text("There is no key")).to_have_count(0)
    first.make("a fox", 1)


def test_a_copied_cell_runs(first: Panel) -> None:
    """Although nobody loaded the extension."""
    first.page.evaluate(SET_SOURCE, [1, "sd.configure(backend='sandbox')"])
    first.notebook.run(1)
    expect(first.generate).to_contain_text("free")
    first.make("a fox", 1)
    first.history.first.get_by_role("button", name="Copy as cell").click()
    expect(first.history.first).to_contain_text("The cell was inserted below.")
    assert "1 picture" in first.notebook.run(1)[0]["data"]["text/plain"]


# -- by keyboard alone ---------------------------------------------------------------------------------


def test_a_picture_is_made_picked_edited_and_saved_by_keyboard(page: Notebook, tmp_path: Path) -> None:
    """From the prompt on, with no mouse and nothing explained."""
    panel = fill(page, tmp_path)
    keys = panel.page.keyboard
    panel.prompt.focus()
    keys.type("a red fox")
    go_to(panel, "Generate")
    keys.press("Enter")
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_enabled()
    go_to(panel, "Edit this")
    go_to(panel, "Use as reference", "ArrowRight")
    keys.press("Enter")
    expect(panel.references).to_have_count(1)
    go_to(panel, "Add images", "Shift+Tab")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(panel.prompt).to_be_focused()
    keys.type(" at night")
    keys.press("Control+Enter")
    expect(panel.history.first.get_by_role("button", name="View @2")).to_be_enabled()
    expect(panel.region.get_by_role("region", name="Result")).to_contain_text("@2.1")
    go_to(panel, "Use as reference")  # where one was
    go_to(panel, "Download", "ArrowRight")
    with panel.page.expect_download() as download:
        keys.press("Enter")
    assert download.value.suggested_filename == "0002-1-a-red-fox-image-1-at-night.jpg"


def test_undo_leaves_the_focus_in_the_prompt(page: Notebook, tmp_path: Path) -> None:
    """The button that had it is gone then."""
    panel = fill(page, tmp_path, before="sd.generate('a fox', size='1K')")
    panel.history.first.get_by_role("button", name="Edit request").click()
    expect(panel.prompt).to_have_value("a fox")
    panel.button("Undo").focus()
    panel.page.keyboard.press("Enter")
    expect(panel.prompt).to_have_value("")
    expect(panel.prompt).to_be_focused()


def test_the_nearest_size_leaves_the_focus_at_the_width(page: Notebook, tmp_path: Path) -> None:
    """And what was said of the refusal goes with it."""
    panel = fill(page, tmp_path)
    panel.prompt.fill("a fox")
    panel.region.get_by_role("radio", name="Custom").check()
    width = panel.region.get_by_role("spinbutton", name="Width")
    width.fill("300")
    panel.generate.click()
    panel.said("Nothing was sent")
    panel.region.get_by_role("button", name="Use 392 × 2675").focus()
    panel.page.keyboard.press("Enter")
    expect(width).to_have_value("392")
    expect(width).to_be_focused()
    expect(panel.region.get_by_text("Nothing was sent")).to_have_count(0)


def test_cancel_leaves_the_focus_at_the_request(page: Notebook, tmp_path: Path) -> None:
    """Where it is said what becomes of it; when it is over, at its result."""
    with FaultServer() as service:
        service.on(POST, Links(delay=3))
        known = f"sd.configure(backend='novita', api_key='sk_test', base_url={service.url!r})"
        panel = fill(page, tmp_path, before=known)
        panel.prompt.fill("a slow fox")
        panel.generate.click()
        expect(panel.region).to_contain_text("Generating")
        panel.button("Cancel").focus()
        panel.page.keyboard.press("Enter")
        row = panel.region.get_by_role("region", name="a slow fox")
        expect(row).to_be_focused()
        expect(row).to_have_count(0)
        expect(panel.region.get_by_role("region", name="Result")).to_be_focused()


def test_dismiss_leaves_the_focus_in_the_panel(page: Notebook, tmp_path: Path) -> None:
    """Also when it was the last row."""
    with FaultServer() as service:
        service.on(POST, Reply(status=400))
        known = f"sd.configure(backend='novita', api_key='sk_test', base_url={service.url!r})"
        panel = fill(page, tmp_path, before=known)
        panel.prompt.fill("a fox")
        panel.generate.click()
        panel.button("Dismiss").focus()
        panel.page.keyboard.press("Enter")
        expect(panel.button("Dismiss")).to_have_count(0)
        assert panel.page.evaluate(IN_PANEL)


def test_a_click_between_the_controls_leaves_the_cells_alone(page: Notebook, tmp_path: Path) -> None:
    """`dd` typed then would delete the cell, and the panel with it."""
    panel = fill(page, tmp_path)
    before = panel.sources()
    panel.region.get_by_text("Your pictures will appear here.").click()
    for key in COMMANDS:
        panel.page.keyboard.press(key)
    panel.page.wait_for_timeout(300)
    assert panel.sources() == before


def test_a_click_between_the_controls_of_a_piece_alone_leaves_the_cells_alone(page: Notebook, tmp_path: Path) -> None:
    """A tray or a gallery that is shown without the panel takes the focus like the panel."""
    panel = fill(page, tmp_path, "sd.ReferenceTray()", "sd.Gallery(sd.history)")
    for number, between in enumerate(["drop, paste or drag pictures here", "Your pictures will appear here."], start=2):
        panel.notebook.run(number)
        before = panel.sources()
        panel.notebook.output(number).get_by_text(between).click()
        for key in COMMANDS:
            panel.page.keyboard.press(key)
        panel.page.wait_for_timeout(300)
        assert panel.sources() == before
