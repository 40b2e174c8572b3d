"""Reads the description of the service, and judges bodies by it."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DESCRIPTION: dict[str, Any] = json.loads((Path(__file__).parent / "seedream-4.0.json").read_text("utf-8"))
((PATH, _METHODS),) = DESCRIPTION["paths"].items()
RESPONSES: dict[str, Any] = _METHODS["post"]["responses"]
SCHEMAS: dict[str, Any] = DESCRIPTION["components"]["schemas"]
FIELDS: dict[str, Any] = SCHEMAS["Request"]["properties"]
SIZE: dict[str, Any] = FIELDS["size"]["anyOf"][1]
IMAGE: dict[str, Any] = SCHEMAS["Image"]["x-image"]


def _sides(text: object) -> tuple[int, int] | None:
    found = re.fullmatch(SIZE["pattern"], text) if isinstance(text, str) else None
    wide, _, tall = found[0].partition("x") if found else ("", "", "")
    return (int(wide), int(tall)) if found else None


def _between(value: Fraction | int, limits: Mapping[str, Any], told: str) -> Iterator[jsonschema.ValidationError]:
    if not Fraction(limits["minimum"]) <= value <= Fraction(limits["maximum"]):
        yield jsonschema.ValidationError(told)


def _total(_: object, limits: Mapping[str, Any], text: object, __: object) -> Iterator[jsonschema.ValidationError]:
    if sides := _sides(text):
        yield from _between(sides[0] * sides[1], limits, "total pixels out of range")


def _ratio(_: object, limits: Mapping[str, Any], text: object, __: object) -> Iterator[jsonschema.ValidationError]:
    if sides := _sides(text):
        yield from _between(Fraction(*sides), limits, "ratio out of range")


def _pattern(_: object, pattern: str, text: object, __: object) -> Iterator[jsonschema.ValidationError]:
    """Read a pattern as the standard does: `$` is the very end, not before a last line break as in Python."""
    if isinstance(text, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), text):
        yield jsonschema.ValidationError("does not match")


def _integer(_: object, value: object) -> bool:
    """Return whether a value is an integer as the service takes it: JSON Schema would let 4.0 pass."""
    return isinstance(value, int) and not isinstance(value, bool)


_BASE = jsonschema.Draft202012Validator
_VALIDATOR = jsonschema.validators.extend(
    _BASE,
    {"pattern": _pattern, "x-total-pixels": _total, "x-aspect-ratio": _ratio},
    type_checker=_BASE.TYPE_CHECKER.redefine("integer", _integer),
)


def problems(name: str, value: object) -> set[str]:
    """Return the fields of a value that break a schema; an empty name stands for the value as a whole."""
    validator = _VALIDATOR({**SCHEMAS[name], "components": DESCRIPTION["components"]})
    return {str(next(iter(error.path), "")) for error in validator.iter_errors(value)}
