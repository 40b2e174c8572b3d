"""What processes that died have begun and not ended: found by a look that is cheap enough for the first cell."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from seedream_nb.files import read_ordinary
from seedream_nb.journal import MOST_BYTES, is_alive

if TYPE_CHECKING:
    from pathlib import Path

# An end counts if it is whole: what is not found here, the journal itself is asked about.
_BOUND = re.compile(
    rb'(?m)^[ \t]*+\{"event":"(?:intent","id":([0-9]{1,15}),|end","id":([0-9]{1,15}),.*,"v":1\})', re.MULTILINE
)


def left_behind_in(journal: Path) -> set[int]:
    """Return the ids that have no end in any journal file of a folder, and no living writer. Parses no line."""
    begun: dict[int, list[Path]] = {}
    ended: set[int] = set()
    for path in _files(journal):
        for intent, end in _BOUND.findall(_content(path)):
            if intent:
                begun.setdefault(int(intent), []).append(path)
            else:
                ended.add(int(end))
    return {number for number in begun.keys() - ended if not any(map(is_alive, begun[number]))}


def _files(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.endswith(".jsonl")]  # noqa: PTH208 - many names
    except OSError:
        return []


def _content(path: Path) -> bytes:
    try:
        return read_ordinary(path, MOST_BYTES)
    except OSError:
        return b""
