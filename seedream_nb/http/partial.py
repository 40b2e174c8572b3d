"""What has arrived of a picture, on disk: how the next try goes on from there, and a later download too."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from typing import TYPE_CHECKING

import anyio.to_thread

from seedream_nb.errors import DownloadError
from seedream_nb.files import make_way, read_regular
from seedream_nb.service.refusals import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import httpx

MAX_BYTES = 64_000_000
"""Several times what the largest picture (4096x4096) takes; anything beyond is no picture of ours."""

MAX_REST_BYTES = 64_000
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
_SENDABLE = re.compile(r"[!-~][ -~]{0,999}")
"""A value that a header can have: servers may call a file what no request can say."""


class BrokenOffError(Exception):
    """A try failed in a way that another may not; `wait` is what the server asked for, in seconds.

    `garbled` tells that HTTP's parser gave the answer up.
    """

    def __init__(self, reason: str, *, wait: float = 0.0, garbled: bool = False) -> None:
        """Keep why, in words; no wait is longer than ten seconds."""
        super().__init__(reason)
        self.garbled = garbled
        self.wait = min(wait, LONGEST_WAIT_SECONDS)


class _Arrived:
    """What has arrived of a file, in `path`, and what the server told of that file."""

    def __init__(self, path: Path, *, headers: Mapping[str, str] | None = None) -> None:
        """Begin with nothing of it, as the headers tell of it."""
        told, self.path, self.size, self.held = headers or {}, path, 0, bytearray()
        encoded, length = _is_encoded(told), told.get("content-length", "")
        self.total = int(length) if length.isdecimal() and not encoded else None
        self.named = _named(told)
        """Its `etag` and `last-modified`: what tells it from another file under the same link."""
        self.is_part = not encoded
        """Whether these are the first bytes of a file that may be a picture."""
        chunked = "chunked" in told.get("transfer-encoding", "").lower()
        self.end_is_told = self.total is not None or encoded or chunked

    @property
    def if_range(self) -> str | None:
        """What tells a server of which file the rest is wanted; None: begin anew, the rest may be another's."""
        etag = self.named.get("etag", "")
        return (
            (etag if etag.startswith('"') else self.named.get("last-modified")) if self.size and self.is_part else None
        )

    def goes_on(self, headers: Mapping[str, str]) -> bool:
        """Return whether a part that is sent is the rest of this very file."""
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if found is None or int(found[1]) != self.size or _is_encoded(headers):
            return False
        total = int(found[2])
        if self.total not in {None, total} or any(headers.get(name, told) != told for name, told in self.named.items()):
            return False
        self.total = total
        return True


class PartialDownload:
    """The part of a file that has arrived; the next try goes on from there where the server can.

    What begins anew stands beside it until it is more, or complete: a server may give less than it gave before.
    """

    def __init__(self, path: Path, *, check: Callable[[Path], None] | None = None) -> None:
        """Keep what arrives in `path`, where a part may stand; `check` raises ValueError if it is no picture."""
        self._path = path
        self._look = check
        self._part = self._arriving = _Arrived(path)
        self._gives_rests, self._asked_rest, self._before = True, False, 0

    @property
    def size(self) -> int:
        """How many bytes have arrived."""
        return self._arriving.size

    async def take_up(self) -> None:
        """Go on from what an earlier download has put down here, if it did."""
        self._part = self._arriving = await anyio.to_thread.run_sync(_taken_up, self._path)
        self._before = self._part.size

    async def put_down(self) -> None:
        """Write down how another download goes on from here, if one can."""
        with contextlib.suppress(OSError, DownloadError):  # it begins anew then
            await self._back_to_part()
            if self._part.size and self._part.is_part:
                await anyio.to_thread.run_sync(_put_down, self._part)

    def drop_beside(self) -> None:
        """Remove what is not more than the part."""
        if self._arriving is not self._part:
            with contextlib.suppress(OSError):
                self._arriving.path.unlink(missing_ok=True)

    async def next_headers(self, *, is_last: bool) -> dict[str, str]:
        """Return what the next try asks for: all of it, or the rest; the last one for all, if no rest came before."""
        await self._back_to_part()
        asked = {"Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity"}
        if is_last and self._part.size <= self._before:
            self._gives_rests = False
        self._before, self._asked_rest = self._part.size, self._gives_rests and self._part.if_range is not None
        if self._asked_rest:
            asked["Range"], asked["If-Range"] = f"bytes={self._part.size}-", str(self._part.if_range)
        return asked

    def asked_in_vain(self) -> bool:
        """Return whether a rest was asked for, and nothing came of that; then all of it is asked for from now on."""
        if not self._asked_rest or self._part.size > self._before:
            return False
        self._gives_rests = False
        return True

    @property
    def may_be_whole(self) -> bool:
        """Whether something arrived, and not less than what the server told of."""
        return self.size > 0 and self._arriving.total in {None, self.size}

    @property
    def so_far(self) -> str:
        """How much arrived, in words."""
        if not self.size:
            return ""
        total = self._arriving.total
        return f" after {self.size:,} of {total:,} bytes" if total else f" after {self.size:,} bytes"

    async def begin(self, response: httpx.Response, host: str) -> None:
        """Get ready for a response: go on, begin anew, or say why there is nothing to have."""
        status, headers = response.status_code, response.headers
        if self._asked_rest and status in {206, 416}:
            if status == 206 and self._part.goes_on(headers):  # noqa: PLR2004
                return
            raise DownloadError(f"{host} sent another part than asked for.", hint=KEPT)
        if status == 206 and not _FROM_START.match(headers.get("content-range", "bytes 0-")):  # noqa: PLR2004
            raise BrokenOffError(f"{host} sent another part than asked for")
        if status not in _GIVES:
            raise _refused(status, headers, host)
        self._arriving = _Arrived(beside(self._path) if self._part.size else self._path, headers=headers)
        if not self._part.size:
            self._part = self._arriving
        self._check_size(self._arriving.total or 0)
        await self._write(b"", os.O_EXCL)

    async def add(self, piece: bytes) -> None:
        """Keep the next bytes."""
        self._arriving.size += len(piece)
        self._check_size(self.size)
        self._arriving.held += piece
        if len(self._arriving.held) >= FLUSH_BYTES:
            await self.flush()

    async def end(self, host: str) -> None:
        """Make sure that all of it is in the file."""
        await self.flush()
        total = self._arriving.total
        if total is not None and self.size != total:
            raise BrokenOffError(f"The download from {host} ended{self.so_far}")

    async def check(self, host: str) -> None:
        """Look at the file that is complete as far as the server tells.

        Where the server does not tell, it may be cut off; and what was put together from two downloads may not fit.
        """
        try:
            if self._look is not None:
                await anyio.to_thread.run_sync(self._look, self._arriving.path)
        except ValueError as error:
            final = self._arriving.end_is_told or self._asked_rest
            if final:
                await self._take_place()
            self._forget()
            happened = f"{host} sent {error}"
            raise (DownloadError(f"{happened}.", hint=KEPT) if final else BrokenOffError(happened)) from error
        await self._take_place()

    async def is_whole(self) -> bool:
        """Return whether what arrived is all of a picture, though the server told that there is more."""
        with contextlib.suppress(ValueError, DownloadError):
            await self._back_to_part()
            if self._look is None or not self.size or not self._part.end_is_told:
                return False
            await anyio.to_thread.run_sync(self._look, self._path)
            return True
        return False

    async def flush(self) -> None:
        """Write what is held."""
        if self._arriving.held:
            held, self._arriving.held = self._arriving.held, bytearray()
            self._arriving.size -= len(held)  # what can't be written did not arrive
            await self._write(held, os.O_APPEND)
            self._arriving.size += len(held)

    def _forget(self) -> None:
        """Let nothing go on from what was no picture."""
        if self._arriving is self._part:
            self._part = self._arriving = _Arrived(self._path)
        self._arriving.is_part = False

    async def _back_to_part(self) -> None:
        """Go back to what there is most of, once a try has ended."""
        await self.flush()
        if self._arriving.size > self._part.size:
            await self._take_place()
        self.drop_beside()
        self._arriving = self._part

    async def _take_place(self) -> None:
        """Let what began anew take the part's place."""
        if self._arriving is not self._part:
            with self._told():
                await anyio.to_thread.run_sync(self._arriving.path.replace, self._path)
            self._arriving.path = self._path
            self._part = self._arriving

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > MAX_BYTES:
            self._arriving.is_part = False
            limit = f"{MAX_BYTES // 1_000_000} MB"
            raise DownloadError(f"The file is larger than {limit}: not a picture of ours.", hint=KEPT)

    async def _write(self, data: bytes | bytearray, how: int) -> None:
        with self._told():
            await anyio.to_thread.run_sync(_write, self._arriving.path, data, how)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DownloadError(f"The picture can't be written to {self._path.parent}: {reason}.", hint=KEPT) from error


def _is_encoded(headers: Mapping[str, str]) -> bool:
    return headers.get("content-encoding", "identity") != "identity"


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """Return by what a server tells a file from others, as far as it can be sent back.

    What was changed in the very second of the answer may have been changed again in it.
    """
    told = {name: headers[name] for name in ("etag", "last-modified") if _SENDABLE.fullmatch(headers.get(name, ""))}
    if told.get("last-modified") == headers.get("date"):
        told.pop("last-modified", None)
    return told


def rest_of(path: Path) -> Path:
    """Return the file in which a part that was put down at `path` has written how to go on."""
    return path.with_name(f"{path.name}.json")


def beside(path: Path) -> Path:
    """Return where a file that begins anew stands, as long as there is more of it at `path`."""
    return path.with_name(f"{path.name}.new")


def _put_down(part: _Arrived) -> None:
    told = {"size": part.size, "total": part.total, "named": part.named, "sha256": _sha256(part.path)}
    _write(rest_of(part.path), json.dumps(told).encode(), os.O_EXCL)


def _taken_up(path: Path) -> _Arrived:
    """Return what stands at `path`, and how to go on; that is told once, for what stands there is changed then."""
    arrived, note = _Arrived(path), b""
    with contextlib.suppress(OSError):
        note = read_regular(rest_of(path), MAX_REST_BYTES)
        rest_of(path).unlink()
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:  # what is written to it would be written elsewhere
            return arrived
        arrived.size, told = found.st_size, json.loads(note)
        if told["size"] == arrived.size and told["sha256"] == _sha256(path):
            arrived.named = _named({str(name): value for name, value in told["named"].items()})
            arrived.total = told["total"] if type(told["total"]) is int and told["total"] > 0 else None
    return arrived


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_regular(path, MAX_BYTES)).hexdigest()


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
        make_way(path)
        path.unlink(missing_ok=True)
    # Opened for each piece: then a download that is cancelled leaves no file open.
    flags = os.O_WRONLY | os.O_CREAT | how | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
