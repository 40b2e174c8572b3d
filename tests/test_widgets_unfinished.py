"""What was under way when a kernel ended, on the panel of the next one: told, fetched, and settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seedream_nb.widgets.drafts import Drafts
from seedream_nb.widgets.state import State
from tests.journals import OtherKernel
from tests.test_widgets import ask

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.session import Session
    from tests.conftest import NewSession

pytestmark = pytest.mark.slow


def panel(session: Session, tmp_path: Path) -> State:
    """Return the state of a panel."""
    return State(session, drafts=Drafts(session, config=tmp_path / "config"))


def left_behind(tmp_path: Path) -> None:
    """Let a kernel die while it downloads."""
    with OtherKernel(tmp_path / "seedream") as other:
        other.kill()


def test_nothing_is_told_where_nothing_was_under_way(new_session: NewSession, tmp_path: Path) -> None:
    """Nor of what another kernel is doing now."""
    with OtherKernel(tmp_path / "seedream"):
        assert panel(new_session(), tmp_path).snapshot()["unfinished"] is None


def test_what_was_paid_for_is_told(new_session: NewSession, tmp_path: Path) -> None:
    """With its prompt, and that its pictures may still be had."""
    left_behind(tmp_path)
    told = panel(new_session(), tmp_path).snapshot()["unfinished"]
    assert told is not None
    assert told["recoverable"]
    assert told["lines"][0].startswith("@1 was paid for, and not all of its pictures have been downloaded: ")


def test_dismissed_it_is_not_told_here_again(new_session: NewSession, tmp_path: Path) -> None:
    """What may still be had is told by the next kernel."""
    left_behind(tmp_path)
    state = panel(new_session(), tmp_path)
    ask(state, "dismiss_unfinished")
    assert state.snapshot()["unfinished"] is None
    assert panel(new_session(), tmp_path).snapshot()["unfinished"] is not None
