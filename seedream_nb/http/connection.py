"""Makes connections: with TLS, through a proxy, kept alive; or calls an app in this process instead."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio.to_thread

from seedream_nb.errors import ConnectionFailedError, SettingsError, plain
from seedream_nb.frozen import frozen
from seedream_nb.http.logs import redact_login_in_logs, without_secrets
from seedream_nb.http.proxy import corrected, describe_proxy_refusal, proxy_for, proxy_status, unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    import httpcore
    import httpx

    from seedream_nb.http.exchange import Exchange
    from seedream_nb.http.proxy import Proxy

FIRST_PROBE_SECONDS, PROBE_SECONDS, PROBES = 45, 30, 20
"""Home routers and clouds drop an idle connection after 60 to 350 s. A network that is away for ten minutes (a lid
closed, a change of Wi-Fi) may still come back to a reply that is paid for."""


def keep_alive(sock: socket.socket | None) -> None:
    """Turn on keep-alive probes, where the platform supports them."""
    if sock is not None:
        for option in options():
            with contextlib.suppress(OSError):  # without them only a long wait is less reliable
                sock.setsockopt(*option)


def options() -> list[tuple[int, int, int]]:
    """Return the socket options for keep-alive probes."""
    probes = (
        ("TCP_KEEPIDLE", FIRST_PROBE_SECONDS),
        ("TCP_KEEPALIVE", FIRST_PROBE_SECONDS),  # macOS's name for it
        ("TCP_KEEPINTVL", PROBE_SECONDS),
        ("TCP_KEEPCNT", PROBES),
    )
    supported = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in probes if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *supported]


PUBLIC = "the public authorities (certifi)"


@frozen
class Authorities:
    """Trusted certificate authorities; `files` are pairs of variable and PEM file or folder; empty: the public ones."""

    files: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Return them as they are written in the environment."""
        return " and ".join(f"{name}={path}" for name, path in self.files) or PUBLIC

    def context(self) -> ssl.SSLContext:
        """Load the certificates; that takes 20 ms, so do it in a thread.

        Raises:
            SettingsError: a file does not exist, or holds no certificate.
        """
        if not self.files:
            import httpx

            return httpx.create_ssl_context(trust_env=False)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for name, path in self.files:
            _load_authorities(context, name, path)
        return context


def authorities(environ: Mapping[str, str] = os.environ) -> Authorities:
    """Return which certificate authorities to trust.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` are both used, as in OpenSSL. If neither is set, `REQUESTS_CA_BUNDLE` or else
    `CURL_CA_BUNDLE` is, a file or a folder: companies with intercepting proxies set these for requests, pip and curl.
    If none is set, the public authorities are trusted. An empty variable counts as not set.
    """
    variables = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    variables = variables or [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(name)][:1]
    return Authorities(files=tuple((name, environ[name]) for name in variables))


def _load_authorities(context: ssl.SSLContext, name: str, path: str) -> None:
    # OpenSSL accepts several folders, and ignores those that don't exist.
    if name == "SSL_CERT_DIR" or Path(path).is_dir():
        if not any(Path(folder).is_dir() for folder in path.split(os.pathsep)):
            raise _unreadable(name, path, "no such folder")
        context.load_verify_locations(capath=path)
        return
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise _unreadable(name, path, "it holds no certificate in PEM") from None
    except (OSError, ValueError) as error:
        raise _unreadable(name, path, getattr(error, "strerror", None) or type(error).__name__) from None


def _unreadable(name: str, path: str, why: str) -> SettingsError:
    return SettingsError(
        f"The certificates that {name} names can't be used: {path}: {why}.",
        hint=f"Nothing was sent, nothing was billed. Correct or unset {name}.",
    )


NOT_SENT = "Nothing was sent, nothing was billed."
CHECK = "Check the network, then run it again."
TRUST = "If your company looks into connections, name its certificates: SSL_CERT_FILE=/path/to/them.pem"
LOG_IN = "Name them in {source}: http://user:password@host:port; a special character is written as %XX."
EXCEPT = "Ask who runs the proxy of {source} to allow {host}."


def connection_error(  # noqa: PLR0913 - what happened, where, and on which way
    error: BaseException, connecting: PendingConnection, *, host: str, proxy: Proxy | None, seconds: float, tries: int
) -> ConnectionFailedError:
    """Return the error for a connection to `host` that was not made within `seconds`."""
    status = final_proxy_status(error)
    reason = f"no answer within {seconds:.0f} s" if isinstance(error, TimeoutError) else why(error)
    if proxy is not None and not connecting.reached:
        reason = f"the proxy can't be reached, {reason}"
    through = f" through the proxy {proxy.name}" if proxy is not None else ""
    tried = f", tried {tries} times" if tries > 1 else ""
    remedy = CHECK
    if proxy is not None and status == 407:
        remedy = LOG_IN.format(source=proxy.source)
    elif proxy is not None and status is not None:
        remedy = EXCEPT.format(source=proxy.source, host=host)
    elif proxy is not None and not connecting.reached:
        remedy = f"{corrected(proxy.source)}, or wait until the proxy is back."
    elif any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
        remedy = TRUST
    message = f"No connection to {host}{through}{tried}: {reason}{'' if reason.endswith('?') else '.'}"
    return ConnectionFailedError(message, hint=f"{NOT_SENT} {remedy}")


def final_proxy_status(error: BaseException) -> int | None:
    """Return the status of a proxy's final refusal; trying again would change nothing, or lock an account."""
    import httpx

    for cause in causes(error):
        if isinstance(cause, httpx.ProxyError):
            status = proxy_status(cause)
            return status if status is not None and 400 <= status < 500 else None
    return None


class PendingConnection:
    """Keeps a connection alive while it is being made, and closes it if the attempt is abandoned.

    httpcore leaves a connection open, until the garbage collector finds it, when its TLS handshake is cancelled:
    `AnyIOStream.start_tls` closes it on `Exception`, which a cancellation is not. It also ignores the socket options
    for a connection to a proxy.

    Attributes:
        reached: whether a connection was made, at least to a proxy.
    """

    def __init__(self, exchange: Exchange | None = None) -> None:
        """Have no connection yet; an `exchange` is told the events too."""
        self.reached, self._exchange = False, exchange
        self._stream: httpcore.AsyncNetworkStream | None = None

    @property
    def extensions(self) -> Mapping[str, Any]:
        """The request extensions that make this work."""
        return {"trace": self.trace}

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpcore on each event: https://www.encode.io/httpcore/extensions/#trace."""
        if self._exchange is not None:
            self._exchange.trace(event)
        if event.endswith(".connect_tcp.complete"):
            stream: httpcore.AsyncNetworkStream = info["return_value"]
            self.reached, self._stream = True, stream
            keep_alive(stream.get_extra_info("socket"))

    async def __aenter__(self) -> Mapping[str, Any]:
        """Return the request extensions that make this work."""
        return self.extensions

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection if the request failed."""
        if error is not None and self._stream is not None:
            await self._stream.aclose()


class ConnectionFactory:
    """Makes the connections of one client, fresh and shared; or calls `app` instead."""

    def __init__(self, app: object | None = None) -> None:
        """Connect lazily; `app` is an ASGI app in this process."""
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._agent: str | None = None
        self._tls: tuple[Authorities, ssl.SSLContext] | None = None
        self._shared: dict[tuple[str, Proxy | None, Authorities], httpx.AsyncBaseTransport] = {}

    async def agent(self) -> str:
        """Return our User-Agent, after importing httpx in a thread: that takes 0.15 s."""
        if self._agent is None:
            # With asyncio's own function: anyio's would have to be imported first, on the loop.
            self._agent = await asyncio.to_thread(_import_httpx)
        return self._agent

    @property
    def is_in_process(self) -> bool:
        """Whether all requests go to an app in this process, whatever the address."""
        return self._app is not None

    def proxy(self, url: str) -> Proxy | None:
        """Return the proxy for a URL; an app in this process needs none.

        Raises:
            SettingsError: the environment names something that is not a proxy.
        """
        proxy = None if self._app is not None else proxy_for(url)
        if proxy is not None and proxy.login is not None:
            redact_login_in_logs(proxy.login)
        return proxy

    async def fresh(self, url: str, *, on_read: Callable[[bytes], None] | None = None) -> httpx.AsyncBaseTransport:
        """Return an unconnected transport that will be used once; `on_read` is called with everything that arrives.

        Raises:
            SettingsError: the proxy or the certificates named in the environment can't be used.
        """
        await self.agent()
        return await self._transport(url, self.proxy(url), on_read)

    async def shared(self, url: str) -> httpx.AsyncBaseTransport:
        """Return a transport whose connections are reused until `aclose`.

        Raises:
            SettingsError: the proxy or the certificates named in the environment can't be used.
        """
        await self.agent()
        self._leave_other_loops()
        proxy = self.proxy(url)
        kind = (urlsplit(url).scheme.lower(), proxy, authorities())
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

    async def _transport(
        self, url: str, proxy: Proxy | None, on_read: Callable[[bytes], None] | None = None
    ) -> httpx.AsyncBaseTransport:
        import httpx

        if self._app is not None:
            app: Any = self._app
            return httpx.ASGITransport(app, raise_app_exceptions=False)
        from seedream_nb.http.transport import Transport

        if url.lower().startswith("https:") or (proxy is not None and proxy.kind == "https"):
            context = await self._tls_context()
        else:
            # Loading the certificates takes 20 ms, and no TLS is used.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            return Transport(tls=context, proxy=None if proxy is None else proxy.for_httpx(context), on_read=on_read)
        except (RuntimeError, ValueError, httpx.InvalidURL) as error:
            socks = isinstance(error, RuntimeError)
            reason = "SOCKS needs a package: pip install httpx[socks]" if socks else "that is not an address"
            raise unusable("" if proxy is None else proxy.source, reason) from without_frames(error)

    async def _tls_context(self) -> ssl.SSLContext:
        # Looked up each time, so that correcting the environment needs no restart.
        trusted = authorities()
        if self._tls is None or self._tls[0] != trusted:
            try:
                self._tls = trusted, await anyio.to_thread.run_sync(trusted.context)
            except ImportError as error:  # certifi's
                raise missing(error) from without_frames(error)
        return self._tls[1]


def _import_httpx() -> str:
    # On first use httpx imports httpcore, and anyio its backend; that must not happen on the loop.
    try:
        importlib.import_module("seedream_nb.http.transport")
    except Exception as error:  # noqa: BLE001 - a half-finished upgrade fails in many ways
        raise missing(error) from without_frames(error)
    with contextlib.suppress(ImportError):  # a private name
        importlib.import_module("anyio._backends._asyncio")
    ours = importlib.import_module(__name__.partition(".")[0])  # its metadata would take 5 ms to find
    return f"seedream-nb/{ours.__version__}"


def missing(error: Exception) -> SettingsError:
    """Return the error for a required library that can't be imported."""
    name = ((isinstance(error, ImportError) and error.name) or "httpx").partition(".")[0]
    is_missing = isinstance(error, ModuleNotFoundError) and error.name == name
    problem = "is missing" if is_missing else f"can't be imported ({plain(f'{type(error).__name__}: {error}', 150)})"
    remedy = f"%pip install {'' if is_missing else '--upgrade --force-reinstall '}{name}"
    return SettingsError(
        f"The library {name}, which is needed to send a request, {problem}.",
        hint=f"Nothing was sent, nothing was billed. Run this, and restart the kernel: {remedy}",
    )


def why(error: BaseException) -> str:
    """Return in words why a connection failed or broke."""
    chain = list(causes(error))
    for kind, words in _REASONS:
        if any(isinstance(cause, kind) for cause in chain):
            return words
    import httpx

    refused = next((cause for cause in chain if isinstance(cause, httpx.ProxyError)), None)
    if refused is not None:
        return describe_proxy_refusal(proxy_status(refused))
    first = next((cause for cause in chain if not isinstance(cause, BaseExceptionGroup)), error)
    return f"the network failed ({type(first).__name__})"


def without_frames(error: Exception) -> Exception:
    """Return the error and its causes without their frames, whose variables hold the key.

    Their texts are redacted too: the error for an invalid header line repeats it, and the one for a proxy's refusal
    quotes the proxy.
    """
    for cause in causes(error):
        cause.__traceback__ = None
        cause.args = tuple(_silent(arg) for arg in cause.args)
    return error


def _silent(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("latin-1")
    return without_secrets(value) if isinstance(value, str) else value


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name can't be resolved; is this machine online?"),
    (ssl.SSLCertVerificationError, "its certificate can't be trusted"),
    (ssl.SSLError, "no secure connection (TLS) could be made"),
    (ConnectionRefusedError, "it refused the connection"),
    (ConnectionResetError, "the connection was reset"),
    (BrokenPipeError, "the connection was reset"),
    (UnicodeError, "that is not a valid host name"),
    (OverflowError, "its port is out of range"),
    (TimeoutError, "it did not answer in time"),
    # Last: before anyio 4.15 its own error is all that is left of a reset.
    (anyio.BrokenResourceError, "the connection was reset"),
)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all its causes."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from causes(member)
        error = error.__cause__ or error.__context__
