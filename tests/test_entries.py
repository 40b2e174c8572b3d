"""What the journal is told about a request: no line is lost, whatever the disk or a stop does meanwhile."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import seedream_nb
from seedream_nb.jobs.entries import JournalEntry
from seedream_nb.storage.journal import Journal, read, write_all

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Disk(Journal):
    """A journal whose disk can be full, and slow."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty disk that works."""
        super().__init__(folder, write=self.write)
        self.full = False
        self.writing, self.go = threading.Event(), threading.Event()
        self.go.set()

    def write(self, descriptor: int, content: bytes) -> None:
        """Write, when and if the disk can."""
        self.writing.set()
        assert self.go.wait(30)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(descriptor, content)

    def told(self) -> list[str]:
        """Return what it was told, in the order of its lines."""
        assert self.path is not None
        return [record["event"] for record in read(self.path)[0]]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Return the journal."""
    return Disk(tmp_path)


async def begun(disk: Disk) -> JournalEntry:
    """Return a record whose intent is written."""
    record = JournalEntry(disk, home=disk.folder, verbs=None)
    await record.begin(1)
    return record


async def cancelled(disk: Disk, work: Coroutine[Any, Any, None], times: int) -> None:
    """Cancel some work while it writes; the disk goes on only then."""
    disk.writing.clear()
    disk.go.clear()
    task = asyncio.ensure_future(work)
    await asyncio.to_thread(disk.writing.wait, 30)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    disk.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("times", [1, 3])
def test_a_stop_in_the_middle_loses_no_line(disk: Disk, times: int) -> None:
    """Lines that a full disk refused wait; one that is stopped while it is written takes none of them with it."""

    async def tell() -> None:
        record = await begun(disk)
        disk.full = True
        await record.note("links", links=["https://x.example/1"])
        await record.note("file", index=1)
        disk.full = False
        await cancelled(disk, record.note("missing", index=2), times)
        await record.note("end", status="stopped")

    asyncio.run(tell())
    assert disk.told() == ["intent", "links", "file", "missing", "end"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_line_that_is_stopped_and_refused_is_written_later(disk: Disk, times: int) -> None:
    """A full disk and a stop at the same moment: the line waits for the next one."""

    async def tell() -> None:
        record = await begun(disk)
        disk.full = True
        await cancelled(disk, record.note("links", links=["https://x.example/1"]), times)
        disk.full = False
        await record.note("end", status="partial")

    asyncio.run(tell())
    assert disk.told() == ["intent", "links", "end"]


def test_lines_of_several_pictures_are_each_written_once(disk: Disk) -> None:
    """Pictures that land at the same moment, after a disk was full, are each told, and none twice."""

    async def tell() -> None:
        record = await begun(disk)
        disk.full = True
        await record.note("links", links=["https://x.example/1"])
        disk.full = False
        await asyncio.gather(*(record.note("file", index=index) for index in range(1, 9)))

    asyncio.run(tell())
    assert sorted(disk.told()) == ["file"] * 8 + ["intent", "links"]


def test_what_could_not_be_begun_has_no_end(disk: Disk) -> None:
    """A request whose intent the disk refused leaves no line at all, also when there is room again."""

    async def tell() -> None:
        record = JournalEntry(disk, home=disk.folder, verbs=None)
        disk.full = True
        with pytest.raises(OSError, match="No space"):
            await record.begin(1)
        await record.note("end", status="failed")
        disk.full = False
        await (await begun(disk)).note("end", status="done")

    asyncio.run(tell())
    assert disk.told() == ["intent", "end"]


def test_every_line_is_told_by_a_method_of_the_record() -> None:
    """No step of the work names a line itself: which there are stands in one place."""
    steps = [*(Path(seedream_nb.__file__).parent / "jobs").glob("*.py")]
    assert "pipeline.py" in {step.name for step in steps}
    assert [
        step.name for step in steps if step.name != "entries.py" and "record.note(" in step.read_text("utf-8")
    ] == []
