"""The panel in a real JupyterLab: what a person does with mouse, keyboard and files, and what comes of it."""

from __future__ import annotations

import base64
import time
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.panel import Open
    from tests.faults.server import FaultServer

SERVICE = "sd.configure(backend='novita', api_key='sk_test', base_url={url!r})"


def encoded(width: int = 300, height: int = 200, colour: str = "teal") -> str:
    """Return a PNG of one colour, in base64."""
    file = BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


# -- the form ------------------------------------------------------------------------------------------


def test_a_prompt_and_a_click_make_a_picture(show: Open) -> None:
    """The picture comes to the panel's history and to the session's."""
    panel = show("[(len(g), g.template) for g in sd.history]")
    panel.make("a red fox in the snow", 1)
    assert panel.notebook.run(2)[0]["data"]["text/plain"] == "[(1, 'a red fox in the snow')]"


def test_the_form_says_what_is_sent(show: Open) -> None:
    """Size, ratio, count and watermark reach the request."""
    panel = show("r = sd.history[-1].request\nr.size, r.max_images, r.watermark, r.sequential")
    panel.region.get_by_role("radiogroup", name="Size").get_by_role("radio", name="1K").check()
    panel.region.get_by_role("radiogroup", name="Aspect ratio").get_by_role("radio", name="16:9").check()
    panel.region.get_by_role("spinbutton", name="Max images").fill("2")
    panel.region.get_by_role("checkbox", name="Watermark").uncheck()
    panel.make("a fox", 1)
    assert panel.notebook.run(2)[0]["data"]["text/plain"] == "('1368x768', 2, False, 'auto')"


def test_a_click_on_a_shape_and_a_size_reach_the_request(show: Open, fault_server: FaultServer) -> None:
    """The shape is drawn as the ratio says; the service and the cell that asks for the same are told its pixels."""
    panel = show(before=SERVICE.format(url=fault_server.url))
    shape = panel.region.get_by_role("radio", name="21:9")
    drawn = shape.evaluate("each => each.closest('label').querySelector('rect').getBBox().width")
    assert drawn > 2 * shape.evaluate("each => each.closest('label').querySelector('rect').getBBox().height")
    click_at(shape, 0.3)
    click_at(panel.region.get_by_role("radio", name="1K"), 0.5)
    expect(panel.region.get_by_text("1568 × 672 px")).to_be_visible()
    panel.make("a fox", 1)
    panel.history.first.get_by_role("button", name="Copy as cell").click()
    expect(panel.history.first).to_contain_text("The cell was inserted below.")
    assert panel.sources()[2] == "%%seedream --size 1568x672\na fox"
    assert [post.json()["size"] for post in fault_server.posts] == ["1568x672"]


def click_at(what: Locator, share: float) -> None:
    """Click on the middle of something, this share of its height from the top."""
    what.scroll_into_view_if_needed()
    box = what.bounding_box()
    assert box is not None
    what.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * share)


def test_what_is_made_in_a_cell_appears_in_the_panel(show: Open) -> None:
    """One session behind both doors."""
    panel = show("%load_ext seedream_nb", "%%seedream -s 1K\nmade in a cell")
    panel.notebook.run(2)
    panel.notebook.run(3)
    expect(panel.history).to_have_count(1)
    assert panel.history.first.get_attribute("aria-label") == "made in a cell"


def test_braces_are_expanded(show: Open) -> None:
    """What is typed into the panel is a template over the notebook's names."""
    panel = show("sd.history[-1].prompt", before="style = 'ink'")
    panel.make("a fox in {style}", 1)
    assert panel.notebook.run(2)[0]["data"]["text/plain"] == "'a fox in ink'"


def test_a_name_that_does_not_exist_is_told_at_the_prompt(show: Open) -> None:
    """Nothing is sent, and nothing of the form is lost."""
    panel = show(before="style = 'ink'")
    panel.prompt.fill("a fox in {stile}")
    panel.generate.click()
    panel.said("Did you mean style?")
    assert panel.prompt.input_value() == "a fox in {stile}"
    expect(panel.history).to_have_count(0)


def test_a_number_that_points_at_no_reference_is_told_as_it_is_typed(show: Open) -> None:
    """At the prompt, and Generate can't be pressed until it is mended."""
    panel = show(before="from PIL import Image\nred = Image.new('RGB', (64, 64), 'red')")
    panel.add("red")
    panel.prompt.fill("image 2 in snow")
    panel.said("The prompt says image 2, but there is one reference (image 1: red)")
    expect(panel.generate).to_have_attribute("aria-disabled", "true")
    panel.prompt.press("Control+Enter")
    panel.prompt.fill("image 1 in snow")
    expect(panel.region.get_by_role("alert").filter(has_text="image 2")).to_have_count(0)
    expect(panel.generate).not_to_have_attribute("aria-disabled", "true")
    panel.make("image 1 in snow", 1)


# -- the history ---------------------------------------------------------------------------------------


def test_copy_as_cell_puts_the_cell_below(show: Open) -> None:
    """Right below the panel's own."""
    panel = show("'the next cell'")
    panel.make("a fox", 1)
    panel.history.first.get_by_role("button", name="Copy as cell").click()
    panel.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.model.cells.length === 5")
    assert panel.sources()[2] == "%%seedream\na fox"


def test_download_gives_the_file_itself(show: Open, tmp_path: Path) -> None:
    """Byte for byte, by its own name."""
    panel = show()
    panel.make("a fox", 1)
    with panel.page.expect_download() as downloading:
        panel.history.first.get_by_role("button", name="Download").click()
    saved = downloading.value
    original = next((tmp_path / "home").glob("0001-1-*"))
    assert saved.suggested_filename == original.name
    assert saved.path().read_bytes() == original.read_bytes()


# -- the host ------------------------------------------------------------------------------------------


def test_the_panel_survives_a_reload_of_the_page(show_alone: Open) -> None:
    """What was typed is still there, and the history."""
    panel = show_alone()
    panel.make("a fox", 1)
    panel.prompt.fill("half a thou")
    time.sleep(0.8)
    panel.notebook.command("docmanager:save")
    panel.page.reload()
    panel.notebook.ready()
    panel.notebook.problems.clear()  # of the page that was left: what it had begun was cut short
    expect(panel.prompt).to_have_value("half a thou", timeout=20_000)
    expect(panel.history).to_have_count(1)


# -- more than one of them on the page -----------------------------------------------------------------


def test_two_panels_show_the_same_history(show: Open, fault_server: FaultServer) -> None:
    """One from Python, one from the magic: what one makes is in the other, and each has a form of its own."""
    known = SERVICE.format(url=fault_server.url)
    first = show("%load_ext seedream_nb", "%seedream panel", before=f"{known}; sd.generate('a fox')")
    first.notebook.run(2)
    first.notebook.run(3)
    panels = first.page.get_by_role("region", name="Seedream")
    expect(panels).to_have_count(2)
    for number, prompt in enumerate(["a hare", "a crow"]):
        panel = panels.nth(number)
        panel.get_by_role("textbox", name="Prompt").fill(prompt)
        panel.get_by_role("button", name="Generate").click()
        for other in range(2):
            made = panels.nth(other).get_by_role("listitem", name=prompt)
            expect(made.get_by_role("button", name=f"View @{number + 2}")).to_be_enabled()
            history = panels.nth(other).get_by_role("list", name="History")
            expect(history.get_by_role("listitem")).to_have_count(number + 2)
    expect(panels.nth(0).get_by_role("textbox", name="Prompt")).to_have_value("a hare")


def test_two_views_of_a_panel_show_the_same(show: Open) -> None:
    """What is typed in one stands in the other, and what one makes is in both."""
    panel = show("panel")
    panel.notebook.run(2)
    prompts = panel.page.get_by_role("textbox", name="Prompt")
    expect(prompts).to_have_count(2)
    prompts.nth(0).fill("a fox")
    expect(prompts.nth(1)).to_have_value("a fox")
    panel.page.get_by_role("button", name="Generate").nth(1).click()
    for number in range(2):
        history = panel.page.get_by_role("list", name="History").nth(number).get_by_role("listitem")
        expect(history).to_have_count(1)
