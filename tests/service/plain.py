"""A client that knows the reference pages alone, and the sandbox in a process of its own for it to ask."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.service.description import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEY = "sk_one"
HEADERS = (("Content-Type", "application/json"), ("Authorization", f"Bearer {KEY}"))
"""What the pages demand of every request."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The object in the body."""
        found = json.loads(self.content)
        assert isinstance(found, dict)
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """A sandbox that is served alone."""

    process: subprocess.Popen[str]
    url: str
    port: int

    def ask(
        self,
        body: object = b"",
        *,
        method: str = "POST",
        path: str = PATH,
        headers: tuple[tuple[str, str], ...] = HEADERS,
    ) -> Answer:
        """Send one request, with these headers and a length; a body that is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            given = {name.lower() for name, _ in headers}
            connection.putrequest(method, path, skip_accept_encoding=True, skip_host="host" in given)
            for name, value in headers:
                connection.putheader(name, value)
            if not {"content-length", "transfer-encoding"} & given:
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            reply = connection.getresponse()
            return Answer(status=reply.status, headers=dict(reply.getheaders()), content=reply.read())

    def connect(self, content: bytes) -> socket.socket:
        """Open a connection and send bytes as they are."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(content)
        return connection


@contextlib.contextmanager
def served(temporary: Path, *options: str) -> Iterator[Served]:
    """Start the command on a free port, with its temporary files in a folder."""
    command = [sys.executable, "-m", "seedream_nb.sandbox", "--port", "0", *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary)},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)", line)
        assert found, (line, process.communicate(timeout=10))
        yield Served(process=process, url=found[0], port=int(found[1]))
    finally:
        process.kill()
        process.communicate()


def received(connection: socket.socket) -> bytes:
    """Return all that a connection still brings."""
    pieces = []
    with connection:
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)
