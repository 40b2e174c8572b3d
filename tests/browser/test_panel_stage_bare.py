"""The stage, on a page with nothing around it: the newest result, large, while it is made and when it has failed."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.bare import bare_panels, sandboxed
from tests.browser.looks import REFUSED, misplaced
from tests.browser.panel import FOCUSED
from tests.browser.test_panel_queue import ask_for, holding, press
from tests.faults.script import POST, Links, OnceRead, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, FloatRect, Locator

    from tests.browser.bare import BarePanel, Show
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer


@pytest.fixture
def show(new_session: NewSession, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel of a session in the sandbox, which has made three pictures."""
    session = sandboxed(new_session())
    session.start("a lighthouse", size="1536x864").result()
    session.start("a fox from @1", size="1024x1024", images=["@1"]).result()
    with bare_panels(session, browser) as begin:
        yield begin


@pytest.fixture
def go(fault_server: FaultServer) -> Iterator[threading.Event]:
    """Hold every request back until this is set."""
    yield from holding(fault_server)


@pytest.fixture
def service(new_session: NewSession, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel whose service is the fault server, which is asked for one at a time."""
    session = new_session()
    session.settings.change(concurrency=1)
    with bare_panels(session, browser) as begin:
        yield begin


def held(go: threading.Event) -> Callable[[object], Links]:
    """Return what answers once this is set."""

    def answer(_: object) -> Links:
        go.wait(60)
        return Links(width=1568, height=672)

    return answer


def stage(panel: BarePanel) -> Locator:
    """Return the region of the newest result."""
    return panel.region.get_by_role("region", name="Result")


def large(panel: BarePanel) -> Locator:
    """Return the picture on the stage."""
    return stage(panel).locator("img.sd-canvas")


def box_of(found: Locator) -> FloatRect:
    """Return where something is."""
    box = found.bounding_box()
    assert box is not None
    return box


# -- what stands there ---------------------------------------------------------------------------------


def test_the_newest_result_stands_there_with_its_request(show: Show) -> None:
    """Its picture, mark, size, cost, model and prompt, and what it was made from."""
    panel = show()
    expect(large(panel)).to_have_attribute("data-picture", "@2.1")
    for text in ("@2.1", "1024×1024", "sandbox, free", "Seedream 4.0", "from @1.1", "a fox from @1"):
        expect(stage(panel)).to_contain_text(text)


def test_its_actions_are_words(show: Show) -> None:
    """One Tab stop, and the arrows go through them."""
    panel = show()
    expect(large(panel)).to_be_visible()
    bar = stage(panel).get_by_role("toolbar")
    names = bar.get_by_role("button").all_inner_texts()
    wanted = [
        "Edit this",
        "Use as reference",
        "Run again",
        "Star",
        "Copy as cell",
        "Download",
        "Edit request",
        "Full size",
    ]
    assert [name for name in wanted if name not in names] == []
    bar.get_by_role("button", name="Edit this").focus()
    panel.page.keyboard.press("ArrowRight")
    expect(bar.get_by_role("button", name="Use as reference")).to_be_focused()
    panel.page.keyboard.press("Enter")
    expect(panel.references).to_have_count(1)
    expect(stage(panel)).to_contain_text("@2.1 is now a reference.")
    assert bar.get_by_role("button").evaluate_all("all => all.filter(each => each.tabIndex === 0).length") == 1


def test_what_is_made_takes_the_place(show: Show) -> None:
    """The picture that one has just asked for, as large as there is room."""
    panel = show()
    panel.make("a heron", 3)
    expect(large(panel)).to_have_attribute("data-picture", "@3.1")
    box = box_of(large(panel))
    assert min(box["width"], box["height"]) > 380


def test_a_picture_that_looks_like_the_one_before_is_another(show: Show) -> None:
    """The sandbox paints the same for the same request; what is done next is done with the new one."""
    panel = show()
    panel.make("a heron", 3)
    panel.make("a heron", 4)
    expect(large(panel)).to_have_attribute("data-picture", "@4.1")
    expect(stage(panel)).to_contain_text("@4.1")


def test_one_of_a_series_is_chosen_by_click_and_arrows(show: Show) -> None:
    """From the strip below it."""
    panel = show()
    panel.session.start("four foxes", size="1024x1024", max_images=4).result()
    strip = stage(panel).get_by_role("group", name="Pictures of @3")
    strip.get_by_role("button", name="@3.3").click()
    expect(large(panel)).to_have_attribute("data-picture", "@3.3")
    expect(stage(panel)).to_contain_text("3 of 4")
    panel.page.keyboard.press("ArrowRight")
    expect(large(panel)).to_have_attribute("data-picture", "@3.4")
    expect(strip.get_by_role("button", name="@3.4")).to_be_focused()


def test_it_is_sharp_on_a_fine_screen(show: Show, browser: Browser) -> None:
    """As many pixels as the screen has in its place."""
    panel = show()
    panel.session.start("a lake", size="2048x2048").result()
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, device_scale_factor=3)
    try:
        page.goto(panel.host.url)
        page.wait_for_function(
            """() => { const image = document.querySelector("img.sd-canvas")
            return image?.dataset.picture === "@3.1" && image.naturalWidth >= 0.9 * 3 * image.width }"""
        )
    finally:
        page.close()


def test_an_empty_history_invites(new_session: NewSession, browser: Browser) -> None:
    """Once, on the stage, with examples to begin with."""
    with bare_panels(sandboxed(new_session()), browser) as begin:
        panel = begin()
        expect(stage(panel).get_by_text("Your pictures will appear here.")).to_be_visible()
        expect(panel.region.get_by_text("Your pictures will appear here.")).to_have_count(1)
        stage(panel).get_by_role("button", name="A fox in the snow, ink wash").click()
        expect(panel.prompt).to_have_value("A fox in the snow, ink wash")


def test_what_was_looked_at_stands_there_afterwards(show: Show) -> None:
    """From its card in full size, and then on the stage, where words say what can be done with it."""
    panel = show()
    panel.history.nth(1).get_by_role("button", name="View @1").click()
    expect(panel.page.get_by_role("dialog", name="Picture")).to_be_visible()
    panel.page.keyboard.press("Escape")
    expect(large(panel)).to_have_attribute("data-picture", "@1.1")
    panel.make("a heron", 3)
    expect(large(panel)).to_have_attribute("data-picture", "@3.1")


def test_a_file_that_is_gone_is_told(show: Show) -> None:
    """And the stage shows what it knows of it."""
    panel = show()
    expect(large(panel)).to_have_attribute("data-picture", "@2.1")
    panel.session.history[2].images[0].path.unlink()
    panel.page.reload()
    expect(stage(panel)).to_contain_text("Its file is missing or damaged.")
    expect(stage(panel)).to_contain_text("a fox from @1")


# -- while it is made ----------------------------------------------------------------------------------


def test_a_frame_of_its_shape_stands_there_meanwhile(
    service: Show, fault_server: FaultServer, new_session: NewSession
) -> None:
    """With the phase, its seconds, what is usual, and Cancel; nothing else on the panel moves for it."""
    go = threading.Event()
    fault_server.on(POST, *[Links(width=1568, height=672)] * 2, OnceRead(held(go)))
    before = new_session()
    for prompt in ("a lake", "a hill"):
        before.start(prompt, size="1568x672").result()
    panel = service()
    expect(large(panel)).to_be_visible()
    panel.region.get_by_role("radio", name="1K").check()
    panel.region.get_by_role("radio", name="21:9").check()
    whole = panel.region.bounding_box()
    row = ask_for(panel, "a sea")
    expect(row).to_contain_text("Generating")
    expect(row).to_contain_text("usually 1 s")
    expect(row.get_by_role("button", name="Cancel")).to_be_visible()
    frame = box_of(row.locator(".sd-canvas"))
    assert frame["width"] / frame["height"] == pytest.approx(1568 / 672, rel=0.02)
    expect(large(panel)).to_be_hidden()
    assert panel.region.bounding_box() == whole
    go.set()
    expect(large(panel)).to_have_attribute("data-picture", "@3.1")
    assert panel.region.bounding_box() == whole


def test_the_newest_of_several_stands_there(service: Show, go: threading.Event) -> None:
    """The others are small rows; who waits has an empty bar, and its waiting does not count as work."""
    panel = service()
    first = ask_for(panel, "first")
    expect(first).to_contain_text("Generating")
    second = ask_for(panel, "second")
    expect(second.get_by_text("Waiting", exact=True)).to_be_visible()
    assert box_of(first)["height"] < 80
    assert box_of(second)["height"] > 300
    assert second.locator(".sd-track span").evaluate("each => each.getBoundingClientRect().width") == 0
    panel.page.wait_for_timeout(1200)
    go.set()
    expect(large(panel)).to_have_attribute("data-picture", "@2.1")
    waited = panel.session.history[2].seconds
    assert waited is not None
    assert waited < 1.2


# -- what has failed -----------------------------------------------------------------------------------


@pytest.fixture
def failed(service: Show, fault_server: FaultServer) -> BarePanel:
    """Show a panel with three failures, the last refused by the safety check."""
    refused = Reply(status=400, body=json.dumps(REFUSED).encode(), headers={"Content-Type": "application/json"})
    fault_server.on(POST, Reply(status=500), Reply(status=500), refused)
    panel = service()
    for prompt in ("first", "second", "third"):
        press(panel, prompt)
        expect(panel.region.get_by_role("region", name=prompt)).to_contain_text("Failed")
    return panel


def failure(panel: BarePanel, prompt: str) -> Locator:
    """Return what is told of a request that failed."""
    return panel.region.get_by_role("region", name=prompt)


def test_of_several_failures_the_newest_is_open(failed: BarePanel) -> None:
    """The others behind their number; each is dismissed by itself, or all together, and stays so."""
    expect(failure(failed, "third")).to_be_visible()
    expect(failure(failed, "second")).to_be_hidden()
    failed.button("2 more").click()
    expect(failure(failed, "first")).to_be_visible()
    failure(failed, "second").get_by_role("button", name="Dismiss").click()
    expect(failure(failed, "second")).to_have_count(0)
    failed.button("Dismiss all").click()
    expect(failed.region.get_by_text("Failed", exact=True)).to_have_count(0)
    failed.page.reload()
    expect(failed.generate).to_contain_text("picture")
    expect(failed.region.get_by_role("button", name="Dismiss")).to_have_count(0)


def test_a_safety_refusal_is_edited_and_not_tried_again(failed: BarePanel) -> None:
    """One press puts the request into the form."""
    expect(failure(failed, "third").get_by_role("button", name="Try again")).to_have_count(0)
    failed.prompt.fill("something else")
    failure(failed, "third").get_by_role("button", name="Edit request").click()
    expect(failed.prompt).to_have_value("third")
    expect(failed.prompt).to_be_focused()


def test_a_failure_goes_when_the_same_request_succeeds(failed: BarePanel, fault_server: FaultServer) -> None:
    """Whoever sends it; the others stay."""
    fault_server.on(POST, Links(width=1024, height=1024))
    press(failed, "second")
    expect(large(failed)).to_be_visible()
    failed.button("1 more").click()
    expect(failure(failed, "first")).to_be_visible()
    expect(failure(failed, "second")).to_have_count(0)


# -- editing -------------------------------------------------------------------------------------------


def test_edit_this_is_one_click_and_so_is_the_way_back(show: Show) -> None:
    """The picture is the only reference, the prompt is empty and has the focus; then all is as it was."""
    panel = show()
    panel.prompt.fill("the sea at night")
    panel.region.get_by_role("radio", name="16:9").check()
    panel.region.get_by_role("spinbutton", name="Max images").fill("3")
    panel.add("@1")
    expect(panel.references).to_have_count(1)
    stage(panel).get_by_role("button", name="Edit this").click()
    expect(panel.prompt).to_be_focused()
    expect(panel.prompt).to_have_value("")
    expect(panel.prompt).to_have_attribute("placeholder", "What should change?")
    expect(panel.references).to_have_count(1)
    expect(panel.references.first).to_have_attribute("aria-label", "image 1: @2.1")
    expect(panel.region.get_by_role("radio", name="1:1")).to_be_checked()
    panel.page.keyboard.type("make it snow")
    panel.button("Back to “the sea at night”").click()
    expect(panel.prompt).to_have_value("the sea at night")
    expect(panel.references.first).to_have_attribute("aria-label", "image 1: @1.1")
    expect(panel.region.get_by_role("radio", name="16:9")).to_be_checked()
    expect(panel.region.get_by_role("spinbutton", name="Max images")).to_have_value("3")
    panel.button("Edit @2.1").click()
    expect(panel.prompt).to_have_value("make it snow")


# -- its place -----------------------------------------------------------------------------------------

LAB = 108
"""The pixels of its height that JupyterLab has for itself above and below a notebook."""


@pytest.fixture
def ten(show: Show) -> BarePanel:
    """Show a panel with ten references."""
    panel = show()
    panel.session.start("ten foxes", size="1024x1024", max_images=10).result()
    for number in range(1, 11):
        panel.host.state.tray.add(f"@3.{number}")
    expect(panel.references).to_have_count(10)
    return panel


def test_generate_is_in_sight_with_ten_references(ten: BarePanel) -> None:
    """In a notebook in JupyterLab, in all the widths; ten references take two lines, size and shape one."""
    for width, height in ((1366, 768), (1400, 1000), (700, 768), (360, 740)):
        ten.page.set_viewport_size({"width": width, "height": height - LAB})
        box = box_of(ten.generate)
        assert box["y"] + box["height"] <= height - LAB, width
        lines = {round(each["y"]) for each in map(box_of, ten.references.all())}
        assert len(lines) <= 2, width
        radios = ten.region.get_by_role("radio").all()
        assert len({round(each["y"] / 20) for each in map(box_of, radios)}) == 1, width
        assert misplaced(ten.page) == {}


def test_from_the_prompt_to_the_wall_are_at_most_twelve_stops(ten: BarePanel) -> None:
    """With ten references, and a series on the stage."""
    ten.prompt.focus()
    found: list[str] = []
    while "list" not in found:
        ten.page.keyboard.press("Tab")
        inside = ten.page.evaluate("document.activeElement.closest('.sd-wall') !== null")
        found.append("list" if inside else str(ten.page.evaluate(FOCUSED)))
    assert len(found) - 1 <= 12, found


def test_the_arrows_go_through_the_references(ten: BarePanel) -> None:
    """They are one Tab stop; what removes and moves one is reached from it."""
    keys = ten.page.keyboard
    ten.references.first.get_by_role("button", name="Insert").focus()
    keys.press("ArrowDown")
    expect(ten.references.nth(1).get_by_role("button", name="Insert")).to_be_focused()
    keys.press("ArrowRight")
    expect(ten.button("Remove @3.2")).to_be_focused()
    keys.press("ArrowRight")
    expect(ten.button("Move @3.2")).to_be_focused()
    keys.press("ArrowLeft")
    expect(ten.references.first).to_have_attribute("aria-label", "image 1: @3.2")
    keys.press("Escape")
    expect(ten.references.first.get_by_role("button", name="Insert")).to_be_focused()
