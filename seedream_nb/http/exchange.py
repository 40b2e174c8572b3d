"""Records requests and their answers for an observer who wants to know how a service behaves."""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING

from seedream_nb.errors import Unread
from seedream_nb.frozen import frozen
from seedream_nb.keys import Unseen

if TYPE_CHECKING:
    from collections.abc import Mapping


_EVENTS = {
    "connect_tcp.complete": "connected",
    "start_tls.complete": "secured",
    "send_request_body.complete": "sent",
}
"""httpcore's events, and the moments that they are."""


class Exchange:
    """One request and its answer. Its repr shows neither: the answer may repeat the key.

    Attributes:
        method: POST, or GET for a picture.
        link: of the picture.
        size_bytes: of the request.
        times: seconds from the start until it was connected, secured (TLS), sent, answered (headers read) and ended.
        status: of the answer; None: no answer was read.
        headers: of the answer, with lower-case names.
        content: of the answer to a POST.
        at: when the answer was read, as `time.time()`.
    """

    def __init__(self, method: str, *, link: str = "", size_bytes: int = 0) -> None:
        """Start now."""
        self.method, self.size_bytes = method, size_bytes
        self.link = Unread(link.encode("utf-8", "replace"))
        self.status: int | None = None
        self.headers: Mapping[str, str] = Unseen({})
        self.content = Unread()
        self.at = 0.0
        self.times: dict[str, float] = {}
        self._started = time.monotonic()

    def trace(self, event: str) -> None:
        """Note an event of httpcore: https://www.encode.io/httpcore/extensions/#trace."""
        moment = _EVENTS.get(event.partition(".")[2])
        if moment is not None:
            self.reach(moment)

    def reach(self, moment: str) -> None:
        """Note the time of a moment; of several attempts to connect the last one counts."""
        self.times[moment] = time.monotonic() - self._started

    def answer(self, status: int, headers: Mapping[str, str]) -> None:
        """Note the answer's status and headers."""
        self.status, self.headers, self.at = status, Unseen(dict(headers)), time.time()
        self.times.setdefault("answered", time.monotonic() - self._started)

    def end(self, content: bytes = b"") -> None:
        """Note that the whole answer was read."""
        self.content = Unread(content)
        self.reach("ended")


class Observer:
    """Keeps the exchanges that it is handed, in order."""

    def __init__(self) -> None:
        """Have none yet."""
        self.exchanges: list[Exchange] = []

    def begin(self, method: str, *, link: str = "", size_bytes: int = 0) -> Exchange:
        """Return a new exchange, which starts now."""
        self.exchanges.append(exchange := Exchange(method, link=link, size_bytes=size_bytes))
        return exchange

    @property
    def posts(self) -> list[Exchange]:
        """The exchanges with the service."""
        return [exchange for exchange in self.exchanges if exchange.method == "POST"]

    @property
    def gets(self) -> list[Exchange]:
        """The downloads, each redirect and each attempt."""
        return [exchange for exchange in self.exchanges if exchange.method == "GET"]


@frozen
class Inspection:
    """How to observe a request: who records it, and which fields to leave out, so that the service must refuse it.

    A request with fields left out is never sent twice.
    """

    observer: Observer = field(default_factory=Observer, repr=False)
    without: tuple[str, ...] = ()
    """Names of fields, as a request has them."""
