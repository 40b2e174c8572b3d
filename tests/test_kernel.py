"""The kernel that tests talk to behaves as a notebook would show it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kernel

LATE = """
import threading, time
from IPython.display import display
handle = display("early", display_id=True)
threading.Timer(0.3, lambda: handle.update("late")).start()
"""

REPLACED = """
from IPython.display import clear_output
print("before")
clear_output(wait=True)
print("after")
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one for all tests that leave it as it was."""
    with Kernel(tmp_path_factory.mktemp("notebook")) as kernel:
        yield kernel


def test_streams_displays_and_the_value(shared: Kernel) -> None:
    """What a cell prints, shows and returns can be told apart."""
    ran = shared.execute("print('hello'); display('shown'); 1 + 1")

    assert (ran.printed, ran.result, ran.error) == ("hello\n", "2", None)
    assert [bundle["text/plain"] for bundle in ran.shown] == ["'shown'", "2"]


def test_an_error_fails_the_cell(shared: Kernel) -> None:
    """An error is told with its name, its words and its lines."""
    error = shared.execute("1 / 0").error

    assert error is not None
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")


def test_a_late_update_finds_its_cell(shared: Kernel) -> None:
    """An update of a display changes the cell that showed it, also after that cell's end."""
    ran = shared.execute(LATE)
    other = shared.execute("2")

    shared.until(lambda: ran.text == "'late'")

    assert other.text == "2"


def test_clearing_waits_for_what_comes_next(shared: Kernel) -> None:
    """Only the output after clear_output(wait=True) stays."""
    assert shared.execute(REPLACED).printed == "after\n"


def test_an_interrupt_ends_a_cell(shared: Kernel) -> None:
    """A cell that is interrupted ends with KeyboardInterrupt."""
    # Short naps: a signal that comes just before a long sleep begins is noticed only after it.
    ran = shared.start("print('begun', flush=True)\nimport time\nwhile True:\n    time.sleep(0.05)")
    shared.until(lambda: ran.printed)

    shared.interrupt()

    assert (ran.wait(5).error or {})["ename"] == "KeyboardInterrupt"


def test_a_killed_kernel_starts_again_in_its_folder(kernel: Kernel, tmp_path: Path) -> None:
    """After a crash a new process runs in the same folder."""
    before = kernel.pid
    kernel.kill()
    kernel.restart()

    assert kernel.pid != before
    assert kernel.execute("import os; os.getcwd()").result == repr(os.path.realpath(tmp_path))
