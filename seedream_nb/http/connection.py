"""How a connection is made: with TLS, through a proxy, kept alive; or none, but an app in this process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import socket
import ssl
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio.to_thread

from seedream_nb.errors import ConnectionFailedError, SettingsError, plain
from seedream_nb.frozen import frozen
from seedream_nb.http.logs import keep_login_out_of_logs, without_secrets
from seedream_nb.http.proxy import corrected, proxy_for, proxy_words, refused_with, unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    import httpcore
    import httpx

    from seedream_nb.http.proxy import Proxy

FIRST_PROBE_SECONDS, PROBE_SECONDS, PROBES = 45, 30, 20
"""Home routers and clouds forget a silent connection after 60 to 350 s. A line may be down for ten minutes (a lid
closed, a change of network) and come back to a reply that is paid for."""


def keep_alive(real: socket.socket | None) -> None:
    """Make a connection that says nothing give signs of life, where the platform can."""
    if real is not None:
        for option in options():
            with contextlib.suppress(OSError):  # without it a long wait is only less sure to end well
                real.setsockopt(*option)


def options() -> list[tuple[int, int, int]]:
    """Return the socket options for that."""
    probes = (
        ("TCP_KEEPIDLE", FIRST_PROBE_SECONDS),
        ("TCP_KEEPALIVE", FIRST_PROBE_SECONDS),  # macOS's name for it
        ("TCP_KEEPINTVL", PROBE_SECONDS),
        ("TCP_KEEPCNT", PROBES),
    )
    known = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in probes if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


PUBLIC = "the public authorities (certifi)"


@frozen
class Authorities:
    """What the environment names: `files` by variable, each a PEM file or a folder of such; none: the public ones."""

    files: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Read as what stands in the environment."""
        return " and ".join(f"{name}={path}" for name, path in self.files) or PUBLIC

    def context(self) -> ssl.SSLContext:
        """Read the certificates, which takes 20 ms and belongs into a thread.

        Raises:
            SettingsError: a file that isn't there, or holds no certificate.
        """
        if not self.files:
            import httpx

            return httpx.create_ssl_context(trust_env=False)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for name, path in self.files:
            _load_authorities(context, name, path)
        return context


def authorities(environ: Mapping[str, str] = os.environ) -> Authorities:
    """Return whose certificates are to be believed.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` count, both together, as they do for OpenSSL. Where neither is set,
    `REQUESTS_CA_BUNDLE` or else `CURL_CA_BUNDLE` does, a file or a folder: companies whose proxies look inside set
    those for requests, pip and curl. With none of them the public authorities are believed. An empty one is not set.
    """
    found = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    found = found or [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(name)][:1]
    return Authorities(files=tuple((name, environ[name]) for name in found))


def _load_authorities(context: ssl.SSLContext, name: str, path: str) -> None:
    # OpenSSL takes several folders; it says nothing of one that isn't there.
    if name == "SSL_CERT_DIR" or Path(path).is_dir():
        if not any(Path(each).is_dir() for each in path.split(os.pathsep)):
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


def no_connection(  # noqa: PLR0913 - what happened, where, and on which way
    error: BaseException, connecting: PendingConnection, *, host: str, proxy: Proxy | None, seconds: float, tries: int
) -> ConnectionFailedError:
    """Return the error for a connection to `host` that did not come about within `seconds`."""
    status = barring(error)
    reason = f"no answer within {seconds:.0f} s" if isinstance(error, TimeoutError) else why(error)
    if proxy is not None and not connecting.reached:
        reason = f"the proxy can't be reached, {reason}"
    through = f" through the proxy {proxy.name}" if proxy is not None else ""
    tried = f", tried {tries} times" if tries > 1 else ""
    remedy = CHECK
    if proxy is not None and status == 407:  # noqa: PLR2004
        remedy = LOG_IN.format(source=proxy.source)
    elif proxy is not None and status is not None:
        remedy = EXCEPT.format(source=proxy.source, host=host)
    elif proxy is not None and not connecting.reached:
        remedy = f"{corrected(proxy.source)}, or wait until the proxy is back."
    elif any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
        remedy = TRUST
    told = f"No connection to {host}{through}{tried}: {reason}{'' if reason.endswith('?') else '.'}"
    return ConnectionFailedError(told, hint=f"{NOT_SENT} {remedy}")


def barring(error: BaseException) -> int | None:
    """Return the status with which a proxy refused for good: asking again changes nothing, or locks an account."""
    import httpx

    for cause in causes(error):
        if isinstance(cause, httpx.ProxyError):
            status = refused_with(cause)
            return status if status is not None and 400 <= status < 500 else None  # noqa: PLR2004 - HTTP's refusals
    return None


class PendingConnection:
    """Looks after a connection while it comes about: keeps it alive, and closes it if it is given up before it stands.

    httpcore leaves one whose TLS handshake is cancelled open until the garbage collector finds it: its
    `AnyIOStream.start_tls` closes on `Exception`, and a cancellation is none. And it forgets the socket's options
    where the connection is one to a proxy.

    Attributes:
        reached: whether there is a connection, be it to a proxy only.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.reached = False
        self._stream: httpcore.AsyncNetworkStream | None = None

    @property
    def extensions(self) -> Mapping[str, Any]:
        """The extensions of a request that make this work."""
        return {"trace": self.trace}

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Hear from httpcore what happens: https://www.encode.io/httpcore/extensions/#trace."""
        if event.endswith(".connect_tcp.complete"):
            stream: httpcore.AsyncNetworkStream = info["return_value"]
            self.reached, self._stream = True, stream
            keep_alive(stream.get_extra_info("socket"))

    async def __aenter__(self) -> Mapping[str, Any]:
        """Return the extensions of a request that make this work."""
        return self.extensions

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection if the request came to nothing."""
        if error is not None and self._stream is not None:
            await self._stream.aclose()


class ConnectionFactory:
    """Makes the connections of one client, fresh ones and shared ones; an `app` is called in their place."""

    def __init__(self, app: object | None = None) -> None:
        """Connect to nothing yet; `app` is an ASGI app in this process."""
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._agent: str | None = None
        self._tls: tuple[Authorities, ssl.SSLContext] | None = None
        self._shared: dict[tuple[str, Proxy | None, Authorities], httpx.AsyncBaseTransport] = {}

    async def agent(self) -> str:
        """Return what this program calls itself. Importing httpx takes 0.15 s: a thread does it first."""
        if self._agent is None:
            # By asyncio's own means: anyio's would first be imported, here.
            self._agent = await asyncio.to_thread(_load)
        return self._agent

    @property
    def lead_nowhere(self) -> bool:
        """Whether all goes to an app in this process, whatever its address says."""
        return self._app is not None

    def proxy(self, url: str) -> Proxy | None:
        """Return the proxy that leads to a URL; an app in this process needs none.

        Raises:
            SettingsError: what the environment names is no proxy.
        """
        proxy = None if self._app is not None else proxy_for(url)
        if proxy is not None and proxy.login is not None:
            keep_login_out_of_logs(proxy.login)
        return proxy

    async def fresh(self, url: str, *, on_read: Callable[[bytes], None] | None = None) -> httpx.AsyncBaseTransport:
        """Return a transport that has no connection yet and will be used once; `on_read` is told all that arrives.

        Raises:
            SettingsError: the proxy, or the certificates, that the environment names can't be used.
        """
        await self.agent()
        return await self._transport(url, self.proxy(url), on_read)

    async def shared(self, url: str) -> httpx.AsyncBaseTransport:
        """Return a transport whose connections are used again, until `aclose`.

        Raises:
            SettingsError: the proxy, or the certificates, that the environment names can't be used.
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
            # Loading the certificates takes 20 ms, and no TLS will be spoken.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            return Transport(tls=context, proxy=None if proxy is None else proxy.for_httpx(context), on_read=on_read)
        except (RuntimeError, ValueError, httpx.InvalidURL) as error:
            socks = isinstance(error, RuntimeError)
            why = "SOCKS needs a package: pip install httpx[socks]" if socks else "that is no address"
            raise unusable("" if proxy is None else proxy.source, why) from without_frames(error)

    async def _tls_context(self) -> ssl.SSLContext:
        # Looked up each time: who mends the environment need not restart the kernel.
        trusted = authorities()
        if self._tls is None or self._tls[0] != trusted:
            try:
                self._tls = trusted, await anyio.to_thread.run_sync(trusted.context)
            except ImportError as error:  # certifi's
                raise missing(error) from without_frames(error)
        return self._tls[1]


def _load() -> str:
    # At first use httpx imports httpcore, and anyio its backend: that would be on the loop.
    try:
        importlib.import_module("seedream_nb.http.transport")
    except Exception as error:  # noqa: BLE001 - half an upgrade breaks in many ways
        raise missing(error) from without_frames(error)
    with contextlib.suppress(ImportError):  # no public name
        importlib.import_module("anyio._backends._asyncio")
    try:
        version = metadata.version("seedream-nb")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"seedream-nb/{version}"


def missing(error: Exception) -> SettingsError:
    """Return the error for a library without which nothing can be sent, and that can't be imported."""
    name = ((isinstance(error, ImportError) and error.name) or "httpx").partition(".")[0]
    gone = isinstance(error, ModuleNotFoundError) and error.name == name
    what = "is missing" if gone else f"can't be imported ({plain(f'{type(error).__name__}: {error}', 150)})"
    remedy = f"%pip install {'' if gone else '--upgrade --force-reinstall '}{name}"
    return SettingsError(
        f"The library {name}, which is needed to send a request, {what}.",
        hint=f"Nothing was sent, nothing was billed. Run this, and restart the kernel: {remedy}",
    )


def why(error: BaseException) -> str:
    """Return in words why a connection did not come about or broke."""
    found = list(causes(error))
    for kind, words in _REASONS:
        if any(isinstance(cause, kind) for cause in found):
            return words
    import httpx

    refused = next((cause for cause in found if isinstance(cause, httpx.ProxyError)), None)
    if refused is not None:
        return proxy_words(refused_with(refused))
    first = next((cause for cause in found if not isinstance(cause, BaseExceptionGroup)), error)
    return f"the network failed ({type(first).__name__})"


def without_frames(error: Exception) -> Exception:
    """Return the error, and what caused it, without the frames they passed: their variables hold the key.

    Nor does any text of theirs hold it then, or the login of a proxy: that of a header line that makes no sense
    repeats it, and that of a proxy's refusal says what the proxy says.
    """
    for cause in causes(error):
        cause.__traceback__ = None
        cause.args = tuple(_silent(each) for each in cause.args)
    return error


def _silent(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("latin-1")
    return without_secrets(value) if isinstance(value, str) else value


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name can't be found; is this machine online?"),
    (ssl.SSLCertVerificationError, "its certificate can't be trusted"),
    (ssl.SSLError, "no secure connection (TLS) came about"),
    (ConnectionRefusedError, "it refused the connection"),
    (ConnectionResetError, "the connection was reset"),
    (BrokenPipeError, "the connection was reset"),
    (UnicodeError, "no host can have that name"),
    (OverflowError, "its port is out of range"),
    (TimeoutError, "it did not answer in time"),
    # The last: before anyio 4.15 its own error is all that is left of a reset.
    (anyio.BrokenResourceError, "the connection was reset"),
)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that led to it."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from causes(each)
        error = error.__cause__ or error.__context__
