"""Finds the place of the cursor in a cell and asks who knows what can stand there. Knows nothing of IPython."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seedream_nb.notebook.complete.values import complete_options, complete_verbs
from seedream_nb.notebook.complete.word import Offer, Offers, parted

if TYPE_CHECKING:
    from seedream_nb.notebook.complete.word import Sources

_CELL = r"\s*%%seedream(?:\s(.*))?"
_OTHER_CELL = r"\s*%%(?!seedream(?:\s|$))"
_LINE = r"(?:[^%='\"#]+=)?\s*%seedream\s(.*)"
_NAME_IN_BRACES = r"(?:^|.*[^{])\{(\w*)"


def complete(cell: str, line: int, column: int, sources: Sources) -> Offers | None:
    """Return what can stand at the cursor, or None where that is not for us to say.

    Args:
        cell: the whole text of the cell.
        line: the line of the cursor, from 0.
        column: its place in that line, from 0.
        sources: what the notebook and its folder have to offer.
    """
    lines = cell.split("\n")
    before, after = lines[line][:column], lines[line][column:]
    first = _first_line(lines)
    if re.fullmatch(_CELL, lines[first]):
        if line > first:
            return _in_prompt(before, sources)
        found = re.fullmatch(_CELL, before)
        return _on_option_line(found[1], after, sources) if found and found[1] is not None else None
    found = re.fullmatch(_LINE, before)
    return complete_verbs(*parted(found[1]), after, sources) if found else None


def _first_line(lines: list[str]) -> int:
    """Return the line that the cell begins with, past blank ones and other magics such as `%%time`."""
    counts = (number for number, text in enumerate(lines) if text.strip() and not re.match(_OTHER_CELL, text))
    return next(counts, 0)


def _on_option_line(before: str, after: str, sources: Sources) -> Offers | None:
    return complete_options(*parted(before), after, sources)


def _in_prompt(before: str, sources: Sources) -> Offers | None:
    """Return the notebook's names that an open brace may go on with; what follows a name, IPython knows."""
    found = re.fullmatch(_NAME_IN_BRACES, before)
    names = sorted(name for name in sources.names() if name.startswith(found[1])) if found else []
    if found is None or not names:
        return None
    descriptions = {offer.text: offer.description for offer in sources.pictures()}
    return Offers(
        fragment=found[1],
        offers=tuple(Offer(text=name, description=descriptions.get(name, "variable")) for name in names),
    )
