"""What the reference pages demand of a request's fields: every broken rule is found and named by its field."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, NoReturn

from .body import kind, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .refusals import Problem

TIERS = ("1K", "2K", "4K")
FEWEST_PIXELS, MOST_PIXELS = 1024 * 1024, 4096 * 4096
WIDEST = 16
MOST_REFERENCES = 10
MOST_IN_ALL = 15  # "Number of input reference images + Number of generated images <= 15"


class Broken(ValueError):  # noqa: N818 - a broken rule
    """One rule that a field's value breaks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """A body that keeps every rule, less its pictures; `max_images` is None where the client gave none."""

    prompt: str
    references: int = 0
    size: str = "2048x2048"
    sequential_image_generation: str = "disabled"
    max_images: int | None = None
    watermark: bool = True


def make_order(body: Mapping[str, Any]) -> Order:
    """Return the request in a body that breaks no rule."""
    return Order(**{name: body[name] for name in body if name != "images"}, references=len(body.get("images", ())))


def find_problems(body: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the fields of a body, less the pictures in it."""
    problems = []
    for name, value in body.items():
        try:
            RULES.get(name, _unknown)(value)
        except Broken as broken:
            problems.append((shown(name), f"{shown(name)} {broken}"))
    if "prompt" not in body:
        problems.append(("prompt", "prompt is required"))
    return problems


def _demand(true: bool, told: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not true:
        raise Broken(told)


def _prompt(value: object) -> None:
    _demand(isinstance(value, str), f"must be a string, not {kind(value)}")
    _demand(bool(str(value).strip()), "must not be empty")


def _images(value: object) -> None:
    if not isinstance(value, list):
        raise Broken(f"must be an array of strings, not {kind(value)}")
    _demand(
        len(value) <= MOST_REFERENCES,
        f"must hold at most {MOST_REFERENCES} reference images, not {len(value)}",
    )
    others = [f"images[{at}] is {kind(item)}" for at, item in enumerate(value) if not isinstance(item, str)]
    _demand(not others, f"must hold strings; {', '.join(others)}")


def _size(value: object) -> None:
    if not isinstance(value, str):
        raise Broken(f"must be a string, not {kind(value)}")
    if value in TIERS:
        return
    found = re.fullmatch(r"([1-9][0-9]{0,7})x([1-9][0-9]{0,7})", value)
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
    given = repr(value[:40]) if isinstance(value, str) else kind(value)
    _demand(isinstance(value, str) and value in {"auto", "disabled"}, f'must be "auto" or "disabled", not {given}')


def _max_images(value: object) -> None:
    _demand(type(value) is int, f"must be an integer, not {kind(value)}")
    _demand(1 <= int(str(value)) <= MOST_IN_ALL, f"must be from 1 to {MOST_IN_ALL}, not {value}")


def _watermark(value: object) -> None:
    _demand(isinstance(value, bool), f"must be a boolean, not {kind(value)}")


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
