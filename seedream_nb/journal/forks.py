"""What a forked child must not inherit: locks that another thread of its parent held, and files of its parent."""

from __future__ import annotations

# First, for what is registered last is called first: else a fork would hold their locks while it waits for us.
import concurrent.futures.thread  # noqa: F401
import logging  # noqa: F401
import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that a forked child starts afresh."""

    def after_fork(self) -> None:
        """Forget, in the child, what belongs to the parent."""


class Sharing(Forked, Protocol):
    """Something of which parent and child go on to share a part."""

    def before_fork(self) -> None:
        """Make ready, in the parent, what is shared; it holds still until `go_on`, or in the child `after_fork`."""

    def go_on(self) -> None:
        """Go on in the parent."""


_inherited: weakref.WeakSet[Forked] = weakref.WeakSet()
_sharing: weakref.WeakSet[Sharing] = weakref.WeakSet()
_one_at_a_time = threading.RLock()
_still: list[Sharing] = []


def afresh_in_child(each: Forked) -> None:
    """Call `after_fork` of it in every child that this process forks, as long as it lives."""
    _inherited.add(each)


def share_with_child(each: Sharing) -> None:
    """Call `before_fork` of it before this process forks a child, then `go_on` here, and `after_fork` in the child."""
    _sharing.add(each)
    _inherited.add(each)


def _before_fork() -> None:
    _one_at_a_time.acquire()
    _still[:] = list(_sharing)
    for each in _still:
        each.before_fork()


def _go_on() -> None:
    for each in _still:
        each.go_on()
    _still.clear()
    _one_at_a_time.release()


def _after_fork() -> None:
    _still.clear()
    _one_at_a_time.release()
    for each in list(_inherited):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_go_on, after_in_child=_after_fork)
