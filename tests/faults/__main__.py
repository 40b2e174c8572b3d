"""The fault server for other processes (benchmarks): prints its URL, serves until its input ends."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from tests.faults.script import POST, Links, Reply, Seen
from tests.faults.server import FaultServer


def main() -> None:
    """Serve pictures of one size; `GET /log` gives what was seen, bodies apart."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the service answers")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--height", type=int, default=2048)
    parser.add_argument("--size-bytes", type=int, help="fill each picture up to this size")
    parser.add_argument("--count", type=int, help="pictures in each reply (default: as many as asked for)")
    given = parser.parse_args()
    with FaultServer(port=given.port) as server:
        links = Links(
            count=given.count, width=given.width, height=given.height,
            size_bytes=given.size_bytes, delay=given.delay,
        )  # fmt: skip
        server.on(POST, links)
        server.on("/log", lambda _: Reply(body=_log(server.seen)))
        print(server.url, flush=True)  # noqa: T201 - that is how it is found
        sys.stdin.read()


def _log(seen: list[Seen]) -> bytes:
    return json.dumps([dataclasses.asdict(dataclasses.replace(each, body=b"")) for each in seen], default=str).encode()


if __name__ == "__main__":
    main()
