"""What a fault server can be told to do with a request, and what it remembers of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

POST = "/v3/seedream-4.0"
"""The service's own path."""

Then: TypeAlias = Literal["keep", "close", "reset", "stall"]
When: TypeAlias = Literal["headers", "half", "body"]
"""After the request's headers, after half of its body, or after the whole of it."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Answer: after `delay` seconds, with `body`; or with only its first `send` bytes, `then` what is said.

    `raw` goes out in place of status line and headers; `pace` is the pause in seconds between pieces of 1 kB;
    `ranges` honours a `Range` header; `length` is a false Content-Length (-1: none at all); `early` answers
    before the request's body is read.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    delay: float = 0.0
    send: int | None = None
    then: Then = "keep"
    raw: bytes | None = None
    pace: float = 0.0
    ranges: bool = False
    length: int | None = None
    early: bool = False


@dataclass(frozen=True, kw_only=True)
class Links:
    """Answer as the service does, with links to pictures here; `count` None: as many as the request asks for."""

    count: int | None = None
    width: int = 64
    height: int = 64
    size_bytes: int | None = None
    delay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Break the connection, with a reset or an orderly end, and answer nothing."""

    when: When
    reset: bool = True


@dataclass(frozen=True, kw_only=True)
class Stall:
    """Be silent for so many seconds, or until the client has left; then break the connection.

    With `read=False` nothing is read meanwhile: an upload stands still, and a client that leaves goes unnoticed.
    """

    when: When
    seconds: float = 60.0
    read: bool = True


@dataclass(frozen=True)
class OnceRead:
    """Read the whole of the request, and only then choose what to do: by what it asks for."""

    choose: Callable[[Seen], Step]


@dataclass(kw_only=True)
class Seen:
    """A request as it arrived. Times are `time.monotonic()`; names of headers are in lower case."""

    number: int
    connection: int
    method: str
    path: str
    headers: dict[str, str]
    began: float
    body: bytes = field(default=b"", repr=False)
    size_bytes: int = 0
    read: float | None = None
    """When the whole body had arrived."""
    status: int | None = None
    """What was answered; None: nothing yet, or nothing at all."""
    ended: float | None = None
    """When the last byte of the answer was handed to the system, or the connection was cut."""

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(kw_only=True)
class Connection:
    """A connection: when it came, when it ended, and whether the client ended it."""

    number: int
    opened: float
    closed: float | None = None
    left_by_client: bool = False


Step: TypeAlias = Reply | Links | Cut | Stall
Script: TypeAlias = Step | OnceRead | Callable[[Seen], Step | OnceRead]
