"""The tray's kernel side, without a page: files in pieces, what breaks off, and what is refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.errors import ReferenceImageError, SeedreamError
from seedream_nb.service import DEFAULT
from seedream_nb.widgets.panel import Panel
from seedream_nb.widgets.tray import CHUNK_BYTES, MAX_AT_ONCE, MAX_BYTES, Tray, Uploads
from tests.faults.script import POST, Links

if TYPE_CHECKING:
    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer


def png(width: int = 64) -> bytes:
    """Return a picture of its own for each width."""
    file = BytesIO()
    Image.new("RGB", (width, 48), "teal").save(file, "PNG")
    return file.getvalue()


CONTENT = png()


def left(tray: Tray) -> list[Path]:
    """Return the files that the page has handed over and that are still there."""
    return sorted(tray.arriving.folder().iterdir())


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server."""
    return new_session()


@pytest.fixture
def tray(session: Session) -> Tray:
    """Give an empty tray."""
    return Tray(session, lambda: None)


def test_a_file_in_pieces_arrives_whole(tray: Tray) -> None:
    """Byte for byte."""
    noise = BytesIO()
    Image.effect_noise((1800, 1400), 80).convert("RGB").save(noise, "PNG", compress_level=0)
    content = noise.getvalue()
    starts = list(range(0, len(content), CHUNK_BYTES))
    assert len(starts) > 1
    done = [tray.receive("k", "n.png", len(content), at, content[at : at + CHUNK_BYTES]) for at in starts]
    assert done == [False] * (len(starts) - 1) + [True]
    source = tray.held()[0].source
    assert isinstance(source, Path)
    assert source.read_bytes() == content


def test_a_file_keeps_its_own_name(tray: Tray) -> None:
    """Not that of the folder where it lies meanwhile."""
    tray.receive("k", "my photo.png", len(CONTENT), 0, CONTENT)
    assert [each["name"] for each in tray.shown()] == ["my photo.png"]


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/passwd.png", "a\x00b.png", "..", ""])
def test_a_name_from_the_page_leads_nowhere(tray: Tray, name: str) -> None:
    """A file is written within the tray's own folder alone."""
    tray.receive("k", name, len(CONTENT), 0, CONTENT)
    source = tray.held()[0].source
    assert isinstance(source, Path)
    assert source.resolve().is_relative_to(tray.arriving.folder().resolve())


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(tray: Tray) -> None:
    """With the limit and what to do."""
    with pytest.raises(ReferenceImageError, match="up to 100 MB"):
        tray.receive("k", "n.png", MAX_BYTES + 1, 0, b"x")


@pytest.mark.parametrize(("offset", "length"), [(6, 4), (0, 0), (CHUNK_BYTES, 5), (0, 50)])
def test_a_piece_that_does_not_fit_is_refused(tray: Tray, offset: int, length: int) -> None:
    """And nothing of the file is left."""
    with pytest.raises(SeedreamError, match="the upload was interrupted"):
        tray.receive("k", "n.png", 10, offset, b"x" * length)
    assert (tray.held(), left(tray)) == ([], [])


def test_the_same_picture_is_held_once(tray: Tray) -> None:
    """It says so."""
    tray.receive("a", "a.png", len(CONTENT), 0, CONTENT)
    with pytest.raises(SeedreamError, match="already there"):
        tray.receive("b", "b.png", len(CONTENT), 0, CONTENT)
    assert len(tray.held()) == 1


def test_no_bytes_are_in_synchronised_state(session: Session) -> None:
    """A notebook saves that state: it has only code and styles."""
    panel = Panel(session)
    panel._state.tray.receive("a", "a.png", len(CONTENT), 0, CONTENT)  # noqa: SLF001
    assert not any(isinstance(value, bytes | memoryview) for value in panel.get_state().values())


# -- what breaks off -----------------------------------------------------------------------------------


def test_a_file_that_is_given_up_leaves_nothing_behind(tray: Tray) -> None:
    """Its page says so."""
    tray.receive("k", "n.png", 10, 0, b"half")
    assert len(left(tray)) == 1
    tray.arriving.forget("k")
    assert left(tray) == []


def test_a_file_that_breaks_off_goes_when_something_else_happens() -> None:
    """The page that was closed, or lost its connection, can't say so."""
    arriving = Uploads(stale_seconds=0.0)
    arriving.receive("k", "n.png", 10, 0, b"half")
    arriving.sweep()
    assert list(arriving.folder().iterdir()) == []


def test_a_file_that_is_on_its_way_stays() -> None:
    """However many others come meanwhile, up to a number."""
    arriving = Uploads()
    arriving.receive("k", "n.png", 10, 0, b"half")
    for number in range(MAX_AT_ONCE - 1):
        arriving.receive(str(number), "n.png", 10, 0, b"half")
    path = arriving.receive("k", "n.png", 10, 4, b"hidden")
    assert path is not None
    assert path.read_bytes() == b"halfhidden"


def test_half_files_are_bounded() -> None:
    """Those that began first go first."""
    arriving = Uploads()
    for number in range(3 * MAX_AT_ONCE):
        arriving.receive(str(number), "n.png", 10, 0, b"half")
    assert len(list(arriving.folder().iterdir())) == MAX_AT_ONCE


def test_a_file_that_can_not_be_used_is_not_kept(tray: Tray) -> None:
    """And is told by its own name."""
    with pytest.raises(SeedreamError, match=r"notes\.txt") as told:
        tray.receive("k", "notes.txt", 5, 0, b"hello")
    assert str(tray.arriving.folder()) not in str(told.value)
    assert left(tray) == []


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("side", [300, pytest.param(2400, marks=pytest.mark.slow)])
def test_a_picture_that_ends_in_the_middle_is_refused(tray: Tray, kind: str, side: int) -> None:
    """When it comes, not when it is to be sent."""
    file = BytesIO()
    Image.effect_noise((side, side), 90).save(file, kind)
    half = file.getvalue()[: len(file.getvalue()) // 2]
    *starts, last = range(0, len(half), CHUNK_BYTES)
    for at in starts:
        tray.receive("k", "half.img", len(half), at, half[at : at + CHUNK_BYTES])
    with pytest.raises(ReferenceImageError, match=r"half\.img: is damaged"):
        tray.receive("k", "half.img", len(half), last, half[last:])
    assert (tray.held(), left(tray)) == ([], [])


def test_a_large_png_has_a_thumbnail(tray: Tray) -> None:
    """Though it has to be unpacked in full."""
    file = BytesIO()
    Image.new("RGB", (3000, 2000), "teal").save(file, "PNG")
    tray.receive("k", "n.png", len(file.getvalue()), 0, file.getvalue())
    with Image.open(BytesIO(tray.thumbnail(1))) as image:
        assert image.size == (160, 107)


def test_an_eleventh_file_is_refused_at_its_first_piece(tray: Tray) -> None:
    """With what to do."""
    for number in range(DEFAULT.model.references.max_count):
        tray.receive(str(number), f"{number}.png", len(png(100 + number)), 0, png(100 + number))
    with pytest.raises(ReferenceImageError, match=r"more\.png: at most 10 references fit"):
        tray.receive("more", "more.png", 10, 0, b"half")
    assert len(left(tray)) == DEFAULT.model.references.max_count


# -- pictures that a cell shows ------------------------------------------------------------------------


def test_a_picture_that_a_cell_shows_is_the_one_of_this_history(session: Session, fault_server: FaultServer) -> None:
    """Its mark and the name of its file stand beside it in the page."""
    fault_server.on(POST, Links(width=1024, height=1024))
    (picture,) = session.submit(session.compose("a fox", size="1024x1024")).result()
    tray = Tray(session, lambda: None)
    tray.add_shown("@1.1", picture.path.name)
    assert [each.source for each in tray.held()] == [picture.path]


@pytest.mark.parametrize(
    ("mark", "told"),
    [("@1.1", "in this history that is a different picture"), ("@7.1", "@7"), ("print(1)", "print")],
)
def test_a_picture_of_another_history_is_refused(
    session: Session, fault_server: FaultServer, mark: str, told: str
) -> None:
    """What comes from a page is never evaluated."""
    fault_server.on(POST, Links(width=1024, height=1024))
    session.submit(session.compose("a fox", size="1024x1024")).result()
    tray = Tray(session, lambda: None)
    with pytest.raises(SeedreamError, match=told):
        tray.add_shown(mark, "0001-1-a-hen.jpg")
    assert tray.held() == []


@pytest.mark.parametrize("written", ["http://[::1", "http://[::1]]/a.png", "https://x.org:port/a.png"])
def test_an_address_that_can_be_none_is_refused_in_a_sentence(tray: Tray, written: str) -> None:
    """A URL whose host or port can be none is told as that, and nothing is held."""
    with pytest.raises(ReferenceImageError, match=r"is not a URL|not a web address|network"):
        tray.add(written)
    assert tray.held() == []
