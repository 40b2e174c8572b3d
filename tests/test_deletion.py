"""Deleting: the history leaves out what is deleted, and gets it back; money still counts it; files go only if asked."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.errors import Problem, RequestError, SeedreamError
from seedream_nb.notebook.verbs import run
from seedream_nb.storage.deletion import Deletion
from seedream_nb.storage.history import History, abandoned_ids
from tests.journals import Kernel, OtherKernel

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.session import Session
    from tests.conftest import NewSession


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Return a kernel that works in `tmp_path`, with three generations."""
    kernel = Kernel(tmp_path)
    for number in (1, 2, 3):
        kernel.make(number)
    return kernel


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Return the history of `tmp_path`."""
    return History(tmp_path)


@pytest.fixture
def deletion(kernel: Kernel, history: History) -> Deletion:
    """Return what deletes in `tmp_path`."""
    return Deletion(history, kernel.journal)


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Return a session with two generations of small pictures."""
    session = new_session()
    for prompt in ("a fox", "an owl"):
        session.start(prompt, size="1K").result()
    return session


def do(line: str, session: Session) -> None:
    """Run a verb that needs no notebook."""
    ip: Any = None
    run(line, session, ip)


def files(home: Path) -> set[str]:
    """Return the names of the pictures in a folder."""
    return {path.name for path in home.glob("*.jpg")} | {path.name for path in home.glob("*.png")}


# -- what is deleted -----------------------------------------------------------------------------------


def test_the_history_leaves_out_what_is_deleted(deletion: Deletion, history: History) -> None:
    """Ids stay, positions close up, `[-1]` and `@last` are what is left; files stay."""
    deletion.hide([3])
    assert [each.id for each in history] == [1, 2]
    assert (len(history), history[-1].id, history.generation("@last").id) == (2, 2, 2)
    assert history.search("fox").ids == (1, 2)
    assert (history.home / "0003-1.jpg").exists()


@pytest.mark.parametrize("mark", ["@3", "3", "@3.1"])
def test_a_deleted_mark_is_refused_with_the_way_back(deletion: Deletion, history: History, mark: str) -> None:
    """`@3` of one that is deleted says so, and what brings it back."""
    deletion.hide([3])
    with pytest.raises(Problem, match=r"deleted: %seedream restore @3 brings it back"):
        history.marked(mark)
    with pytest.raises(IndexError, match=r"deleted: %seedream restore @3 brings it back"):
        history[3]


def test_restoring_brings_everything_back(deletion: Deletion, history: History) -> None:
    """Restored, a generation is what it was; deleted and restored again and again, the last counts."""
    before = history[2]
    for _ in range(2):
        deletion.hide([2])
        assert history.deleted().ids == (2,)
        deletion.restore([2])
    assert history[2] == before
    assert (history[:].ids, history.deleted().ids) == ((1, 2, 3), ())


def test_every_kernel_sees_it(kernel: Kernel, deletion: Deletion) -> None:
    """A history that was read before, and one that is read later, leave it out; two that delete it agree."""
    other = History(kernel.home)
    assert len(other) == 3
    deletion.hide([1])
    assert other[:].ids == (2, 3)
    again = Deletion(other, Kernel(kernel.home).journal).hide([1])
    assert (again.done, again.already) == ((), (1,))
    assert History(kernel.home)[:].ids == (2, 3)


def test_what_was_spent_still_counts(kernel: Kernel, deletion: Deletion, history: History) -> None:
    """Usage is the same after deleting, but for pictures that nobody wants downloaded any more."""
    kernel.ask(4)
    kernel.link(4, 2)
    kernel.land(4)
    kernel.end(4, "partial", cost=0.06)
    before = history.usage()
    deletion.hide([1, 2, 3, 4])
    after = history.usage()
    assert (after.requests, after.pictures, after.spent) == (before.requests, before.pictures, before.spent)
    assert (before.missing, after.missing) == (1, 0)
    assert (list(history.lacking()), list(history.unfinished())) == ([], [])


def test_a_star_protects_from_deleting_several(kernel: Kernel, deletion: Deletion, history: History) -> None:
    """Among several a starred one stays; named alone it goes."""
    kernel.journal.append("star", 2, on=True)
    outcome = deletion.hide([1, 2])
    assert (outcome.done, outcome.starred, history[:].ids) == ((1,), (2,), (2, 3))
    assert deletion.hide([2]).done == (2,)


def test_what_is_running_stays(tmp_path: Path, deletion: Deletion, history: History) -> None:
    """A generation of a living kernel that has not ended is not deleted, nor are its files."""
    with OtherKernel(tmp_path, "9", "10"):
        outcome = deletion.hide([9])
        assert (outcome.done, outcome.running) == ((), (9,))
        with pytest.raises(SeedreamError, match="@9 is still running"):
            deletion.remove([9])
    assert 9 in history[:].ids


def test_what_a_dead_kernel_left_is_not_told_any_more(tmp_path: Path, deletion: Deletion, history: History) -> None:
    """Deleted, what was left is not told again at each start, nor looked for; `usage` still counts it."""
    with OtherKernel(tmp_path, "9", "10"):
        pass
    assert history.left_behind().ids == (9,)
    deletion.hide([9])
    assert History(tmp_path).left_behind().ids == ()
    assert abandoned_ids(tmp_path / "journal") == set()
    assert history.usage().requests == 5


def test_what_failed_without_cost(kernel: Kernel, history: History) -> None:
    """`failed` is what ended without a picture at no cost; what may have been billed, or has links, is not in it."""
    for number, status in ((4, "failed"), (5, "stopped"), (6, "unknown"), (7, "failed")):
        kernel.ask(number)
        if number == 7:
            kernel.link(7)
        kernel.end(number, status, cost=None)
    assert history.failed().ids == (4, 5)


def test_an_older_journal_reads_the_same(kernel: Kernel, deletion: Deletion) -> None:
    """A line of a kind that is not known hides nothing and breaks nothing: so an older version reads ours."""
    deletion.hide([1])
    path = kernel.journal.path
    assert path is not None
    path.write_bytes(path.read_bytes().replace(b'"event":"delete"', b'"event":"novel"'))
    history = History(kernel.home)
    assert (history[:].ids, history.damaged, history.newer) == ((1, 2, 3), 0, 0)


def test_a_damaged_line_deletes_nothing(kernel: Kernel, history: History) -> None:
    """What is not true or false is no deletion; nor is one of an id that nothing is known of."""
    for on in (1, "true", None, [True]):
        kernel.journal.append("delete", 1, on=on)
    kernel.journal.append("delete", 77, on=True)
    assert (history[:].ids, history.deleted().ids) == ((1, 2, 3), ())


# -- once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "cost"), [(False, " (0.03 USD)"), (True, "")], ids=["paid", "free"])
def test_once_does_not_show_what_was_deleted(new_session: NewSession, free: bool, cost: str) -> None:
    """Whoever deleted a result gets a new one, and is told of the other, what that cost, and the way back."""
    session = new_session()
    if free:
        session.settings.change(backend="sandbox", base_url=None)
    session.start("a fox", size="1K").result()
    session.deletion.hide([1])
    made = session.start("a fox", size="1K", once=True).result()
    assert made.id == 2
    told = f"@1 made the same request and was deleted{cost}: this is a new one. %seedream restore @1 brings it back."
    assert told in made.warnings


def test_once_shows_what_was_restored(session: Session) -> None:
    """Restored, a result counts again."""
    session.deletion.hide([1])
    session.deletion.restore([1])
    assert session.start("a fox", size="1K", once=True).result().id == 1


# -- verbs ---------------------------------------------------------------------------------------------


def test_the_verbs_delete_and_restore(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Each says what it did, and how to take it back; done twice, it changes nothing and says so."""
    do("delete @1..@2", session)
    do("delete @1 2", session)
    do("restore @1..@2", session)
    do("restore @1", session)
    assert capsys.readouterr().out.replace("\n  ", " ").splitlines() == [
        "Deleted @1..@2.",
        "To bring them back: %seedream restore @1..@2",
        "@1..@2 were deleted before.",
        "Restored: @1..@2.",
        "@1 was not deleted.",
    ]
    assert session.history[:].ids == (1, 2)


def test_delete_failed_when_nothing_has(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """`delete failed` deletes nothing that has pictures."""
    do("delete failed", session)
    assert capsys.readouterr().out == "Nothing here has failed.\n"
    assert len(session.history) == 2


def test_restore_alone_lists_what_is_deleted(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """`restore` tells what there is, and how to bring one back."""
    do("delete @2", session)
    capsys.readouterr()
    do("restore", session)
    assert "restore @2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("delete", "Say which"),
        ("delete @1.1", r"one picture.*Write @1\."),
        ("delete @9", "from 1 to 2"),
        ("delete @8..@9", "none of these"),
        ("delete fialed", "failed"),
        ("delete --frever @1", "forever"),
        ("restore everything", "all"),
        ("show @1", "restore @1"),
    ],
)
def test_what_cannot_be_deleted_is_refused_in_words(session: Session, line: str, told: str) -> None:
    """What names nothing is refused with what to write, and nothing is deleted by the rest of that line."""
    if line == "show @1":
        do("delete @1", session)
    with pytest.raises((RequestError, SeedreamError), match=told):
        do(line, session)
    assert 2 in session.history[:].ids


# -- for good ------------------------------------------------------------------------------------------


def test_forever_removes_the_pictures_of_that_generation_alone(session: Session) -> None:
    """Its picture files go and nothing else does; it can't be restored, and nothing is downloaded again for it."""
    home = session.history.home
    gone = {picture.path.name for picture in session.history[1]}
    others = {path.relative_to(home) for path in home.rglob("*") if path.is_file()} - {*map(type(home), gone)}
    do("delete --forever @1", session)
    left = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
    assert left == others
    assert session.recover() == []
    with pytest.raises(SeedreamError, match="files were removed"):
        do("restore @1", session)
    assert session.history.usage().requests == 2


def test_forever_says_what_went_and_what_stays(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """One line tells files and bytes, and what is kept all the same."""
    do("delete @1 --forever", session)
    assert "1 file (" in (told := capsys.readouterr().out)
    assert "of @1" in told
    assert "stay in the journal" in told.replace("\n ", "")


def test_forever_alone_removes_nothing(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Without saying which, it tells how many are deleted and what to write."""
    do("delete @1", session)
    before = files(session.history.home)
    do("delete --forever", session)
    assert "delete --forever deleted" in capsys.readouterr().out
    assert files(session.history.home) == before
    do("delete --forever deleted", session)
    assert len(files(session.history.home)) == len(before) - 1


def test_a_picture_that_another_was_made_from_stays(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """What is a reference of another generation, deleted or not, is not removed, and it says so."""
    session.start("the fox at night", size="1K", images=session.history[1][0]).result()
    do("delete @3", session)
    before = files(session.history.home)
    do("delete --forever @1", session)
    assert "@1.1 stays: @3 needs it." in capsys.readouterr().out
    assert files(session.history.home) == before


def test_a_file_that_was_changed_stays(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody's work on a picture is not removed with it."""
    path = session.history[1][0].path
    path.write_bytes(path.read_bytes() + b"retouched")
    do("delete --forever @1", session)
    assert "was changed since" in " ".join(capsys.readouterr().out.split())
    assert path.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_nothing_is_removed_through_a_link(tmp_path: Path, kernel: Kernel, deletion: Deletion) -> None:
    """Neither a link in a picture's place, nor a folder that is one, nor a foreign name leads to what is removed."""
    digest = hashlib.sha256(b"picture").hexdigest()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("0007-1.jpg", "0008-1.jpg", "notes.jpg"):
        (elsewhere / name).write_bytes(b"picture")
    (tmp_path / "0007-1.jpg").symlink_to(elsewhere / "0007-1.jpg")
    (tmp_path / "sub").symlink_to(elsewhere)
    (tmp_path / "notes.jpg").write_bytes(b"picture")
    facts = {"width": 2, "height": 2, "media_type": "image/jpeg", "sha256": digest, "size_bytes": 7}
    for number, path in ((7, "0007-1.jpg"), (8, "sub/0008-1.jpg"), (9, "notes.jpg"), (10, "0001-1.jpg")):
        kernel.ask(number)
        kernel.journal.append("file", number, index=1, path=path, **facts)
        kernel.end(number)
    removed = deletion.remove([7, 8, 9, 10])
    assert (removed.files, len(removed.stayed)) == (0, 4)
    assert len(list(elsewhere.iterdir())) == 3
    assert {"0007-1.jpg", "notes.jpg", "0001-1.jpg"} <= {path.name for path in tmp_path.iterdir()}


def test_forever_can_be_finished_later(kernel: Kernel, deletion: Deletion, history: History) -> None:
    """The journal is written before a file goes: what a crash left is removed by the same line again."""
    path = kernel.home / "0005-1.jpg"
    kernel.ask(5)
    path.write_bytes(b"picture")
    facts = {"width": 2, "height": 2, "media_type": "image/jpeg", "size_bytes": 7}
    kernel.journal.append("file", 5, index=1, path=path.name, sha256=hashlib.sha256(b"picture").hexdigest(), **facts)
    kernel.end(5)
    kernel.journal.append("delete", 5, on=True, forever=True)
    assert path.exists()
    assert deletion.remove([5]).files == 1
    assert (path.exists(), history.deleted().ids) == (False, ())
