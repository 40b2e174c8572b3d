"""What a forked child must not inherit: locks that another thread of its parent held, and files of its parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that a forked child starts afresh."""

    def after_fork(self) -> None:
        """Forget, in the child, what belongs to the parent."""


_inherited: weakref.WeakSet[Forked] = weakref.WeakSet()


def afresh_in_child(each: Forked) -> None:
    """Call `after_fork` of it in every child that this process forks, as long as it lives."""
    _inherited.add(each)


def _after_fork() -> None:
    for each in list(_inherited):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
