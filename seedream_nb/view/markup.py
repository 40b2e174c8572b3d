"""The HTML of all views, for hosts that keep styles and for hosts that strip them."""

from __future__ import annotations

import base64
import html
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seedream_nb.errors import MAX_CHARACTERS, plain, plain_but_links, shorten
from seedream_nb.frozen import frozen
from seedream_nb.preview import THUMBNAIL, cheap_preview, preview, sheet, thumbnail_of
from seedream_nb.service import is_free
from seedream_nb.storage.generation import reference_names, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.preview import PreviewSize
    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.storage.picture import Picture

Bundle = dict[str, Any]

WIDEST = 900
"""The width in pixels of a row of pictures that can't wrap."""
GAP = 8
STRETCHED = 1.3
"""How much the tiles of a wall may grow to fill a row."""
PAIRED = 4
NARROWEST_LINE = 120
"""A cell does not shrink below this many pixels to stay beside the others: its caption must be readable."""

# Shades of the text's own colour are readable in every theme; fixed colours would not be.
FAINT = "opacity:.75"
WRAPS = "overflow-wrap:break-word;overflow-wrap:anywhere"

# Hosts give tables stripes, a hover colour, right-aligned text and a font size of their own.
_TABLE = "border:0;border-collapse:collapse;margin:0;color:inherit;background:none;font-size:inherit"
_PART = "border:0;padding:0;background:none"
_CELL = f"{_PART};vertical-align:top;text-align:left;text-align:start;line-height:inherit;min-width:0;{WRAPS}"
_WHOLE = "page-break-inside:avoid;break-inside:avoid"
_FLOW = f"flex-wrap:wrap;align-items:flex-start;gap:{GAP}px;min-width:0;max-width:100%"
_BADGE = (
    '<strong><span style="background:#b45309;color:#ffffff;border:1px solid #b45309;border-radius:3px;padding:0 6px;'
    "font-size:11px;font-weight:normal;letter-spacing:.04em;white-space:nowrap;"
    "-webkit-print-color-adjust:exact;print-color-adjust:exact"
    '" title="made by an imitation of the service, not by Seedream">sandbox</span></strong>'
)


@frozen
class Cell:
    """One picture of a grid with its caption: HTML, and its preferred width."""

    width: int
    inner: str


def text(written: str, limit: int = MAX_CHARACTERS) -> str:
    """Return somebody's text as one line of HTML; it is safe in the quotes of an attribute too."""
    return html.escape(plain(written, limit))


def note(written: str, limit: int = MAX_CHARACTERS, look: str = "") -> str:
    """Return a message as a line in its own direction; links in it are never cut."""
    style = f' style="{look}"' if look else ""
    return f'<div dir="auto"{style}>{html.escape(plain_but_links(written, limit))}</div>'


def isolated(written: str, limit: int = MAX_CHARACTERS) -> str:
    """Return somebody's text with its own direction, for example right to left."""
    return f'<bdi dir="auto">{text(written, limit)}</bdi>'


def line(written: str, limit: int = MAX_CHARACTERS, look: str = "") -> str:
    """Return somebody's text as a line in its own direction."""
    style = f' style="{look}"' if look else ""
    return f'<div dir="auto"{style}>{text(written, limit)}</div>'


def frame(inner: str) -> str:
    """Return the frame around every view."""
    font = "font-family:var(--jp-ui-font-family,var(--vscode-font-family,sans-serif))"
    # MathJax, in JupyterLab and in nbconvert, would render text between dollars as a formula.
    apart = 'class="mathjax_ignore tex2jax_ignore"'
    return f'<div {apart} style="{font};font-size:13px;line-height:1.5;{WRAPS}">{inner}</div>'


def badge(backend: str) -> str:
    """Return the label of the sandbox, and nothing for a service that is paid."""
    return f"{_BADGE} " if is_free(backend) else ""


def alarm(lines: Sequence[str]) -> str:
    """Return an error, one line each, the first one bold."""
    if not lines:
        return ""
    first, *rest = lines
    rest_html = "".join(note(item) for item in rest)
    return f'<div role="alert"><strong dir="auto">{html.escape(plain_but_links(first))}</strong>{rest_html}</div>'


def grid(cells: Sequence[Cell]) -> str:
    """Return cells side by side, as many as fit; without styles, a table of a few columns."""
    if not cells:
        return ""
    # Four are two pairs, which wrap as pairs: never three and one.
    across = 2 if len(cells) == PAIRED else columns(cells)
    rows = [cells[start : start + across] for start in range(0, len(cells), across)]
    row = f"{_PART};display:flex;{_FLOW}" + ("" if len(cells) == PAIRED else ";display:contents")
    body = "".join(f'<tr style="{row}">{"".join(_cell(cell, across) for cell in row_cells)}</tr>' for row_cells in rows)
    return (
        f'<table role="presentation" border="0" cellpadding="4" style="{_TABLE};display:block;margin-bottom:4px">'
        f'<tbody style="{_PART};display:flex;{_FLOW}">{body}</tbody></table>'
    )


def columns(cells: Sequence[Cell]) -> int:
    """Return how many cells a row has that can't wrap; the rows are about equally long."""
    maximum = max(1, (WIDEST + GAP) // (max(cell.width for cell in cells) + GAP))
    return math.ceil(len(cells) / math.ceil(len(cells) / maximum))


def table(headings: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell | None]]]) -> str:
    """Return a table with headings of columns and rows; too wide a one is scrolled."""
    head = f"{_PART};text-align:left;text-align:start;padding:2px {GAP}px 4px 0;font-weight:bold;{WRAPS}"
    top = "".join(f'<th scope="col" align="left" style="{head}">{isolated(name)}</th>' for name in headings)
    most = max(NARROWEST, (_TOGETHER - _LABELS) // max(1, len(headings)) - GAP)
    body = "".join(_row_of(name, cells, head, most) for name, cells in rows)
    corner = f'<td style="{_PART}"></td>'
    return (
        f'<div style="overflow-x:auto;max-width:100%"><table border="0" cellpadding="4" style="{_TABLE}">'
        f'<thead style="{_PART}"><tr style="{_PART}">{corner}{top}</tr></thead>'
        f'<tbody style="{_PART}">{body}</tbody></table></div>'
    )


_TOGETHER, _LABELS = 640, 80
"""The width in pixels of a table that is seen whole beside a file browser, and of its headings of rows."""


def _row_of(name: str, cells: Sequence[Cell | None], head: str, most: int) -> str:
    look = (
        f"{_PART};vertical-align:top;text-align:left;text-align:start;line-height:inherit;padding:0 {GAP}px {GAP}px 0"
    )
    inner = "".join(
        f'<td align="left" valign="top" style="{look}">'
        + (f'<div style="width:{min(cell.width, most)}px">{cell.inner}</div>' if cell is not None else "")
        + "</td>"
        for cell in cells
    )
    beside = f"{head};vertical-align:top;min-width:4em"
    heading = f'<th scope="row" align="left" valign="top" style="{beside}">{isolated(name)}</th>'
    return f'<tr style="{_PART};{_WHOLE}">{heading}{inner}</tr>'


def wall(tiles: Sequence[Cell]) -> str:
    """Return tiles of equal height in rows that fill the page; without styles, a table of a few columns."""
    across = max(1, (WIDEST + GAP) // (max(tile.width for tile in tiles) + GAP))
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    look = f"{_PART};display:flex;{_FLOW};display:contents"
    body = "".join(f'<tr role="presentation" style="{look}">{"".join(map(_tile, row))}</tr>' for row in rows)
    return (
        f'<table role="list" border="0" cellpadding="4" style="{_TABLE};display:block">'
        f'<tbody role="presentation" style="{_PART};display:flex;{_FLOW}">{body}</tbody></table>'
    )


def _tile(tile: Cell) -> str:
    """Return a tile that grows with its width, so that those of a row stay equally high."""
    grows = (
        f"flex:{tile.width} 1 {tile.width}px;width:{tile.width}px;max-width:min(100%,{round(tile.width * STRETCHED)}px)"
    )
    look = f"{_CELL};display:block;{grows};{_WHOLE}"
    return f'<td role="listitem" align="left" valign="top" width="{tile.width}" style="{look}">{tile.inner}</td>'


def _cell(cell: Cell, across: int) -> str:
    look = f"{_CELL};display:block;width:{cell.width}px;max-width:100%;max-width:{_share(cell, across)};{_WHOLE}"
    return f'<td align="left" valign="top" width="{cell.width}" style="{look}">{cell.inner}</td>'


def _share(cell: Cell, across: int) -> str:
    """Return the width of a cell: its share of the row, at least half its width; all of a row too narrow for two.

    The product is far below zero, so that it does not count, if there is room for two, and far above otherwise.
    """
    minimum = max(NARROWEST_LINE, cell.width // 2)
    if across == 1:
        return "100%"
    alone = f"min(100%,calc(({2 * minimum + GAP}px - 100%)*9999))"
    gaps = GAP * (across - 1)
    return f"max(calc((100% - {gaps}px)/{across}),min({minimum}px,100%),{alone})"


NARROWEST = 160
"""The width in pixels that a caption needs below a narrower picture."""


def cell(picture: Picture, size: PreviewSize, alternative: str, *, folder: Path, caption: str) -> Cell:
    """Return a picture, linked to its full-size file, with its caption (HTML or nothing) below.

    Args:
        picture: what to show.
        size: of its preview.
        alternative: its alternative text.
        folder: the notebook's, which paths are relative to.
        caption: the HTML below it.
    """
    to = link(picture.path, folder)
    shown = f'<a {to} style="color:inherit;text-decoration:none">{image(picture, size, alternative)}</a>'
    return Cell(
        width=max(size.shown(picture.width, picture.height)[0], NARROWEST),
        inner=f"<div>{shown}</div>{_below(caption)}",
    )


def waiting_cell(shape: tuple[int, int], size: PreviewSize, *, captioned: bool) -> Cell:
    """Return a placeholder for a picture, of the same size, so that nothing moves when it arrives."""
    width, _ = size.shown(*shape)
    look = (
        f"width:{width}px;max-width:100%;aspect-ratio:{shape[0]}/{shape[1]};border-radius:3px;"
        "background:rgba(128,128,128,.14)"
    )
    return Cell(
        width=max(width, NARROWEST),
        inner=f'<div style="{look}"></div>{_below("&nbsp;" if captioned else "")}',
    )


def _below(caption: str) -> str:
    return f'<div style="font-size:12px">{caption}</div>' if caption else ""


def file_link(picture: Picture, folder: Path, words: str) -> str:
    """Return words, which are HTML, linked to a picture's file."""
    return f'<a {link(picture.path, folder)} style="color:inherit;text-decoration:underline">{words}</a>'


FITTED = "max-width:100%;height:auto"


def image(picture: Picture, size: PreviewSize, alternative: str, look: str = FITTED) -> str:
    """Return the preview of a picture, or why there is none."""
    try:
        # The panel uses its mark when it is dragged there.
        mark = f'data-seedream="{text(f"{picture.mark} {picture.path.name}")}" '
        width, _ = size.shown(picture.width, picture.height)
        return jpeg(preview(picture.path, size.side), alternative, width, mark, look)
    except FileNotFoundError:
        return f"<em>{isolated(alternative)}: the file no longer exists</em>"
    except (OSError, ValueError):
        return f"<em>{isolated(alternative)}: the file can’t be read</em>"
    except Exception:  # noqa: BLE001 - a library is broken, but the picture was paid for: it is linked below
        return f"<em>{isolated(alternative)}: no preview can be made here; the file itself is intact</em>"


def jpeg(data: bytes, alternative: str, width: int, attributes: str = "", look: str = FITTED) -> str:
    """Return a JPEG as an element, `width` pixels wide if there is room, perhaps with more attributes."""
    source = f"data:image/jpeg;base64,{_base64(data)}"
    style = f"{look};margin:0;vertical-align:bottom"
    return f'<img {attributes}src="{source}" alt="{text(alternative)}" width="{width}" style="{style}">'


def alone(pictures: Sequence[Picture]) -> dict[str, str]:
    """Return the pictures as one `image/jpeg`, for hosts that show no HTML: LaTeX, and VS Code without trust.

    It is made of their previews; unreadable ones are left out, and if none is left, nothing is shown.
    """
    try:
        data = sheet(pictures)
    except Exception:  # noqa: BLE001 - as above
        return {}
    return {"image/jpeg": _base64(data)} if data else {}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def shown_path(path: Path, folder: Path) -> str:
    """Return a path for people, relative to the notebook's folder if it is inside."""
    return os.path.relpath(path, folder) if path.is_relative_to(folder) else str(path)


def link(path: Path, folder: Path) -> str:
    """Return the attributes of a link that opens a file in another tab."""
    # Jupyter resolves a relative link against the notebook's folder, wherever the kernel is now.
    is_inside = path.is_relative_to(folder)
    address = quote(os.fsencode(Path(os.path.relpath(path, folder)).as_posix())) if is_inside else path.as_uri()
    return f'href="{html.escape(address)}" target="_blank" rel="noopener"'


PreviewOf = Callable[["Reference"], bytes | None]

# Whatever their shape, they share a baseline, and so do their numbers.
_SHELF = f"height:{THUMBNAIL.height}px;margin-bottom:3px;display:flex;align-items:flex-end"


def sent_references(request: ImageRequest, folder: Path) -> str:
    """Return the references that were sent, from the history; each is linked to its file."""
    return _row(request, _kept, folder)


def references_to_send(request: ImageRequest) -> str:
    """Return the references of a request that was not sent, as far as that is quick."""
    return _row(request, _at_hand, None)


def _row(request: ImageRequest, preview_of: PreviewOf, folder: Path | None) -> str:
    if not request.images:
        return ""
    small = [_made(partial(preview_of, reference)) for reference in request.images]
    on_shelf = any(thumbnail is not None for thumbnail in small)
    trios = zip(reference_names(request), request.images, small, strict=True)
    cells = [_reference_cell(*trio, folder, on_shelf=on_shelf) for trio in trios]
    return f'<div style="margin-top:6px;font-size:12px;line-height:1.35">{grid(cells)}</div>'


def _reference_cell(
    number: str, reference: Reference, small: bytes | None, folder: Path | None, *, on_shelf: bool
) -> Cell:
    name, whole = written(reference), shorten(reference.url or reference.name, MAX_CHARACTERS)
    caption = f'<strong>{text(number)}</strong><div style="{FAINT}" title="{text(whole)}">{isolated(name)}</div>'
    shown = "" if small is None else jpeg(small, f"{number}: {name}", thumbnail_of(reference).width)
    if shown and folder is not None and isinstance(reference.source, Path):
        shown = f"<a {link(reference.source, folder)}>{shown}</a>"
    shelf = f'<div style="{_SHELF}">{shown}</div>' if on_shelf else ""
    return Cell(width=THUMBNAIL.width, inner=shelf + caption)


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
