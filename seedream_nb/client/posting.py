"""How a request is sent: once, over a connection of its own; what a broken connection means for the bill."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedream_nb.client.lines import Connecting, arriving, why, without_frames
from seedream_nb.errors import ConnectionFailedError, OutcomeUnknownError, ReplyError, SeedreamError
from seedream_nb.wire import is_reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    import httpx

    from seedream_nb.client.lines import Lines, Patience
    from seedream_nb.wire import Body

MOST_REPLY_BYTES = 8_000_000
"""A reply is a few links; more than this is not read."""

NOT_SENT = "Nothing was sent, nothing was billed. Check the network, then run it again."
NOT_COMPLETE = "It was not sent to its end, so nothing was billed. Check the network, then run it again."
MAYBE_BILLED = "It may have been billed: your account's usage page at the service shows it. To ask again, run it again."


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the service answered. `headers` have lower-case names; a refusal's `content` may be cut off."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Post:
    """One request on its way: where to, with what, and for how long to wait."""

    url: str
    host: str
    headers: Mapping[str, str] = field(repr=False)
    body: Body
    patience: Patience
    on_upload: Callable[[int], None] | None

    async def send(self, lines: Lines) -> Reply:
        """Send it, trying again as long as no connection comes about.

        Raises:
            ConnectionFailedError: no connection, or it broke during the upload: certainly not billed.
            OutcomeUnknownError: it broke, or stayed silent, after the upload: may have been billed.
            ReplyError: the reply is larger than 8 MB; its `content` is what was read of it.
            ReferenceImageError: a reference can't be read any more: the upload was broken off.
        """
        for pause in self.patience.connect_pauses:
            try:
                return await self._once(lines)
            except ConnectionFailedError:
                if self.body.begun:
                    raise
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        return await self._once(lines)

    async def _once(self, lines: Lines) -> Reply:
        transport = await lines.fresh(self.url)
        async with transport:
            try:
                async with asyncio.timeout(self.patience.connect) as deadline:
                    return await self._exchange(transport, deadline)
            except SeedreamError as error:
                raise without_frames(error) from error.__cause__
            except Exception as error:  # noqa: BLE001 - whatever broke, what counts is whether it may have been billed
                raise self._failure(error) from without_frames(error)

    async def _exchange(self, transport: httpx.AsyncBaseTransport, deadline: asyncio.Timeout) -> Reply:
        import httpx

        async with aclosing(self._upload(deadline)) as pieces, Connecting() as extensions:
            request = httpx.Request("POST", self.url, headers=self.headers, content=pieces, extensions=extensions)
            response = await transport.handle_async_request(request)
            async with aclosing(response):
                content = await self._content(response, deadline)
        return Reply(status=response.status_code, headers=dict(response.headers), content=content)

    async def _upload(self, deadline: asyncio.Timeout) -> AsyncGenerator[bytes, None]:
        sent = 0
        async with aclosing(aiter(self.body)) as pieces:
            async for piece in pieces:
                self._hear(deadline)
                yield piece
                sent += len(piece)
                if self.on_upload is not None:
                    self.on_upload(sent)
        self._hear(deadline)

    async def _content(self, response: httpx.Response, deadline: asyncio.Timeout) -> bytes:
        import httpx

        content = bytearray()
        if is_reply(response.status_code):
            await self._gather(response, content, deadline)
        else:
            # The status says it all: a refusal whose words break off is still a refusal.
            with contextlib.suppress(httpx.TransportError, httpx.DecodingError, TimeoutError):
                async with asyncio.timeout(self.patience.stall):
                    await self._gather(response, content, deadline)
        return bytes(content)

    async def _gather(self, response: httpx.Response, content: bytearray, deadline: asyncio.Timeout) -> None:
        async for piece in arriving(response):
            self._hear(deadline)
            content += piece
            if len(content) > MOST_REPLY_BYTES:
                if is_reply(response.status_code):
                    read = bytes(content[:MOST_REPLY_BYTES])
                    raise ReplyError("The service's reply is larger than 8 MB.", hint=MAYBE_BILLED, content=read)
                return

    def _hear(self, deadline: asyncio.Timeout) -> None:
        deadline.reschedule(asyncio.get_running_loop().time() + self.patience.silence)

    def _failure(self, error: Exception) -> SeedreamError:
        silent = isinstance(error, TimeoutError)
        if self.body.complete:
            how = f"was silent for {self.patience.silence / 60:.0f} minutes" if silent else "broke"
            happened = f"The connection to {self.host} {how} after the request was sent, before its answer came."
            return OutcomeUnknownError(happened, hint=MAYBE_BILLED)
        if self.body.begun:
            happened = f"The connection to {self.host} broke during the upload: {why(error)}."
            return ConnectionFailedError(happened, hint=NOT_COMPLETE)
        reason = f"no answer within {self.patience.connect:.0f} s" if silent else why(error)
        tries = len(self.patience.connect_pauses) + 1
        return ConnectionFailedError(f"No connection to {self.host}, tried {tries} times: {reason}.", hint=NOT_SENT)
