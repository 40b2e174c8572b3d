"""Finds the proxy for an address, in the environment or the system's settings; its password is never shown."""

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
from seedream_nb.patterns import lazy_pattern

if TYPE_CHECKING:
    import ssl

    import httpx

KINDS = ("http", "https", "socks5", "socks5h")
PORTS = {"http": 80, "https": 443}
_HOST = lazy_pattern(r"[\w.:~-]+")
SYSTEM = "this system's settings"


@frozen
class Proxy:
    """A proxy: `name` is its host and port, `source` the variable that names it; the login is never shown."""

    kind: str
    name: str
    source: str
    login: tuple[str, str] | None = field(repr=False)

    def for_httpx(self, context: ssl.SSLContext) -> httpx.Proxy:
        """Return it as httpx's own type; `context` verifies a proxy that speaks TLS itself."""
        import httpx

        own = context if self.kind == "https" else None
        return httpx.Proxy(f"{self.kind}://{self.name}", auth=self.login, ssl_context=own)


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy that the environment or the system names for a URL; None for this machine itself.

    Raises:
        SettingsError: what is named is not a proxy; it is not shown, because it may contain a password.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    if is_this_machine(host):
        return None
    proxies = urllib.request.getproxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address or _is_excepted(host, parts.port or PORTS.get(scheme), proxies.get("no", "")):
        return None
    if urllib.request.proxy_bypass(host):  # the system's settings
        return None
    return _read(address.strip(), _source(scheme))


def is_this_machine(host: str) -> bool:
    """Return whether a host, as written, is a loopback one."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _is_excepted(host: str, port: int | None, exceptions: str) -> bool:
    """Return whether `NO_PROXY` covers a host; every program that reads it has its own syntax."""
    return any(_matches(entry.lower(), host.lower(), port) for entry in re.split(r"[\s,]+", exceptions) if entry)


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry matches: `*`, a name and its subdomains, `.name`, an address, a network, `…:port`."""
    if entry == "*":
        return True
    entry = entry.partition("://")[2] or entry
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, _, only = entry.rpartition(":")
    if name and only.isdecimal():
        return port == int(only) and _matches(name.strip("[]"), host, port)
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _read(address: str, source: str) -> Proxy:
    trouble = unusable(source, "it must read http://host:port or http://user:password@host:port")
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        kind, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise trouble from None
    if kind not in KINDS:
        # It need not be a scheme: `user:password@host` has none.
        raise unusable(source, f"it is none of {', '.join(KINDS)}")
    # A `#` or `/` in a password ends the address early, and the rest of the password would be taken for a host.
    if not host or not _HOST.fullmatch(host) or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise trouble
    name = f"[{host}]" if ":" in host else host
    login = (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None
    return Proxy(kind=kind, name=name if port is None else f"{name}:{port}", source=source, login=login)


def unusable(source: str, why: str) -> SettingsError:
    """Return the error for a proxy that can't be used; its address is not shown."""
    escape = " A special character in a password is written as %XX." if "password" in why else ""
    return SettingsError(
        f"The proxy of {source} can't be used: {why}.{escape}",
        hint=f"Nothing was sent, nothing was billed. {corrected(source)}.",
    )


def corrected(source: str) -> str:
    """Return in words how to correct a proxy, without a full stop."""
    return f"Correct the proxy in {SYSTEM}" if source == SYSTEM else f"Correct or unset {source}"


def _source(scheme: str) -> str:
    """Return the variable that names the proxy, by their order of precedence."""
    wanted = [f"{scheme}_proxy", f"{scheme}_PROXY".upper(), "all_proxy", "ALL_PROXY"]
    return next((name for name in wanted if os.environ.get(name)), SYSTEM)


def proxy_status(error: BaseException) -> int | None:
    """Return the status of a proxy's refusal, from the text of httpx's error (`407 Proxy Authentication Required`)."""
    match = re.match(r"(\d{3})\b", str(error))
    return int(match[1]) if match else None


def describe_proxy_refusal(status: int | None) -> str:
    """Return in words what a proxy's refusal means."""
    meanings = {
        403: "the proxy doesn't allow it (403)",
        407: "the proxy asks for a user and password, or rejects the given ones (407)",
        502: "the proxy could not reach it (502)",
        504: "the proxy could not reach it in time (504)",
    }
    return meanings.get(status or 0, f"the proxy refused ({status})" if status else "the proxy refused")
