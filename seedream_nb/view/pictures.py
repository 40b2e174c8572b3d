"""How one picture looks within a view, and several of them as one sheet."""

from __future__ import annotations

import base64
import html
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from seedream_nb.preview import preview, sheet
from seedream_nb.view.markup import FAINT, Cell, isolated, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.picture import Picture

SHOWN_SIDES = {1024: 640, 640: 420, 512: 280}
"""How large a preview of so many pixels is shown: sharp on fine screens, and the whole result in sight."""
NARROWEST = 160
"""Pixels that a caption needs below a picture that is narrower."""


def cell(  # noqa: PLR0913 - what stands in it
    picture: Picture, side: int, alternative: str, badge: str = "", *, folder: Path, brief: bool = False
) -> Cell:
    """Return a picture with its caption, both linked to the file in full size.

    Args:
        picture: what is shown.
        side: the longest side of its preview.
        alternative: stands for it where it can't be seen.
        badge: what comes before the caption.
        folder: the notebook's, from which paths are told.
        brief: leaves out the path.
    """
    to = link(picture.path, folder)
    shown = f'<a {to} style="color:inherit;text-decoration:none">{image(picture, side, alternative)}</a>'
    words = text(picture.mark) if brief else isolated(shown_path(picture.path, folder))
    path = f'<a {to} style="color:inherit;text-decoration:underline">{words}</a>'
    caption = f'{badge}<span style="{FAINT}">{"" if brief else f"{text(picture.mark)} · "}{path}</span>'
    return Cell(
        width=max(shown_width(picture, side), NARROWEST),
        inner=f'<div>{shown}</div><div style="font-size:12px">{caption}</div>',
    )


def image(picture: Picture, side: int, alternative: str) -> str:
    """Return the preview of a picture, or why there is none."""
    try:
        # Dragged into the panel it is the picture in full size: its mark says which.
        whole = f'data-seedream="{text(f"{picture.mark} {picture.path.name}")}" '
        return jpeg(preview(picture.path, side), alternative, shown_width(picture, side), whole)
    except FileNotFoundError:
        return f"<em>{isolated(alternative)}: the file is not there any more</em>"
    except (OSError, ValueError):
        return f"<em>{isolated(alternative)}: the file can’t be read</em>"
    except Exception:  # noqa: BLE001 - a library is broken, and the picture was paid for: it is linked below
        return f"<em>{isolated(alternative)}: it can’t be shown small here; the file is as it came</em>"


def jpeg(data: bytes, alternative: str, width: int, attributes: str = "") -> str:
    """Return a JPEG as a part of the page, so many pixels wide where there is room, with more attributes or none."""
    look = "max-width:100%;height:auto;margin:0;vertical-align:bottom"
    source = f"data:image/jpeg;base64,{_base64(data)}"
    return f'<img {attributes}src="{source}" alt="{text(alternative)}" width="{width}" style="{look}">'


def shown_width(picture: Picture, side: int) -> int:
    """Return how many pixels wide a picture is shown whose preview has that longest side."""
    scale = min(1.0, SHOWN_SIDES.get(side, side) / max(picture.width, picture.height))
    return max(1, round(picture.width * scale))


def alone(pictures: Sequence[Picture]) -> dict[str, str]:
    """Return the pictures as one `image/jpeg`, for what shows no HTML: LaTeX, and VS Code without trust.

    It is made of their previews. What can't be read is left out, and nothing is shown where none can be made.
    """
    try:
        data = sheet(pictures)
    except Exception:  # noqa: BLE001 - as above
        return {}
    return {"image/jpeg": _base64(data)} if data else {}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def shown_path(path: Path, folder: Path) -> str:
    """Return a path as people read it: from the notebook's folder, where it is in there."""
    return os.path.relpath(path, folder) if path.is_relative_to(folder) else str(path)


def link(path: Path, folder: Path) -> str:
    """Return the attributes of a link that opens a file beside the page."""
    # Jupyter resolves a relative link against the notebook's folder, wherever the kernel has gone since.
    is_inside = path.is_relative_to(folder)
    address = quote(os.fsencode(Path(os.path.relpath(path, folder)).as_posix())) if is_inside else path.as_uri()
    return f'href="{html.escape(address)}" target="_blank" rel="noopener"'
