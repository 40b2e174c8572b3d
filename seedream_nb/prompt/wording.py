"""How a prompt calls its reference images: "image 1 and image 2", in a Chinese one "图1和图2"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seedream_nb.request import HAN

if TYPE_CHECKING:
    from collections.abc import Sequence

_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_LATIN_WORD = re.compile(f"[{_LATIN}]+(?:['\u2019-][{_LATIN}]+)*")


def worded(parts: Sequence[str | tuple[int, ...]]) -> str:
    """Return texts and numbers of references as one prompt, in the words of the language that its texts are in."""
    said = " ".join(part for part in parts if isinstance(part, str))
    called = _in_chinese if len(HAN.findall(said)) > len(_LATIN_WORD.findall(said)) else _in_english
    return "".join(part if isinstance(part, str) else called(part) for part in parts)


def _in_english(numbers: Sequence[int]) -> str:
    *first, last = [f"image {number}" for number in numbers]
    return f"{', '.join(first)} and {last}" if first else last


def _in_chinese(numbers: Sequence[int]) -> str:
    *first, last = [f"图{number}" for number in numbers]
    return f"{'、'.join(first)}和{last}" if first else last
