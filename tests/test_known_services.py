"""What a service is, and what a model takes, is known in `service/` and the sandbox, and in no other room."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import seedream_nb
from seedream_nb.service import AUTO, SERVICES, all_models

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = Path(seedream_nb.__file__).parent
KNOWING = {"service", "sandbox"}
"""Rooms that may name services. `sandbox` as a word for people, and a module's name, are no comparison with one."""
MODELS = tuple(all_models())
NAMES = {*SERVICES, *(model.name for model in MODELS)}
PAGES = {page for each in SERVICES.values() for page in (each.keys_page, each.account_page, each.billing_page)}
PARTS = {
    *(urlsplit(page).netloc for page in PAGES),
    *(service.key_variable for service in SERVICES.values()),
    *(f"backend={name}" for name in (*SERVICES, AUTO)),
    *(part for model in MODELS for part in (model.name, model.title, model.path)),
}
NUMBERS = {
    number
    for model in MODELS
    for number in (
        model.price, model.min_pixels, model.max_pixels, model.references.max_bytes, model.references.max_pixels,
    )
}  # fmt: skip


def either(numbers: Iterable[int]) -> str:
    """Return a pattern for one of these numbers, as a word of its own."""
    return f"(?:{'|'.join(map(str, sorted(set(numbers))))})\\b"


SIZE = re.compile(r"\b[1-9]K\b|\b[0-9]{3,5}x[0-9]{3,5}\b")
COUNTS = either(n for m in MODELS for n in (m.max_images, m.references.max_count))
SIDES = either(n for m in MODELS for n in (m.references.min_side, m.references.min_side - 1))
RATIOS = either(n for m in MODELS for n in (m.max_ratio, m.references.max_ratio))
MEGABYTES = either(m.references.max_bytes // 1_000_000 for m in MODELS)
MILLIONS = either(m.references.max_pixels // 1_000_000 for m in MODELS)
WORDS = either(n for m in MODELS for n in (m.advised_words, m.advised_han))
LIMIT = re.compile(
    rf"\b(?:at most|up to|more than|1 to|beyond) {COUNTS}(?! [kMm]?i?[Bs]\b)|\b(?:more than|under|below) {SIDES}"
    rf"|\b1[:/]{RATIOS}|\b{RATIOS}:1\b|\b{MEGABYTES} MB\b|\b{MILLIONS} million|\b{WORDS} (?:\w+ )?(?:words|characters)",
    re.IGNORECASE,
)
"""How a sentence tells a limit; where it documents, it would be wrong for another model just as well."""


def known(source: str) -> list[object]:
    """Return what a module says of services itself; of limits, also where it documents."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    found: list[object] = []
    for node in ast.walk(tree):
        value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
        if isinstance(value, str):
            found += (each[0] for each in LIMIT.finditer(value))
            if id(node) not in documentation:
                found += sorted(part for part in PARTS if part in value)
                found += (each[0] for each in SIZE.finditer(value))
                found += [value] if value in NAMES and id(node) not in keys else []
        elif isinstance(value, int | float) and value in NUMBERS:
            found.append(value)
    return found


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] not in KNOWING]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_room_knows_a_service(path: Path) -> None:
    """No path, limit, price, key's variable or backend's name stands outside `service/` and the sandbox."""
    assert known(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x == "sandbox"', ["sandbox"]),
        ('{"sandbox": 1}', []),
        ('told = "the sandbox bills nothing"', []),
        ('told = "write backend=sandbox"', ["backend=sandbox"]),
        ('"""As with Seedream 4.0, 2K."""', []),
        ('url = f"{base}/v3/seedream-4.0"', ["/v3/seedream-4.0", "seedream-4.0"]),
        ('told = "see novita.ai/billing"', ["novita.ai"]),
        ('told = "write 1K, or 2048x2048"', ["1K", "2048x2048"]),
        ("most = 10_000_000", [10_000_000]),
        ("price = 0.03", [0.03]),
        ('"""Return at most 10 of them, none under 15."""', ["at most 10", "under 15"]),
        ('told = "at most 10 MiB, 15 MB, 36 pictures"', []),
        ('told = "at most 10 MB or 36 million pixels; the ratio is 1:3 to 3:1"', ["10 MB", "36 million", "1:3", "3:1"]),
        ('told = "over 600 words or 300 Chinese characters"', ["600 words", "300 Chinese characters"]),
    ],
)
def test_what_a_room_knows_is_found(source: str, found: list[object]) -> None:
    """In code and in messages; a limit also where it is documented."""
    assert known(source) == found
