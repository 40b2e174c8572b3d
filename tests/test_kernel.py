"""The kernel that tests talk to behaves as a notebook would show it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel import Kernel

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


def test_streams_displays_and_the_value(kernel: Kernel) -> None:
    """What a cell prints, shows and returns can be told apart."""
    ran = kernel.execute("print('hello'); display('shown'); 1 + 1")

    assert (ran.printed, ran.result, ran.error) == ("hello\n", "2", None)
    assert [bundle["text/plain"] for bundle in ran.shown] == ["'shown'", "2"]


def test_an_error_fails_the_cell(kernel: Kernel) -> None:
    """An error is told with its name, its words and its lines."""
    error = kernel.execute("1 / 0").error

    assert error is not None
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")


def test_a_late_update_finds_its_cell(kernel: Kernel) -> None:
    """An update of a display changes the cell that showed it, also after that cell's end."""
    ran = kernel.execute(LATE)
    other = kernel.execute("2")

    kernel.until(lambda: ran.text == "'late'")

    assert other.text == "2"


def test_clearing_waits_for_what_comes_next(kernel: Kernel) -> None:
    """Only the output after clear_output(wait=True) stays."""
    assert kernel.execute(REPLACED).printed == "after\n"


def test_an_interrupt_ends_a_cell(kernel: Kernel) -> None:
    """A cell that is interrupted ends with KeyboardInterrupt."""
    # Short naps: a signal that comes just before a long sleep begins is noticed only after it.
    ran = kernel.start("print('begun', flush=True)\nimport time\nwhile True:\n    time.sleep(0.05)")
    kernel.until(lambda: ran.printed)

    kernel.interrupt()

    assert (ran.wait(5).error or {})["ename"] == "KeyboardInterrupt"


def test_a_killed_kernel_starts_again_in_its_folder(kernel: Kernel, tmp_path: Path) -> None:
    """After a crash a new process runs in the same folder."""
    before = kernel.pid
    kernel.kill()
    kernel.restart()

    assert kernel.pid != before
    assert kernel.execute("import os; os.getcwd()").result == repr(os.path.realpath(tmp_path))
