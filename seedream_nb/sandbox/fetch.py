"""Fetches a reference that is given by its URL, as the service would: from public hosts, within bounds."""

from __future__ import annotations

import functools
import ipaddress
import socket
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    LookUp = Callable[[str], Awaitable[list[Address]]]
    Fetch = Callable[[str], Awaitable[bytes]]

MOST_SECONDS = 20.0
MOST_REDIRECTS = 5
NAMES_AT_HOME = ("localhost", ".localhost", ".local", ".internal", ".home.arpa")


async def look_up(host: str) -> list[Address]:
    """Return the addresses of a name; none where a proxy would look it up."""
    import anyio

    if urllib.request.getproxies():
        return []
    found = await anyio.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(place[4][0].partition("%")[0]) for place in found]


async def fetch(
    url: str, *, most_bytes: int = 10_000_000, seconds: float = MOST_SECONDS, look_up: LookUp = look_up
) -> bytes:
    """Return what a public URL holds, within bounds, as the service would fetch it; raise OSError where it can't.

    A proxy that the environment names is used, for without it a user's network may reach nothing.
    """
    import anyio
    import httpx

    content = bytearray()
    hooks: dict[str, list[Callable[..., object]]] = {"request": [functools.partial(_check_public, look_up)]}
    try:
        with anyio.fail_after(seconds):
            async with (
                httpx.AsyncClient(
                    follow_redirects=True, max_redirects=MOST_REDIRECTS, event_hooks=hooks, timeout=seconds
                ) as client,
                client.stream("GET", url) as reply,
            ):
                reply.raise_for_status()
                async for piece in reply.aiter_bytes():
                    content += piece
                    if len(content) > most_bytes:
                        told = f"it has more than {most_bytes} bytes"
                        raise OSError(told)
    except TimeoutError:
        told = f"it took longer than {seconds:g} seconds"
        raise OSError(told) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OSError(_reason(error)) from None
    return bytes(content)


def _reason(error: Exception) -> str:
    """Return what went wrong in one line: httpx adds a link to its own documentation."""
    told = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {told}".rstrip(": ")


async def _check_public(look_up: LookUp, request: httpx.Request) -> None:
    """Raise where the real service could never reach: loopback and private networks."""
    host = request.url.host.casefold().rstrip(".")
    reachable = not host.endswith(NAMES_AT_HOME)
    if reachable:
        addresses = [found] if (found := _address(host)) else await look_up(host)
        reachable = all(address.is_global for address in addresses)
    if not reachable:
        told = f"{host} can't be reached from the service"
        raise OSError(told)


def _address(host: str) -> Address | None:
    """Return the address that a host is written as, also in the old spellings (127.1, 0x7f.1, 2130706433)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
