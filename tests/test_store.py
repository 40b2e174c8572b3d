"""The files of a `home`: names, ids, modes, room."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import SettingsError
from seedream_nb.storage.journal import Journal
from seedream_nb.storage.store import Store, slug, unwritable, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")

TAKE_IDS = """
import sys, pathlib
from seedream_nb.storage.store import Store
store = Store(pathlib.Path(sys.argv[1]))
store.open()
print("ready", flush=True)
sys.stdin.readline()
print(*[store.new_id() for _ in range(100)])
"""


def opened(home: Path) -> Store:
    """Return a store whose folders are there."""
    store = Store(home)
    store.open()
    return store


def kernel_that_takes_ids(home: Path) -> subprocess.Popen[str]:
    """Start a process that takes a hundred ids of a home when it is told to."""
    command = [sys.executable, "-c", TAKE_IDS, str(home)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def mode(path: Path) -> int:
    """Return the permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def locked() -> Iterator[Path]:
    """Give a folder that can be seen and not written: root gives up its powers for a while."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(before)
        folder.rmdir()


def test_open_makes_the_folders(tmp_path: Path) -> None:
    """A home that does not exist is made, with its journal and inputs."""
    store = opened(tmp_path / "deep" / "home")
    assert store.inputs.is_dir()
    assert (tmp_path / "deep" / "home" / "journal").is_dir()


@posix
def test_folders_are_private(tmp_path: Path) -> None:
    """Folders that we make are for their owner alone."""
    store = opened(tmp_path / "home")
    assert {mode(path) for path in (store.home, store.journal, store.inputs)} == {0o700}


@posix
def test_files_are_private_from_birth(tmp_path: Path) -> None:
    """A private file has its mode even under a generous umask."""
    before = os.umask(0)
    try:
        write_private(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == 0o600


def test_open_leaves_no_traces(tmp_path: Path) -> None:
    """Proving that a folder can be written leaves nothing there."""
    opened(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"journal", "ids", "partial", "inputs", ".gitignore"}


def test_journal_and_inputs_stay_out_of_commits(tmp_path: Path) -> None:
    """Git ignores the journal and the inputs of a new home, and nothing else."""
    opened(tmp_path)
    assert (tmp_path / ".gitignore").read_text("utf-8") == "/journal/\n/inputs/\n"


def test_gitignore_of_the_owner_stays(tmp_path: Path) -> None:
    """What is in a `.gitignore` already stays, and ours is added once."""
    (tmp_path / ".gitignore").write_text("*.tmp\n/inputs/", "utf-8")
    opened(tmp_path)
    opened(tmp_path)
    assert (tmp_path / ".gitignore").read_text("utf-8") == "*.tmp\n/inputs/\n/journal/\n"


def test_file_in_the_way(tmp_path: Path) -> None:
    """A file where the folder should be is an error that names both."""
    (tmp_path / "home").write_text("mine", "utf-8")
    with pytest.raises(SettingsError, match=r"home can't be written: a file is in the way"):
        opened(tmp_path / "home")


def test_file_in_the_way_further_up(tmp_path: Path) -> None:
    """A file in the place of a parent folder is found out too."""
    (tmp_path / "home").write_text("mine", "utf-8")
    with pytest.raises(SettingsError, match="a file is in the way"):
        opened(tmp_path / "home" / "pictures")


@posix
def test_no_permission() -> None:
    """A folder that may not be written is an error that says so."""
    with locked() as folder, pytest.raises(SettingsError, match="can't be written: permission denied"):
        opened(folder)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "the disk is read-only"),
        (errno.ENOSPC, "no room is left on the disk"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_reasons_in_words(tmp_path: Path, number: int, words: str) -> None:
    """What the system says about a folder is told in plain words."""
    assert words in str(unwritable(tmp_path, OSError(number, os.strerror(number))))


def test_room_is_checked_before_sending(tmp_path: Path) -> None:
    """More pictures than the disk has room for are refused, with what is there and what is needed."""
    store = opened(tmp_path)
    store.require_room(0)
    with pytest.raises(SettingsError, match=r"has \d+ MB left; \d+ pictures may need \d+ MB"):
        store.require_room(shutil.disk_usage(tmp_path).free // 1_000_000)


@pytest.mark.parametrize("fails", [True, False])
def test_a_drive_that_does_not_tell_its_room(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
) -> None:
    """Where nobody knows how much room there is, it is not said that there is none."""

    def usage(_path: Path) -> object:
        if fails:
            raise OSError(errno.ENOSYS, "Function not implemented")
        return SimpleNamespace(total=0, used=0, free=0)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    store = opened(tmp_path)
    store.require_room(15)
    assert store.room() is None


def test_ids_count_up(tmp_path: Path) -> None:
    """Ids begin at 1 and count up."""
    store = opened(tmp_path)
    assert [store.new_id() for _ in range(3)] == [1, 2, 3]


def test_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    """A later kernel starts after the largest id."""
    opened(tmp_path).new_id()
    assert opened(tmp_path).new_id() == 2


def test_pictures_are_never_overwritten_by_new_ids(tmp_path: Path) -> None:
    """When the journal is lost, ids start after the pictures that are there."""
    (tmp_path / "0041-2-a-fox.jpg").write_bytes(b"")
    assert opened(tmp_path).new_id() == 42


def asked(home: Path, number: int) -> None:
    """Ask for something that no picture came of: the journal alone tells of it."""
    journal = Journal(home / "journal")
    journal.append("intent", number, template='"id":99,')
    journal.close()


def test_ids_go_on_when_they_were_deleted(tmp_path: Path) -> None:
    """Ids that only the journal tells of are not given again, or two requests that were paid for would be one."""
    store = opened(tmp_path)
    for _ in range(3):
        asked(tmp_path, store.new_id())
    shutil.rmtree(tmp_path / "journal" / "ids")
    assert opened(tmp_path).new_id() == 4


def test_ids_that_others_deleted_are_noticed(tmp_path: Path) -> None:
    """So it is with kernels that share a home: each finds out at its next id, though the folder is there again."""
    first, second = opened(tmp_path), opened(tmp_path)
    for store in (first, second, second, second):
        asked(tmp_path, store.new_id())
    for path in (tmp_path / "journal" / "ids").iterdir():
        path.unlink()
    third = opened(tmp_path)
    assert [store.new_id() for store in (first, third, second)] == [5, 6, 7]


def test_ids_go_on_when_the_folder_vanishes(tmp_path: Path) -> None:
    """A journal folder that is deleted while we work is made again."""
    store = opened(tmp_path)
    store.new_id()
    (tmp_path / "journal" / "ids" / "1").unlink()
    (tmp_path / "journal" / "ids").rmdir()
    assert store.new_id() == 2


def test_threads_get_distinct_ids(tmp_path: Path) -> None:
    """No id is given to two threads."""
    store = opened(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda _: store.new_id(), range(200)))
    assert sorted(ids) == list(range(1, 201))


def test_processes_get_distinct_ids(tmp_path: Path) -> None:
    """Two kernels that share a home never get the same id."""
    with ExitStack() as stack:
        pair = [stack.enter_context(kernel_that_takes_ids(tmp_path)) for _ in range(2)]
        for process in pair:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in pair:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ids = [int(number) for process in pair for number in process.communicate()[0].split()]
    assert sorted(ids) == list(range(1, 201))


def test_picture_name(tmp_path: Path) -> None:
    """A picture is named by mark, number and the words of its prompt."""
    name = Store(tmp_path).picture_name(42, 1, "A fox, in the snow!", "image/jpeg")
    assert name == "0042-1-a-fox-in-the-snow.jpg"


def test_picture_name_without_words(tmp_path: Path) -> None:
    """A prompt without letters leaves mark and number."""
    assert Store(tmp_path).picture_name(7, 12, "!?", "image/webp") == "0007-12.webp"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("雪地里的狐狸，4K", "雪地里的狐狸-4k"),
        ("Ein Füchslein\nim Schnee", "ein-füchslein-im-schnee"),
        ("हिन्दी में", "हिन्दी-में"),
        ("../../etc/passwd", "etc-passwd"),
        ("CON", "con-"),
        ("com¹", "com1-"),
        ("one two three four five six seven eight nine ten", "one-two-three-four-five-six-seven-eight"),
        ("x" * 100, "x" * 40),
        ("\x1b[31mred", "31mred"),
        ("", ""),
    ],
)
def test_slug(prompt: str, expected: str) -> None:
    """A prompt becomes words of any script, joined by hyphens, cut between words."""
    assert slug(prompt) == expected


@given(st.text())
def test_slug_is_safe_everywhere(prompt: str) -> None:
    """No prompt makes a name that a system refuses or that leaves its folder."""
    made = slug(prompt)
    assert len(made) <= 41
    assert len(made.encode()) <= 200
    assert not set(made) & set('/\\:*?"<>|. \0\n')
    assert made == made.strip()


def test_write_private_replaces(tmp_path: Path) -> None:
    """A private file that is written again is replaced, and nothing else stays behind."""
    write_private(tmp_path / "a", b"one")
    write_private(tmp_path / "a", b"two")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"two")]


@posix
def test_deleted_folders_are_made_again(tmp_path: Path) -> None:
    """A home that is deleted while we work is made again for the pictures that come, as private as before."""
    store = opened(tmp_path / "home")
    shutil.rmtree(store.home)
    partial = store.partial(1, 1)
    partial.write_bytes(b"picture")
    store.settle(partial, "0001-1.jpg")
    assert {mode(path) for path in (store.home, store.journal, partial.parent)} == {0o700}
    assert (store.home / ".gitignore").is_file()


@posix
def test_ids_go_on_in_a_deleted_home(tmp_path: Path) -> None:
    """An id that is allotted in a home that was deleted leaves it as private as before."""
    store = opened(tmp_path / "home")
    store.new_id()
    shutil.rmtree(store.home)
    assert (store.new_id(), mode(store.home)) == (2, 0o700)


@posix
def test_write_private_makes_its_folder(tmp_path: Path) -> None:
    """The folder of a private file is made if need be, as private as the file, and those above it too."""
    write_private(tmp_path / "a" / "b" / "c", b"x")
    assert {mode(tmp_path / "a"), mode(tmp_path / "a" / "b")} == {0o700}


def test_settle_gives_a_download_its_name(tmp_path: Path) -> None:
    """A finished download moves from its temporary name to its own."""
    store = opened(tmp_path)
    partial = store.partial(1, 1)
    partial.write_bytes(b"picture")
    path = store.settle(partial, "0001-1.jpg")
    assert (path, path.read_bytes(), partial.exists()) == (tmp_path / "0001-1.jpg", b"picture", False)


def in_the_way(store: Store, *, content: bytes, name: str = "0001-1-a-fox.jpg") -> Path:
    """Finish a download whose name something has already; return where it went."""
    part = store.partial(1, 1)
    part.write_bytes(content)
    return store.settle(part, name)


def test_a_picture_of_another_machine_stays(tmp_path: Path) -> None:
    """A file that came under a picture's name, as a folder's sync brings it, is not replaced: another name is taken."""
    store = opened(tmp_path)
    for number, content in enumerate((b"theirs", b"ours", b"a third"), start=1):
        path = in_the_way(store, content=content)
        assert path.name == f"0001-1-a-fox{f'-{number}' if number > 1 else ''}.jpg"
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.jpg"))] == [b"ours", b"a third", b"theirs"]


def test_the_same_picture_again_has_its_name(tmp_path: Path) -> None:
    """Two kernels that recover a picture have one file of it; so has who comes after one that only took the name."""
    store = opened(tmp_path)
    (tmp_path / "0001-1-a-fox.jpg").touch()
    paths = {in_the_way(store, content=b"fox") for _ in range(2)}
    assert [(path.name, path.read_bytes()) for path in paths] == [("0001-1-a-fox.jpg", b"fox")]
    assert list(store.journal.glob("partial/*")) == []


def test_a_folder_has_the_name_of_a_picture(tmp_path: Path) -> None:
    """It stays, and the picture has the next name."""
    store = opened(tmp_path)
    (tmp_path / "0001-1-a-fox.jpg").mkdir()
    assert in_the_way(store, content=b"fox").name == "0001-1-a-fox-2.jpg"


@posix
def test_another_picture_has_the_numbers_alone(tmp_path: Path) -> None:
    """Where the disk refuses the whole name, and another file has the plain one, the picture has the next of that."""
    store = opened(tmp_path)
    (tmp_path / "0001-1.jpg").write_bytes(b"theirs")
    path = in_the_way(store, content=b"fox", name=f"0001-1-{'fox-' * 80}.jpg")
    assert (path.name, (tmp_path / "0001-1.jpg").read_bytes()) == ("0001-1-2.jpg", b"theirs")


def test_kernels_download_to_different_names(tmp_path: Path) -> None:
    """Two kernels that recover the same picture don't write into one file."""
    assert Store(tmp_path).partial(1, 1) != Store(tmp_path).partial(1, 1)


def test_parts_tell_whose_they_are(tmp_path: Path) -> None:
    """What stands of a download tells its picture and the process that began it; other files are no parts."""
    store = opened(tmp_path)
    part = store.partial(12, 3)
    part.touch()
    part.with_name("notes.txt").touch()
    (found,) = opened(tmp_path).parts()
    assert (found.path, found.number, found.index, found.process) == (part, 12, 3, os.getpid())


def test_what_is_kept_is_never_replaced(tmp_path: Path) -> None:
    """What came in place of a picture is put aside under names of its own; the same again is there already."""
    store = opened(tmp_path)
    kept = []
    for content in (b"one", b"two", b"one"):
        part = store.partial(1, 2)
        part.write_bytes(content)
        kept.append(store.keep(part, 1, 2))
        assert not part.exists()
    assert [path.read_bytes() for path in kept] == [b"one", b"two", b"one"]
    assert [store.relative(path) for path in kept] == [
        f"journal/kept/0001-2{end}" for end in (".bin", ".2.bin", ".bin")
    ]


@posix
def test_what_is_kept_is_private(tmp_path: Path) -> None:
    """It is for its owner alone, whatever the mask says."""
    store = opened(tmp_path)
    part = store.partial(1, 2)
    write_private(part, b"one")
    path = store.keep(part, 1, 2)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_relative(tmp_path: Path) -> None:
    """The journal keeps paths relative to home, with forward slashes."""
    store = Store(tmp_path)
    assert store.relative(store.inputs / "a.png") == "inputs/a.png"


@posix
def test_a_name_that_the_disk_refuses_is_left_at_its_numbers(tmp_path: Path) -> None:
    """A finished download whose name is too long for the disk is there all the same, as `0042-1.jpg`."""
    store = opened(tmp_path)
    part = store.partial(42, 1)
    part.write_bytes(b"fox")
    path = store.settle(part, f"0042-1-{'fox-' * 80}.jpg")
    assert (path.name, path.read_bytes()) == ("0042-1.jpg", b"fox")


@pytest.mark.parametrize(
    ("names", "next_id"),
    [
        (["20261128-1.jpg"], 1),
        (["20261128-1.jpg", "IMG_0042-1.jpg", "0042.jpg", "2026-11-28.jpg", "00042-1.jpg", "0042-1.txt"], 1),
        (["0042-1-a-fox.jpg", "20261128-1.jpg"], 43),
        ([f"{number:04d}-1.png" for number in (90, 180, 270)], 271),
        (["0001-1-a.jpg", "0002-1-b.jpg", "0500-1.jpg"], 3),
    ],
)
def test_only_names_of_ours_count_as_ids(tmp_path: Path, names: list[str], next_id: int) -> None:
    """Without ids and journal the pictures tell where to go on; a date in a name, or a far number, is no id."""
    for name in names:
        (tmp_path / name).touch()
    assert opened(tmp_path).new_id() == next_id


def test_an_id_that_a_picture_has_is_not_used_again(tmp_path: Path) -> None:
    """A number far ahead does not make ids large, and is left out when they come to it."""
    (tmp_path / "0120-1-a-fox.jpg").touch()
    store = opened(tmp_path)
    assert [store.new_id() for _ in range(121)] == [*range(1, 120), 121, 122]


@pytest.mark.parametrize("name", ["20261128123456", "007", "fox", "\u0664\u0662"])
def test_only_ids_of_ours_count(tmp_path: Path, name: str) -> None:
    """A name among the ids that we would not give is none."""
    store = opened(tmp_path)
    (store.journal / "ids" / name).touch()
    assert store.new_id() == 1


NAMES = """
import pathlib, sys
from seedream_nb.errors import SettingsError
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import FaultServer
with FaultServer() as server:
    settings = Settings(environ={}, folder=pathlib.Path(sys.argv[1]))
    settings.change(base_url=server.url, api_key="sk_test")
    session = Session(settings=settings, lingers=False)
    made = session.start("caf\\u00e9", save="copies").result()
    print(sys.getfilesystemencoding(), made.status, made[0].path.name, made[0].path.exists(), made.error)
    try:
        settings.change(home="caf\\u00e9")
    except SettingsError as error:
        print(error.message)
    print([each.status for each in session.history], *[each.name for each in pathlib.Path("copies").iterdir()])
    session.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names have an encoding of their own")
def test_a_name_that_the_locale_refuses_is_left_at_its_numbers(tmp_path: Path) -> None:
    """Under `LC_ALL=C` without UTF-8 mode a prompt of other letters makes a picture all the same."""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}
    ran = subprocess.run(
        [sys.executable, "-c", NAMES, str(tmp_path)], env={**os.environ, **locale, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    first, refused, last = ran.stdout.splitlines()
    assert (first, last) == ("ascii done 0001-1.jpg True None", "['done'] 0001-1.jpg"), ran.stderr
    assert "has characters that file names can't have in this locale (ascii)" in refused
