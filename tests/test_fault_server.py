"""The server that fails as it is told does not fail by itself."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.faults.server import FaultServer


@pytest.mark.parametrize("said", [b"\xff\0\0\0\0\0\0\0\x01\x7f", b"\x16\x03\x01 \n", b"hello\n", b"a b\n"])
def test_who_speaks_no_http_is_left_alone(fault_server: FaultServer, said: bytes) -> None:
    """As a kernel's client, which greets its dead kernel at a port that is another's now, and goes after 30 s."""
    with socket.create_connection(("127.0.0.1", fault_server.port)) as stranger:
        stranger.sendall(said)
    assert fault_server.wait_for(lambda server: [each for each in server.connections if each.left_by_client])
    assert fault_server.posts == []
