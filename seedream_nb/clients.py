"""The clients of a session: one for each address and key; the sandbox's calls an app in this process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seedream_nb.errors import Problem, SeedreamError, shortened
from seedream_nb.service import DEFAULT
from seedream_nb.service.endpoint import Endpoint

if TYPE_CHECKING:
    from seedream_nb.background import Background
    from seedream_nb.client import Client, Patience
    from seedream_nb.keys import Key


FETCH_SECONDS = 30.0
"""The longest that a picture of this network may take: the cell waits for it before anything is sent."""

_POLL_SECONDS = 0.1
_SHOWN = 60


class Clients:
    """Makes clients when they are first needed. Thread-safe."""

    def __init__(self, *, patience: Patience | None = None) -> None:
        """Make none yet; `patience` is how long each waits before it gives up."""
        self._patience = patience
        self.begin_anew()

    def begin_anew(self) -> None:
        """Have none, as at first: in a forked child, for the connections are the parent's."""
        self._known: dict[tuple[str, str, Key | None], Client] = {}
        self._lock = threading.RLock()

    def of(self, endpoint: Endpoint) -> Client:
        """Return the client that speaks to an endpoint."""
        from seedream_nb.client import Client

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
        raise Problem(f"{shortened(url, _SHOWN)} can't be fetched: {told}. {remedy}", reference=True)

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
