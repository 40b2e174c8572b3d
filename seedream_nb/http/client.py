"""The clients of a session: one for each address and key; the sandbox's calls an app in this process."""

from __future__ import annotations

import asyncio
import concurrent.futures
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
    no_connection,
    without_frames,
)
from seedream_nb.http.download import PictureSource, download
from seedream_nb.http.logs import keep_out_of_logs, login_words, without_secrets
from seedream_nb.http.partial import PartialDownload
from seedream_nb.http.proxy import proxy_for
from seedream_nb.http.upload import Post, Reply
from seedream_nb.service import DEFAULT
from seedream_nb.service.echoes import blotted_content
from seedream_nb.service.endpoint import Endpoint
from seedream_nb.service.refusals import refusal
from seedream_nb.service.retry import RetryDelay, Timeouts, pause_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.background import Background
    from seedream_nb.keys import Key
    from seedream_nb.service import Service
    from seedream_nb.service.body import Body

__all__ = ["Client", "Reply", "RetryDelay", "Timeouts", "authorities", "proxy_for"]


async def reach(lines: ConnectionFactory, url: str, host: str, *, patience: Timeouts) -> int:
    """Return the HTTP status that a GET of this address answers; any answer shows that it can be reached.

    Raises:
        ConnectionFailedError: there is no answer, and why.
        SettingsError: the proxy, or the certificates, that the environment names can't be used.
    """
    connecting = PendingConnection()
    try:
        async with asyncio.timeout(patience.connect):
            return await _status(lines, url, connecting)
    except SeedreamError as error:
        raise without_frames(error) from error.__cause__
    except Exception as error:  # noqa: BLE001 - whatever the network or the TLS makes of it
        proxy = lines.proxy(url)
        told = no_connection(error, connecting, host=host, proxy=proxy, seconds=patience.connect, tries=1)
        told.hint = (told.hint or "").removeprefix(f"{NOT_SENT} ")  # nothing was to be sent
        raise told from without_frames(error)


async def _status(lines: ConnectionFactory, url: str, connecting: PendingConnection) -> int:
    import httpx

    agent = await lines.agent()
    async with await lines.fresh(url) as transport, connecting as extensions:
        request = httpx.Request("GET", url, headers={"User-Agent": agent}, extensions=extensions)
        response = await transport.handle_async_request(request)
        await response.aclose()
    return response.status_code


MAX_SAID_BYTES = 64 * 1024
"""How much of a refusal is looked at: enough for any message."""


class Client:
    """Speaks to one service, or to an app in this process, on one event loop."""

    def __init__(
        self,
        *,
        base_url: str,
        key: Key | None,
        service: Service = DEFAULT,
        app: object | None = None,
        patience: Timeouts | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            base_url: of the service, without the path.
            service: whose pages a refusal names.
            key: shown to the service alone; None if it asks for none.
            app: an ASGI app that is called in place of every connection (the sandbox in the kernel).
            patience: how long to wait before giving up.
        """
        self._url, self.service = base_url.rstrip("/"), service
        self._host = urlsplit(base_url).hostname or base_url
        self._key = key
        self._patience = patience or Timeouts()
        self._lines = ConnectionFactory(app)
        if key is not None:
            keep_out_of_logs(key)

    def secret(self) -> str | None:
        """Return the key itself, to be blotted out of what a server echoes.

        No property: tools that show a line's variables (cgitb) look its attributes up.
        """
        return None if self._key is None else self._key.reveal()

    def refusal(self, reply: Reply) -> SeedreamError:
        """Return the error for an answer that is no reply (see `refusal`); of the key it shows the source only."""
        source = None if self._key is None else self._key.source
        headers = {name: without_secrets(value) for name, value in reply.headers.items()}  # a proxy echoes its own
        content = blotted_content(reply.content[:MAX_SAID_BYTES], login_words())
        return refusal(
            reply.status, headers, content, secret=self.secret(), source=source, tries=reply.tries,
            service=self.service,
        )  # fmt: skip

    def proxy_secrets(self) -> list[str]:
        """Return the logins of proxies that were used, to be blotted out of what they echo."""
        return login_words()

    async def warm_up(self) -> None:
        """Import in a thread what is needed later: else the loop would be held for it, some 50 ms."""
        await self._lines.agent()

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
            on_upload: told how many bytes have been handed over, after each piece.
            on_pause: told of each pause before another try to connect, and by None when it has passed.

        Raises:
            ConnectionFailedError: no connection, in three tries, or it broke during the upload: not billed.
            OutcomeUnknownError: it broke, or was silent for 30 minutes, after the upload: maybe billed.
            ReplyError: the reply is larger than 8 MB; its `content` is what was read of it.
            ReferenceImageError: a reference can't be read any more: the upload was broken off, not billed.
        """
        post = Post(
            url=self._url + body.path, host=self._host, headers=self._headers(body, await self._lines.agent()),
            key=self._key, body=body, patience=self._patience, on_upload=on_upload, on_pause=on_pause,
        )  # fmt: skip
        return await post.send(self._lines)

    def pause_after(self, reply: Reply, tries: int) -> RetryDelay | None:
        """Return how long to wait before what was refused `tries` times is sent again; None: it must not be."""
        return pause_after(reply, tries, self._patience)

    async def download(
        self,
        link: str,
        path: Path,
        *,
        service: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
        check: Callable[[Path], None] | None = None,
    ) -> int:
        """Fetch a picture into `path`, readable by the user alone, without the key; return its size in bytes.

        Args:
            link: http or https, redirects included.
            path: written anew; not flushed to the disk itself.
            service: the host that gave the link, by default this client's own; only one inside a private network
                may lead there.
            on_bytes: told how many bytes have arrived, now and then; begins anew where a try does.
            check: called in a thread with `path` after each complete try; if it raises ValueError, that says
                what the file is instead of a picture ("a JPEG that is cut off"). It is fetched anew if the server
                did not tell where the file ends.

        Raises:
            DownloadError: it can't be had, and why; what arrived stays in `path`.
        """
        host = self._host if service is None else _host(service)
        way = PictureSource(lines=self._lines, link=link, inside=self._lines.lead_nowhere or is_private(host))
        return await download(way, PartialDownload(path, check=check), patience=self._patience, on_bytes=on_bytes)

    async def reach(self) -> int:
        """Ask whether anything answers at the service's address, without the key; return the HTTP status.

        Raises:
            ConnectionFailedError: nothing answers, and why.
        """
        return await reach(self._lines, self._url + self.service.model.path, self._host, patience=self._patience)

    async def aclose(self) -> None:
        """Close what connections are left."""
        await self._lines.aclose()

    def __repr__(self) -> str:
        """Show where it leads, and nothing of the key."""
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


def _host(place: str) -> str:
    """Return the host of a host with a port, as the journal may have it; nothing if it is none."""
    try:
        return urlsplit(f"//{place}").hostname or ""
    except ValueError:
        return ""


FETCH_SECONDS = 30.0
"""The longest that a picture of this network may take: the cell waits for it before anything is sent."""

_POLL_SECONDS = 0.1
_SHOWN = 60


class Clients:
    """Makes clients when they are first needed. Thread-safe."""

    def __init__(self, *, patience: Timeouts | None = None) -> None:
        """Make none yet; `patience` is how long each waits before it gives up."""
        self._patience = patience
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Have none, as at first: in a forked child, for the connections are the parent's."""
        self._known: dict[tuple[str, str, Key | None], Client] = {}
        self._lock = threading.RLock()

    def of(self, endpoint: Endpoint) -> Client:
        """Return the client that speaks to an endpoint."""
        key = endpoint.found.key if endpoint.found else None
        service = endpoint.service
        known = (service.name, endpoint.base_url, key)
        with self._lock:
            if known not in self._known:
                app = sandbox_app() if service.is_free else None
                self._known[known] = Client(
                    base_url=endpoint.base_url, key=key, service=service, app=app, patience=self._patience
                )
            return self._known[known]

    def fetch(self, url: str, background: Background) -> bytes:
        """Return the picture under a URL of this machine or its network, where the service can't reach it.

        At most five redirects are followed, to anywhere but a link-local address, at most 64 MB are taken, and no
        key is shown. An interrupt ends it at once.

        Raises:
            Problem: it can't be had, and why.
        """
        client = self.of(Endpoint(service=DEFAULT, base_url="http://localhost", found=None))
        with tempfile.TemporaryDirectory(prefix="seedream-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "picture"
            doing = background.start(lambda: _download(client, url, path))
            try:
                while not doing.done():
                    concurrent.futures.wait([doing], timeout=_POLL_SECONDS)
                doing.result()
            except KeyboardInterrupt:
                doing.cancel()
                raise
            except TimeoutError:
                told = f"it did not arrive within {FETCH_SECONDS:.0f} s"
            except SeedreamError as error:
                told = error.message.rstrip(".")
            else:
                return path.read_bytes()
        remedy = "Save the picture, and write its path."
        raise Problem(f"{shorten(url, _SHOWN)} can't be fetched: {told}. {remedy}", reference=True)

    def forget(self) -> list[Client]:
        """Return all clients, to be closed; the next one is made anew."""
        with self._lock:
            known, self._known = list(self._known.values()), {}
            return known


def sandbox_app() -> object:
    """Return the imitation of the service that runs in this process."""
    from seedream_nb.sandbox.app import create_app

    return create_app()


async def _download(client: Client, url: str, path: Path) -> None:
    async with asyncio.timeout(FETCH_SECONDS):
        # The address itself is the one inside; that allows redirects inside too.
        await client.download(url, path, service=urlsplit(url).netloc)
