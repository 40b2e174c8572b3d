"""Checks a request's body before any rule of the pages: its headers, its size, its JSON."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any, NoReturn

from .refusals import INVALID, Refusal, broken_rules, refusal

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BYTES = 200_000_000  # fourteen references of 10 MB are 187 MB of JSON
LONGEST_NAME = 40  # characters; no field has a longer one
LONGEST_NUMBER = 20  # digits; no rule allows a number that long
TOO_LARGE, OTHER_TYPE = 413, 415


def check_headers(request: Request) -> None:
    """Refuse any content type but the documented one, any encoding, and a declared length that is too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().casefold() != "application/json":
        raise refusal(OTHER_TYPE)
    if request.headers.get("content-encoding", "identity").strip().casefold() != "identity":
        raise refusal(OTHER_TYPE, "Content-Encoding is not supported: send the JSON as it is.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:LONGEST_NUMBER]) > MAX_BYTES:
        raise refusal(TOO_LARGE)


async def read(request: Request) -> bytearray:
    """Return the body of a request, or refuse one that is too large."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MAX_BYTES:
            raise refusal(TOO_LARGE)
    return content


def parse(content: bytes | bytearray) -> dict[str, Any]:
    """Return the JSON object in a body, or raise the 400 that says what it contains instead."""
    try:
        body = json.loads(
            content.decode("utf-8"), parse_constant=_no_constant, parse_int=_integer, object_pairs_hook=_once
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not valid JSON: byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise _malformed("the body is nested too deeply") from None
    except ValueError as error:
        raise _malformed(f"the body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise _malformed(f"the body must be a JSON object, not {kind(body)}")
    return body


def _malformed(message: str) -> Refusal:
    return Refusal(400, INVALID, message)


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not valid JSON"
    raise ValueError(message)


def _integer(digits: str) -> int:
    """Return an integer; one with very many digits is cut, which still leaves it out of every range."""
    return int(digits[:LONGEST_NUMBER])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, or refuse a field that is given twice: there is no right value."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        times = collections.Counter(name for name, _ in pairs)
        twice = [shown(name) for name, count in times.items() if count > 1]
        raise broken_rules([(name, f"{name} is given more than once") for name in twice])
    return fields


def kind(value: object) -> str:
    """Return JSON's name for a value's type."""
    kinds = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return kinds.get(type(value), "null")


def shown(name: str) -> str:
    """Return a field's name for a message: a strange one is quoted, a long one cut."""
    is_plain = name.isascii() and name.isidentifier() and len(name) <= LONGEST_NAME
    return name if is_plain else json.dumps(name)[: LONGEST_NAME + 20]
