"""Who is told of what other doors do, however their coming and the looks fall together."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from seedream_nb.service import SANDBOX, SEEDREAM_4_0
from seedream_nb.widgets.watcher import watch
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.session import Session


class Watching:
    """Watches until it is told to sleep, and counts what it hears."""

    def __init__(self, session: Session) -> None:
        """Watch this session."""
        self.session, self.is_awake, self.heard = session, True, 0

    def change(self) -> None:
        """Hear that something has changed."""

    def past_changed(self) -> None:
        """Hear that the history has changed."""
        self.heard += 1


class Read:
    """Stands for a session: its history does something while it is read."""

    service, service_host, jobs = SANDBOX, "sandbox", ()

    class settings:  # noqa: N801 - an attribute of sessions
        """Stands for settings."""

        model, get = SEEDREAM_4_0, {"price": 0.03}.get

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.meanwhile: Callable[[], None] = lambda: None
        self.made: list[Any] = []

    @property
    def history(self) -> Any:
        """Return what stands for the history, and do what happens meanwhile."""
        self.meanwhile()
        return Past(self.made)


class Past(list[Any]):
    """Stands for a history."""

    home = "home"

    def starred(self) -> list[Any]:
        """Return that nothing has a star."""
        return []


class Made:
    """Stands for a generation."""

    def __init__(self, number: int) -> None:
        """Number it."""
        self.id, self.status = number, "done"

    def __len__(self) -> int:
        """Have one picture."""
        return 1


@pytest.mark.slow
def test_who_comes_while_the_history_is_read_is_told_of_what_is_new_in_it() -> None:
    """It may have read the history just before that; nobody would tell it later."""
    stand_in = Read()
    session = cast("Session", stand_in)
    first, late = Watching(session), Watching(session)
    watch(first)
    until(lambda: first.heard > 0)
    come = threading.Event()

    def meanwhile() -> None:
        if not come.is_set():
            watch(late)
            stand_in.made.append(Made(1))
            come.set()

    stand_in.meanwhile = meanwhile
    until(lambda: late.heard > 0)
    first.is_awake = late.is_awake = False
