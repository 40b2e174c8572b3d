"""What an object can do decides what it is as a reference: a file, bytes, a PIL image, or several of these.

No library is imported to find out. The code of other libraries runs when a reference is born, one by one.
"""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterator, KeysView, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seedream_nb.options import MOST_REFERENCES
from seedream_nb.references.arrays import brighter_array, is_array, picture_of_array
from seedream_nb.references.figures import figure_of, picture_of_figure
from seedream_nb.references.foreign import Foreign, can, guarded
from seedream_nb.references.holders import content_of_file, held, is_file
from seedream_nb.references.limits import wrong
from seedream_nb.references.opening import is_pil
from seedream_nb.references.ours import is_job, pictures_of
from seedream_nb.references.shown import picture_shown, shows_itself, shows_picture

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Source", "holds_objects", "sources_of"]

Source: TypeAlias = "str | Path | bytes | Image.Image | Foreign"
"""What a value comes down to; a `str` is a URL, a data URI or a path."""

TAKEN = (
    "a path, a URL, bytes, an open file, a PIL image, an array, a figure, a picture or result of seedream, or a list"
)

_DEEPEST = 5
_MOST_ITEMS = 1_000
"""Items of a sequence that is no list: one that never ends must end somewhere."""


def sources_of(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, Source]]:
    """Yield what a value comes down to, each with a name for messages; no content is read, nothing is drawn.

    Raises:
        Problem: what the value is instead, and what can be handed over.
    """
    drawn: list[object] = []
    with guarded(name):
        for part, source in _sources(name, value, depth):
            of = source.of if isinstance(source, Foreign) else None
            if of is None or not any(of is each for each in drawn):  # the bars of a plot are one figure
                drawn += [] if of is None else [of]
                yield part, source


def _sources(name: str, value: Any, depth: int) -> Iterator[tuple[str, Source]]:  # noqa: ANN401 - anything
    if isinstance(value, str | Path | bytes) or is_pil(value):
        yield name, value
    elif isinstance(value, bytearray | memoryview):
        yield name, bytes(value)
    elif isinstance(value, list | tuple):
        yield from _each(name, value, depth)
    elif (pictures := pictures_of(value)) is not None:  # not as it shows itself: those are previews
        yield from _each(name, pictures, depth)
    elif is_job(value):
        raise wrong(name, f"is a job; for its pictures write {'job' if ' ' in name else name}.result().")
    elif isinstance(path := getattr(value, "path", None), str | Path):  # our pictures; entries of os.scandir
        yield str(getattr(value, "mark", None) or name), Path(path)
    elif isinstance(value, type):
        raise wrong(name, f"is a class, {value.__qualname__}; hand over an object of it.")
    elif (files := held(name, value)) is not None:
        yield from files
    elif foreign := _foreign(name, value):
        yield name, foreign
    else:
        yield from _held(name, value, depth)


def _held(name: str, value: Any, depth: int) -> Iterator[tuple[str, Source]]:  # noqa: ANN401 - anything
    """Yield what is in a value that is no picture itself."""
    if isinstance(value, os.PathLike):
        yield name, Path(value)
    elif (items := _items(name, value)) is not None:
        yield from _each(name, items, depth)
    else:
        raise wrong(name, f"is {_kind(value)}; hand over {TAKEN}.{_remedy(value)}")


def _foreign(name: str, value: Any) -> Foreign | None:  # noqa: ANN401 - anything
    """Return how to have the picture of an object of another library, if it seems to have one."""
    if (figure := figure_of(value)) is not None:
        return Foreign(of=figure, draw=partial(picture_of_figure, found=figure))
    if is_file(value):
        return Foreign(of=value, draw=partial(content_of_file, file=value))
    if is_array(value) and not holds_objects(value):
        return Foreign(of=value, draw=partial(picture_of_array, value=value), brighter=brighter_array(name))
    if shows_itself(value) and not _is_widget(value) and not is_array(value):
        return Foreign(of=value, draw=partial(picture_shown, value=value))
    return None


def holds_objects(value: Any) -> bool:  # noqa: ANN401 - an array of any library
    """Return whether an array is a list of things: paths in a column, axes of a grid of plots."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return (kind in tuple("OUST") or (kind is None and can(value, "to_list"))) and can(value, "tolist")


def _is_widget(value: object) -> bool:
    return hasattr(value, "_model_name") and not shows_picture(value)


def _items(name: str, value: Any) -> list[object] | None:  # noqa: ANN401 - anything
    """Return the items of something that has them in an order; None if it is nothing of the kind."""
    if is_array(value):
        items = value.tolist()
        return items if isinstance(items, list) else [items]
    if isinstance(value, Iterator):
        return _at_most(name, value, MOST_REFERENCES, f"gives more than {MOST_REFERENCES} pictures; take fewer.")
    if isinstance(value, Sequence | KeysView | ValuesView):
        return _at_most(name, iter(value), _MOST_ITEMS, f"has more than {_MOST_ITEMS} items; hand over fewer.")
    return None


def _at_most(name: str, values: Iterator[object], most: int, told: str) -> list[object]:
    found = list(islice(values, most + 1))
    if len(found) > most:
        raise wrong(name, told)
    return found


def _each(name: str, values: Sequence[object], depth: int) -> Iterator[tuple[str, Source]]:
    if not len(values):
        raise wrong(name, "has no pictures in it; leave it out.")
    if depth == _DEEPEST:
        raise wrong(name, f"has lists within lists, more than {_DEEPEST} deep; hand over one list.")
    for index, value in enumerate(values):
        yield from sources_of(f"{name}[{index}]" if len(values) > 1 else name, value, depth + 1)


def _kind(value: object) -> str:
    if value is None:
        return "None"
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"a value of type {module}{kind.__qualname__}"


def _remedy(value: object) -> str:
    """Return how a value that may hold pictures becomes one that can be handed over."""
    if isinstance(value, int | float):
        return " Numbers are a picture as an array: numpy.array(…, 'uint8')."
    if isinstance(value, dict):
        return " For its values write .values()."
    if isinstance(value, AbstractSet) and not isinstance(value, ItemsView):
        return " A set has no order: write sorted(…)."
    return ""
