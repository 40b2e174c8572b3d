"""Makes an executed notebook fit to be committed: small, the same on every machine, and true to what it showed.

Taken away is what a page without a kernel can't use (live widgets, when each cell ran, the versions of Python) and
what stands there twice (the same picture as HTML and as JPEG), and links to files that are not committed. Pictures
get as many pixels as are shown of them.
"""

from __future__ import annotations

import base64
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from nbformat import NotebookNode

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
QUALITY = 45
_PICTURE = re.compile(r'(<img [^>]*?src="data:image/jpeg;base64,)([^"]+)("[^>]*? width="([0-9]+)")')
_LINK = re.compile(r'<a [^>]*?href="seedream/[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
_TIMES = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}|[0-9]+(\.[0-9]+)? (s|min)\b")
_NUMBERS = re.compile(r"@[0-9]+\b|\b[0-9]{4}-(?=[0-9]+-[a-z])")
"""Requests that are sent side by side get their numbers in the order in which they happen to be ready."""


def tidy(document: NotebookNode, folder: Path) -> None:
    """Change a notebook that was executed in `folder` into the one that is committed."""
    document.metadata = METADATA
    for cell in document.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            if "text" in output:
                output.text = _without_folder(output.text, folder)
            if "data" in output:
                _slim(output, folder)


def same_but_for_chance(one: str, other: str) -> bool:
    """Return whether two notebooks differ in nothing but when something was, how long it took, and what came first."""
    return _without_chance(one) == _without_chance(other)


def _without_chance(text: str) -> str:
    return _NUMBERS.sub("", _TIMES.sub("", text))


def _slim(output: NotebookNode, folder: Path) -> None:
    data: dict[str, Any] = output.data
    html = data.get("text/html", "")
    if html:
        _drop(output, WIDGET)
    if "<img " in html:
        _drop(output, "image/jpeg", "image/png")
    if "image/jpeg" in data:
        _drop(output, "image/png")
    for kind in ("text/plain", "text/html"):
        if kind in data:
            data[kind] = _PICTURE.sub(_smaller, _LINK.sub(r"\1", _without_folder(data[kind], folder)))


def _drop(output: NotebookNode, *kinds: str) -> None:
    for kind in kinds:
        output.data.pop(kind, None)
        output.get("metadata", {}).pop(kind, None)


def _without_folder(text: str, folder: Path) -> str:
    """Return a text with paths as seen from the notebook, as everybody has them."""
    for spelling in {str(folder.resolve()), str(folder)}:
        text = text.replace(f"{spelling}/", "").replace(f"{spelling}\\", "")
    return text


def _smaller(match: re.Match[str]) -> str:
    """Return an `<img>` with no more pixels than its width asks for."""
    from PIL import Image

    encoded, width = match[2], int(match[4])
    made = BytesIO()
    with Image.open(BytesIO(base64.b64decode(encoded))) as picture:
        small = picture.resize((width, max(1, round(picture.height * width / picture.width))))
        if small.width < picture.width:
            small.save(made, "JPEG", quality=QUALITY, optimize=True)
            encoded = base64.b64encode(made.getvalue()).decode()
    return f"{match[1]}{encoded}{match[3]}"
