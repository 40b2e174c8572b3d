"""What the reference pages demand of a request's body: every broken rule is found and named by its field."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

TIERS = ("1K", "2K", "4K")
FEWEST_PIXELS, MOST_PIXELS = 1024 * 1024, 4096 * 4096
WIDEST = 16
MOST_REFERENCES = 10
MOST_IN_ALL = 15  # "Number of input reference images + Number of generated images <= 15"


class Refusal(Exception):  # noqa: N818 - the service refuses, it does not fail
    """An answer other than pictures: a status and what the error body says."""

    def __init__(self, status: int, reason: str, message: str, **metadata: object) -> None:
        """Keep the parts of the error body; `metadata` names the field where there is one."""
        super().__init__(message)
        self.status, self.reason, self.message, self.metadata = status, reason, message, metadata

    def body(self) -> dict[str, object]:
        """Return the error body as the service spells it."""
        return {
            "code": self.status,
            "reason": self.reason,
            "message": self.message,
            "metadata": self.metadata,
        }


class Broken(ValueError):  # noqa: N818 - a broken rule
    """One rule that a field's value breaks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """A body that keeps every rule; `max_images` is None where the client gave none."""

    prompt: str
    images: tuple[str, ...] = ()
    size: str = "2048x2048"
    sequential_image_generation: str = "disabled"
    max_images: int | None = None
    watermark: bool = True


def read_order(content: bytes) -> Order:
    """Return the request in a body, or raise the 400 that names every field at fault."""
    body = _object(content)
    problems: dict[str, str] = {}
    for name, value in body.items():
        try:
            RULES.get(name, _unknown)(value)
        except Broken as broken:
            problems[name] = str(broken)
    if "prompt" not in body:
        problems["prompt"] = "is required"
    if problems:
        told = "; ".join(f"{name} {problem}" for name, problem in problems.items())
        raise Refusal(400, "INVALID_REQUEST_BODY", told, fields=list(problems))
    return Order(**{**body, "images": tuple(body.get("images", ()))})


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "INVALID_REQUEST_BODY", f"the body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refusal(400, "INVALID_REQUEST_BODY", f"the body must be a JSON object, not {_kind(body)}")
    return body


def _no_constant(name: str) -> NoReturn:
    told = f"{name} is no JSON"
    raise ValueError(told)


def _kind(value: object) -> str:
    """Return what JSON calls a value's type."""
    kinds = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return kinds.get(type(value), "null")


def _demand(true: bool, told: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not true:
        raise Broken(told)


def _prompt(value: object) -> None:
    _demand(isinstance(value, str), f"must be a string, not {_kind(value)}")
    _demand(bool(str(value).strip()), "must not be empty")


def _images(value: object) -> None:
    if not isinstance(value, list):
        raise Broken(f"must be an array of strings, not {_kind(value)}")
    _demand(
        len(value) <= MOST_REFERENCES,
        f"must hold at most {MOST_REFERENCES} reference images, not {len(value)}",
    )
    for at, item in enumerate(value):
        _demand(isinstance(item, str), f"must hold strings; images[{at}] is {_kind(item)}")


def _size(value: object) -> None:
    if not isinstance(value, str):
        raise Broken(f"must be a string, not {_kind(value)}")
    if value in TIERS:
        return
    found = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", value)
    if not found:
        raise Broken(f"must be 1K, 2K, 4K or WIDTHxHEIGHT in pixels (like 2048x2048), not {value[:40]!r}")
    width, height = int(found[1]), int(found[2])
    span = f"must have {FEWEST_PIXELS} to {MOST_PIXELS} pixels in all (1024x1024 to 4096x4096)"
    _demand(FEWEST_PIXELS <= width * height <= MOST_PIXELS, f"{span}; {value} has {width * height}")
    _demand(
        max(width, height) <= WIDEST * min(width, height),
        f"must have an aspect ratio from 1/16 to 16; {value} has not",
    )


def _sequential(value: object) -> None:
    _demand(
        value in ("auto", "disabled") and isinstance(value, str),
        f'must be "auto" or "disabled", not {json.dumps(value)[:40]}',
    )


def _max_images(value: object) -> None:
    _demand(type(value) is int, f"must be an integer, not {_kind(value)}")
    _demand(1 <= int(str(value)) <= MOST_IN_ALL, f"must be from 1 to {MOST_IN_ALL}, not {str(value)[:20]}")


def _watermark(value: object) -> None:
    _demand(isinstance(value, bool), f"must be a boolean, not {_kind(value)}")


def _unknown(_: object) -> NoReturn:
    raise Broken("is not a field that the reference pages name")


RULES: dict[str, Callable[[object], None]] = {
    "prompt": _prompt,
    "images": _images,
    "size": _size,
    "sequential_image_generation": _sequential,
    "max_images": _max_images,
    "watermark": _watermark,
}
