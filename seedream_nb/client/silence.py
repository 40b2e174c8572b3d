"""When to give up what says nothing: after so much silence that this process could have heard an answer in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

STEPS = 10
LATE_SECONDS = 1.0


class Silence:
    """Ends what a deadline holds once nothing was heard for so many seconds.

    Time in which this process itself stood still (a lid closed, a debugger, a paused machine) does not count: an
    answer may have come meanwhile, is paid for, and must be read before anything is given up.
    """

    def __init__(self, deadline: asyncio.Timeout, seconds: float) -> None:
        """Leave the deadline as it is until something is heard for the first time."""
        self._deadline, self._step = deadline, seconds / STEPS
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._left = STEPS

    def hear(self) -> None:
        """Begin to count anew."""
        self._left = STEPS
        if self._timer is None:
            self._deadline.reschedule(None)
            self._wait()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._step, self._look)

    def _look(self) -> None:
        assert self._timer is not None  # noqa: S101 - it is what calls this
        stood_still = self._loop.time() - self._timer.when() > min(self._step, LATE_SECONDS)
        self._left -= 0 if stood_still else 1
        if self._left > 0:
            self._wait()
        else:
            self._deadline.reschedule(self._loop.time())

    def __enter__(self) -> Self:
        """Count within a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Count no more."""
        if self._timer is not None:
            self._timer.cancel()
