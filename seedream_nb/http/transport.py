"""An httpx transport over httpcore's public parts that can also record what is read; httpx's own can't."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from seedream_nb.http.salvage import MAX_HEAD_BYTES, Dechunker, content_length, parse_head

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

READ_BYTES = 64 * 1024
MAX_IDLE, IDLE_SECONDS = 20, 5.0
SOCKS = frozenset({"socks5", "socks5h"})

_PICTURE_HEADERS = ("location", "retry-after", "content-encoding", "content-range", "etag", "last-modified", "date")

_NAMES = (
    "TimeoutException", "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "NetworkError", "ConnectError",
    "ReadError", "WriteError", "ProxyError", "UnsupportedProtocol", "ProtocolError", "LocalProtocolError",
    "RemoteProtocolError",
)  # fmt: skip
_KINDS: dict[type[BaseException], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name) for name in _NAMES
}


class Transport(httpx.AsyncBaseTransport):
    """Sends requests over its own connections, directly or through a proxy.

    Attributes:
        tap: records what is read, if asked to; then everything goes over one connection.
    """

    def __init__(
        self, *, tls: ssl.SSLContext, proxy: httpx.Proxy | None = None, on_read: Callable[[bytes], None] | None = None
    ) -> None:
        """Connect lazily; `tls` verifies the other side, `on_read` is called with what arrives.

        Raises:
            RuntimeError: SOCKS needs a package that is not installed.
        """
        self.tap = None if on_read is None else RecordingBackend(on_read)
        self._pool = _pool(tls, proxy, self.tap)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its response, whose content is still unread."""
        url = request.url
        core_request = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx():
            response = await self._pool.handle_async_request(core_request)
        return httpx.Response(
            response.status, headers=response.headers, stream=_StrictStream(response), extensions=response.extensions
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()
        if self.tap is not None:
            await self.tap.aclose()


async def lenient_response(
    fresh: Callable[[Callable[[bytes], None]], Awaitable[httpx.AsyncBaseTransport]], request: httpx.Request
) -> httpx.Response:
    """Return the response to a GET whose head or framing HTTP's parser rejects, read as leniently as possible.

    Args:
        fresh: makes a transport that reports what is read; one without a tap answers by itself.
        request: what to send.
    """
    arrived = bytearray()
    transport = await fresh(arrived.extend)
    try:
        tap = getattr(transport, "tap", None)
        if tap is None:
            return await transport.handle_async_request(request)
        traced = request.extensions.get("trace")

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith(".send_request_headers.started"):
                arrived.clear()  # what came before is from a proxy
            if traced is not None:
                await traced(event, info)

        request.extensions = {**request.extensions, "trace": trace}
        with suppress(httpx.RemoteProtocolError):
            await transport.handle_async_request(request)
        status, headers, rest = await _head(tap, arrived)
        arrived.clear()
        content = _LenientStream(transport, tap, arrived, headers, rest)
        return httpx.Response(status, headers=_picture_headers(headers), stream=content)
    except BaseException:
        await transport.aclose()
        raise


async def _head(tap: RecordingBackend, arrived: bytearray) -> tuple[int, dict[str, str], bytes]:
    while (head := parse_head(bytes(arrived))) is None:
        if len(arrived) > MAX_HEAD_BYTES or not await tap.read_on():
            raise httpx.RemoteProtocolError("no head, and no picture")
    return head


def _picture_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return the headers that describe a picture, where they are valid."""
    valid = {name: headers[name] for name in _PICTURE_HEADERS if name in headers}
    coding = headers.get("transfer-encoding", "")
    if "gzip" in coding or "deflate" in coding:
        valid.setdefault("content-encoding", coding)
    length = content_length(headers)
    if length is not None and str(length) == headers["content-length"]:
        valid["content-length"] = str(length)
    return [(name.encode(), value.encode("latin-1")) for name, value in valid.items()]


class _LenientStream(httpx.AsyncByteStream):
    """What follows a head, up to the announced length or the end of the connection."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        tap: RecordingBackend,
        arrived: bytearray,
        headers: Mapping[str, str],
        rest: bytes,
    ) -> None:
        self._transport, self._tap, self._arrived, self._piece = transport, tap, arrived, rest
        self._left, self._dechunker = content_length(headers), Dechunker(headers)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = self._piece
        while self._left != 0 and not self._dechunker.is_ended:
            piece = piece[: self._left]
            self._left = None if self._left is None else self._left - len(piece)
            for part in self._dechunker.feed(piece):
                yield part
            self._arrived.clear()
            if not (piece := b"" if self._left == 0 else await self._tap.read_on()):
                break
        for part in self._dechunker.end():
            yield part

    async def aclose(self) -> None:
        await self._transport.aclose()


class RecordingBackend(httpcore.AsyncNetworkBackend):
    """A network backend for one connection, which reports what is read, and stays open until this is closed.

    httpcore closes a connection whose answer it can't parse, though the rest of that answer, which may be paid for,
    is still to come.
    """

    def __init__(self, on_read: Callable[[bytes], None]) -> None:
        """Connect lazily."""
        self._on_read = on_read
        self._network = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, when httpcore asks for it."""
        return self.tapped(
            await self._network.connect_tcp(
                host, port, timeout=timeout, local_address=local_address, socket_options=socket_options
            )
        )

    def tapped(self, stream: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
        """Return a stream that reports what is read from this one."""
        self._stream = stream
        return _RecordingStream(self, stream)

    async def read_from(self, stream: httpcore.AsyncNetworkStream, max_bytes: int, seconds: float | None) -> bytes:
        """Read and report."""
        piece = await stream.read(max_bytes, timeout=seconds)
        self._on_read(piece)
        return piece

    async def read_on(self) -> bytes:
        """Return the next bytes after httpcore has given up; empty at the end, however it ends."""
        if self._stream is None:
            return b""
        try:
            return await self.read_from(self._stream, READ_BYTES, None)
        except (httpcore.NetworkError, httpcore.TimeoutException, OSError):
            return b""

    async def aclose(self) -> None:
        """Close the connection."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()


class _RecordingStream(httpcore.AsyncNetworkStream):
    def __init__(self, tap: RecordingBackend, stream: httpcore.AsyncNetworkStream) -> None:
        self._tap, self._stream = tap, stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._tap.read_from(self._stream, max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout=timeout)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return self._tap.tapped(await self._stream.start_tls(ssl_context, server_hostname, timeout=timeout))

    async def aclose(self) -> None:
        """Leave it open: the recorder closes it."""

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's
        return self._stream.get_extra_info(info)


class _StrictStream(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._response.stream
        assert isinstance(stream, AsyncIterable)  # noqa: S101 - httpcore's pool returns one
        with _as_httpx():
            async for piece in stream:
                yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


def _pool(
    tls: ssl.SSLContext, proxy: httpx.Proxy | None, network: RecordingBackend | None
) -> httpcore.AsyncConnectionPool:
    common: dict[str, Any] = {
        "ssl_context": tls, "max_connections": None, "max_keepalive_connections": MAX_IDLE,
        "keepalive_expiry": IDLE_SECONDS, "network_backend": network,
    }  # fmt: skip
    if proxy is None:
        return httpcore.AsyncConnectionPool(**common)
    url = proxy.url
    place = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    if url.scheme in SOCKS:
        return httpcore.AsyncSOCKSProxy(proxy_url=place, proxy_auth=proxy.raw_auth, **common)
    return httpcore.AsyncHTTPProxy(
        proxy_url=place, proxy_auth=proxy.raw_auth, proxy_headers=proxy.headers.raw,
        proxy_ssl_context=proxy.ssl_context, **common,
    )  # fmt: skip


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise httpcore's errors as httpx's of the same names."""
    try:
        yield
    except tuple(_KINDS) as error:
        kind = next(_KINDS[base] for base in type(error).__mro__ if base in _KINDS)
        raise kind(str(error)) from error
