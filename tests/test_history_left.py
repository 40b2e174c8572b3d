"""What the history says of what dead processes left, of files that can't be read, of copies and of sums."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seedream_nb.storage.history import History
from tests.journals import ROOT, Kernel, OtherKernel

if TYPE_CHECKING:
    from pathlib import Path


posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor such files")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Return a kernel that works in `tmp_path`."""
    return Kernel(tmp_path)


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Return the history of `tmp_path`."""
    return History(tmp_path)


# -- what dead processes left ----------------------------------------------------------------------------


def left_behind(kernel: Kernel) -> list[tuple[int, str]]:
    """Return what a history that was never looked at says of it."""
    return [(each.id, each.status) for each in History(kernel.home).left_behind()]


def test_left_behind_is_what_dead_processes_did_not_end(kernel: Kernel) -> None:
    """What lacks an end, and pictures, and whose process is gone; not this process's work, nor a living one's."""
    kernel.ask(1)
    kernel.link(1)
    with OtherKernel(kernel.home, "2", "3") as other:
        living = left_behind(kernel)
        other.kill()
        assert (living, left_behind(kernel)) == ([], [(2, "partial")])


def test_elsewhere_is_what_other_living_processes_work_on(kernel: Kernel, history: History) -> None:
    """What another process has begun and not ended, as long as it lives."""
    kernel.ask(1)
    with OtherKernel(kernel.home, "2", "3") as other:
        living = [each.id for each in history.elsewhere()]
        other.kill()
        assert (living, [each.id for each in history.elsewhere()]) == ([2], [])


def test_left_behind_until_it_is_whole_or_ended(kernel: Kernel) -> None:
    """What has come home since, and what a later kernel has ended, is left behind no more."""
    for number in (1, 2, 3):
        kernel.ask(number)
        kernel.link(number)
    kernel.journal.close()
    later = Kernel(kernel.home)
    before = left_behind(kernel)
    later.land(1)
    later.end(2, "unknown")
    assert (before, left_behind(kernel)) == ([(1, "partial"), (2, "partial"), (3, "partial")], [(3, "partial")])


def test_nothing_left_behind_parses_nothing(kernel: Kernel) -> None:
    """Where everything has an end, the first cell does not wait for the journal to be read."""
    kernel.make(1, "an end: " + '{"event":"intent","id":9,')
    history = History(kernel.home)
    assert list(history.left_behind()) == []
    assert not history._index.is_read  # noqa: SLF001 - that it was not read is the fact


def test_as_the_disk_has_it(kernel: Kernel, history: History) -> None:
    """A picture whose file is gone is missing, with the reason that is known; the others keep their marks."""
    kernel.make(1, pictures=3)
    whole = history.on_disk(1)
    for index in (1, 3):
        (kernel.home / f"0001-{index}.jpg").unlink()
    found = history.on_disk(1, {3: "HTTP 403"})
    assert (whole.status, found.status, [each.mark for each in found]) == ("done", "partial", ["@1.2"])
    assert found.missing == {1: "its file is gone", 3: "HTTP 403"}


# -- journal files that can't be read ----------------------------------------------------------------------


@posix
@pytest.mark.parametrize("fault", ["no file", "leads nowhere"])
def test_a_file_that_can_not_be_read_hides_no_other(kernel: Kernel, history: History, fault: str) -> None:
    """What other files hold is there, and which one could not be read is told."""
    kernel.make(1)
    path = kernel.home / "journal" / "0.jsonl"
    if fault == "no file":
        (path / "full").mkdir(parents=True)
    else:
        path.symlink_to(path.name)
    assert [each.id for each in history] == [1]
    assert list(history.unreadable) == ["0.jsonl"]
    assert left_behind(kernel) == []
    with pytest.raises(IndexError, match=r"0\.jsonl can't be read: "):
        history[7]


def test_a_file_that_can_be_read_again(kernel: Kernel, history: History) -> None:
    """It is read at the next look, and no more is said of it."""
    kernel.make(1)
    path = kernel.home / "journal" / "0.jsonl"
    path.mkdir()
    assert len(history) == 1
    path.rmdir()
    path.write_text('{"event":"end","id":1,"at":"2026","status":"done","v":1}\n', "utf-8")
    assert (len(history), history.unreadable) == (1, {})


# -- sums ------------------------------------------------------------------------------------------------


def test_usage(kernel: Kernel, history: History) -> None:
    """Requests, pictures and costs are added up; so is what failed, what is in doubt and what `--once` saved."""
    kernel.make(1)
    kernel.ask(2)
    kernel.end(2, "failed", cost=0.0)
    kernel.ask(3)
    kernel.end(3, "unknown", cost=None)
    kernel.ask(4, backend="sandbox")
    kernel.link(4, 3)
    kernel.journal.append("once", 1)
    kernel.journal.append("once", 1)
    used = history.usage()
    assert (used.requests, used.pictures, used.imitated, used.running) == (4, 4, 3, 1)
    assert (used.failed, used.unknown, used.unknown_pictures) == (1, 1, 15)
    assert (round(used.spent, 4), used.reused, used.saved) == (0.12, 2, 0.06)


def test_what_the_sandbox_did_not_end_is_not_in_doubt(kernel: Kernel, history: History) -> None:
    """It is told as unknown, and no picture of it as one that may have been billed."""
    for number, backend in ((1, "sandbox"), (2, "novita")):
        kernel.ask(number, backend=backend)
        kernel.end(number, "unknown", cost=None)
    used = history.usage()
    assert (used.unknown, used.unknown_pictures) == (2, 15)


def test_own_usage_is_what_this_process_asked_for(kernel: Kernel, history: History) -> None:
    """What other kernels made is not in it; what this one was shown again is saved, whoever made it."""
    other = Kernel(kernel.home)
    other.make(1)
    other.journal.close()
    kernel.make(2, pictures=2)
    kernel.journal.append("once", 1)
    used = history.usage(own=True)
    assert (used.requests, used.pictures, used.reused, used.saved) == (1, 2, 1, 0.03)


def test_shown_again_changes_nothing_of_it(kernel: Kernel, history: History) -> None:
    """That a result was shown again is counted, and leaves the generation as it was."""
    kernel.make(1)
    before = history[1]
    kernel.journal.append("once", 1)
    assert history[1] is before


def test_a_copy_of_a_file_counts_once(kernel: Kernel, history: History) -> None:
    """A cloud drive's conflict copy of a journal file adds nothing."""
    kernel.make(1, pictures=2)
    kernel.journal.append("once", 1)
    before, path = history.usage(), kernel.journal.path
    assert path is not None
    shutil.copy(path, path.with_name(f"{path.stem} (conflicted copy).jsonl"))
    assert (len(history[1]), history[1].links, history.usage()) == (2, history[1].links, before)
    assert len(history[1].links) == 2


# -- processes that fork -----------------------------------------------------------------------------------


@posix
def test_a_forked_child_does_not_wait_for_its_parents_threads(kernel: Kernel) -> None:
    """A child that is forked while another thread reads the history can read it too."""
    kernel.make(1)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK_WHILE_READING, str(kernel.home)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.stdout == "1\n", ran.stderr


FORK_WHILE_READING = """
import os, pathlib, signal, sys, threading
from seedream_nb.storage.history import History
history = History(pathlib.Path(sys.argv[1]))
held, go = threading.Event(), threading.Event()
def read():
    with history._index.lock:
        held.set()
        go.wait()
threading.Thread(target=read, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    print(history[-1].id, flush=True)
    os._exit(0)
os.waitpid(child, 0)
go.set()
"""


# -- what the service refused for now ----------------------------------------------------------------------


def test_refused_and_never_sent_again(kernel: Kernel) -> None:
    """What a dead process had no chance to send again is left behind, and cost nothing, whatever its clock said."""
    kernel.ask(1, at="2026-11-21T10:00:00+00:00")
    kernel.journal.append("again", 1, tries=2, at="2026-11-21T10:00:03+00:00")
    kernel.journal.append("refused", 1, tries=1, at="2026-11-21T10:00:02+00:00")
    kernel.journal.append("refused", 1, tries=2, at="2026-11-21T10:00:01+00:00")
    kernel.journal.close()
    (left,) = History(kernel.home).left_behind()
    assert (left.status, left.cost) == ("stopped", 0.0)
    assert left.error == "The service refused it for now, and it was not sent again: nothing was billed."


def test_refused_and_sent_again(kernel: Kernel) -> None:
    """What was sent again after the last refusal may have been billed; with links, it was."""
    for number in (1, 2):
        kernel.ask(number)
        kernel.journal.append("refused", number, tries=1)
        kernel.journal.append("again", number, tries=2)
    kernel.link(2)
    kernel.journal.close()
    left = History(kernel.home).left_behind()
    assert [(each.status, each.cost, each.error) for each in left] == [("unknown", None, None), ("partial", 0.03, None)]
