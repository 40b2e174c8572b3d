"""Interrupts that strike outside of the wait for a job: what was sent is told in any case."""

from __future__ import annotations

import linecache
import sys
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.errors import StoppedError
from seedream_nb.storage.generation import Generation
from tests.waiting import until

if TYPE_CHECKING:
    from types import FrameType

    from tests.conftest import NewSession
    from tests.faults.server import FaultServer


class Strike:
    """Interrupts this thread at a line of ours, the nth that it comes to; not where a lock is taken, as Python."""

    def __init__(self, nth: int) -> None:
        """Count from here."""
        self.left = nth

    def __call__(self, frame: FrameType, _event: str, _value: object) -> Any:
        """Follow our own code from the call of a verb on."""
        return self.line if frame.f_globals.get("__name__") in {"seedream_nb.session", "seedream_nb.compose"} else None

    def line(self, frame: FrameType, event: str, _value: object) -> Any:
        """Count a line."""
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        # What strikes a generator that is left half-way, as `any` does, is swallowed by Python itself.
        is_within = frame.f_code.co_name not in {"edit", "run_again", "<genexpr>"}
        if is_within and event in {"line", "return"} and not text.startswith("with "):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self.line


@pytest.mark.parametrize(
    "verb", [Generation.edit, lambda made, prompt: made.rerun(prompt=prompt)], ids=["edit", "rerun"]
)
@pytest.mark.slow
def test_at_whatever_line_a_verb_of_a_result_is_stopped_the_message_is_true(
    new_session: NewSession, fault_server: FaultServer, verb: Any
) -> None:
    """It is told in a sentence whether something was sent, also before and after the wait."""
    session = new_session()
    made, before = session.start("a fox").result(), sys.gettrace()
    for nth in range(6, 10_000, 7):
        strike, sent, error = Strike(nth), len(fault_server.posts), None
        sys.settrace(strike)
        try:
            verb(made, f"fox {nth}")
        except KeyboardInterrupt as struck:
            error = struck
        finally:
            sys.settrace(before)
        until(lambda: all(job.over for job in session.jobs))
        if strike.left > 0:
            break
        assert isinstance(error, StoppedError), (nth, error)
        assert ("Nothing was billed" in str(error)) == (len(fault_server.posts) == sent), (nth, error)
    assert nth > 30
