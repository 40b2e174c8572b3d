"""The fault server: one thread a connection, nothing but sockets; its log is the witness of every test."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import select
import socket
import ssl
import struct
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from tests.faults.pictures import jpeg
from tests.faults.script import POST, Connection, Cut, Links, OnceRead, Reply, Script, Seen, Stall, Step, When

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

PIECE_BYTES = 64 * 1024
DRIP_BYTES = 1024
TICK_SECONDS = 0.02


class ClientLeftError(Exception):
    """The client closed its end."""


class CutError(Exception):
    """The script says: break the connection here."""


class FaultServer:
    """Serves on loopback from its making to its closing; see the package for how it is told what to do."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, keep_bodies: bool = True, port: int = 0) -> None:
        """Listen; `keep_bodies=False` counts the bytes of bodies and forgets them."""
        self._tls, self._keep_bodies = tls, keep_bodies
        self._scripts: dict[str, list[Script]] = {POST: [Links()]}
        self._seen: list[Seen] = []
        self._connections: list[Connection] = []
        self._cuts = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._pictures = itertools.count(1)
        self._socket = socket.create_server(("127.0.0.1", port), backlog=100)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, name="fault-server", daemon=True).start()

    def __enter__(self) -> Self:
        """Serve for the length of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.close()

    def close(self) -> None:
        """Stop listening and break off what goes on."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    # -- what it is told ---------------------------------------------------------------------------

    def on(self, path: str, *steps: Script) -> str:
        """Give a path its script, one step a request, the last one again and again; return its URL."""
        with self._changed:
            self._scripts[path] = list(steps)
        return self.url + path

    def picture(
        self, width: int, height: int, *faults: Script, name: str | None = None, size_bytes: int | None = None
    ) -> str:
        """Serve a JPEG picture, ranges included, after these faults; return its link."""
        number = next(self._pictures)
        content = jpeg(width, height, number=number % 24, size_bytes=size_bytes)  # made once each
        whole = Reply(body=content, headers={"Content-Type": "image/jpeg"}, ranges=True)
        return self.on(f"/pictures/{name or f'{number}.jpg'}", *faults, whole)

    def cut_connections(self, count: int) -> None:
        """Reset the next connections as soon as they stand, before a byte is read."""
        self._cuts = count

    # -- what it has seen --------------------------------------------------------------------------

    @property
    def seen(self) -> list[Seen]:
        """Every request, in the order in which their headers were complete."""
        with self._changed:
            return list(self._seen)

    @property
    def posts(self) -> list[Seen]:
        """The POST requests."""
        return [seen for seen in self.seen if seen.method == "POST"]

    @property
    def gets(self) -> list[Seen]:
        """The GET requests."""
        return [seen for seen in self.seen if seen.method == "GET"]

    @property
    def connections(self) -> list[Connection]:
        """Every connection, in order."""
        with self._changed:
            return list(self._connections)

    def wait_for(self, condition: Callable[[FaultServer], object], seconds: float = 5.0) -> bool:
        """Wait until a condition on the log holds; return whether it came to hold."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: condition(self), seconds))

    # -- connections -------------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            with self._changed:
                connection = Connection(number=len(self._connections) + 1, opened=time.monotonic())
                self._connections.append(connection)
                self._changed.notify_all()
            threading.Thread(target=self._serve, args=(accepted, connection), daemon=True).start()

    def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        try:
            if self._cuts > 0:
                self._cuts -= 1
                _reset(accepted)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                accepted = self._tls.wrap_socket(accepted, server_side=True)
            with accepted.makefile("rb") as arriving:
                while self._one(accepted, arriving, connection):
                    pass
        except CutError:
            pass
        except (ClientLeftError, OSError):
            connection.left_by_client = not self._stopping.is_set()
        finally:
            accepted.close()
            self._note(lambda: setattr(connection, "closed", time.monotonic()))

    def _one(self, to: socket.socket, arriving: BinaryIO, connection: Connection) -> bool:
        """Serve one request; return whether the connection goes on."""
        seen = self._headers(arriving, connection)
        step = self._next_step(seen)
        try:
            if isinstance(step, OnceRead):
                self._read(to, arriving, seen, Reply())
                step = step.choose(seen)
                self._fault(to, step, "body")
            early = isinstance(step, Reply) and step.early
            if not early and seen.read is None:
                self._read(to, arriving, seen, step)
            answer = self._answer(step, seen)
            self._note(lambda: setattr(seen, "status", answer.status))
            self._send(to, answer, seen)
            if early:
                self._read(to, arriving, seen, step)
        finally:
            self._note(lambda: setattr(seen, "ended", time.monotonic()))
        return seen.headers.get("connection", "").lower() != "close"

    def _headers(self, arriving: BinaryIO, connection: Connection) -> Seen:
        first = arriving.readline()
        match first.decode("latin-1").split(" "):
            case method, path, version if version.startswith("HTTP/"):
                pass
            case _:  # nothing; or a stranger, who looks for what listened at this port before
                raise ClientLeftError
        headers: dict[str, str] = {}
        while (line := arriving.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        with self._changed:
            seen = Seen(
                number=len(self._seen) + 1, connection=connection.number, method=method, path=path,
                headers=headers, began=time.monotonic(),
            )  # fmt: skip
            self._seen.append(seen)
            self._changed.notify_all()
        return seen

    def _next_step(self, seen: Seen) -> Step | OnceRead:
        with self._changed:
            steps = self._scripts.get(seen.path.partition("?")[0], [Reply(status=404)])
            step = steps.pop(0) if len(steps) > 1 else steps[0]
        return step if isinstance(step, Reply | Links | Cut | Stall | OnceRead) else step(seen)

    # -- a request ---------------------------------------------------------------------------------

    def _read(self, to: socket.socket, arriving: BinaryIO, seen: Seen, step: Step) -> None:
        """Read the body, up to where the script cuts or stalls."""
        length = int(seen.headers.get("content-length", 0))
        self._fault(to, step, "headers")
        self._read_until(arriving, seen, length // 2)
        self._fault(to, step, "half")
        self._read_until(arriving, seen, length)
        self._note(lambda: setattr(seen, "read", time.monotonic()))
        self._fault(to, step, "body")

    def _read_until(self, arriving: BinaryIO, seen: Seen, length: int) -> None:
        pieces = [seen.body]
        while seen.size_bytes < length:
            piece = arriving.read(min(PIECE_BYTES, length - seen.size_bytes))
            if not piece:
                raise ClientLeftError
            seen.size_bytes += len(piece)
            if self._keep_bodies:
                pieces.append(piece)
        seen.body = b"".join(pieces)

    def _fault(self, to: socket.socket, step: Step, when: When) -> None:
        if isinstance(step, Reply | Links) or step.when != when:
            return
        if isinstance(step, Stall) and step.read:
            self._pause(to, step.seconds)
        elif isinstance(step, Stall):
            self._stopping.wait(step.seconds)
        elif step.reset:
            _reset(to)
        raise CutError

    def _pause(self, to: socket.socket, seconds: float) -> None:
        """Be silent, but notice when the client leaves."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping.is_set():
            readable, _, _ = select.select([to], [], [], min(TICK_SECONDS, left))
            if readable:
                # Bytes of the body that nobody reads can't be told from the end behind them.
                to.settimeout(0)
                with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                    if not to.recv(PIECE_BYTES):
                        raise ClientLeftError
                to.settimeout(None)

    # -- an answer ---------------------------------------------------------------------------------

    def _answer(self, step: Step, seen: Seen) -> Reply:
        if isinstance(step, Reply):
            return _part(step, seen.headers.get("range", "")) if step.ranges else step
        if not isinstance(step, Links):
            raise CutError
        asked = seen.json() if self._keep_bodies and seen.body else {}
        count = step.count if step.count is not None else asked.get("max_images", 1)
        links = [self.picture(step.width, step.height, size_bytes=step.size_bytes) for _ in range(count)]
        body = json.dumps({"images": links}).encode()
        return Reply(body=body, headers={"Content-Type": "application/json"}, delay=step.delay)

    def _send(self, to: socket.socket, answer: Reply, seen: Seen) -> None:
        self._pause(to, answer.delay)
        to.sendall(_head(answer) if answer.raw is None else answer.raw)
        body = memoryview(answer.body)[: answer.send] if seen.method != "HEAD" else memoryview(b"")
        size = DRIP_BYTES if answer.pace else PIECE_BYTES
        for start in range(0, len(body), size):
            if answer.pace and start:
                self._pause(to, answer.pace)
            to.sendall(body[start : start + size])
        if answer.then == "stall":
            self._pause(to, 3600)
        if answer.then == "reset":
            _reset(to)
        if answer.then != "keep" or answer.length == -1:
            raise CutError

    def _note(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()


def _head(answer: Reply) -> bytes:
    phrase = HTTPStatus(answer.status).phrase if answer.status in list(HTTPStatus) else "Odd"
    headers = dict(answer.headers)
    if answer.length != -1:
        headers["Content-Length"] = str(len(answer.body) if answer.length is None else answer.length)
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _part(whole: Reply, asked: str) -> Reply:
    found = re.fullmatch(r"bytes=(\d+)-", asked)
    if found is None:
        return whole
    start, total = int(found[1]), len(whole.body)
    headers = {**whole.headers, "Content-Range": f"bytes {start}-{total - 1}/{total}"}
    return Reply(status=206, headers=headers, body=whole.body[start:])


def _reset(to: socket.socket) -> NoReturn:
    """Close with a reset, as a machine does that knows nothing of the connection (any more)."""
    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    to.close()
    raise CutError
