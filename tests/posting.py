"""Sends a request with a client of its own: what the tests of the client share."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, TypedDict, Unpack

from seedream_nb.http.client import Client, Reply, RetryDelay, Timeouts
from seedream_nb.keys import Key
from seedream_nb.request import make_request
from seedream_nb.service.body import Body
from seedream_nb.storage.store import Input

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "sk_Tr0ub4dor-and-3-more-words"
FOX = make_request("a fox 狐", max_images=2)
QUICK = Timeouts(connect=5.0, silence=5.0, stall=1.0, connect_pauses=(0.01, 0.02), download_pauses=(0.01, 0.01, 0.01))


class Options(TypedDict, total=False):
    """How a request is sent, where it is not as usual."""

    timeouts: Timeouts
    key: str | None
    app: object
    on_upload: Callable[[int], None]
    on_pause: Callable[[RetryDelay | None], None]


def large(tmp_path: Path, size_bytes: int = 24_000_000) -> Body:
    """Return a body that no socket takes in at once."""
    path = tmp_path / "large.png"
    path.touch()
    os.truncate(path, size_bytes)
    return Body(FOX, [Input(path=path, media_type="image/png", sha256="", size_bytes=size_bytes, note=None)])


def post(url: str, body: Body | None = None, **options: Unpack[Options]) -> Reply:
    """Send a request, by default a small one with a key, and return the reply."""
    text = options.get("key", KEY)

    async def send() -> Reply:
        client = Client(
            base_url=url,
            key=Key(text, source="a test") if text else None,
            app=options.get("app"),
            timeouts=options.get("timeouts", QUICK),
        )
        try:
            on_upload, on_pause = options.get("on_upload"), options.get("on_pause")
            return await client.post(body or Body(FOX, []), on_upload=on_upload, on_pause=on_pause)
        finally:
            await client.aclose()

    return asyncio.run(send())
