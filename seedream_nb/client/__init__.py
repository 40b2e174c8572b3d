"""How bytes move: one POST over a connection of its own, pictures side by side. Only this room knows httpx.

What costs money is sent once; only what certainly never reached the service in full is sent again from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seedream_nb.addresses import leads_inside
from seedream_nb.client.downloading import Way, download
from seedream_nb.client.lines import Lines
from seedream_nb.client.logs import keep_out_of_logs, login_words, without_secrets
from seedream_nb.client.part import Part
from seedream_nb.client.posting import Post, Reply
from seedream_nb.client.proxies import proxy_for
from seedream_nb.client.reaching import reach
from seedream_nb.client.trust import authorities
from seedream_nb.service import DEFAULT
from seedream_nb.service.echoes import blotted_content
from seedream_nb.service.refusals import refusal
from seedream_nb.service.retry import Patience, Pause, pause_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.errors import SeedreamError
    from seedream_nb.keys import Key
    from seedream_nb.service import Service
    from seedream_nb.service.body import Body

MOST_SAID_BYTES = 64 * 1024
"""How much of a refusal is looked at: enough for any message."""

__all__ = ["Client", "Patience", "Pause", "Reply", "authorities", "proxy_for"]


class Client:
    """Speaks to one service, or to an app in this process, on one event loop."""

    def __init__(
        self,
        *,
        base_url: str,
        key: Key | None,
        service: Service = DEFAULT,
        app: object | None = None,
        patience: Patience | None = None,
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
        self._patience = patience or Patience()
        self._lines = Lines(app)
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
        content = blotted_content(reply.content[:MOST_SAID_BYTES], login_words())
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
        on_pause: Callable[[Pause | None], None] | None = None,
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

    def pause_after(self, reply: Reply, tries: int) -> Pause | None:
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
        way = Way(lines=self._lines, link=link, inside=self._lines.lead_nowhere or leads_inside(host))
        return await download(way, Part(path, check=check), patience=self._patience, on_bytes=on_bytes)

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
