"""What is left of downloads: taken over from the dead, never from the living, and kept aside in the end."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from seedream_nb.http.partial import restart_path, state_path
from seedream_nb.jobs.downloads import ABANDONED_SECONDS, keep_abandoned, keep_rejected, resumed_part
from seedream_nb.storage.journal import Journal
from seedream_nb.storage.store import Store
from tests.journals import OtherKernel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return the files of a home."""
    opened = Store(tmp_path)
    opened.open()
    return opened


def left_by(process: int, store: Store, *, age: float = 0.0, content: bytes = b"half") -> Path:
    """Write what a process leaves of picture 2 of generation 1."""
    path = store.journal / "partial" / f"0001-2.abc123-{process}.part"
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_what_a_dead_process_left_is_gone_on_with(store: Store) -> None:
    """The part, and how to go on from it, are taken over; other pictures' parts are not."""
    with OtherKernel(store.home) as other:
        left, process = left_by(other.number, store), other.number
    state_path(left).write_bytes(b"{}")
    assert not resumed_part(store, 1, 3).exists()
    part = resumed_part(store, 1, 2)
    assert (part.read_bytes(), state_path(part).read_bytes(), left.exists()) == (b"half", b"{}", False)
    assert str(process) not in part.name


def test_what_a_living_process_downloads_is_its_own(store: Store) -> None:
    """Nothing is taken from it, and nothing kept aside, though a clock that jumped makes it seem old."""
    with OtherKernel(store.home) as other:
        left = left_by(other.number, store, age=2 * ABANDONED_SECONDS)
        part = resumed_part(store, 1, 2)
        keep_abandoned(store)
        assert (left.read_bytes(), part.exists()) == (b"half", False)


def test_a_process_that_only_recovers_shows_that_it_lives(store: Store) -> None:
    """A journal that has no line yet tells it too."""
    journal = Journal(store.journal)
    journal.open()
    left = left_by(os.getpid(), store, age=2 * ABANDONED_SECONDS)
    keep_abandoned(store)
    alive = left.exists()
    journal.close()
    keep_abandoned(store)
    assert (alive, left.exists()) == (True, False)


@pytest.mark.parametrize(("age", "kept"), [(0.0, False), (ABANDONED_SECONDS + 60, True)])
def test_what_nobody_goes_on_with_is_kept_aside(
    store: Store,
    age: float,
    kept: bool,
) -> None:
    """A day after its process died, what came of a picture goes to where nothing is deleted."""
    left = left_by(2**22 + 1, store, age=age)  # beyond the numbers that processes have
    state_path(left).write_bytes(b"{}")
    keep_abandoned(store)
    assert (left.exists(), state_path(left).exists(), store.kept(1, 2).exists()) == (not kept, not kept, kept)
    assert keep_rejected(store, 1, 2) == ("journal/kept/0001-2.bin" if kept else None)


def test_most_of_what_the_dead_left_is_gone_on_with(store: Store) -> None:
    """Where several processes left a part of one picture, the largest is taken over."""
    for process, content in ((2**22 + 1, b"much of it"), (2**22 + 2, b"less")):
        left_by(process, store, content=content)
    assert resumed_part(store, 1, 2).read_bytes() == b"much of it"


def test_a_folder_in_the_place_of_a_part(store: Store) -> None:
    """It goes aside, with all in it, and there is room for the picture."""
    part = store.partial(1, 2)
    part.mkdir()
    (part / "mine").write_bytes(b"mine")
    assert not resumed_part(store, 1, 2).exists()
    assert [path.read_bytes() for path in part.parent.rglob("mine")] == [b"mine"]


def test_a_new_beginning_goes_with_its_part(store: Store) -> None:
    """What stands beside a part, and is less, does not outlive it."""
    for process in (2**22 + 1, 2**22 + 2):
        restart_path(left_by(process, store, age=2 * ABANDONED_SECONDS)).write_bytes(b"less")
    resumed_part(store, 1, 2)
    keep_abandoned(store)
    assert list(store.journal.glob("partial/*.new")) == []


def test_nothing_is_kept_of_nothing(store: Store) -> None:
    """A part that is empty goes."""
    left = left_by(2**22 + 1, store, age=2 * ABANDONED_SECONDS, content=b"")
    keep_abandoned(store)
    assert (left.exists(), store.kept(1, 2).exists()) == (False, False)


def test_what_can_be_gone_on_with_is_not_kept_aside(store: Store) -> None:
    """As long as the next try goes on from a part, it stays where it is."""
    part = store.partial(1, 2)
    part.write_bytes(b"half")
    state_path(part).write_bytes(b"{}")
    before = keep_rejected(store, 1, 2)
    state_path(part).unlink()
    assert (before, keep_rejected(store, 1, 2), part.exists()) == (None, "journal/kept/0001-2.bin", False)
