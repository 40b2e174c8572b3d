"""Where it runs: folders whose names are no UTF-8, that are gone, and users without a home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedream_nb.cell import cell_of
from seedream_nb.errors import SeedreamError, SettingsError
from seedream_nb.files import working_folder
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.view import bundle, history_bundle

if TYPE_CHECKING:
    from tests.conftest import NewSession
    from tests.faults import FaultServer

ROOT = Path(__file__).parents[1]
NO_UTF_8 = os.fsdecode(b"caf\xe9")

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such a name can't be made")


def sendable(value: object) -> None:
    """Make sure that a page can be sent this, and a terminal shown it."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@linux
def test_a_home_whose_name_is_no_utf_8(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, references, copies, history and what is shown of it work as in any other folder."""
    home = tmp_path / NO_UTF_8 / "pictures"
    home.parent.mkdir()
    monkeypatch.chdir(home.parent)
    session = new_session(notebook=lambda: f"{NO_UTF_8}.ipynb")
    session.settings.change(home=home)
    made = session.start("a fox", save=home.parent / "copies").result()
    (home.parent / "a.jpg").write_bytes(made[0].to_bytes())
    edited = session.start("a hare", images=[made[0], home.parent / "a.jpg"], once=True).result()
    assert ([each.status for each in session.history], len(fault_server.posts)) == (["done", "done"], 2)
    for folder in (home.parent, tmp_path, Path("/")):
        for each in (made, edited):
            sendable(bundle(each, folder=folder))
            sendable(bundle(each[0], folder=folder))
            sendable([repr(each), str(each), repr(each[0])])
    sendable(history_bundle(session.history[:]))
    made[0].path.unlink()
    assert session.recover()[0][0].path.exists()
    assert "seedream" in cell_of(edited, session)
    assert (home.parent / "copies" / "0001-1-a-fox.jpg").exists()


@linux
def test_links_lead_into_a_home_whose_name_is_no_utf_8(new_session: NewSession, tmp_path: Path) -> None:
    """A link on the page has the bytes of the name, percent by percent."""
    session = new_session()
    session.settings.change(home=tmp_path / NO_UTF_8)
    made = session.start("a fox").result()
    assert 'href="caf%E9/0001-1-a-fox.jpg"' in bundle(made, folder=tmp_path)["text/html"]


@linux
def test_errors_about_such_a_folder_can_be_told(new_session: NewSession, tmp_path: Path) -> None:
    """A message that names it can be printed and sent."""
    (tmp_path / NO_UTF_8).write_text("in the way")
    session = new_session()
    session.settings.change(home=tmp_path / NO_UTF_8)
    with pytest.raises(SeedreamError) as caught:
        session.start("a fox").result()
    sendable([str(caught.value), *caught.value.lines(), *caught.value._render_traceback_()])


NOTEBOOK = """
import os, pathlib, sys
os.chdir(os.fsencode(sys.argv[1]) + b"/caf\\xe9")
sys.stdout.reconfigure(encoding="utf-8", errors="strict")
from tests.faults import FaultServer
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.user_ns["__vsc_ipynb_file__"] = os.getcwd() + "/caf\\udce9.ipynb"
shell.run_line_magic("load_ext", "seedream_nb")
import seedream_nb as sd
pathlib.Path("\\udce9.txt").touch()
with FaultServer() as server:
    sd.configure(base_url=server.url, api_key="sk_test")
    shell.run_cell_magic("seedream", "--save copies", "a fox")
    made = shell.run_cell_magic("seedream", "-i copies/0001-1-a-fox.jpg -i @1", "a hare")
    print(made, repr(made), made[0])
    shell.run_cell_magic("seedream", "--dry-run -i @1", "a hare")
    for line in ("", "doctor", "history", "show @2", "code @2", "recover", "usage", "config", "config home"):
        shell.run_line_magic("seedream", line)
    for broken in ("-i nowhere.png", "-i \\udce9.png", "--save \\udce9.txt/x"):
        try:
            shell.run_cell_magic("seedream", broken, "a hare")
        except sd.SeedreamError as error:
            print(error)
    print(len(server.posts), made.status, flush=True)
    os._exit(0)
"""


@linux
@pytest.mark.slow
def test_a_notebook_in_a_folder_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    """Cells, verbs and errors can be printed where nothing but UTF-8 is."""
    (tmp_path / NO_UTF_8).mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", NOTEBOOK, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout.splitlines()[-1:], ran.stderr) == (["2 done"], "")


# It is loaded in a folder that is removed, or is no more anybody's; the home is elsewhere, and absolute.
GONE = """
import os, pathlib, sys
from tests.faults import FaultServer
from IPython.core.interactiveshell import InteractiveShell
folder, when = pathlib.Path(sys.argv[1]), sys.argv[2]
(folder / "work").mkdir()
os.chdir(folder / "work")
shell = InteractiveShell.instance()
import seedream_nb as sd
if when == "after":
    shell.run_line_magic("load_ext", "seedream_nb")
(folder / "work").rmdir()
if when == "before":
    shell.run_line_magic("load_ext", "seedream_nb")
with FaultServer() as server:
    sd.configure(base_url=server.url, api_key="sk_test", home=folder / "home")
    print(sd.generate("a fox", images=[]).status, sd.history[-1].status)
    made = shell.run_cell_magic("seedream", "-i @1 --save " + str(folder / "copies"), "a hare")
    print(made.status, sorted(each.name for each in (folder / "copies").iterdir()))
    for line in ("", "doctor", "history", "show @2", "code @2", "recover", "usage", "config"):
        shell.run_line_magic("seedream", line)
    made._repr_mimebundle_()
    for told in ({"save": "copies"}, {"images": ["a.png"]}):
        try:
            sd.generate("a fox", **told)
        except sd.SeedreamError as error:
            print("refused:", str(error).replace("\\n", " "))
    print(len(server.posts), flush=True)
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the folder that somebody works in")
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_working_folder_was_removed(tmp_path: Path, when: str) -> None:
    """With a home elsewhere all of it works; what does need the folder is refused in a sentence."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", GONE, str(tmp_path), when], env=environ, capture_output=True, text=True, check=False
    )
    told = ran.stdout.splitlines()
    assert told[:2] == ["done done", "done ['0002-1-a-hare.jpg']"], ran.stdout + ran.stderr
    refused = [line for line in told if line.startswith("refused:")]
    assert (len(refused), told[-1], ran.stderr) == (2, "2", "")
    assert all("Nothing was sent" in line and "Errno" not in line for line in refused)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the folder that somebody works in")
def test_without_a_working_folder_pictures_go_to_the_users_own(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default folder can't be made where the working folder was removed: it says so, and where pictures are."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "work").rmdir()
    settings = Settings(environ={}, folder=working_folder())
    settings.change(base_url=fault_server.url, api_key="sk_test")
    session = Session(settings=settings, lingers=False)
    made = session.start("a fox").result()
    assert (made.status, made[0].path.exists()) == ("done", True)
    assert "the folder that contains it was removed. Pictures and history are in" in made.warnings[0]
    settings.change(home="mine")
    with pytest.raises(SettingsError, match="the folder that contains it was removed"):
        session.start("a fox").result()
    session.close()


# A user whom the system does not know, and nothing in the environment that tells a home.
HOMELESS = """
import os, pathlib, pwd, sys

def nobody(_):
    raise KeyError("no such user")

pwd.getpwuid = nobody
for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
folder = pathlib.Path(sys.argv[1])
os.environ["IPYTHONDIR"] = str(folder / "ipython")
os.chdir(folder)
from tests.faults import FaultServer
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import seedream_nb as sd
shell.run_line_magic("load_ext", "seedream_nb")
with FaultServer() as server:
    sd.configure(base_url=server.url, api_key="sk_test")
    print(sd.generate("a fox").status)
    for line in ("", "doctor", "logout"):
        shell.run_line_magic("seedream", line)
    for told in ({"save": "~/copies"}, {"images": ["~/a.png"]}):
        try:
            sd.generate("a fox", **told)
        except sd.SeedreamError as error:
            print("refused:", str(error).replace("\\n", " "))
    print(len(server.posts), flush=True)
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows always knows a home")
def test_a_user_without_a_home(tmp_path: Path) -> None:
    """With neither HOME nor an entry among the users, requests and verbs work; `~` is refused in a sentence."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", HOMELESS, str(tmp_path)], env=environ, capture_output=True, text=True, check=False
    )
    told = ran.stdout.splitlines()
    refused = [line for line in told if line.startswith("refused:")]
    assert (told[:1], len(refused), told[-1:], ran.stderr) == (["done"], 2, ["1"], "")
    assert any("This user has no home folder" in line for line in told)
