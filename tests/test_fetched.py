"""Pictures of this machine and its network are fetched here and sent inline: the service could not reach them."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import ReferenceImageError
from seedream_nb.http.client import Timeouts
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kernel import Kernel

PNG = encoded(gradient(60, 50), "PNG")
HASTY = Timeouts(download_pauses=(0.01,))


class Pictures(BaseHTTPRequestHandler):
    """Serves one picture, and ways that lead to it, around it, or nowhere."""

    asked: list[tuple[str, dict[str, str]]]
    released: threading.Event
    ways = ("/loop", "/cloud", "/moved", "/file")

    def do_GET(self) -> None:
        """Answer, and note what was asked."""
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            self.released.wait(20)
        elif self.path in self.ways:
            self._redirect()
        else:
            self.send_response(404 if self.path == "/none" else 200)
            self.send_header("Content-Length", str(len(PNG)))
            self.end_headers()
            self.wfile.write(PNG)

    def _redirect(self) -> None:
        here = f"http://{self.headers['Host']}"
        cloud, file = "http://169.254.169.254/latest", "file:///etc/hostname"
        places = {"/loop": f"{here}/loop", "/cloud": cloud, "/moved": f"{here}/a.png", "/file": file}
        self.send_response(302)
        self.send_header("Location", places[self.path])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Here:
    """The address of the pictures, and what was asked there."""

    def __init__(self, port: int, handler: type[Pictures]) -> None:
        """Name the port."""
        self.url = f"http://127.0.0.1:{port}"
        self.asked = handler.asked


@pytest.fixture
def here() -> Iterator[Here]:
    """Serve pictures on this machine."""
    released = threading.Event()
    handler = type("Handler", (Pictures,), {"asked": [], "released": released})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield Here(server.server_address[1], handler)
        released.set()
        server.shutdown()
        serving.join()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Begin a session that has a key, in the sandbox."""
    session = Session(settings=Settings(environ={}, folder=tmp_path), lingers=False, timeouts=HASTY)
    session.settings.change(backend="sandbox", api_key="sk_secret")
    yield session
    session.close()


@pytest.mark.parametrize("path", ["/a.png", "/moved"])
def test_it_is_sent_inline(session: Session, here: Here, path: str) -> None:
    """By its content, redirects followed; the sandbox in this process is not asked for it, and no key is shown."""
    (reference,) = session.compose("a fox", images=[here.url + path]).images
    assert reference.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (reference.url, reference.name) == (None, here.url + path)
    assert here.asked
    assert not any("sk_secret" in str(headers) or "authorization" in headers for _, headers in here.asked)


WRONG = [
    ("/none", "404"),
    ("/loop", "redirects more than 5 times"),
    ("/cloud", "169.254.169.254"),
    ("/file", "not a web address"),
]


@pytest.mark.parametrize(("path", "told"), WRONG)
def test_what_cannot_be_fetched_is_told(session: Session, here: Here, path: str, told: str) -> None:
    """Why, what to do, and nothing of pictures that were paid for."""
    with pytest.raises(ReferenceImageError) as caught:
        session.compose("a fox", images=[here.url + path])
    (problem,) = caught.value.problems
    assert told in problem
    assert "can't be fetched" in problem
    assert "paid" not in str(caught.value)


def test_nobody_there_is_told(session: Session) -> None:
    """Where no server listens."""
    with pytest.raises(ReferenceImageError, match="can't be fetched"):
        session.compose("a fox", images=["http://127.0.0.1:9/a.png"])


@pytest.mark.kernel
def test_stopping_the_cell_ends_it(kernel: Kernel, here: Here) -> None:
    """While it is fetched, nothing was sent."""
    kernel.execute("%load_ext seedream_nb\n%seedream config backend=sandbox")
    running = kernel.start(f"%%seedream -i {here.url}/slow\na fox")
    kernel.until(lambda: here.asked)
    kernel.interrupt()
    running.wait(10)
    assert "Nothing was billed" in running.text
