"""The client: one POST over a connection of its own. The fault server's log is the witness."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from seedream_nb.errors import ReplyError
from seedream_nb.http.client import Client, Reply
from seedream_nb.http.connection import options
from seedream_nb.http.logs import redact_key_in_logs
from seedream_nb.keys import Key
from seedream_nb.service.body import Body
from seedream_nb.service.reply import is_reply
from tests import faults
from tests.faults import POST, FaultServer
from tests.posting import FOX, KEY, QUICK, large, post

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from pathlib import Path

    from tests.faults.fixture import Tls
    from tests.faults.script import Seen

    Message = MutableMapping[str, Any]


def test_what_is_sent(fault_server: FaultServer) -> None:
    """The body arrives byte for byte, with its length, its type, the key and who sends it, and no header else."""
    reply = post(fault_server.url)
    (seen,) = fault_server.posts
    assert seen.json() == {
        "prompt": "a fox 狐", "size": "2048x2048", "sequential_image_generation": "auto", "max_images": 2,
        "watermark": True,
    }  # fmt: skip
    agent = seen.headers.pop("user-agent")
    assert agent.startswith("seedream-nb/")
    assert seen.headers == {
        "host": f"127.0.0.1:{fault_server.port}",
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "content-length": str(len(seen.body)),
        "accept": "application/json",
        "accept-encoding": "identity",
    }
    assert reply.status == 200
    assert len(json.loads(reply.content)["images"]) == 2


def test_no_key_no_header(fault_server: FaultServer) -> None:
    """Without a key there is no Authorization header."""
    post(fault_server.url, key=None)
    assert "authorization" not in fault_server.posts[0].headers


def test_slashes(fault_server: FaultServer) -> None:
    """The path is appended to a base URL with a path of its own, with or without a slash at its end."""
    fault_server.on("/proxy/v3/seedream-4.0", faults.Reply(body=b"there"))
    assert post(fault_server.url + "/proxy/").content == b"there"


@pytest.mark.slow
def test_large_references(fault_server: FaultServer, tmp_path: Path) -> None:
    """A large body is streamed, its progress told up to the last byte, and complete only when all was read."""
    told: list[int] = []
    body = large(tmp_path)
    post(fault_server.url, body, on_upload=told.append)
    (seen,) = fault_server.posts
    assert len(seen.json()["images"][0]) == len("data:image/png;base64,") + 32_000_000
    assert told == sorted(told)
    assert told[-1] == body.length == seen.size_bytes
    assert max(after - before for before, after in itertools.pairwise(told)) <= 1024 * 1024
    assert "transfer-encoding" not in seen.headers


def test_a_fresh_connection_for_each(fault_server: FaultServer) -> None:
    """Each POST has a connection of its own, which is closed after the reply."""

    async def send() -> None:
        client = Client(base_url=fault_server.url, key=None, timeouts=QUICK)
        for _ in range(3):
            await client.post(Body(FOX, []))

    asyncio.run(send())
    assert [seen.connection for seen in fault_server.posts] == [1, 2, 3]
    assert fault_server.wait_for(lambda server: all(each.left_by_client for each in server.connections))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
def test_refusals_are_replies(fault_server: FaultServer, status: int) -> None:
    """Whatever the service answers is handed over once, with its headers, and never sent again from here."""
    fault_server.on(POST, faults.Reply(status=status, body=b'{"message": "no"}', headers={"Retry-After": "1"}))
    reply = post(fault_server.url)
    assert (reply.status, reply.content, reply.headers["retry-after"]) == (status, b'{"message": "no"}', "1")
    assert len(fault_server.posts) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(fault_server: FaultServer, status: int) -> None:
    """A redirect is handed over; what it points to sees neither request nor key."""
    with FaultServer() as elsewhere:
        fault_server.on(POST, faults.Reply(status=status, headers={"Location": elsewhere.url + POST}))
        assert post(fault_server.url).status == status
        assert elsewhere.connections == []


def test_an_answer_before_the_upload_ends(fault_server: FaultServer, tmp_path: Path) -> None:
    """A service that refuses a large request at once is heard."""
    fault_server.on(POST, faults.Reply(status=413, body=b"too large", early=True))
    reply = post(fault_server.url, large(tmp_path))
    assert (reply.status, reply.content) == (413, b"too large")


def test_a_refusal_that_breaks_off(fault_server: FaultServer) -> None:
    """A refusal whose words break off is still a refusal: its status says that nothing was billed."""
    fault_server.on(POST, faults.Reply(status=400, body=b'{"message": "no"}', send=12, then="reset"))
    reply = post(fault_server.url)
    assert reply.status == 400
    assert b'{"message": "no"}'.startswith(reply.content)


@pytest.mark.parametrize("status", [200, 201])
def test_the_reply_has_a_limit(fault_server: FaultServer, status: int) -> None:
    """More than 8 MB is no reply, and may have been billed; the 8 MB that were read are handed over."""
    body = os.urandom(1_000_000) * 20
    fault_server.on(POST, faults.Reply(status=status, body=body))
    with pytest.raises(ReplyError, match=r"8 MB.*\n.*may have been billed") as senseless:
        post(fault_server.url)
    assert senseless.value.content == body[:8_000_000]


@pytest.mark.parametrize("status", [201, 202, 203, 206, 299])
def test_other_successes(fault_server: FaultServer, status: int) -> None:
    """A success other than 200 is handed over whole, like 200 itself."""
    content = b'{"images": ["https://a/1"], "odd": "' + bytes(1_000_000) + b'"}'
    fault_server.on(POST, faults.Reply(status=status, body=content))
    reply = post(fault_server.url)
    assert is_reply(reply.status)
    assert reply.content == content


# -- ways there ------------------------------------------------------------------------------------


def options_of_the_socket_to(port: int) -> list[tuple[int, int, int]]:
    """Return what this process's one connection to a port has set of the options for signs of life."""
    (there,) = [each.fd for each in psutil.Process().net_connections() if each.raddr[1:] == (port,)]
    with socket.socket(fileno=os.dup(there)) as real:
        return [(level, name, real.getsockopt(level, name)) for level, name, _ in options()]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells nobody which sockets a process has")
@pytest.mark.parametrize("way", ["direct", "proxy", "tls"])
def test_signs_of_life(
    fault_server: FaultServer, tls_fault_server: Tls, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """While a POST waits for its answer, the very socket that it went over gives signs of life, as often as it should.

    So it does through a proxy, and with TLS.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_fault_server.authority))
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{fault_server.port}")
    server = tls_fault_server.server if way == "tls" else fault_server
    url = "http://service.example" if way == "proxy" else server.url
    found: list[list[tuple[int, int, int]]] = []

    def look(_: Seen) -> faults.Reply:
        found.append(options_of_the_socket_to(server.port))
        return faults.Reply()

    server.on(f"{url}{POST}" if way == "proxy" else POST, look)
    assert post(url).status == 200
    assert found == [options()]
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in found[0]
    if sys.platform == "linux":
        probes = [(socket.TCP_KEEPIDLE, 45), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 20)]
        assert found[0][1:] == [(socket.IPPROTO_TCP, *each) for each in probes]


def test_proxy(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy is used for the service, and is the only one who is connected to."""
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{fault_server.port}")
    fault_server.on(f"http://service.example{POST}", faults.Reply(body=b"through the proxy"))
    assert post("http://service.example").content == b"through the proxy"


def test_an_app_in_place_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an app nothing is connected to; it gets the whole body, and a fault of its own is a 500."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    heard: list[bytes] = []

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        message: Message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            heard.append(message["body"])
        if scope["path"] != POST:
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"from the app"})

    assert post("http://sandbox", app=app).content == b"from the app"
    assert json.loads(b"".join(heard))["prompt"] == "a fox 狐"
    assert post("http://sandbox/wrong", app=app).status == 500


def test_no_attribute_of_a_client_is_the_key() -> None:
    """Tools that show a traceback's variables look up what stands behind dots: a client gives the key only if asked."""
    client = Client(base_url="https://api.novita.ai", key=Key(KEY, source="a test"))
    assert [name for name in dir(client) if not name.startswith("__") and KEY in repr(getattr(client, name))] == []


def test_the_key_is_not_shown() -> None:
    """Neither a client nor a reply shows the key."""
    client = Client(base_url="https://api.novita.ai", key=Key(KEY, source="a test"))
    assert client.secret() == KEY
    assert repr(client) == "Client(api.novita.ai)"
    assert KEY not in repr(Reply(status=200, headers={"x": KEY}, content=KEY.encode()))


FIRST_USE = """
import asyncio, sys, threading
from pathlib import Path
from seedream_nb.http.client import Client
from seedream_nb.request import make_request
from seedream_nb.service.body import Body

class Watch:
    def find_spec(self, name, path=None, target=None):
        print(threading.current_thread() is threading.main_thread(), name)

async def first_use(url, link):
    sys.meta_path.insert(0, Watch())
    client = Client(base_url=url, key=None)
    await client.warm_up()
    await client.post(Body(make_request("a fox"), []))
    await client.download(link, Path("fox.jpg"))
    await client.aclose()

asyncio.run(first_use(*sys.argv[1:]))
"""


SMALL = {"_queue", "concurrent", "queue", "sniffio"}
"""What starting a thread takes, and httpcore's question which loop this is: a millisecond in all."""


@pytest.mark.slow
def test_first_use_does_not_hold_the_loop(fault_server: FaultServer, tmp_path: Path) -> None:
    """What takes long to import is imported by another thread than the loop's when it is first used."""
    ways = [sys.executable, "-c", FIRST_USE, fault_server.url, fault_server.picture(64, 64)]
    told = subprocess.run(ways, check=True, capture_output=True, text=True, cwd=tmp_path).stdout.split()
    found = {"True": set[str](), "False": set[str]()}
    for of_the_loop, name in zip(told[::2], told[1::2], strict=True):
        found[of_the_loop].add(name.partition(".")[0])
    assert found["False"] >= {"httpx", "httpcore", "anyio"}
    assert found["True"] <= SMALL


def test_what_asyncio_logs_has_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """In its debug mode it writes down what a slow task returned, or raised, whatever that is."""
    redact_key_in_logs(Key(KEY, source="a test"))

    async def slow(raised: bool) -> bytes:
        if raised:
            raise ValueError(KEY)
        return KEY.encode()

    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = 0
        await asyncio.gather(slow(raised=False), slow(raised=True), return_exceptions=True)

    with caplog.at_level("DEBUG", "asyncio"):
        asyncio.run(main(), debug=True)
    assert "ValueError('…')" in caplog.text
    assert KEY[:6] not in caplog.text
