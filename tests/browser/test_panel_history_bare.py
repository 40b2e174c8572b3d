"""The history on a page with nothing around it: the full-size view, and what a card says and carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.bare import bare_panels, sandboxed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator

    from tests.browser.bare import Show
    from tests.conftest import NewSession

MOVED = """before => document.querySelector("dialog img[data-picture]").getBoundingClientRect().left < before"""


@pytest.fixture
def show(new_session: NewSession, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel of a session in the sandbox."""
    with bare_panels(sandboxed(new_session()), browser) as begin:
        yield begin


def test_each_picture_of_a_series_can_be_taken_in_full_size(show: Show) -> None:
    """By keyboard: from the card's picture through the others; Zoom and Escape; the focus comes back."""
    panel = show()
    panel.make_before("three foxes", max_images=3)
    card = panel.history.first
    card.get_by_role("button", name="Next picture").click()
    card.get_by_role("button", name="View @1.2").press("Enter")
    view = panel.page.get_by_role("dialog", name="Picture")
    expect(view.get_by_text("@1.2 · 2 of 3")).to_be_visible()
    panel.page.keyboard.press("ArrowRight")
    expect(view.get_by_text("@1.3 · 3 of 3")).to_be_visible()
    expect(view.get_by_role("img")).to_have_js_property("naturalWidth", 1024)
    box = view.get_by_role("img").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 1000  # all of it is in sight
    panel.page.keyboard.press("Enter")
    expect(view.get_by_role("button", name="Zoom")).to_have_attribute("aria-pressed", "true")
    with panel.page.expect_download() as downloading:
        view.get_by_role("button", name="Download").click()
    assert downloading.value.suggested_filename.startswith("0001-3-")
    view.get_by_role("button", name="Use as reference").click()
    expect(view).to_have_count(0)
    expect(panel.references.first).to_have_attribute("aria-label", "image 1: @1.3")
    expect(card.get_by_role("button", name="View @1.2")).to_be_focused()


def test_the_full_size_view_shows_all_pictures_of_a_series(show: Show) -> None:
    """Small, beside each other; the one that is shown is marked, and a press shows another."""
    panel = show()
    panel.make_before("three foxes", max_images=3)
    panel.history.first.get_by_role("button", name="View @1.1").click()
    view = panel.page.get_by_role("dialog", name="Picture")
    small = view.get_by_role("group", name="Pictures of @1").get_by_role("button")
    expect(small).to_have_count(3)
    expect(small.nth(0)).to_have_attribute("aria-current", "true")
    small.nth(1).click()
    expect(view.get_by_text("@1.2 · 2 of 3")).to_be_visible()
    panel.page.keyboard.press("ArrowRight")
    expect(view.get_by_text("@1.3 · 3 of 3")).to_be_visible()
    expect(small.nth(2)).to_have_attribute("aria-current", "true")
    expect(small.nth(2)).to_be_focused()
    expect(view.locator("[aria-current]")).to_have_count(1)


def test_zoom_by_button_key_and_click(show: Show) -> None:
    """Between all of the picture and its own pixels, over which the arrows then go; the next one comes whole again."""
    panel = show()
    panel.make_before("fox 0", "fox 1", size="1568x672")
    panel.history.first.get_by_role("button", name="View @2").click()
    view = panel.page.get_by_role("dialog", name="Picture")
    picture, stage = view.get_by_role("img"), view.get_by_role("group", name="Picture")
    zoom = view.get_by_role("button", name="Zoom")
    expect(picture).to_have_js_property("naturalWidth", 1568)
    assert width(picture) < 1400
    for act in ("button", "click", "key"):
        toggle(view, act)
        expect(zoom).to_have_attribute("aria-pressed", "true")
        assert width(picture) == 1568
        toggle(view, act)
        expect(zoom).to_have_attribute("aria-pressed", "false")
        assert width(picture) < 1400
    stage.press("Enter")
    before = picture.evaluate("each => each.getBoundingClientRect().left")
    stage.press("ArrowRight")
    expect(view.get_by_text("@2.1 ·")).to_be_visible()
    panel.page.wait_for_function(MOVED, arg=before)
    view.get_by_role("button", name="Close").focus()
    panel.page.keyboard.press("ArrowRight")
    expect(view.get_by_text("@1.1 ·")).to_be_visible()
    expect(zoom).to_have_attribute("aria-pressed", "false")
    panel.page.keyboard.press("Escape")
    expect(view).to_have_count(0)


def toggle(view: Locator, how: str) -> None:
    """Zoom, or show all of the picture again."""
    if how == "button":
        view.get_by_role("button", name="Zoom").click()
    elif how == "click":
        view.get_by_role("img").click()
    else:
        view.get_by_role("group", name="Picture").press("Enter")


def width(picture: Locator) -> float:
    """Return how wide a picture is on the page."""
    box = picture.bounding_box()
    assert box is not None
    return box["width"]


def test_a_picture_that_is_alone_has_no_others_beside_it(show: Show) -> None:
    """Its view shows no row of small pictures."""
    panel = show()
    panel.make_before("a fox")
    panel.history.first.get_by_role("button", name="View @1").click()
    view = panel.page.get_by_role("dialog", name="Picture")
    expect(view.get_by_text("@1.1 · 1024×1024")).to_be_visible()
    expect(view.get_by_role("group", name="Pictures of @1")).to_be_hidden()


def test_what_a_card_says_makes_it_no_taller(show: Show) -> None:
    """It is said over the picture, and to a screen reader."""
    panel = show()
    panel.make_before("a fox")
    card = panel.history.first
    expect(card.get_by_role("button", name="View @1")).to_be_enabled()
    before = card.bounding_box()
    card.get_by_role("button", name="Use as reference").click()
    expect(card.get_by_text("@1.1 is now a reference.")).to_be_visible()
    expect(panel.region.get_by_role("status").filter(has_text="@1.1 is now a reference.")).to_have_count(1)
    after = card.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] == before["height"]


TEXT_DRAGGED = """card => {
  const text = card.querySelector(".sd-caption").firstChild
  const event = new DragEvent("dragstart", { bubbles: true, dataTransfer: new DataTransfer() })
  text.dispatchEvent(event)
  return event.dataTransfer.getData("text/html")
}"""


def test_a_text_that_is_dragged_stays_a_text(show: Show) -> None:
    """Only the card's picture carries the picture."""
    panel = show()
    panel.make_before("a fox")
    expect(panel.history).to_have_count(1)
    assert panel.history.first.evaluate(TEXT_DRAGGED) == ""


PRESSED_WITHIN = """card => {
  card.querySelector("button").disabled = true
  card.querySelector("img").dispatchEvent(new MouseEvent("click", { bubbles: true }))
}"""


def test_a_card_without_a_picture_has_nothing_to_view(show: Show) -> None:
    """Some browsers tell of a press at what is in a button that is disabled."""
    panel = show()
    panel.make_before("a fox")
    expect(panel.history).to_have_count(1)
    panel.history.first.evaluate(PRESSED_WITHIN)
    expect(panel.page.get_by_role("dialog")).to_have_count(0)
