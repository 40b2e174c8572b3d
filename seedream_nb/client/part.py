"""The part of a picture that has arrived: where the next try goes on, and what the answers of a storage mean."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from seedream_nb.errors import DownloadError
from seedream_nb.files import read_ordinary
from seedream_nb.service.refusals import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import httpx

MOST_BYTES = 64_000_000
"""Several times what the largest picture (4096x4096) takes; anything beyond is no picture of ours."""

MOST_REST_BYTES = 64_000
"""Of the note beside a part: where it ends, and what the server called it."""

LONGEST_WAIT_SECONDS = 10.0
"""The longest that a storage's `Retry-After` is obeyed: the cell waits, and `recover` can come later."""

FLUSH_BYTES = 512 * 1024
"""How much is held before a thread writes it: disks may be slow, and the loop must not wait for them."""

KEPT = "It is paid for and its link is kept. Try again with: %seedream recover"
_TRY_AGAIN = frozenset({408, 416, 425, 429, *range(500, 600)})
_GIVES = frozenset({200, 201, 202, 203, 206})
"""Statuses of answers that have the file: whatever else they say of it, it is looked at when it is here."""

_FROM_START = re.compile(r"bytes 0-")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})")


class BrokenOffError(Exception):
    """A try failed in a way that another may not; `wait` is what the server asked for, in seconds.

    `garbled` tells that HTTP's parser gave the answer up.
    """

    def __init__(self, reason: str, *, wait: float = 0.0, garbled: bool = False) -> None:
        """Keep why, in words; no wait is longer than ten seconds."""
        super().__init__(reason)
        self.garbled = garbled
        self.wait = min(wait, LONGEST_WAIT_SECONDS)


class Part:
    """The part of a file that has arrived; the next try goes on from there where the server can."""

    def __init__(self, path: Path, *, check: Callable[[Path], None] | None = None) -> None:
        """Keep what arrives in `path`, where a part may stand; `check` raises ValueError if it is no picture."""
        self.size = 0
        self._path = path
        self._look = check
        self._held = bytearray()
        self._total: int | None = None
        self._etag: str | None = None
        self._can_go_on = self._end_is_told = False

    async def take_up(self) -> None:
        """Go on from what an earlier download has put down here, if it did."""
        told = await anyio.to_thread.run_sync(_taken_up, self._path)
        if told is not None:
            self.size, self._total, self._etag, self._can_go_on = told["size"], told["total"], told["etag"], True

    async def put_down(self) -> None:
        """Write down how another download goes on from here, if one can."""
        with contextlib.suppress(OSError, DownloadError):  # it begins anew then
            await self.flush()
            if self.size and self._can_go_on:
                told = {"size": self.size, "total": self._total, "etag": self._etag}
                content = json.dumps(told).encode()
                await anyio.to_thread.run_sync(_write, rest_of(self._path), content, os.O_EXCL)

    @property
    def headers(self) -> dict[str, str]:
        """What to ask for: all of it, or the rest."""
        asked = {"Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity"}
        if self.size and self._can_go_on:
            asked["Range"] = f"bytes={self.size}-"
            if self._etag is not None:
                asked["If-Range"] = self._etag
        return asked

    @property
    def may_be_whole(self) -> bool:
        """Whether something arrived, and not less than what the server told of."""
        return self.size > 0 and self._total in {None, self.size}

    @property
    def so_far(self) -> str:
        """How much arrived, in words."""
        if not self.size:
            return ""
        return f" after {self.size:,} of {self._total:,} bytes" if self._total else f" after {self.size:,} bytes"

    async def begin(self, response: httpx.Response, host: str) -> None:
        """Get ready for a response: go on, begin anew, or say why there is nothing to have."""
        status = response.status_code
        if status == 206 and self.size and self._goes_on(response.headers):  # noqa: PLR2004
            return
        was_asked = self.size > 0
        if status in {200, 206, 416}:
            self.size, self._held = 0, bytearray()
        if status == 206 and (was_asked or not _FROM_START.match(response.headers.get("content-range", "bytes 0-"))):  # noqa: PLR2004
            raise BrokenOffError(f"{host} sent another part than asked for")
        if status not in _GIVES:
            raise _refused(status, response.headers, host)
        encoded = response.headers.get("content-encoding", "identity") != "identity"
        length = response.headers.get("content-length", "")
        self._total = int(length) if length.isdecimal() and not encoded else None
        self._can_go_on = not encoded
        chunked = "chunked" in response.headers.get("transfer-encoding", "").lower()
        self._end_is_told = self._total is not None or encoded or chunked
        etag = response.headers.get("etag", "")
        self._etag = etag if etag.startswith('"') else None
        self._check_size(self._total or 0)
        await self._write(b"", os.O_EXCL)

    async def add(self, piece: bytes) -> None:
        """Keep the next bytes."""
        self.size += len(piece)
        self._check_size(self.size)
        self._held += piece
        if len(self._held) >= FLUSH_BYTES:
            await self.flush()

    async def end(self, host: str) -> None:
        """Make sure that all of it is in the file."""
        await self.flush()
        if self._total is not None and self.size != self._total:
            raise BrokenOffError(f"The download from {host} ended{self.so_far}")

    async def check(self, host: str) -> None:
        """Look at the file that is complete as far as the server tells.

        Where the server does not tell, it may be cut off; and what was put together from two downloads may not fit.
        """
        if self._look is None:
            return
        try:
            await anyio.to_thread.run_sync(self._look, self._path)
        except ValueError as error:
            self.size = 0  # the next try begins anew: there is nothing to go on from
            happened = f"{host} sent {error}"
            raise (
                DownloadError(f"{happened}.", hint=KEPT) if self._end_is_told else BrokenOffError(happened)
            ) from error

    async def is_whole(self) -> bool:
        """Return whether what arrived is all of a picture, though the server told that there is more."""
        if self._look is None or not self.size or not self._end_is_told:
            return False
        with contextlib.suppress(ValueError, DownloadError):
            await self.flush()
            await anyio.to_thread.run_sync(self._look, self._path)
            return True
        return False

    async def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, bytearray()
            await self._write(held, os.O_APPEND)

    def _goes_on(self, headers: Mapping[str, str]) -> bool:
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if found is None or int(found[1]) != self.size or not self.size:
            return False
        self._total = self._total or int(found[2])
        return int(found[2]) == self._total

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > MOST_BYTES:
            self._can_go_on = False
            limit = f"{MOST_BYTES // 1_000_000} MB"
            raise DownloadError(f"The file is larger than {limit}: not a picture of ours.", hint=KEPT)

    async def _write(self, data: bytes | bytearray, how: int) -> None:
        try:
            await anyio.to_thread.run_sync(_write, self._path, data, how)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DownloadError(f"The picture can't be written to {self._path.parent}: {reason}.", hint=KEPT) from error


def rest_of(path: Path) -> Path:
    """Return the file in which a part that was put down at `path` has written how to go on."""
    return path.with_name(f"{path.name}.json")


def _taken_up(path: Path) -> dict[str, Any] | None:
    """Return how to go on from what stands at `path`; it is told once, for what stands there is changed then."""
    try:
        told = json.loads(read_ordinary(rest_of(path), MOST_REST_BYTES))
        rest_of(path).unlink()
        whole = path.stat().st_size == told["size"] > 0 and {"total", "etag"} <= told.keys()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return told if whole else None


def _refused(status: int, headers: Mapping[str, str], host: str) -> Exception:
    if status in _TRY_AGAIN:
        return BrokenOffError(f"{host} answered {status}", wait=retry_after(headers) or 0.0)
    what = {
        403: "the link has expired or is not allowed",
        404: "the picture is gone",
        407: "the proxy asks for a user and password, or doesn't know those given",
        410: "the picture is gone",
    }
    return DownloadError(f"{host} answered {status}: {what.get(status, 'the picture is not to be had')}.", hint=KEPT)


def _write(path: Path, data: bytes | bytearray, how: int) -> None:
    if how == os.O_EXCL:
        path.unlink(missing_ok=True)
    # Opened for each piece: then a download that is cancelled leaves no file open.
    flags = os.O_WRONLY | os.O_CREAT | how | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
