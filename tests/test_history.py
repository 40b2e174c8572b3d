"""The history: a fold of every kernel's journal, found by id, words, mark and request."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedream_nb.errors import Problem, SeedreamError
from seedream_nb.request import make_request
from seedream_nb.storage.history import History
from tests.journals import Kernel, OtherKernel

ROOT = Path(__file__).parents[1]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Return a kernel that works in `tmp_path`."""
    return Kernel(tmp_path)


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Return the history of `tmp_path`."""
    return History(tmp_path)


def test_empty(history: History) -> None:
    """A home that does not exist yet has an empty history, which says so."""
    assert (len(history), list(history), repr(history)) == (0, [], "No pictures yet.")


def test_by_id(kernel: Kernel, history: History) -> None:
    """`history[3]` is the generation with id 3, `history[-1]` the newest; iteration is oldest first."""
    for number in (3, 1, 7):
        kernel.make(number)
    assert (history[3].id, history[-1].id, history[-3].id) == (3, 7, 1)
    assert [each.id for each in history] == [1, 3, 7]
    assert [each.id for each in reversed(history)] == [7, 3, 1]
    assert [each.id for each in history[-2:]] == [3, 7]


@pytest.mark.parametrize("number", [0, 2, 4, -3])
def test_no_such_generation(kernel: Kernel, history: History, number: int) -> None:
    """An id that is not there is an IndexError, which names the range."""
    kernel.make(1)
    kernel.make(3)
    with pytest.raises(IndexError, match="from 1 to 3"):
        history[number]


ODD_KEYS: list[Any] = ["3", "@3", None, 1.5, (1, 2), {}, b"3", slice("1", "3"), slice(None, None, 0), np.ones(2)]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_what_is_no_number_in_brackets(kernel: Kernel, history: History, key: Any) -> None:
    """What stands in brackets and is no number is refused in a sentence that says what to write."""
    kernel.make(1)
    for sequence, remedy in ((history, "history[3]"), (history[:], "[0]"), (history[1], "[0]")):
        with pytest.raises(TypeError, match=re.escape(remedy)) as caught:
            sequence[key]
        assert isinstance(caught.value, SeedreamError)


@pytest.mark.parametrize("number", [10**30, -(10**30), 10**5000], ids=["large", "below", "unprintable"])
def test_a_number_beyond_any(kernel: Kernel, history: History, number: int) -> None:
    """A number beyond any is not there either, and a sentence says so."""
    kernel.make(1)
    for sequence in (history, history[:], history[1]):
        with pytest.raises(IndexError, match=r"There is no|has no picture") as caught:
            sequence[number]
        assert isinstance(caught.value, SeedreamError)


def test_numbers_of_a_table(kernel: Kernel, history: History) -> None:
    """A whole number is an id whatever its type: numpy's, and the floats of a table with gaps."""
    kernel.make(3)
    assert history[np.int64(3)] is history[3.0] is history[3]  # type: ignore[call-overload]


@pytest.mark.parametrize("words", [None, 3, b"fox", ["fox"]])
def test_words_to_search_for_are_text(history: History, words: Any) -> None:
    """What is no text can't be searched for: a sentence says what to write."""
    with pytest.raises(TypeError, match=re.escape('history.search("fox")')):
        history.search(words)


@pytest.mark.parametrize("mark", [None, 3, b"@3", ["@3"]])
def test_marks_are_text(history: History, mark: Any) -> None:
    """What is no text is no mark."""
    with pytest.raises(Problem, match=re.escape("write @3, @3.2 or @last")):
        history.generation(mark)


def test_it_follows_the_journal(kernel: Kernel, history: History) -> None:
    """What any kernel writes is there at the next look."""
    kernel.ask(1)
    assert history[1].status == "generating"
    kernel.link(1)
    assert history[1].status == "downloading"
    kernel.land(1)
    kernel.end(1)
    other = Kernel(kernel.home)
    other.make(2)
    assert [each.status for each in history] == ["done", "done"]


def test_a_restart_changes_nothing(kernel: Kernel, history: History) -> None:
    """A later kernel reads the same history."""
    kernel.make(1)
    kernel.make(2, pictures=3)
    assert list(History(kernel.home)) == list(history)


def test_a_dead_kernels_work(kernel: Kernel, history: History) -> None:
    """What a dead kernel left open is partial with links, and unknown without."""
    kernel.ask(1)
    kernel.ask(2)
    kernel.link(2)
    kernel.journal.close()
    assert [each.status for each in history] == ["unknown", "partial"]


def test_a_later_kernel_completes_it(kernel: Kernel, history: History) -> None:
    """Pictures that a later kernel recovers make the generation whole."""
    kernel.ask(1)
    kernel.link(1, 2)
    kernel.land(1, 1)
    kernel.journal.close()
    before = history[1]
    Kernel(kernel.home).land(1, 2)
    assert (before.status, len(before)) == ("partial", 1)
    assert (history[1].status, len(history[1]), list(history.unfinished())) == ("done", 2, [])


def test_home_moved_elsewhere(kernel: Kernel) -> None:
    """A home that was moved finds its pictures where they are now."""
    kernel.make(1)
    kernel.journal.close()
    moved = kernel.home.rename(kernel.home.with_name("elsewhere"))
    assert History(moved)[1][0].to_bytes() == b"picture"


def test_truncated_journal(kernel: Kernel, history: History) -> None:
    """A journal file that became shorter is read anew."""
    kernel.make(1)
    kernel.make(2)
    assert len(history) == 2
    path = kernel.journal.path
    assert path is not None
    path.write_bytes(path.read_bytes()[:-1200])
    assert [each.id for each in history] == [each.id for each in History(kernel.home)]


def test_deleted_journal(kernel: Kernel, history: History) -> None:
    """What was deleted from the journal is gone from the history."""
    kernel.make(1)
    other = Kernel(kernel.home)
    other.make(2)
    assert len(history) == 2
    path = kernel.journal.path
    kernel.journal.close()
    assert path is not None
    path.unlink()
    assert [each.id for each in history] == [2]


@pytest.mark.parametrize("loss", ["became shorter", "disappeared"])
def test_a_journal_file_that_lost_something_is_told_once(kernel: Kernel, history: History, loss: str) -> None:
    """A sentence says which journal file became shorter or disappeared, and what to do; after that it is known."""
    kernel.make(1)
    path = lose(kernel, history, loss)
    told = " ".join(history.untold_loss())
    assert f"{path.name} {loss}" in told
    assert f"put it back into {path.parent}" in told
    assert not history.untold_loss()


def test_every_loss_is_told(kernel: Kernel, history: History) -> None:
    """A second file that loses something is told too."""
    lose(kernel, history, "disappeared")
    history.untold_loss()
    other = Kernel(kernel.home)
    other.make(2)
    path = lose(other, history, "became shorter")
    assert path.name in " ".join(history.untold_loss())


def test_a_journal_file_that_is_back_is_not_missed(kernel: Kernel, history: History) -> None:
    """When the file is put back, its generations are there and no loss is told any more."""
    kernel.make(1)
    path = kernel.journal.path
    assert path is not None
    copy = path.read_bytes()
    assert len(history) == 1
    kernel.journal.close()
    path.unlink()
    assert len(history) == 0
    assert history.shortened
    path.write_bytes(copy)
    assert [each.id for each in history] == [1]
    assert (list(history.shortened), list(history.untold_loss())) == ([], [])


def lose(kernel: Kernel, history: History, loss: str) -> Path:
    """Read the history, cut or delete a kernel's journal file, and read it again; return the file."""
    kernel.ask(9)
    path = kernel.journal.path
    assert path is not None
    assert 9 in [each.id for each in history]
    kernel.journal.close()
    path.unlink() if loss == "disappeared" else os.truncate(path, 10)
    assert 9 not in [each.id for each in history]
    return path


def test_unreadable_generation_is_left_out(kernel: Kernel, history: History) -> None:
    """A line that looks whole and is not costs its generation, and nothing else."""
    kernel.make(1)
    kernel.make(2)
    kernel.ask(3, request={"prompt": None})
    assert [each.id for each in history] == [1, 2]
    assert [each.id for each in reversed(history)] == [2, 1]
    assert (history[-1].id, len(history)) == (2, 2)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("fox", [1, 2]),
        ("SNOW fox", [1]),
        ("snow moon", []),
        ("", [1, 2, 3]),
        ("straße", [3]),
        ("STRASSE", [3]),
        ('"quoted"', [2]),
        ("{animal}", [2]),
        ("api.novita.ai", []),
    ],
)
def test_search(kernel: Kernel, history: History, words: str, found: list[int]) -> None:
    """A search finds all its words, in any case and order, in prompt and template, and nowhere else."""
    kernel.make(1, "A fox in the snow")
    kernel.ask(2, 'The "quoted" FOX\non the moon', template='The "quoted" {animal}')
    kernel.make(3, "Eine Straße 雪")
    assert [each.id for each in history.search(words)] == found


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("@1", ["@1.1", "@1.2"]),
        ("@1.2", ["@1.2"]),
        ("@last", ["@2.1"]),
        (" @LAST.1 ", ["@2.1"]),
        ("1.1", ["@1.1"]),
    ],
)
def test_marked(kernel: Kernel, history: History, mark: str, expected: list[str]) -> None:
    """A mark names all pictures of a generation, one of them, or all of the newest that has any."""
    kernel.make(1, pictures=2)
    kernel.make(2)
    kernel.ask(3)
    kernel.end(3, "failed")
    assert [each.mark for each in history.marked(mark)] == expected


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("@7", "no such generation; the history goes from 1 to 2"),
        ("@1.3", "@1 has @1.1, @1.2"),
        ("@2", "@2 has no pictures (failed)"),
        ("@fox", "not a mark: write @3, @3.2 or @last"),
        ("@-1", "not a mark"),
    ],
)
def test_marked_without_a_picture(kernel: Kernel, history: History, mark: str, told: str) -> None:
    """A mark without a picture is a problem of the reference, which says what there is."""
    kernel.make(1, pictures=2)
    kernel.ask(2)
    kernel.end(2, "failed")
    with pytest.raises(Problem) as caught:
        history.marked(mark)
    assert caught.value.reference
    assert told in str(caught.value)


def test_last_of_nothing(history: History) -> None:
    """`@last` in an empty history is a problem too."""
    with pytest.raises(Problem, match="no generation has pictures yet"):
        history.marked("@last")


def test_generation_of_a_mark(kernel: Kernel, history: History) -> None:
    """A picture's mark names its generation too."""
    kernel.make(1, pictures=2)
    assert history.generation("@1.2") == history[1]


def test_same(kernel: Kernel, history: History) -> None:
    """The newest complete result of exactly this request is found, of this backend and host only."""
    request = kernel.make(1)
    kernel.make(2)
    kernel.make(3, "another")
    found = history.same(request.fingerprint, "novita", "api.novita.ai")
    assert found is not None
    assert found.id == 2
    assert history.same(request.fingerprint, "sandbox", "api.novita.ai") is None
    assert history.same(request.fingerprint, "novita", "elsewhere.example") is None
    assert history.same("0" * 64, "novita") is None


@pytest.mark.parametrize("lost", ["deleted", "shorter"])
def test_same_needs_its_files(kernel: Kernel, history: History, lost: str) -> None:
    """A result whose file is gone or changed is no result to show again."""
    request = kernel.make(1)
    path = history[1][0].path
    path.unlink() if lost == "deleted" else path.write_bytes(b"")
    assert history.same(request.fingerprint, "novita") is None


def test_same_needs_all_pictures(kernel: Kernel, history: History) -> None:
    """A partial result is not the result."""
    request = kernel.ask(1)
    kernel.link(1, 2)
    kernel.land(1, 1)
    kernel.end(1, "partial")
    assert history.same(request.fingerprint, "novita") is None


def test_unfinished(kernel: Kernel, history: History) -> None:
    """Unfinished is what lacks pictures or an end, and what no living kernel works on."""
    kernel.make(1)
    kernel.ask(2)
    kernel.end(2, "failed")
    kernel.ask(3)
    kernel.link(3, 2)
    kernel.end(3, "partial")
    dead = Kernel(kernel.home)
    dead.ask(4)
    dead.ask(5)
    dead.link(5)
    dead.journal.close()
    kernel.ask(6)
    assert [(each.id, each.status) for each in history.unfinished()] == [
        (3, "partial"),
        (4, "unknown"),
        (5, "partial"),
    ]


def test_lacking_is_what_is_not_on_disk(kernel: Kernel, history: History) -> None:
    """Lacking is what has links and not all its files, whatever the journal says of it."""
    kernel.make(1)
    kernel.make(2, pictures=2)
    (kernel.home / "0002-2.jpg").unlink()
    kernel.ask(3)
    kernel.link(3, 2)
    kernel.land(3, 2)
    kernel.end(3, "partial")
    kernel.ask(4)
    kernel.end(4, "failed")
    kernel.ask(5)
    kernel.link(5)
    kernel.journal.append("missing", 5, index=1, reason="expired")
    kernel.end(5, "failed")
    assert [each.id for each in history.lacking()] == [2, 3, 5]


def test_lacking_leaves_running_jobs_alone(kernel: Kernel) -> None:
    """What a job of this process works on is not lacking; what such a job left without an end is."""
    for number in (1, 2, 3):
        kernel.ask(number)
        kernel.link(number)
    history = History(kernel.home, running=lambda: {1})
    assert [each.id for each in history.lacking(running=[2])] == [3]


def test_lacking_leaves_other_kernels_alone(kernel: Kernel, history: History) -> None:
    """What another living process has begun and not ended is its own to fetch; what it ended is not."""
    with OtherKernel(kernel.home) as other:
        living = [each.id for each in history.lacking()]
        other.kill()
        assert (living, [each.id for each in history.lacking()]) == ([2], [1, 2])


def test_lacking_knows_pictures_that_were_lost_from_the_journal(kernel: Kernel, history: History) -> None:
    """A generation that is done by its end, but for a line about a picture, lacks that picture."""
    kernel.ask(1)
    kernel.link(1, 2)
    kernel.land(1, 1)
    kernel.end(1)
    assert [each.id for each in history.lacking()] == [1]


@pytest.mark.parametrize(("running", "status"), [({1}, "downloading"), (set(), "partial")])
def test_own_work_is_alive_while_its_job_is(kernel: Kernel, running: set[int], status: str) -> None:
    """In this process a generation without an end is running only as long as its job is."""
    kernel.ask(1)
    kernel.link(1)
    assert History(kernel.home, running=lambda: running)[1].status == status


def test_own_work_that_a_job_left_is_unfinished(kernel: Kernel) -> None:
    """When its job is gone, without an end, it is told as unfinished and can be fetched."""
    kernel.ask(1)
    kernel.link(1)
    jobs = {1}
    history = History(kernel.home, running=lambda: jobs)
    before = list(history.unfinished())
    jobs.clear()
    assert (before, [each.id for each in history.unfinished()]) == ([], [1])


def test_other_kernels_work_is_alive_while_their_process_is(kernel: Kernel) -> None:
    """Jobs of this process say nothing about other processes: there the lock on the journal counts."""
    history = History(kernel.home, running=set)
    with OtherKernel(kernel.home) as other:
        before = history[1].status
        other.kill()
        assert (before, history[1].status) == ("downloading", "partial")


def test_deleted_home_during_a_request(kernel: Kernel, history: History) -> None:
    """When home is deleted while a request runs, what comes afterwards is still a whole generation."""
    kernel.ask(1)
    kernel.link(1)
    shutil.rmtree(kernel.home)
    kernel.home.mkdir()
    kernel.land(1)
    kernel.end(1)
    assert [(each.id, each.status, len(each)) for each in history] == [(1, "done", 1)]


def test_same_compares_the_fingerprint_itself(kernel: Kernel, history: History) -> None:
    """A prompt that quotes a fingerprint is not the request that has it."""
    fingerprint = make_request("another", max_images=15).fingerprint
    kernel.make(1, f"a fox with {fingerprint}")
    assert history.same(fingerprint, "novita") is None


def test_repr_is_a_short_table(kernel: Kernel, history: History) -> None:
    """As text the history is a table of the newest, with a word about the rest."""
    for number in range(1, 23):
        kernel.make(number)
    lines = repr(history).splitlines()
    assert (len(lines), lines[0].split(), lines[-1]) == (
        21,
        ["@22", "done", "1", "a", "fox", "in", "the", "snow"],
        "and 2 more",
    )


def test_newer_and_damaged_lines_are_counted(kernel: Kernel, history: History) -> None:
    """Lines that can't be used are counted, so that a person can be told."""
    kernel.make(1)
    newer = b'{"v":2,"event":"intent","id":3,"at":"2030-01-01T00:00:00+00:00"}\n'
    (kernel.home / "journal" / "a.jsonl").write_bytes(newer + b"damage\n")
    assert (len(history), history.newer, history.damaged) == (1, 1, 1)


@pytest.mark.slow
def test_threads_may_read_while_another_writes(kernel: Kernel, history: History) -> None:
    """A look at the history is whole at any moment, from any thread."""
    faults: list[Exception] = []
    stop = threading.Event()

    def look() -> None:
        try:
            while not stop.is_set():
                ids = [each.id for each in history]
                found = [each.id for each in history.search("fox")]
                assert ids == list(range(1, len(ids) + 1)) == found[: len(ids)]
        except Exception as fault:  # noqa: BLE001 - whatever it is, the test fails
            faults.append(fault)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 31):
        kernel.make(number)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
