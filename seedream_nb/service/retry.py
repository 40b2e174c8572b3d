"""What is sent again, when, how long that is waited for, and what a person sees meanwhile.

What costs money is sent again only where no connection came about, or where the service surely refused it, for now.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol

from seedream_nb.frozen import frozen
from seedream_nb.service.refusals import lacks_money, retry_after, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE_LIMIT, OVERLOADED = 429, 503


class Answer(Protocol):
    """What is asked of the service's answer to a request."""

    @property
    def status(self) -> int:
        """Its HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""

    @property
    def content(self) -> bytes:
        """What it has to say."""


@frozen
class Timeouts:
    """How long to wait before giving up, in seconds; tests are less patient.

    Attributes:
        connect: for a connection to stand: name, TCP, TLS.
        silence: for anything to happen while uploading or generating; slow series take up to 20 minutes.
        stall: for the next bytes of a download, or of what a refusal has to say.
        reply: for all of a reply, from the first byte of what it has to say: one that drips would never end.
        quiet: for more, once what came is a whole reply though its end is said to be still to come, or no reply at all.
        crawl: for each MB of a download, or of what is uploaded: one that drips is not silent either.
        connect_pauses: before each new try to connect, give or take a half.
        download_pauses: before each new try to download, give or take a half.
        refused_pauses: before a request that was refused for now is sent again, at most; the last again and again.
        overloaded_tries: how often a request is sent to a service that says it is overloaded.
    """

    connect: float = 15.0
    silence: float = 1800.0
    stall: float = 60.0
    reply: float = 300.0
    quiet: float = 5.0
    crawl: float = 300.0
    connect_pauses: tuple[float, ...] = (1.0, 3.0)
    download_pauses: tuple[float, ...] = (0.5, 1.5, 4.0)
    refused_pauses: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
    overloaded_tries: int = 3


@frozen
class RetryDelay:
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


def pause_to_connect(tries: int, timeouts: Timeouts) -> RetryDelay | None:
    """Return the pause after `tries` vain tries to connect; None: that was the last."""
    pauses = timeouts.connect_pauses
    if tries > len(pauses):
        return None
    seconds = pauses[tries - 1] * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    return RetryDelay(seconds=seconds, reason="no connection", tries=tries, most=len(pauses) + 1)


def pause_after(reply: Answer, tries: int, timeouts: Timeouts) -> RetryDelay | None:
    """Return the pause after `tries` refusals of which `reply` is the last; None: it must not be sent again."""
    asked = refused_for_now(reply.status, reply.headers, reply.content)
    limited = reply.status == RATE_LIMIT
    if asked is None or (not limited and tries >= timeouts.overloaded_tries):
        return None
    reason = "rate limit" if limited else "overloaded"
    pauses = timeouts.refused_pauses
    if asked > pauses[0]:
        # Not sooner than asked, nor all at the same moment.
        seconds = asked * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
    else:
        seconds = pauses[min(tries, len(pauses)) - 1] * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        seconds = max(asked, seconds)
    return RetryDelay(seconds=seconds, asked=asked > 0, reason=reason, tries=tries)


def refused_for_now(status: int, headers: Mapping[str, str], content: bytes) -> float | None:
    """Return the seconds that the service asks to wait before the same is sent again, 0 where it names none.

    None: it must not be sent again. Only a rate limit, and a 503 with `Retry-After`, surely took nothing on; an
    account without money stays so, whatever the status.
    """
    if status == RATE_LIMIT and not lacks_money(status, headers, content):
        return retry_after(headers) or 0.0
    return retry_after(headers) if status == OVERLOADED else None
