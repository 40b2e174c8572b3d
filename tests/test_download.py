"""Downloads: streamed, taken up again, never with the key. The fault server's log is the witness."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import DownloadError
from seedream_nb.http.client import Client, Timeouts, proxy_for
from seedream_nb.http.download import _check_address
from seedream_nb.keys import Key
from seedream_nb.storage.picture import inspect
from tests.faults import Cut, FaultServer, Reply, Stall, jpeg

if TYPE_CHECKING:
    from tests.faults.script import Seen, Step

QUICK = Timeouts(stall=0.3, download_pauses=(0.01, 0.01, 0.01))
CONTENT = jpeg(64, 64, number=1, size_bytes=600_000)
ETAG = {"ETag": '"abc"'}


Check = Callable[[Path], None]


async def fetch_all(
    links: list[str],
    folder: Path,
    told: list[int] | None = None,
    check: Check | None = None,
    service: str | None = None,
) -> list[int]:
    """Download the links one after the other, by one client, into `0`, `1` …; return their sizes."""
    client = Client(base_url="http://127.0.0.1", key=Key("sk_secret-of-mine", source="a test"), timeouts=QUICK)
    told = [] if told is None else told
    try:
        return [
            await client.download(link, folder / str(number), service=service, on_bytes=told.append, check=check)
            for number, link in enumerate(links)
        ]
    finally:
        await client.aclose()


def fetch(
    link: str,
    folder: Path,
    told: list[int] | None = None,
    check: Check | None = None,
    service: str | None = None,
) -> bytes:
    """Download one link and return what is in the file."""
    (size,) = asyncio.run(fetch_all([link], folder, told, check, service))
    content = (folder / "0").read_bytes()
    assert size == len(content)
    return content


def ranges(server: FaultServer) -> list[str | None]:
    """Return what part was asked for, try by try."""
    return [seen.headers.get("range") for seen in server.gets]


def test_a_picture(fault_server: FaultServer, tmp_path: Path) -> None:
    """A picture arrives byte for byte, its progress told up to its size."""
    told: list[int] = []
    content = fetch(fault_server.picture(64, 64, size_bytes=1_000_000), tmp_path, told)
    assert content == jpeg(64, 64, number=1, size_bytes=1_000_000)
    assert told[-1] == 1_000_000
    assert told == sorted(told)


def test_without_the_key(fault_server: FaultServer, tmp_path: Path) -> None:
    """A download carries neither key nor cookies."""
    fetch(fault_server.picture(64, 64), tmp_path)
    assert set(fault_server.gets[0].headers) == {"host", "user-agent", "accept", "accept-encoding"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_private(fault_server: FaultServer, tmp_path: Path) -> None:
    """The file is the user's alone, and what stood there before, a symbolic link too, is replaced."""
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "0").symlink_to(tmp_path / "elsewhere")
    fetch(fault_server.picture(64, 64), tmp_path)
    assert (tmp_path / "0").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"


def test_shared_connections(fault_server: FaultServer, tmp_path: Path) -> None:
    """Downloads from one host share a connection, which is closed with the client."""
    links = [fault_server.picture(64, 64) for _ in range(3)]
    asyncio.run(fetch_all(links, tmp_path))
    assert len(fault_server.connections) == 1
    assert fault_server.wait_for(lambda server: server.connections[0].left_by_client)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Reply(status=500), Reply(status=503, headers={"Retry-After": "0"}), Reply(status=429), Cut(when="body"),
        Cut(when="body", reset=False), Stall(when="body", seconds=30), Reply(raw=b"nonsense", then="close"),
    ],
)  # fmt: skip
def test_tried_again(fault_server: FaultServer, tmp_path: Path, fault: Step) -> None:
    """What may pass is tried again: the server's troubles, resets, silence."""
    assert fetch(fault_server.picture(64, 64, fault, fault), tmp_path)
    assert len(fault_server.gets) == 3


@pytest.mark.slow
@pytest.mark.parametrize("then", ["reset", "close", "stall"])
def test_taken_up_where_it_broke_off(fault_server: FaultServer, tmp_path: Path, then: str) -> None:
    """Where the server can, the next try asks for the rest, of the same file."""
    broken = Reply(body=CONTENT, headers=ETAG, send=200_000, then=then)  # type: ignore[arg-type]
    link = fault_server.on("/a.jpg", broken, Reply(status=500), Reply(body=CONTENT, headers=ETAG, ranges=True))
    assert fetch(link, tmp_path) == CONTENT
    first, second, third = ranges(fault_server)
    assert first is None
    # A reset may take with it what had arrived and was not read yet.
    assert second == third
    assert then == "reset" or third == "bytes=200000-"
    assert fault_server.gets[-1].headers["if-range"] == '"abc"' or third is None


def test_a_server_that_knows_no_ranges(fault_server: FaultServer, tmp_path: Path) -> None:
    """Where the server answers with the whole file, it is written anew."""
    broken = Reply(body=CONTENT, headers=ETAG, send=200_000, then="close")
    link = fault_server.on("/a.jpg", broken, Reply(body=CONTENT, headers=ETAG))
    assert fetch(link, tmp_path) == CONTENT


@pytest.mark.parametrize("part", ["bytes 5-599999/600000", "bytes 200000-699999/700000", "nonsense", ""])
def test_the_wrong_part(fault_server: FaultServer, tmp_path: Path, part: str) -> None:
    """Another part than asked for, or one of another file, is not joined: it begins anew."""
    broken = Reply(body=CONTENT, headers=ETAG, send=200_000, then="close")
    wrong = Reply(status=206, body=CONTENT[200_000:], headers={"Content-Range": part})
    link = fault_server.on("/a.jpg", broken, wrong, Reply(body=CONTENT))
    assert fetch(link, tmp_path) == CONTENT
    assert ranges(fault_server) == [None, "bytes=200000-", None]


@pytest.mark.parametrize("status", [201, 202, 203, 206])
def test_a_file_that_comes_with_another_status(fault_server: FaultServer, tmp_path: Path, status: int) -> None:
    """What comes is looked at, whatever a proxy or a cache says of it."""
    link = fault_server.on("/a.jpg", Reply(status=status, body=CONTENT))
    assert fetch(link, tmp_path) == CONTENT


def test_a_whole_picture_that_was_told_to_be_longer(fault_server: FaultServer, tmp_path: Path) -> None:
    """It is paid for and here: after the last try it is taken as it is."""
    link = fault_server.on("/a.jpg", Reply(body=CONTENT, length=700_000, then="close"))

    def look(path: Path) -> None:
        inspect(path)

    assert fetch(link, tmp_path, check=look) == CONTENT


def test_short(fault_server: FaultServer, tmp_path: Path) -> None:
    """Fewer bytes than announced are told from a whole file, tried four times, and kept."""
    link = fault_server.on("/a.jpg", Reply(body=CONTENT[:1000], length=600_000, then="close"))
    with pytest.raises(DownloadError, match=r"after 1,000 of 600,000 bytes.*tried 4 times"):
        fetch(link, tmp_path)
    assert len(fault_server.gets) == 4
    assert (tmp_path / "0").read_bytes() == CONTENT[:1000]


def test_short_without_a_length(fault_server: FaultServer, tmp_path: Path) -> None:
    """Where no length is announced, a look at the file finds that it is short: it is fetched anew, from its start."""
    short = Reply(body=CONTENT, headers=ETAG, send=200_000, length=-1, then="close")
    link = fault_server.on("/a.jpg", short, short, Reply(body=CONTENT, headers=ETAG, ranges=True))
    looked_at: list[int] = []

    def look(path: Path) -> None:
        looked_at.append(path.stat().st_size)
        assert threading.current_thread() is not threading.main_thread()
        if looked_at[-1] < 600_000:
            raise ValueError("a JPEG that is cut off")

    assert fetch(link, tmp_path, check=look) == CONTENT
    assert looked_at == [200_000, 200_000, 600_000]
    assert ranges(fault_server) == [None, None, None]


def test_not_what_it_should_be(fault_server: FaultServer, tmp_path: Path) -> None:
    """A file that came whole and is no picture is asked for once: it will not become one; it is kept, and told."""
    link = fault_server.on("/a.jpg", Reply(body=b"<html>no"))

    def look(path: Path) -> None:
        raise ValueError(f"no picture but {path.read_text()}")

    with pytest.raises(DownloadError, match=r"sent no picture but <html>no\.") as failed:
        fetch(link, tmp_path, check=look)
    assert "%seedream recover" in str(failed.value)
    assert len(fault_server.gets) == 1
    assert (tmp_path / "0").read_bytes() == b"<html>no"


def test_never_what_it_should_be(fault_server: FaultServer, tmp_path: Path) -> None:
    """Where no server tells where the file ends, it may be cut off: after four tries the last reason is told."""
    replies = [Reply(body=f"<html>{number}".encode(), length=-1, then="close") for number in range(4)]
    link = fault_server.on("/a.jpg", *replies)

    def look(path: Path) -> None:
        raise ValueError(f"no picture but {path.read_text()}")

    with pytest.raises(DownloadError, match=r"no picture but <html>3 \(tried 4 times\)\."):
        fetch(link, tmp_path, check=look)
    assert len(fault_server.gets) == 4
    assert (tmp_path / "0").read_bytes() == b"<html>3"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "app.localhost", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "127.1",
     "0x7f000001", "2130706433", "0.0.0.0", "[::1]", "[::ffff:10.0.0.1]", "[fe80::1]", "[fd00::1]", "100.64.0.1",
     "LOCALHOST.", "127.0.0.1.", "printer.local", "metadata.google.internal", "router.home.arpa"],
)  # fmt: skip
def test_a_link_into_a_private_network(tmp_path: Path, host: str) -> None:
    """A public service that names an address of this machine or network is not obeyed: nothing is connected to."""
    with pytest.raises(DownloadError, match="leads into a private network") as failed:
        fetch(f"http://{host}:1/a.jpg", tmp_path, service="api.novita.ai")
    assert "%seedream recover" in str(failed.value)


def test_a_redirect_into_a_private_network(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a redirect there followed, from a public address."""
    monkeypatch.setenv("HTTP_PROXY", fault_server.url)  # which stands for the public host
    fault_server.on("http://pictures.example/a.jpg", Reply(status=302, headers={"Location": fault_server.url + "/b"}))
    with pytest.raises(DownloadError, match="leads into a private network"):
        fetch("http://pictures.example/a.jpg", tmp_path, service="api.novita.ai")
    assert len(fault_server.gets) == 1


@pytest.mark.parametrize("service", ["127.0.0.1:8787", "localhost", "[::1]:80", "10.0.0.5", None])
def test_a_service_inside_may_lead_there(fault_server: FaultServer, tmp_path: Path, service: str | None) -> None:
    """A service that is itself on this machine, or in a private network, may name its addresses."""
    assert fetch(fault_server.picture(64, 64), tmp_path, service=service)


def test_broken_off_then_wrong(fault_server: FaultServer, tmp_path: Path) -> None:
    """A try that breaks off is taken up where it was; only a complete one is looked at."""
    broken = Reply(body=CONTENT, headers=ETAG, send=200_000, then="close")
    link = fault_server.on("/a.jpg", broken, Reply(body=CONTENT, headers=ETAG, ranges=True))
    looked_at: list[bytes] = []

    def look(path: Path) -> None:
        looked_at.append(path.read_bytes())

    assert fetch(link, tmp_path, check=look) == CONTENT
    assert looked_at == [CONTENT]
    assert ranges(fault_server) == [None, "bytes=200000-"]


@pytest.mark.parametrize(("packing", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_packed(fault_server: FaultServer, tmp_path: Path, packing: str, pack: Callable[[bytes], bytes]) -> None:
    """A server that packs what it sends, without being asked, is understood; what is cut off is tried again."""
    packed, headers = pack(CONTENT), {"Content-Encoding": packing}
    short = Reply(body=packed[:-9], headers=headers)
    link = fault_server.on("/a.jpg", short, Reply(body=packed, headers=headers))
    assert fetch(link, tmp_path) == CONTENT
    assert ranges(fault_server) == [None, None]


def raw_deflate(content: bytes) -> bytes:
    """Return what is packed without zlib's header."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("label", "pack"),
    [
        ("gzip", bytes),
        ("deflate", bytes),
        ("br", bytes),
        ("gzip", lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:])),
        ("deflate", raw_deflate),
    ],
    ids=["no gzip", "no zlib", "no br", "two members", "no header"],
)
def test_packed_otherwise_than_it_says(
    fault_server: FaultServer, tmp_path: Path, label: str, pack: Callable[[bytes], bytes]
) -> None:
    """A picture arrives however it is packed, or not at all, and whatever is said of that."""
    link = fault_server.on("/a.jpg", Reply(body=pack(CONTENT), headers={"Content-Encoding": label}))
    assert fetch(link, tmp_path) == CONTENT
    assert len(fault_server.gets) == 1


ODD_PICTURES: dict[str, bytes] = {
    "space before the colon": b"X-Via : a\r\nContent-Length: 600000\r\n\r\n" + CONTENT,
    "NUL in a name": b"X\0Y: a\r\nContent-Length: 600000\r\n\r\n" + CONTENT,
    "NUL in a value": b"X-Via: a\0b\r\n\r\n" + CONTENT,
    "two lengths": b"Content-Length: 10\r\nContent-Length: 600000\r\n\r\n" + CONTENT,
    "length -1": b"Content-Length: -1\r\n\r\n" + CONTENT,
    "no number": b"Content-Length: many\r\n\r\n" + CONTENT,
    "unknown transfer coding": b"Transfer-Encoding: odd\r\n\r\n" + CONTENT,
    "packed for the transfer": b"Transfer-Encoding: gzip\r\n\r\n" + gzip.compress(CONTENT),
    "packed": b"X-Via : a\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(CONTENT),
    "chunked, but it is not": b"Transfer-Encoding: chunked\r\n\r\n" + CONTENT,
    "chunks of odd sizes": b"Transfer-Encoding: chunked\r\n\r\n0x9\r\n" + CONTENT[:9] + b"\n 927b7 \r\n" + CONTENT[9:],
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\n9\r\n" + CONTENT[:9] + b"\r\nxyz\r\n" + CONTENT[9:],
    "no last chunk": b"Transfer-Encoding: chunked\r\n\r\n927c0\r\n" + CONTENT + b"\r\n",
    "chunks": b"X-Via : a\r\nTransfer-Encoding: chunked\r\n\r\n927c0\r\n" + CONTENT + b"\r\n0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD_PICTURES)
@pytest.mark.parametrize("then", ["close", "stall"])
def test_an_odd_answer(fault_server: FaultServer, tmp_path: Path, odd: str, then: Literal["close", "stall"]) -> None:
    """A picture comes home whatever HTTP's parser makes of the head before it, and of its framing."""
    raw = b"HTTP/1.1 200 OK\r\n" + ODD_PICTURES[odd]
    assert fetch(fault_server.on("/a.jpg", Reply(raw=raw, then=then)), tmp_path, check=whole) == CONTENT
    assert "authorization" not in fault_server.gets[-1].headers


def whole(path: Path) -> None:
    """Refuse what is not the whole picture."""
    if path.read_bytes() != CONTENT:
        raise ValueError("no picture")


def test_no_head_at_all(fault_server: FaultServer, tmp_path: Path) -> None:
    """A picture without any head is a picture."""
    assert fetch(fault_server.on("/a.jpg", Reply(raw=CONTENT, then="close")), tmp_path, check=whole) == CONTENT


def test_an_odd_redirect(fault_server: FaultServer, tmp_path: Path) -> None:
    """A redirect whose head HTTP's parser refuses is followed, and checked like any."""
    raw = b"HTTP/1.1 302 Found\r\nX-Via : a\r\nLocation: %s\r\n\r\n"
    there = fault_server.picture(64, 64)
    assert fetch(fault_server.on("/a.jpg", Reply(raw=raw % there.encode(), then="close")), tmp_path)
    with pytest.raises(DownloadError, match="not a web address"):
        fetch(fault_server.on("/b.jpg", Reply(raw=raw % b"file:///etc/passwd", then="close")), tmp_path)


def test_an_odd_refusal(fault_server: FaultServer, tmp_path: Path) -> None:
    """A refusal whose head HTTP's parser refuses is told as one."""
    raw = b"HTTP/1.1 404 Not Found\r\nX-Via : a\r\n\r\n"
    with pytest.raises(DownloadError, match="the picture is gone"):
        fetch(fault_server.on("/a.jpg", Reply(raw=raw, then="stall")), tmp_path)


def test_an_odd_answer_is_bounded(fault_server: FaultServer, tmp_path: Path) -> None:
    """Of an answer that HTTP's parser refuses no more is taken than of any other."""
    raw = b"HTTP/1.1 200 OK\r\nX-Via : a\r\n\r\n"
    with pytest.raises(DownloadError, match="larger than 64 MB"):
        fetch(fault_server.on("/a.jpg", Reply(raw=raw, body=bytes(65_000_000), then="stall")), tmp_path)


def test_an_odd_answer_that_breaks_off(fault_server: FaultServer, tmp_path: Path) -> None:
    """It is taken up again where it was, as any other."""
    head = b'HTTP/1.1 200 OK\r\nX-Via : a\r\nETag: "1"\r\nContent-Length: 600000\r\n\r\n'
    rest = b"HTTP/1.1 206 OK\r\nX-Via : a\r\nContent-Range: bytes 200000-599999/600000\r\n\r\n" + CONTENT[200_000:]
    broken = Reply(raw=head + CONTENT[:200_000], then="close")
    link = fault_server.on("/a.jpg", broken, broken, Reply(raw=rest, then="close"))
    assert fetch(link, tmp_path) == CONTENT
    assert ranges(fault_server) == [None, None, "bytes=200000-"]


@pytest.mark.parametrize("packing", ["gzip", "gzip, gzip"])
@pytest.mark.slow
def test_a_bomb(fault_server: FaultServer, tmp_path: Path, packing: str) -> None:
    """A few kB that unpack to a GB are no picture, and never stand in memory as a whole."""
    bomb = gzip.compress(gzip.compress(bytes(1_000_000)) * 1000 if "," in packing else bytes(200_000_000))
    link = fault_server.on("/a.jpg", Reply(body=bomb, headers={"Content-Encoding": packing}))

    def look(path: Path) -> None:
        raise ValueError(f"no picture but {path.stat().st_size} bytes")

    tracemalloc.start()
    with pytest.raises(DownloadError, match=r"larger than 64 MB|no picture"):
        fetch(link, tmp_path, check=look)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_given_up(fault_server: FaultServer, tmp_path: Path) -> None:
    """After four tries the reason is told, that it is paid for, and how to try again."""
    with pytest.raises(DownloadError) as failed:
        fetch(fault_server.on("/a.jpg", Reply(status=503)), tmp_path)
    assert failed.value.lines() == [
        "127.0.0.1 answered 503 (tried 4 times).",
        "It is paid for and its link is kept. Try again with: %seedream recover",
    ]
    assert len(fault_server.gets) == 4


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "expired"), (404, "gone"), (410, "gone"), (401, "not available"), (204, "not available")],
)
def test_not_tried_again(fault_server: FaultServer, tmp_path: Path, status: int, words: str) -> None:
    """A link that has expired, or gives no picture, is asked once."""
    with pytest.raises(DownloadError, match=words):
        fetch(fault_server.on("/a.jpg", Reply(status=status)), tmp_path)
    assert len(fault_server.gets) == 1


@pytest.mark.parametrize(
    "link",
    ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:image/png;base64,AAAA", "javascript:alert(1)", "", "a.jpg", "http://",
     "http://[bad", "http://a\x00b/", "//127.0.0.1/a"],
)  # fmt: skip
def test_not_a_web_address(tmp_path: Path, link: str) -> None:
    """Only http and https links are followed."""
    with pytest.raises(DownloadError, match="not a web address"):
        fetch(link, tmp_path)
    assert not (tmp_path / "0").exists()


ODD_PLACES = [
    "127.0.0.1:99999999", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x", "127.0.0.1:٩", "127.0.0.1:80:80", "[::1",
    "[::1]:99999", "xn--", "xn--zz--", "a..b", f"{'a' * 64}.example", f"{'é' * 80}.example", "*", "a b", "%zz", "a%00b",
    "\u202e", ".", "...", "0x7f.1:99999", "u:p@127.0.0.1:99999999", "127.0.0.1:0", ":80", "@", "[v1.x]",
    "[fe80::1%25lo]",
]  # fmt: skip


@pytest.mark.parametrize("redirected", [False, True])
def test_a_link_that_is_too_long(fault_server: FaultServer, tmp_path: Path, redirected: bool) -> None:
    """A link that nobody follows for its length is said to be too long, and not to be no link."""
    link = f"{fault_server.url}/{'a' * 20_000}.jpg"
    if redirected:
        link = fault_server.on("/there.jpg", Reply(status=302, headers={"Location": link}))
    with pytest.raises(DownloadError, match=r"^The link is too long: 20,0\d\d characters \(at most 16,384\)"):
        fetch(link, tmp_path)


@pytest.mark.parametrize("place", ODD_PLACES)
@pytest.mark.parametrize("redirected", [False, True])
def test_an_odd_host_or_port(fault_server: FaultServer, tmp_path: Path, place: str, redirected: bool) -> None:
    """A link whose host or port can be none is said to be so, in a sentence; so is one that a redirect leads to."""
    link = f"http://{place}/a.jpg"
    if redirected:
        location = link.encode("utf-8", "surrogatepass").decode("latin-1")
        link = fault_server.on("/there.jpg", Reply(status=302, headers={"Location": location}))
    with pytest.raises(DownloadError) as failed:
        fetch(link, tmp_path, service="127.0.0.1")
    assert "link is kept" in (failed.value.hint or "")


@given(st.text(alphabet="a1.:/@[]%-é\u202e\0 \ud800xn", max_size=12), st.integers(-9, 10**9))
def test_no_link_fails_in_itself(place: str, port: int) -> None:
    """Whatever stands in a link, what can't be had is told as that, and a proxy is looked up for it without harm."""
    for link in (f"http://{place}", f"https://{place}:{port}/", f"http://127.0.0.1:{port}{place}", place):
        with contextlib.suppress(DownloadError):
            _check_address(link, inside=True)
            assert 0 <= (urlsplit(link).port or 0) <= 65_535
            proxy_for(link)


@pytest.mark.parametrize("before", ["http://", "https://a@", "//", "", "http://a/"])
def test_an_endless_link(fault_server: FaultServer, tmp_path: Path, before: str) -> None:
    """A link of any length is told to be none in no time: the loop waits for it."""
    link = before + "\u0327\u0301" * 1_000_000
    location = link[:40_000].encode().decode("latin-1")
    moved = fault_server.on("/a.jpg", Reply(status=302, headers={"Location": location}))
    began = time.thread_time()
    for each in (link, moved):
        with pytest.raises(DownloadError):
            fetch(each, tmp_path)
    assert time.thread_time() - began < 1


def test_redirects(fault_server: FaultServer, tmp_path: Path) -> None:
    """Five redirects are followed, relative ones and to another host, without the key."""
    with FaultServer() as elsewhere:
        link = elsewhere.picture(64, 64)
        for number, where in enumerate([link, "/0", "/1", "/2", "3"]):
            link = fault_server.on(f"/{number}", Reply(status=302, headers={"Location": where}))
        assert fetch(link, tmp_path)
        assert "authorization" not in elsewhere.gets[0].headers


def test_endless_redirects(fault_server: FaultServer, tmp_path: Path) -> None:
    """The sixth redirect is not followed."""
    link = fault_server.on("/a.jpg", Reply(status=302, headers={"Location": "/a.jpg"}))
    with pytest.raises(DownloadError, match="more than 5 times"):
        fetch(link, tmp_path)
    assert len(fault_server.gets) == 6


def test_redirect_out_of_the_web(fault_server: FaultServer, tmp_path: Path) -> None:
    """A redirect to a file of this machine is not followed."""
    link = fault_server.on("/a.jpg", Reply(status=302, headers={"Location": "file:///etc/passwd"}))
    with pytest.raises(DownloadError, match="not a web address"):
        fetch(link, tmp_path)


@pytest.mark.parametrize("announced", [True, False])
def test_too_large(fault_server: FaultServer, tmp_path: Path, announced: bool) -> None:
    """More than 64 MB is no picture: told from its length, or where it passes the limit."""
    body = b"" if announced else bytes(65_000_000)
    link = fault_server.on("/a.jpg", Reply(body=body, length=64_000_001 if announced else -1, then="close"))
    with pytest.raises(DownloadError, match="larger than 64 MB"):
        fetch(link, tmp_path)
    assert len(fault_server.gets) == 1


def test_a_folder_that_is_gone(fault_server: FaultServer, tmp_path: Path) -> None:
    """A file that can't be written is the disk's fault, told at once, not tried again."""
    with pytest.raises(DownloadError, match=r"can't be written to .*gone: No such file"):
        fetch(fault_server.picture(64, 64), tmp_path / "gone")
    assert len(fault_server.gets) == 1


def test_cancelling(fault_server: FaultServer, tmp_path: Path) -> None:
    """Who cancels a download leaves neither connection nor open file behind."""
    link = fault_server.on("/a.jpg", Reply(body=CONTENT, send=200_000, then="stall"))

    async def cancel() -> None:
        task = asyncio.create_task(fetch_all([link], tmp_path))
        await asyncio.to_thread(fault_server.wait_for, lambda server: server.gets and server.gets[0].status)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(cancel())
    assert fault_server.wait_for(lambda server: server.connections[0].left_by_client)
    if Path("/proc/self/fd").exists():
        assert str(tmp_path) not in {str(Path(os.path.realpath(fd)).parent) for fd in Path("/proc/self/fd").iterdir()}


def test_side_by_side(fault_server: FaultServer, tmp_path: Path) -> None:
    """Downloads go on side by side: fifteen that wait for one another all arrive."""
    in_flight: list[bool] = []

    def wait_for_all(_: Seen) -> Step:
        in_flight.append(fault_server.wait_for(lambda server: len(server.gets) == 15, 20))
        return Reply(body=CONTENT)

    link = fault_server.on("/a.jpg", wait_for_all)

    async def fetch_together() -> list[int]:
        client = Client(base_url="http://127.0.0.1", key=None, timeouts=Timeouts())
        try:
            return await asyncio.gather(*(client.download(link, tmp_path / str(number)) for number in range(15)))
        finally:
            await client.aclose()

    assert asyncio.run(fetch_together()) == [600_000] * 15
    assert in_flight == [True] * 15
