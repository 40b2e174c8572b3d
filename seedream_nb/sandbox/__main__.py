"""Serves the sandbox to any client on this machine: `python -m seedream_nb.sandbox --port 8787`."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.applications import Starlette

HOST = "127.0.0.1"


def read_options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m seedream_nb.sandbox", description="An imitation of the Seedream 4.0 API."
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8787,
        help="where to listen on 127.0.0.1; 0 takes a free port (default: 8787)",
    )
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="an answer takes at least this long"
    )
    parser.add_argument("--fail", metavar="SPEC", help="statuses to answer by chance: 429@0.2,503@0.05")
    parser.add_argument(
        "--link-ttl",
        type=float,
        default=86400.0,
        metavar="SECONDS",
        help="until a link expires (default: a day)",
    )
    parser.add_argument("--api-key", metavar="KEY", help="the key that clients must send (default: any or none)")
    parser.add_argument("--seed", type=int, help="makes --fail the same each time")
    return parser.parse_args(words)


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; raise OSError where the port is taken."""
    listener = socket.socket()
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    return listener


def serve(app: Starlette, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or a SIGTERM."""
    import uvicorn

    signal.signal(signal.SIGTERM, _end)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


def main(words: Sequence[str] | None = None) -> int:
    """Serve until the end; return the exit code."""
    options = read_options(words)
    try:
        from .app import create_app

        app = create_app(
            latency=options.latency,
            fail=options.fail,
            link_ttl=options.link_ttl,
            api_key=options.api_key,
            seed=options.seed,
        )
        listener = listen(options.port)
    except (OSError, OverflowError, ValueError) as error:
        print(f"The sandbox can't start: {error}", file=sys.stderr)  # noqa: T201 - a command talks to a terminal
        return 2
    print(f"Seedream sandbox at http://{HOST}:{listener.getsockname()[1]} (Ctrl-C ends it)", flush=True)  # noqa: T201
    with contextlib.suppress(KeyboardInterrupt):
        serve(app, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
