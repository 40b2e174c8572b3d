"""`once`: what was asked before, or is being asked, is not paid for again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import StoppedError
from tests.faults import POST, Links, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.job import Job
    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults import FaultServer, Seen


def until(fact: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def asked_twice(session: Session) -> tuple[Job, Job]:
    """Return two jobs for the same: one on its way, and one that waits for it."""
    first = session.start("a fox", once=True)
    until(lambda: first.sent)
    second = session.start("a fox", once=True)
    until(lambda: second.wait)
    return first, second


@pytest.fixture
def gate(fault_server: FaultServer) -> threading.Event:
    """Let the service answer its first request only once this is set."""
    opened = threading.Event()

    def answer(_: Seen) -> Links:
        assert opened.wait(60)
        return Links()

    fault_server.on(POST, answer, Links())
    return opened


def test_what_is_being_asked_is_not_asked_again(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """A cell that is run again while its request is on its way waits for that one's result."""
    first, second = asked_twice(new_session())
    assert second.wait == "Waiting for @1, which asks for the same…"
    gate.set()
    assert (first.result().id, second.result().id) == (1, 1)
    assert len(fault_server.posts) == 1


def test_who_waits_for_another_can_be_stopped(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """It is withdrawn, at no cost; the other goes on."""
    first, second = asked_twice(new_session())
    second.cancel()
    with pytest.raises(StoppedError, match=r"withdrawn before it was sent\. Nothing was billed"):
        second.result()
    gate.set()
    assert first.result().status == "done"
    assert len(fault_server.posts) == 1


def test_what_failed_is_asked_again(new_session: NewSession, fault_server: FaultServer) -> None:
    """If the one that was waited for fails, the request is sent after all."""
    opened = threading.Event()

    def fail(_: Seen) -> Reply:
        assert opened.wait(60)
        return Reply(status=500)

    fault_server.on(POST, fail, Links())
    first, second = asked_twice(new_session())
    opened.set()
    assert second.result().status == "done"
    assert first.status == "failed"
    assert len(fault_server.posts) == 2


def test_another_request_does_not_wait(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """Only exactly the same request is the same."""
    session = new_session()
    first = session.start("a fox", once=True)
    until(lambda: first.sent)
    assert session.start("a cat", once=True).result().prompt == "a cat"
    gate.set()
    assert first.result().prompt == "a fox"
    assert len(fault_server.posts) == 2
