"""How the references of a request look: small, each with the number by which the prompt calls it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.errors import MOST_CHARACTERS, shortened
from seedream_nb.generation import called, written
from seedream_nb.preview import THUMBNAIL, cheap_preview, preview, thumbnail_of
from seedream_nb.view.markup import FAINT, Cell, grid, isolated, text
from seedream_nb.view.pictures import jpeg, link

if TYPE_CHECKING:
    from seedream_nb.request import ImageRequest, Reference

PreviewOf = Callable[["Reference"], bytes | None]

# Whatever their shape, they stand on one line, and so do their numbers.
_SHELF = f"height:{THUMBNAIL.height}px;margin-bottom:3px;display:flex;align-items:flex-end"


def sent_references(request: ImageRequest, folder: Path) -> str:
    """Return the references that were sent, as they are kept with the history; each is linked to its file."""
    return _row(request, _kept, folder)


def references_to_send(request: ImageRequest) -> str:
    """Return the references of a request that was not sent, shown where that takes no long time."""
    return _row(request, _at_hand, None)


def _row(request: ImageRequest, preview_of: PreviewOf, folder: Path | None) -> str:
    if not request.images:
        return ""
    small = [_made(partial(preview_of, reference)) for reference in request.images]
    on_shelf = any(each is not None for each in small)
    trios = zip(called(request), request.images, small, strict=True)
    cells = [_cell(*each, folder, on_shelf=on_shelf) for each in trios]
    return f'<div style="margin-top:6px;font-size:12px;line-height:1.35">{grid(cells)}</div>'


def _cell(number: str, reference: Reference, small: bytes | None, folder: Path | None, *, on_shelf: bool) -> Cell:
    name, whole = written(reference), shortened(reference.url or reference.name, MOST_CHARACTERS)
    told = f'<strong>{text(number)}</strong><div style="{FAINT}" title="{text(whole)}">{isolated(name)}</div>'
    shown = "" if small is None else jpeg(small, f"{number}: {name}", thumbnail_of(reference).width)
    if shown and folder is not None and isinstance(reference.source, Path):
        shown = f"<a {link(reference.source, folder)}>{shown}</a>"
    shelf = f'<div style="{_SHELF}">{shown}</div>' if on_shelf else ""
    return Cell(width=THUMBNAIL.width, inner=shelf + told)


def _made(make: Callable[[], bytes | None]) -> bytes | None:
    """Return what is made; nothing of a file that is gone or damaged, say: its name is told anyway."""
    try:
        return make()
    except Exception:  # noqa: BLE001 - a broken library must not hide what was paid for
        return None


def _kept(reference: Reference) -> bytes | None:
    return preview(reference.source, thumbnail_of(reference).side) if isinstance(reference.source, Path) else None


def _at_hand(reference: Reference) -> bytes | None:
    return None if reference.source is None else cheap_preview(reference.source, thumbnail_of(reference).side)
