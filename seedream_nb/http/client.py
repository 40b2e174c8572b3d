"""The clients of a session, one for each address and key; the sandbox's client calls an app in this process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seedream_nb.errors import Problem, SeedreamError, shorten
from seedream_nb.hosts import is_private
from seedream_nb.http.connection import (
    NOT_SENT,
    ConnectionFactory,
    PendingConnection,
    authorities,
    connection_error,
    without_frames,
)
from seedream_nb.http.download import PictureSource, download
from seedream_nb.http.logs import login_secrets, redact_key_in_logs, without_secrets
from seedream_nb.http.partial import PartialDownload
from seedream_nb.http.proxy import proxy_for
from seedream_nb.http.upload import Post, Reply
from seedream_nb.service import DEFAULT
from seedream_nb.service.endpoint import Endpoint
from seedream_nb.service.redaction import redact_content
from seedream_nb.service.refusals import refusal
from seedream_nb.service.retry import RetryDelay, Timeouts, pause_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.background import Background
    from seedream_nb.http.exchange import Observer
    from seedream_nb.keys import Key
    from seedream_nb.service import Model, Service
    from seedream_nb.service.body import Body

__all__ = ["Client", "Reply", "RetryDelay", "Timeouts", "authorities", "proxy_for"]


async def reach(connections: ConnectionFactory, url: str, host: str, *, timeouts: Timeouts) -> int:
    """Return the status of a GET of this address; any status shows that the address can be reached.

    Raises:
        ConnectionFailedError: there was no answer; the message says why.
        SettingsError: the proxy, or the certificates, that the environment names can't be used.
    """
    connecting = PendingConnection()
    try:
        async with asyncio.timeout(timeouts.connect):
            return await _status(connections, url, connecting)
    except SeedreamError as error:
        raise without_frames(error) from error.__cause__
    except Exception as error:  # noqa: BLE001 - httpx, the network or TLS may raise anything
        proxy = connections.proxy(url)
        failure = connection_error(error, connecting, host=host, proxy=proxy, seconds=timeouts.connect, tries=1)
        failure.hint = (failure.hint or "").removeprefix(f"{NOT_SENT} ")  # there was nothing to send
        raise failure from without_frames(error)


async def _status(connections: ConnectionFactory, url: str, connecting: PendingConnection) -> int:
    import httpx

    agent = await connections.agent()
    async with await connections.fresh(url) as transport, connecting as extensions:
        request = httpx.Request("GET", url, headers={"User-Agent": agent}, extensions=extensions)
        response = await transport.handle_async_request(request)
        await response.aclose()
    return response.status_code


MAX_REFUSAL_BYTES = 64 * 1024
"""How much of a refusal is read: enough for any message."""


class Client:
    """Sends requests to one service, or to an app in this process, on one event loop."""

    def __init__(
        self,
        *,
        base_url: str,
        key: Key | None,
        service: Service = DEFAULT,
        app: object | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Connect lazily.

        Args:
            base_url: of the service, without the path.
            service: names the pages that a refusal refers to.
            key: sent to the service only; None if it needs none.
            app: an ASGI app that is called instead of the network (the sandbox in the kernel).
            timeouts: how long to wait for what.
        """
        self._url, self.service = base_url.rstrip("/"), service
        self._host = urlsplit(base_url).hostname or base_url
        self._key = key
        self._timeouts = timeouts or Timeouts()
        self._connections = ConnectionFactory(app)
        self._observer: Observer | None = None
        if key is not None:
            redact_key_in_logs(key)

    def observed_by(self, observer: Observer, *, retries: bool = True) -> Client:
        """Return a client with the same connections whose exchanges are recorded.

        With `retries=False` it makes one attempt at each request; downloads are still retried.
        """
        observed = copy.copy(self)
        observed._observer = observer  # noqa: SLF001 - of this class
        observed._timeouts = self._timeouts if retries else self._timeouts.without_retries()  # noqa: SLF001 - the same
        return observed

    def secret(self) -> str | None:
        """Return the key itself, to redact what a server echoes.

        Not a property: tools that show a line's variables (cgitb) read attributes.
        """
        return None if self._key is None else self._key.reveal()

    def refusal(self, reply: Reply, model: Model) -> SeedreamError:
        """Return the error for a model's answer that is not a reply (see `refusal`); it names the key's source only."""
        source = None if self._key is None else self._key.source
        headers = {name: without_secrets(value) for name, value in reply.headers.items()}  # a proxy may echo its login
        content = redact_content(reply.content[:MAX_REFUSAL_BYTES], login_secrets())
        return refusal(
            reply.status, headers, content, secret=self.secret(), source=source, tries=reply.tries,
            service=self.service, model=model,
        )  # fmt: skip

    def proxy_secrets(self) -> list[str]:
        """Return the logins of the proxies used so far, to redact what they echo."""
        return login_secrets()

    async def warm_up(self) -> None:
        """Import in a thread what is needed later; on the loop it would block for some 50 ms."""
        await self._connections.agent()

    async def post(
        self,
        body: Body,
        *,
        on_upload: Callable[[int], None] | None = None,
        on_pause: Callable[[RetryDelay | None], None] | None = None,
    ) -> Reply:
        """Send a request and return the service's answer, whatever its status.

        Args:
            body: what to send.
            on_upload: called after each piece with the number of bytes sent so far.
            on_pause: called before each pause between two attempts to connect, and with None after it.

        Raises:
            ConnectionFailedError: no connection in three attempts, or it broke during the upload: not billed.
            OutcomeUnknownError: after the upload it broke, or was silent for 30 minutes: may have been billed.
            ReplyError: the reply is larger than 8 MB; `content` is the part that was read.
            ReferenceImageError: a reference could no longer be read, so the upload was stopped: not billed.
        """
        post = Post(
            url=self._url + body.path, host=self._host, headers=self._headers(body, await self._connections.agent()),
            key=self._key, body=body, timeouts=self._timeouts, on_upload=on_upload, on_pause=on_pause,
            exchange=None if self._observer is None else self._observer.begin("POST", size_bytes=body.length),
        )  # fmt: skip
        reply = await post.send(self._connections)
        if post.exchange is not None:
            post.exchange.answer(reply.status, reply.headers)
            post.exchange.end(reply.content)
        return reply

    def pause_after(self, reply: Reply, tries: int) -> RetryDelay | None:
        """Return how long to wait before sending again what was refused `tries` times; None: don't send it again."""
        return pause_after(reply, tries, self._timeouts)

    async def download(
        self,
        link: str,
        path: Path,
        *,
        service: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
        check: Callable[[Path], None] | None = None,
    ) -> int:
        """Download a picture to `path`, readable by the user alone, without the key; return its size in bytes.

        Args:
            link: http or https; redirects are followed.
            path: overwritten; not flushed to disk.
            service: the host that gave the link, by default this client's own; only a host inside a private network
                may link to one.
            on_bytes: called now and then with the number of bytes received; starts again at 0 with a new attempt.
            check: called in a thread with `path` after each complete attempt; it raises ValueError with what the
                file is instead of a picture ("a JPEG that is cut off"). The file is then downloaded again if the server
                did not say how long it is.

        Raises:
            DownloadError: the download failed; the message says why, and what arrived stays in `path`.
        """
        host = self._host if service is None else _host(service)
        source = PictureSource(
            connections=self._connections, link=link, inside=self._connections.is_in_process or is_private(host),
            observer=self._observer,
        )  # fmt: skip
        return await download(source, PartialDownload(path, check=check), timeouts=self._timeouts, on_bytes=on_bytes)

    async def reach(self) -> int:
        """Check without the key whether anything answers at the service's address; return the HTTP status.

        Raises:
            ConnectionFailedError: nothing answered; the message says why.
        """
        return await reach(self._connections, self._url + self.service.model.path, self._host, timeouts=self._timeouts)

    async def aclose(self) -> None:
        """Close the open connections."""
        await self._connections.aclose()

    def __repr__(self) -> str:
        """Show the host, and nothing of the key."""
        return f"Client({self._host})"

    def _headers(self, body: Body, agent: str) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "Content-Length": str(body.length),
            "User-Agent": agent,
        }
        return headers if self._key is None else {**headers, "Authorization": f"Bearer {self._key.reveal()}"}


def _host(netloc: str) -> str:
    """Return the host without its port; empty if the journal holds something that is not a host."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


FETCH_SECONDS = 30.0
"""The longest that downloading a reference from this network may take; the cell waits for it before sending."""

_POLL_SECONDS = 0.1
_SHOWN = 60


class Clients:
    """Creates clients on demand. Thread-safe."""

    def __init__(self, *, timeouts: Timeouts | None = None) -> None:
        """Have none yet; `timeouts` is used for each client."""
        self._timeouts = timeouts
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Forget all clients: in a forked child the connections are the parent's."""
        self._known: dict[tuple[str, str, Key | None], Client] = {}
        self._lock = threading.RLock()

    def of(self, endpoint: Endpoint) -> Client:
        """Return the client for an endpoint."""
        key, service = endpoint.key, endpoint.service
        identity = (service.name, endpoint.base_url, key)
        with self._lock:
            if identity not in self._known:
                app = sandbox_app() if service.is_free else None
                self._known[identity] = Client(
                    base_url=endpoint.base_url, key=key, service=service, app=app, timeouts=self._timeouts
                )
            return self._known[identity]

    def fetch(self, url: str, background: Background) -> bytes:
        """Return the picture at a URL of this machine or its network, which the service can't reach.

        Follows at most five redirects (never to a link-local address), takes at most 64 MB, and never sends the key.
        An interrupt stops it at once.

        Raises:
            Problem: the download failed; the message says why.
        """
        client = self.of(Endpoint(service=DEFAULT, base_url="http://localhost", key=None))
        with tempfile.TemporaryDirectory(prefix="seedream-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "picture"
            future = background.start(lambda: _download(client, url, path))
            try:
                while not future.done():
                    concurrent.futures.wait([future], timeout=_POLL_SECONDS)
                future.result()
            except KeyboardInterrupt:
                future.cancel()
                raise
            except TimeoutError:
                reason = f"it did not arrive within {FETCH_SECONDS:.0f} s"
            except SeedreamError as error:
                reason = error.message.rstrip(".")
            else:
                return path.read_bytes()
        remedy = "Save the picture, and write its path."
        raise Problem(f"{shorten(url, _SHOWN)} can't be fetched: {reason}. {remedy}", reference=True)

    def forget(self) -> list[Client]:
        """Return all clients, for closing, and forget them."""
        with self._lock:
            clients, self._known = list(self._known.values()), {}
            return clients


def sandbox_app() -> object:
    """Return the sandbox's app, which runs in this process."""
    from seedream_nb.sandbox.app import create_app

    return create_app()


async def _download(client: Client, url: str, path: Path) -> None:
    async with asyncio.timeout(FETCH_SECONDS):
        # This private address is where the link comes from, so redirects within the network are allowed too.
        await client.download(url, path, service=urlsplit(url).netloc)
