"""How a connection is made: with TLS, through a proxy, kept alive; or none, but an app in this process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ipaddress
import socket
import ssl
import urllib.request
import zlib
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio.to_thread

from seedream_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping
    from types import TracebackType

    import httpcore
    import httpx

FIRST_PROBE_SECONDS, PROBE_SECONDS, PROBES = 45, 30, 20
"""Home routers and clouds forget a silent connection after 60 to 350 s. A line may be down for ten minutes (a lid
closed, a change of network) and come back to a reply that is paid for."""

PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait before giving up, in seconds; tests are less patient.

    Attributes:
        connect: for a connection to stand: name, TCP, TLS.
        silence: for anything to happen while uploading or generating; slow series take up to 20 minutes.
        stall: for the next bytes of a download, or of what a refusal has to say.
        connect_pauses: before each new try to connect, give or take a half.
        download_pauses: before each new try to download, give or take a half.
    """

    connect: float = 15.0
    silence: float = 1800.0
    stall: float = 60.0
    connect_pauses: tuple[float, ...] = (1.0, 3.0)
    download_pauses: tuple[float, ...] = (0.5, 1.5, 4.0)


class Connecting:
    """Closes a connection that is given up before it stands.

    httpcore leaves one whose TLS handshake is cancelled open until the garbage collector finds it: its
    `AnyIOStream.start_tls` closes on `Exception`, and a cancellation is none.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Hear from httpcore what happens: https://www.encode.io/httpcore/extensions/#trace."""
        if event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]

    async def __aenter__(self) -> Mapping[str, Any]:
        """Return the extensions of a request that make this work."""
        return {"trace": self.trace}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection if the request came to nothing."""
        if error is not None and self._stream is not None:
            await self._stream.aclose()


class Lines:
    """Makes the connections of one client, fresh ones and shared ones; an `app` is called in their place."""

    def __init__(self, app: object | None = None) -> None:
        """Connect to nothing yet; `app` is an ASGI app in this process."""
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._agent: str | None = None
        self._tls: ssl.SSLContext | None = None
        self._shared: dict[tuple[str, str | None], httpx.AsyncBaseTransport] = {}

    async def agent(self) -> str:
        """Return what this program calls itself. Importing httpx takes 0.15 s: a thread does it first."""
        if self._agent is None:
            # By asyncio's own means: anyio's would first be imported, here.
            self._agent = await asyncio.to_thread(_load)
        return self._agent

    async def fresh(self, url: str) -> httpx.AsyncBaseTransport:
        """Return a transport that has no connection yet and will be used once."""
        await self.agent()
        return await self._transport(url, proxy_for(url))

    async def shared(self, url: str) -> httpx.AsyncBaseTransport:
        """Return a transport whose connections are used again, until `aclose`."""
        await self.agent()
        self._leave_other_loops()
        proxy = proxy_for(url)
        kind = (urlsplit(url).scheme.lower(), proxy)
        async with self._lock:
            if kind not in self._shared:
                self._shared[kind] = await self._transport(url, proxy)
            return self._shared[kind]

    async def aclose(self) -> None:
        """Close the shared connections."""
        shared, self._shared = self._shared, {}
        for transport in shared.values():
            await transport.aclose()

    def _leave_other_loops(self) -> None:
        # After a fork there is another loop, and the connections are the parent's.
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._lock, self._shared = loop, asyncio.Lock(), {}

    async def _transport(self, url: str, proxy: str | None) -> httpx.AsyncBaseTransport:
        import httpx

        if self._app is not None:
            app: Any = self._app
            return httpx.ASGITransport(app, raise_app_exceptions=False)
        if url.lower().startswith("https:") or (proxy or "").startswith("https:"):
            context = await self._tls_context()
        else:
            # Loading the certificates takes 20 ms, and no TLS will be spoken.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            return httpx.AsyncHTTPTransport(
                verify=context,
                proxy=proxy,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=5),
                socket_options=keep_alive(),
            )
        except (ImportError, ValueError) as error:
            # A SOCKS proxy without the package for it, or a proxy of a kind that nobody knows.
            raise SettingsError(
                f"The proxy that the environment names can't be used: {error}",
                hint="Nothing was sent, nothing was billed. Change or unset ALL_PROXY, HTTPS_PROXY, HTTP_PROXY.",
            ) from error

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            import httpx

            # With SSL_CERT_FILE and SSL_CERT_DIR, as companies set them for proxies that look inside.
            self._tls = await anyio.to_thread.run_sync(httpx.create_ssl_context)
        return self._tls


async def arriving(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield what a response holds, in pieces of at most 1 MiB, unpacked where a server packs it without being asked.

    httpx unpacks each piece as a whole: 64 kB may hold 64 MB, and far more if they are packed twice.

    Raises:
        httpx.DecodingError: what is packed is damaged or cut off.
    """
    import httpx

    packed = response.headers.get("content-encoding", "").strip().lower() in {"gzip", "x-gzip", "deflate"}
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: either of the two
    try:
        async for piece in response.aiter_raw():
            for part in _unpacked(unpacker, piece) if packed else (piece,):
                yield part
    except zlib.error as error:
        raise httpx.DecodingError("packed and damaged") from error
    if packed and not unpacker.eof:
        raise httpx.DecodingError("packed and cut off")


def _unpacked(unpacker: zlib._Decompress, piece: bytes) -> Iterator[bytes]:
    while piece and not unpacker.eof:
        yield unpacker.decompress(piece, PIECE_BYTES)
        piece = unpacker.unconsumed_tail


def _load() -> str:
    # At first use httpx imports httpcore, and anyio its backend: that would be on the loop.
    for name in ("httpx", "httpcore", "anyio._backends._asyncio"):
        with contextlib.suppress(ImportError):  # the last one is no public name
            importlib.import_module(name)
    try:
        version = metadata.version("seedream-nb")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"seedream-nb/{version}"


def keep_alive() -> list[tuple[int, int, int]]:
    """Return the socket options that make a silent connection give signs of life, where the platform can."""
    probes = (
        ("TCP_KEEPIDLE", FIRST_PROBE_SECONDS),
        ("TCP_KEEPALIVE", FIRST_PROBE_SECONDS),  # macOS's name for it
        ("TCP_KEEPINTVL", PROBE_SECONDS),
        ("TCP_KEEPCNT", PROBES),
    )
    known = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in probes if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment or the system names for a URL; none for this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_this_machine(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme.lower()) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def why(error: BaseException) -> str:
    """Return in words why a connection did not come about or broke."""
    causes = list(_causes(error))
    for kind, words in _REASONS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    import httpx

    if any(isinstance(cause, httpx.ProxyError) for cause in causes):
        return "the proxy refused"
    return f"the network failed ({type(error).__name__})"


def without_frames(error: Exception) -> Exception:
    """Return the error, and what caused it, without the frames they passed: their variables hold the key."""
    for cause in _causes(error):
        cause.__traceback__ = None
    return error


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name can't be found; is this machine online?"),
    (ssl.SSLCertVerificationError, "its certificate can't be trusted"),
    (ssl.SSLError, "no secure connection (TLS) came about"),
    (ConnectionRefusedError, "it refused the connection"),
    (ConnectionResetError, "the connection was reset"),
    (BrokenPipeError, "the connection was reset"),
    (TimeoutError, "it did not answer in time"),
    # The last: before anyio 4.15 its own error is all that is left of a reset.
    (anyio.BrokenResourceError, "the connection was reset"),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__
