"""Stops whatever a test or its child processes would send beyond this machine, and writes it down.

What is written down fails the test even where the code under test swallowed the error.
Browsers and compiled libraries are not Python: they are not seen here.
"""

from __future__ import annotations

import os
import socket
import sys

REPORT = "LOOPBACK_GUARD_REPORT"
"""The environment variable that names the file which this process and its children write to."""

ADDRESS_OF = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
HOST_OF = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.gethostbyaddr": 0}


class BeyondLoopbackError(OSError):
    """A test tried to leave this machine; code under test takes it for a network that is down."""


def stays_here(host: object) -> bool:
    """Return whether a host is this machine: no host, its name, or a loopback address."""
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):
        return host is None
    name = host.split("%")[0].rstrip(".").lower()
    return name in {"", "localhost", socket.gethostname().lower()} or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    import ipaddress

    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    # Connecting to the unspecified address (0.0.0.0, ::) reaches this machine.
    return inner.is_loopback or inner.is_unspecified


def target(event: str, arguments: tuple[object, ...]) -> object:
    """Return the host that a socket event is about, or None where it can't leave this machine."""
    if event in HOST_OF:
        return arguments[HOST_OF[event]]
    if event not in ADDRESS_OF:
        return None
    address = arguments[ADDRESS_OF[event]]
    family = getattr(arguments[0], "family", None)
    is_internet = family in {socket.AF_INET, socket.AF_INET6} and isinstance(address, tuple)
    return address[0] if is_internet and isinstance(address, tuple) else None


def check(event: str, arguments: tuple[object, ...]) -> None:
    """Raise, and write down, if this socket event would leave this machine."""
    if not event.startswith("socket."):
        return
    host = target(event, arguments)
    if not stays_here(host):
        told = f"{event} to {host!r}"
        write_down(told)
        raise BeyondLoopbackError(f"beyond loopback: {told}; a test stays on this machine")


def write_down(told: str) -> None:
    """Add a line to the report, if there is one."""
    path = os.environ.get(REPORT)
    if path:
        with open(path, "a", encoding="utf-8") as report:  # noqa: PTH123 - pathlib would be loaded in every child
            report.write(told + "\n")


def watch() -> None:
    """Watch this process from now on; Python has no way back."""
    sys.addaudithook(check)
