"""The client when things go wrong: what is sent again, what was certainly not billed, what may have been."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import ConnectionFailedError, OutcomeUnknownError, ReferenceImageError, ReplyError
from seedream_nb.http.client import Client, RetryDelay, Timeouts
from seedream_nb.http.connection import PendingConnection, connection_error
from seedream_nb.service.body import Body
from seedream_nb.service.retry import pause_to_connect
from tests import faults
from tests.faults import POST, Cut, FaultServer, Stall
from tests.posting import FOX, KEY, QUICK, large, post
from tests.tracebacks import variables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.fixture import Tls
    from tests.faults.script import When

# -- what never reached the service ----------------------------------------------------------------


def test_refused_connection() -> None:
    """Nobody there: said in words, not billed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectionFailedError) as failed:
        post(f"http://127.0.0.1:{port}")
    assert failed.value.lines() == [
        "No connection to 127.0.0.1, tried 3 times: it refused the connection.",
        "Nothing was sent, nothing was billed. Check the network, then run it again.",
    ]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name can't be resolved; is this machine online?"),
        (TimeoutError(), "no answer within 15 s"),
        (ssl.SSLError(1, "wrong version number"), "no secure connection (TLS) could be made"),
        (OSError(101, "Network is unreachable"), "the network failed (OSError)"),
    ],
)
def test_why_there_is_no_connection(cause: Exception, words: str) -> None:
    """What stood in the way is said in words, and that nothing was billed."""
    error = connection_error(cause, PendingConnection(), host="api.example", proxy=None, seconds=15, tries=3)
    assert error.message == f"No connection to api.example, tried 3 times: {words}{'' if words.endswith('?') else '.'}"
    assert error.hint == "Nothing was sent, nothing was billed. Check the network, then run it again."


def test_no_connection_is_tried_again(tls_fault_server: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks before it stands is tried three times, and the request arrives once."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_fault_server.authority))
    tls_fault_server.server.cut_connections(2)
    assert post(tls_fault_server.server.url).status == 200
    assert len(tls_fault_server.server.connections) == 3
    assert len(tls_fault_server.server.posts) == 1


def test_untrusted_certificate(tls_fault_server: Tls) -> None:
    """A certificate that nobody vouches for is refused before anything, the key least of all, is sent."""
    with pytest.raises(ConnectionFailedError, match="certificate can't be trusted"):
        post(tls_fault_server.server.url)
    assert tls_fault_server.server.seen == []


def test_a_connection_that_never_stands() -> None:
    """A TLS handshake that gets no answer is given up after the connect deadline."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="no answer within 0 s"):
            post(f"https://127.0.0.1:{mute.getsockname()[1]}", timeouts=Timeouts(connect=0.1, connect_pauses=()))
        assert time.monotonic() - began < 2


def test_a_name_that_can_not_be_found() -> None:
    """What the system's own resolver does not know is said in words, after three tries."""
    # A zone that no interface has: the one name that fails without a question to the network.
    with pytest.raises(ConnectionFailedError, match=r"tried 3 times: its name can't be resolved;"):
        post("http://[::1%25nowhere]:9")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse where Linux says nothing")
def test_a_connection_that_is_never_taken() -> None:
    """A machine that does not even take a connection is given up after the connect deadline, each of three times."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as others:
        for _ in range(4):  # what is in line keeps everybody else out
            other = others.enter_context(socket.socket())
            other.setblocking(False)  # noqa: FBT003 - the standard library's
            other.connect_ex(full.getsockname())
        timeouts = Timeouts(connect=0.2, connect_pauses=(0.01, 0.01))
        began = time.monotonic()
        with pytest.raises(ConnectionFailedError, match=r"tried 3 times: no answer within 0 s\.\nNothing was sent"):
            post(f"http://127.0.0.1:{full.getsockname()[1]}", timeouts=timeouts)
        assert time.monotonic() - began >= 0.6


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.slow
def test_each_pause_before_another_try_is_told_and_kept(
    tls_fault_server: Tls, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """Between two tries to connect passes at least the time that was told, and when it has passed, that is told too."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_fault_server.authority))
    server, told = tls_fault_server.server, list[RetryDelay | None]()
    server.cut_connections(cut)
    with pytest.raises(ConnectionFailedError) if cut == 3 else contextlib.nullcontext():
        post(server.url, timeouts=Timeouts(connect_pauses=(0.2, 0.6)), on_pause=told.append)
    pauses = [each for each in told if each is not None]
    assert told == [each for pause in pauses for each in (pause, None)]
    tries = [each.opened for each in server.connections]
    assert len(tries) == min(cut + 1, 3)
    assert len(pauses) == len(tries) - 1
    for pause, before, after in zip(pauses, tries, tries[1:], strict=False):
        assert after - before >= pause.seconds > 0


def test_pauses_between_tries_to_connect_grow() -> None:
    """They are of about a second and three, no two alike: who comes back does not come back with all others."""
    first, second = ([pause_to_connect(tries, Timeouts()) for _ in range(200)] for tries in (1, 2))
    assert [str(each).partition(", ")[2] for each in (first[0], second[0])] == [
        "then again (no connection), try 2 of 3", "then again (no connection), try 3 of 3",
    ]  # fmt: skip
    seconds = [[each.seconds for each in found if each is not None] for found in (first, second)]
    assert 0.5 <= min(seconds[0]) < max(seconds[0]) <= 1.5 <= min(seconds[1]) < max(seconds[1]) <= 4.5
    assert all(max(found) - min(found) > 0.5 for found in seconds)
    assert pause_to_connect(3, Timeouts()) is None


@pytest.mark.parametrize("when", ["headers", "half"])
def test_a_broken_upload_is_not_billed(fault_server: FaultServer, tmp_path: Path, when: When) -> None:
    """A connection that breaks before the last piece went out: not billed, and not sent again from here."""
    fault_server.on(POST, Cut(when=when))
    with pytest.raises(ConnectionFailedError, match=r"during the upload: .* reset\.\n.*nothing was billed"):
        post(fault_server.url, large(tmp_path))
    assert len(fault_server.posts) == 1


def test_an_upload_that_stalls(fault_server: FaultServer, tmp_path: Path) -> None:
    """A service that stops reading is given up after the deadline for silence: not billed."""
    fault_server.on(POST, Stall(when="headers", seconds=30, read=False))
    with pytest.raises(ConnectionFailedError, match="during the upload: it did not answer in time"):
        post(fault_server.url, large(tmp_path, 100_000_000), timeouts=Timeouts(silence=0.3))


def test_a_file_that_changes_breaks_the_upload_off(fault_server: FaultServer, tmp_path: Path) -> None:
    """A reference that is no longer what it was is not sent to its end, and the connection is closed."""
    body = large(tmp_path)
    os.truncate(tmp_path / "large.png", 1_000_000)
    with pytest.raises(ReferenceImageError):
        post(fault_server.url, body)
    assert fault_server.wait_for(lambda server: all(each.left_by_client for each in server.connections))
    assert [seen.read for seen in fault_server.posts] == [None]


@pytest.mark.parametrize("raw", ["HTTP/1.1 200 OK\r\nX\0Y: Bearer {}\r\n\r\n", "Bearer {}\r\n\r\n"])
def test_an_echo_of_the_key_is_in_no_error_behind_ours(fault_server: FaultServer, raw: str) -> None:
    """A header line that makes no sense is repeated by the error that caused ours: nothing of the key is in that."""
    fault_server.on(POST, faults.Reply(raw=raw.format(KEY).encode(), then="close"))
    with pytest.raises(OutcomeUnknownError) as failed:
        post(fault_server.url)
    told = "".join(traceback.format_exception(failed.value))
    assert "Bearer" in told
    assert not [KEY[at : at + 6] for at in range(len(KEY) - 5) if KEY[at : at + 6].lower() in told.lower()]


@pytest.mark.parametrize("fault", ["upload", "reply", "app"])
def test_a_traceback_does_not_show_the_key(fault_server: FaultServer, tmp_path: Path, fault: str) -> None:
    """However verbose a traceback is, the key is in no variable of its frames; what caused it still is told."""

    async def says_nothing(*_: object) -> None:
        """Answer nothing, which httpx doesn't expect: its frames hold the request's headers."""

    fault_server.on(POST, Cut(when="half" if fault == "upload" else "body"))
    with pytest.raises((ConnectionFailedError, OutcomeUnknownError)) as failed:
        post(fault_server.url, large(tmp_path), app=says_nothing if fault == "app" else None)
    shown = list(variables(failed.value))
    assert shown
    assert not [each for each in shown if KEY in each]
    assert failed.value.__cause__ is not None


def test_a_traceback_does_not_show_an_echoed_key(fault_server: FaultServer) -> None:
    """A reply that is too large and echoes the key is in no variable of a frame."""
    fault_server.on(POST, faults.Reply(body=KEY.encode() * 500_000))
    with pytest.raises(ReplyError) as failed:
        post(fault_server.url)
    shown = list(variables(failed.value))
    assert shown
    assert not [each for each in shown if KEY in each]


# -- what may have been billed ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        Cut(when="headers"),
        Cut(when="body"),
        Cut(when="body", reset=False),
        Stall(when="body", seconds=30),
        faults.Reply(body=b'{"images": ["https://a/1"]}', send=9, then="close"),
        faults.Reply(body=b'{"images": ["https://a/1"]}', send=9, then="reset"),
        faults.Reply(body=b'{"images": ["https://a/1"]}', send=9, then="stall"),
        faults.Reply(status=201, body=b'{"images": ["https://a/1"]}', send=9, then="close"),
        faults.Reply(raw=b"HTTP/1.1 200 O", then="close"),
        faults.Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n", then="close"),
        faults.Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n", then="close"),
        faults.Reply(body=gzip.compress(b"cut off")[:-9], headers={"Content-Encoding": "gzip"}),
    ],
    ids=["unread", "reset", "closed", "silent", "half", "half-reset", "half-silent", "201", "status", "ssh", "length",
         "gzip"],
)  # fmt: skip
def test_unknown_outcomes(fault_server: FaultServer, step: Cut | Stall | faults.Reply) -> None:
    """Whatever breaks after the last piece went out may have been billed, and is never sent again."""
    fault_server.on(POST, step)
    with pytest.raises(OutcomeUnknownError, match="may have been billed"):
        post(fault_server.url, timeouts=Timeouts(silence=0.2, connect_pauses=(0.01, 0.01)))
    time.sleep(0.05)
    assert len(fault_server.posts) == len(fault_server.connections) == 1


@pytest.mark.slow
def test_slow_is_not_silent(fault_server: FaultServer) -> None:
    """A reply that drips in goes on for longer than the deadline for silence."""
    fault_server.on(POST, faults.Reply(body=bytes(6 * 1024), pace=0.1))
    assert len(post(fault_server.url, timeouts=Timeouts(silence=0.3)).content) == 6 * 1024


ASK = """
import sys
from seedream_nb.http.client import Timeouts
from tests.posting import post
print(post(sys.argv[1], timeouts=Timeouts(silence=1.0)).content.decode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no process")
@pytest.mark.slow
def test_an_answer_that_came_while_this_process_stood_still(fault_server: FaultServer) -> None:
    """However long a closed lid or a debugger stops it, what came meanwhile is read, not given up as silence."""
    fault_server.on(POST, faults.Reply(body=b"paid for", delay=0.5))
    with subprocess.Popen([sys.executable, "-c", ASK, fault_server.url], stdout=subprocess.PIPE, text=True) as asking:
        assert fault_server.wait_for(lambda server: server.posts and server.posts[0].read, 30)
        os.kill(asking.pid, signal.SIGSTOP)
        assert fault_server.wait_for(lambda server: server.posts[0].ended)
        time.sleep(1.5)
        os.kill(asking.pid, signal.SIGCONT)
        told, _ = asking.communicate(timeout=30)
    assert told == "paid for\n"


def test_cancelling_closes_the_connection(fault_server: FaultServer) -> None:
    """Who cancels a POST leaves no connection behind."""
    fault_server.on(POST, Stall(when="body", seconds=30))

    async def cancel() -> None:
        client = Client(base_url=fault_server.url, key=None, timeouts=QUICK)
        task = asyncio.create_task(client.post(Body(FOX, [])))
        await asyncio.to_thread(fault_server.wait_for, lambda server: server.posts and server.posts[0].read)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await asyncio.to_thread(fault_server.wait_for, lambda server: server.connections[0].left_by_client)

    asyncio.run(cancel())


LACKING = """
import sys
sys.modules[sys.argv[1]] = None
from seedream_nb.errors import SettingsError
from tests.posting import post
try:
    post(sys.argv[2])
except SettingsError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "scheme"), [("h11", "http"), ("httpcore", "http"), ("httpx", "http"), ("certifi", "https")]
)
@pytest.mark.slow
def test_a_library_that_is_missing_is_named(name: str, scheme: str) -> None:
    """Without a library that sending takes, the message names it and the remedy, and blames nothing else."""
    url = f"{scheme}://127.0.0.1:9"
    ran = subprocess.run([sys.executable, "-c", LACKING, name, url], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        f"The library {name}, which is needed to send a request, is missing.",
        f"Nothing was sent, nothing was billed. Run this, and restart the kernel: %pip install {name}",
    ]
