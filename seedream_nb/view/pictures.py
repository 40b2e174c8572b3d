"""How one picture looks within a view, and several of them as one sheet."""

from __future__ import annotations

import base64
import html
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from seedream_nb.preview import contact_sheet, preview, side_for
from seedream_nb.view.markup import FAINT, Cell, isolated, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.picture import Picture

SHOWN_SIDES = {1024: 640, 640: 420, 512: 280}
"""How large a preview of so many pixels is shown: sharp on fine screens, and the whole result in sight."""
NARROWEST = 160
"""Pixels that a caption needs below a picture that is narrower."""


def cell(picture: Picture, side: int, alternative: str, badge: str = "", *, brief: bool = False) -> Cell:
    """Return a picture with its caption, both linked to the file in full size; a `brief` one leaves out the path."""
    link = f'href="{html.escape(_link(picture.path))}" target="_blank" rel="noopener"'
    shown = f'<a {link} style="color:inherit;text-decoration:none">{image(picture, side, alternative)}</a>'
    words = text(picture.mark) if brief else isolated(shown_path(picture.path))
    path = f'<a {link} style="color:inherit;text-decoration:underline">{words}</a>'
    caption = f'{badge}<span style="{FAINT}">{"" if brief else f"{text(picture.mark)} · "}{path}</span>'
    return Cell(
        width=max(shown_width(picture, side), NARROWEST),
        inner=f'<div>{shown}</div><div style="font-size:12px">{caption}</div>',
    )


def image(picture: Picture, side: int, alternative: str) -> str:
    """Return the preview of a picture, or why there is none."""
    try:
        data = _base64(preview(picture.path, side))
    except FileNotFoundError:
        return f"<em>{isolated(alternative)}: the file is not there any more</em>"
    except (OSError, ValueError):
        return f"<em>{isolated(alternative)}: the file can’t be read</em>"
    look = "max-width:100%;height:auto;margin:0;vertical-align:bottom"
    width = shown_width(picture, side)
    return f'<img src="data:image/jpeg;base64,{data}" alt="{text(alternative)}" width="{width}" style="{look}">'


def shown_width(picture: Picture, side: int) -> int:
    """Return how many pixels wide a picture is shown whose preview has that longest side."""
    scale = min(1.0, SHOWN_SIDES.get(side, side) / max(picture.width, picture.height))
    return max(1, round(picture.width * scale))


def alone(pictures: Sequence[Picture]) -> dict[str, str]:
    """Return the pictures as one `image/jpeg`, for what shows no HTML: LaTeX, and VS Code without trust.

    It is made of their previews, with their marks and the label of the sandbox. What can't be read is left out.
    """
    labelled = [(picture.path, _label(picture)) for picture in pictures]
    sheet = contact_sheet(labelled, side_for(len(pictures)))
    return {"image/jpeg": _base64(sheet)} if sheet else {}


def _label(picture: Picture) -> str:
    return f"{picture.mark} sandbox" if picture.backend == "sandbox" else picture.mark


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def shown_path(path: Path) -> str:
    """Return a path as people read it: from the current folder, where it is in there."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _link(path: Path) -> str:
    # Jupyter resolves a relative link against the notebook's folder, which is where the kernel runs.
    return quote(Path(os.path.relpath(path)).as_posix()) if path.is_relative_to(Path.cwd()) else path.as_uri()
