"""Waits for what other threads, processes and pages do; and says how long random searches go on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import hypothesis

if TYPE_CHECKING:
    from collections.abc import Callable


def until(
    fact: Callable[[], object],
    seconds: float = 30.0,
    *,
    nap: Callable[[float], object] = time.sleep,
    told: Callable[[], object] = lambda: "",
) -> None:
    """Wait until a fact holds.

    Args:
        fact: what is asked again and again.
        seconds: how long it may take, on a machine that does other things besides.
        nap: lets so many seconds pass; a page has one of its own, in which it goes on.
        told: what the error says when it does not come to be so.
    """
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {seconds} s {told()}")
        nap(0.01)


def tries(usual: int, nightly: int) -> int:
    """Return how often a random search tries: `usual` with every change, `nightly` with that profile of Hypothesis."""
    return nightly if hypothesis.settings.get_current_profile_name() == "nightly" else usual
