"""The journal: lines that survive whatever happens to their writer."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.storage.journal import MAX_RAW, SILENT_SECONDS, Journal, is_alive, is_own, read, read_lines, unwritten
from tests.journals import Disk

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither modes nor fork")

WRITE_AND_WAIT = """
import pathlib, sys, time
from seedream_nb.storage.journal import Journal
journal = Journal(pathlib.Path(sys.argv[1]))
journal.append("intent", 1)
print(journal.path, flush=True)
time.sleep(60)
"""


def written(journal: Journal) -> Path:
    """Return the file of a journal that has one."""
    assert journal.path is not None
    return journal.path


def test_a_line_per_event(tmp_path: Path) -> None:
    """Each event is one line of JSON with version, event, id and time."""
    journal = Journal(tmp_path)
    journal.append("links", 7, links=["https://x.example/1"], seconds=1.5)
    (line,) = written(journal).read_text("utf-8").splitlines()
    record = json.loads(line)
    at = record.pop("at")
    assert at.endswith("+00:00")
    assert record == {
        "event": "links",
        "id": 7,
        "links": ["https://x.example/1"],
        "seconds": 1.5,
        "v": 1,
    }


def test_no_file_before_the_first_line(tmp_path: Path) -> None:
    """A kernel that only looks leaves no journal file."""
    Journal(tmp_path / "journal")
    assert list(tmp_path.iterdir()) == []


@posix
def test_journal_is_private(tmp_path: Path) -> None:
    """Prompts are nobody else's business: 0600, in a folder of 0700."""
    journal = Journal(tmp_path / "journal")
    journal.append("intent", 1)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (written(journal), tmp_path / "journal")]
    assert modes == [0o600, 0o700]


@pytest.mark.parametrize(
    "prompt", ["雪地里的狐狸", "two\nlines\r\n", "\u2028\x85\x1e", "half \ud83d", '{"v":1}\n,"v":1}']
)
def test_any_text_comes_back(tmp_path: Path, prompt: str) -> None:
    """Any text is kept, line breaks, half characters and imitations of our own lines too."""
    journal = Journal(tmp_path)
    journal.append("intent", 1, template=prompt)
    journal.append("end", 1)
    records, _ = read(written(journal))
    assert [record.get("template") for record in records] == [prompt, None]


def test_readable_without_tools(tmp_path: Path) -> None:
    """A Chinese prompt stands in the file as it is."""
    journal = Journal(tmp_path)
    journal.append("intent", 1, template="狐狸")
    assert "狐狸" in written(journal).read_text("utf-8")


def test_senseless_replies_are_cut(tmp_path: Path) -> None:
    """Of a reply that makes no sense at most 64 000 characters are kept."""
    journal = Journal(tmp_path)
    journal.append("reply", 1, raw="x" * 10_000_000)
    assert len(read(written(journal))[0][0]["raw"]) == MAX_RAW


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    """Lines of several threads don't mix."""
    journal = Journal(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: journal.append("intent", number, template="x" * 5000), range(100)))
    records, _ = read(written(journal))
    assert sorted(record["id"] for record in records) == list(range(100))


def test_reading_goes_on_from_an_offset(tmp_path: Path) -> None:
    """What was read once is not read again."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    _, offset = read(written(journal))
    journal.append("end", 1)
    records, end = read(written(journal), offset)
    assert ([record["event"] for record in records], end) == (["end"], written(journal).stat().st_size)


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 500,
        b"not json",
        b"[1]",
        b'{"v":1}',
        b'{"v":1,"event":"intent","id":true,"at":"x"}',
        b'{"event":"intent","id":1,"at":"2026',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_damaged_lines_are_counted_and_left_out(tmp_path: Path, damage: bytes) -> None:
    """A damaged line costs that line alone."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    line = written(journal).read_bytes()
    (tmp_path / "a").write_bytes(line + damage + b"\n" + line)
    found = read_lines(tmp_path / "a")
    assert ([each.id for each in found.lines], found.damaged) == ([1, 1], 1)


def test_newer_versions_and_events_are_left_out(tmp_path: Path) -> None:
    """Lines of a newer version are counted apart, unknown events pass in silence."""
    journal = Journal(tmp_path)
    journal.append("dream", 1)
    journal.append("intent", 2)
    newer = b'{"v":2,"event":"intent","id":3,"at":"2030-01-01T00:00:00+00:00"}\n'
    (tmp_path / "a").write_bytes(newer + written(journal).read_bytes())
    found = read_lines(tmp_path / "a")
    assert ([each.id for each in found.lines], found.newer, found.damaged) == ([2], 1, 0)


def test_a_newer_version_may_be_spelled_otherwise(tmp_path: Path) -> None:
    """A line whose version is later than ours is no damage, whatever its fields are; one of no version is."""
    (tmp_path / "a").write_bytes(b'{"v":2,"what":"request"}\n{"v":0,"event":"end","id":1,"at":""}\n{"v":true}\n')
    found = read_lines(tmp_path / "a")
    assert (found.lines, found.newer, found.damaged) == ([], 1, 2)


def test_other_spellings_are_read(tmp_path: Path) -> None:
    """A line that somebody reformatted means the same."""
    (tmp_path / "a").write_text('{"v": 1, "id": 4, "event": "end", "at": "2026", "status": "done"}\n', "utf-8")
    assert read(tmp_path / "a")[0][0]["status"] == "done"


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4), st.data())
def test_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject) -> None:
    """A file that is cut at any byte loses what was cut, never a line before it."""
    journal = Journal(tmp_path_factory.mktemp("journal"))
    for number, text in enumerate(texts):
        journal.append("intent", number, template=text)
    content = written(journal).read_bytes()
    journal.close()
    cut = data.draw(st.integers(0, len(content)))
    path = journal.folder / "cut"
    path.write_bytes(content[:cut])
    # A line counts as soon as its JSON is complete, with or without the line break.
    whole = (content[:cut] + b"\n").count(b',"v":1}\n')
    assert [record["template"] for record in read(path)[0]] == texts[:whole]


def test_reading_while_a_line_grows(tmp_path: Path) -> None:
    """A line is read once, however its bytes come in."""
    journal = Journal(tmp_path)
    journal.append("intent", 1, template="狐")
    journal.append("end", 1)
    content, path = written(journal).read_bytes(), tmp_path / "growing"
    events, offset = [], 0
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        records, offset = read(path, offset)
        events += [record["event"] for record in records]
    assert events == ["intent", "end"]


@posix
def test_a_torn_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    """After a write that failed half way the next line is whole again."""
    told = subprocess.run(
        [sys.executable, "-c", TEAR, str(tmp_path)], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    found = read_lines(Path(told.strip()))
    assert ([(each.event, each.id) for each in found.lines], found.damaged) == ([("intent", 1), ("end", 1)], 1)


# A limit on the file's size stands in for a full disk: the write stops half way and raises OSError.
TEAR = """
import pathlib, resource, signal, sys
from seedream_nb.storage.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(pathlib.Path(sys.argv[1]))
journal.append("intent", 1)
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 50, unlimited[1]))
try:
    journal.append("links", 1, links=["x" * 500])
except OSError:
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    journal.append("end", 1)
    print(journal.path)
"""


@posix
def test_a_deleted_file_is_replaced(tmp_path: Path) -> None:
    """When somebody deletes the folder while we work, the next line has a file to stand in."""
    journal = Journal(tmp_path / "journal")
    journal.append("intent", 1)
    written(journal).unlink()
    journal.folder.rmdir()
    journal.append("end", 1)
    assert [record["event"] for record in read(written(journal))[0]] == ["intent", "end"]


@posix
def test_a_moved_file_is_replaced(tmp_path: Path) -> None:
    """A file that somebody moved (network folders do so with deleted ones) is not written to any more."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    written(journal).rename(tmp_path / ".nfs0001")
    journal.append("end", 1)
    assert [record["event"] for record in read(written(journal))[0]] == ["intent", "end"]


def test_a_shortened_file_is_replaced(tmp_path: Path) -> None:
    """When somebody empties the file while a request runs, the next line does not stand there without its request."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    before = written(journal)
    os.truncate(before, 0)
    journal.append("links", 1, links=["https://x.example/1"])
    assert written(journal) != before
    assert [record["event"] for record in read(written(journal))[0]] == ["intent", "links"]


@posix
def test_open_work_is_told_again_in_a_new_file(tmp_path: Path) -> None:
    """A new file begins with all that is known of what has no end yet, and with nothing else."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    journal.append("end", 1)
    journal.append("intent", 2, template="a fox")
    journal.append("links", 2, links=["https://x.example/1"])
    journal.append("file", 7, index=1)
    first = read(written(journal))[0]
    written(journal).unlink()
    journal.append("missing", 2, index=1)
    told = read(written(journal))[0]
    assert told[:2] == [record for record in first if record["id"] == 2]
    assert [(record["event"], record["id"]) for record in told[2:]] == [("missing", 2)]


@posix
def test_a_remade_folder_is_private(tmp_path: Path) -> None:
    """Folders that are made again, home too, are for their owner alone."""
    journal = Journal(tmp_path / "home" / "journal")
    journal.append("intent", 1)
    shutil.rmtree(tmp_path / "home")
    journal.append("end", 1)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home", journal.folder)]
    assert modes == [0o700, 0o700]


def test_seconds_to_the_millisecond(tmp_path: Path) -> None:
    """Seconds are kept to the millisecond: the rest is noise."""
    journal = Journal(tmp_path)
    journal.append("end", 1, seconds=12.345678901)
    assert read(written(journal))[0][0]["seconds"] == 12.346


def test_lines_do_not_wait_for_each_others_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one line waits for a slow disk, the next is written already: then a kill can't take it any more."""
    journal = Journal(tmp_path)
    journal.append("file", 7)
    slow, disk = threading.Semaphore(0), threading.Event()

    def flush(_descriptor: int) -> None:
        slow.release()
        disk.wait(30)

    monkeypatch.setattr(os, "fsync", flush)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(journal.append, event, 1) for event in ("intent", "links")]
        assert slow.acquire(timeout=30)
        assert slow.acquire(timeout=30)
        events = [record["event"] for record in read(written(journal))[0]]
        done = [each.done() for each in waiting]
        disk.set()
    assert (sorted(events), done) == (["file", "intent", "links"], [False, False])


def test_a_journal_is_not_closed_under_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for the lines that wait for the disk."""
    journal = Journal(tmp_path)
    journal.append("file", 7)
    flushing, disk, flushed = threading.Event(), threading.Event(), []
    flush = os.fsync

    def slow(descriptor: int) -> None:
        flushing.set()
        disk.wait(30)
        flush(descriptor)
        flushed.append(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(2) as threads:
        line = threads.submit(journal.append, "intent", 1)
        assert flushing.wait(30)
        closed = threads.submit(journal.close)
        disk.set()
        closed.result(30)
        line.result(30)
    assert len(flushed) == 1


def test_own_file(tmp_path: Path) -> None:
    """A process knows the file that it writes from those of others."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    assert (is_own(written(journal)), is_own(tmp_path / "other.jsonl")) == (True, False)


def test_own_journal_is_alive(tmp_path: Path) -> None:
    """The file that this process writes counts as alive until it is closed."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    path = written(journal)
    alive = is_alive(path)
    journal.close()
    assert (alive, is_alive(path)) == (True, False)


def test_looking_does_not_disturb(tmp_path: Path) -> None:
    """Threads that look at the same dead file all find it dead."""
    journal = Journal(tmp_path)
    journal.append("intent", 1)
    path = written(journal)
    journal.close()
    with ThreadPoolExecutor(8) as threads:
        assert not any(threads.map(lambda _: is_alive(path), range(400)))


def test_missing_file_is_not_alive(tmp_path: Path) -> None:
    """A file that is gone has no writer."""
    assert not is_alive(tmp_path / "gone.jsonl")


def test_killed_writer_is_dead(tmp_path: Path) -> None:
    """A living process holds its journal, a killed one no longer; its lines are there."""
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        path = Path(writer.stdout.readline().strip())
        before = is_alive(path)
        writer.kill()
    assert (before, is_alive(path), len(read(path)[0])) == (True, False, 1)


@posix
@pytest.mark.parametrize(
    ("age", "alive"), [(0, True), (SILENT_SECONDS + 60, False), (-60, True), (-86_400 * 365, False)]
)
def test_a_writer_on_a_disk_without_locks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    age: float,
    alive: bool,
) -> None:
    """Without locks a writer counts as alive for a while after its last line, and not for years if the clock jumps."""
    import fcntl

    def unable(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unable)
    (tmp_path / "other.jsonl").touch()
    os.utime(tmp_path / "other.jsonl", (time.time() - age,) * 2)
    assert is_alive(tmp_path / "other.jsonl") is alive


FORK = """
import os, pathlib, sys, time
from seedream_nb.storage.journal import Journal
journal = Journal(pathlib.Path(sys.argv[1]))
journal.append("intent", 1)
child = os.fork()
if child == 0:
    journal.append("intent", 2)
    print(journal.path, flush=True)
    time.sleep(60)
time.sleep(60)
"""


@posix
def test_forked_child_has_its_own_file(tmp_path: Path) -> None:
    """A forked child writes to a file of its own, and does not keep its parent's alive."""
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        childs = Path(parent.stdout.readline().strip())
        (parents,) = set(tmp_path.glob("*.jsonl")) - {childs}
        parent.kill()
        parent.wait()
        alive = (is_alive(parents), is_alive(childs))
        os.killpg(parent.pid, signal.SIGKILL)
    assert alive == (False, True)
    assert [[record["id"] for record in read(path)[0]] for path in (parents, childs)] == [[1], [2]]


def test_lines_that_the_disk_refused_come_before_the_next(tmp_path: Path) -> None:
    """They go in in their order, each once, however much of them a full disk took before."""
    disk = Disk()
    journal = disk.journal(tmp_path)
    journal.append("intent", 1)
    for takes in (0, 30):
        disk.full_after = takes
        journal.note("links", 1, links=["https://x.example/1"], takes=takes)
    known = [line.event for line in unwritten(tmp_path)]
    disk.full_after = None
    journal.append("intent", 2)
    told = [(record["event"], record.get("takes")) for record in read(written(journal))[0]]
    assert told == [("intent", None), ("links", 0), ("links", 30), ("intent", None)]
    assert (known, unwritten(tmp_path)) == (["links", "links"], [])


def test_a_line_that_may_not_be_sent_without_is_not_kept(tmp_path: Path) -> None:
    """What `append` could not write stays unwritten: who asked for it was told so, and did something else."""
    disk = Disk()
    journal = disk.journal(tmp_path)
    disk.full_after = 0
    with pytest.raises(OSError, match="No space"):
        journal.append("intent", 1)
    disk.full_after = None
    journal.append("intent", 2)
    assert [record["id"] for record in read(written(journal))[0]] == [2]


@posix
def test_unwritten_lines_follow_what_they_belong_to(tmp_path: Path) -> None:
    """If the file is deleted meanwhile, the new one has the whole generation, although it has ended."""
    disk = Disk()
    journal = disk.journal(tmp_path)
    journal.append("intent", 1)
    disk.full_after = 0
    journal.note("links", 1, links=["https://x.example/1"])
    journal.note("end", 1)
    disk.full_after = None
    written(journal).unlink()
    journal.append("intent", 2)
    assert [(each["event"], each["id"]) for each in read(written(journal))[0]] == [
        ("intent", 1), ("links", 1), ("end", 1), ("intent", 2),
    ]  # fmt: skip


# The journal is let go: what is unwritten keeps it. The child has nothing to write, the parent does at its end.
FULL_UNTIL_THE_END = """
import os, pathlib, sys
from tests.journals import Disk
disk = Disk()
journal = disk.journal(pathlib.Path(sys.argv[1]))
journal.append("intent", 1)
disk.full_after = 10
journal.note("links", 1, links=["https://x.example/1"])
disk.full_after = None
if os.fork() == 0:
    journal.append("intent", 2)
    sys.exit()
os.wait()
del journal
"""


@posix
def test_what_is_unwritten_is_tried_once_more_at_the_end(tmp_path: Path) -> None:
    """A process that ends writes what it could not write before, and a child that it forked does not."""
    subprocess.run([sys.executable, "-c", FULL_UNTIL_THE_END, str(tmp_path)], cwd=ROOT, check=True)
    told = [[(each["event"], each["id"]) for each in read(path)[0]] for path in tmp_path.glob("*.jsonl")]
    assert sorted(told) == [[("intent", 1), ("links", 1)], [("intent", 2)]]
