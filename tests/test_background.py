"""The background loop: one thread, quick answers, and a new one where the old one is gone."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from seedream_nb.background import Background, return_memory
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable


async def _thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_coroutines_run_on_a_thread_of_their_own() -> None:
    """A coroutine runs on the daemon thread, not on the caller's."""
    assert Background().start(_thread_name).result(5) == "seedream"


def test_all_coroutines_share_one_loop() -> None:
    """Two coroutines of one background run on the same loop."""
    background = Background()

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert background.start(loop).result(5) is background.start(loop).result(5)


def test_a_call_returns_what_the_function_returned() -> None:
    """`call` runs a function on the loop's thread and gives its result."""
    assert Background().call(lambda: threading.current_thread().name) == "seedream"


def test_a_call_raises_what_the_function_raised() -> None:
    """An error of the function reaches the caller."""
    with pytest.raises(ZeroDivisionError):
        Background().call(lambda: 1 / 0)


def test_a_call_from_the_loop_itself_does_not_wait_for_itself() -> None:
    """`call` within the loop's own thread runs the function directly."""
    background = Background()

    async def inner() -> int:
        return background.call(lambda: 7)

    assert background.start(inner).result(5) == 7


def test_the_interpreter_ends_although_work_is_going_on() -> None:
    """The thread is a daemon: it keeps no process alive."""
    background = Background()
    background.start(lambda: asyncio.sleep(60))
    until(lambda: [each for each in threading.enumerate() if each.name == "seedream"])
    assert all(each.daemon for each in threading.enumerate() if each.name == "seedream")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back when asked")
def test_memory_that_a_thread_needed_is_given_back() -> None:
    """Shortly after the work, though something that was made later lies above it in the thread's heap."""
    code = """
import asyncio, time
from pathlib import Path
from seedream_nb.background import Background, return_memory_soon
kept = []
def kilobytes():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
def need():
    pieces = [bytes(range(200)) * 5 for _ in range(20_000)]
    kept.append(bytes(range(200)) * 5)
    return kilobytes()
async def work():
    used = await asyncio.to_thread(need)
    return_memory_soon()
    return used
used = Background().start(work).result()
ends = time.monotonic() + 60
while kilobytes() > used - 15_000 and time.monotonic() < ends:
    time.sleep(0.05)
print(kilobytes() <= used - 15_000)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"


def test_returning_memory_may_wait() -> None:
    """Where it takes long because others have the processor, it is done again after the next picture."""
    trims: list[Callable[[int], object]] = [lambda _: time.sleep(0.1)]
    return_memory(trims)
    assert trims != []


def test_returning_memory_may_not_be_much_work() -> None:
    """Where it keeps the processor for long, as with a large notebook, it is not done again."""

    def work(_: int) -> None:
        began = time.thread_time()
        while time.thread_time() - began < 0.1:
            pass

    trims: list[Callable[[int], object]] = [work]
    return_memory(trims)
    assert trims == []
