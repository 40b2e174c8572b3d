"""Pictures that do not come, row by row: how often they are asked for, what is kept and told, that recover works."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import DownloadError
from seedream_nb.http.client import Timeouts
from tests.faults import POST, Cut, FaultServer, Links, Reply, Stall, jpeg
from tests.journals import ROOT
from tests.posting import KEY
from tests.procedure import Procedure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.script import Seen, Step

SHORT = Timeouts(stall=0.3, connect_pauses=(), download_pauses=(0.01, 0.01, 0.01))
PICTURE = jpeg(64, 64, number=3, size_bytes=300_000)


@pytest.fixture
def procedure(fault_server: FaultServer, tmp_path: Path) -> Iterator[Procedure]:
    """Give the procedure with short waits."""
    begun = Procedure(tmp_path, fault_server.url, timeouts=SHORT)
    yield begun
    begun.close()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault of a storage, what is told of it, how often the picture is asked for, and what arrived of it."""

    fault: Step
    says: str
    asked: int
    kept: bytes | None = b""
    """None: some of it, at most 64 MB."""


def huge() -> bytes:
    """Return a PNG picture, whole and of a few bytes, that says it has 60000x60000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(60_001))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


AGAIN = {
    "reset": Row(fault=Cut(when="body"), says="the connection was reset", asked=4),
    "stall": Row(fault=Stall(when="body"), says="sent nothing for", asked=4),
    "a stall in the middle": Row(
        fault=Reply(body=PICTURE, send=100_000, then="stall"), says="sent nothing for", asked=4, kept=PICTURE[:100_000]
    ),
    "short": Row(
        fault=Reply(body=PICTURE[:1000], length=300_000, then="close"), says="after 1,000 of 300,000 bytes", asked=4,
        kept=PICTURE[:1000],
    ),
    "500": Row(fault=Reply(status=500), says="answered 500", asked=4),
    "503": Row(fault=Reply(status=503, headers={"Retry-After": "0"}), says="answered 503", asked=4),
    "429": Row(fault=Reply(status=429), says="answered 429", asked=4),
}  # fmt: skip
NEVER = {
    "403": Row(fault=Reply(status=403), says="the link has expired", asked=1),
    "404": Row(fault=Reply(status=404), says="the picture is gone", asked=1),
    "no picture": Row(fault=Reply(body=b"<html>gone</html>"), says="a web page", asked=1, kept=b"<html>gone</html>"),
    "nothing": Row(fault=Reply(body=b""), says="an empty file", asked=1),
    "damaged": Row(
        fault=Reply(body=PICTURE[:5000]), says="cut off after 5000 bytes", asked=1, kept=PICTURE[:5000]
    ),
    "over 64 MB": Row(fault=Reply(length=64_000_001, then="close"), says="larger than 64 MB", asked=1),
    "a bomb": Row(
        fault=Reply(body=gzip.compress(bytes(100_000_000)), headers={"Content-Encoding": "gzip"}),
        says="larger than 64 MB", asked=1, kept=None,
    ),
    "over 64 MB, and nobody said so": Row(
        fault=Reply(body=PICTURE + bytes(64_000_000), length=-1, then="close"), says="larger than 64 MB", asked=1,
        kept=None,
    ),
    "a picture of 3,600 million pixels": Row(
        fault=Reply(body=huge()), says="too many pixels", asked=1, kept=huge()
    ),
    "a redirect to a file": Row(
        fault=Reply(status=302, headers={"Location": "file:///etc/passwd"}), says="not a web address", asked=1
    ),
}  # fmt: skip
ROWS = AGAIN | NEVER


def deliver(server: FaultServer, fault: Step) -> None:
    """Let the service name three pictures, of which the second has a fault."""
    given = [server.picture(64, 64), server.on("/odd.jpg", fault), server.picture(64, 48)]
    server.on(POST, Reply(body=json.dumps({"images": given}).encode()))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.slow
def test_a_picture_that_does_not_come(
    procedure: Procedure, fault_server: FaultServer, tmp_path: Path, name: str
) -> None:
    """It is asked for as often as makes sense; the others are here, the links too; it is told what and why."""
    row = ROWS[name]
    deliver(fault_server, row.fault)
    job = procedure.start("a fox", max_images=3)
    with pytest.raises(DownloadError) as failed:
        job.result()
    assert "1 of 3 pictures could not be fetched" in failed.value.message
    assert row.says in failed.value.message
    assert "paid for (0.09 USD)" in failed.value.message
    assert failed.value.hint == "Try again with: %seedream recover"
    assert [seen.path for seen in fault_server.gets].count("/odd.jpg") == row.asked
    assert len(fault_server.posts) == 1
    generation = procedure.home.history[-1]
    assert (generation.status, [each.mark for each in generation]) == ("partial", ["@1.1", "@1.3"])
    assert generation.cost == pytest.approx(0.09)
    assert len(generation.links) == 3
    assert [picture.mark for picture in job.pictures] == ["@1.1", "@1.3"]
    if name in AGAIN:
        assert left_of(tmp_path / "seedream") == row.kept
    else:
        kept = kept_in(tmp_path / "seedream", generation.missing[2])
        assert kept == row.kept if row.kept is not None else 0 < len(kept) <= 64_000_000
        assert ("kept in home" in failed.value.message) == bool(kept)


def left_of(home: Path) -> bytes:
    """Return what stands of a picture, to go on from there."""
    return b"".join(path.read_bytes() for path in home.glob("journal/partial/0001-2.*.part"))


def kept_in(home: Path, reason: str) -> bytes:
    """Return what was kept aside where a reason says so, and is nowhere else; nothing if it does not say so."""
    assert left_of(home) == b""
    _, said, name = reason.partition("What came instead is kept in home as ")
    return (home / name.removesuffix(".")).read_bytes() if said else b""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["short", "500", "403", "no picture", "over 64 MB"])
def test_recover_fetches_it_later(
    procedure: Procedure, fault_server: FaultServer, new_session: NewSession, name: str
) -> None:
    """Whatever a link answered before, it is tried again, and its picture makes the generation whole."""
    deliver(fault_server, ROWS[name].fault)
    with pytest.raises(DownloadError):
        procedure.start("a fox", max_images=3).result()
    fault_server.on("/odd.jpg", Reply(body=PICTURE))
    (recovered,) = new_session(KEY).recover()
    assert (recovered.status, len(recovered), len(fault_server.posts)) == ("done", 3, 1)


def test_it_goes_on_from_where_it_stopped(procedure: Procedure, fault_server: FaultServer) -> None:
    """A download that breaks off is taken up there where the server can, and the picture is whole."""
    broken = Reply(body=PICTURE, headers={"ETag": '"a"'}, send=100_000, then="close")
    link = fault_server.on("/a.jpg", broken, Reply(body=PICTURE, headers={"ETag": '"a"'}, ranges=True))
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    generation = procedure.start("a fox").result()
    assert generation[0].to_bytes() == PICTURE
    assert [seen.headers.get("range") for seen in fault_server.gets] == [None, "bytes=100000-"]


KERNEL = """
import pathlib, sys
from seedream_nb.http.client import Timeouts
from seedream_nb.errors import DownloadError
from seedream_nb.session import Session
from seedream_nb.settings import Settings
url, folder, limit = sys.argv[1:]
if limit != "0":
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
settings = Settings(environ={}, folder=pathlib.Path(folder))
settings.change(base_url=url, api_key="sk_test")
try:
    Session(settings=settings, timeouts=Timeouts(download_pauses=(0.01, 0.01, 0.01))).start("a fox").result()
except DownloadError as error:
    print(error)
"""


def in_another_kernel(server: FaultServer, folder: Path, *, size_limit: int = 0) -> str:
    """Ask for a picture that does not come, in a process of its own; return what it tells.

    A limit on the size of files stands in for a disk that is full: the journal's lines still find room.
    """
    command = [sys.executable, "-c", KERNEL, server.url, str(folder), str(size_limit)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout


@pytest.mark.parametrize("first", [PICTURE, bytes(300_000)], ids=["same file", "another file"])
@pytest.mark.slow
def test_recover_goes_on_from_where_it_stopped(
    fault_server: FaultServer, tmp_path: Path, new_session: NewSession, first: bytes
) -> None:
    """In a later kernel too, what had arrived is not fetched again, unless the rest does not fit to it."""
    etag = {"ETag": '"a"'}
    link = fault_server.on("/a.jpg", Reply(body=first, headers=etag, send=100_000, then="close"), Reply(status=503))
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    assert "answered 503" in in_another_kernel(fault_server, tmp_path)
    fault_server.on("/a.jpg", Reply(body=PICTURE, headers=etag, ranges=True))
    (recovered,) = new_session(KEY).recover()
    assert recovered[0].to_bytes() == PICTURE
    asked = [seen.headers.get("range") for seen in fault_server.gets]
    assert asked[4:] == ["bytes=100000-", *([None] if first != PICTURE else [])]


@pytest.mark.slow
def test_a_picture_that_drips(fault_server: FaultServer, tmp_path: Path) -> None:
    """A download that never falls silent and never ends is given up; what arrived is kept, and gone on with."""

    def drip(seen: Seen) -> Reply:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        headers = {"Content-Range": f"bytes {start}-{len(PICTURE) - 1}/{len(PICTURE)}", "ETag": '"a"'}
        return Reply(status=206 if start else 200, headers=headers, body=PICTURE[start:], pace=0.02)

    timeouts = Timeouts(stall=5.0, crawl=0.4, connect_pauses=(), download_pauses=(0.01, 0.01, 0.01))
    procedure = Procedure(tmp_path, fault_server.url, timeouts=timeouts)
    link = fault_server.on("/a.jpg", drip)
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    with pytest.raises(DownloadError, match=r"sent less than 1 MB in 0\.4 s \(tried 4 times\)"):
        procedure.start("a fox").result()
    fault_server.on("/a.jpg", Reply(body=PICTURE, ranges=True))
    procedure.recover()
    assert procedure.home.history[-1][0].to_bytes() == PICTURE
    starts = [int(seen.headers.get("range", "bytes=0-")[6:-1]) for seen in fault_server.gets]
    assert len(starts) == 5
    assert starts == sorted(set(starts))
    procedure.close()


# -- the folder vanishes, or fills up ----------------------------------------------------------------


def test_home_vanishes_in_the_middle(procedure: Procedure, fault_server: FaultServer, tmp_path: Path) -> None:
    """A home that is deleted while the service works is made again: the picture comes, and the history has it."""

    def vanish(_: Seen) -> Links:
        shutil.rmtree(tmp_path / "seedream")
        return Links()

    fault_server.on(POST, vanish)
    generation = procedure.start("a fox").result()
    assert generation[0].path.exists()
    assert [each.status for each in procedure.home.history] == ["done"]


def test_home_can_not_be_had_any_more(procedure: Procedure, fault_server: FaultServer, tmp_path: Path) -> None:
    """Where neither picture nor journal can be written any more, the message itself has the links that were paid."""
    links = [fault_server.picture(64, 64) for _ in range(2)]

    def replace(_: Seen) -> Reply:
        shutil.rmtree(tmp_path / "seedream")
        (tmp_path / "seedream").write_text("in the way")
        return Reply(body=json.dumps({"images": links}).encode())

    fault_server.on(POST, replace)
    with pytest.raises(DownloadError) as failed:
        procedure.start("a fox", max_images=2).result()
    assert "paid for (0.06 USD). The journal can't be written: " in failed.value.message
    assert failed.value.hint == f"Open their links soon, they are stored nowhere else: {links[0]} {links[1]}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no limit on the size of files")
def test_home_fills_up_in_the_middle(fault_server: FaultServer, tmp_path: Path, new_session: NewSession) -> None:
    """A picture that there is no room for any more is told, its link is kept, and recover brings it later."""
    fault_server.on(POST, Links(size_bytes=900_000))
    told = in_another_kernel(fault_server, tmp_path, size_limit=600_000)
    assert "1 of 1 pictures could not be fetched: The picture can't be written to " in told
    assert "their links are kept" in told
    (recovered,) = new_session(KEY).recover()
    assert (recovered.status, len(fault_server.posts)) == ("done", 1)


@pytest.mark.parametrize("link", ["ftp://a.example/1.jpg", "javascript:alert(1)", "/etc/passwd", "data:image/png,x"])
def test_a_link_that_is_none(procedure: Procedure, fault_server: FaultServer, link: str) -> None:
    """What is no web address is not followed; the other pictures come, and the link is kept."""
    given = [fault_server.picture(64, 64), link]
    fault_server.on(POST, Reply(body=json.dumps({"images": given}).encode()))
    with pytest.raises(DownloadError, match=r"1 of 2 .*not a web address"):
        procedure.start("a fox", max_images=2).result()
    assert procedure.home.history[-1].links[1] == link


def test_a_link_into_a_private_network(
    tmp_path: Path, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public service that names an address of this machine is not obeyed; its link is kept."""
    monkeypatch.setenv("HTTP_PROXY", fault_server.url)  # which stands for the public service
    link = fault_server.picture(64, 64)
    fault_server.on(f"http://service.example{POST}", Reply(body=json.dumps({"images": [link]}).encode()))
    procedure = Procedure(tmp_path, "http://service.example", timeouts=SHORT)
    with pytest.raises(DownloadError, match="leads into a private network"):
        procedure.start("a fox").result()
    assert procedure.home.history[-1].links == [link]
    assert fault_server.gets == []
    procedure.close()
