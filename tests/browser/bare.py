"""A page with a widget and nothing around it: what the page says is heard by a real state, in this process.

In place of a notebook's comm there is a WebSocket, over which the same messages go, each a line of JSON and its bytes.
So a page is there in a tenth of the time of a notebook's, and the kernel's side is not imitated.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import threading
from typing import TYPE_CHECKING, Any, cast

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from seedream_nb.widgets.drafts import Drafts
from seedream_nb.widgets.modules import joined, styles
from seedream_nb.widgets.protocol import sendable
from seedream_nb.widgets.state import State
from tests.browser.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page

    from seedream_nb.session import Session
    from seedream_nb.widgets.protocol import Snapshot
    from tests.browser.jupyter import Notebook

    Show = Callable[[], "BarePanel"]
    """Shows a panel."""

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Seedream</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/panel.css"><style>body { margin: 0 }</style>
<script type="module">
  import make from "/widget.js"
  import { model } from "/model.js"
  const context = { model: await model() }
  window.widget = await make()
  await window.widget.initialize(context)
  window.view = element => window.widget.render({ ...context, el: element })
  window.leave = await window.view(document.querySelector("main"))
</script><body><main></main>"""
MODEL = """
const heard = new Set()
const ended = new Set()
let isLive = true
window.endKernel = () => {
  isLive = false
  ended.forEach(act => act())
}

function unpacked(data) {
  const view = new DataView(data)
  const lengths = Array.from({ length: view.getUint32(0) }, (_, at) => view.getUint32(4 + 4 * at))
  let place = 4 + 4 * lengths.length
  const [head, ...buffers] = lengths.map(length => new DataView(data, (place += length) - length, length))
  return [JSON.parse(new TextDecoder().decode(head)), buffers]
}
function packed(content, buffers) {
  const parts = [new TextEncoder().encode(JSON.stringify(content)), ...buffers]
  return new Blob([new Uint32Array([parts.length, ...parts.map(each => each.byteLength)]), ...parts])
}
export async function model() {
  const socket = new WebSocket(`ws://${location.host}/model`)
  socket.binaryType = "arraybuffer"
  socket.onmessage = ({ data }) => { const said = unpacked(data); heard.forEach(act => act(...said)) }
  await new Promise(done => { socket.onopen = done })
  return {
    on: (event, act) => (event === "msg:custom" ? heard : ended).add(act),
    off: (event, act) => (event === "msg:custom" ? heard : ended).delete(act),
    get: () => "its-id",
    widget_manager: { get_model: async () => ({ comm_live: isLive }) },
    send: (content, _, buffers = []) => socket.send(packed(content, buffers)),
  }
}
"""


def packed(content: object, buffers: Sequence[bytes | memoryview]) -> bytes:
    """Return a message and its bytes as one."""
    parts = [json.dumps(content).encode(), *map(bytes, buffers)]
    return struct.pack(f">{1 + len(parts)}I", len(parts), *map(len, parts)) + b"".join(parts)


def unpacked(data: bytes) -> tuple[Any, list[memoryview]]:
    """Return the message and its bytes that a page has sent: its numbers are as its machine writes them."""
    (count,) = struct.unpack_from("=I", data)
    place, parts = 4 + 4 * count, list[memoryview]()
    for length in struct.unpack_from(f"={count}I", data, 4):
        parts.append(memoryview(data)[place : place + length])
        place += length
    return json.loads(bytes(parts[0])), parts[1:]


class Model(WebSocketHandler):
    """The other end of a page's model."""

    def initialize(self, host: Host) -> None:
        """Belong to this host."""
        self._host = host

    def open(self, *_: str, **__: str) -> None:
        """Hear that a page is there."""
        self._host.models.add(self)

    def on_close(self) -> None:
        """Hear that it has gone."""
        self._host.models.discard(self)

    def on_message(self, message: str | bytes) -> None:
        """Let the state answer, beside this loop, as a kernel does."""
        content, buffers = unpacked(bytes(message))  # type: ignore[arg-type]  # always bytes
        threading.Thread(target=self._host.hear, args=(self, content, buffers), daemon=True).start()


class Text(RequestHandler):
    """A text of the page."""

    def initialize(self, text: str, kind: str) -> None:
        """Give this text, which is of this type."""
        self._text, self._kind = text, kind

    def get(self) -> None:
        """Send it."""
        self.set_header("Content-Type", f"{self._kind}; charset=utf-8")
        self.write(self._text)


class Host:
    """Serves a page with a widget of a session."""

    def __init__(self, session: Session, part: str) -> None:
        """Show this session, by the module of this name."""
        self.models: set[Model] = set()
        drafts = Drafts(session) if part == "panel" else None
        self.state = State(session, self._show, has_form=part == "panel", drafts=drafts)
        self.url = ""
        self._part = part
        self._loop = asyncio.new_event_loop()

    def hear(self, model: Model, content: object, buffers: Sequence[memoryview]) -> None:
        """Answer what a page has said, as a widget does."""
        reply, along = self.state.desk.hear(content, buffers)
        if reply:
            self._say([model], reply, along)

    def _show(self, snapshot: Snapshot) -> None:
        self._say(list(self.models), {"snapshot": snapshot}, ())

    def _say(self, models: Sequence[Model], content: object, buffers: Sequence[bytes]) -> None:
        message = packed(sendable(content), buffers)
        for each in models:
            with contextlib.suppress(RuntimeError):  # the page has gone, and this host with it
                self._loop.call_soon_threadsafe(self._write, each, message)

    def _write(self, model: Model, message: bytes) -> None:
        if model in self.models:
            model.write_message(message, binary=True)

    @contextlib.contextmanager
    def serve(self) -> Iterator[None]:
        """Serve on a port of this machine, on a thread of its own."""
        sockets = bind_sockets(0, "127.0.0.1")
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"
        texts = {
            "/": (PAGE, "text/html"),
            "/widget.js": (joined(f"{self._part}.js"), "text/javascript"),
            "/model.js": (MODEL, "text/javascript"),
            "/panel.css": (styles(), "text/css"),
        }
        routes: list[Any] = [(path, Text, {"text": text, "kind": kind}) for path, (text, kind) in texts.items()]

        async def run() -> None:
            server = HTTPServer(Application([*routes, ("/model", Model, {"host": self})]))
            server.add_sockets(sockets)
            await ended.wait()
            server.stop()
            await server.close_all_connections()

        ended = asyncio.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=(run(),))
        thread.start()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(ended.set)
            thread.join()
            self._loop.close()


class BarePanel(Panel):
    """A panel on a page of its own; what would be its kernel is this process."""

    def __init__(self, page: Page, host: Host) -> None:
        """Find the panel of this page, which is served by this host."""
        self.page, self.host, self.session = page, host, host.state.session
        super().__init__(cast("Notebook", self))

    def view_again(self) -> None:
        """Show another view of the same panel below it."""
        self.page.evaluate("() => { void window.view(document.body.appendChild(document.createElement('main'))) }")

    def make_before(self, *prompts: str, **options: object) -> None:
        """Have these made by another door, and wait until they are on the page."""
        for prompt in prompts:
            self.session.start(prompt, **{"size": "1K", **options}).result()
        self.page.get_by_role("listitem", name=prompts[-1]).first.wait_for()


def sandboxed(session: Session) -> Session:
    """Let a session ask the sandbox, which is free."""
    session.settings.change(backend="sandbox", base_url=None)
    return session


@contextlib.contextmanager
def bare_panels(session: Session, browser: Browser) -> Iterator[Show]:
    """Give a function that shows a panel of a session on a page of its own; nothing may go wrong on that page."""
    problems: list[str] = []
    with contextlib.ExitStack() as stack:

        def begin() -> BarePanel:
            host = Host(session, "panel")
            stack.enter_context(host.serve())
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            stack.callback(page.close)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
            page.goto(host.url)
            return BarePanel(page, host)

        yield begin
    assert problems == []
