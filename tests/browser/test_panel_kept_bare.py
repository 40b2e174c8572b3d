"""What is typed is never lost, and what there is to know first: on a page with nothing around the panel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from seedream_nb.scope import NamesScope
from tests.browser.bare import bare_panels, sandboxed
from tests.browser.looks import AXE, TAGS, axe_source, misplaced, picture_of, widen
from tests.browser.test_panel import encoded
from tests.browser.test_panel_tray import fill_tray
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.browser.bare import BarePanel, Show
    from tests.conftest import NewSession

VALUES = {"style": "ink wash", "season": "winter", "stop": print, "_hidden": 1}


@pytest.fixture
def show(new_session: NewSession, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel of a session in the sandbox."""
    session = sandboxed(new_session(scope=NamesScope(VALUES)))
    with bare_panels(session, browser) as begin:
        yield begin


def typed(panel: BarePanel) -> str:
    """Return what the kernel holds of the prompt."""
    return panel.host.state.form.draft["prompt"]


def found_in(panel: BarePanel, state: str, place: str = ".sd-panel") -> dict[str, Any]:
    """Return what axe-core finds in a place, and a ruler in all of it, in both themes and three widths."""
    page, wrong = panel.page, {}
    page.evaluate(axe_source())
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for width in (1400, 700, 360):
            widen(page, width)
            found = page.evaluate(AXE, [place, TAGS])
            picture_of(page, f"{state}-{width}-{theme}")
            faults = {**{key: found[key] for key in ("wrong", "unsure") if found[key]}, **misplaced(page)}
            if faults:
                wrong[f"{state}-{width}-{theme}"] = faults
    return wrong


# -- what is typed -------------------------------------------------------------------------------------


def test_who_types_without_a_pause_loses_nothing(show: Show) -> None:
    """The kernel has it within about a second."""
    panel = show()
    panel.prompt.focus()
    last = time.monotonic() + 3
    while not typed(panel) and time.monotonic() < last:
        panel.page.keyboard.press("x")
    assert typed(panel)


def test_clear_empties_the_form_and_undo_brings_it_back(show: Show) -> None:
    """Prompt, references and options; where there is nothing to empty there is no button."""
    panel = show()
    expect(panel.button("Clear")).to_be_hidden()
    panel.prompt.fill("a fox")
    fill_tray(panel, "teal")
    panel.button("Clear").click()
    expect(panel.prompt).to_have_value("")
    expect(panel.prompt).to_be_focused()
    expect(panel.references).to_have_count(0)
    panel.button("Undo").click()
    expect(panel.prompt).to_have_value("a fox")
    expect(panel.references).to_have_count(1)


def test_the_next_panel_begins_with_what_was_typed(show: Show) -> None:
    """As when the cell is run again, or the kernel was restarted."""
    first = show()
    first.prompt.fill("half a thought")
    fill_tray(first, "teal")
    until(lambda: typed(first) == "half a thought")
    second = show()
    expect(second.prompt).to_have_value("half a thought")
    expect(second.references).to_have_count(1)


def test_an_empty_list_of_references_is_told(show: Show) -> None:
    """To who does not see it: a screen reader passes over a list without items."""
    panel = show()
    assert "No reference images." in panel.region.aria_snapshot()
    fill_tray(panel, "teal")
    assert "No reference images." not in panel.region.aria_snapshot()


# -- numbers of references -----------------------------------------------------------------------------


def test_numbers_in_the_prompt_follow_their_references(show: Show) -> None:
    """When one is moved and when one is removed; what is in double quotes stays, and there is a way back."""
    panel = show()
    fill_tray(panel, "teal", "gold", "navy")
    panel.prompt.fill('the hat of image 3 on image 1, and a sign "image 3"')
    panel.button("Move navy.png").press("Home")
    expect(panel.prompt).to_have_value('the hat of image 1 on image 2, and a sign "image 3"')
    panel.button("Remove gold.png").click()
    expect(panel.references).to_have_count(2)
    panel.button("Remove navy.png").click()
    expect(panel.prompt).to_have_value('the hat of image 2 on image 1, and a sign "image 3"')
    expect(panel.region.get_by_role("alert").filter(has_text="image 2")).to_be_visible()
    panel.button("Undo").click()
    expect(panel.prompt).to_have_value('the hat of image 1 on image 2, and a sign "image 3"')
    expect(panel.references).to_have_count(2)


# -- names in braces -----------------------------------------------------------------------------------


def test_a_brace_offers_the_variables_of_the_notebook(show: Show) -> None:
    """Values, not functions; arrows choose, Tab and Enter take, Escape closes."""
    panel = show()
    offers = panel.region.get_by_role("listbox", name="Suggestions")
    panel.prompt.press_sequentially("a fox in {")
    expect(offers.get_by_role("option")).to_have_text(["season", "style"])
    panel.prompt.press_sequentially("st")
    expect(offers.get_by_role("option")).to_have_text(["style"])
    panel.prompt.press("Tab")
    expect(panel.prompt).to_have_value("a fox in {style}")
    expect(panel.prompt).to_be_focused()
    expect(offers).to_be_hidden()
    panel.prompt.press_sequentially(" and {")
    expect(offers.get_by_role("option")).to_have_count(2)
    panel.prompt.press("ArrowDown")
    expect(offers.get_by_role("option", name="season")).to_have_attribute("aria-selected", "true")
    panel.prompt.press("Enter")
    expect(panel.prompt).to_have_value("a fox in {style} and {season}")
    panel.prompt.press_sequentially(" {")
    expect(offers).to_be_visible()
    assert found_in(panel, "braces") == {}
    panel.prompt.press("Escape")
    expect(offers).to_be_hidden()
    panel.prompt.press("Enter")
    expect(panel.prompt).to_have_value("a fox in {style} and {season} {\n")
    until(lambda: typed(panel).endswith("{\n"))


# -- a kernel that has ended ---------------------------------------------------------------------------


def end_kernel(panel: BarePanel) -> None:
    """Let the page know that its kernel was restarted."""
    panel.page.evaluate("() => window.endKernel()")


def test_a_restart_is_told_at_the_top_and_what_was_typed_stays(show: Show) -> None:
    """Nothing can be bought; what is typed then is in the panel that comes next on this page, once."""
    panel = show()
    panel.make_before("a hare")
    panel.prompt.fill("half a thought")
    until(lambda: typed(panel) == "half a thought")
    end_kernel(panel)
    banner = panel.region.get_by_role("alert").filter(has_text="The kernel was restarted.")
    expect(banner).to_be_visible()
    expect(banner).to_contain_text("Run this cell again to go on.")
    top, head = banner.bounding_box(), panel.region.locator("header").bounding_box()
    assert top is not None and head is not None and abs(top["y"] - head["y"] - head["height"]) < 2  # noqa: PT018 - one place
    expect(panel.generate).to_be_disabled()
    assert found_in(panel, "restarted", ".sd-gone") == {}
    panel.prompt.fill("half a thought, and the other half")
    panel.page.reload()
    expect(panel.prompt).to_have_value("half a thought, and the other half")
    until(lambda: typed(panel) == "half a thought, and the other half")


def test_a_file_that_is_dropped_while_the_kernel_restarts_is_told(show: Show) -> None:
    """It has to be added again."""
    panel = show()
    end_kernel(panel)
    panel.drop("cat.png", encoded())
    panel.said("Run this cell again to go on.")
    expect(panel.references).to_have_count(0)


def test_what_was_under_way_is_told_and_fetched(show: Show) -> None:
    """As the kernel says, which has it from the journal."""
    panel = show()
    lines = ["@3 was paid for, and not all of its pictures have been downloaded: a fox"]
    panel.host.state.unfinished._shown = {"lines": lines, "recoverable": True}  # type: ignore[union-attr]  # noqa: SLF001 - to see it
    panel.host.state.change()
    told = panel.region.get_by_role("region", name="Under way when the kernel ended")
    expect(told).to_contain_text("@3 was paid for")
    assert found_in(panel, "unfinished") == {}
    told.get_by_role("button", name="Get the pictures").click()
    expect(told).to_be_hidden()
