"""Which proxy leads to an address, by the environment or the system; its password is for the connection alone."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import urllib.request
from dataclasses import field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seedream_nb.errors import SettingsError
from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    import ssl

    import httpx

KINDS = ("http", "https", "socks5", "socks5h")
PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[\w.:~-]+")
SYSTEM = "this system's settings"


@frozen
class Proxy:
    """A proxy: `name` is its host and port, `source` the variable that names it; the rest is not for people's eyes."""

    kind: str
    name: str
    source: str
    login: tuple[str, str] | None = field(repr=False)

    def for_httpx(self, context: ssl.SSLContext) -> httpx.Proxy:
        """Return it as httpx knows proxies; `context` vouches for one that speaks TLS itself."""
        import httpx

        own = context if self.kind == "https" else None
        return httpx.Proxy(f"{self.kind}://{self.name}", auth=self.login, ssl_context=own)


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy that the environment or the system names for a URL; none for this machine itself.

    Raises:
        SettingsError: what is named is no proxy; nothing of it is shown, for a password may stand anywhere in it.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    if is_this_machine(host):
        return None
    proxies = urllib.request.getproxies()
    named = proxies.get(scheme) or proxies.get("all")
    if not named or _excepted(host, parts.port or PORTS.get(scheme), proxies.get("no", "")):
        return None
    if urllib.request.proxy_bypass(host):  # as the system's settings say
        return None
    return _read(named.strip(), _source(scheme))


def is_this_machine(host: str) -> bool:
    """Return whether a host, as written, is a loopback one."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _excepted(host: str, port: int | None, exceptions: str) -> bool:
    """Return whether `NO_PROXY` excepts a host; it is spelled in as many ways as there are programs that read it."""
    return any(_excepts(entry.lower(), host.lower(), port) for entry in re.split(r"[\s,]+", exceptions) if entry)


def _excepts(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry means a host: `*`, a name with all below it, `.name`, an address, a network, `…:port`."""
    if entry == "*":
        return True
    entry = entry.partition("://")[2] or entry
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, _, only = entry.rpartition(":")
    if name and only.isdecimal():
        return port == int(only) and _excepts(name.strip("[]"), host, port)
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _read(named: str, source: str) -> Proxy:
    trouble = unusable(source, "it must read http://host:port or http://user:password@host:port")
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        kind, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise trouble from None
    if kind not in KINDS:
        # What stands there need not be a scheme: `user:password@host` has none.
        raise unusable(source, f"it is none of {', '.join(KINDS)}")
    # A `#` or `/` in a password ends the address early: then the rest of the password would pass for a host.
    if not host or not _HOST.fullmatch(host) or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise trouble
    name = f"[{host}]" if ":" in host else host
    login = (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None
    return Proxy(kind=kind, name=name if port is None else f"{name}:{port}", source=source, login=login)


def unusable(source: str, why: str) -> SettingsError:
    """Return the error for a proxy that can't be used; nothing of its address is in it."""
    escape = " A special character in a password is written as %XX." if "password" in why else ""
    return SettingsError(
        f"The proxy of {source} can't be used: {why}.{escape}",
        hint=f"Nothing was sent, nothing was billed. {corrected(source)}.",
    )


def corrected(source: str) -> str:
    """Return in words what to do about a proxy that is wrong, to be ended by who says it."""
    return f"Correct the proxy in {SYSTEM}" if source == SYSTEM else f"Correct or unset {source}"


def _source(scheme: str) -> str:
    """Return the variable that names the proxy, in the order in which they count."""
    wanted = [f"{scheme}_proxy", f"{scheme}_PROXY".upper(), "all_proxy", "ALL_PROXY"]
    return next((name for name in wanted if os.environ.get(name)), SYSTEM)


def refused_with(error: BaseException) -> int | None:
    """Return the status that a proxy refused with, as httpx tells it in words (`407 Proxy Authentication Required`)."""
    found = re.match(r"(\d{3})\b", str(error))
    return int(found[1]) if found else None


def proxy_words(status: int | None) -> str:
    """Return in words what a proxy's refusal means."""
    told = {
        403: "the proxy doesn't allow it (403)",
        407: "the proxy asks for a user and password, or doesn't know those given (407)",
        502: "the proxy found no way there (502)",
        504: "the proxy found no way there in time (504)",
    }
    return told.get(status or 0, f"the proxy refused ({status})" if status else "the proxy refused")
