"""How a picture is fetched: streamed to a file, taken up again where it broke off, never with the key."""

from __future__ import annotations

import asyncio
import os
import random
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import anyio.to_thread

from seedream_nb.client.lines import Connecting, arriving, why
from seedream_nb.errors import DownloadError, SettingsError, plain
from seedream_nb.wire import retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    import httpx

    from seedream_nb.client.lines import Lines, Patience

MOST_BYTES = 64_000_000
"""Several times what the largest picture (4096x4096) takes; anything beyond is no picture of ours."""

MOST_REDIRECTS = 5
LONGEST_LINK, LONGEST_PLACE = 16_384, 1_024
"""Characters of a link, and of what stands in it before the path; what reads them takes its time over longer ones."""

LONGEST_WAIT_SECONDS = 10.0
"""The longest that a storage's `Retry-After` is obeyed: the cell waits, and `recover` can come later."""

FLUSH_BYTES = 512 * 1024
"""How much is held before a thread writes it: disks may be slow, and the loop must not wait for them."""

KEPT = "It is paid for and its link is kept. Try again with: %seedream recover"
_TRY_AGAIN = frozenset({408, 416, 425, 429, *range(500, 600)})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})")


class _BrokenOffError(Exception):
    """A try failed in a way that another may not; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, *, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = min(wait, LONGEST_WAIT_SECONDS)


async def download(
    lines: Lines,
    link: str,
    part: Part,
    *,
    patience: Patience,
    on_bytes: Callable[[int], None] | None = None,
) -> int:
    """Fetch what is under `link` into a file only the user can read; return its size in bytes.

    Raises:
        DownloadError: it can't be had, and why; what arrived stays in the file.
    """
    for pause in (*patience.download_pauses, None):
        try:
            return await _try(lines, link, part, patience, on_bytes)
        except _BrokenOffError as error:
            if pause is None:
                await part.flush()
                raise DownloadError(f"{error} (tried {len(patience.download_pauses) + 1} times).", hint=KEPT) from error
            await asyncio.sleep(max(error.wait, pause * random.uniform(0.5, 1.5)))  # noqa: S311 - no secret
    raise AssertionError  # the last pause is None


async def _try(lines: Lines, link: str, part: Part, patience: Patience, on_bytes: Callable[[int], None] | None) -> int:
    await lines.agent()
    import httpx

    host = _host(link)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience.stall) as deadline:
            async with _response(lines, link, part.headers) as response:
                await part.begin(response, host)
                async for piece in arriving(response):
                    await part.add(piece)
                    deadline.reschedule(loop.time() + patience.stall)
                    if on_bytes is not None:
                        on_bytes(part.size)
            await part.end(host)
    except TimeoutError as error:
        raise _BrokenOffError(f"{host} sent nothing for {patience.stall:.0f} s") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _BrokenOffError(f"The download from {host} failed{part.so_far}: {why(error)}") from error
    except SettingsError as error:
        raise DownloadError(error.message, hint=KEPT) from error
    await part.check(host)
    return part.size


@asynccontextmanager
async def _response(lines: Lines, link: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
    """Give the response to a GET, after at most five redirects, each to a web address."""
    import httpx

    for _ in range(MOST_REDIRECTS + 1):
        _check_address(link)
        transport, named = await lines.shared(link), {"User-Agent": await lines.agent(), **headers}
        async with Connecting() as extensions:
            request = httpx.Request("GET", link, headers=named, extensions=extensions)
            response = await transport.handle_async_request(request)
        try:
            if not response.has_redirect_location:
                yield response
                return
            link = _joined(link, response.headers["location"])
        finally:
            await response.aclose()
    raise DownloadError(f"The link redirects more than {MOST_REDIRECTS} times.", hint=KEPT)


def _joined(link: str, location: str) -> str:
    try:
        return urljoin(link, _of_a_usual_length(location))
    except ValueError as error:
        raise DownloadError("The link redirects to what is not a web address.", hint=KEPT) from error


def _check_address(link: str) -> None:
    import httpx

    try:
        address, _ = httpx.URL(_of_a_usual_length(link)), urlsplit(link)
    except (httpx.InvalidURL, ValueError) as error:
        raise DownloadError("The link is not a web address.", hint=KEPT) from error
    if address.scheme not in {"http", "https"} or not address.host:
        scheme = plain(address.scheme, 20)
        raise DownloadError(f"The link is not a web address (http or https) but {scheme or 'nothing'}:.", hint=KEPT)


def _of_a_usual_length(link: str) -> str:
    place = re.split(r"[/?#]", link[:LONGEST_LINK].partition("//")[2], maxsplit=1)[0]
    if len(link) > LONGEST_LINK or len(place) > LONGEST_PLACE:
        raise ValueError("too long")
    return link


def _host(link: str) -> str:
    try:
        return plain(urlsplit(link[:LONGEST_PLACE]).hostname or "the link", 80)
    except ValueError:
        return "the link"


class Part:
    """The part of a file that has arrived; the next try goes on from there where the server can."""

    def __init__(self, path: Path, *, check: Callable[[Path], None] | None = None) -> None:
        """Keep what arrives in `path`, where nothing is written yet; `check` raises ValueError if it is no picture."""
        self.size = 0
        self._path = path
        self._look = check
        self._held = bytearray()
        self._total: int | None = None
        self._etag: str | None = None
        self._can_go_on = False

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
    def so_far(self) -> str:
        """How much arrived, in words."""
        if not self.size:
            return ""
        return f" after {self.size:,} of {self._total:,} bytes" if self._total else f" after {self.size:,} bytes"

    async def begin(self, response: httpx.Response, host: str) -> None:
        """Get ready for a response: go on, begin anew, or say why there is nothing to have."""
        status = response.status_code
        if status == 206 and self._goes_on(response.headers):  # noqa: PLR2004
            return
        if status in {200, 206, 416}:
            self.size, self._held = 0, bytearray()
        if status == 206:  # noqa: PLR2004
            raise _BrokenOffError(f"{host} sent another part than asked for")
        if status != 200:  # noqa: PLR2004
            raise _refused(status, response.headers, host)
        encoded = response.headers.get("content-encoding", "identity") != "identity"
        length = response.headers.get("content-length", "")
        self._total = int(length) if length.isdecimal() and not encoded else None
        self._can_go_on = not encoded
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
            raise _BrokenOffError(f"The download from {host} ended{self.so_far}")

    async def check(self, host: str) -> None:
        """Look at the file that is complete as far as the server tells: it need not tell its length."""
        if self._look is None:
            return
        try:
            await anyio.to_thread.run_sync(self._look, self._path)
        except ValueError as error:
            self.size = 0  # the next try begins anew: there is nothing to go on from
            raise _BrokenOffError(f"{host} sent {error}") from error

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
            limit = f"{MOST_BYTES // 1_000_000} MB"
            raise DownloadError(f"The file is larger than {limit}: not a picture of ours.", hint=KEPT)

    async def _write(self, data: bytes | bytearray, how: int) -> None:
        try:
            await anyio.to_thread.run_sync(_write, self._path, data, how)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DownloadError(f"The picture can't be written to {self._path.parent}: {reason}.", hint=KEPT) from error


def _refused(status: int, headers: Mapping[str, str], host: str) -> Exception:
    if status in _TRY_AGAIN:
        return _BrokenOffError(f"{host} answered {status}", wait=retry_after(headers) or 0.0)
    what = {
        403: "the link has expired or is not allowed",
        404: "the picture is gone",
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
