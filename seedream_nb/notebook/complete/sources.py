"""What this notebook has to offer: its history, the names that hold pictures, the files beside it.

Nothing is imported or called to find out what a value is, no file is opened but the journal, none is written.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.errors import plain
from seedream_nb.notebook.complete.word import MAX_CHARACTERS, Offer
from seedream_nb.notebook.displayed import shown_by
from seedream_nb.references.adapters import held
from seedream_nb.service import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.scope import Scope
    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation

_GENERATIONS = 300
"""So many of the newest are looked through; older ones are found with %seedream history."""
_ENTRIES = 10_000


class NotebookSources:
    """The sources of one shell."""

    def __init__(self, ip: InteractiveShell, scope: Scope, session: Callable[[], Session]) -> None:
        """Look into this shell, whose names the scope tells; the session is asked for history and model only."""
        self._ip, self._scope, self._session = ip, scope, session

    def model(self) -> Model:
        """Return the model that requests are for."""
        with contextlib.suppress(Exception):  # as below
            return self._session().settings.model
        return DEFAULT.model

    def references(self) -> Iterator[Offer]:
        """Yield `@last`, and of each generation with pictures its mark and those of its pictures."""
        with_pictures = (generation for generation in self._generations() if generation.images)
        yield from _with_last(with_pictures, pictures=True)

    def shown(self) -> Iterator[Offer]:
        """Yield `@out` and the cells that showed a picture, the newest first."""
        listener = shown_by(self._ip)
        cells = listener.cells() if listener is not None else []
        if cells:
            yield Offer(text="@out", description="shown last")
        yield from (Offer(text=f"@[{cell}]", description=f"shown by cell {cell}") for cell in cells)

    def generations(self) -> Iterator[Offer]:
        """Yield `@last` and the marks of all generations."""
        yield from _with_last(self._generations(), pictures=False)

    def _generations(self) -> Iterator[Generation]:
        # A home that can't be had is reported when a cell runs; names and files can be completed without it.
        with contextlib.suppress(Exception):
            yield from reversed(self._session().history[-_GENERATIONS:])

    def deleted(self) -> Iterator[Offer]:
        """Yield the marks of what was deleted and can be restored."""
        with contextlib.suppress(Exception):  # as above
            newest = reversed(self._session().history.deleted()[-_GENERATIONS:])
            yield from (Offer(text=item.mark, description=plain(item.prompt, MAX_CHARACTERS)) for item in newest)

    def names(self) -> list[str]:
        """Return the names that cells have made, sorted; those with an underscore are not for show."""
        return sorted(name for name in self._scope.names() if not name.startswith("_") and name != "Out")

    def pictures(self) -> Iterator[Offer]:
        """Yield the names that hold pictures, with what they hold."""
        for name, value in self._values():
            if description := held(value):
                yield Offer(text=name, description=description)

    def results(self) -> Iterator[Offer]:
        """Yield the names that hold results."""
        return (Offer(text=name, description="result") for name, value in self._values() if held(value) == "result")

    def _values(self) -> Iterable[tuple[str, object]]:
        return ((name, self._ip.user_ns.get(name)) for name in self.names())

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        """Return the names in a folder, sorted, and which are folders; none where it can't be read."""
        try:
            with os.scandir(Path(folder or ".").expanduser()) as found:
                return sorted((entry.name, entry.is_dir()) for entry, _ in zip(found, range(_ENTRIES), strict=False))
        except (OSError, RuntimeError, ValueError):
            return []


def _with_last(generations: Iterable[Generation], *, pictures: bool) -> Iterator[Offer]:
    is_first = True
    for generation in generations:
        description = plain(generation.prompt, MAX_CHARACTERS)
        if is_first and generation.images:
            yield Offer(text="@last", description=description)
            is_first = False
        yield Offer(text=generation.mark, description=description)
        if pictures and len(generation.images) > 1:
            yield from (Offer(text=picture.mark, description=description) for picture in generation.images)
