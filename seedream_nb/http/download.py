"""Downloads a picture: streamed to a file, resumed where it broke off, never with the key."""

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
from seedream_nb.http.connection import PendingConnection, final_proxy_status, why, without_frames
from seedream_nb.http.logs import plain_host
from seedream_nb.http.partial import KEPT, BrokenOffError
from seedream_nb.http.salvage import arriving
from seedream_nb.http.silence import RateCheck
from seedream_nb.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import httpx

    from seedream_nb.http.connection import ConnectionFactory
    from seedream_nb.http.exchange import Observer
    from seedream_nb.http.partial import PartialDownload
    from seedream_nb.service.retry import Timeouts

MAX_REDIRECTS = 5
_TOO_LONG = "The link is too long: {:,} characters (at most {:,})."
LONGEST_LINK, LONGEST_PLACE = 16_384, 1_024
"""In characters: of a whole link, and of its part before the path; parsing longer ones is slow."""

_NAME = lazy_pattern(
    rb"(?=.{1,254}\Z)(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?|(?=[^:]*:)[0-9A-Fa-f:.]{2,45}(?:%[\w.~%-]{1,64})?"
)
"""A valid host: a name whose labels are neither empty nor too long, or an address."""


@frozen
class PictureSource:
    """A picture's link, and whether it, or a redirect from it, may lead into a private network (`inside`)."""

    connections: ConnectionFactory
    link: str = field(repr=False)
    inside: bool
    lenient: bool = False
    """Whether to read what HTTP's parser rejects, as far as that is possible."""
    observer: Observer | None = None
    """Records each exchange."""


async def download(
    source: PictureSource,
    part: PartialDownload,
    *,
    timeouts: Timeouts,
    on_bytes: Callable[[int], None] | None = None,
) -> int:
    """Download `source` into a file that only the user can read; return its size in bytes.

    Raises:
        DownloadError: the download failed; the message says why. What arrived stays in the file, and the next download
                continues from there if it can.
    """
    await part.resume()
    try:
        return await _tries(source, part, timeouts, on_bytes)
    except DownloadError as error:
        await part.save_state()
        raise without_frames(error) from error.__cause__
    finally:
        part.discard_restart()


async def _tries(
    source: PictureSource, part: PartialDownload, timeouts: Timeouts, on_bytes: Callable[[int], None] | None
) -> int:
    for pause in (*timeouts.download_pauses, None):
        try:
            return await _try_all(source, part, timeouts, on_bytes, is_last=pause is None)
        except BrokenOffError as error:
            if pause is None and await part.is_whole():
                return part.size
            if error.garbled:  # or broken off: read leniently, that makes no difference
                source = replace(source, lenient=True)
            if pause is None:
                raise DownloadError(f"{error} (tried {len(timeouts.download_pauses) + 1} times).", hint=KEPT) from error
            await asyncio.sleep(max(error.wait, pause * random.uniform(0.5, 1.5)))
    raise AssertionError  # the last pause is None


async def _try_all(
    source: PictureSource,
    part: PartialDownload,
    timeouts: Timeouts,
    on_bytes: Callable[[int], None] | None,
    *,
    is_last: bool,
) -> int:
    """Try once; if the server did not send the rest of the file, ask for all of it."""
    try:
        return await _try(source, part, timeouts, on_bytes, await part.next_headers(is_last=is_last))
    except DownloadError:
        if not part.range_failed():
            raise
    return await _try(source, part, timeouts, on_bytes, await part.next_headers(is_last=is_last))


async def _try(
    source: PictureSource,
    part: PartialDownload,
    timeouts: Timeouts,
    on_bytes: Callable[[int], None] | None,
    headers: Mapping[str, str],
) -> int:
    await source.connections.agent()
    import httpx

    host = _host(source.link)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.stall) as deadline:
            async with _response(source, headers) as response:
                await part.begin(response, host)
                rate = RateCheck(timeouts.crawl, loop.time())
                async for piece in arriving(response):
                    await part.add(piece)
                    if rate.is_too_slow(len(piece), loop.time()):
                        raise BrokenOffError(f"{host} sent {rate}")
                    deadline.reschedule(loop.time() + timeouts.stall)
                    if on_bytes is not None:
                        on_bytes(part.size)
            await part.end(host)
    except TimeoutError as error:
        if not (source.lenient and part.may_be_complete):
            reason = f"{host} sent nothing for {timeouts.stall:.0f} s"
            raise BrokenOffError(reason, garbled=part.may_be_complete) from error
        await part.end(host)  # with no length given, silence may be the end
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ArithmeticError, ExceptionGroup) as error:
        # Besides httpx's errors, whatever the system raises for an odd host.
        reason = f"The download from {host} failed{part.progress}: {why(error)}"
        garbled = isinstance(error, httpx.RemoteProtocolError)
        kind = (
            DownloadError(f"{reason}.", hint=KEPT)
            if final_proxy_status(error)
            else BrokenOffError(reason, garbled=garbled)
        )
        raise kind from without_frames(error)
    except SettingsError as error:
        raise DownloadError(error.message, hint=KEPT) from without_frames(error)
    await part.check(host)
    return part.size


@asynccontextmanager
async def _response(source: PictureSource, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
    """Yield the response to a GET, after at most five redirects, each to a web address."""
    import httpx

    connections, link = source.connections, source.link
    for _ in range(MAX_REDIRECTS + 1):
        _check_address(link, inside=source.inside)
        all_headers = {"User-Agent": await connections.agent(), **headers}
        exchange = None if source.observer is None else source.observer.begin("GET", link=link)
        async with PendingConnection(exchange) as extensions:
            request = httpx.Request("GET", link, headers=all_headers, extensions=extensions)
            if source.lenient:
                response = await _lenient_response(connections, request)
            else:
                response = await (await connections.shared(link)).handle_async_request(request)
        if exchange is not None:
            exchange.answer(response.status_code, response.headers)
        try:
            if not response.has_redirect_location:
                yield response
                return
            link = _joined(link, response.headers["location"])
        finally:
            await response.aclose()
            if exchange is not None:
                exchange.end()
    raise DownloadError(f"The link redirects more than {MAX_REDIRECTS} times.", hint=KEPT)


async def _lenient_response(connections: ConnectionFactory, request: httpx.Request) -> httpx.Response:
    from seedream_nb.http.transport import lenient_response

    request.headers["Connection"] = "close"  # nothing else may show where the content ends
    return await lenient_response(lambda on_read: connections.fresh(str(request.url), on_read=on_read), request)


def _joined(link: str, location: str) -> str:
    try:
        return urljoin(link, _limited(location))
    except ValueError as error:
        raise DownloadError("The link redirects to something that is not a web address.", hint=KEPT) from error


def _check_address(link: str, *, inside: bool) -> None:
    import httpx

    try:
        address, parts = httpx.URL(_limited(link)), urlsplit(link)
        # These are parsed on access, which fails for a port beyond 65535 or an invalid host.
        host, _ = address.host, (parts.hostname, parts.port)
    except (httpx.InvalidURL, ValueError) as error:
        raise DownloadError("The link is not a web address.", hint=KEPT) from error
    if host and not _NAME.fullmatch(address.raw_host):
        raise DownloadError("The link is not a web address: its host name is not valid.", hint=KEPT)
    if address.scheme not in {"http", "https"} or not host:
        scheme = plain_host(address.scheme, 20)
        raise DownloadError(f"The link is not a web address (http or https) but {scheme or 'nothing'}:.", hint=KEPT)
    if is_link_local(host) or (not inside and is_private(host)):
        where = plain_host(host, 80)
        raise DownloadError(f"The link leads into a private network ({where}), where the service can't be.", hint=KEPT)


def _limited(link: str) -> str:
    netloc = re.split(r"[/?#]", link[:LONGEST_LINK].partition("//")[2], maxsplit=1)[0]
    if len(link) > LONGEST_LINK:
        raise DownloadError(_TOO_LONG.format(len(link), LONGEST_LINK), hint=KEPT)
    if len(netloc) > LONGEST_PLACE:
        raise ValueError("too long")
    return link


def _host(link: str) -> str:
    try:
        return plain_host(urlsplit(link[:LONGEST_PLACE]).hostname or "the link", 80)
    except ValueError:
        return "the link"
