"""Where a request goes, and with whose key: the service, or the sandbox inside this process."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seedream_nb.errors import SettingsError
from seedream_nb.frozen import frozen
from seedream_nb.hosts import KEY_FOUND_ON_BINDER, KEY_USED_ON_BINDER, login_refusal
from seedream_nb.keys import Unseen, find_key, no_key
from seedream_nb.service import DEFAULT, SANDBOX, SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedream_nb.keys import Key, Login
    from seedream_nb.service import Service
    from seedream_nb.settings import Settings


@frozen
class Endpoint:
    """A service, its address and the key for it."""

    service: Service
    base_url: str
    key: Key | None
    notices: tuple[str, ...] = ()
    """What a person should know of that choice, each in a line."""

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
    meant, service = SERVICES.get(settings.get("backend")), settings.service
    if meant is not None and meant.is_free:
        left = settings.on_binder and bool(stray_keys(settings, login=login, environ=environ))
        return replace(IN_THE_SANDBOX, notices=(KEY_FOUND_ON_BINDER,)) if left else IN_THE_SANDBOX
    found = find_key(
        service=service, host=host_of(settings.get("base_url")), configured=settings.get("api_key"), environ=environ,
        folder=settings.folder, login=login, colab=partial(settings.colab.key, settings.changes, service),
    )  # fmt: skip
    if found is not None:
        notices = (KEY_USED_ON_BINDER,) if settings.on_binder else ()
        return Endpoint(service=service, base_url=settings.get("base_url"), key=found, notices=notices)
    if meant is None:
        return replace(IN_THE_SANDBOX, notices=settings.colab.why_not(service))
    raise settings.colab.no_key(service) or (login_refusal() if settings.on_binder else no_key(service))


def stray_keys(settings: Settings, *, login: Login, environ: Mapping[str, str]) -> list[Key]:
    """Return the keys that lie about, be it where none is needed: what was set, and what is found for any service."""
    keys = settings.keys
    for service in filter(lambda service: not service.is_free, SERVICES.values()):
        with contextlib.suppress(SettingsError):  # what is no key betrays none
            url = settings.get("base_url") if service is settings.service else service.base_url
            found = find_key(
                service=service, host=host_of(url), configured=None, environ=Unseen(environ), folder=settings.folder,
                login=login,
            )  # fmt: skip
            keys += [] if found is None else [found]
    return keys


def for_links(backend: str) -> Endpoint:
    """Return where the links of a backend are fetched, which needs no key."""
    service = SERVICES.get(backend, DEFAULT)
    return IN_THE_SANDBOX if service.is_free else Endpoint(service=service, base_url="https://", key=None)


def host_of(base_url: str) -> str:
    """Return the host of an address, with its port if it names one."""
    return urlsplit(base_url).netloc.lower()


IN_THE_SANDBOX = Endpoint(service=SANDBOX, base_url=SANDBOX.base_url, key=None)


class Notices:
    """Remembers which notices were told: each is due once, and again when a setting was changed since."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._told: set[tuple[str, int]] = set()

    def due(self, notices: tuple[str, ...], changes: int) -> tuple[str, ...]:
        """Return those that were not told since the settings were changed for the last time."""
        due = tuple(each for each in notices if (each, changes) not in self._told)
        self._told |= {(each, changes) for each in due}
        return due
