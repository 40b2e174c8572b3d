"""Pictures that do not come, row by row: how often they are asked for, what is kept and told, that recover works."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from seedream_nb.client import Patience
from seedream_nb.errors import DownloadError
from tests.faults import POST, Cut, FaultServer, Reply, Stall, jpeg
from tests.posting import KEY
from tests.procedure import Procedure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.script import Step

SHORT = Patience(stall=0.3, connect_pauses=(), download_pauses=(0.01, 0.01, 0.01))
PICTURE = jpeg(64, 64, number=3, size_bytes=300_000)


@pytest.fixture
def procedure(fault_server: FaultServer, tmp_path: Path) -> Iterator[Procedure]:
    """Give the procedure with short waits."""
    begun = Procedure(tmp_path, fault_server.url, patience=SHORT)
    yield begun
    begun.close()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault of a storage, what is told of it, how often the picture is asked for, and what arrived of it."""

    fault: Step
    says: str
    asked: int
    kept: bytes | None = None


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
    "nothing": Row(fault=Reply(body=b""), says="an empty file", asked=1, kept=b""),
    "damaged": Row(
        fault=Reply(body=PICTURE[:5000]), says="cut off after 5000 bytes", asked=1, kept=PICTURE[:5000]
    ),
    "over 64 MB": Row(fault=Reply(length=64_000_001, then="close"), says="larger than 64 MB", asked=1),
    "a bomb": Row(
        fault=Reply(body=gzip.compress(bytes(100_000_000)), headers={"Content-Encoding": "gzip"}),
        says="larger than 64 MB", asked=1,
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
    if row.kept is not None:
        (partial,) = (tmp_path / "seedream").rglob("0001-2.*.part")
        assert partial.read_bytes() == row.kept


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
    procedure = Procedure(tmp_path, "http://service.example", patience=SHORT)
    with pytest.raises(DownloadError, match="leads into a private network"):
        procedure.start("a fox").result()
    assert procedure.home.history[-1].links == [link]
    assert fault_server.gets == []
    procedure.close()
