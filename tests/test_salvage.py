"""Replies that HTTP's parser, or what unpacks, refuses: what came is kept, what is whole is fulfilled as any other."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import ApiError, OutcomeUnknownError, PermissionDeniedError, ReplyError
from seedream_nb.http.client import Timeouts
from seedream_nb.http.salvage import MAX_REPLY_BYTES, Decompressor, RawReply, parse_reply
from seedream_nb.http.upload import Post
from seedream_nb.service.body import Body
from seedream_nb.service.reply import salvage_results
from tests.faults.script import POST, Reply
from tests.posting import FOX, KEY, post

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.script import Then
    from tests.faults.server import FaultServer

QUICK = Timeouts(stall=2.0, reply=3.0, quiet=0.5, download_pauses=(0.01, 0.01))
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def raw_deflate(content: bytes) -> bytes:
    """Return what is packed without zlib's header, as some servers understand `deflate`."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def twice(content: bytes) -> bytes:
    """Return two members of gzip, one after the other."""
    half = len(content) // 2
    return gzip.compress(content[:half]) + gzip.compress(content[half:])


def chunked(content: bytes, *sizes: bytes) -> bytes:
    """Return chunks of these sizes, as told; the last one holds the rest."""
    cuts = [content[at * 9 : (at + 1) * 9] for at in range(len(sizes) - 1)]
    cuts.append(content[(len(sizes) - 1) * 9 :])
    return b"".join(size + b"\r\n" + cut + b"\r\n" for size, cut in zip(sizes, cuts, strict=True)) + b"0\r\n\r\n"


def headed(*lines: bytes) -> Callable[[bytes], bytes]:
    """Return what puts these header lines before a reply, and a true length."""
    return lambda body: (
        OK + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


def packed(label: bytes, pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return what packs a reply and labels it."""
    return lambda body: headed(b"Content-Encoding: " + label)(pack(body))


ODD: dict[str, Callable[[bytes], bytes]] = {
    "plain, labelled gzip": packed(b"gzip", bytes),
    "plain, labelled deflate": packed(b"deflate", bytes),
    "plain, labelled br": packed(b"br", bytes),
    "plain, labelled zstd": packed(b"zstd", bytes),
    "plain, labelled twice": packed(b"gzip, deflate", bytes),
    "raw deflate": packed(b"deflate", raw_deflate),
    "zlib, labelled gzip": packed(b"gzip", zlib.compress),
    "gzip without a label": packed(b"identity", gzip.compress),
    "gzip in gzip": packed(b"gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    "zlib without a label": packed(b"identity", zlib.compress),
    "two members": packed(b"gzip", twice),
    "zeros after gzip": packed(b"gzip", lambda body: gzip.compress(body) + bytes(9)),
    "gzip with a wrong checksum": packed(b"gzip", lambda body: gzip.compress(body)[:-8] + bytes(8)),
    "gzip without its end": packed(b"gzip", lambda body: gzip.compress(body)[:-8]),
    "NUL in a name": headed(b"X\0Y: a"),
    "NUL in a value": headed(b"X-Via: a\0b"),
    "space before the colon": headed(b"X-Via : a"),
    "no colon": headed(b"nonsense"),
    "a folded line first": lambda body: b"HTTP/1.1 200 OK\r\n folded\r\n\r\n" + body,
    "no name": headed(b": a"),
    "a long line": headed(b"X-Long: " + b"a" * 150_000),
    "two lengths": lambda body: OK + b"Content-Length: 10\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
    "length -1": lambda body: OK + b"Content-Length: -1\r\n\r\n" + body,
    "no number": lambda body: OK + b"Content-Length: many\r\n\r\n" + body,
    "too short a length": lambda body: OK + b"Content-Length: 10\r\n\r\n" + body,
    "too long a length": lambda body: OK + b"Content-Length: 9999\r\n\r\n" + body,
    "length 0": lambda body: OK + b"Content-Length: 0\r\n\r\n" + body,
    "unknown transfer coding": lambda body: OK + b"Transfer-Encoding: gzip\r\n\r\n" + body,
    "chunked, but it is not": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n" + body,
    "chunks of no size": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, b"xyz"),
    "too small a chunk": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, b"2"),
    "too large a chunk": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, b"fff"),
    "a chunk beyond all numbers": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, b"f" * 16),
    "wrong sizes": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, b"9", b"2", b"77"),
    "-1": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, b"-1"),
    "no last chunk": lambda body: OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body,
    "chunks without a header": lambda body: OK + b"\r\n" + chunked(body, b"%x" % len(body)),
    "no head at all": bytes,
    "no status line": lambda body: b"Content-Type: application/json\r\n\r\n" + body,
    "only line feeds": lambda body: b"HTTP/1.1 200 OK\nContent-Type: application/json\n\n" + body,
    "a bare CR": lambda body: b"HTTP/1.1 200 OK\rContent-Type: application/json\r\r" + body,
    "no blank line": lambda body: b"HTTP/1.1 200 OK\r\n" + body,
    "HTTP/2 in words": lambda body: b"HTTP/2 200\r\n\r\n" + body,
    "small letters": lambda body: b"http/1.1 200 ok\r\n\r\n" + body,
    "no version": lambda body: b"HTTP 200 OK\r\n\r\n" + body,
    "ICY": lambda body: b"ICY 200 OK\r\n\r\n" + body,
    "two spaces": lambda body: b"HTTP/1.1  200  OK\r\n\r\n" + body,
    "four digits": lambda body: b"HTTP/1.1 2000 OK\r\n\r\n" + body,
    "lines before": lambda body: b"\r\n\r\n" + OK + b"\r\n" + body,
    "a mark before": lambda body: b"\xef\xbb\xbf" + OK + b"\r\n" + body,
    "control characters": lambda body: b"HTTP/1.1 200 O\x01K\r\n\r\n" + body,
    "switched protocols": lambda body: b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + body,
    "an odd interim answer": lambda body: b"HTTP/1.1 100 Continue\r\nX-Via : a\r\n\r\n" + OK + b"\r\n" + body,
    "a blank line within the head": lambda body: (
        OK + b"\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, b"9", b"%x" % (len(body) - 9))
    ),
    "a blank line before the label": lambda body: OK + b"\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(body),
    "line ends too many": lambda body: OK[:-1] + b"\r\n\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(body),
    "gzip after an odd line": lambda body: OK + b'Content-Encoding: gzip\r\n\r"\n' + gzip.compress(body),
    "chunks after an odd line": lambda body: (
        OK + b'Transfer-Encoding: chunked\r\n\r"\n' + chunked(body, b"9", b"%x" % (len(body) - 9))
    ),
    "gzip without a blank line": lambda body: OK + b"Content-Encoding: gzip\r\n" + gzip.compress(body),
    "two bodies": lambda body: OK + b"Content-Length: %d\r\n\r\n" % (2 * len(body)) + body + body,
}  # fmt: skip


QUICKLY = {("plain, labelled gzip", "close"), ("two lengths", "close"), ("NUL in a name", "stall")}


@pytest.mark.parametrize("odd", ODD)
def test_a_whole_reply_is_recognised_however_it_is_framed(odd: str) -> None:
    """All of a reply's links are found in whatever came over the line."""
    links = [f"https://images.example/{number}.jpg" for number in range(3)]
    answer = parse_reply(ODD[odd](json.dumps({"images": links}, separators=(",", ":")).encode()))
    results, is_whole = salvage_results(answer.content, 3)
    assert (answer.is_whole, is_whole, results.links) == (True, True, links)


@pytest.mark.parametrize(
    ("odd", "then"),
    [
        pytest.param(*case, marks=() if case in QUICKLY else pytest.mark.slow)
        for case in [*((odd, "close") for odd in ODD), ("NUL in a name", "stall"), ("-1", "stall")]
    ],
)
def test_a_whole_reply_is_fulfilled_however_it_is_framed(
    new_session: NewSession, fault_server: FaultServer, odd: str, then: Then
) -> None:
    """A reply with all its links is done like any other, whatever HTTP's parser makes of it."""
    links = [fault_server.picture(64, 64), fault_server.picture(72, 64)]
    answer = ODD[odd](json.dumps({"images": links}, separators=(",", ":")).encode())
    fault_server.on(POST, Reply(raw=answer, then=then))
    generation = new_session(timeouts=QUICK).start("a fox", max_images=2).result()
    assert (generation.status, generation.cost, generation.links) == ("done", 0.06, links)
    assert len(generation) == 2
    assert len(fault_server.posts) == 1


@pytest.mark.parametrize("line", [b"X-Via : a", b"X\0Y: a", b"Content-Length: -1", b"Transfer-Encoding: odd"])
@pytest.mark.parametrize(("status", "kind"), [(403, PermissionDeniedError), (418, ApiError)])
def test_a_refusal_is_one_however_odd_its_headers(
    fault_server: FaultServer, new_session: NewSession, line: bytes, status: int, kind: type[ApiError]
) -> None:
    """A status of 4xx says that nothing was billed, though HTTP's parser refuses the rest; nobody waits for an end."""
    raw = b"HTTP/1.1 %d Odd\r\n%s\r\n\r\n" % (status, line) + b'{"message": "not today"}'
    fault_server.on(POST, Reply(raw=raw, then="stall"))
    began = time.monotonic()
    job = new_session(timeouts=QUICK).start("a fox")
    with pytest.raises(kind, match="not today"):
        job.result(30)
    assert time.monotonic() - began < 20
    assert (job.status, job.generation.cost if job.generation else None) == ("failed", 0.0)


def test_an_early_refusal_with_odd_headers(fault_server: FaultServer, tmp_path: Path) -> None:
    """A service that refuses in the middle of the upload is understood too."""
    from tests.posting import large

    raw = b'HTTP/1.1 413 No\r\nX-Via : a\r\n\r\n{"message": "too large"}'
    fault_server.on(POST, Reply(raw=raw, early=True))
    assert post(fault_server.url, large(tmp_path), timeouts=QUICK).status == 413


@pytest.mark.parametrize("line", [b"X-Via : a", b"Content-Encoding: gzip", b"Transfer-Encoding: chunked"])
def test_the_links_of_half_a_reply_are_kept(new_session: NewSession, fault_server: FaultServer, line: bytes) -> None:
    """What came of a reply that can't be read and breaks off is kept, and the links in it can be fetched."""
    links = [fault_server.picture(64, 64) for _ in range(2)]
    half = json.dumps({"images": [*links, "https://images.example/3.jpg"]}).encode()[:-20]
    fault_server.on(POST, Reply(raw=OK + line + b"\r\n\r\n" + half, then="close"))
    session = new_session(timeouts=QUICK)
    with pytest.raises((OutcomeUnknownError, ReplyError), match=r"2 links had arrived: %seedream recover"):
        session.start("a fox", max_images=3).result()
    (generation,) = session.recover()
    assert len(generation) == 2


def test_what_makes_no_sense_is_kept_as_it_came(new_session: NewSession, fault_server: FaultServer) -> None:
    """An answer in which nothing can be told apart is kept whole, without the key that it may echo."""
    answer = b"220 mail.example ESMTP \xff\0 " + KEY.encode() + b" and more\r\n"
    fault_server.on(POST, Reply(raw=answer, then="close"))
    session = new_session(KEY, timeouts=QUICK)
    with pytest.raises(OutcomeUnknownError, match="garbled"):
        session.start("a fox").result()
    (line,) = [
        json.loads(line)
        for path in session.history.home.glob("journal/*.jsonl")
        for line in path.read_text().splitlines()
        if '"reply"' in line
    ]
    assert line["raw"].encode(errors="surrogateescape").startswith(b"220 mail.example ESMTP \xff\0 ")
    assert KEY not in line["raw"]


LATE = Timeouts(stall=2.0, silence=20.0, reply=20.0, quiet=0.2, download_pauses=(0.01, 0.01))
HEADS = {
    "an odd header": OK + b"X-Via : a\r\n\r\n",
    "an interim answer": b"HTTP/1.1 102 Processing\r\nX-Via : a\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "half a body": OK + b'X-Via : a\r\n\r\n{"images": [',
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 9999\r\n\r\n{",
}


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_a_garbled_reply_is_waited_for(new_session: NewSession, fault_server: FaultServer, head: str) -> None:
    """Where a head says that the request is fulfilled, the rest is waited for as long as for any other reply."""
    link, raw = fault_server.picture(64, 64), HEADS[head]
    _, _, begun = raw.rpartition(b"\r\n\r\n")
    body = json.dumps({"images": [link]}).encode()
    if head in {"an interim answer", "another protocol"}:
        body = OK + b"X-Long: " + b"a" * 1024 + b"\r\n\r\n" + body
    else:
        body = b" " * 1024 + body.removeprefix(begun if b"{" in begun else b"")
    fault_server.on(POST, Reply(raw=raw, body=body, pace=2.0, then="stall"))
    generation = new_session(timeouts=LATE).start("a fox").result(30)
    assert (generation.status, generation.links) == ("done", [link])


@pytest.mark.slow
@pytest.mark.parametrize("raw", [b"220 mail.example ESMTP\r\n\r\n", OK + b"X-Via : a\r\nContent-Length: 2\r\n\r\nno"])
def test_what_is_no_reply_is_not_waited_for(fault_server: FaultServer, raw: bytes) -> None:
    """What names no status, or came as long as it says, is not waited for any longer."""
    fault_server.on(POST, Reply(raw=raw, then="stall"))
    began = time.monotonic()
    with pytest.raises(OutcomeUnknownError):
        post(fault_server.url, timeouts=LATE)
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_an_odd_head_alone_is_silence(fault_server: FaultServer) -> None:
    """A head after which nothing comes may be followed by silence as long as any, and no longer."""
    fault_server.on(POST, Reply(raw=OK + b"X-Via : a\r\n\r\n", then="stall"))
    with pytest.raises(OutcomeUnknownError, match="was silent"):
        post(fault_server.url, timeouts=Timeouts(silence=1.0, reply=60.0))


@pytest.mark.slow
@pytest.mark.parametrize("head", [b"", b"Content-Type: application/json\r\n", b"Content-Encoding: gzip\r\n"])
def test_a_whole_reply_on_a_line_that_stays_open(
    new_session: NewSession, fault_server: FaultServer, head: bytes
) -> None:
    """A reply that is complete is done soon, though its head tells of more and nothing more comes."""
    link = fault_server.picture(64, 64)
    body = json.dumps({"images": [link]}).encode()
    body = gzip.compress(body) if b"gzip" in head else body
    raw = b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 999999\r\n\r\n" + body
    fault_server.on(POST, Reply(raw=raw, body=b" " * 200_000, pace=0.1))
    generation = new_session(timeouts=LATE).start("a fox").result(10)
    assert (generation.status, generation.links) == ("done", [link])


@pytest.mark.slow
def test_half_a_reply_on_a_line_that_stays_open(new_session: NewSession, fault_server: FaultServer) -> None:
    """A reply that pauses within its JSON is waited for."""
    links = [fault_server.picture(64, 64), fault_server.picture(72, 64)]
    first, second = (json.dumps(link).encode() for link in links)
    fault_server.on(POST, Reply(body=b'{"images": [' + first + b"," + b" " * 1024 + second + b"]}", pace=1.5))
    generation = new_session(timeouts=LATE).start("a fox", max_images=2).result(10)
    assert generation.links == links


@pytest.mark.slow
def test_a_reply_that_drips_comes_to_an_end(fault_server: FaultServer) -> None:
    """Once a reply has begun, all of it must come within the bound for that, however lively it is; its links count."""
    body = json.dumps({"images": ["https://images.example/1.jpg"]}).encode()[:-1] + b" " * 100_000
    fault_server.on(POST, Reply(body=body, pace=0.05))
    began = time.monotonic()
    with pytest.raises(OutcomeUnknownError, match="did not finish") as failed:
        post(fault_server.url, timeouts=Timeouts(silence=20.0, reply=0.5))
    assert time.monotonic() - began < 4
    assert failed.value.content.startswith(b'{"images": ["https://images.example/1.jpg"')


@pytest.mark.slow
def test_white_space_is_no_sign_of_life(fault_server: FaultServer) -> None:
    """A reply of white space alone, which some gateways drip, may take as long as silence may, and no longer."""
    fault_server.on(POST, Reply(body=b" " * 200_000, pace=0.05))
    began = time.monotonic()
    with pytest.raises(OutcomeUnknownError):
        post(fault_server.url, timeouts=Timeouts(silence=0.5, reply=0.1))
    assert time.monotonic() - began < 4


@pytest.mark.slow
def test_a_head_that_drips_comes_to_an_end(fault_server: FaultServer) -> None:
    """Header lines without an end are no reply: they may take as long as silence may."""
    fault_server.on(POST, Reply(raw=OK, body=b"X-More: 1\r\n" * 20_000, pace=0.02))
    with pytest.raises(OutcomeUnknownError):
        post(fault_server.url, timeouts=Timeouts(silence=0.5))


def test_a_drip_after_an_odd_head_comes_to_an_end(fault_server: FaultServer) -> None:
    """What drips on after HTTP's parser has given up is heard no longer than any reply."""
    fault_server.on(POST, Reply(raw=OK + b"X-Via : a\r\n\r\n{", body=b" " * 200_000, pace=0.02))
    with pytest.raises(OutcomeUnknownError):
        post(fault_server.url, timeouts=Timeouts(silence=20, reply=0.3, stall=20))


@pytest.mark.slow
def test_an_upload_at_a_snails_pace_is_broken_off(tmp_path: Path) -> None:
    """A service that takes a little now and then, without an end, is given up: not billed."""
    import socket
    import threading

    from seedream_nb.errors import ConnectionFailedError
    from tests.posting import large

    def sip(listener: socket.socket) -> None:
        taken, _ = listener.accept()
        with taken:
            while taken.recv(100_000):
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=sip, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ConnectionFailedError, match=r"took less than 1 MB in 0\.2 s of the request"):
            post(url, large(tmp_path, 300_000_000), timeouts=Timeouts(silence=20, crawl=0.2))


def test_a_garbled_reply_without_an_end_is_not_held_in_memory(fault_server: FaultServer) -> None:
    """Of a reply that HTTP's parser refuses no more than 8 MB are kept."""
    fault_server.on(POST, Reply(raw=OK + b"X-Via : a\r\n\r\n", body=b"x" * 20_000_000))
    with pytest.raises(OutcomeUnknownError) as failed:
        post(fault_server.url, timeouts=QUICK)
    assert len(failed.value.content) == MAX_REPLY_BYTES


class Dripping:
    """A line on which a garbled head comes in tiny pieces, and then the reply."""

    def __init__(self, received: RawReply) -> None:
        """Say nothing yet."""
        self._heard = received
        self._pieces = iter([OK, *[b"1\r\n"] * 12_000, b"\r\n", b"{"])

    async def read_on(self) -> bytes:
        """Return the next piece."""
        piece = next(self._pieces, b"")
        self._heard.add(piece)
        return piece


@pytest.mark.slow
def test_a_head_in_tiny_pieces_is_not_read_again_for_each() -> None:
    """Of a head that comes in thousands of pieces, most are only kept: all of it took minutes."""

    async def listen() -> float:
        sent = Post(
            url="http://a.example", host="a.example", headers={}, key=None, body=Body(FOX, []), timeouts=QUICK,
            on_upload=None, on_pause=None,
        )  # fmt: skip
        line: Any = Dripping(sent.received)
        began = time.thread_time()
        await sent._drain(line)  # noqa: SLF001 - what a line says after the parser gave up
        assert sent.received.has_content
        return time.thread_time() - began

    assert asyncio.run(listen()) < 5


PIECES = [OK, b"HTTP/1.1 100\r\n", b"\r\n", b"\n", b"{", b"9\r\n", b"\x1f\x8b", b'"images": ["http:', b"\0"]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=9), max_size=30))
def test_any_bytes_are_understood_in_some_way(pieces: list[bytes]) -> None:
    """Whatever comes, reading it leniently does not fail, and what can't be told apart is kept whole."""
    data = b"".join(pieces)
    answer = parse_reply(data)
    assert answer.status is not None or answer.is_whole or answer.content in data or answer.headers


WORST = [
    *(b"\n", b"\r", b" ", b"0", b"0\r\n", b"1\r\na\r\n", b"\r\n9;", b"{", b'{"', b"\x1f\x8b\x08", b"a: b\r\n", b": "),
    *(b"HTTP/1.1 100\r\n\r\n", b'{"images": ["http:', gzip.compress(b"", mtime=0)),
]


@pytest.mark.parametrize("piece", WORST)
@pytest.mark.parametrize("head", [b"", OK + b"X-Via : a\r\n\r\n", OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n"])
@pytest.mark.slow
def test_understanding_takes_a_time_that_grows_with_the_answer(head: bytes, piece: bytes) -> None:
    """A megabyte of the worst is looked through within seconds."""
    began = time.monotonic()
    parse_reply(head + piece * (1_000_000 // len(piece)))
    assert time.monotonic() - began < 10


def test_what_was_understood_shows_nothing_of_it() -> None:
    """Neither headers nor content, which may echo the key, show themselves where a debugger looks into an answer."""
    answer = parse_reply(OK + b"X-Echo: Bearer sk_1234567\r\n\r\nsk_1234567")
    assert answer.headers["x-echo"] == "Bearer sk_1234567"
    assert "sk_1234567" not in repr([answer, answer.headers, answer.content, vars(answer)])


@pytest.mark.parametrize(
    ("came", "begun"),
    [
        (b"X-Via : a\r\n\r\n", False),
        (b"X-Via : a\r\n\r\n \r\n", False),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n2\r\n  \r\n", False),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", True),
        (b"X-Via : a\r\n\r\n{", True),
        (b"X-Via : a", False),
    ],
)
def test_white_space_begins_no_reply(came: bytes, begun: bool) -> None:
    """A reply begins with what it has to say: neither heads nor white space, in chunks or not, are that."""
    received = RawReply()
    received.add(OK + came)
    assert received.has_content is begun


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", ""]), st.integers(1, 99))
def test_what_is_not_packed_stays_as_it_is(noise: bytes, label: str, step: int) -> None:
    """A picture or JSON, whatever its label says, comes out as it came, in whatever pieces."""
    for start in (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF", b'{"images": ['):
        data, unpacking = start + noise, Decompressor(label)
        pieces = [part for at in range(0, len(data), step) for part in unpacking.feed(data[at : at + step])]
        assert b"".join([*pieces, *unpacking.end()]) == data
        assert not unpacking.damaged
