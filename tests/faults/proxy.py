"""A proxy on this machine that fails on purpose: it tunnels (CONNECT), forwards, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Self

Trouble = Literal["", "close", "mute", "nonsense", "echo", "garbled echo"]
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What reached the proxy: `CONNECT service.example:443` and the headers with it, their names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)


class FaultProxy:
    """Serves on loopback from its making to its closing.

    No name is looked up: `leads` tells the port of this machine that stands for `host:port`.
    """

    def __init__(
        self, leads: Mapping[str, int], *, refuse: int = 0, trouble: Trouble = "", tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen; `refuse` with a status, or make some other trouble, in place of leading anywhere."""
        self._leads, self._refuse, self._trouble, self._tls = leads, refuse, trouble, tls
        self._asked: list[Asked] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self.port = 0
        self._thread.start()
        self._ready.wait(5)
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Serve for the length of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.close()

    def close(self) -> None:
        """Stop listening and break off what goes on."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    @property
    def asked(self) -> list[Asked]:
        """Every request that reached it, in order."""
        return list(self._asked)

    # -- within ------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))  # transports close one turn later
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            asked = _asked(head)
            self._asked.append(asked)
            if not await self._refused(writer, asked):
                await self._lead(asked, head, reader, writer)
        writer.close()

    async def _refused(self, writer: asyncio.StreamWriter, asked: Asked) -> bool:
        if self._trouble == "mute":
            await asyncio.sleep(60)
        if self._trouble == "nonsense":
            writer.write(b"220 mail.example ESMTP\r\n")
        elif "echo" in self._trouble:
            writer.write(_echo(asked, garbled="garbled" in self._trouble))
        elif self._refuse:
            words = {407: "Proxy Authentication Required"}.get(self._refuse, "No")
            writer.write(f"HTTP/1.1 {self._refuse} {words}\r\nContent-Length: 0\r\n\r\n".encode())
        elif not self._trouble:
            return False
        await writer.drain()
        return True

    async def _lead(
        self, asked: Asked, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        tunnel = asked.method == "CONNECT"
        place = asked.target if tunnel else urlsplit(asked.target).netloc
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._leads[place])
        if tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there.write(head)
        try:
            await asyncio.wait(
                [asyncio.ensure_future(_pump(reader, there)), asyncio.ensure_future(_pump(there_reader, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            there.close()


def _echo(asked: Asked, *, garbled: bool) -> bytes:
    """Return a refusal that says in every place, and in every spelling, with what it was asked."""
    sent = asked.headers.get("proxy-authorization", "")
    login = base64.b64decode(sent.partition(" ")[2]).decode()
    told = f"{sent} {login} {quote(login, safe=':')} {login.partition(':')[2]}"
    colon = " :" if garbled else ":"
    page = f"<title>no {told}</title>"
    head = f"HTTP/1.1 407 no {told}\r\nX-Echo{colon} {told}\r\nLocation: http://{quote(login, safe=':')}@x/\r\n"
    return f"{head}X-Request-Id: {told}\r\nContent-Length: {len(page)}\r\n\r\n{page}".encode()


def _asked(head: bytes) -> Asked:
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in rest if line)
    return Asked(method=method, target=target, headers={name.lower(): value.strip() for name, _, value in pairs})


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
