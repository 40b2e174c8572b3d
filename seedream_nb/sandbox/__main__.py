"""Serves the sandbox to any client on this machine: `python -m seedream_nb.sandbox --port 8787`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

from .app import refused
from .refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNAVAILABLE = 503


class Ending:
    """Wraps an app so that it can be stopped at once."""

    def __init__(self, app: ASGIApp) -> None:
        """Have no requests yet."""
        self.app = app
        self.tasks: set[asyncio.Task[object]] = set()
        self.ended = False

    async def end(self) -> None:
        """Cancel all requests, and wait until they are answered."""
        self.ended = True
        logging.getLogger("uvicorn.error").disabled = True  # interrupted downloads are not an error now
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the app; answer it here if the end comes first."""
        task = asyncio.current_task()
        if scope["type"] != "http" or not task:
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        self.tasks.add(task)
        try:
            await self.app(scope, receive, watched_send)
        except asyncio.CancelledError:
            if not self.ended:
                raise
            if not begun:
                await refused(refusal(UNAVAILABLE, "The sandbox has ended."))(scope, receive, send)
        finally:
            self.tasks.discard(task)


HOST = "127.0.0.1"


def read_options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m seedream_nb.sandbox", description="An imitation of the Seedream 4.0 API."
    )
    parser.add_argument(
        "--port",
        type=_whole_number,
        default=8787,
        help="where to listen on 127.0.0.1; 0 takes a free port (default: 8787)",
    )
    parser.add_argument(
        "--latency", type=_seconds, default=0.0, metavar="SECONDS", help="an answer takes at least this long"
    )
    parser.add_argument("--fail", metavar="SPEC", help="statuses to answer by chance: 429@0.2,503@0.05")
    parser.add_argument(
        "--link-ttl",
        type=_seconds,
        default=86400.0,
        metavar="SECONDS",
        help="until a link expires (default: a day)",
    )
    parser.add_argument("--api-key", metavar="KEY", help="the key that clients must send (default: any or none)")
    parser.add_argument("--seed", type=_whole_number, help="makes --fail the same each time")
    return parser.parse_args(words)


def _seconds(word: str) -> float:
    """Parse a duration."""
    if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}", word):  # `float` accepts more than people mean
        raise ValueError(word)
    return float(word)


def _whole_number(word: str) -> int:
    """Parse a whole number."""
    if not re.fullmatch("[0-9]{1,9}", word):
        raise ValueError(word)
    return int(word)


_seconds.__name__, _whole_number.__name__ = "number of seconds", "whole number"  # argparse shows these names


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; raise OSError if the port is taken."""
    listener = socket.socket()
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    return listener


def serve(app: Starlette, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or a SIGTERM."""
    import uvicorn

    ending = Ending(app)

    class Server(uvicorn.Server):
        """Stops at the first signal: whoever is waiting gets an answer, and nobody is waited for."""

        def handle_exit(self, *_: object) -> None:
            self.should_exit = True

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await ending.end()
            await super().shutdown(sockets)

    server = Server(uvicorn.Config(ending, log_level="warning", timeout_graceful_shutdown=1, lifespan="on"))
    _on_signals(server.handle_exit)
    print(f"Seedream sandbox at http://{HOST}:{listener.getsockname()[1]} (Ctrl-C ends it)", flush=True)
    server.run(sockets=[listener])
    _on_signals(signal.SIG_IGN)  # there is a moment left until the last picture is finished


def _on_signals(handler: Callable[..., object] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


def _say(reason: str) -> int:
    print(f"The sandbox can't start: {reason}", file=sys.stderr)
    return 2


def _run(options: argparse.Namespace) -> int:
    try:
        import uvicorn  # noqa: F401 - fail here, before anything is printed

        from .app import create_app

        app = create_app(
            latency=options.latency,
            fail=options.fail,
            link_ttl=options.link_ttl,
            api_key=options.api_key,
            seed=options.seed,
        )
        listener = listen(options.port)
    except ImportError as error:
        return _say(f"{error.name} is missing. Install it with:  pip install uvicorn")
    except (OSError, OverflowError, ValueError) as error:
        return _say(str(error))
    serve(app, listener)
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Serve until the end; return the exit code."""
    options = read_options(words)
    signal.signal(signal.SIGTERM, _end)
    with contextlib.suppress(KeyboardInterrupt):
        return _run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
