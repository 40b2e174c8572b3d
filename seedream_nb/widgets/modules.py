"""What the page gets: a module joined of those in `static/`, for one that comes from a blob can't import another.

In `static/` they are as editors, tsc and node read them, with `import` and `export`. Joined, each stands behind what it
imports, without those lines and without comments; so all of them share one scope.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_IMPORT = re.compile(r'^import \{ \w+(?:, \w+)* \} from "\./(\w+\.js)"\n', re.MULTILINE)
_OTHER_IMPORT = re.compile(r"^(?:import\b|export [*{]).*", re.MULTILINE)
_COMMENT = re.compile(
    r"^[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*\n|^[ \t]*//[^\n]*\n|/\*\* @(?:(?!\*/).)*\*/ ?", re.MULTILINE | re.DOTALL
)
"""Comments that are a line, or types of one: a third of the text, which some hosts save with each notebook."""
_EXPORT = re.compile(r"^export (?!default )", re.MULTILINE)


STYLES = (
    "base.css",
    "panel.css",
    "form.css",
    "tray.css",
    "queue.css",
    "stage.css",
    "wall.css",
    "view.css",
)
"""The style sheets in the order in which they are joined."""


class ModuleError(Exception):
    """Modules that can't be joined: a fault of ours, which a test finds."""


@functools.cache
def static(name: str) -> str:
    """Return the text of a file that the page gets."""
    return files("seedream_nb.widgets").joinpath("static", name).read_text("utf-8")


def styles(read: Callable[[str], str] = static) -> str:
    """Return the style sheet of the page: that of each component, behind what all share."""
    return "\n".join(map(read, STYLES))


def joined(name: str, read: Callable[[str], str] = static) -> str:
    """Return a module with all that it imports before it; raises ModuleError if they import each other."""
    texts: dict[str, str] = {}
    _collect(name, read, texts, ())
    return "\n".join(_COMMENT.sub("", _EXPORT.sub("", _IMPORT.sub("", text))) for text in texts.values())


def _collect(name: str, read: Callable[[str], str], texts: dict[str, str], importers: tuple[str, ...]) -> None:
    """Put a module behind those that it imports, each once."""
    if name in importers:
        raise ModuleError(f"{' imports '.join((*importers, name))}")
    if name in texts:
        return
    text = read(name)
    for imported in _IMPORT.findall(text):
        _collect(imported, read, texts, (*importers, name))
    if other := _OTHER_IMPORT.search(_IMPORT.sub("", text)):
        raise ModuleError(f'{name}: {other[0]!r} is not written as `import {{ a, b }} from "./module.js"` on a line.')
    texts[name] = text
