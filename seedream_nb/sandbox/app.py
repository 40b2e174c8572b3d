"""The sandbox as an ASGI app: one path to ask for pictures, one to download them, and the service's own refusals."""

from __future__ import annotations

import contextlib
import functools
import hmac
import os
import random
import re
import secrets
import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from .asked import how_many, pixels
from .links import LinkRefusedError, Links
from .references import check_picture, decode_data, fetch, refuse
from .rules import Order, Refusal, read_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from PIL.Image import Image
    from starlette.requests import Request

    from .references import Fetch

T = TypeVar("T")

SERVICE_PATH = "/v3/seedream-4.0"
MOST_BODY_BYTES = 160_000_000  # ten references of 10 MB are 133 MB of JSON
UNAUTHORIZED, FORBIDDEN, TOO_LARGE, OTHER_TYPE, TOO_MANY, SERVER_ERRORS = 401, 403, 413, 415, 429, 500
PAINTING = threading.BoundedSemaphore(2)  # a 4K picture takes 70 MB while it is painted

FAILURES = {  # what the service says, by status
    400: (
        "INVALID_REQUEST_BODY",
        "The request failed because the output image may contain sensitive information.",
    ),
    401: ("INVALID_API_KEY", "The API key is missing or wrong."),
    402: ("NOT_ENOUGH_BALANCE", "The balance does not cover this request."),
    403: ("model_access_denied", "The key may not use this model."),
    404: ("NOT_FOUND", "There is nothing at this path."),
    405: ("METHOD_NOT_ALLOWED", "This path does not take this method."),
    413: ("REQUEST_BODY_TOO_LARGE", "The body is too large."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json."),
    429: ("RATE_LIMIT_EXCEEDED", "Too many images per minute."),
    500: ("INTERNAL_ERROR", "The service failed."),
    502: ("BAD_GATEWAY", "The gateway got no valid answer."),
    503: ("SERVICE_UNAVAILABLE", "The service is not available."),
    504: ("GATEWAY_TIMEOUT", "Generation took longer than the gateway waits."),
}


def create_app(  # noqa: PLR0913 - the options of the command, by their names
    *,
    latency: float = 0.0,
    fail: str | None = None,
    link_ttl: float = 86400.0,
    api_key: str | None = None,
    fetch: Fetch = fetch,
    seed: int | None = None,
) -> Starlette:
    """Return an imitation of the service.

    Args:
        latency: Seconds that an answer takes at least.
        fail: What goes wrong by chance, with commas between: "429@0.2" answers 429 to a fifth of the requests,
            "500" answers 500 to all.
        link_ttl: Seconds until a picture's link expires.
        api_key: The key that clients must send; None takes any or none.
        fetch: Gets the bytes of a reference given by its URL; raises OSError or ValueError where it can't.
        seed: Makes the failures the same each time.

    Raises:
        ValueError: `fail` can't be read.
    """
    sandbox = Sandbox(
        latency=latency,
        failing=failures(fail),
        link_ttl=link_ttl,
        api_key=api_key,
        fetch=fetch,
        chance=random.Random(seed),  # noqa: S311 - no secret
    )
    routes = [
        Route(SERVICE_PATH, sandbox.generate, methods=["POST"]),
        Route("/pictures/{name}", sandbox.download, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes, exception_handlers={Refusal: _refused, HTTPException: _no_route}, lifespan=sandbox.life
    )
    app.router.redirect_slashes = False
    return app


def failures(spec: str | None) -> list[tuple[int, float]]:
    """Return the statuses and shares in a text like "429@0.2,503@0.05"; raise ValueError where it can't be read."""
    found = []
    for part in filter(None, (piece.strip() for piece in (spec or "").split(","))):
        match = re.fullmatch(r"([45]\d\d)(?:@(1(?:\.0*)?|0?\.\d+|0))?", part)
        if not match:
            told = f"{part!r} is no failure: write a status and a share from 0 to 1, like 429@0.2"
            raise ValueError(told)
        found.append((int(match[1]), float(match[2] or 1)))
    return found


class Sandbox:
    """What one app keeps: its options, a folder of pictures, and a secret that signs links."""

    def __init__(  # noqa: PLR0913 - as create_app
        self,
        *,
        latency: float,
        failing: list[tuple[int, float]],
        link_ttl: float,
        api_key: str | None,
        fetch: Fetch,
        chance: random.Random,
    ) -> None:
        """Make the folder, private to this user; it goes when the process ends."""
        self.latency, self.failing, self.api_key = latency, failing, api_key
        self.fetch, self.chance = fetch, chance
        self.links = Links(link_ttl)
        self.folder = Path(tempfile.mkdtemp(prefix="seedream-sandbox-"))
        self.tidy = weakref.finalize(self, _remove, self.folder, os.getpid())

    @contextlib.asynccontextmanager
    async def life(self, _: Starlette) -> AsyncIterator[None]:
        """Remove the folder when the server ends."""
        yield
        self.tidy()

    async def generate(self, request: Request) -> Response:
        """Answer a request for pictures when they are painted, and not before `latency` has passed."""
        begun = time.monotonic()
        self._check_key(request)
        _check_type(request)
        order = await _in_thread(functools.partial(read_order, await _body(request)))
        failure = self._failure_by_chance()
        if failure and failure < SERVER_ERRORS:
            raise _failure(failure)
        try:
            return JSONResponse({"images": await self._work(request, order, failure)})
        finally:
            await anyio.sleep(max(0.0, self.latency - (time.monotonic() - begun)))

    async def _work(self, request: Request, order: Order, failure: int | None) -> list[str]:
        """Return the links of the pictures that an order asks for."""
        received = [await self._reference(request, at, text) for at, text in enumerate(order.images)]
        if failure:
            raise _failure(failure)
        names = await self._paint(order, received)
        return [f"{request.base_url}pictures/{name}?{self.links.query(name)}" for name in names]

    async def download(self, request: Request) -> Response:
        """Hand out a picture by its link, as object storage does."""
        name = request.path_params["name"]
        try:
            self.links.check(name, request.url.query)
        except LinkRefusedError as refusal:
            return Response(_storage_error(refusal), FORBIDDEN, media_type="application/xml")
        return FileResponse(self.folder / name, media_type="image/jpeg")

    async def _reference(self, request: Request, at: int, text: str) -> tuple[tuple[int, int], Image]:
        """Return a reference's size and a small copy."""
        if not text.startswith(("http://", "https://")):
            return await _in_thread(lambda: check_picture(at, decode_data(at, text), text[11 : text.index(";")]))
        try:
            own = self._own(request, text)
            content = await _in_thread(own.read_bytes) if own else await self.fetch(text)
        except (OSError, ValueError) as error:
            raise refuse(at, f"can't be fetched: {error}") from None
        return await _in_thread(lambda: check_picture(at, content))

    async def _paint(self, order: Order, received: Sequence[tuple[tuple[int, int], Image]]) -> list[str]:
        size = pixels(order.size, order.prompt, received[0][0] if received else None)
        names = [f"{secrets.token_urlsafe(18)}.jpg" for _ in range(how_many(order))]
        references = [small for _, small in received]

        def draw(name: str, number: int) -> None:
            from .painter import paint

            with PAINTING:
                paint(
                    self.folder / name,
                    order.prompt,
                    size,
                    references=references,
                    watermark=order.watermark,
                    number=number,
                )

        two_at_once = anyio.CapacityLimiter(2)
        async with anyio.create_task_group() as group:
            for number, name in enumerate(names, 1):
                group.start_soon(_in_thread, functools.partial(draw, name, number), two_at_once)
        return names

    def _check_key(self, request: Request) -> None:
        """Refuse a missing or wrong key, where one is set."""
        given = request.headers.get("authorization", "")
        if self.api_key is not None and not hmac.compare_digest(given.encode(), f"Bearer {self.api_key}".encode()):
            raise _failure(UNAUTHORIZED)

    def _failure_by_chance(self) -> int | None:
        """Return one of the statuses of `fail`, each as often as its share, or None."""
        drawn = self.chance.random()
        for status, share in self.failing:
            drawn -= share
            if drawn < 0:
                return status
        return None

    def _own(self, request: Request, url: str) -> Path | None:
        """Return the file behind a link that this sandbox gave, None for another URL; raise where the link is dead."""
        base = f"{request.base_url}pictures/"
        if not url.startswith(base):
            return None
        name, _, query = url.removeprefix(base).partition("?")
        self.links.check(name, query)
        return self.folder / name


async def _in_thread(work: Callable[[], T], limiter: anyio.CapacityLimiter | None = None) -> T:
    """Return what `work` returns, from a thread; a client that goes away need not wait for it."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)


async def _body(request: Request) -> bytes:
    """Return the body of a request, or refuse one that is too large."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BODY_BYTES:
            raise _failure(TOO_LARGE)
    return bytes(content)


def _check_type(request: Request) -> None:
    """Refuse any content type but the one that the pages name."""
    if request.headers.get("content-type", "").partition(";")[0].strip().casefold() != "application/json":
        raise _failure(OTHER_TYPE)


def _failure(status: int) -> Refusal:
    """Return the refusal that belongs to a status."""
    return Refusal(status, *FAILURES.get(status, ("ERROR", "The request failed.")))


async def _refused(_: Request, error: Exception) -> Response:
    """Answer with the service's error body."""
    refusal = cast("Refusal", error)
    headers = {"retry-after": "1"} if refusal.status == TOO_MANY else {}
    return JSONResponse(refusal.body(), refusal.status, headers)


async def _no_route(_: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method with the service's error body."""
    missing = cast("HTTPException", error)
    return JSONResponse(_failure(missing.status_code).body(), missing.status_code, missing.headers)


def _storage_error(refusal: LinkRefusedError) -> str:
    told = f"<Error><Code>{refusal.code}</Code><Message>{refusal}</Message></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{told}\n'


def _remove(folder: Path, owner: int) -> None:
    """Remove the folder of pictures, unless this is a forked child of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
