"""How a request is sent: once, over a connection of its own; what a broken connection means for the bill."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedream_nb.client.again import pause_to_connect
from seedream_nb.client.lines import Connecting, arriving, why, without_frames
from seedream_nb.client.silence import Silence
from seedream_nb.client.unreachable import barring, no_connection
from seedream_nb.errors import ConnectionFailedError, OutcomeUnknownError, ReplyError, SeedreamError, Unread
from seedream_nb.keys import Unseen
from seedream_nb.wire import is_reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    import httpx

    from seedream_nb.client.again import Pause
    from seedream_nb.client.lines import Lines, Patience
    from seedream_nb.keys import Key
    from seedream_nb.wire import Body

MOST_REPLY_BYTES = 8_000_000
"""A reply is a few links; more than this is not read."""

NOT_COMPLETE = "It was not sent to its end, so nothing was billed. Check the network, then run it again."
MAYBE_BILLED = "It may have been billed: your account's usage page at the service shows it. To ask again, run it again."


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the service answered to its last try. `headers` have lower-case names; `content` may be cut off."""

    status: int
    tries: int = 1
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Let neither show itself: a verbose traceback shows `reply.content` wherever a line has it."""
        object.__setattr__(self, "headers", Unseen(self.headers))
        object.__setattr__(self, "content", Unread(self.content))


@dataclass(frozen=True, kw_only=True)
class Post:
    """One request on its way: where to, with what, and for how long to wait."""

    url: str
    host: str
    headers: Mapping[str, str] = field(repr=False)
    key: Key | None
    body: Body
    patience: Patience
    on_upload: Callable[[int], None] | None
    on_pause: Callable[[Pause | None], None] | None
    read: bytearray = field(default_factory=bytearray, repr=False)
    """What has arrived of the reply: links in it are paid for, even if it breaks off."""

    async def send(self, lines: Lines) -> Reply:
        """Send it, trying again as long as no connection comes about.

        Raises:
            ConnectionFailedError: no connection, or it broke during the upload: certainly not billed.
            OutcomeUnknownError: it broke, or stayed silent, after the upload: may have been billed.
            ReplyError: the reply is larger than 8 MB; its `content` is what was read of it.
            ReferenceImageError: a reference can't be read any more: the upload was broken off.
            SettingsError: the proxy, or the certificates, that the environment names can't be used.
        """
        for tries in itertools.count(1):
            try:
                return await self._once(lines, tries)
            except ConnectionFailedError as failed:
                pause = pause_to_connect(tries, self.patience)
                if pause is None or self.body.begun or barring(failed):
                    raise
            await self._rest(pause)
        raise AssertionError  # there is always a next number

    async def _rest(self, pause: Pause) -> None:
        tell = self.on_pause or (lambda _: None)
        tell(pause)
        await asyncio.sleep(pause.seconds)
        tell(None)

    async def _once(self, lines: Lines, tries: int) -> Reply:
        connecting = Connecting()
        try:
            async with await lines.fresh(self.url) as transport, asyncio.timeout(self.patience.connect) as deadline:
                return await self._exchange(transport, connecting, deadline)
        except SeedreamError as error:
            raise without_frames(error, self.key) from error.__cause__
        except Exception as error:  # noqa: BLE001 - whatever broke, what counts is whether it may have been billed
            failure = self._failure(error) if self.body.begun else None
            failure = failure or no_connection(
                error, connecting, host=self.host, proxy=lines.proxy(self.url),
                seconds=self.patience.connect, tries=tries,
            )  # fmt: skip
            raise failure from without_frames(error, self.key)

    async def _exchange(
        self, transport: httpx.AsyncBaseTransport, connecting: Connecting, deadline: asyncio.Timeout
    ) -> Reply:
        import httpx

        with Silence(deadline, self.patience.silence) as silence:
            async with aclosing(self._upload(silence)) as pieces, connecting as extensions:
                request = httpx.Request("POST", self.url, headers=self.headers, content=pieces, extensions=extensions)
                response = await transport.handle_async_request(request)
                async with aclosing(response):
                    content = await self._content(response, silence)
        return Reply(status=response.status_code, headers=dict(response.headers), content=content)

    async def _upload(self, silence: Silence) -> AsyncGenerator[bytes, None]:
        sent = 0
        async with aclosing(aiter(self.body)) as pieces:
            async for piece in pieces:
                silence.hear()
                yield piece
                sent += len(piece)
                if self.on_upload is not None:
                    self.on_upload(sent)
        silence.hear()

    async def _content(self, response: httpx.Response, silence: Silence) -> bytes:
        import httpx

        if is_reply(response.status_code):
            await self._gather(response, self.read, silence)
            return bytes(self.read)
        content = bytearray()
        # The status says it all: a refusal whose words break off is still a refusal.
        with contextlib.suppress(httpx.TransportError, httpx.DecodingError, TimeoutError):
            async with asyncio.timeout(self.patience.stall):
                await self._gather(response, content, silence)
        return bytes(content)

    async def _gather(self, response: httpx.Response, content: bytearray, silence: Silence) -> None:
        async for piece in arriving(response):
            silence.hear()
            content += piece
            if len(content) > MOST_REPLY_BYTES:
                if is_reply(response.status_code):
                    read = bytes(content[:MOST_REPLY_BYTES])
                    raise ReplyError("The service's reply is larger than 8 MB.", hint=MAYBE_BILLED, content=read)
                return

    def _failure(self, error: Exception) -> SeedreamError:
        silent = isinstance(error, TimeoutError)
        if self.body.complete:
            how = f"was silent for {self.patience.silence / 60:.0f} minutes" if silent else "broke"
            happened = f"The connection to {self.host} {how} after the request was sent, before its answer came."
            return OutcomeUnknownError(happened, hint=MAYBE_BILLED, content=bytes(self.read))
        happened = f"The connection to {self.host} broke during the upload: {why(error)}."
        return ConnectionFailedError(happened, hint=NOT_COMPLETE)
