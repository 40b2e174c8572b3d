"""Signs of life on a silent connection: without them nobody notices that it is gone, or a router forgets it."""

from __future__ import annotations

import contextlib
import socket

FIRST_PROBE_SECONDS, PROBE_SECONDS, PROBES = 45, 30, 20
"""Home routers and clouds forget a silent connection after 60 to 350 s. A line may be down for ten minutes (a lid
closed, a change of network) and come back to a reply that is paid for."""


def keep_alive(real: socket.socket | None) -> None:
    """Make a connection that says nothing give signs of life, where the platform can."""
    if real is not None:
        for option in options():
            with contextlib.suppress(OSError):  # without it a long wait is only less sure to end well
                real.setsockopt(*option)


def options() -> list[tuple[int, int, int]]:
    """Return the socket options for that."""
    probes = (
        ("TCP_KEEPIDLE", FIRST_PROBE_SECONDS),
        ("TCP_KEEPALIVE", FIRST_PROBE_SECONDS),  # macOS's name for it
        ("TCP_KEEPINTVL", PROBE_SECONDS),
        ("TCP_KEEPCNT", PROBES),
    )
    known = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in probes if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]
