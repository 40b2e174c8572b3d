"""One server for all: the sandbox's Seedream endpoint and, beside it, one that answers as OpenAI's does.

The same prompt gets the same picture from both: Seedream's answer is a link to a JPEG, OpenAI's holds the picture in
base64, as a PNG unless `output_format` is "jpeg". The log tells how long each POST took in here.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from PIL import Image
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seedream_nb.sandbox import create_app
from seedream_nb.sandbox.__main__ import listen
from seedream_nb.sandbox.painter import paint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

LATENCY = 2.0
"""Seconds that each answer takes: more than painting does."""


class Clock:
    """An app around an app that notes how many seconds pass until each POST is answered."""

    def __init__(self, app: Starlette) -> None:
        """Measure this app."""
        self.app = app
        self.seconds: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and look at the time."""
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["method"] == "POST":
                self.seconds.append(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, noting)


def both() -> Clock:
    """Return the app with both endpoints, and its log."""
    app = create_app(latency=LATENCY)
    clock = Clock(app)

    async def log(_: Request) -> Response:
        return JSONResponse(clock.seconds)

    app.router.routes += [Route("/v1/images/generations", generate, methods=["POST"]), Route("/log", log)]
    return clock


async def generate(request: Request) -> Response:
    """Answer as OpenAI's endpoint does for its GPT image models."""
    until = time.monotonic() + LATENCY
    asked = await request.json()
    kind = asked.get("output_format", "png")
    width, height = map(int, asked["size"].split("x"))
    content = await anyio.to_thread.run_sync(_picture, asked["prompt"].strip(), (width, height), kind)
    told = {"created": int(time.time()), "output_format": kind, "size": asked["size"], "quality": "high"}
    answer = JSONResponse({**told, "data": [{"b64_json": base64.b64encode(content).decode()}]})
    await anyio.sleep(max(0, until - time.monotonic()))
    return answer


@functools.lru_cache  # turning one into a PNG takes longer than LATENCY on some machines: the first run is thrown away
def _picture(prompt: str, size: tuple[int, int], kind: str) -> bytes:
    jpeg, png = io.BytesIO(), io.BytesIO()
    paint(jpeg, prompt, size)
    if kind == "jpeg":
        return jpeg.getvalue()
    with Image.open(jpeg) as image:
        image.save(png, "PNG")
    return png.getvalue()


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve both in a process of its own for the length of a block; gives the URL."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _serve() -> None:
    import uvicorn

    listener = listen(0)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(both(), log_level="warning", lifespan="on")).run(sockets=[listener])


if __name__ == "__main__":
    _serve()
