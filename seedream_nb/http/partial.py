"""A partial download on disk, which the next attempt, or a later download, continues."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING

import anyio.to_thread

from seedream_nb.errors import DownloadError
from seedream_nb.files import make_way, read_regular
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service.refusals import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import httpx

MAX_BYTES = 64_000_000
"""Several times the largest picture; anything larger is not one of ours."""

MAX_REST_BYTES = 64_000
"""Of the state file beside a partial download: its length, and the server's validators."""

LONGEST_WAIT_SECONDS = 10.0
"""The longest `Retry-After` that is obeyed: the cell waits for it, and `recover` can come later."""

FLUSH_BYTES = 512 * 1024
"""How much is buffered before a thread writes it: disks may be slow, and the loop must not wait for them."""

KEPT = "It is paid for and its link is kept. Try again with: %seedream recover"
_TRY_AGAIN = frozenset({408, 416, 425, 429, *range(500, 600)})
_GIVES = frozenset({200, 201, 202, 203, 206})
"""Statuses that come with the file; whether it is a picture is checked once it is here."""

_FROM_START = lazy_pattern(r"bytes 0-")
_CONTENT_RANGE = lazy_pattern(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})")
_SENDABLE = lazy_pattern(r"[!-~][ -~]{0,999}")
"""A value that can be sent in a header; servers may send an etag that can't."""


class BrokenOffError(Exception):
    """An attempt failed, but another may succeed; `wait` is the server's `Retry-After` in seconds.

    `garbled` means that HTTP's parser rejected the answer.
    """

    def __init__(self, reason: str, *, wait: float = 0.0, garbled: bool = False) -> None:
        """Keep the reason; never wait longer than ten seconds."""
        super().__init__(reason)
        self.garbled = garbled
        self.wait = min(wait, LONGEST_WAIT_SECONDS)


class _Received:
    """What has been received of a file, in `path`, and what the server said about that file."""

    def __init__(self, path: Path, *, headers: Mapping[str, str] | None = None) -> None:
        """Have received nothing yet of the file that `headers` describe."""
        headers, self.path, self.size, self.held = headers or {}, path, 0, bytearray()
        encoded, length = _is_encoded(headers), headers.get("content-length", "")
        self.total = int(length) if length.isdecimal() and not encoded else None
        self.validators = _validators(headers)
        """Its `etag` and `last-modified`, which distinguish it from another file at the same link."""
        self.can_resume = not encoded
        """Whether these are the first bytes of a file that may be a picture."""
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self.has_known_end = self.total is not None or encoded or chunked

    @property
    def if_range(self) -> str | None:
        """The validator to send as `If-Range`; None: start over, because the rest could be that of another file."""
        etag = self.validators.get("etag", "")
        return (
            (etag if etag.startswith('"') else self.validators.get("last-modified"))
            if self.size and self.can_resume
            else None
        )

    def continues(self, headers: Mapping[str, str]) -> bool:
        """Return whether a range in an answer continues this very file."""
        content_range = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if content_range is None or int(content_range[1]) != self.size or _is_encoded(headers):
            return False
        total = int(content_range[2])
        if self.total not in {None, total} or any(
            headers.get(name, value) != value for name, value in self.validators.items()
        ):
            return False
        self.total = total
        return True


class PartialDownload:
    """The part of a file that has been received; the next attempt continues it if the server can.

    A restarted download is kept beside it until it is longer, or complete: a server may send less than before.
    """

    def __init__(self, path: Path, *, check: Callable[[Path], None] | None = None) -> None:
        """Write to `path`, where an earlier part may be; `check` raises ValueError for what is not a picture."""
        self._path = path
        self._check = check
        self._part = self._arriving = _Received(path)
        self._supports_ranges, self._asked_for_range, self._previous_size = True, False, 0

    @property
    def size(self) -> int:
        """The number of bytes received."""
        return self._arriving.size

    async def resume(self) -> None:
        """Continue what an earlier download saved here, if there is any."""
        self._part = self._arriving = await anyio.to_thread.run_sync(_resumed, self._path)
        self._previous_size = self._part.size

    async def save_state(self) -> None:
        """Save what another download needs to continue from here."""
        with contextlib.suppress(OSError, DownloadError):  # then it starts over
            await self._keep_longer()
            if self._part.size and self._part.can_resume:
                await anyio.to_thread.run_sync(_save_state, self._part)

    def discard_restart(self) -> None:
        """Remove a restarted download that is not longer than the part."""
        if self._arriving is not self._part:
            with contextlib.suppress(OSError):
                self._arriving.path.unlink(missing_ok=True)

    async def next_headers(self, *, is_last: bool) -> dict[str, str]:
        """Return the headers of the next attempt: for the whole file, or for the rest; the last one gives ranges up."""
        await self._keep_longer()
        headers = {"Accept": "image/*, */*;q=0.5", "Accept-Encoding": "identity"}
        if is_last and self._part.size <= self._previous_size:
            self._supports_ranges = False
        self._previous_size, self._asked_for_range = (
            self._part.size,
            self._supports_ranges and self._part.if_range is not None,
        )
        if self._asked_for_range:
            headers["Range"], headers["If-Range"] = f"bytes={self._part.size}-", str(self._part.if_range)
        return headers

    def range_failed(self) -> bool:
        """Return whether a range was asked for and brought nothing; from then on the whole file is asked for."""
        if not self._asked_for_range or self._part.size > self._previous_size:
            return False
        self._supports_ranges = False
        return True

    @property
    def may_be_complete(self) -> bool:
        """Whether something was received, and not less than the server announced."""
        return self.size > 0 and self._arriving.total in {None, self.size}

    @property
    def progress(self) -> str:
        """How much was received, in words."""
        if not self.size:
            return ""
        total = self._arriving.total
        return f" after {self.size:,} of {total:,} bytes" if total else f" after {self.size:,} bytes"

    async def begin(self, response: httpx.Response, host: str) -> None:
        """Prepare for a response: continue, start over, or raise the reason why there is no picture."""
        status, headers = response.status_code, response.headers
        if self._asked_for_range and status in {206, 416}:
            if status == 206 and self._part.continues(headers):
                return
            raise DownloadError(f"{host} sent another part than was asked for.", hint=KEPT)
        if status == 206 and not _FROM_START.match(headers.get("content-range", "bytes 0-")):
            raise BrokenOffError(f"{host} sent another part than was asked for")
        if status not in _GIVES:
            raise _refusal(status, headers, host)
        self._arriving = _Received(restart_path(self._path) if self._part.size else self._path, headers=headers)
        if not self._part.size:
            self._part = self._arriving
        self._check_size(self._arriving.total or 0)
        await self._write(b"", os.O_EXCL)

    async def add(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._arriving.size += len(piece)
        self._check_size(self.size)
        self._arriving.held += piece
        if len(self._arriving.held) >= FLUSH_BYTES:
            await self.flush()

    async def end(self, host: str) -> None:
        """Make sure that the whole file was received, and write it out."""
        await self.flush()
        total = self._arriving.total
        if total is not None and self.size != total:
            raise BrokenOffError(f"The download from {host} ended{self.progress}")

    async def check(self, host: str) -> None:
        """Check the file, which is complete as far as the server says.

        If the server gave no length, it may be cut off; and two downloads that were joined may not fit together.
        """
        try:
            if self._check is not None:
                await anyio.to_thread.run_sync(self._check, self._arriving.path)
        except ValueError as error:
            final = self._arriving.has_known_end or self._asked_for_range
            if final:
                await self._promote()
            self._forget()
            happened = f"{host} sent {error}"
            raise (DownloadError(f"{happened}.", hint=KEPT) if final else BrokenOffError(happened)) from error
        await self._promote()

    async def is_whole(self) -> bool:
        """Return whether this is a complete picture, though the server announced more."""
        with contextlib.suppress(ValueError, DownloadError):
            await self._keep_longer()
            if self._check is None or not self.size or not self._part.has_known_end:
                return False
            await anyio.to_thread.run_sync(self._check, self._path)
            return True
        return False

    async def flush(self) -> None:
        """Write what is buffered."""
        if self._arriving.held:
            held, self._arriving.held = self._arriving.held, bytearray()
            self._arriving.size -= len(held)  # what can't be written does not count as received
            await self._write(held, os.O_APPEND)
            self._arriving.size += len(held)

    def _forget(self) -> None:
        """Never continue what was not a picture."""
        if self._arriving is self._part:
            self._part = self._arriving = _Received(self._path)
        self._arriving.can_resume = False

    async def _keep_longer(self) -> None:
        """Keep the longer of the two, once an attempt has ended."""
        await self.flush()
        if self._arriving.size > self._part.size:
            await self._promote()
        self.discard_restart()
        self._arriving = self._part

    async def _promote(self) -> None:
        """Replace the part by the restarted download."""
        if self._arriving is not self._part:
            with self._disk_errors():
                await anyio.to_thread.run_sync(self._arriving.path.replace, self._path)
            self._arriving.path = self._path
            self._part = self._arriving

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > MAX_BYTES:
            self._arriving.can_resume = False
            limit = f"{MAX_BYTES // 1_000_000} MB"
            raise DownloadError(f"The file is larger than {limit}, so it is not one of our pictures.", hint=KEPT)

    async def _write(self, data: bytes | bytearray, flag: int) -> None:
        with self._disk_errors():
            await anyio.to_thread.run_sync(_write, self._arriving.path, data, flag)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DownloadError(f"The picture can't be written to {self._path.parent}: {reason}.", hint=KEPT) from error


def _is_encoded(headers: Mapping[str, str]) -> bool:
    return headers.get("content-encoding", "identity") != "identity"


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the server's validators of a file, as far as they can be sent back.

    A `last-modified` in the very second of the answer is left out: the file may have changed again within it.
    """
    validators = {
        name: headers[name] for name in ("etag", "last-modified") if _SENDABLE.fullmatch(headers.get(name, ""))
    }
    if validators.get("last-modified") == headers.get("date"):
        validators.pop("last-modified", None)
    return validators


def state_path(path: Path) -> Path:
    """Return the file in which the state of the partial download at `path` is saved."""
    return path.with_name(f"{path.name}.json")


def restart_path(path: Path) -> Path:
    """Return where a restarted download is kept while the one at `path` is longer."""
    return path.with_name(f"{path.name}.new")


def _save_state(part: _Received) -> None:
    state = {"size": part.size, "total": part.total, "named": part.validators, "sha256": _sha256(part.path)}
    _write(state_path(part.path), json.dumps(state).encode(), os.O_EXCL)


def _resumed(path: Path) -> _Received:
    """Return the partial download at `path`; its saved state is removed, because the file will change."""
    arrived, state = _Received(path), b""
    with contextlib.suppress(OSError):
        state = read_regular(state_path(path), MAX_REST_BYTES)
        state_path(path).unlink()
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:  # writing to it would write elsewhere
            return arrived
        arrived.size, saved = status.st_size, json.loads(state)
        if saved["size"] == arrived.size and saved["sha256"] == _sha256(path):
            arrived.validators = _validators({str(name): value for name, value in saved["named"].items()})
            arrived.total = saved["total"] if type(saved["total"]) is int and saved["total"] > 0 else None
    return arrived


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_regular(path, MAX_BYTES)).hexdigest()


def _refusal(status: int, headers: Mapping[str, str], host: str) -> Exception:
    if status in _TRY_AGAIN:
        return BrokenOffError(f"{host} answered {status}", wait=retry_after(headers) or 0.0)
    reasons = {
        403: "the link has expired or is not allowed",
        404: "the picture is gone",
        407: "the proxy asks for a user and password, or rejects the given ones",
        410: "the picture is gone",
    }
    return DownloadError(f"{host} answered {status}: {reasons.get(status, 'the picture is not available')}.", hint=KEPT)


def _write(path: Path, data: bytes | bytearray, flag: int) -> None:
    if flag == os.O_EXCL:
        make_way(path)
        path.unlink(missing_ok=True)
    # Opened for each piece, so that a cancelled download leaves no file open.
    flags = os.O_WRONLY | os.O_CREAT | flag | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
