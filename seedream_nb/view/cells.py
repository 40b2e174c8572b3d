"""Writes the cell that makes a generation again: the way back of what `cell` reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seedream_nb.errors import Problem, SeedreamError, whole_text
from seedream_nb.files import is_there, working_folder
from seedream_nb.options import SENT
from seedream_nb.prompt import literal
from seedream_nb.sizes import spell_size
from seedream_nb.words import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedream_nb.archive import History
    from seedream_nb.generation import Generation
    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.settings import Settings

_TOLD = frozenset({"size", "sequential", "max_images"})
"""Options that say together what they mean."""


class Surroundings(Protocol):
    """What a cell is written for: a session."""

    settings: Settings

    @property
    def history(self) -> History:
        """The history whose marks the cell may name."""


def cell_of(generation: Generation, session: Surroundings) -> str:
    """Return a `%%seedream` cell that asks for exactly the same, under the settings in force now.

    Raises:
        SeedreamError: a reference image that was sent is not there any more.
    """
    request = generation.request
    words = [
        *_shape_words(request, session),
        *_series_words(request),
        *_other_words(request, session),
        *(word for reference in request.images for word in ("-i", quoted(_written(reference, session)))),
    ]
    return f"{' '.join(['%%seedream', *words])}\n{literal(request.prompt)}"


def _shape_words(request: ImageRequest, session: Surroundings) -> Iterator[str]:
    size, aspect = session.settings.get("size"), session.settings.get("aspect")
    if spell_size(size, aspect, session.settings.model) != request.size:
        yield from ("--size", request.size)


def _series_words(request: ImageRequest) -> Iterator[str]:
    if request.max_images is not None:
        yield from ("-n", str(request.max_images))


def _other_words(request: ImageRequest, session: Surroundings) -> Iterator[str]:
    """Yield what differs from what a cell asks for by itself."""
    for option in SENT:
        value = getattr(request, option.name)
        usual = session.settings.get(option.name) if option.has_setting else None
        if option.name not in _TOLD and value != (option.default if usual is None else usual):
            yield option.flag if value else option.flags[-1]
            if option.metavar is not None:
                yield quoted(str(value))


def _written(reference: Reference, session: Surroundings) -> str:
    """Return how a reference is written in a cell: its URL, its mark, or the file that was sent."""
    if reference.url is not None:
        return reference.url
    if _is_marked(reference, session):
        return reference.name
    if not isinstance(reference.source, Path) or not is_there(reference.source):
        raise SeedreamError(
            f"The reference image {reference.name} that was sent is not there any more.",
            hint="It is kept in the folder inputs of your pictures, unless somebody removed it.",
        )
    return _path_in_a_cell(reference.source)


def _path_in_a_cell(path: Path) -> str:
    """Return how a cell names a file: from the folder where it runs, if it is in there."""
    folder = working_folder()
    is_inside = path.is_relative_to(folder) or whole_text(str(path)) != str(path)
    return Path(os.path.relpath(path, folder)).as_posix() if is_inside and folder.is_absolute() else str(path)


def _is_marked(reference: Reference, session: Surroundings) -> bool:
    """Return whether the name of a reference is a mark that still means this one picture."""
    if not reference.name.startswith("@"):
        return False
    try:
        pictures = session.history.marked(reference.name)
    except Problem:
        return False
    return [picture.sha256 for picture in pictures] == [reference.original or reference.sha256]
