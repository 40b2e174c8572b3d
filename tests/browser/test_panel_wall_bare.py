"""The wall of the history on a page with nothing around it: rows, keyboard, deleting, choosing several, full size."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from benchmarks import bench_history
from tests.browser.bare import bare_panels, sandboxed
from tests.browser.looks import AXE, TAGS, axe_source, picture_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator

    from tests.browser.bare import BarePanel, Show
    from tests.conftest import NewSession

SHAPES = ["1536x864", "864x1536", "1568x672", "1024x1024", "1536x1024", "1024x1536"]
MANY = 10_000
DARK = "() => { document.body.dataset.jpThemeLight = 'false'; document.documentElement.setAttribute('theme', 'dark') }"
ROWS = """() => {
  const wall = document.querySelector(".sd-wall")
  const rows = new Map()
  for (const card of wall.querySelectorAll(".sd-card")) {
    const { left, right, top, height, width } = card.querySelector(".sd-face").getBoundingClientRect()
    const image = card.querySelector("img")
    const shape = image.matches(".sd-whole") ? width / height : image.naturalWidth / image.naturalHeight
    const row = rows.get(Math.round(top)) ?? []
    rows.set(Math.round(top), [...row, { left, right, height, crop: Math.abs(width / height / shape - 1) }])
  }
  const edge = wall.getBoundingClientRect()
  return [...rows].sort(([a], [b]) => a - b).map(([, cards]) => ({
    heights: new Set(cards.map(({ height }) => Math.round(height))).size,
    rest: Math.round(edge.right - Math.max(...cards.map(({ right }) => right))),
    crop: Math.max(...cards.map(({ crop }) => crop)),
  }))
}"""
"""Of each row: how many heights it has, what is free at its end, and how far a picture's shape is from its own."""


@pytest.fixture
def show(new_session: NewSession, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel of a session in the sandbox."""
    with bare_panels(sandboxed(new_session()), browser) as begin:
        yield begin


@pytest.fixture
def panel(show: Show) -> BarePanel:
    """Show a panel with six generations of six shapes, the third a series."""
    panel = show()
    for number, size in enumerate(SHAPES, start=1):
        panel.session.start(f"fox {number}", size=size, **({"max_images": 3} if number == 3 else {})).result()
    expect(panel.history).to_have_count(6)
    panel.page.wait_for_function(
        "() => [...document.querySelectorAll('.sd-wall img')].filter(each => each.naturalWidth).length === 6"
    )
    return panel


def face(panel: BarePanel, number: int) -> Locator:
    """Return what has the focus of a card, by the number of its prompt."""
    return panel.region.get_by_role("listitem", name=f"fox {number}", exact=True).locator(".sd-face")


def ids(panel: BarePanel) -> tuple[int, ...]:
    """Return the ids that the history has."""
    return tuple(panel.session.history[:].ids)


# -- rows ----------------------------------------------------------------------------------------------


def test_rows_are_filled_and_pictures_whole(panel: BarePanel) -> None:
    """Each row is of one height and ends at the edge, the last excepted; each picture has its own shape."""
    for width in (1400, 700):
        panel.page.set_viewport_size({"width": width, "height": 1000})
        panel.page.wait_for_timeout(150)
        rows: list[dict[str, Any]] = panel.page.evaluate(ROWS)
        assert {row["heights"] for row in rows} == {1}
        assert {row["rest"] for row in rows[:-1]} <= {0}
        assert max(row["crop"] for row in rows) < 0.03
        assert len(rows) > (1400 - width) / 700


def test_the_size_of_the_pictures_is_kept(panel: BarePanel) -> None:
    """The slider makes rows higher; a page that is loaded anew has them as high."""
    slider = panel.region.get_by_role("slider", name="Picture size")
    before = face(panel, 1).evaluate("each => each.getBoundingClientRect().height")
    slider.fill("400")
    after = face(panel, 1).evaluate("each => each.getBoundingClientRect().height")
    assert after > 1.3 * before
    panel.page.reload()
    expect(slider).to_have_value("400")


def test_pictures_are_sharp_on_a_fine_screen(show: Show, browser: Browser) -> None:
    """With two pixels for each point a thumbnail has as many as are shown."""
    panel = show()
    panel.make_before("a fox", size="1536x864")
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, device_scale_factor=2)
    try:
        page.goto(panel.host.url)
        page.wait_for_function("() => document.querySelector('.sd-wall img')?.naturalWidth >= 640")
    finally:
        page.close()


SCROLLED = """async () => {
  const scroller = document.querySelector(".sd-scroll")
  let most = 0
  for (let frame = 0; frame < 120; frame++) {
    scroller.scrollTop += 900
    await new Promise(requestAnimationFrame)
    most = Math.max(most, scroller.querySelectorAll(".sd-card").length)
  }
  return most
}"""


def test_of_ten_thousand_only_what_is_near_is_on_the_page(
    new_session: NewSession, browser: Browser, tmp_path: Path
) -> None:
    """However far one scrolls."""
    session = sandboxed(new_session())
    home = tmp_path / "many"
    home.mkdir()
    bench_history.write(home, MANY)
    session.settings.change(home=str(home))
    with bare_panels(session, browser) as show:
        panel = show()
        expect(panel.history.first).to_have_attribute("aria-posinset", "1", timeout=60_000)
        assert panel.page.evaluate(SCROLLED) < 120


# -- the keyboard --------------------------------------------------------------------------------------


def test_arrows_go_in_two_dimensions(panel: BarePanel) -> None:
    """Left and right through all, up and down to what stands above and below, Home and End to the ends."""
    panel.page.set_viewport_size({"width": 700, "height": 1000})
    panel.page.wait_for_timeout(150)
    face(panel, 6).focus()
    keys = panel.page.keyboard
    for key, number in (("ArrowRight", 5), ("ArrowLeft", 6), ("End", 1), ("Home", 6)):
        keys.press(key)
        expect(face(panel, number)).to_be_focused()
    keys.press("ArrowDown")
    below = panel.page.evaluate("() => document.activeElement.getBoundingClientRect().top")
    assert below > face(panel, 6).evaluate("each => each.getBoundingClientRect().bottom")
    keys.press("ArrowUp")
    expect(face(panel, 6)).to_be_focused()
    expect(panel.region.locator(".sd-wall [tabindex='0']")).to_have_count(1)


def test_a_menu_has_what_can_be_done(panel: BarePanel) -> None:
    """Shift+F10 opens it; arrows and first letters move in it; Escape gives the focus back."""
    face(panel, 2).focus()
    keys = panel.page.keyboard
    keys.press("Shift+F10")
    menu = panel.page.get_by_role("menu", name="What can be done with @2")
    expect(menu.get_by_role("menuitem").first).to_be_focused()
    keys.press("d")
    expect(menu.get_by_role("menuitem", name="Download")).to_be_focused()
    keys.press("End")
    expect(menu.get_by_role("menuitem", name="Delete")).to_be_focused()
    picture_of(panel.page, "menu")
    keys.press("Escape")
    expect(menu).to_have_count(0)
    expect(face(panel, 2)).to_be_focused()
    keys.press("Shift+F10")
    keys.press("s")
    keys.press("Enter")
    expect(panel.region.get_by_role("listitem", name="fox 2")).to_have_class(re.compile("sd-has-star"))


def test_a_screen_reader_hears_mark_prompt_count_and_state(panel: BarePanel) -> None:
    """The name is the mark, and the description the rest."""
    panel.session.star(3, on=True)
    card = face(panel, 3)
    expect(card).to_have_accessible_name("View @3.1")
    expect(card).to_have_accessible_description("fox 3 · 1 of 3 · has a star · sandbox")
    expect(panel.history.first).to_have_attribute("aria-setsize", "6")


# -- deleting ------------------------------------------------------------------------------------------


def test_delete_and_undo(panel: BarePanel) -> None:
    """The card goes, a line says so and brings it back; the focus goes on to the next, and comes back with it."""
    face(panel, 4).focus()
    panel.page.keyboard.press("Delete")
    expect(panel.history).to_have_count(5)
    assert ids(panel) == (1, 2, 3, 5, 6)
    expect(face(panel, 3)).to_be_focused()
    expect(panel.region.get_by_text("Deleted @4.", exact=True)).to_be_visible()
    panel.button("Undo").click()
    expect(panel.history).to_have_count(6)
    expect(face(panel, 4)).to_be_focused()
    expect(panel.button("Undo")).to_have_count(0)


def test_the_last_one_can_be_deleted_and_comes_back(show: Show) -> None:
    """The wall is empty then, and the search has the focus."""
    panel = show()
    panel.make_before("a fox")
    panel.history.first.get_by_role("button", name="View @1").focus()
    panel.page.keyboard.press("Delete")
    expect(panel.history).to_have_count(0)
    expect(panel.region.get_by_role("searchbox")).to_be_focused()
    panel.button("Undo").click()
    expect(panel.history).to_have_count(1)


def test_the_way_back_stays_until_something_else_is_done(panel: BarePanel) -> None:
    """A star, say; another deletion has a way back of its own."""
    for number in (1, 2):
        panel.region.get_by_role("listitem", name=f"fox {number}").get_by_role("button", name="Delete").click()
        expect(panel.region.get_by_text(f"Deleted @{number}.", exact=True)).to_be_visible()
    panel.history.first.get_by_role("button", name="Star").click()
    expect(panel.button("Undo")).to_have_count(0)
    assert ids(panel) == (3, 4, 5, 6)


def test_two_panels_and_a_cell_delete_and_star_the_same(panel: BarePanel, show: Show) -> None:
    """Whoever comes late is told that it was so before, and nobody's page breaks."""
    other = show()
    expect(other.history).to_have_count(6)
    panel.session.deletion.hide([5])
    other.host.state.desk.hear({"id": "late", "ask": "delete", "generations": [5]}, ())
    for one in (panel, other):
        expect(one.history).to_have_count(5)
    reply, _ = panel.host.state.desk.hear({"id": "star", "ask": "star", "generation": 5, "on": True}, ())
    assert "restore @5" in str(reply["error"])
    again, _ = panel.host.state.desk.hear({"id": "again", "ask": "delete", "generations": [5]}, ())
    assert again["ok"] == {"deleted": [], "told": "@5 was deleted before."}


def test_several_are_chosen_and_deleted_by_keyboard(panel: BarePanel) -> None:
    """Select, Space, Shift with arrows; what has a star stays; Undo brings all back."""
    panel.session.star(5, on=True)
    panel.button("Select").click()
    face(panel, 6).focus()
    keys = panel.page.keyboard
    keys.press("Space")
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowRight")
    expect(panel.region.get_by_text("3 selected", exact=True).first).to_be_visible()
    expect(face(panel, 4)).to_have_attribute("aria-pressed", "true")
    picture_of(panel.page, "selecting")
    panel.button("Delete selected").click()
    expect(panel.history).to_have_count(4)
    expect(panel.region.get_by_text("@5 stays: a star protects").first).to_be_visible()
    panel.button("Undo").click()
    expect(panel.history).to_have_count(6)


def test_the_focus_stays_in_the_panel_when_several_are_deleted(panel: BarePanel) -> None:
    """The button that was pressed goes with the selection: on the page, keys would be commands of the notebook."""
    face(panel, 6).click(modifiers=["Control"])
    panel.button("Delete selected").focus()
    panel.page.keyboard.press("Enter")
    expect(panel.history).to_have_count(5)
    expect(panel.button("Select")).to_be_focused()


def test_several_are_chosen_with_ctrl_and_shift(panel: BarePanel) -> None:
    """As in any list of files; Escape ends it."""
    face(panel, 6).click(modifiers=["Control"])
    face(panel, 4).click(modifiers=["Shift"])
    expect(panel.region.get_by_text("3 selected", exact=True).first).to_be_visible()
    face(panel, 5).click()
    expect(panel.region.get_by_text("2 selected", exact=True).first).to_be_visible()
    panel.page.keyboard.press("Escape")
    expect(panel.button("Delete selected")).to_have_count(0)
    expect(panel.page.get_by_role("dialog")).to_have_count(0)


# -- downloads -----------------------------------------------------------------------------------------


def test_a_series_is_downloaded_as_one_zip(panel: BarePanel, tmp_path: Path) -> None:
    """All its pictures, byte for byte, under their own names."""
    with panel.page.expect_download() as downloading:
        panel.region.get_by_role("listitem", name="fox 3").get_by_role("button", name="Download").click()
    downloading.value.save_as(tmp_path / "series.zip")
    assert downloading.value.suggested_filename == "0003-fox-3.zip"
    with zipfile.ZipFile(tmp_path / "series.zip") as zipped:
        assert zipped.testzip() is None
        found = {name: zipped.read(name) for name in zipped.namelist()}
    assert found == {picture.path.name: picture.to_bytes() for picture in panel.session.history[3]}


def test_a_picture_is_copied_to_the_clipboard(panel: BarePanel) -> None:
    """As a PNG, where the browser lets a page do that."""
    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    face(panel, 4).click()
    view = panel.page.get_by_role("dialog", name="Picture")
    view.get_by_role("button", name="Copy picture").click()
    expect(view.get_by_text("@4.1 is on the clipboard.").last).to_be_visible()
    kinds = panel.page.evaluate("async () => (await navigator.clipboard.read()).flatMap(each => each.types)")
    assert kinds == ["image/png"]


# -- full size -----------------------------------------------------------------------------------------


POINT = """([x, y]) => {
  const image = document.querySelector("dialog .sd-full").getBoundingClientRect()
  return [(x - image.left) / image.width, (y - image.top) / image.height, image.width]
}"""


def test_the_wheel_zooms_to_the_pointer_and_a_drag_moves(panel: BarePanel) -> None:
    """What is under the pointer stays there; dragged, the picture goes along."""
    face(panel, 4).click()
    page = panel.page
    expect(page.locator("dialog .sd-full")).to_have_js_property("naturalWidth", 1024)
    at = (400, 400)
    page.mouse.move(*at)
    across, down, width = page.evaluate(POINT, at)
    page.mouse.wheel(0, -600)
    page.wait_for_function("width => document.querySelector('dialog .sd-full').offsetWidth > 1.5 * width", arg=width)
    zoomed = page.evaluate(POINT, at)
    assert zoomed[:2] == pytest.approx([across, down], abs=0.01)
    page.mouse.down()
    page.mouse.move(at[0] + 60, at[1] + 40)
    page.mouse.up()
    assert page.evaluate(POINT, (at[0] + 60, at[1] + 40))[:2] == pytest.approx([across, down], abs=0.01)
    expect(page.get_by_role("button", name="Zoom to 1:1")).to_have_attribute("aria-pressed", "true")


def test_the_view_has_the_whole_request_and_all_actions(panel: BarePanel) -> None:
    """The prompt to its end, and what else was asked for."""
    words = "the sea and the hills and the wind " * 90
    panel.session.start(words, size="1024x1024").result()
    expect(panel.history).to_have_count(7)
    panel.history.first.get_by_role("button", name="View @7").click()
    view = panel.page.get_by_role("dialog", name="Picture")
    expect(view.get_by_role("group", name="Prompt")).to_have_text(words.strip())
    expect(view.locator("dl")).to_contain_text("1024x1024")
    names = view.get_by_role("group", name="Actions").get_by_role("button").all_inner_texts()
    told = ["Use as reference", "Run again", "Edit request", "Copy as cell", "Star", "Download", "Edit this", "Delete"]
    assert set(told) <= set(names)


def test_deleted_in_the_view_the_next_one_comes(panel: BarePanel) -> None:
    """With the way back beside it; and Escape leads to where one is now."""
    face(panel, 4).click()
    view = panel.page.get_by_role("dialog", name="Picture")
    panel.page.keyboard.press("Delete")
    expect(view.get_by_text("@3.1 · 1 of 3")).to_be_visible()
    expect(view.get_by_text("Deleted @4.")).to_be_visible()
    view.get_by_role("button", name="Undo").click()
    expect(view.get_by_text("Deleted @4.")).to_have_count(0)
    assert ids(panel) == (1, 2, 3, 4, 5, 6)
    panel.page.keyboard.press("Escape")
    expect(face(panel, 3)).to_be_focused()


# -- for everyone --------------------------------------------------------------------------------------


def looked_at(panel: BarePanel, place: str, name: str) -> list[Any]:
    """Return what axe-core finds in a place, at three widths, light and dark."""
    page, wrong = panel.page, []
    page.evaluate(axe_source())
    for theme in ("light", "dark"):
        if theme == "dark":
            page.evaluate(DARK)
        for width in (1400, 700, 360):
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_timeout(200)
            picture_of(page, f"{name}-{width}-{theme}")
            found = page.evaluate(AXE, [place, TAGS])
            wrong += [(theme, width, each) for each in found["wrong"]]
    return wrong


def test_axe_finds_nothing_on_the_wall(panel: BarePanel) -> None:
    """While several are chosen, with what was deleted above."""
    panel.region.get_by_role("listitem", name="fox 1").get_by_role("button", name="Delete").click()
    expect(panel.button("Undo")).to_be_visible()
    panel.button("Select").click()
    face(panel, 6).click()
    assert looked_at(panel, ".sd-past", "wall") == []


def test_axe_finds_nothing_in_the_menu(panel: BarePanel) -> None:
    """Open on a series, which has all actions."""
    face(panel, 3).focus()
    panel.page.keyboard.press("Shift+F10")
    panel.page.evaluate(axe_source())
    assert panel.page.evaluate(AXE, [".sd-menu", TAGS])["wrong"] == []


def test_axe_finds_nothing_in_the_view(panel: BarePanel) -> None:
    """With a series below it."""
    face(panel, 3).click()
    expect(panel.page.locator("dialog dd").first).to_be_visible()
    assert looked_at(panel, "dialog.sd-view", "view") == []


def test_what_is_chosen_is_seen_in_forced_colours(panel: BarePanel) -> None:
    """By its frame."""
    panel.page.emulate_media(forced_colors="active")
    panel.button("Select").click()
    face(panel, 6).click()
    border = "each => getComputedStyle(each).borderTopWidth"
    assert face(panel, 6).evaluate(border) != face(panel, 5).evaluate(border)
    picture_of(panel.page, "wall-forced")
    panel.page.emulate_media(forced_colors="none")
