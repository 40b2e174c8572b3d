"""Downloads that break off: how they are taken up again, and that nothing that is here is given up for less."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import DownloadError
from seedream_nb.http.client import Client, Timeouts
from seedream_nb.http.partial import restart_path, state_path
from seedream_nb.storage.picture import inspect
from tests.faults import Cut, FaultServer, Reply, jpeg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.script import Seen, Step

QUICK = Timeouts(stall=5.0, download_pauses=(0.01, 0.01, 0.01))
CONTENT = jpeg(64, 64, number=1, size_bytes=600_000)
OTHER = jpeg(64, 64, number=2, size_bytes=600_000).replace(bytes(1000), bytes([1]) * 1000)
ETAG = {"ETag": '"abc"'}
MODIFIED = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
WHOLE = Reply(body=CONTENT, headers=ETAG, ranges=True)


def cut_at(size: int, headers: dict[str, str] = ETAG, content: bytes = CONTENT) -> Reply:
    """Break off after so many bytes."""
    return Reply(body=content, headers=headers, send=size, then="close")


Script = Callable[["Seen"], "Step"]


def by_range(ranged: Step, plain: Step) -> Script:
    """Answer what asks for a rest in another way than what asks for all."""
    return lambda seen: ranged if "range" in seen.headers else plain


def fetch(link: str, folder: Path, *, look: bool = True) -> bytes:
    """Download one link into `a.part`, and return what is in the file."""

    def check(path: Path) -> None:
        inspect(path)

    async def download() -> None:
        client = Client(base_url="http://127.0.0.1", key=None, timeouts=QUICK)
        try:
            await client.download(link, folder / "a.part", check=check if look else None)
        finally:
            await client.aclose()

    asyncio.run(download())
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith("a.part")) == ["a.part"]
    return (folder / "a.part").read_bytes()


def put_down(server: FaultServer, folder: Path, headers: dict[str, str] = ETAG) -> Path:
    """Break a download off after 200 kB, for good; return where that stands."""
    link = server.on("/a.jpg", cut_at(200_000, headers), Reply(status=503))
    with pytest.raises(DownloadError):
        fetch(link, folder)
    assert (folder / "a.part").read_bytes() == CONTENT[:200_000]
    return folder / "a.part"


def asked(server: FaultServer) -> list[str | None]:
    """Return what part was asked for, try by try."""
    return [seen.headers.get("range") for seen in server.gets]


REFUSED: dict[str, Step] = {
    **{str(status): Reply(status=status) for status in (204, 304, 400, 403, 404, 405, 416, 429, 500, 501, 503)},
    "another part": Reply(status=206, body=b"other", headers={"Content-Range": "bytes 0-4/600000"}),
    "no part": Reply(status=206, body=b"other"),
    "a packed part": Reply(
        status=206,
        body=b"other",
        headers={"Content-Range": "bytes 200000-599999/600000", "Content-Encoding": "gzip"},
    ),
    "the rest of another file": Reply(
        status=206,
        body=OTHER[200_000:],
        headers={"Content-Range": "bytes 200000-599999/600000", "ETag": '"other"'},
    ),
    "a rest that does not fit": Reply(
        status=206, body=bytes(400_000), headers={"Content-Range": "bytes 200000-599999/600000"}
    ),
    "redirects": Reply(status=302, headers={"Location": "/a.jpg"}),
    "a redirect out of the web": Reply(status=302, headers={"Location": "file:///etc/passwd"}),
    "a page": Reply(body=b"<html>no"),
    "a reset": Cut(when="body"),
    "nonsense": Reply(raw=b"nonsense", then="close"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_whatever_is_answered_to_who_asks_for_a_rest(fault_server: FaultServer, tmp_path: Path, how: str) -> None:
    """A file that its storage gives as a whole is had, though it broke off and its rest is not to be had."""
    link = fault_server.on("/a.jpg", cut_at(200_000), by_range(REFUSED[how], WHOLE))
    assert fetch(link, tmp_path) == CONTENT
    assert asked(fault_server)[1] == "bytes=200000-"


@pytest.mark.parametrize("how", REFUSED)
def test_a_later_download_asks_for_all_in_the_end(fault_server: FaultServer, tmp_path: Path, how: str) -> None:
    """So does one that takes up what an earlier one put down."""
    put_down(fault_server, tmp_path)
    assert fetch(fault_server.on("/a.jpg", by_range(REFUSED[how], WHOLE)), tmp_path) == CONTENT


@pytest.mark.parametrize(("sent", "kept"), [(100_000, 200_000), (300_000, 300_000)])
def test_what_is_here_is_not_given_up_for_less(fault_server: FaultServer, tmp_path: Path, sent: int, kept: int) -> None:
    """What begins anew takes the place of what is here once it is more, and the next download goes on from that."""
    part = put_down(fault_server, tmp_path)
    with pytest.raises(DownloadError, match=f"after {sent:,} of 600,000 bytes"):
        fetch(fault_server.on("/a.jpg", by_range(Reply(status=403), cut_at(sent))), tmp_path)
    assert part.read_bytes() == CONTENT[:kept]
    assert fetch(fault_server.on("/a.jpg", WHOLE), tmp_path) == CONTENT
    assert asked(fault_server)[-1] == f"bytes={kept}-"
    assert not restart_path(part).exists()


def test_a_link_that_has_expired_costs_nothing_that_is_here(fault_server: FaultServer, tmp_path: Path) -> None:
    """What is refused in either way is told, and what had arrived stays, to go on from."""
    part = put_down(fault_server, tmp_path)
    with pytest.raises(DownloadError, match="403: the link has expired"):
        fetch(fault_server.on("/a.jpg", Reply(status=403)), tmp_path)
    assert asked(fault_server)[4:] == ["bytes=200000-", None]
    assert (part.read_bytes(), state_path(part).exists()) == (CONTENT[:200_000], True)


def test_a_rest_that_comes_bit_by_bit_is_gone_on_with(fault_server: FaultServer, tmp_path: Path) -> None:
    """As long as rests bring something, the last try asks for one too."""

    def drip(seen: Seen) -> Reply:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        headers = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}", **ETAG}
        body, send = CONTENT[start:], 150_000
        return Reply(status=206 if start else 200, headers=headers, body=body, send=send, then="close")

    assert fetch(fault_server.on("/a.jpg", drip), tmp_path) == CONTENT
    assert asked(fault_server) == [None, "bytes=150000-", "bytes=300000-", "bytes=450000-"]


# -- by what a file is told from another ------------------------------------------------------------

ODD_ETAGS = ['"caf\xe9"', '"\xe6\xbc\xa2"', '"a\tb"', f'"{"a" * 2000}"']


@pytest.mark.parametrize("etag", ODD_ETAGS)
@pytest.mark.parametrize("later", [False, True])
def test_an_etag_that_cannot_be_sent(fault_server: FaultServer, tmp_path: Path, etag: str, later: bool) -> None:
    """A file with a name that no request can say is fetched anew, at once or by a later download."""
    headers = {"ETag": etag}
    if later:
        put_down(fault_server, tmp_path, headers)
    link = fault_server.on("/a.jpg", cut_at(200_000, headers), Reply(body=CONTENT, headers=headers, ranges=True))
    assert fetch(link, tmp_path) == CONTENT
    assert set(asked(fault_server)) == {None}


@pytest.mark.parametrize(
    ("headers", "if_range"),
    [
        ({**ETAG, **MODIFIED}, '"abc"'),
        (MODIFIED, MODIFIED["Last-Modified"]),
        ({"ETag": 'W/"abc"', **MODIFIED}, MODIFIED["Last-Modified"]),
        ({"ETag": '"caf\xe9"', **MODIFIED}, MODIFIED["Last-Modified"]),
        ({"ETag": 'W/"abc"'}, None),
        ({**MODIFIED, "Date": MODIFIED["Last-Modified"]}, None),
        ({}, None),
    ],
)
def test_what_tells_one_file_from_another(
    fault_server: FaultServer, tmp_path: Path, headers: dict[str, str], if_range: str | None
) -> None:
    """A rest is asked for by a strong ETag, or by a last change that is older than a second, and never without."""
    link = fault_server.on("/a.jpg", cut_at(200_000, headers), Reply(body=CONTENT, headers=headers, ranges=True))
    assert fetch(link, tmp_path) == CONTENT
    assert fault_server.gets[1].headers.get("if-range") == if_range
    assert asked(fault_server) == [None, "bytes=200000-" if if_range else None]


LATER = {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        (MODIFIED, LATER),
        ({"ETag": 'W/"a"'}, {"ETag": 'W/"b"'}),
        ({"ETag": '"a"'}, {"ETag": '"b"'}),
        ({"ETag": '"a"'}, {"ETag": '"caf\xe9"'}),
        ({"ETag": 'W/"a"', **MODIFIED}, {"ETag": 'W/"b"', **MODIFIED}),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_two_pictures_are_never_joined(
    fault_server: FaultServer,
    tmp_path: Path,
    before: dict[str, str],
    after: dict[str, str],
    later: bool,
) -> None:
    """Where another file of the same length takes a file's place, one or the other is had, not half of each."""
    first = [cut_at(200_000, before)]
    if later:
        put_down(fault_server, tmp_path, before)
        first = []
    link = fault_server.on("/a.jpg", *first, Reply(body=OTHER, headers=after, ranges=True))
    assert fetch(link, tmp_path) == OTHER


# -- what stands on the disk may be anybody's -------------------------------------------------------


def test_a_part_that_was_changed_is_not_gone_on_with(fault_server: FaultServer, tmp_path: Path) -> None:
    """A part whose bytes are others than those that were put down is fetched anew."""
    part = put_down(fault_server, tmp_path)
    part.write_bytes(CONTENT[:100_000] + OTHER[100_000:200_000])
    assert fetch(fault_server.on("/a.jpg", WHOLE), tmp_path, look=False) == CONTENT


NAMED = {"named": {"etag": '"e"\r\nX-Evil: 1'}}
ODD_NOTES: list[object] = [
    NAMED, {"named": {"etag": '"é漢"'}}, {"named": {"etag": 5}}, {"named": {"etag": ["x"]}},
    {"named": {"etag": "\ud800"}}, {"named": {"last-modified": "a\nb"}}, {"named": []},
    {"named": None}, {"named": {"5": {}}}, {"total": "x"},
    {"total": -1}, {"total": 0}, {"total": 1.5}, {"total": 10**30}, {"total": []}, {"total": True}, {"size": "200000"},
    {"size": True}, {"sha256": 5}, {"sha256": None}, {"size": 10**30},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_NOTES, ids=ascii)
def test_a_note_that_was_changed(fault_server: FaultServer, tmp_path: Path, odd: dict[str, object]) -> None:
    """Whatever stands in the note beside a part, the picture is had, and nothing of that is sent."""
    part = put_down(fault_server, tmp_path)
    note = json.loads(state_path(part).read_text())
    state_path(part).write_text(json.dumps(note | odd))
    assert fetch(fault_server.on("/a.jpg", WHOLE), tmp_path) == CONTENT
    assert not any("x-evil" in seen.headers for seen in fault_server.gets)


@pytest.mark.parametrize("name", ["a.part", "a.part.json", "a.part.new"])
def test_a_folder_in_the_way(fault_server: FaultServer, tmp_path: Path, name: str) -> None:
    """A folder that stands where a part, its note or a new beginning is to be written goes aside with all in it."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine").write_bytes(b"mine")
    cut = replace(cut_at(200_000), headers={})
    with pytest.raises(DownloadError):
        fetch(fault_server.on("/a.jpg", cut_at(200_000), Reply(status=503)), tmp_path)
    with pytest.raises(DownloadError):
        fetch(fault_server.on("/a.jpg", by_range(Reply(status=403), cut)), tmp_path)
    fault_server.on("/a.jpg", WHOLE)
    asyncio.run(_download(fault_server.url + "/a.jpg", tmp_path / "a.part"))
    assert (tmp_path / "a.part").read_bytes() == CONTENT
    assert [path.read_bytes() for path in tmp_path.rglob("mine")] == [b"mine"]


async def _download(link: str, path: Path) -> None:
    client = Client(base_url="http://127.0.0.1", key=None, timeouts=QUICK)
    try:
        await client.download(link, path)
    finally:
        await client.aclose()


def test_a_part_with_another_name_too(fault_server: FaultServer, tmp_path: Path) -> None:
    """A file that stands elsewhere too, by a hard link, is not written to."""
    part = put_down(fault_server, tmp_path)
    os.link(part, tmp_path / "mine")
    assert fetch(fault_server.on("/a.jpg", WHOLE), tmp_path) == CONTENT
    assert (tmp_path / "mine").read_bytes() == CONTENT[:200_000]


def test_a_part_that_leads_elsewhere(fault_server: FaultServer, tmp_path: Path) -> None:
    """A part that is a link is not written through."""
    part = put_down(fault_server, tmp_path)
    part.rename(tmp_path / "mine")
    part.symlink_to(tmp_path / "mine")
    assert fetch(fault_server.on("/a.jpg", WHOLE), tmp_path) == CONTENT
    assert (tmp_path / "mine").read_bytes() == CONTENT[:200_000]
