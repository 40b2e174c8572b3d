"""What is under way, on a page with nothing around it: stopping, trying again, and that no press buys twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.bare import bare_panels
from tests.browser.test_panel_queue import ask_for, holding, press
from tests.faults.script import POST, Links, Reply

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator

    from tests.browser.bare import Show
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer


@pytest.fixture
def go(fault_server: FaultServer) -> Iterator[threading.Event]:
    """Hold every request back until this is set."""
    yield from holding(fault_server)


@pytest.fixture
def show(new_session: NewSession, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel whose service is the fault server, which is asked for one at a time."""
    session = new_session()
    session.settings.change(concurrency=1)
    with bare_panels(session, browser) as begin:
        yield begin


def test_ctrl_enter_generates_once_however_often_the_panel_is_shown(
    show: Show, fault_server: FaultServer, go: threading.Event
) -> None:
    """Each view hears of the press, and the one in which it was asks."""
    panel = show()
    panel.view_again()
    second = panel.page.get_by_role("region", name="Seedream").nth(1)
    second.get_by_role("textbox", name="Prompt").fill("a fox")
    second.get_by_role("textbox", name="Prompt").press("Control+Enter")
    expect(second.get_by_role("region", name="a fox")).to_be_visible()
    go.set()
    expect(second.get_by_role("button", name="View @")).to_be_enabled()
    assert len(fault_server.posts) == 1


def test_what_waits_can_be_withdrawn(show: Show, fault_server: FaultServer, go: threading.Event) -> None:
    """With one place, the second and third wait; stopped there, they never reach the service and cost nothing."""
    panel = show()
    first, second, third = (ask_for(panel, prompt) for prompt in ("first", "second", "third"))
    expect(first.get_by_text("Generating")).to_be_visible()
    for row in (second, third):
        expect(row.get_by_text("Waiting", exact=True)).to_be_visible()
        row.get_by_role("button", name="Cancel").click()
        expect(row.get_by_text("Waiting", exact=True)).to_have_count(0)
    expect(third.get_by_text("Stopped", exact=True)).to_be_visible()
    panel.button("1 more").click()
    expect(second.get_by_text("Nothing was billed")).to_be_visible()
    go.set()
    expect(panel.history).to_have_count(1)
    expect(first).to_have_count(0)
    assert [post.json()["prompt"] for post in fault_server.posts] == ["first"]
    for row in (third, second):
        row.get_by_role("button", name="Dismiss").click()
        expect(row).to_have_count(0)


def test_what_was_sent_goes_on_and_says_so(show: Show, fault_server: FaultServer, go: threading.Event) -> None:
    """After Cancel it says that it may be billed, offers no second Cancel, and its picture comes."""
    panel = show()
    row = ask_for(panel, "a fox")
    expect(row.get_by_text("Generating")).to_be_visible()
    row.get_by_role("button", name="Cancel").click()
    expect(row.get_by_text("can't be taken back")).to_be_visible()
    expect(row.get_by_role("button", name="Cancel")).to_have_count(0)
    go.set()
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_enabled()
    expect(row).to_have_count(0)
    assert len(fault_server.posts) == 1


def test_a_failed_request_says_why_and_is_tried_again(show: Show, fault_server: FaultServer) -> None:
    """In the words of the error; the second time it comes."""
    fault_server.on(POST, Reply(status=500), Links(width=1024, height=1024))
    panel = show()
    row = ask_for(panel, "a fox")
    expect(row.get_by_text("Failed", exact=True)).to_be_visible()
    expect(row.get_by_text("500")).to_be_visible()
    row.get_by_role("button", name="Try again").dblclick()
    expect(panel.history).to_have_count(2)
    expect(panel.history.first.get_by_role("button", name="View @2")).to_be_enabled()
    assert len(fault_server.posts) == 2


def test_a_budget_is_told_beside_generate(show: Show, fault_server: FaultServer) -> None:
    """Nothing is sent, and the form stays."""
    panel = show()
    panel.session.settings.change(budget=0.01)
    panel.prompt.fill("a fox")
    panel.generate.click()
    panel.said("budget")
    assert panel.prompt.input_value() == "a fox"
    assert fault_server.posts == []


def test_what_runs_offers_only_what_makes_sense(show: Show, go: threading.Event) -> None:
    """Its row can be cancelled; its card can neither be run again nor viewed, until the picture is there."""
    panel = show()
    row = ask_for(panel, "a fox")
    expect(row.get_by_text("Generating")).to_be_visible()
    assert names(row) == ["Cancel"]
    card = panel.history.first
    expect(card).to_have_attribute("aria-busy", "true")
    assert names(card) == ["@1: generating", "Edit request", "Copy as cell", "Star"]
    expect(card.get_by_role("button", name="@1: generating")).to_be_disabled()
    go.set()
    expect(card.get_by_role("button", name="View @1")).to_be_enabled()
    assert {"Run again", "Use as reference", "Download"} <= set(names(card))
    expect(row).to_have_count(0)


def names(place: Locator) -> list[str]:
    """Return the names of the buttons in a place."""
    found: list[str] = place.get_by_role("button").evaluate_all(
        "all => all.map(each => each.getAttribute('aria-label') || each.textContent)"
    )
    return found


def test_a_double_click_buys_once(show: Show, fault_server: FaultServer, go: threading.Event) -> None:
    """Its second half is no press of its own, however soon the first was answered; nor is a key held down."""
    panel = show()
    row = ask_for(panel, "a fox")
    panel.generate.dispatch_event("click", {"detail": 2})
    panel.prompt.dispatch_event("keydown", {"key": "Enter", "ctrlKey": True, "repeat": True})
    go.set()
    expect(panel.history.first.get_by_role("button", name="View @1")).to_be_enabled()
    expect(row).to_have_count(0)
    assert len(fault_server.posts) == 1
    press(panel, "a hare")
    expect(panel.history).to_have_count(2)
