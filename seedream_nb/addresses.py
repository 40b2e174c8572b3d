"""Which hosts, as written, lie on this machine or in a private network; no name is looked up."""

from __future__ import annotations

import ipaddress
import re
import socket

_INSIDE = ("localhost", "local", "internal", "home.arpa", "localdomain")
"""Names, and what is below them, that mean something on this machine or network only."""
_NUMERIC = re.compile(r"[0-9a-fx.]+", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Return whether a host, as written, is this machine; no name is looked up."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def leads_inside(host: str) -> bool:
    """Return whether a host is loopback, private or link-local, in any spelling that network programs understand."""
    bare = _bare(host)
    if any(bare == name or bare.endswith(f".{name}") for name in _INSIDE):
        return True
    address = _address(bare)
    return address is not None and not address.is_global


def is_link_local(host: str) -> bool:
    """Return whether a host is a link-local address, where clouds keep secrets: no picture is ever there."""
    address = _address(_bare(host))
    return address is not None and address.is_link_local


def _bare(host: str) -> str:
    return host.lower().strip("[]").rstrip(".").partition("%")[0]


def _address(bare: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        if not _NUMERIC.fullmatch(bare):
            return None
        try:  # 127.1 and 0x7f000001 are loopback too
            found = ipaddress.IPv4Address(socket.inet_aton(bare))
        except OSError:
            return None
    return getattr(found, "ipv4_mapped", None) or found
