"""When a request may be sent again: where no connection came about, or the service surely refused it, for now."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedream_nb.service import refused_for_now, spoken

if TYPE_CHECKING:
    from seedream_nb.client.lines import Patience
    from seedream_nb.client.posting import Reply

RATE_LIMIT = 429


@dataclass(frozen=True, kw_only=True)
class Pause:
    """The time before a request is sent again; reads as what a person is shown meanwhile."""

    seconds: float
    asked: bool = False
    reason: str
    tries: int
    most: int | None = None

    def __str__(self) -> str:
        """Tell how long, whether the service asks for it, why, and which try comes then."""
        how_long = spoken(self.seconds)
        wait = f"the service asks for {how_long}" if self.asked else f"{how_long}, then again"
        of = "" if self.most is None else f" of {self.most}"
        return f"Waiting: {wait} ({self.reason}), try {self.tries + 1}{of}"


def pause_to_connect(tries: int, patience: Patience) -> Pause | None:
    """Return the pause after `tries` vain tries to connect; None: that was the last."""
    pauses = patience.connect_pauses
    if tries > len(pauses):
        return None
    seconds = pauses[tries - 1] * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    return Pause(seconds=seconds, reason="no connection", tries=tries, most=len(pauses) + 1)


def pause_after(reply: Reply, tries: int, patience: Patience) -> Pause | None:
    """Return the pause after `tries` refusals of which `reply` is the last; None: it must not be sent again."""
    asked = refused_for_now(reply.status, reply.headers, reply.content)
    limited = reply.status == RATE_LIMIT
    if asked is None or (not limited and tries >= patience.overloaded_tries):
        return None
    reason = "rate limit" if limited else "overloaded"
    pauses = patience.refused_pauses
    if asked > pauses[0]:
        # Not sooner than asked, nor all at the same moment.
        seconds = asked * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
    else:
        seconds = pauses[min(tries, len(pauses)) - 1] * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        seconds = max(asked, seconds)
    return Pause(seconds=seconds, asked=asked > 0, reason=reason, tries=tries)
