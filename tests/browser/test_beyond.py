"""The browser's guard: a page reaches this machine's address and no other."""

from __future__ import annotations

import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from tests.browser.jupyter import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext

    from tests.faults.server import FaultServer

LOADS = """address => new Promise(told => {
  const image = new Image()
  image.onload = () => told(true)
  image.onerror = () => told(false)
  image.src = address
})"""


class Counting(SimpleHTTPRequestHandler):
    """Notes what is asked for, and answers nothing."""

    asked: list[str]

    def do_GET(self) -> None:
        """Note it."""
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Serve at an address that stands for another machine's; give it, and what was asked for there."""
    asked: list[str] = []
    handler = type("Handler", (Counting,), {"asked": asked})
    with HTTPServer(("127.0.0.2", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.2:{server.server_port}/fox.jpg", asked
        server.shutdown()
        thread.join()


def test_a_page_reaches_no_other_machine(
    profile: BrowserContext, fault_server: FaultServer, elsewhere: tuple[str, list[str]]
) -> None:
    """What a page wants from another address is written down, and never asked for; what is here comes."""
    address, asked = elsewhere
    opened = Notebook(profile.new_page())
    opened.page.goto(fault_server.picture(64, 64))

    assert opened.page.evaluate(LOADS, fault_server.picture(65, 64))
    assert not opened.page.evaluate(LOADS, address)

    assert (opened.beyond, asked) == ([address], [])
    opened.page.close()
