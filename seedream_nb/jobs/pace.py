"""How fast a session sends: below its `rate`, and after a refusal for now all of it pauses, together and once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from seedream_nb.service.refusals import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS = 60.0
"""The rate holds in any span of this length."""
LOOK_SECONDS = 0.5
MAX_GAP, MIN_GAP = 2.0, 0.05
"""Seconds between the first requests after a pause, at most; below the least of them there is none."""


class Pace:
    """The turns of all requests of a session; used on the loop only."""

    def __init__(self, rate: Callable[[], float | None] = lambda: None, *, window: float = WINDOW_SECONDS) -> None:
        """Have asked for nothing yet; `rate` returns how many pictures may be asked for in a `window` of seconds."""
        self._rate, self._window = rate, window
        self._asked: deque[tuple[float, int]] = deque()
        self._paused, self._until, self._next, self._gap = 0.0, 0.0, 0.0, 0.0
        self._turns = asyncio.Lock()
        self.level = 0
        """How often in a row it was refused for now, less what was accepted since."""

    async def turn(self, pictures: int, tell: Callable[[str | None], None]) -> None:
        """Return when a request for so many pictures may be sent; `tell` is called with what it waits for meanwhile."""
        if (told := self.message(pictures)) is not None:
            tell(told)
        async with self._turns:  # in the order in which they came
            while (seconds := self._seconds(pictures)) > 0:
                tell(self.message(pictures))
                await asyncio.sleep(min(seconds, LOOK_SECONDS))
            now = time.monotonic()
            self._asked.append((now, pictures))
            self._next = now + self._gap
        tell(None)

    def refused(self, seconds: float, *, sent: float) -> None:
        """Pause all: a request that was sent at this time was refused for now, and is to wait so many seconds.

        Those that were in flight when a pause began are refused as well, and make it no longer than they are told.
        """
        now = time.monotonic()
        if sent >= self._paused:
            self.level, self._paused = self.level + 1, now
        self._until = max(self._until, now + seconds)
        self._gap = min(MAX_GAP, seconds / 4)

    def accepted(self) -> None:
        """Go faster again: the service has accepted a request."""
        self.level = max(0, self.level - 1)
        self._gap = self._gap / 2 if self._gap / 2 >= MIN_GAP else 0.0

    def message(self, pictures: int = 1) -> str | None:
        """Return what a request would wait for now, and how long; None: for nothing."""
        now = time.monotonic()
        if max(self._until, self._next) > now:
            at = time.strftime("%H:%M:%S", time.localtime(time.time() + max(self._until, self._next) - now))
            return f"Waiting until {at}: the service has asked for fewer requests (rate limit)…"
        if (seconds := self._over_rate(pictures, now)) > 0:
            return f"Waiting {format_duration(seconds)}: at most {self._rate():g} pictures a minute (the setting rate)…"
        return None

    def _seconds(self, pictures: int) -> float:
        now = time.monotonic()
        return max(self._until - now, self._next - now, self._over_rate(pictures, now))

    def _over_rate(self, pictures: int, now: float) -> float:
        """Return the seconds until so many pictures are within the rate; more than that are asked for alone."""
        rate = self._rate()
        while self._asked and self._asked[0][0] <= now - self._window:
            self._asked.popleft()
        if rate is None:
            return 0.0
        used = sum(count for _, count in self._asked)
        for asked, count in self._asked:
            if used + pictures <= rate:
                return 0.0
            used -= count
            last = asked
            if used + pictures <= rate or not used:
                return last + self._window - now
        return 0.0
