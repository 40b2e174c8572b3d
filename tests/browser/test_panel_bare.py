"""The panel on a page with nothing around it: what it does in every host, whatever that is."""

from __future__ import annotations

import base64
import time
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.bare import bare_panels, sandboxed
from tests.browser.test_panel import encoded
from tests.browser.test_panel_tray import PASTE, drop, fill_tray, order, status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.browser.bare import Show
    from tests.conftest import NewSession


@pytest.fixture
def show(new_session: NewSession, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel of a session in the sandbox."""
    with bare_panels(sandboxed(new_session()), browser) as begin:
        yield begin


# -- two views of one panel ----------------------------------------------------------------------------


def test_a_click_on_a_reference_writes_its_number_once(show: Show) -> None:
    """Into the prompt beside it, though another view shows the same draft."""
    panel = show()
    panel.make_before("a fox")
    panel.view_again()
    second = panel.page.get_by_role("region", name="Seedream").nth(1)
    second.get_by_role("list", name="History").get_by_role("button", name="Use as reference").click()
    second.get_by_role("listitem", name="image 1: @1.1").get_by_role("button", name="Insert").click()
    for place in range(2):
        expect(panel.page.get_by_role("textbox", name="Prompt").nth(place)).to_have_value("image 1")


def test_a_press_in_each_of_two_views_is_one_request(show: Show) -> None:
    """As it is with a double click: who presses here and there at once means one."""
    panel = show()
    panel.prompt.fill("a fox")
    panel.view_again()
    expect(panel.page.get_by_role("button", name="Generate")).to_have_count(2)
    panel.page.evaluate("() => document.querySelectorAll('.sd-generate').forEach(each => each.click())")
    expect(panel.page.get_by_role("button", name="View @1")).to_have_count(2)
    time.sleep(1)
    assert len(panel.session.history) == 1


def test_a_view_that_is_opened_later_says_what_is_wrong(show: Show) -> None:
    """In the words that stand in the first."""
    panel = show()
    panel.region.get_by_role("radio", name="Custom").check()
    panel.region.get_by_role("spinbutton", name="Width").fill("100")
    panel.said("size: 100x2048 has")
    panel.view_again()
    expect(panel.page.get_by_role("button", name="Use 256 × 4096")).to_have_count(2)


# -- the form ------------------------------------------------------------------------------------------


def test_control_enter_generates(show: Show) -> None:
    """From the prompt, without the mouse."""
    panel = show()
    panel.prompt.fill("a fox")
    panel.prompt.press("Control+Enter")
    expect(panel.history).to_have_count(1)


def test_the_estimate_stands_in_the_button(show: Show) -> None:
    """It follows the number of pictures; in the sandbox they are free."""
    panel = show()
    panel.region.get_by_role("spinbutton", name="Max images").fill("4")
    expect(panel.generate).to_contain_text("up to 4 pictures · free")


def test_an_empty_prompt_is_told(show: Show) -> None:
    """In the words of the cell."""
    panel = show()
    panel.generate.click()
    panel.said("The prompt is empty")


def test_a_wrong_size_is_told_as_it_is_typed_and_the_nearest_offered(show: Show) -> None:
    """A click takes the nearest."""
    panel = show()
    panel.region.get_by_role("radio", name="Custom").check()
    panel.region.get_by_role("spinbutton", name="Width").fill("100")
    panel.said("size: 100x2048 has")
    panel.button("Use 256 × 4096").click()
    expect(panel.region.get_by_role("spinbutton", name="Height")).to_have_value("4096")
    expect(panel.region.get_by_role("alert").filter(has_text="size:")).to_have_count(0)


def test_too_many_pictures_are_told_as_they_are_typed(show: Show) -> None:
    """In the words of the cell."""
    panel = show()
    panel.region.get_by_role("spinbutton", name="Max images").fill("16")
    panel.said("Max images: found 16; the range is 1 to 15.")


def test_alt_up_walks_through_earlier_prompts(show: Show) -> None:
    """And Alt+Down comes back to what was being written."""
    panel = show()
    panel.make_before("first", "second")
    panel.prompt.fill("third")
    for key, text in [("Up", "second"), ("Up", "first"), ("Up", "first"), ("Down", "second"), ("Down", "third")]:
        panel.prompt.press(f"Alt+Arrow{key}")
        expect(panel.prompt).to_have_value(text)


# -- the references ------------------------------------------------------------------------------------


def test_several_files_keep_their_order(show: Show) -> None:
    """However large each is."""
    panel = show()
    file = BytesIO()
    Image.effect_noise((1500, 1200), 90).convert("RGB").save(file, "PNG", compress_level=0)
    large = base64.b64encode(file.getvalue()).decode()
    drop(panel, [("large.png", large), ("teal.png", encoded())])
    drop(panel, [("navy.png", encoded(colour="navy"))])
    order(panel, "large.png", "teal.png", "navy.png")


def test_a_text_file_is_told_and_the_tray_stays(show: Show) -> None:
    """By the name that the person knows."""
    panel = show()
    panel.drop("teal.png", encoded())
    panel.drop("notes.txt", base64.b64encode(b"hello").decode(), "text/plain")
    panel.said("notes.txt")
    order(panel, "teal.png")


def test_a_broken_picture_is_told(show: Show) -> None:
    """One that ends in the middle."""
    panel = show()
    file = BytesIO()
    Image.effect_noise((300, 200), 90).save(file, "JPEG")
    panel.drop("half.jpg", base64.b64encode(file.getvalue()[:2000]).decode())
    panel.said("half.jpg")
    expect(panel.references).to_have_count(0)


def test_an_empty_file_is_told(show: Show) -> None:
    """As such."""
    panel = show()
    panel.drop("nothing.png", "")
    panel.said("nothing.png: the file is empty.")


def test_a_paste_without_a_picture_is_told(show: Show) -> None:
    """Where the focus is on no field for text."""
    panel = show()
    carried = panel.page.evaluate_handle(
        "() => { const c = new DataTransfer(); c.setData('text/plain', 'x'); return c }"
    )
    panel.button("Add images").focus()
    panel.page.evaluate(PASTE, carried)
    panel.said("What was pasted contains no picture.")


def test_an_eleventh_reference_is_told(show: Show) -> None:
    """Of many that are dropped together ten come, in their order; each other one is told."""
    panel = show()
    drop(panel, [(f"{number}.png", encoded(300 + number)) for number in range(12)])
    panel.said("10.png: at most 10 references fit")
    panel.said("11.png: at most 10 references fit")
    order(panel, *(f"{number}.png" for number in range(10)))


def test_references_are_moved_by_keyboard(show: Show) -> None:
    """As often as the key is pressed; the focus stays on it, and the new place is said."""
    panel = show()
    fill_tray(panel, "teal", "navy", "gold")
    panel.button("Move teal.png").focus()
    panel.page.keyboard.press("ArrowRight")
    panel.page.keyboard.press("ArrowRight")
    order(panel, "navy.png", "gold.png", "teal.png")
    expect(panel.button("Move teal.png")).to_be_focused()
    status(panel, "teal.png is now image 3 of 3.")
    assert [each.name for each in panel.host.state.tray.held()] == ["navy.png", "gold.png", "teal.png"]


def test_the_focus_goes_to_the_next_when_one_is_removed(show: Show) -> None:
    """And with the last one to the button that adds."""
    panel = show()
    fill_tray(panel, "teal", "navy", "gold")
    panel.button("Remove navy.png").press("Enter")
    expect(panel.button("Remove gold.png")).to_be_focused()
    status(panel, "navy.png was removed.")
    panel.page.keyboard.press("Enter")
    expect(panel.button("Remove teal.png")).to_be_focused()
    panel.page.keyboard.press("Enter")
    expect(panel.button("Add images")).to_be_focused()


def test_a_click_writes_the_number_into_the_prompt(show: Show) -> None:
    """At the cursor, as the prompt will say it."""
    panel = show()
    panel.drop("teal.png", encoded())
    panel.prompt.fill("Make brighter")
    panel.prompt.press("Home")
    for _ in range(5):
        panel.prompt.press("ArrowRight")
    panel.references.first.get_by_role("button", name="Insert").click()
    expect(panel.prompt).to_have_value("Make image 1 brighter")


def test_a_chinese_prompt_has_chinese_numbers(show: Show) -> None:
    """As soon as it is one."""
    panel = show()
    panel.drop("teal.png", encoded())
    panel.prompt.fill("把衣服换成")
    expect(panel.references.first).to_have_attribute("aria-label", "图1: teal.png")
    panel.references.first.get_by_role("button", name="Insert").click()
    expect(panel.prompt).to_have_value("把衣服换成图1")


def test_the_counter_follows_tray_and_form(show: Show) -> None:
    """References and pictures together are at most 15."""
    panel = show()
    panel.drop("teal.png", encoded())
    panel.region.get_by_role("spinbutton", name="Max images").fill("4")
    expect(panel.region.get_by_text("1 of 10 · 1 + 4 pictures of 15")).to_be_visible()


def test_what_was_said_of_a_wrong_name_goes_with_it(show: Show) -> None:
    """When the field is emptied."""
    panel = show()
    panel.add("nosuch.png")
    panel.said("nosuch.png was not found")
    panel.name.fill("")
    expect(panel.region.get_by_role("alert").filter(has_text="nosuch")).to_have_count(0)


def test_the_form_does_not_move_when_somebody_begins_to_write(show: Show) -> None:
    """Clear, which comes with the first letter, has its place before."""
    panel = show()
    before = panel.generate.bounding_box()
    panel.prompt.fill("a")
    expect(panel.button("Clear")).to_be_visible()
    assert panel.generate.bounding_box() == before


# -- the history ---------------------------------------------------------------------------------------


def test_a_result_becomes_a_reference(show: Show) -> None:
    """By its mark."""
    panel = show()
    panel.make("a fox", 1)
    panel.history.first.get_by_role("button", name="Use as reference").click()
    expect(panel.references.first).to_have_attribute("aria-label", "image 1: @1.1")


def test_run_again_makes_another(show: Show) -> None:
    """Of the same request."""
    panel = show()
    panel.make_before("a fox")
    panel.history.first.get_by_role("button", name="Run again").click()
    expect(panel.history).to_have_count(2)
    assert [each.prompt for each in panel.session.history] == ["a fox", "a fox"]


def test_edit_request_fills_the_form_and_can_be_undone(show: Show) -> None:
    """Nothing of what was being written is lost."""
    panel = show()
    panel.region.get_by_role("radio", name="16:9").check()
    panel.make("a fox", 1)
    panel.prompt.fill("something else")
    panel.region.get_by_role("radio", name="1:1").check()
    panel.history.first.get_by_role("button", name="Edit request").click()
    expect(panel.prompt).to_have_value("a fox")
    expect(panel.region.get_by_role("radio", name="16:9")).to_be_checked()
    panel.button("Undo").click()
    expect(panel.prompt).to_have_value("something else")
    expect(panel.region.get_by_role("radio", name="1:1")).to_be_checked()


def test_what_was_typed_since_comes_back_after_undo(show: Show) -> None:
    """Undo becomes Redo, as often as one likes; another Edit request in between leaves one's own in reach."""
    panel = show()
    panel.make_before("a fox", "a hare")
    panel.prompt.fill("my own")
    for number, text in enumerate(["a hare", "a fox"]):
        panel.history.nth(number).get_by_role("button", name="Edit request").click()
        expect(panel.prompt).to_have_value(text)
    panel.prompt.fill("a fox at night")
    for button, text in [("Undo", "my own"), ("Redo", "a fox at night"), ("Undo", "my own")]:
        panel.button(button).click()
        expect(panel.prompt).to_have_value(text)
    expect(panel.button("Redo")).to_be_visible()


def test_search_finds_as_you_type(show: Show) -> None:
    """And an empty search shows all again."""
    panel = show()
    panel.make_before("a red fox", "a blue whale")
    panel.region.get_by_role("searchbox", name="Search history").fill("whale")
    expect(panel.history).to_have_count(1)
    panel.region.get_by_role("searchbox", name="Search history").fill("")
    expect(panel.history).to_have_count(2)


def test_a_star_is_given_and_taken(show: Show) -> None:
    """The button says which; only those with a star are shown when that is asked for."""
    panel = show()
    panel.make_before("a red fox", "a blue whale")
    star = panel.history.nth(1).get_by_role("button", name="Star")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    panel.button("Only with a star").click()
    expect(panel.history).to_have_count(1)
    assert panel.history.first.get_attribute("aria-label") == "a red fox"


def test_the_full_size_view_walks_and_closes(show: Show) -> None:
    """Arrows, then Escape gives the focus back."""
    panel = show()
    panel.region.get_by_role("spinbutton", name="Max images").fill("2")
    panel.make("two foxes", 1)
    panel.history.first.get_by_role("button", name="View @1").click()
    view = panel.page.get_by_role("dialog", name="Picture")
    expect(view.get_by_text("@1.1 ·")).to_be_visible()
    panel.page.keyboard.press("ArrowRight")
    expect(view.get_by_text("@1.2 ·")).to_be_visible()
    expect(view.get_by_role("img")).to_have_js_property("naturalWidth", 2048)
    panel.page.keyboard.press("Escape")
    expect(view).to_have_count(0)
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_focused()


# -- models --------------------------------------------------------------------------------------------


def test_a_model_brings_its_own_sizes_price_and_limits(new_session: NewSession, browser: Browser) -> None:
    """At once, and a size that it lacks becomes the nearest that it makes; the request says which model is meant."""
    session = new_session()
    with bare_panels(session, browser) as begin:
        panel = begin()
        panel.prompt.fill("a fox")
        panel.region.get_by_role("radio", name="4K").check()
        expect(panel.generate).to_contain_text("0.03 USD")
        chosen = panel.region.get_by_role("combobox", name="Model")
        chosen.select_option("Seedream 5.0 lite")
        expect(panel.generate).to_contain_text("0.035 USD")
        expect(panel.region.get_by_role("radio", name="3K")).to_be_checked()
        expect(panel.region.get_by_text("3072 × 3072 px")).to_be_visible()
        expect(panel.region.get_by_text("0 of 14")).to_be_visible()
        assert panel.region.get_by_role("radiogroup", name="Size").get_by_role("radio").count() == 3
        panel.view_again()
        expect(panel.page.get_by_role("combobox", name="Model").nth(1)).to_have_value("seedream-5.0-lite")
        session.settings.change(backend="sandbox")
        expect(panel.generate.first).to_contain_text("free")
        panel.generate.first.click()
        expect(panel.page.get_by_role("button", name="View @1").first).to_be_enabled()
    assert (session.history[-1].request.model.name, session.history[-1].request.size) == (
        "seedream-5.0-lite",
        "3072x3072",
    )


def test_edit_request_brings_the_model_back(show: Show) -> None:
    """None ever stands in for another."""
    panel = show()
    panel.session.start("a fox", model="seedream-4.5", size="16:9").result()
    panel.region.get_by_role("list", name="History").get_by_role("button", name="Edit request").click()
    expect(panel.region.get_by_role("combobox", name="Model")).to_have_value("seedream-4.5")
    expect(panel.region.get_by_role("radio", name="16:9")).to_be_checked()
    expect(panel.region.get_by_text("2728 × 1536 px")).to_be_visible()
