"""The HTML that every view is made of, for hosts that keep styles and for hosts that strip them.

GitHub strips every style, so what has to stand side by side is a table with `width`. JupyterLab strips from an
untrusted notebook `role`, `aria-*` and the styles that are not on its list, such as `display:contents`,
`overflow-wrap:anywhere` and `color:inherit`: where it matters, one that is on the list stands before it.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import MOST_CHARACTERS, plain, plain_but_links
from seedream_nb.service import is_free

if TYPE_CHECKING:
    from collections.abc import Sequence

Bundle = dict[str, Any]

WIDEST = 900
"""Pixels that a row of pictures may take where it can't wrap."""
GAP = 8
NARROWEST = 120
"""Pixels below which a cell does not shrink to stay beside the others: its caption has to be read."""

# Shades of the text's own colour are readable on every theme; colours of ours would not be.
FAINT = "opacity:.75"
WRAPS = "overflow-wrap:break-word;overflow-wrap:anywhere"

# Hosts give tables stripes, a colour under the mouse, text to the right and a size of their own.
_TABLE = "border:0;border-collapse:collapse;margin:0;color:inherit;background:none;font-size:inherit"
_PART = "border:0;padding:0;background:none"
_CELL = f"{_PART};vertical-align:top;text-align:left;text-align:start;line-height:inherit;min-width:0;{WRAPS}"
_WHOLE = "page-break-inside:avoid;break-inside:avoid"
_FLOW = f"flex-wrap:wrap;align-items:flex-start;gap:{GAP}px;min-width:0;max-width:100%"
_LINE = "border-top:1px solid rgba(128,128,128,.3)"
_BADGE = (
    '<strong><span style="background:#b45309;color:#ffffff;border:1px solid #b45309;border-radius:3px;padding:0 6px;'
    "font-size:11px;font-weight:normal;letter-spacing:.04em;white-space:nowrap;"
    "-webkit-print-color-adjust:exact;print-color-adjust:exact"
    '" title="made by the imitation of the service; not by Seedream">sandbox</span></strong>'
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture of a grid with its caption: HTML, and the width that it should have."""

    width: int
    inner: str


def text(written: str, limit: int = MOST_CHARACTERS) -> str:
    """Return what somebody wrote as one line of HTML text; within the quotes of an attribute it is harmless too."""
    return html.escape(plain(written, limit))


def note(written: str, limit: int = MOST_CHARACTERS, look: str = "") -> str:
    """Return what there is to tell as a line in its own direction, with every link in it whole."""
    style = f' style="{look}"' if look else ""
    return f'<div dir="auto"{style}>{html.escape(plain_but_links(written, limit))}</div>'


def isolated(written: str, limit: int = MOST_CHARACTERS) -> str:
    """Return what somebody wrote so that its direction, right to left say, stays its own."""
    return f'<bdi dir="auto">{text(written, limit)}</bdi>'


def line(written: str, limit: int = MOST_CHARACTERS, look: str = "") -> str:
    """Return what somebody wrote as a line in its own direction."""
    style = f' style="{look}"' if look else ""
    return f'<div dir="auto"{style}>{text(written, limit)}</div>'


def frame(inner: str) -> str:
    """Return what stands around every view."""
    font = "font-family:var(--jp-ui-font-family,var(--vscode-font-family,sans-serif))"
    # MathJax, of JupyterLab and of nbconvert, would take what stands between dollars for a formula.
    apart = 'class="mathjax_ignore tex2jax_ignore"'
    return f'<div {apart} style="{font};font-size:13px;line-height:1.5;{WRAPS}">{inner}</div>'


def badge(backend: str) -> str:
    """Return the label of what an imitation made, and nothing for a service that is paid."""
    return f"{_BADGE} " if is_free(backend) else ""


def alarm(lines: Sequence[str]) -> str:
    """Return what went wrong, a line each, the first one bold."""
    if not lines:
        return ""
    first, *rest = lines
    told = "".join(note(each) for each in rest)
    return f'<div role="alert"><strong dir="auto">{html.escape(plain_but_links(first))}</strong>{told}</div>'


def grid(cells: Sequence[Cell]) -> str:
    """Return cells side by side: as many as there is room for, and a table of a few columns where styles go."""
    if not cells:
        return ""
    across = columns(cells)
    rows = [cells[start : start + across] for start in range(0, len(cells), across)]
    row = f"{_PART};display:flex;{_FLOW};display:contents"
    body = "".join(f'<tr style="{row}">{"".join(_cell(cell, across) for cell in each)}</tr>' for each in rows)
    return (
        f'<table role="presentation" border="0" cellpadding="4" style="{_TABLE};display:block;margin-bottom:4px">'
        f'<tbody style="{_PART};display:flex;{_FLOW}">{body}</tbody></table>'
    )


def columns(cells: Sequence[Cell]) -> int:
    """Return how many cells stand in a row that can't wrap; the rows are about equally long."""
    most = max(1, WIDEST // (max(cell.width for cell in cells) + GAP))
    return math.ceil(len(cells) / math.ceil(len(cells) / most))


def listing(rows: Sequence[tuple[str, str]], side: int) -> str:
    """Return a list of things, each a picture of at most `side` pixels and what there is to say of it."""
    body = "".join(_item(picture, told, side) for picture, told in rows)
    look = f"{_TABLE};table-layout:fixed;width:100%"
    return (
        f'<table role="list" border="0" cellpadding="4" width="100%" style="{look}">'
        f'<tbody role="presentation">{body}</tbody></table>'
    )


def _cell(cell: Cell, across: int) -> str:
    look = f"{_CELL};display:block;width:{cell.width}px;max-width:100%;max-width:{_share(cell, across)};{_WHOLE}"
    return f'<td align="left" valign="top" width="{cell.width}" style="{look}">{cell.inner}</td>'


def _share(cell: Cell, across: int) -> str:
    """Return how wide a cell may be: its share of the row, not below half its width; all of a row too narrow for two.

    The product is far below zero, so that it does not count, where there is room for two, and far above elsewhere.
    """
    least = max(NARROWEST, cell.width // 2)
    if across == 1:
        return "100%"
    alone = f"min(100%,calc(({2 * least + GAP}px - 100%)*9999))"
    return f"max(calc({100 / across:.4g}% - {GAP}px),min({least}px,100%),{alone})"


def _item(picture: str, told: str, side: int) -> str:
    thumbnail = f"{_CELL};{_LINE};width:{side}px;text-align:center;padding:6px 0"
    words = f"{_CELL};{_LINE};padding:6px 0 6px 12px"
    return (
        f'<tr role="listitem" style="{_PART};{_WHOLE}">'
        f'<td role="presentation" align="center" valign="top" width="{side}" style="{thumbnail}">{picture}</td>'
        f'<td role="presentation" align="left" valign="top" style="{words}">{told}</td></tr>'
    )
