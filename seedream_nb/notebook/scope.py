"""What the notebook offers to a prompt: the values of its names, what its cells have shown, and its attachments."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, did_you_mean, shorten
from seedream_nb.notebook.shell import notebook_file
from seedream_nb.patterns import lazy_pattern
from seedream_nb.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell

MAX_BYTES = 256_000_000
"""Of a notebook's file: what is larger takes too long to read."""

_SHOWN = 60
_REMEDY = "Save the picture as a file, and write its path."


def attached(name: str, notebook: Path | None) -> bytes:
    """Return the picture that is attached to any cell of a notebook under this name, as the file was last saved.

    Raises:
        Problem: the file is not known or can't be read, or it holds no such attachment, or several.
    """
    if notebook is None:
        raise _wrong(name, f"the notebook's file is not known here, or it was never saved. {_REMEDY}")
    known = _attachments(name, notebook)
    where = shorten(notebook.name, _SHOWN)
    found = {content for key, content in known if key == name}
    if not found:
        guess = did_you_mean(name, {key for key, _ in known})
        raise _wrong(name, f"{where}, as last saved, has no attachment with this name. Save it, and try again.{guess}")
    if len(found) > 1:
        raise _wrong(name, f"{where} has {len(found)} different pictures with this name. {_REMEDY}")
    try:
        return base64.b64decode(found.pop())
    except (binascii.Error, ValueError) as error:
        raise _wrong(name, f"in {where} it is damaged ({error}). {_REMEDY}") from error


def _attachments(name: str, notebook: Path) -> list[tuple[str, str]]:
    """Return the attachments of all cells, each with its name, in base64."""
    where = shorten(notebook.name, _SHOWN)
    try:
        if notebook.stat().st_size > MAX_BYTES:
            raise _wrong(name, f"{where} is too large to search ({MAX_BYTES // 1_000_000} MB). {_REMEDY}")
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


def _wrong(name: str, message: str) -> Problem:
    return Problem(f"attachment:{shorten(name, _SHOWN)}: {message}", reference=True)


_PUT_THERE = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})
"""What IPython puts into every notebook; the rest of it begins with an underscore."""
_RESULT = lazy_pattern(r"_{1,3}|_[0-9]+")
_NOTHING = object()
_IMAGE = "%%seedream --image "


class NotebookScope:
    """The names of the notebook, as its cells see them, but for what IPython put there."""

    has_builtins = True

    def __init__(self, ip: InteractiveShell) -> None:
        """Offer the user's namespace of this shell."""
        self._ip = ip

    def names(self) -> Iterable[str]:
        """Return the user's names and those of results (`_`, `_3`, `Out`); `In` would send what earlier cells say."""
        return [name for name, value in list(self._ip.user_ns.items()) if self._is_offered(name, value)]

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression, as a cell would have it."""
        if expression == "Out" and self._is_ipythons("Out", self._ip.user_ns.get("Out")):
            raise LookupError("it holds all results: write one of them, such as Out[3]")
        return eval(expression, self._ip.user_ns)  # noqa: S307 - the user's own expression, in the user's own cell

    def namespace(self) -> Mapping[str, object]:
        """Return the user's namespace."""
        names: Mapping[str, object] = self._ip.user_ns
        return names

    def offers(self, word: str) -> Sequence[str]:
        """Return what Tab offers for this word after `--image`."""
        from seedream_nb.notebook.complete.lines import complete
        from seedream_nb.notebook.complete.sources import NotebookSources

        line = f"{_IMAGE}{word}"
        found = complete(line, 0, len(line), NotebookSources(self._ip, self, PROCESS.the_session))
        if found is None:
            return []
        start = line[len(_IMAGE) : len(line) - len(found.fragment)]
        return [start + offer.text for offer in found.offers]

    def shown(self, mark: str) -> Sequence[object]:
        """Return the pictures that `@out` or `@[5]` stands for; raises Problem."""
        from seedream_nb.notebook.displayed import shown_by

        listener = shown_by(self._ip)
        if listener is None:
            message = "what cells show is known only after %load_ext seedream_nb; then show it again."
            raise Problem(f"{mark}: {message}", reference=True)
        return listener.pictures(mark)

    def attached(self, name: str) -> bytes:
        """Return the content of an attachment of the notebook, as it was last saved; raises Problem."""
        return attached(name, notebook_file(self._ip))

    def _is_offered(self, name: str, value: object) -> bool:
        if _RESULT.fullmatch(name):
            # Before the first result it is an empty text.
            return not (isinstance(value, str) and value == "")
        return name == "Out" or not self._is_ipythons(name, value)

    def _is_ipythons(self, name: str, value: object) -> bool:
        # IPython hides what startup files set as well, which is the user's.
        its_own = name in _PUT_THERE or name.startswith("_")
        return its_own and self._ip.user_ns_hidden.get(name, _NOTHING) is value
