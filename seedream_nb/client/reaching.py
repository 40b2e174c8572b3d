"""Whether the service can be reached at all: a question that shows no key, asks for no picture and costs nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seedream_nb.client.lines import Connecting, without_frames
from seedream_nb.client.unreachable import NOT_SENT, no_connection
from seedream_nb.errors import SeedreamError

if TYPE_CHECKING:
    from seedream_nb.client.lines import Lines
    from seedream_nb.service.retry import Patience


async def reach(lines: Lines, url: str, host: str, *, patience: Patience) -> int:
    """Return the HTTP status that a GET of this address answers; any answer shows that it can be reached.

    Raises:
        ConnectionFailedError: there is no answer, and why.
        SettingsError: the proxy, or the certificates, that the environment names can't be used.
    """
    connecting = Connecting()
    try:
        async with asyncio.timeout(patience.connect):
            return await _status(lines, url, connecting)
    except SeedreamError as error:
        raise without_frames(error) from error.__cause__
    except Exception as error:  # noqa: BLE001 - whatever the network or the TLS makes of it
        proxy = lines.proxy(url)
        told = no_connection(error, connecting, host=host, proxy=proxy, seconds=patience.connect, tries=1)
        told.hint = (told.hint or "").removeprefix(f"{NOT_SENT} ")  # nothing was to be sent
        raise told from without_frames(error)


async def _status(lines: Lines, url: str, connecting: Connecting) -> int:
    import httpx

    agent = await lines.agent()
    async with await lines.fresh(url) as transport, connecting as extensions:
        request = httpx.Request("GET", url, headers={"User-Agent": agent}, extensions=extensions)
        response = await transport.handle_async_request(request)
        await response.aclose()
    return response.status_code
