"""A folder may come from anybody: what is in it is read only if it is a file, and nothing is written through a link."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import SettingsError
from seedream_nb.files import name_without_words, read_regular
from seedream_nb.keys import Login, find_key
from seedream_nb.preview import preview
from seedream_nb.storage.history import History
from seedream_nb.storage.journal import Journal, is_alive
from seedream_nb.storage.store import Store
from tests.journals import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import NewSession

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files"),
    pytest.mark.timeout(30),
]

ENDLESS = Path("/dev/zero")


def pipe(path: Path) -> None:
    """Make a pipe that nobody writes to: who opens it waits for ever."""
    os.mkfifo(path)


def endless(path: Path) -> None:
    """Make a link to what never ends."""
    path.symlink_to(ENDLESS)


def gap(path: Path) -> None:
    """Make a file that takes no room and has a terabyte."""
    with path.open("wb") as file:
        file.truncate(10**12)


TRAPS = (pipe, endless, gap, Path.mkdir)
trap = pytest.mark.parametrize("trap", TRAPS, ids=["pipe", "endless", "gap", "folder"])


@trap
def test_what_is_no_small_file_is_no_dotenv(tmp_path: Path, trap: Callable[[Path], object]) -> None:
    """A `.env` that is a pipe, endless, huge or a folder holds no key, and is not waited for."""
    trap(tmp_path / ".env")
    login = Login(tmp_path / "login")
    (tmp_path / "login").mkdir()
    trap(tmp_path / "login" / "login.json")
    assert find_key(configured=None, environ={}, folder=tmp_path, login=login, host="api.novita.ai") is None


def test_a_dotenv_may_be_a_link_to_a_file(tmp_path: Path) -> None:
    """Many have one `.env` for several folders."""
    (tmp_path / "shared").write_text("NOVITA_API_KEY=sk_shared\n")
    (tmp_path / ".env").symlink_to(tmp_path / "shared")
    found = find_key(
        configured=None, environ={}, folder=tmp_path, login=Login(tmp_path / "login"), host="api.novita.ai"
    )
    assert found is not None
    assert found.reveal() == "sk_shared"


@trap
def test_what_is_no_journal_keeps_no_other_from_being_read(tmp_path: Path, trap: Callable[[Path], object]) -> None:
    """A pipe, a device, a huge file or a folder among the journal's files: history and ids are as without it."""
    kernel = Kernel(tmp_path)
    kernel.make(1)
    kernel.ask(2)
    kernel.journal.close()
    odd = tmp_path / "journal" / f"20260101-000000-{os.getpid()}-0.jsonl"
    trap(odd)
    store, history = Store(tmp_path), History(tmp_path)
    store.open()
    assert [each.id for each in history.left_behind()] == [2]
    assert ([each.id for each in history], store.new_id(), is_alive(odd)) == ([1, 2], 3, False)


@trap
def test_what_is_no_picture_is_not_waited_for(tmp_path: Path, trap: Callable[[Path], object]) -> None:
    """A pipe, a device or a folder in place of a picture: it counts as gone, and is neither opened nor shown."""
    kernel = Kernel(tmp_path)
    kernel.make(1)
    picture = History(tmp_path)[1][0]
    picture.path.unlink()
    trap(picture.path)
    is_file = trap is gap
    assert len(History(tmp_path).lacking()) == (not is_file)
    with pytest.raises((OSError, ValueError)):
        preview(picture.path, 100)
    if not is_file:
        with pytest.raises(OSError, match=r"regular file|directory"):
            picture.to_bytes()


@pytest.mark.parametrize("name", ["journal", "inputs", "journal/ids", "journal/partial"])
def test_no_folder_within_a_home_leads_elsewhere(tmp_path: Path, name: str) -> None:
    """A home in which a folder is a link is not written to, and what it leads to stays as it was."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / name).parent.mkdir(parents=True)
    (home / name).symlink_to(elsewhere)
    with pytest.raises(SettingsError, match="a link that leads elsewhere is in the way"):
        Store(home).open()
    assert list(elsewhere.iterdir()) == []


def test_a_journal_is_not_written_through_a_link(tmp_path: Path) -> None:
    """A journal's folder that became a link takes no line."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "journal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="a link"):
        Journal(tmp_path / "journal").append("intent", 1)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_was_kept_goes_through_no_link(tmp_path: Path) -> None:
    """What came in place of a picture is not put where a link leads."""
    store = Store(tmp_path / "home")
    store.open()
    (tmp_path / "elsewhere").mkdir()
    (store.journal / "kept").symlink_to(tmp_path / "elsewhere")
    part = store.partial(1, 1)
    part.write_bytes(b"odd")
    with pytest.raises(OSError, match="a link"):
        store.keep(part, 1, 1)
    assert (part.read_bytes(), list((tmp_path / "elsewhere").iterdir())) == (b"odd", [])


def test_a_part_that_is_a_link_is_none(tmp_path: Path) -> None:
    """What stands of a download is never gone on with through a link."""
    store = Store(tmp_path / "home")
    store.open()
    (tmp_path / "mine").write_bytes(b"mine")
    (store.journal / "partial" / "0001-1.abc-99.part").symlink_to(tmp_path / "mine")
    assert store.parts() == []


def test_a_picture_takes_the_place_of_a_link(tmp_path: Path) -> None:
    """A link that has the name of a picture to come is replaced, and what it leads to stays."""
    store = Store(tmp_path / "home")
    store.open()
    (tmp_path / "mine").write_bytes(b"mine")
    (store.home / "0001-1-a-fox.jpg").symlink_to(tmp_path / "mine")
    part = store.partial(1, 1)
    part.write_bytes(b"fox")
    path = store.settle(part, "0001-1-a-fox.jpg")
    assert (path.read_bytes(), path.is_symlink(), (tmp_path / "mine").read_bytes()) == (b"fox", False, b"mine")


@pytest.mark.parametrize("there", [True, False])
def test_gitignore_is_not_written_through_a_link(tmp_path: Path, *, there: bool) -> None:
    """A `.gitignore` that is a link, to a file or to none yet, is left alone, and so is what it leads to."""
    home, target = tmp_path / "home", tmp_path / "bashrc"
    home.mkdir()
    if there:
        target.write_text("mine\n")
    (home / ".gitignore").symlink_to(target)
    Store(home).open()
    assert (target.read_text() if target.exists() else None) == ("mine\n" if there else None)


@trap
def test_gitignore_may_be_anything(tmp_path: Path, trap: Callable[[Path], object]) -> None:
    """Whatever stands in its place, a home can be used."""
    trap(tmp_path / ".gitignore")
    store = Store(tmp_path)
    store.open()
    assert store.new_id() == 1


def test_a_home_may_be_a_link(tmp_path: Path, new_session: NewSession) -> None:
    """The folder itself may lead to another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "seedream").symlink_to(tmp_path / "disk")
    assert new_session().start("a fox").result().status == "done"
    assert (tmp_path / "disk" / "0001-1-a-fox.jpg").exists()


def test_no_more_is_read_than_asked_for(tmp_path: Path) -> None:
    """A file that is larger than what it can be is an error, not read into memory."""
    (tmp_path / "a").write_bytes(b"x" * 11)
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_regular(tmp_path / "a", 10)
    assert read_regular(tmp_path / "a", 10, start=1) == b"x" * 10


@pytest.mark.parametrize(
    ("name", "plain"),
    [("0042-1-a-fox.jpg", "0042-1.jpg"), ("0042-1.jpg", "0042-1.jpg"), ("12345-15-caf\u00e9-2.webp", "12345-15.webp")],
)
def test_plain_names(name: str, plain: str) -> None:
    """A picture's name without its words has its numbers and its kind."""
    assert name_without_words(name) == plain
