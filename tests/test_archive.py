"""The history: a fold of every kernel's journal, found by id, words, mark and request."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedream_nb.archive import History
from seedream_nb.errors import Problem
from seedream_nb.journal import Journal
from seedream_nb.request import ImageRequest, make_request

ROOT = Path(__file__).parents[1]


@dataclass
class Kernel:
    """Something that writes a journal as the procedure does."""

    home: Path
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Begin a journal."""
        self.journal = Journal(self.home / "journal")

    def ask(self, number: int, prompt: str = "a fox in the snow", **changes: Any) -> ImageRequest:  # noqa: ANN401
        """Write that something was asked."""
        request = make_request(prompt, max_images=15)
        fields = {
            "template": prompt,
            "request": request.to_record(),
            "fingerprint": request.fingerprint,
            "backend": "novita",
            "host": "api.novita.ai",
            "price": 0.03,
        }
        self.journal.append("intent", number, **{**fields, **changes})
        return request

    def link(self, number: int, count: int = 1) -> None:
        """Write that links came."""
        links = [f"https://pictures.example/{number}/{index}" for index in range(count)]
        self.journal.append("links", number, links=links, seconds=1.0)

    def land(self, number: int, index: int = 1) -> None:
        """Write a picture and that it came."""
        path = self.home / f"{number:04}-{index}.jpg"
        path.write_bytes(b"picture")
        fields = {"width": 2, "height": 2, "media_type": "image/jpeg", "sha256": "", "size_bytes": 7}
        self.journal.append("file", number, index=index, path=path.name, **fields)

    def end(self, number: int, status: str = "done") -> None:
        """Write how it ended."""
        self.journal.append("end", number, status=status, seconds=2.0, cost=0.03, error=None)

    def make(self, number: int, prompt: str = "a fox in the snow", pictures: int = 1) -> ImageRequest:
        """Write a whole generation."""
        request = self.ask(number, prompt)
        self.link(number, pictures)
        for index in range(1, pictures + 1):
            self.land(number, index)
        self.end(number)
        return request


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
        ("@fox", "no mark: write @3, @3.2 or @last"),
        ("@-1", "no mark"),
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
    command = [sys.executable, "-c", OTHER_KERNEL, str(kernel.home)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        living = [each.id for each in history.lacking()]
        other.kill()
        other.wait()
        assert (living, [each.id for each in history.lacking()]) == ([2], [1, 2])


# It has begun 1 and 2, has links for both, and has ended 2.
OTHER_KERNEL = """
import pathlib, sys
from tests.test_archive import Kernel
kernel = Kernel(pathlib.Path(sys.argv[1]))
for number in (1, 2):
    kernel.ask(number)
    kernel.link(number)
kernel.end(2, "partial")
print("ready", flush=True)
sys.stdin.read()
"""


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
    command = [sys.executable, "-c", OTHER_KERNEL, str(kernel.home)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        before = history[1].status
        other.kill()
        other.wait()
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


@dataclass(frozen=True)
class Step:
    """One line that a kernel wrote, for the simple model: what it says, and where it ends in its file."""

    kernel: int
    event: str
    id: int
    index: int
    ends: int


def outcome(steps: list[Step], alive: set[int]) -> dict[int, tuple[str, set[int]]]:
    """Say by the simplest rules what the history must tell: by id, the status and the pictures that are here."""
    told = {}
    for number in sorted({step.id for step in steps if step.event == "intent"}):
        mine = [step for step in steps if step.id == number]
        here = {step.index for step in mine if step.event == "file"}
        links = max((step.index for step in mine if step.event == "links"), default=0)
        begun_by = next(step.kernel for step in mine if step.event == "intent")
        ended = any(step.event == "end" for step in mine)
        works = begun_by in alive and not ended
        whole = bool(links) and here >= set(range(1, links + 1))
        if works:
            status = "downloading" if links else "generating"
        elif whole:
            status = "done"
        elif ended:
            status = "failed"
        else:
            status = "partial" if links or here else "unknown"
        told[number] = (status, here)
    return told


def seen(history: History) -> dict[int, tuple[str, set[int]]]:
    """Return what a history tells, in the model's terms."""
    return {each.id: (each.status, {int(picture.mark.rpartition(".")[2]) for picture in each}) for each in history}


class World:
    """Kernels that share a home, and the model beside them."""

    def __init__(self, home: Path) -> None:
        """Begin with two kernels and nothing written."""
        self.home = home
        self.kernels = [Kernel(home), Kernel(home)]
        self.paths: dict[int, Path] = {}
        self.alive = {0, 1}
        self.steps: list[Step] = []
        self.history = History(home)

    def write(self, kernel: int, event: str, number: int, index: int) -> None:
        """Let a living kernel write a line, in the way of the procedure: what is asked comes first, once."""
        asked = any(step.event == "intent" and step.id == number for step in self.steps)
        if kernel not in self.alive or asked == (event == "intent"):
            return
        writer = self.kernels[kernel]
        match event:
            case "intent":
                writer.ask(number)
            case "links":
                writer.link(number, index)
            case "file":
                writer.land(number, index)
            case "missing":
                writer.journal.append("missing", number, index=index, reason="expired")
            case _:
                writer.end(number, "failed")
        path = writer.journal.path
        assert path is not None
        self.paths[kernel] = path
        self.steps.append(Step(kernel, event, number, index, path.stat().st_size))

    def die(self, kernel: int, torn: bytes) -> None:
        """Kill a kernel in the middle of a line, of which `torn` is on disk; another takes its place."""
        self.kernels[kernel].journal.close()
        self.alive.discard(kernel)
        if kernel in self.paths:
            with self.paths[kernel].open("ab") as file:
                file.write(torn)
        self.alive.add(len(self.kernels))
        self.kernels.append(Kernel(self.home))

    def cut(self, kernel: int, share: float) -> None:
        """Cut a dead kernel's file at any byte: a line without its break is still whole."""
        if kernel in self.alive or kernel not in self.paths:
            return
        path = self.paths[kernel]
        length = int(share * path.stat().st_size)
        path.write_bytes(path.read_bytes()[:length])
        self.steps = [step for step in self.steps if step.kernel != kernel or step.ends - 1 <= length]

    def check(self) -> None:
        """Compare the model with the history that followed all along, and with one read afresh."""
        expected = outcome(self.steps, self.alive)
        assert seen(self.history) == expected
        assert seen(History(self.home)) == expected


KERNELS, IDS, INDEXES = st.integers(0, 4), st.integers(1, 4), st.integers(1, 3)
TORN = st.binary(max_size=20).map(lambda rest: b'{"event":"intent","id":9,"at":"2026"' + rest.replace(b"\n", b""))
EVENTS = st.sampled_from(["intent", "intent", "links", "file", "file", "missing", "end"])
STEPS = st.one_of(
    st.tuples(st.just("write"), KERNELS, EVENTS, IDS, INDEXES),
    st.tuples(st.just("write"), KERNELS, EVENTS, IDS, INDEXES),
    st.tuples(st.just("die"), KERNELS, st.one_of(st.just(b""), TORN)),
    st.tuples(st.just("cut"), KERNELS, st.floats(0, 1)),
    st.tuples(st.just("check")),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_history_agrees_with_a_simple_model(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    """Whatever kernels write, however they die and files are cut, the history tells what is on disk."""
    world = World(tmp_path_factory.mktemp("home"))
    for name, *arguments in steps:
        if name == "die" and arguments[0] not in world.alive:
            continue
        getattr(world, name)(*arguments)
    world.check()
    for kernel in sorted(world.alive):
        world.die(kernel, b"")
    world.check()
