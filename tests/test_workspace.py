"""The folder for pictures and history, when it is full, read-only, without locks, moved, or from a newer version."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.script import POST, Links

if TYPE_CHECKING:
    from tests.conftest import NewSession
    from tests.faults.script import Seen
    from tests.faults.server import FaultServer

ROOT = Path(__file__).parents[1]
NEWER = b'{"v":2,"kind":"request","number":7,"when":1800000000}\n'
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes, and keeps open folders in place")


def run_on(mount: str, script: str, folder: Path) -> list[str]:
    """Run a script in a process that sees file systems of its own; return the lines that it prints."""
    apart = ["unshare", "--map-root-user", "--mount"]
    if sys.platform != "linux" or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("file systems of its own take Linux, and the right to them")
    ran = subprocess.run(
        [*apart, "sh", "-c", f'{mount} && exec {sys.executable} -c "$1" {folder}', "sh", script],
        capture_output=True, text=True, check=False, timeout=60,
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


# -- read-only -----------------------------------------------------------------------------------------

# Its folder holds a history that lacks a picture, and is read-only: chosen first, then the default.
READ_ONLY = """
import pathlib, sys
from seedream_nb.errors import SettingsError
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import FaultServer

folder = pathlib.Path(sys.argv[1])
with FaultServer() as server:
    for chosen in (True, False):
        settings = Settings(environ={}, folder=folder)
        settings.change(base_url=server.url, api_key="sk_test", **({"home": folder / "seedream"} if chosen else {}))
        session = Session(settings=settings, lingers=False)
        if chosen:
            print(session.history[-1].prompt, *[(each.status, each.missing) for each in session.recover()])
        try:
            made = session.start("a hare").result()
            print(made.status, made.warnings[0], len(server.posts))
        except SettingsError as error:
            print(error.message, error.hint, len(server.posts))
        session.close()
"""


@pytest.mark.slow
def test_a_read_only_home(new_session: NewSession, tmp_path: Path) -> None:
    """Its history can be read; a request is refused before it is sent, or goes elsewhere if nobody chose the folder."""
    made = new_session()
    made.start("a fox", max_images=2).result()
    made.close()
    (tmp_path / "seedream" / "0001-2-a-fox.jpg").unlink()
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    looked, chosen, default = run_on(mount, READ_ONLY, tmp_path)
    assert looked.startswith("a fox (")
    assert chosen.startswith(
        f"The folder {tmp_path}/seedream can't be written: the disk is read-only. Nothing was sent"
    )
    assert chosen.endswith(" 0")
    assert default.startswith("done ")
    assert "can't be written" in default


# Its folder holds a fox and is read-only; what two sessions make goes elsewhere, and the second one wants that fox.
FALLEN_BACK = """
import pathlib, sys
from seedream_nb.session import Session
from seedream_nb.settings import Settings

folder = pathlib.Path(sys.argv[1])
for prompts in (["a hare"], ["a fox", "a hare", "an owl"]):
    settings = Settings(environ={}, folder=folder)
    settings.change(base_url="SERVER", api_key="sk_test")
    session = Session(settings=settings, lingers=False)
    for prompt in prompts:
        made = session.start(prompt, once=True).result()
        print(prompt, made.id, made[0].path.is_relative_to(folder), made[0].path.is_file())
    session.close()
"""


@pytest.mark.slow
def test_once_finds_what_a_read_only_home_holds(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """In later sessions too, whose pictures go elsewhere from the beginning: what is paid for is not bought again."""
    made = new_session()
    made.start("a fox").result()
    made.close()
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    assert run_on(mount, FALLEN_BACK.replace("SERVER", fault_server.url), tmp_path) == [
        "a hare 1 False True",
        "a fox 1 True True",
        "a hare 1 False True",
        "an owl 2 False True",
    ]
    assert len(fault_server.posts) == 3


@posix
def test_a_folder_that_may_not_be_entered_is_no_crash(tmp_path: Path) -> None:
    """Whether a folder can be made inside one that may not be entered is answered, not raised."""
    code = "import os, sys; from seedream_nb.workspace import may_be_written; from pathlib import Path\n"
    code += "if os.geteuid() == 0: os.setgroups([]); os.setuid(65534)\n"
    code += "print(may_be_written(Path(sys.argv[1]) / 'deep' / 'home'))"
    (tmp_path / "closed").mkdir(mode=0)
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "closed")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    (tmp_path / "closed").chmod(0o700)
    assert ran.stdout == "False\n", ran.stderr


# -- full ----------------------------------------------------------------------------------------------

# In a file system of its own, of 64 MB. It is filled up when the request has reached the service.
FULL_DISK = """
import pathlib, sys
from seedream_nb.errors import SeedreamError
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import POST, FaultServer, Links

home = pathlib.Path(sys.argv[1])
def fill(seen):
    server.on(POST, Links(count=2))
    with (home / "filling").open("wb", 0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return Links(count=2, size_bytes=100_000)

with FaultServer() as server:
    server.on(POST, fill)
    settings = Settings(environ={}, folder=home)
    settings.change(base_url=server.url, api_key="sk_test", home=home)
    session = Session(settings=settings, lingers=False)
    try:
        session.start("a fox", max_images=15)
    except SeedreamError as error:
        print("before:", error.message, len(server.posts))
    job = session.start("a fox", max_images=2)
    try:
        job.result()
    except SeedreamError as error:
        print("after:", type(error).__name__, error.message.splitlines()[0])
    kept = str(job.generation) + "".join(path.read_text() for path in home.glob("journal/*.jsonl"))
    print("links kept:", all(link in kept for link in job.generation.links), len(job.generation.links))
    try:
        session.start("a hare")
    except SeedreamError as error:
        print("next:", type(error).__name__, len(server.posts))
    (home / "filling").unlink()
    print("room again:", *[each.status for each in session.recover()], session.start("a hare").result().status)
    session.close()
"""


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path) -> None:
    """Too little room is told before sending; if it goes later, the links are kept, and nothing crashes."""
    mount = f"mount -t tmpfs -o size=64m none {tmp_path}"
    before, after, links, following, again = run_on(mount, FULL_DISK, tmp_path)
    assert "MB left; 15 pictures may need 300 MB" in before
    assert before.endswith(" 0")
    assert after.startswith("after: DownloadError 2 of 2 pictures could not be fetched")
    assert "No space left on device" in after
    assert links == "links kept: True 2"
    assert following == "next: SettingsError 1"
    assert again == "room again: done done"


# The folder for copies is on a disk of its own, of 64 MB, with room for three pictures; or it is beside the pictures.
FULL_FOLDER = """
import pathlib, sys, tempfile
from seedream_nb.errors import SeedreamError
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import FaultServer

small = pathlib.Path(sys.argv[1])
with FaultServer() as server, tempfile.TemporaryDirectory() as large:
    for home, most in ((large, 4), (large, 3), (small, 2), (small, 1)):
        settings = Settings(environ={}, folder=small)
        settings.change(base_url=server.url, api_key="sk_test", home=home)
        session = Session(settings=settings, lingers=False)
        try:
            print(session.start("a fox", max_images=most, save=small / "copies").result().status)
        except SeedreamError as error:
            print(error.message, error.hint, len(server.posts))
        session.close()
"""


@pytest.mark.slow
def test_a_full_disk_for_the_copies(tmp_path: Path) -> None:
    """Room for `--save` is looked for before sending too; copies beside the pictures need room of their own."""
    apart, fits, beside, alone = run_on(f"mount -t tmpfs -o size=64m none {tmp_path}", FULL_FOLDER, tmp_path)
    assert apart.startswith(f"The disk of {tmp_path / 'copies'} has ")
    assert "4 pictures may need 80 MB" in apart
    assert apart.endswith("Make room, or choose another folder for the copies. 0")
    assert fits == "done"
    assert "4 pictures may need 80 MB" in beside
    assert alone == "done"


def test_a_disk_that_does_not_tell_its_room(new_session: NewSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network drive that can't say how much room it has is written to all the same."""

    def unable(_path: object) -> object:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("shutil.disk_usage", unable)
    assert new_session().start("a fox").result().status == "done"


# -- without locks ---------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_a_network_folder_without_locks(new_session: NewSession, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Where files can't be locked, requests run, and what other kernels wrote is read."""
    import fcntl

    def unable(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", unable)
    first, second = new_session(), new_session()
    first.start("a fox").result()
    second.start("a hare").result()
    assert [(each.id, each.status) for each in first.history] == [(1, "done"), (2, "done")]
    assert list(second.history.unfinished()) == []


# -- moved -----------------------------------------------------------------------------------------------


def test_a_home_that_was_moved_between_sessions(new_session: NewSession, tmp_path: Path) -> None:
    """The pictures are found where they are now, and what is asked next follows on."""
    first = new_session()
    first.start("a fox").result()
    first.close()
    moved = (tmp_path / "seedream").rename(tmp_path / "elsewhere")
    session = new_session()
    session.settings.change(home=moved)
    assert session.history[1][0].to_bytes().startswith(b"\xff\xd8")
    assert session.start("a hare").result().id == 2


def test_a_session_is_counted_across_its_homes(new_session: NewSession, tmp_path: Path) -> None:
    """What it asked for in one folder still counts when another one is chosen."""
    session = new_session()
    session.start("a fox").result()
    session.settings.change(home=tmp_path / "another")
    session.start("a hare", max_images=2).result()
    used = session.usage()
    assert (used.requests, used.pictures) == (2, 3)
    assert used.spent == pytest.approx(0.09)
    assert session.history.usage().requests == 1


@posix
def test_a_home_that_is_moved_while_a_request_runs(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """What comes after the move is whole, in a folder that is made again; in the moved one the rest can be had."""
    moved = threading.Event()

    def move(_seen: Seen) -> Links:
        if not moved.is_set():
            (tmp_path / "seedream").rename(tmp_path / "elsewhere")
            moved.set()
        return Links(count=2)

    session = new_session()
    session.start("before").result()
    fault_server.on(POST, move)
    generation = session.start("a fox", max_images=2).result()
    assert (generation.id, generation.status, [each.path.exists() for each in generation]) == (2, "done", [True, True])
    assert [(each.prompt, each.status) for each in session.history] == [("a fox", "done")]
    session.settings.change(home=tmp_path / "elsewhere")
    assert [(each.prompt, each.status) for each in session.history] == [("before", "done"), ("a fox", "unknown")]
    assert len(fault_server.posts) == 2


# -- from a newer version ----------------------------------------------------------------------------------


def test_a_journal_of_a_newer_version(new_session: NewSession, tmp_path: Path) -> None:
    """It is left as it is, the rest goes on beside it, and whoever looks for what it holds is told."""
    path = tmp_path / "seedream" / "journal" / "newer.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(NEWER)
    session = new_session()
    assert session.start("a fox").result().id == 1
    with pytest.raises(IndexError, match="1 lines of the journal are from a newer seedream-nb"):
        session.history[7]
    assert path.read_bytes() == NEWER
    assert list(session.history.left_behind()) == []


# The disk has 30 MB. It fills up while the service works, and is emptied when the request has failed.
FULL = """
import json, os, pathlib, sys
from seedream_nb.errors import SeedreamError
from seedream_nb.storage.journal import read
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import POST, FaultServer, Links, Reply, jpeg

folder = pathlib.Path(sys.argv[1])
filler = folder / "filler"
with FaultServer() as server:
    # Longer than what is left of the page in which the journal ends.
    link = server.on("/fox.jpg", Reply(body=jpeg(64, 64, size_bytes=100_000))) + "?" + "x" * 8000

    def fill(_):
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
            except OSError:
                pass
            try:
                while True:
                    file.write(b"x")
            except OSError:
                pass
        return Reply(body=json.dumps({"images": [link]}).encode())

    server.on(POST, fill, Links())
    settings = Settings(environ={}, folder=folder)
    settings.change(base_url=server.url, api_key="sk_test")
    session = Session(settings=settings, lingers=False)
    try:
        session.start("a fox").result()
    except SeedreamError as error:
        print(type(error).__name__, link in str(error))
    print(session.history[1].status, session.history[1].links == [link])
    filler.unlink()
    print(session.start("a hare").result().status)
    print(*[each.status for each in session.recover()])
    (path,) = (folder / "seedream" / "journal").glob("*.jsonl")
    print(*[f"{each['event']}{each['id']}" for each in read(path)[0]])
    session.close()
"""


@pytest.mark.slow
def test_a_disk_that_is_full_when_the_reply_comes(tmp_path: Path) -> None:
    """On a disk that is really full: the links are known meanwhile, are written when there is room, and fetched."""
    failed, known, then, recovered, told = run_on(f"mount -t tmpfs -o size=30m none {tmp_path}", FULL, tmp_path)
    assert (failed, known) == ("DownloadError True", "partial True")
    assert (then, recovered) == ("done", "done")
    assert told.split()[:2] == ["intent1", "links1"]
    assert told.split()[-1] == "file1"
