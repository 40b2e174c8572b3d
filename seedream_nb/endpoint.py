"""Where a request goes, and with whose key: the service, or the sandbox inside this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seedream_nb.keys import Unseen, find_key, no_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedream_nb.keys import FoundKey, Login
    from seedream_nb.settings import Settings

SANDBOX_URL = "http://sandbox"
"""What the sandbox inside this process is called; no connection is ever made to that name."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A backend, its address and the key for it."""

    backend: str
    base_url: str
    found: FoundKey | None

    @property
    def host(self) -> str:
        """The host, with its port if it names one: what a login is stored for."""
        return host_of(self.base_url)


def find_endpoint(settings: Settings, *, login: Login, environ: Mapping[str, str]) -> Endpoint:
    """Return where requests go under these settings.

    Raises:
        SettingsError: the service needs a key and there is none.
    """
    environ = Unseen(environ)
    backend, base_url = settings.get("backend"), settings.get("base_url")
    if backend == "sandbox":
        return IN_THE_SANDBOX
    found = find_key(
        configured=settings.get("api_key"),
        environ=environ,
        folder=settings.folder,
        login=login,
        host=host_of(base_url),
        colab=lambda: settings.colab.key(settings.changes),
    )
    if found is not None:
        return Endpoint(backend="novita", base_url=base_url, found=found)
    if backend == "auto":
        return IN_THE_SANDBOX
    raise settings.colab.no_key() or no_key()


def for_links(backend: str) -> Endpoint:
    """Return where the links of a backend are fetched, which needs no key."""
    return IN_THE_SANDBOX if backend == "sandbox" else Endpoint(backend=backend, base_url="https://", found=None)


def host_of(base_url: str) -> str:
    """Return the host of an address, with its port if it names one."""
    return urlsplit(base_url).netloc.lower()


IN_THE_SANDBOX = Endpoint(backend="sandbox", base_url=SANDBOX_URL, found=None)
