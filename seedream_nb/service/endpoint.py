"""Where a request goes, and with whose key: to the service, or to the sandbox in this process."""

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
    """What the user should know about this choice, one line each."""

    @property
    def host(self) -> str:
        """The host, with its port if there is one; logins are stored for it."""
        return host_of(self.base_url)


def find_endpoint(settings: Settings, *, login: Login, environ: Mapping[str, str]) -> Endpoint:
    """Return where requests go with these settings.

    Raises:
        SettingsError: the service needs a key, and there is none.
    """
    environ = Unseen(environ)
    chosen, service = SERVICES.get(settings.get("backend")), settings.service
    if chosen is not None and chosen.is_free:
        has_stray_key = settings.on_binder and bool(stray_keys(settings, login=login, environ=environ))
        return replace(IN_THE_SANDBOX, notices=(KEY_FOUND_ON_BINDER,)) if has_stray_key else IN_THE_SANDBOX
    found = find_key(
        service=service, host=host_of(settings.get("base_url")), configured=settings.get("api_key"), environ=environ,
        folder=settings.folder, login=login, colab=partial(settings.colab.key, settings.changes, service),
    )  # fmt: skip
    if found is not None:
        notices = (KEY_USED_ON_BINDER,) if settings.on_binder else ()
        return Endpoint(service=service, base_url=settings.get("base_url"), key=found, notices=notices)
    if chosen is None:
        return replace(IN_THE_SANDBOX, notices=settings.colab.why_not(service))
    raise settings.colab.no_key(service) or (login_refusal() if settings.on_binder else no_key(service))


def stray_keys(settings: Settings, *, login: Login, environ: Mapping[str, str]) -> list[Key]:
    """Return all keys that could be found, even if none is needed: the configured ones, and those of any service."""
    keys = settings.keys
    for service in filter(lambda service: not service.is_free, SERVICES.values()):
        with contextlib.suppress(SettingsError):  # what is not a key can't leak one
            url = settings.get("base_url") if service is settings.service else service.base_url
            found = find_key(
                service=service, host=host_of(url), configured=None, environ=Unseen(environ), folder=settings.folder,
                login=login,
            )  # fmt: skip
            keys += [] if found is None else [found]
    return keys


def for_links(backend: str) -> Endpoint:
    """Return where to download the links of a backend, which needs no key."""
    service = SERVICES.get(backend, DEFAULT)
    return IN_THE_SANDBOX if service.is_free else Endpoint(service=service, base_url="https://", key=None)


def host_of(base_url: str) -> str:
    """Return the host of an address, with its port if there is one."""
    return urlsplit(base_url).netloc.lower()


IN_THE_SANDBOX = Endpoint(service=SANDBOX, base_url=SANDBOX.base_url, key=None)


class Notices:
    """Remembers which notices were shown: each is shown once, and again after a setting was changed."""

    def __init__(self) -> None:
        """Nothing has been shown yet."""
        self._told: set[tuple[str, int]] = set()

    def due(self, notices: tuple[str, ...], changes: int) -> tuple[str, ...]:
        """Return the notices that were not shown since the settings were last changed."""
        due = tuple(notice for notice in notices if (notice, changes) not in self._told)
        self._told |= {(notice, changes) for notice in due}
        return due
