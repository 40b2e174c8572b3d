"""References by URL, fetched for real: a proxy on this machine stands for all hosts of the world."""

from __future__ import annotations

import functools
import gzip
import ipaddress
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from seedream_nb.sandbox import create_app
from seedream_nb.sandbox.references import fetch
from tests.pictures import encoded, gradient

if TYPE_CHECKING:
    from collections.abc import Iterator

FOX = encoded(gradient(), "PNG")


class World(BaseHTTPRequestHandler):
    """Answers as a proxy for any host, by path."""

    def do_GET(self) -> None:
        """Answer by the last word of the URL."""
        world = self.server
        assert isinstance(world, Proxy)
        world.asked.append(self.path)
        getattr(self, f"say_{self.path.rpartition('/')[2]}")()

    def say(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in {"content_length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def say_fox(self) -> None:
        """A picture."""
        self.say(200, FOX, content_type="text/html")

    def say_gzip(self) -> None:
        """The same, compressed on the way."""
        self.say(200, gzip.compress(FOX), content_encoding="gzip")

    def say_moved(self) -> None:
        """It is elsewhere."""
        self.say(302, location="http://elsewhere.example/fox")

    def say_round(self) -> None:
        """It is here, and here, and here."""
        self.say(302, location="http://pictures.example/round")

    def say_home(self) -> None:
        """It is in the server's own cupboard."""
        self.say(302, location="http://127.0.0.1:9/fox")

    def say_file(self) -> None:
        """It is a file."""
        self.say(302, location="file:///etc/passwd")

    def say_missing(self) -> None:
        """It is nowhere."""
        self.say(404, b"no fox")

    def say_broken(self) -> None:
        """Half a picture, then nothing."""
        self.say(200, FOX[:100], content_length=str(len(FOX)))

    def say_endless(self) -> None:
        """More than fits."""
        self.say(200, content_length="99000000000")
        while not self.wfile.closed:
            self.wfile.write(bytes(1_000_000))

    def say_bomb(self) -> None:
        """Little that becomes much."""
        self.say(200, gzip.compress(bytes(50_000_000)), content_encoding="gzip")

    def say_nothing(self) -> None:
        """Wait until the other side gives up."""
        self.rfile.read(1)

    def log_message(self, *_: object) -> None:
        """Write nothing to the terminal."""


class Proxy(ThreadingHTTPServer):
    """Remembers what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), World)
        self.asked: list[str] = []

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that leave."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Put a proxy between this process and the world."""
    proxy = Proxy()
    thread = threading.Thread(target=functools.partial(proxy.serve_forever, poll_interval=0.01))
    thread.start()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
    yield proxy
    proxy.shutdown()
    thread.join()
    proxy.server_close()


def fetched(url: str, *, seconds: float = 20.0) -> bytes:
    """Return what is fetched."""
    return anyio.run(functools.partial(fetch, url, seconds=seconds))


@pytest.mark.parametrize("word", ["fox", "gzip", "moved"])
def test_public_pictures_come_through_the_proxy(world: Proxy, word: str) -> None:
    """A public URL is fetched, through the proxy that the environment names; one that moved is followed."""
    assert fetched(f"http://pictures.example/{word}") == FOX
    assert world.asked[0] == f"http://pictures.example/{word}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("missing", "404"),
        ("round", "redirects"),
        ("home", r"127\.0\.0\.1 can't be reached"),
        ("file", "file"),
        ("broken", "body"),
        ("endless", "more than 10000000 bytes"),
        ("bomb", "more than 10000000 bytes"),
    ],
)
def test_what_can_not_be_fetched(world: Proxy, word: str, told: str) -> None:
    """Errors, circles, private redirects and too much are errors of one line, within bounds."""
    with pytest.raises(OSError, match=told) as caught:
        fetched(f"http://pictures.example/{word}")
    assert "\n" not in str(caught.value)
    assert len(world.asked) <= 6


def test_time_is_bounded(world: Proxy) -> None:
    """A host that says nothing is given up."""
    for seconds in (0.2, 1.0, 5.0, 20.0):  # a machine that is busy may not even have asked when the first are over
        with pytest.raises(OSError, match=rf"longer than {seconds:g} seconds"):
            fetched("http://pictures.example/nothing", seconds=seconds)
        if world.asked:
            break
    assert set(world.asked) == {"http://pictures.example/nothing"}


PRIVATE = """
127.0.0.1 127.1 2130706433 0x7f.1 0 localhost LOCALHOST. a.localhost printer.local 10.0.0.1 192.168.0.7 172.16.0.1
169.254.169.254 [::1] [::] [::ffff:127.0.0.1] [fd00::1] [fe80::1] user:word@127.0.0.1
"""


@pytest.mark.slow
def test_private_hosts_are_out_of_reach(world: Proxy) -> None:
    """This machine and private networks are refused however they are written, with a proxy too."""

    async def told(host: str) -> str:
        with pytest.raises(OSError, match=r"\S") as caught:
            await fetch(f"http://{host}/fox")
        return str(caught.value)

    async def all_told() -> list[str]:
        return [await told(host) for host in PRIVATE.split()]

    assert [words for words in anyio.run(all_told) if "can't be reached from the service" not in words] == []
    assert world.asked == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "192.168.0.7"], ["::1"]])
def test_a_name_of_a_private_address(addresses: list[str]) -> None:
    """Without a proxy a name is looked up: one that means a private address is refused as that would be."""

    async def look_up(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        assert host == "pictures.example"
        return [ipaddress.ip_address(address) for address in addresses]

    with pytest.raises(OSError, match="can't be reached from the service"):
        anyio.run(functools.partial(fetch, "http://pictures.example/fox", look_up=look_up))


@pytest.mark.slow
def test_own_links_never_leave_the_process(world: Proxy) -> None:
    """A link that the sandbox gave is read from its folder, whatever proxy there is."""
    app = create_app()

    async def talk() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            body: dict[str, object] = {"prompt": "a fox", "size": "1024x1024"}
            body["images"] = (await client.post("/v3/seedream-4.0", json=body)).json()["images"]
            return await client.post("/v3/seedream-4.0", json=body)

    assert anyio.run(talk).status_code == 200
    assert world.asked == []


def test_a_public_reference(world: Proxy) -> None:
    """A request with a public reference and one that can't be had is a 400 that names the latter's place."""

    async def talk() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(fail="503"))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            images = ["http://pictures.example/fox", "http://pictures.example/missing"]
            return await client.post("/v3/seedream-4.0", json={"prompt": "a fox", "images": images})

    reply = anyio.run(talk)
    assert reply.status_code == 400
    assert reply.json()["message"].startswith("images[1] can't be fetched: ")
    assert len(world.asked) == 2
