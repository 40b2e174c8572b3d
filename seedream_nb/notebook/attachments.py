"""Pictures that were pasted into a notebook's cells: its file holds them, as `attachment:name.png`."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, did_you_mean, shortened

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 256_000_000
"""Of a notebook's file: what is larger takes too long to read."""

_SHOWN = 60
_REMEDY = "Save the picture as a file, and write its path."


def attached(name: str, notebook: Path | None) -> bytes:
    """Return the picture that is attached to any cell of a notebook under this name, as the file was last saved.

    Raises:
        Problem: the file is not known or can't be read, or it holds no such attachment, or several.
    """
    if notebook is None:
        raise _wrong(name, f"this program does not tell which file the notebook is, or it was never saved. {_REMEDY}")
    known = _attachments(name, notebook)
    where = shortened(notebook.name, _SHOWN)
    found = {content for key, content in known if key == name}
    if not found:
        guess = did_you_mean(name, {key for key, _ in known})
        raise _wrong(name, f"{where}, as last saved, has no attachment of this name. Save it, and try again.{guess}")
    if len(found) > 1:
        raise _wrong(name, f"{where} has {len(found)} different pictures of this name. {_REMEDY}")
    try:
        return base64.b64decode(found.pop())
    except (binascii.Error, ValueError) as error:
        raise _wrong(name, f"in {where} it is damaged ({error}). {_REMEDY}") from error


def _attachments(name: str, notebook: Path) -> list[tuple[str, str]]:
    """Return the attachments of all cells, each with its name, in base64."""
    where = shortened(notebook.name, _SHOWN)
    try:
        if notebook.stat().st_size > MOST_BYTES:
            raise _wrong(name, f"{where} is too large to look for it ({MOST_BYTES // 1_000_000} MB). {_REMEDY}")
        cells = json.loads(notebook.read_bytes())["cells"]
        return [
            (key, "".join(data))
            for cell in cells
            for key, bundle in cell.get("attachments", {}).items()
            for kind, data in bundle.items()
            if kind.startswith("image/")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, Problem):
            raise
        raise _wrong(name, f"{where} can't be read ({type(error).__name__}). {_REMEDY}") from error


def _wrong(name: str, told: str) -> Problem:
    return Problem(f"attachment:{shortened(name, _SHOWN)}: {told}", reference=True)
