"""How a picture is fetched: streamed to a file, taken up again where it broke off, never with the key."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from seedream_nb.errors import DownloadError, SettingsError
from seedream_nb.frozen import frozen
from seedream_nb.hosts import is_link_local, is_private
from seedream_nb.http.connection import PendingConnection, barring, why, without_frames
from seedream_nb.http.logs import plain_place
from seedream_nb.http.partial import KEPT, BrokenOffError
from seedream_nb.http.salvage import arriving
from seedream_nb.http.silence import RateCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import httpx

    from seedream_nb.http.connection import ConnectionFactory
    from seedream_nb.http.partial import PartialDownload
    from seedream_nb.service.retry import Timeouts

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
    finally:
        part.drop_beside()


async def _tries(
    way: PictureSource, part: PartialDownload, patience: Timeouts, on_bytes: Callable[[int], None] | None
) -> int:
    for pause in (*patience.download_pauses, None):
        try:
            return await _try_all(way, part, patience, on_bytes, is_last=pause is None)
        except BrokenOffError as error:
            if pause is None and await part.is_whole():
                return part.size
            if error.garbled:  # or broken off: leniently read, that is the same
                way = replace(way, lenient=True)
            if pause is None:
                raise DownloadError(f"{error} (tried {len(patience.download_pauses) + 1} times).", hint=KEPT) from error
            await asyncio.sleep(max(error.wait, pause * random.uniform(0.5, 1.5)))  # noqa: S311 - no secret
    raise AssertionError  # the last pause is None


async def _try_all(
    way: PictureSource,
    part: PartialDownload,
    patience: Timeouts,
    on_bytes: Callable[[int], None] | None,
    *,
    is_last: bool,
) -> int:
    """Try once; where the rest can't be had, whatever was answered, all of it may be."""
    try:
        return await _try(way, part, patience, on_bytes, await part.next_headers(is_last=is_last))
    except DownloadError:
        if not part.asked_in_vain():
            raise
    return await _try(way, part, patience, on_bytes, await part.next_headers(is_last=is_last))


async def _try(
    way: PictureSource,
    part: PartialDownload,
    patience: Timeouts,
    on_bytes: Callable[[int], None] | None,
    asked: Mapping[str, str],
) -> int:
    await way.lines.agent()
    import httpx

    host = _host(way.link)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience.stall) as deadline:
            async with _response(way, asked) as response:
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
