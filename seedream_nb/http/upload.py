"""How a request is sent: once, over a connection of its own; what a broken connection means for the bill."""

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
from seedream_nb.http.connection import PendingConnection, barring, no_connection, why, without_frames
from seedream_nb.http.salvage import MAX_REPLY_BYTES, RawReply, arriving
from seedream_nb.http.silence import IdleTimeout, RateCheck, until_quiet
from seedream_nb.keys import Unseen
from seedream_nb.service.reply import arrived_results, is_reply
from seedream_nb.service.retry import pause_to_connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    import httpx

    from seedream_nb.http.connection import ConnectionFactory
    from seedream_nb.http.salvage import LenientReply
    from seedream_nb.http.transport import RecordingBackend
    from seedream_nb.keys import Key
    from seedream_nb.service.body import Body
    from seedream_nb.service.retry import RetryDelay, Timeouts

QUIET_SECONDS = 0.5
"""How long nothing comes until what came, where HTTP's parser gave it up, is looked at."""

LOOK_AGAIN = 10
"""How many times as long as one look took, until it is looked again whether more than a head came in tiny pieces."""

NOT_COMPLETE = "It was not sent to its end, so nothing was billed. Check the network, then run it again."
MAYBE_BILLED = "It may have been billed: your account's usage page at the service shows it. To ask again, run it again."


@frozen
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


@frozen
class Post:
    """One request on its way: where to, with what, and for how long to wait."""

    url: str
    host: str
    headers: Mapping[str, str] = field(repr=False)
    key: Key | None
    body: Body
    patience: Timeouts
    on_upload: Callable[[int], None] | None
    on_pause: Callable[[RetryDelay | None], None] | None
    heard: RawReply = field(default_factory=RawReply, repr=False)
    """What has arrived: links in it are paid for, however it breaks off, and whoever can't read it."""

    async def send(self, lines: ConnectionFactory) -> Reply:
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

    async def _rest(self, pause: RetryDelay) -> None:
        tell = self.on_pause or (lambda _: None)
        tell(pause)
        await asyncio.sleep(pause.seconds)
        tell(None)

    async def _once(self, lines: ConnectionFactory, tries: int) -> Reply:
        connecting = PendingConnection()
        try:
            transport = await lines.fresh(self.url, on_read=self._hear)
            async with transport, asyncio.timeout(self.patience.connect) as deadline:
                return await self._exchange(transport, connecting, deadline)
        except SeedreamError as error:
            raise without_frames(error) from error.__cause__
        except Exception as error:  # noqa: BLE001 - whatever broke, what counts is whether it may have been billed
            answer = await anyio.to_thread.run_sync(self.heard.answer)
            if answer.is_refusal and answer.status is not None:
                return Reply(status=answer.status, headers=answer.headers, content=answer.content)
            failure = self._failure(error, answer.content) if self.body.begun else None
            failure = failure or no_connection(
                error, connecting, host=self.host, proxy=lines.proxy(self.url),
                seconds=self.patience.connect, tries=tries,
            )  # fmt: skip
            raise failure from without_frames(error)

    def _hear(self, piece: bytes) -> None:
        if self.body.begun:  # what comes before is a proxy's
            self.heard.add(piece)

    async def _exchange(
        self, transport: httpx.AsyncBaseTransport, connecting: PendingConnection, deadline: asyncio.Timeout
    ) -> Reply:
        import httpx

        tap: RecordingBackend | None = getattr(transport, "tap", None)
        with (
            IdleTimeout(deadline, self.patience.silence) as silence,
            IdleTimeout(deadline, self.patience.reply) as whole,
        ):
            async with aclosing(self._upload(silence)) as pieces, connecting as extensions:
                request = httpx.Request("POST", self.url, headers=self.headers, content=pieces, extensions=extensions)
                try:
                    response = await transport.handle_async_request(request)
                    async with aclosing(response):
                        content = await self._content(response, silence, whole)
                except (httpx.RemoteProtocolError, httpx.DecodingError):
                    # A parser gave up what may be paid for: the rest of it is still to come.
                    await self._listen(tap, silence, whole)
                    raise
        if is_reply(response.status_code) and tap is not None:
            content = await self._whole(content, tap)
        return Reply(status=response.status_code, headers=dict(response.headers), content=content)

    async def _whole(self, content: bytes, tap: RecordingBackend) -> bytes:
        """Return a reply's content; where that is not all of it, for its length was told wrong, with the rest."""
        if await anyio.to_thread.run_sync(lambda: arrived_results(content, 0)[1]):
            return content
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience.reply):
                await self._listen(tap)
        answer = await anyio.to_thread.run_sync(self.heard.answer)
        return answer.content if answer.is_whole else content

    async def _listen(self, tap: RecordingBackend | None, *silences: IdleTimeout) -> None:
        """Hear what else comes, until its end or until all is there.

        A reply that may still come is waited for as long as these allow; without any, its end has come, as it says.
        """
        loop = asyncio.get_running_loop()
        answer: LenientReply | None = None
        last, begun, look = loop.time(), False, 0.0
        while tap is not None and not self.heard.is_full:
            if not begun and (now := loop.time()) >= look:
                begun = self.heard.has_content
                look = loop.time() + LOOK_AGAIN * (loop.time() - now)
                for each in silences if begun else ():
                    each.hear()
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    piece = await tap.read_on()
            except TimeoutError:
                if answer is None:
                    answer = await anyio.to_thread.run_sync(self.heard.answer)
                if not silences or answer.is_whole or answer.is_refusal:
                    return
                if (answer.is_ended or answer.status is None) and loop.time() - last >= self.patience.quiet:
                    return
                continue
            if not piece:
                return
            last, answer = loop.time(), None

    async def _upload(self, silence: IdleTimeout) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        sent, pace = 0, RateCheck(self.patience.crawl, loop.time())
        async with aclosing(aiter(self.body)) as pieces:
            async for piece in pieces:
                silence.hear()
                yield piece
                sent += len(piece)
                if self.on_upload is not None:
                    self.on_upload(sent)
                if not self.body.complete and pace.is_too_slow(len(piece), loop.time()):
                    raise ConnectionFailedError(f"{self.host} took {pace} of the request.", hint=NOT_COMPLETE)
        silence.hear()

    async def _content(self, response: httpx.Response, silence: IdleTimeout, whole: IdleTimeout) -> bytes:
        import httpx

        content = bytearray()
        if response.status_code < 200:  # noqa: PLR2004 - HTTP's interim answers
            raise httpx.RemoteProtocolError("an interim answer in the place of the last one")
        if is_reply(response.status_code):
            await self._gather(response, content, silence, whole)
            return bytes(content)
        # The status says it all: a refusal whose words break off is still a refusal.
        with contextlib.suppress(httpx.TransportError, httpx.DecodingError, TimeoutError):
            async with asyncio.timeout(self.patience.stall):
                await self._gather(response, content, silence, whole)
        return bytes(content)

    async def _gather(
        self, response: httpx.Response, content: bytearray, silence: IdleTimeout, whole: IdleTimeout
    ) -> None:
        """Read a response; white space alone is no sign that it comes to an end."""
        untapped, begun = not self.heard.began, False
        async for piece in until_quiet(arriving(response), self.patience.quiet, self._is_whole):
            if piece.strip():
                silence.hear()
                if not begun:
                    whole.hear()
                begun = True
            content += piece
            if untapped:
                self.heard.add(piece)
            if len(content) > MAX_REPLY_BYTES:
                if is_reply(response.status_code):
                    read = bytes(content[:MAX_REPLY_BYTES])
                    raise ReplyError("The service's reply is larger than 8 MB.", hint=MAYBE_BILLED, content=read)
                return

    async def _is_whole(self) -> bool:
        return (await anyio.to_thread.run_sync(self.heard.answer)).is_whole

    def _failure(self, error: Exception, content: bytes) -> SeedreamError:
        if not self.body.complete:
            happened = f"The connection to {self.host} broke during the upload: {why(error)}."
            return ConnectionFailedError(happened, hint=NOT_COMPLETE)
        return OutcomeUnknownError(self._how_it_ended(error), hint=MAYBE_BILLED, content=content)

    def _how_it_ended(self, error: Exception) -> str:
        import httpx

        if isinstance(error, TimeoutError) and self.heard.has_content:
            minutes = f"{self.patience.reply / 60:.0f} minutes"
            return f"{self.host} began to answer after the request was sent, and had not finished in {minutes}."
        if isinstance(error, (httpx.RemoteProtocolError, httpx.DecodingError)) and self.heard.began:
            return f"The answer of {self.host} can't be read: it is garbled, or broke off."
        how = f"was silent for {self.patience.silence / 60:.0f} minutes" if isinstance(error, TimeoutError) else "broke"
        return f"The connection to {self.host} {how} after the request was sent, before its answer came."
