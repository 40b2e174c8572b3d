"""The sandbox as an ASGI app: a path for requests, a path for downloads, and the service's own refusals."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import io
import os
import random
import re
import secrets
import shutil
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from . import body
from .models import MODELS
from .references import UnfitError, check_picture, decode_data, fetch, is_url
from .refusals import Refusal, broken_rules, failures, refusal
from .rules import find_problems, how_many, make_order, pixels

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from starlette.requests import Request

FORBIDDEN, TOO_MANY, SERVER_ERROR = 403, 429, 500


def refused(answer: Refusal, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the service's error response."""
    wait = {"retry-after": "1"} if answer.status == TOO_MANY else {}
    return JSONResponse(answer.body(), answer.status, {**wait, **(headers or {})})


def storage_error(error: LinkRefusedError) -> Response:
    """Return object storage's response for an invalid link."""
    body = f"<Error><Code>{error.code}</Code><Message>{error}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n', FORBIDDEN, media_type="application/xml")


async def _refused(_: Request, error: Exception) -> Response:
    return refused(cast("Refusal", error))


async def _no_route(_: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method."""
    missing = cast("HTTPException", error)
    return refused(refusal(missing.status_code), missing.headers)


async def _failed(_: Request, __: Exception) -> Response:
    """Answer an internal error of the sandbox."""
    return refused(refusal(SERVER_ERROR))


async def _gone(_: Request, __: Exception) -> Response:
    """Answer a client that disconnected while it was sending; nobody reads this."""
    return Response(status_code=400)


ANSWERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Refusal: _refused,
    HTTPException: _no_route,
    ClientDisconnect: _gone,
    Exception: _failed,
}


PREFIX = "seedream-sandbox-"
IDLE_SECONDS = 3600.0
"""After this time without new files, a folder of a dead process is removed; before, the process may only seem dead."""


def make_folder() -> Path:
    """Make a folder for this user alone, after removing those of killed processes."""
    _sweep()
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def remove_folder(folder: Path, owner: int) -> None:
    """Remove the folder, unless this is a forked child of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            owner = re.match(rf"{PREFIX}(\d+)-", folder.name)
            is_idle = time.time() - folder.stat().st_mtime > IDLE_SECONDS
            if owner and is_idle and not _lives(int(owner[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    if sys.platform == "win32":  # os.kill would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


class LinkRefusedError(ValueError):
    """A link is not valid; `code` and message are those of object storage."""

    def __init__(self, code: str, message: str) -> None:
        """Keep code and message."""
        super().__init__(message)
        self.code = code


class Links:
    """Signs links with its own secret."""

    def __init__(self, seconds: float) -> None:
        """Make links that are valid for this many seconds."""
        self.seconds, self.secret = seconds, secrets.token_bytes(32)

    def query(self, name: str) -> str:
        """Return the query that makes a link for a name, from now until it expires."""
        expires = f"{time.time() + self.seconds:.3f}"
        return f"expires={expires}&signature={self._signed(name, expires)}"

    def gave(self, name: str, query: str) -> bool:
        """Return whether a link was signed here, valid or expired."""
        expires, signature = _parts(query)
        return hmac.compare_digest(self._signed(name, expires).encode(), signature.encode("utf-8", "replace"))

    def check(self, name: str, query: str) -> None:
        """Raise LinkRefusedError if the query is not valid for the name, or has expired."""
        if not self.gave(name, query):
            raise LinkRefusedError("SignatureDoesNotMatch", "The signature of this link is wrong.")
        if time.time() >= float(_parts(query)[0]):
            raise LinkRefusedError("AccessDenied", "Request has expired")

    def _signed(self, name: str, expires: str) -> str:
        return hmac.new(self.secret, f"{name} {expires}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _parts(query: str) -> tuple[str, str]:
    """Return the time and the signature in a link's query."""
    given = parse_qs(query)
    return given.get("expires", [""])[0], given.get("signature", [""])[0]


if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from PIL.Image import Image
    from starlette.requests import Request

    from .models import Model
    from .references import Fetch
    from .refusals import Problem
    from .rules import Order

    Received = tuple[tuple[int, int], Image]  # a reference's size and a small copy

T = TypeVar("T")

PICTURES_PATH = "/pictures/"
UNAUTHORIZED, SERVER_ERRORS = 401, 500
PAINTING = threading.BoundedSemaphore(2)  # painting a 4K picture takes 70 MB


def create_app(  # noqa: PLR0913 - the options of the command
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
        fail: Random failures, separated by commas: "429@0.2" answers 429 to a fifth of the requests, "500" answers
            500 to all.
        link_ttl: Seconds until a picture's link expires.
        api_key: The key that clients must send; with None, any key or none.
        fetch: Downloads a reference from its URL; raises OSError or ValueError on failure.
        seed: Makes the random failures repeatable.

    Raises:
        ValueError: `fail` is not valid, or the key is empty.
    """
    if api_key is not None and not api_key.strip():
        raise ValueError("the API key is empty")
    sandbox = Sandbox(
        latency=latency,
        failing=failures(fail),
        link_ttl=link_ttl,
        api_key=api_key,
        fetch=fetch,
        chance=random.Random(seed),
    )
    routes = [
        *(Route(model.path, functools.partial(sandbox.generate, model), methods=["POST"]) for model in MODELS),
        Route(PICTURES_PATH + "{name}", sandbox.download, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers=ANSWERS, lifespan=sandbox.life)
    app.router.redirect_slashes = False
    return app


class Sandbox:
    """The state of one app: its options, a folder of pictures, and a secret that signs links."""

    def __init__(  # noqa: PLR0913 - the same options
        self,
        *,
        latency: float,
        failing: list[tuple[int, float]],
        link_ttl: float,
        api_key: str | None,
        fetch: Fetch,
        chance: random.Random,
    ) -> None:
        """Make the folder, private to this user; it is removed when the process ends."""
        self.latency, self.failing, self.api_key = latency, failing, api_key
        self.fetch, self.chance = fetch, chance
        self.links = Links(link_ttl)
        self.folder = make_folder()
        self.tidy = weakref.finalize(self, remove_folder, self.folder, os.getpid())
        self.keeping = threading.Lock()

    @contextlib.asynccontextmanager
    async def life(self, _: Starlette) -> AsyncIterator[None]:
        """Remove the folder when the server ends; pictures still being painted are dropped."""
        yield
        with self.keeping:
            self.tidy()

    async def generate(self, model: Model, request: Request) -> Response:
        """Answer a request for pictures of a model when they are painted, and not before `latency` has passed."""
        begun = time.monotonic()
        self._check_key(request)
        body.check_headers(request)
        content = await body.read(request)
        order, received = await self._understand(model, request, content)
        failure = self._failure_by_chance()
        if failure and failure < SERVER_ERRORS:
            raise refusal(failure)
        answer = refused(refusal(failure)) if failure else await self._paint(model, request, order, received)
        await anyio.sleep(max(0.0, self.latency - (time.monotonic() - begun)))
        return answer

    async def _understand(self, model: Model, request: Request, content: bytearray) -> tuple[Order, list[Received]]:
        """Return the order in a body, or raise the 400 that names everything that is wrong with it."""
        fields = await _in_thread(functools.partial(body.parse, content))
        content.clear()  # its references may be 187 MB, and they are copied by now
        problems = find_problems(fields, model)
        received: list[Received] = []
        if not any(field == model.references for field, _ in problems):
            received = await self._receive(model, request, fields.get(model.references, []), problems)
        if problems:
            raise broken_rules(problems)
        return make_order(fields, model), received

    async def _receive(
        self, model: Model, request: Request, images: Sequence[str], problems: list[Problem]
    ) -> list[Received]:
        """Return the references, fetched concurrently and decoded one by one; add what is wrong with them."""
        results: dict[int, Received | Exception] = {}
        one_by_one = anyio.Lock()

        async def receive(at: int, text: str) -> None:
            try:
                fetched = await self._fetched(request, text) if is_url(text) else None
                async with one_by_one:
                    results[at] = await _in_thread(functools.partial(_checked, model, text, fetched))
            except UnfitError as error:
                results[at] = error

        async with anyio.create_task_group() as group:
            for at, text in enumerate(images):
                group.start_soon(receive, at, text)
        checked = [results[at] for at in range(len(images))]
        problems += [
            (model.references, f"{model.references}[{at}] {result}")
            for at, result in enumerate(checked)
            if isinstance(result, Exception)
        ]
        return [result for result in checked if not isinstance(result, Exception)]

    async def _fetched(self, request: Request, url: str) -> bytes:
        """Return the bytes of a reference given by its URL; raise UnfitError on failure."""
        try:
            own = self._own(request, url)
            return await _in_thread(own.read_bytes) if own else await self.fetch(url)
        except (OSError, ValueError) as error:
            raise UnfitError(f"can't be fetched: {error}") from None

    async def download(self, request: Request) -> Response:
        """Serve a picture by its link, as object storage does."""
        name = request.path_params["name"]
        try:
            self.links.check(name, request.url.query)
        except LinkRefusedError as error:
            return storage_error(error)
        return FileResponse(self.folder / name, media_type="image/jpeg")

    async def _paint(self, model: Model, request: Request, order: Order, received: Sequence[Received]) -> JSONResponse:
        """Answer with the links of the pictures of an order."""
        size = pixels(order.size, order.prompt, received[0][0] if received else None, model)
        names = [f"{secrets.token_urlsafe(18)}.jpg" for _ in range(how_many(order))]
        references = [small for _, small in received]

        def draw(name: str, number: int) -> None:
            from .painter import paint

            with PAINTING:
                if not self.tidy.alive:
                    return
                picture = io.BytesIO()
                paint(picture, order.prompt, size, references=references, watermark=order.watermark, number=number)
            self._keep(name, picture.getvalue())

        two_at_once = anyio.CapacityLimiter(2)
        async with anyio.create_task_group() as group:
            for number, name in enumerate(names, 1):
                group.start_soon(_in_thread, functools.partial(draw, name, number), two_at_once)
        return JSONResponse({"images": [f"{_base(request)}{name}?{self.links.query(name)}" for name in names]})

    def _keep(self, name: str, content: bytes) -> None:
        """Write a picture, unless the folder was removed while it was painted."""
        with self.keeping:
            if self.tidy.alive:
                (self.folder / name).write_bytes(content)

    def _check_key(self, request: Request) -> None:
        """Refuse a missing or wrong key, if one is set: the header must be exactly as documented."""
        given = request.headers.get("authorization", "")
        if self.api_key is not None and not hmac.compare_digest(given.encode(), f"Bearer {self.api_key}".encode()):
            problem = "is wrong" if given.startswith("Bearer ") else "is missing"
            raise refusal(UNAUTHORIZED, f"Authorization: the API key {problem}; the header must be: Bearer <API key>")

    def _failure_by_chance(self) -> int | None:
        """Return one of the statuses of `fail`, each with its share, or None."""
        drawn = self.chance.random()
        for status, share in self.failing:
            drawn -= share
            if drawn < 0:
                return status
        return None

    def _own(self, request: Request, url: str) -> Path | None:
        """Return the file for one of this sandbox's links, None for other URLs; raise if the link is not valid."""
        path, query = urlsplit(url).path, urlsplit(url).query
        name = path.removeprefix(PICTURES_PATH)
        if not path.startswith(PICTURES_PATH) or not (self.links.gave(name, query) or url.startswith(_base(request))):
            return None
        self.links.check(name, query)
        return self.folder / name


async def _in_thread(work: Callable[[], T], limiter: anyio.CapacityLimiter | None = None) -> T:
    """Return what `work` returns, from a thread; a client that disconnects does not wait for it."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)


def _checked(model: Model, text: str, fetched: bytes | None) -> Received:
    with PAINTING:
        content, named = decode_data(text, model.formats) if fetched is None else (fetched, None)
        return check_picture(content, named, model.formats)


def _base(request: Request) -> str:
    """Return the beginning of an answer's links: the host that was asked."""
    return f"{request.base_url}".rstrip("/") + PICTURES_PATH
