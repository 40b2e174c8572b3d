"""The retry policy: what is sent again, when, how long to wait, and what the user sees meanwhile.

What costs money is sent again only if there was no connection, or if the service certainly refused it, for now.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from seedream_nb.frozen import frozen
from seedream_nb.service.refusals import format_duration, lacks_money, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE_LIMIT, OVERLOADED = 429, 503


class Answer(Protocol):
    """The service's answer to a request, as far as it matters here."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""

    @property
    def content(self) -> bytes:
        """The content."""


@frozen
class Timeouts:
    """How long to wait before giving up, in seconds; tests wait less.

    Attributes:
        connect: for a connection: name, TCP, TLS.
        silence: for any progress while uploading or generating; slow series take up to 20 minutes.
        stall: for the next bytes of a download, or of a refusal's content.
        reply: for the whole reply, from its first byte: a trickling one would never end.
        quiet: for more data, after a complete reply that claims to go on, or after something that is no reply at all.
        crawl: for each MB of an upload or download: a trickling one is never silent.
        connect_pauses: before each further attempt to connect, plus or minus half.
        download_pauses: before each further attempt to download, plus or minus half.
        refused_pauses: at most, before a request that was refused for now is sent again; the last one repeats, and
            without any it is not sent again.
        overloaded_tries: how often to send a request to a service that says it is overloaded.
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

    def without_retries(self) -> Timeouts:
        """Return the same for a single attempt to connect and to send."""
        return replace(self, connect_pauses=(), refused_pauses=())


@frozen
class RetryDelay:
    """The time before a request is sent again; its text is shown meanwhile."""

    seconds: float
    is_requested: bool = False
    reason: str
    tries: int
    max_tries: int | None = None

    def __str__(self) -> str:
        """Say how long, whether the service asked for it, why, and which attempt comes next."""
        how_long = format_duration(self.seconds)
        wait = f"the service asks for {how_long}" if self.is_requested else f"{how_long}, then again"
        of = "" if self.max_tries is None else f" of {self.max_tries}"
        return f"Waiting: {wait} ({self.reason}), try {self.tries + 1}{of}"


def pause_to_connect(tries: int, timeouts: Timeouts) -> RetryDelay | None:
    """Return the pause after `tries` failed attempts to connect; None: that was the last."""
    pauses = timeouts.connect_pauses
    if tries > len(pauses):
        return None
    seconds = pauses[tries - 1] * random.uniform(0.5, 1.5)
    return RetryDelay(seconds=seconds, reason="no connection", tries=tries, max_tries=len(pauses) + 1)


def pause_after(reply: Answer, tries: int, timeouts: Timeouts) -> RetryDelay | None:
    """Return the pause after `tries` refusals, of which `reply` is the last; None: don't send it again."""
    requested = refused_for_now(reply.status, reply.headers, reply.content)
    is_limited = reply.status == RATE_LIMIT
    pauses = timeouts.refused_pauses
    if requested is None or not pauses or (not is_limited and tries >= timeouts.overloaded_tries):
        return None
    reason = "rate limit" if is_limited else "overloaded"
    if requested > pauses[0]:
        # Not sooner than asked, and not all at the same moment.
        seconds = requested * random.uniform(1.0, 1.1)
    else:
        seconds = pauses[min(tries, len(pauses)) - 1] * random.uniform(0.5, 1.0)
        seconds = max(requested, seconds)
    return RetryDelay(seconds=seconds, is_requested=requested > 0, reason=reason, tries=tries)


def refused_for_now(status: int, headers: Mapping[str, str], content: bytes) -> float | None:
    """Return the seconds that the service asks to wait before sending the same again, or 0 if it gives none.

    None: don't send it again. Only after a rate limit, or a 503 with `Retry-After`, certainly nothing was accepted; an
    account without money stays without, whatever the status.
    """
    if status == RATE_LIMIT and not lacks_money(status, headers, content):
        return retry_after(headers) or 0.0
    return retry_after(headers) if status == OVERLOADED else None
