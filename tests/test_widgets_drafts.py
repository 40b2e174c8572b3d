"""What is typed into a panel outlives its kernel: kept in the home for each notebook, and read as foreign text."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.request import Reference
from seedream_nb.service import DEFAULT
from seedream_nb.widgets.drafts import MAX_FILES, Drafts, Filled
from seedream_nb.widgets.form import empty_form
from seedream_nb.widgets.state import State
from tests.pictures import encoded, gradient
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import NewSession

    Restart = Callable[..., State]

KEY = "sk_0123456789abcdef0123456789"
PNG = encoded(gradient(80, 60), "PNG")


@pytest.fixture
def restart(new_session: NewSession, tmp_path: Path) -> Restart:
    """Give a function that begins a panel in a new session, as a restarted kernel does."""

    def begin(notebook: str | None = "one.ipynb", config: Path | None = None) -> State:
        session = new_session(KEY, notebook=lambda: notebook)
        return State(session, drafts=Drafts(session, config=config or tmp_path / "config"))

    return begin


def ask(state: State, what: str, **fields: Any) -> dict[str, Any]:
    """Ask what a page asks; it must be answered."""
    reply, _ = state.desk.hear(
        {"id": os.urandom(4).hex(), "ask": what, "view": "v", **fields}, fields.pop("buffers", [])
    )
    assert "ok" in reply, reply
    return reply


def form(prompt: str, **fields: Any) -> dict[str, Any]:
    """Return a form with this prompt."""
    return {**empty_form(DEFAULT.model), "prompt": prompt, **fields}


def type_in(state: State, prompt: str, **fields: Any) -> None:
    """Type a prompt, and wait until it is written."""
    ask(state, "keep", form=form(prompt, **fields))
    written(state)


def written(state: State) -> None:
    """Wait until all is written."""
    state.form._drafts.flush()  # type: ignore[union-attr]  # noqa: SLF001 - instead of half a second


def drop(state: State, name: str = "cat.png", content: bytes = PNG) -> None:
    """Hand a file over, as the page does."""
    fields = {"key": name, "name": name, "size_bytes": len(content), "offset": 0}
    reply, _ = state.desk.hear({"id": os.urandom(4).hex(), "ask": "file", "view": "v", **fields}, [content])
    assert "ok" in reply, reply


def files(tmp_path: Path) -> list[Path]:
    """Return the files of drafts."""
    return sorted((tmp_path / "seedream" / "journal" / "drafts").glob("*.json"))


def test_what_was_typed_is_there_after_a_restart(restart: Restart) -> None:
    """Prompt and options."""
    type_in(restart(), "half a thought", size="4K", aspect="16:9", watermark=False)
    draft = restart().snapshot()["form"]
    assert draft == form("half a thought", size="4K", aspect="16:9", watermark=False)


def test_it_is_written_by_itself_soon(restart: Restart, tmp_path: Path) -> None:
    """And not for each key."""
    state = restart()
    for count in range(20):
        ask(state, "keep", form=form("x" * count))
    assert files(tmp_path) == []
    until(lambda: len(files(tmp_path)) == 1)
    assert json.loads(files(tmp_path)[0].read_bytes())["now"]["form"]["prompt"] == "x" * 19


def test_opening_a_panel_writes_nothing(restart: Restart, tmp_path: Path) -> None:
    """Only who types has a draft."""
    written(restart())
    assert not (tmp_path / "seedream").exists()


def test_a_kernel_that_is_killed_has_lost_nothing(tmp_path: Path) -> None:
    """Half a second after the last key."""
    script = f"""
import os, sys, time
from pathlib import Path
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.widgets.drafts import Drafts
from seedream_nb.widgets.state import State
session = Session(settings=Settings(environ={{}}, folder=Path({str(tmp_path)!r})))
state = State(session, drafts=Drafts(session, config=Path({str(tmp_path / "config")!r})))
state.desk.hear({{"id": "1", "ask": "keep", "view": "v", "form": {form("before the crash")!r}}}, [])
while not list(Path({str(tmp_path)!r}, "seedream/journal/drafts").glob("*.json")):
    time.sleep(0.01)
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    (path,) = files(tmp_path)
    assert json.loads(path.read_bytes())["now"]["form"]["prompt"] == "before the crash"


def test_a_process_that_ends_writes_what_was_typed_last(tmp_path: Path) -> None:
    """Without waiting for the half second."""
    script = f"""
from pathlib import Path
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.widgets.drafts import Drafts
from seedream_nb.widgets.state import State
session = Session(settings=Settings(environ={{}}, folder=Path({str(tmp_path)!r})))
state = State(session, drafts=Drafts(session, config=Path({str(tmp_path / "config")!r})))
state.desk.hear({{"id": "1", "ask": "keep", "view": "v", "form": {form("the last word")!r}}}, [])
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert "the last word" in files(tmp_path)[0].read_text()


def test_each_notebook_has_its_own(restart: Restart) -> None:
    """Where no host tells a name, or tells one that is another each time, there is one for the folder."""
    type_in(restart("one.ipynb"), "of one")
    type_in(restart("two.ipynb"), "of two")
    type_in(restart(None), "of the folder")
    assert restart("one.ipynb").form.draft["prompt"] == "of one"
    assert restart("two.ipynb").form.draft["prompt"] == "of two"
    unnamed = "b5c1a6c2-7a44-4f0e-9a3c-0c2f5a9d8e11"
    assert restart(unnamed).form.draft["prompt"] == restart(None).form.draft["prompt"] == "of the folder"


def test_references_are_there_after_a_restart(restart: Restart, tmp_path: Path) -> None:
    """In their order: dropped, by URL, by path, by mark, and of an earlier request."""
    (tmp_path / "photo.png").write_bytes(encoded(gradient(90, 60), "PNG"))
    state = restart()
    state.session.start("a fox", images=[encoded(gradient(70, 60), "PNG")]).result()
    for written_name in ("https://example.com/a.jpg", str(tmp_path / "photo.png"), "@1.1"):
        ask(state, "add", written=written_name)
    drop(state)
    before = state.tray.held()
    written(state)
    again = restart()
    assert [(each.name, each.identity) for each in again.tray.held()] == [(each.name, each.identity) for each in before]
    assert again.snapshot()["told"] == []
    generation = again.session.history[-1]
    ask(again, "edit", generation=generation.id)
    written(again)
    assert [each.identity for each in restart().tray.held()] == [each.identity for each in generation.request.images]


def test_a_reference_that_is_gone_is_told(restart: Restart, tmp_path: Path) -> None:
    """And the others are there."""
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    state = restart()
    ask(state, "add", written="https://example.com/a.jpg")
    ask(state, "add", written=str(path))
    written(state)
    path.unlink()
    again = restart()
    assert [each.name for each in again.tray.held()] == ["https://example.com/a.jpg"]
    (told,) = again.snapshot()["told"]
    assert told.endswith("photo.png: this reference image is gone, so it was left out.")


def test_clear_empties_the_form_and_can_be_undone(restart: Restart) -> None:
    """After a restart, too."""
    state = restart()
    drop(state)
    type_in(state, "a long prompt")
    ask(state, "clear", form=form("a long prompt, and more"))
    written(state)
    assert state.snapshot()["form"]["prompt"] == ""  # type: ignore[index]
    assert state.tray.held() == []
    again = restart()
    assert again.form.shown()[2] == "Undo"
    ask(again, "undo")
    assert again.form.draft["prompt"] == "a long prompt, and more"
    assert [each.name for each in again.tray.held()] == ["cat.png"]


def test_two_panels_of_one_notebook_lose_nothing(restart: Restart) -> None:
    """The newest is there, and the other is one press away; what one has continued is no other."""
    first = restart()
    type_in(first, "of the first")
    second = restart()
    type_in(second, "continued by the second")
    assert restart().form.shown()[2] == ""
    type_in(first, "the first goes on")
    third = restart()
    assert third.form.draft["prompt"] == "the first goes on"
    assert third.form.shown()[2] == "Other draft"
    ask(third, "undo")
    assert third.form.draft["prompt"] == "continued by the second"


def test_files_are_for_their_owner_alone_and_few(restart: Restart, tmp_path: Path) -> None:
    """Of a notebook that was opened a hundred times, too."""
    for count in range(MAX_FILES + 3):
        type_in(restart(), f"draft {count}")
    assert len(files(tmp_path)) == MAX_FILES
    if os.name != "nt":
        assert {stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)} == {0o600}
    assert restart().form.draft["prompt"] == f"draft {MAX_FILES + 2}"


def test_it_is_out_of_commits(restart: Restart, tmp_path: Path) -> None:
    """As the rest of the journal's folder."""
    type_in(restart(), "a secret plan")
    assert "/journal/" in (tmp_path / "seedream" / ".gitignore").read_text()


def test_a_key_is_never_written(restart: Restart, tmp_path: Path) -> None:
    """Not a part of it either; the panel says that this is not kept."""
    state = restart()
    type_in(state, "before")
    type_in(state, f"my key is {KEY}")
    assert KEY not in files(tmp_path)[0].read_text()
    assert state.snapshot()["unkept"] == "What you type here is not kept: it contains your key."
    type_in(state, "after")
    assert state.snapshot()["unkept"] == ""


def test_a_key_in_any_other_field_is_never_written(restart: Restart, tmp_path: Path) -> None:
    """Nor in the folder of a reference, which its name does not show."""
    state = restart()
    folder = tmp_path / KEY
    folder.mkdir()
    (folder / "a.png").write_bytes(PNG)
    reference = Reference(name="a.png", source=folder / "a.png")
    for filled in (
        Filled(draft={**empty_form(DEFAULT.model), "model": KEY}),
        Filled(draft=empty_form(DEFAULT.model), references=(reference,)),
    ):
        state.form._drafts.keep(lambda kept=filled: (kept, None))  # type: ignore[union-attr, misc]  # noqa: SLF001 - as the form does
        written(state)
        assert state.form._drafts.trouble.endswith("it contains your key.")  # type: ignore[union-attr]  # noqa: SLF001 - as the form does
    assert not [path for path in tmp_path.rglob("*.json") if KEY in path.read_text()]


def test_a_home_that_can_not_be_written_is_told(restart: Restart, tmp_path: Path) -> None:
    """The panel works all the same."""
    (tmp_path / "seedream").write_text("in the way")
    state = restart()
    type_in(state, "a fox")
    assert state.snapshot()["unkept"].startswith("What you type here is not kept: The folder ")


DAMAGED = [
    b"",
    b"not json",
    b"[]",
    b"[" * 100_000,
    b'{"seedream_draft": 2, "now": {"form": 1}}',
    b'{"seedream_draft": 1}',
    b'{"seedream_draft": 1, "written": "now", "now": 3}',
    b'{"seedream_draft": 1, "written": 1e300, "now": {"form": {"prompt": 5}}}',
    b'{"seedream_draft": 1, "written": 1, "continues": [1], "now": {"form": {}}}',
    b'{"seedream_draft": 1, "written": 1, "signature": "\xc3\xa9", "now": {}}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_draft_breaks_nothing(restart: Restart, tmp_path: Path, content: bytes) -> None:
    """Nor one of a later version, which stays as it is."""
    type_in(restart(), "a fox")
    (path,) = files(tmp_path)
    path.write_bytes(content)
    state = restart()
    assert state.form.draft["prompt"] == ""
    type_in(state, "a hare")
    assert path.read_bytes() == content
    assert restart().form.draft["prompt"] == "a hare"


def foreign(tmp_path: Path, references: list[dict[str, str]] | None = None, prompt: str = "a {name}") -> None:
    """Write a draft as somebody else's, which was cloned with the folder."""
    (path,) = files(tmp_path)
    values = json.loads(path.read_bytes())
    now = {"form": form(prompt), "references": references or []}
    path.write_text(json.dumps({**values, "written": time.time(), "now": now}))


def test_a_foreign_draft_is_text(restart: Restart, tmp_path: Path) -> None:
    """Its expressions would run code of somebody else with the next press of Generate."""
    type_in(restart(), "mine is a {name}")
    assert restart().form.draft["prompt"] == "mine is a {name}"
    assert restart(config=tmp_path / "another").form.draft["prompt"] == "mine is a {{name}}"
    foreign(tmp_path)
    assert restart().form.draft["prompt"] == "a {{name}}"


def test_a_foreign_draft_reads_no_file_and_fetches_nothing(restart: Restart, tmp_path: Path) -> None:
    """No path, no address of this machine, nothing outside of its folders."""
    (tmp_path / "private.png").write_bytes(PNG)
    type_in(restart(), "a fox")
    wrong = [
        {"name": "a", "path": str(tmp_path / "private.png")},
        {"name": "b", "url": "http://127.0.0.1:1/x.png"},
        {"name": "c", "file": "../private.png", "sha256": "0" * 64},
        {"name": "d", "picture": "../../../../private.png"},
        {"name": "e", "mark": "__import__('os').abort()"},
        {"name": "f", "url": "javascript:alert(1)"},
        {"nameless": "g"},
    ]
    foreign(tmp_path, wrong)
    state = restart()
    assert state.tray.held() == []
    assert len(state.snapshot()["told"]) == len(wrong)


def test_a_picture_that_is_another_than_its_name_says_is_left_out(restart: Restart, tmp_path: Path) -> None:
    """What was dropped is known by its content."""
    state = restart()
    drop(state)
    written(state)
    (path,) = (tmp_path / "seedream" / "journal" / "drafts" / "pictures").iterdir()
    path.write_bytes(encoded(gradient(50, 60), "PNG"))
    assert restart().tray.held() == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_no_link_is_followed(restart: Restart, tmp_path: Path) -> None:
    """Neither of a draft nor of its folder; nothing is written through one."""
    type_in(restart(), "a fox")
    (path,) = files(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert restart().form.draft["prompt"] == ""
    path.unlink()
    folder, outside = path.parent, tmp_path / "outside"
    folder.rename(outside)
    folder.symlink_to(outside)
    elsewhere.rename(outside / path.name)
    state = restart()
    assert state.form.draft["prompt"] == ""
    type_in(state, "a hare")
    assert len(list(outside.glob("*.json"))) == 1
    assert "not kept" in state.snapshot()["unkept"]


def test_pictures_that_no_draft_names_go_after_a_day(restart: Restart, tmp_path: Path) -> None:
    """Those that one names stay, and what the last step removed: it may be undone."""
    state = restart()
    drop(state, "one.png")
    drop(state, "two.png", encoded(gradient(50, 60), "PNG"))
    drop(state, "three.png", encoded(gradient(50, 70), "PNG"))
    written(state)
    ask(state, "remove", number=1)
    ask(state, "remove", number=3)
    folder = tmp_path / "seedream" / "journal" / "drafts" / "pictures"
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    written(state)
    assert len(list(folder.iterdir())) == 2
    state = restart()
    assert [each.name for each in state.tray.held()] == ["two.png"]
    ask(state, "undo", form=state.form.draft)
    assert [each.name for each in state.tray.held()] == ["two.png", "three.png"]


def test_what_was_typed_for_one_home_is_not_written_into_another(new_session: NewSession, tmp_path: Path) -> None:
    """The home may change before it is written, and a panel there would begin with it."""
    session = new_session()
    first = Drafts(session, config=tmp_path / "config")
    state = State(session, drafts=first)
    ask(state, "check", form=form("a fox"))
    before = session.store.home
    session.settings.change(home=tmp_path / "other")
    first.flush()
    assert not list((tmp_path / "other").glob("journal/drafts/*.json"))
    assert list(before.glob("journal/drafts/*.json"))


def test_what_was_typed_before_references_got_other_numbers_is_not_taken(restart: Restart) -> None:
    """Else a check, a press or a second move that was on its way would bring the old numbers back."""
    state = restart()
    for side in (40, 50, 60):
        state.tray.add(encoded(gradient(side, side), "PNG"))
    numbers = [held["number"] for held in state.snapshot()["tray"]]
    old = form("image 3 on image 1", form_number=state.snapshot()["form_number"])
    ask(state, "move", number=numbers[2], place=0, form=old)
    ask(state, "check", form=old)
    assert state.form.draft["prompt"] == "image 1 on image 2"
    ask(state, "move", number=numbers[2], place=2, form=old)
    assert state.form.draft["prompt"] == "image 3 on image 1"
    asked = {"id": "press", "ask": "generate", "view": "v", "form": old, "place": state.place()}
    reply, _ = state.desk.hear(asked, [])
    assert "filled anew" in str(reply)
    assert len(state.session.history) == 0
