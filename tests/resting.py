"""Tells when a process has done with all that reached it, and only waits: for time to pass, or for the outside."""

from __future__ import annotations

import re
import time
from pathlib import Path

_SWITCHES = re.compile(r"voluntary_ctxt_switches:\t(\d+)")


def wait_for_rest(process: int, seconds: float = 30.0) -> None:
    """Return when a process rests; raise TimeoutError if it never does, or has ended."""
    deadline = time.monotonic() + seconds
    while not rests(process):
        if time.monotonic() > deadline or not Path(f"/proc/{process}").exists():
            raise TimeoutError(f"Process {process} did not come to rest.")


def rests(process: int) -> bool:
    """Return whether all threads of a process were asleep at one moment: then none is about to wake another.

    A thread that slept at two looks, and was not switched in between, slept all the while; one that writes to a disk
    does not count as asleep. So between the looks all slept at once.
    """
    first = _asleep(process)
    return first is not None and first == _asleep(process)


def _asleep(process: int) -> dict[str, list[str]] | None:
    """Return how often each thread was switched, or None if one of them is not asleep."""
    switches = {}
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            told = (thread / "status").read_text()
            if "\nState:\tS" not in told:
                return None
            switches[thread.name] = _SWITCHES.findall(told)
    except (FileNotFoundError, ProcessLookupError):  # a thread has just ended
        return None
    return switches
