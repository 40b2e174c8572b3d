"""Idle timeouts, which count only time in which this process was able to receive an answer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from types import TracebackType
    from typing import Self

STEPS = 10
LATE_SECONDS = 1.0
MIN_BYTES = 1_000_000
"""What must be transferred within `Timeouts.crawl`."""


class IdleTimeout:
    """Expires a deadline when nothing was received for a number of seconds.

    Time in which this process was suspended (a lid closed, a debugger, a paused machine) does not count: a reply that
    is paid for may have arrived meanwhile, and must be read before giving up.
    """

    def __init__(self, deadline: asyncio.Timeout, seconds: float) -> None:
        """Leave the deadline as it is until the first reset.

        Attributes:
            over: whether it has expired the deadline.
        """
        self.expired = False
        self._deadline, self._step = deadline, seconds / STEPS
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._left = STEPS

    def hear(self) -> None:
        """Start counting again."""
        self._left = STEPS
        if self._timer is None:
            self._deadline.reschedule(None)
            self._wait()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._step, self._check)

    def _check(self) -> None:
        assert self._timer is not None  # noqa: S101 - this is its callback
        stood_still = self._loop.time() - self._timer.when() > min(self._step, LATE_SECONDS)
        self._left -= 0 if stood_still else 1
        if self._left > 0:
            self._wait()
        else:
            self.expired = True
            self._deadline.reschedule(self._loop.time())

    def __enter__(self) -> Self:
        """Count within a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop counting."""
        if self._timer is not None:
            self._timer.cancel()


async def until_quiet(
    pieces: AsyncGenerator[bytes, None], seconds: float, is_all: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """Yield the pieces until their end, or until nothing but white space came for a while and `is_all` agrees."""
    loop = asyncio.get_running_loop()
    look = loop.time() + seconds
    async with aclosing(pieces):
        while True:
            coming = asyncio.ensure_future(anext(pieces, None))
            try:
                while not (await asyncio.wait({coming}, timeout=max(0.0, look - loop.time())))[0]:
                    if await is_all():
                        return
                    look = loop.time() + seconds
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            piece = coming.result()
            if piece is None:
                return
            if piece.strip():
                look = loop.time() + seconds
            yield piece


class RateCheck:
    """Detects a transfer that never stops, but is too slow ever to finish."""

    def __init__(self, seconds: float, now: float) -> None:
        """Expect `MIN_BYTES` in this many seconds."""
        self._seconds = seconds
        self._since, self._bytes = now, 0

    def is_too_slow(self, size_bytes: int, now: float) -> bool:
        """Count transferred bytes; return whether they are too few for the time they took."""
        self._bytes += size_bytes
        elapsed = now - self._since
        if elapsed > self._seconds and self._bytes * self._seconds < MIN_BYTES * elapsed:
            return True
        if self._bytes >= MIN_BYTES:
            self._since, self._bytes = now, 0
        return False

    def __str__(self) -> str:
        """Return in words how little was transferred."""
        return f"less than {MIN_BYTES // 1_000_000} MB in {self._seconds:g} s"
