"""Sends a request once, over a connection of its own, and decides what a broken connection means for the bill."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import aclosing
from dataclasses import field
from typing import TYPE_CHECKING

import anyio.to_thread

from seedream_nb.errors import ConnectionFailedError, OutcomeUnknownError, ReplyError, SeedreamError, Unread
from seedream_nb.frozen import frozen
from seedream_nb.http.connection import PendingConnection, connection_error, final_proxy_status, why, without_frames
from seedream_nb.http.salvage import MAX_REPLY_BYTES, RawReply, arriving
from seedream_nb.http.silence import IdleTimeout, RateCheck, until_quiet
from seedream_nb.keys import Unseen
from seedream_nb.service.reply import is_reply, salvage_results
from seedream_nb.service.retry import pause_to_connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    import httpx

    from seedream_nb.http.connection import ConnectionFactory
    from seedream_nb.http.exchange import Exchange
    from seedream_nb.http.salvage import LenientReply
    from seedream_nb.http.transport import RecordingBackend
    from seedream_nb.keys import Key
    from seedream_nb.service.body import Body
    from seedream_nb.service.retry import RetryDelay, Timeouts

QUIET_SECONDS = 0.5
"""After this long without data, what arrived is parsed, where HTTP's parser gave up."""

RECHECK_FACTOR = 10
"""Look for content again after this many times the duration of the last look."""

NOT_COMPLETE = "It was not sent completely, so nothing was billed. Check the network, then run it again."
MAYBE_BILLED = "It may have been billed: your account's usage page at the service shows it. To try again, run it again."


@frozen
class Reply:
    """The service's answer to the last attempt. `headers` have lower-case names; `content` may be cut off."""

    status: int
    tries: int = 1
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Show neither headers nor content: a verbose traceback shows the values in each line."""
        object.__setattr__(self, "headers", Unseen(self.headers))
        object.__setattr__(self, "content", Unread(self.content))


@frozen
class Post:
    """A request to be sent: where, with what, and how long to wait."""

    url: str
    host: str
    headers: Mapping[str, str] = field(repr=False)
    key: Key | None
    body: Body
    timeouts: Timeouts
    on_upload: Callable[[int], None] | None
    on_pause: Callable[[RetryDelay | None], None] | None
    exchange: Exchange | None = None
    """Records it for an observer."""
    received: RawReply = field(default_factory=RawReply, repr=False)
    """What has arrived: links in it are paid for, however it ends, even if the parser rejects it."""

    async def send(self, connections: ConnectionFactory) -> Reply:
        """Send it, retrying as long as there is no connection.

        Raises:
            ConnectionFailedError: there was no connection, or it broke during the upload: certainly not billed.
            OutcomeUnknownError: after the upload it broke, or stayed silent: may have been billed.
            ReplyError: the reply is larger than 8 MB; `content` is the part that was read.
            ReferenceImageError: a reference could no longer be read, so the upload was stopped.
            SettingsError: the proxy or the certificates named in the environment can't be used.
        """
        for tries in itertools.count(1):
            try:
                return await self._try(connections, tries)
            except ConnectionFailedError as failed:
                pause = pause_to_connect(tries, self.timeouts)
                if pause is None or self.body.begun or final_proxy_status(failed):
                    raise
            await self._pause(pause)
        raise AssertionError  # count() never ends

    async def _pause(self, pause: RetryDelay) -> None:
        notify = self.on_pause or (lambda _: None)
        notify(pause)
        await asyncio.sleep(pause.seconds)
        notify(None)

    async def _try(self, connections: ConnectionFactory, tries: int) -> Reply:
        connecting = PendingConnection(self.exchange)
        try:
            transport = await connections.fresh(self.url, on_read=self._record)
            async with transport, asyncio.timeout(self.timeouts.connect) as deadline:
                return await self._exchange(transport, connecting, deadline)
        except SeedreamError as error:
            raise without_frames(error) from error.__cause__
        except Exception as error:  # noqa: BLE001 - whatever broke, what matters is whether it may have been billed
            answer = await anyio.to_thread.run_sync(self.received.answer)
            if answer.is_refusal and answer.status is not None:
                return Reply(status=answer.status, headers=answer.headers, content=answer.content)
            failure = self._failure(error, answer.content) if self.body.begun else None
            failure = failure or connection_error(
                error, connecting, host=self.host, proxy=connections.proxy(self.url),
                seconds=self.timeouts.connect, tries=tries,
            )  # fmt: skip
            raise failure from without_frames(error)

    def _record(self, piece: bytes) -> None:
        if self.body.begun:  # what comes before is from a proxy
            self.received.add(piece)

    async def _exchange(
        self, transport: httpx.AsyncBaseTransport, connecting: PendingConnection, deadline: asyncio.Timeout
    ) -> Reply:
        import httpx

        tap: RecordingBackend | None = getattr(transport, "tap", None)
        with (
            IdleTimeout(deadline, self.timeouts.silence) as silence,
            IdleTimeout(deadline, self.timeouts.reply) as reply_timeout,
        ):
            async with aclosing(self._upload(silence)) as pieces, connecting as extensions:
                request = httpx.Request("POST", self.url, headers=self.headers, content=pieces, extensions=extensions)
                try:
                    response = await transport.handle_async_request(request)
                    if self.exchange is not None:
                        self.exchange.reach("answered")
                    async with aclosing(response):
                        content = await self._content(response, silence, reply_timeout)
                except (httpx.RemoteProtocolError, httpx.DecodingError):
                    # The parser rejected what may be paid for; the rest of it is still to come.
                    await self._drain(tap, silence, reply_timeout)
                    raise
        if is_reply(response.status_code) and tap is not None:
            content = await self._complete_content(content, tap)
        return Reply(status=response.status_code, headers=dict(response.headers), content=content)

    async def _complete_content(self, content: bytes, tap: RecordingBackend) -> bytes:
        """Return a reply's content, with the rest where its announced length was too short."""
        with contextlib.suppress(Exception):  # a fault of ours, while we look for more, must not lose what is here
            if await anyio.to_thread.run_sync(lambda: salvage_results(content, 0)[1]):
                return content
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.timeouts.reply):
                    await self._drain(tap)
            answer = await anyio.to_thread.run_sync(self.received.answer)
            return answer.content if answer.is_whole else content
        return content

    async def _drain(self, tap: RecordingBackend | None, *silences: IdleTimeout) -> None:
        """Receive what still comes, until the end or until the reply is complete.

        Waits for a possible reply as long as these timeouts allow; without any, takes the end that was announced.
        """
        loop = asyncio.get_running_loop()
        answer: LenientReply | None = None
        last, begun, look = loop.time(), False, 0.0
        while tap is not None and not self.received.is_full:
            if not begun and (now := loop.time()) >= look:
                begun = self.received.has_content
                look = loop.time() + RECHECK_FACTOR * (loop.time() - now)
                for timeout in silences if begun else ():
                    timeout.hear()
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    piece = await tap.read_on()
            except TimeoutError:
                if answer is None:
                    answer = await anyio.to_thread.run_sync(self.received.answer)
                if not silences or answer.is_whole or answer.is_refusal:
                    return
                if (answer.is_ended or answer.status is None) and loop.time() - last >= self.timeouts.quiet:
                    return
                continue
            if not piece:
                return
            last, answer = loop.time(), None

    async def _upload(self, silence: IdleTimeout) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        sent, rate = 0, RateCheck(self.timeouts.crawl, loop.time())
        async with aclosing(aiter(self.body)) as pieces:
            async for piece in pieces:
                silence.hear()
                yield piece
                sent += len(piece)
                if self.on_upload is not None:
                    self.on_upload(sent)
                if not self.body.complete and rate.is_too_slow(len(piece), loop.time()):
                    raise ConnectionFailedError(f"{self.host} took {rate} of the request.", hint=NOT_COMPLETE)
        silence.hear()

    async def _content(self, response: httpx.Response, silence: IdleTimeout, reply_timeout: IdleTimeout) -> bytes:
        import httpx

        content = bytearray()
        if response.status_code < 200:
            raise httpx.RemoteProtocolError("an interim answer instead of the final one")
        if is_reply(response.status_code):
            await self._gather(response, content, silence, reply_timeout)
            return bytes(content)
        # The status decides: a refusal whose text breaks off is still a refusal.
        with contextlib.suppress(httpx.TransportError, httpx.DecodingError, TimeoutError):
            async with asyncio.timeout(self.timeouts.stall):
                await self._gather(response, content, silence, reply_timeout)
        return bytes(content)

    async def _gather(
        self, response: httpx.Response, content: bytearray, silence: IdleTimeout, reply_timeout: IdleTimeout
    ) -> None:
        """Read a response; white space alone does not count as progress."""
        untapped, begun = not self.received.began, False
        async for piece in until_quiet(arriving(response), self.timeouts.quiet, self._is_whole):
            if piece.strip():
                silence.hear()
                if not begun:
                    reply_timeout.hear()
                begun = True
            content += piece
            if untapped:
                self.received.add(piece)
            if len(content) > MAX_REPLY_BYTES:
                if is_reply(response.status_code):
                    read = bytes(content[:MAX_REPLY_BYTES])
                    raise ReplyError("The service's reply is larger than 8 MB.", hint=MAYBE_BILLED, content=read)
                return

    async def _is_whole(self) -> bool:
        with contextlib.suppress(Exception):  # a fault of ours: then we wait for the end
            return (await anyio.to_thread.run_sync(self.received.answer)).is_whole
        return False

    def _failure(self, error: Exception, content: bytes) -> SeedreamError:
        if not self.body.complete:
            happened = f"The connection to {self.host} broke during the upload: {why(error)}."
            return ConnectionFailedError(happened, hint=NOT_COMPLETE)
        return OutcomeUnknownError(self._describe_end(error), hint=MAYBE_BILLED, content=content)

    def _describe_end(self, error: Exception) -> str:
        import httpx

        if isinstance(error, TimeoutError) and self.received.has_content:
            minutes = f"{self.timeouts.reply / 60:.0f} minutes"
            return f"{self.host} began to answer after the request was sent, but did not finish within {minutes}."
        if isinstance(error, (httpx.RemoteProtocolError, httpx.DecodingError)) and self.received.began:
            return f"The answer from {self.host} can't be read: it is garbled, or broke off."
        how = f"was silent for {self.timeouts.silence / 60:.0f} minutes" if isinstance(error, TimeoutError) else "broke"
        return f"The connection to {self.host} {how} after the request was sent, before an answer came."
