"""How the history looks."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from seedream_nb.archive import NONE
from seedream_nb.errors import plain
from seedream_nb.view.markup import FAINT, Bundle, badge, frame, isolated, listing, text
from seedream_nb.view.pictures import image
from seedream_nb.view.results import alternative, details

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.generation import Generation

ROWS = 20
SIDE = 96
PROMPT_CHARACTERS = 160
COLUMNS = 80
"""What a terminal shows of a generation without breaking the line."""


def history_bundle(generations: Sequence[Generation]) -> Bundle:
    """Return generations as a list, the newest first."""
    newest = list(reversed(generations[-ROWS:]))
    if not newest:
        none = getattr(generations, "none", NONE)
        return {"text/plain": none, "text/html": frame(_faint(none))}
    more = len(generations) - ROWS
    rest = [f"and {more} more, in sd.history"] if more > 0 else []
    rows = [(_thumbnail(each), _told(each)) for each in newest]
    return {
        "text/plain": "\n".join([*map(_line, newest), *rest]),
        "text/html": frame(listing(rows, SIDE) + "".join(map(_faint, rest))),
    }


def when(generation: Generation) -> str:
    """Return when a generation was asked for, on the clock of this machine's place."""
    return f"{generation.created.astimezone():%Y-%m-%d %H:%M}"


def _line(generation: Generation) -> str:
    label = f"  ({generation.backend})" if generation.is_free else ""
    start = f"@{generation.id:<4} {plain(generation.status, 12):<8} {len(generation):>2}  "
    return start + _fitted(generation.prompt, COLUMNS - len(start) - len(label)) + label


def _fitted(written: str, columns: int) -> str:
    """Return what somebody wrote as it fits some columns of a terminal, where a Chinese character takes two."""
    shown = plain(written, columns)
    while sum(2 if east_asian_width(character) in "WF" else 1 for character in shown) > columns:
        shown = shown.removesuffix("…")[:-1].rstrip() + "…"
    return shown


def _thumbnail(generation: Generation) -> str:
    first = generation.images[0] if generation.images else None
    return image(first, SIDE, alternative(generation, first)) if first else ""


def _told(generation: Generation) -> str:
    told = " · ".join([when(generation), generation.status, *details(generation)])
    return (
        f"<div>{badge(generation.backend)}<strong>{text(generation.mark)}</strong> "
        f"{isolated(generation.prompt, PROMPT_CHARACTERS)}</div>{_faint(told)}"
    )


def _faint(told: str) -> str:
    return f'<div style="{FAINT}">{text(told)}</div>'
