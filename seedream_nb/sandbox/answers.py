"""Every answer that is no picture, as a response: the service's error body, and object storage's."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from .refusals import Refusal, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from starlette.requests import Request

    from .links import LinkRefusedError

FORBIDDEN, TOO_MANY, SERVER_ERROR = 403, 429, 500


def refused(told: Refusal, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the service's error body."""
    wait = {"retry-after": "1"} if told.status == TOO_MANY else {}
    return JSONResponse(told.body(), told.status, {**wait, **(headers or {})})


def storage_error(told: LinkRefusedError) -> Response:
    """Return what object storage says of a link that opens nothing."""
    body = f"<Error><Code>{told.code}</Code><Message>{told}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n', FORBIDDEN, media_type="application/xml")


async def _refused(_: Request, error: Exception) -> Response:
    return refused(cast("Refusal", error))


async def _no_route(_: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method."""
    missing = cast("HTTPException", error)
    return refused(refusal(missing.status_code), missing.headers)


async def _failed(_: Request, __: Exception) -> Response:
    """Answer for a mistake of the sandbox's own."""
    return refused(refusal(SERVER_ERROR))


async def _gone(_: Request, __: Exception) -> Response:
    """Answer a client that went away while it sent: nobody reads this."""
    return Response(status_code=400)


ANSWERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Refusal: _refused,
    HTTPException: _no_route,
    ClientDisconnect: _gone,
    Exception: _failed,
}
