"""How a picture is fetched: streamed to a file, taken up again where it broke off, never with the key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
from contextlib import asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import anyio.to_thread

from seedream_nb.errors import DownloadError, SettingsError
from seedream_nb.files import read_regular
from seedream_nb.frozen import frozen
from seedream_nb.hosts import is_link_local, is_private
from seedream_nb.http.connection import PendingConnection, barring, why, without_frames
from seedream_nb.http.logs import plain_place
from seedream_nb.http.salvage import arriving
from seedream_nb.http.silence import RateCheck
from seedream_nb.service.refusals import retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    import httpx

    from seedream_nb.http.connection import ConnectionFactory
    from seedream_nb.service.retry import Timeouts

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


class BrokenOffError(Exception):
    """A try failed in a way that another may not; `wait` is what the server asked for, in seconds.

    `garbled` tells that HTTP's parser gave the answer up.
    """

    def __init__(self, reason: str, *, wait: float = 0.0, garbled: bool = False) -> None:
        """Keep why, in words; no wait is longer than ten seconds."""
        super().__init__(reason)
        self.garbled = garbled
        self.wait = min(wait, LONGEST_WAIT_SECONDS)


class PartialDownload:
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
        if size_bytes > MAX_BYTES:
            self._can_go_on = False
            limit = f"{MAX_BYTES // 1_000_000} MB"
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
        told = json.loads(read_regular(rest_of(path), MAX_REST_BYTES))
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


MAX_REDIRECTS = 5
_TOO_LONG = "The link is too long: {:,} characters, where at most {:,} are followed."
LONGEST_LINK, LONGEST_PLACE = 16_384, 1_024
"""Characters of a link, and of what stands in it before the path; what reads them takes its time over longer ones."""

_NAME = re.compile(rb"(?=.{1,254}\Z)(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|(?=[^:]*:)[0-9A-Fa-f:.]{2,45}(?:%[\w.~%-]{1,64})?")
"""A host as it is asked for: a name whose labels are neither empty nor too long, or an address."""


@frozen
class PictureSource:
    """Where a picture is, and whether that, or a redirect on the way there, may lie in a private network."""

    lines: ConnectionFactory
    link: str = field(repr=False)
    inside: bool
    lenient: bool = False
    """Whether what HTTP's parser refuses is read as far as it makes any sense."""


async def download(
    way: PictureSource,
    part: PartialDownload,
    *,
    patience: Timeouts,
    on_bytes: Callable[[int], None] | None = None,
) -> int:
    """Fetch what is under `link` into a file only the user can read; return its size in bytes.

    Raises:
        DownloadError: it can't be had, and why; what arrived stays in the file, and the next download goes on from
            there if it can.
    """
    await part.take_up()
    try:
        return await _tries(way, part, patience, on_bytes)
    except DownloadError as error:
        await part.put_down()
        raise without_frames(error) from error.__cause__


async def _tries(
    way: PictureSource, part: PartialDownload, patience: Timeouts, on_bytes: Callable[[int], None] | None
) -> int:
    for pause in (*patience.download_pauses, None):
        try:
            return await _try(way, part, patience, on_bytes)
        except BrokenOffError as error:
            if pause is None and await part.is_whole():
                return part.size
            if error.garbled:  # or broken off: leniently read, that is the same
                way = replace(way, lenient=True)
            if pause is None:
                raise DownloadError(f"{error} (tried {len(patience.download_pauses) + 1} times).", hint=KEPT) from error
            await asyncio.sleep(max(error.wait, pause * random.uniform(0.5, 1.5)))  # noqa: S311 - no secret
    raise AssertionError  # the last pause is None


async def _try(
    way: PictureSource, part: PartialDownload, patience: Timeouts, on_bytes: Callable[[int], None] | None
) -> int:
    await way.lines.agent()
    import httpx

    host = _host(way.link)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience.stall) as deadline:
            async with _response(way, part.headers) as response:
                await part.begin(response, host)
                pace = RateCheck(patience.crawl, loop.time())
                async for piece in arriving(response):
                    await part.add(piece)
                    if pace.is_too_slow(len(piece), loop.time()):
                        raise BrokenOffError(f"{host} sent {pace}")
                    deadline.reschedule(loop.time() + patience.stall)
                    if on_bytes is not None:
                        on_bytes(part.size)
            await part.end(host)
    except TimeoutError as error:
        if not (way.lenient and part.may_be_whole):
            told = f"{host} sent nothing for {patience.stall:.0f} s"
            raise BrokenOffError(told, garbled=part.may_be_whole) from error
        await part.end(host)  # where no end can be told, that may be it
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ArithmeticError, ExceptionGroup) as error:
        # Beside what httpx knows, whatever the system makes of an odd host.
        failed = f"The download from {host} failed{part.so_far}: {why(error)}"
        garbled = isinstance(error, httpx.RemoteProtocolError)
        kind = DownloadError(f"{failed}.", hint=KEPT) if barring(error) else BrokenOffError(failed, garbled=garbled)
        raise kind from without_frames(error)
    except SettingsError as error:
        raise DownloadError(error.message, hint=KEPT) from without_frames(error)
    await part.check(host)
    return part.size


@asynccontextmanager
async def _response(way: PictureSource, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
    """Give the response to a GET, after at most five redirects, each to a web address."""
    import httpx

    lines, link = way.lines, way.link
    for _ in range(MAX_REDIRECTS + 1):
        _check_address(link, inside=way.inside)
        named = {"User-Agent": await lines.agent(), **headers}
        async with PendingConnection() as extensions:
            request = httpx.Request("GET", link, headers=named, extensions=extensions)
            if way.lenient:
                response = await _lenient_response(lines, request)
            else:
                response = await (await lines.shared(link)).handle_async_request(request)
        try:
            if not response.has_redirect_location:
                yield response
                return
            link = _joined(link, response.headers["location"])
        finally:
            await response.aclose()
    raise DownloadError(f"The link redirects more than {MAX_REDIRECTS} times.", hint=KEPT)


async def _lenient_response(lines: ConnectionFactory, request: httpx.Request) -> httpx.Response:
    from seedream_nb.http.transport import lenient_response

    request.headers["Connection"] = "close"  # nothing else may tell where the content ends
    return await lenient_response(lambda on_read: lines.fresh(str(request.url), on_read=on_read), request)


def _joined(link: str, location: str) -> str:
    try:
        return urljoin(link, _of_a_usual_length(location))
    except ValueError as error:
        raise DownloadError("The link redirects to what is not a web address.", hint=KEPT) from error


def _check_address(link: str, *, inside: bool) -> None:
    import httpx

    try:
        address, parts = httpx.URL(_of_a_usual_length(link)), urlsplit(link)
        # Each of them is read when it is asked for: a port beyond 65535, a host that can be none.
        host, _ = address.host, (parts.hostname, parts.port)
    except (httpx.InvalidURL, ValueError) as error:
        raise DownloadError("The link is not a web address.", hint=KEPT) from error
    if host and not _NAME.fullmatch(address.raw_host):
        raise DownloadError("The link is not a web address: no host can have that name.", hint=KEPT)
    if address.scheme not in {"http", "https"} or not host:
        scheme = plain_place(address.scheme, 20)
        raise DownloadError(f"The link is not a web address (http or https) but {scheme or 'nothing'}:.", hint=KEPT)
    if is_link_local(host) or (not inside and is_private(host)):
        where = plain_place(host, 80)
        raise DownloadError(f"The link leads into a private network ({where}), where the service is not.", hint=KEPT)


def _of_a_usual_length(link: str) -> str:
    place = re.split(r"[/?#]", link[:LONGEST_LINK].partition("//")[2], maxsplit=1)[0]
    if len(link) > LONGEST_LINK:
        raise DownloadError(_TOO_LONG.format(len(link), LONGEST_LINK), hint=KEPT)
    if len(place) > LONGEST_PLACE:
        raise ValueError("too long")
    return link


def _host(link: str) -> str:
    try:
        return plain_place(urlsplit(link[:LONGEST_PLACE]).hostname or "the link", 80)
    except ValueError:
        return "the link"
