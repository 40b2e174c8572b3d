"""The table of values that pictures come from; braces, `--image`, the tray and Tab all use it.

An object's abilities decide what it is; no library is imported to find out. Other libraries' code runs only when a
reference is loaded, one at a time.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seedream_nb.frozen import frozen
from seedream_nb.references.arrays import (
    brighten_remedy,
    is_array,
    is_picture_array,
    is_picture_shape,
    picture_of_array,
)
from seedream_nb.references.figures import (
    figure_of,
    picture_of_figure,
    picture_shown,
    shows_itself,
    shows_picture,
    shows_text,
)
from seedream_nb.references.foreign import (
    Foreign,
    content_of_file,
    guarded,
    has_method,
    held_files_of,
    is_file,
    is_table,
    no_picture,
    rewound,
)
from seedream_nb.references.limits import reference_problem
from seedream_nb.references.load import NotAPicture, is_pil, open_picture
from seedream_nb.scope import unwrapped
from seedream_nb.service import all_models

if TYPE_CHECKING:
    from PIL import Image

Source: TypeAlias = "str | Path | bytes | Image.Image | Foreign"
"""What a value is reduced to; a `str` is a URL, a data URI or a path."""
_Sources: TypeAlias = "Iterable[tuple[str, Source]]"

TAKEN = (
    "a path, a URL, bytes, an open file, a PIL image, an array, a figure, a picture or result of seedream, or a list"
)
_OURS = __name__.partition(".")[0]
_DEEPEST = 5
_MAX_ITEMS = 1_000
"""Items of a sequence that is not a list: one that never ends must stop somewhere."""

# For Tab: only classes and their methods are looked at.
_LONGEST_PATH, _LISTED, _DEEPEST_AT_TAB = 500, 3, 2
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF")
_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic"})
"""The usual formats of pictures; whether a file can be read shows when it is used."""
_TABLES_AND_COLUMNS = ("columns", "__dataframe__", "to_list", "is_integer")
"""What tables, their columns and single numbers have besides a conversion to an array."""


def _always(_value: object, _depth: int = 0) -> bool:
    return True


def _never(_value: object, _depth: int = 0) -> bool:
    return False


def _unknown(_value: object, _depth: int) -> str:
    return ""


@frozen
class Adapter:
    """One kind of value that pictures come from, or seem to.

    Attributes:
        is_one: whether a value is of this kind, by its abilities.
        sources: what it is reduced to, each with a name for messages; nothing is read or drawn. It is called with a
            name, the value, and how many lists contain it. Raises Problem.
        in_braces: whether it stands for pictures where it could as well stand for its text.
        is_meant: whether it can only have been meant as a picture when it does not. Raises Problem if it should hold
            a picture but is empty, such as a file upload widget.
        at_tab: what Tab calls it, or nothing: by its class, because Tab runs none of its code.
    """

    is_one: Callable[[Any], bool]
    sources: Callable[[str, Any, int], _Sources]
    in_braces: Callable[[Any, int], bool] = _never
    is_meant: Callable[[Any], bool] = _never
    at_tab: Callable[[object, int], str] = _unknown


def sources_of(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, Source]]:
    """Yield what a value is reduced to, each with a name for messages; nothing is read or drawn.

    Raises:
        Problem: the value is something else; it says what, and what can be passed.
    """
    drawn: list[object] = []
    with guarded(name):
        value = unwrapped(value)
        adapter = _adapter_of(value)
        if adapter is None:
            raise reference_problem(name, f"is {_kind(value)}; pass {TAKEN}.{_remedy(value)}")
        for part, source in adapter.sources(name, value, depth):
            of = source.of if isinstance(source, Foreign) else None
            if of is None or not any(of is other for other in drawn):  # the bars of a plot are one figure
                drawn += [] if of is None else [of]
                yield part, source


def is_picture(value: object, depth: int = 0) -> bool:
    """Return whether a value stands for pictures where it could as well stand for its text: in a prompt's braces.

    Nothing is drawn, except what has a text of its own, and no file is read beyond its header. A `str` is text;
    paths, bytes and open files are pictures if they open as one, arrays if they have a picture's shape with no side
    that is too small for every model, lists if all their items are pictures.
    """
    try:
        adapter = _adapter_of(value) if depth <= _DEEPEST else None
        return adapter is not None and adapter.in_braces(value, depth)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - foreign code: a value that fails here is not a picture
        return False


def is_meant_as_picture(value: object) -> bool:
    """Return whether a value that is not a picture can only have been meant as one: a path, bytes, a file, an array.

    False for tables and lists of other things, which contain texts as well.

    Raises:
        Problem: it should hold a picture but is empty, such as a file upload widget.
    """
    adapter = _adapter_of(value)
    return isinstance(value, os.PathLike) or (adapter is not None and adapter.is_meant(value))


def held(value: object, depth: int = 0) -> str:
    """Describe in a few words, for Tab, the pictures that a value holds; empty for others. Runs none of its code."""
    if no_picture(value):  # be there a thumbnail of it
        return ""
    return next((label for adapter in ADAPTERS if (label := adapter.at_tab(value, depth))), "")


def is_picture_name(name: str) -> bool:
    """Return whether a file of this name may be a picture; Tab opens no file."""
    return name.rpartition(".")[2].lower() in _SUFFIXES and "." in name


def pictures_of(value: object) -> Sequence[object] | None:
    """Return the pictures of a result of ours, even if it has none; None for any other value."""
    return _listed(value, "images")


def is_job(value: object) -> bool:
    """Return whether a value is a job of ours, whose pictures may not have arrived yet."""
    return _listed(value, "pictures") is not None


def _adapter_of(value: object) -> Adapter | None:
    return next((adapter for adapter in ADAPTERS if adapter.is_one(value)), None)


# -- values that are pictures themselves ------------------------------------------------------------


def _itself(name: str, value: Any, _depth: int) -> _Sources:
    return [(name, value)]


def _path_at_tab(value: object, _depth: int) -> str:
    if type(value) is not str and type(value) is not type(Path()):
        return ""
    text = str(value) if len(str(value)) < _LONGEST_PATH else ""
    return "path" if is_picture_name(text) and "\n" not in text else ""


def _bytes_at_tab(value: object, _depth: int) -> str:
    return "bytes" if type(value) is bytes and value.startswith(_STARTS) else ""


def _opens(source: Any, _depth: int = 0) -> bool:
    """Return whether a source opens as a picture, by its header."""
    if isinstance(source, Path) and not source.is_file():
        return False
    try:
        with _stream(source) as stream:
            open_picture(stream)
    except (NotAPicture, OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _stream(source: Any) -> Iterator[Any]:
    """Yield a source as an open file; one that is open already stays open, at its position."""
    if isinstance(source, Path | bytes | bytearray | memoryview):
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as stream:
            yield stream
    else:
        with rewound("", source):
            yield source


# -- several pictures -------------------------------------------------------------------------------


def _list_sources(name: str, values: Sequence[object], depth: int) -> Iterator[tuple[str, Source]]:
    if not len(values):
        raise reference_problem(name, "contains no pictures; leave it out.")
    if depth == _DEEPEST:
        raise reference_problem(name, f"has lists within lists, more than {_DEEPEST} deep; pass one list.")
    for index, value in enumerate(values):
        yield from sources_of(f"{name}[{index}]" if len(values) > 1 else name, value, depth + 1)


def _all_pictures(values: Sequence[object], depth: int) -> bool:
    return bool(len(values)) and all(is_picture(value, depth + 1) for value in values)


def _list_at_tab(value: object, depth: int) -> str:
    if type(value) is not list and type(value) is not tuple:
        return ""
    count, first = len(value), value[:_LISTED]
    holds = count > 0 and depth < _DEEPEST_AT_TAB and all(held(item, depth + 1) for item in first)
    return f"{count} picture{'s' * (count != 1)}" if holds else ""


def _has_items(value: object) -> bool:
    return is_array(value) or isinstance(value, Iterator | Sequence | KeysView | ValuesView)


def _items(name: str, value: Any) -> list[object]:
    if is_array(value):
        items = value.tolist()
        return items if isinstance(items, list) else [items]
    if isinstance(value, Iterator):
        limit = max(model.references.max_count for model in all_models())
        return _limited(name, value, limit, f"gives more than {limit} pictures; take fewer.")
    return _limited(name, iter(value), _MAX_ITEMS, f"has more than {_MAX_ITEMS} items; pass fewer.")


def _limited(name: str, values: Iterator[object], limit: int, problem: str) -> list[object]:
    items = list(islice(values, limit + 1))
    if len(items) > limit:
        raise reference_problem(name, problem)
    return items


def _holds_objects(value: Any) -> bool:
    """Return whether an array is a list of objects: paths in a column, axes of a grid of plots."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return (kind in tuple("OUST") or (kind is None and has_method(value, "to_list"))) and has_method(value, "tolist")


# -- ours -------------------------------------------------------------------------------------------


def _is_ours(value: object) -> bool:
    """Return whether a value's class is ours, by its module; none of our modules is imported for this."""
    module: object = type(value).__module__
    return isinstance(module, str) and module.partition(".")[0] == _OURS


def _listed(value: object, attribute: str) -> Sequence[object] | None:
    pictures = getattr(value, attribute, None) if _is_ours(value) else None
    return pictures if isinstance(pictures, list | tuple) else None


def _job_refused(name: str, _value: object, _depth: int) -> _Sources:
    raise reference_problem(name, f"is a job; for its pictures write {'job' if ' ' in name else name}.result().")


def _class_refused(name: str, value: type, _depth: int) -> _Sources:
    raise reference_problem(name, f"is a class, {value.__qualname__}; pass an object of that class.")


def _media_refused(name: str, value: object, _depth: int) -> _Sources:
    raise reference_problem(name, no_picture(value))


def _has_path(value: object) -> bool:
    """Return whether a value names a file, as our pictures and entries of os.scandir do."""
    return isinstance(getattr(value, "path", None), str | Path)


def _path_of(name: str, value: Any, _depth: int) -> _Sources:
    return [(str(getattr(value, "mark", None) or name), Path(value.path))]


# -- values of other libraries ----------------------------------------------------------------------


def _figure(name: str, value: object, _depth: int) -> _Sources:
    figure = figure_of(value)
    return [(name, Foreign(of=figure, draw=partial(picture_of_figure, source=figure)))]


def _array(name: str, value: object, _depth: int) -> _Sources:
    draw = partial(picture_of_array, value=value)
    return [(name, Foreign(of=value, draw=draw, brighter=brighten_remedy(name)))]


def _held_files(name: str, value: object, _depth: int = 0) -> _Sources:
    holder = held_files_of(value)
    return [] if holder is None else holder(name)


def _holder_at_tab(value: object, _depth: int) -> str:
    return "widget" if _is_a(value, "ipywidgets", "Image") else "canvas" if _is_a(value, "ipycanvas", "Canvas") else ""


def _shows(value: object, _depth: int = 0) -> bool:
    return shows_picture(value) and not shows_text(value)


def _is_drawing(value: object) -> bool:
    is_widget = hasattr(value, "_model_name") and not shows_picture(value)
    return shows_itself(value) and not is_widget and not is_array(value)


def _array_at_tab(value: object, depth: int) -> str:
    """Label a numpy array by its shape as numpy knows it, whatever a subclass says."""
    if not _is_a(value, "numpy", "ndarray"):
        return _able("array", "__array__", "__dlpack__")(value, depth)
    shape: tuple[int, ...] = sys.modules["numpy"].ndarray.shape.__get__(value)
    return "array" if is_picture_shape(shape) else ""


def _is_a(value: object, module: str, kind: str) -> bool:
    """Return whether a value is of a class, if that is loaded; runs none of the value's code."""
    return getattr(sys.modules.get(module), kind, None) in type(value).__mro__


def _named(label: str, module: str, kind: str) -> Callable[[object, int], str]:
    """Return a function that labels objects of a class."""
    return lambda value, _depth: label if _is_a(value, module, kind) else ""


def _able(label: str, *methods: str) -> Callable[[object, int], str]:
    """Return a function that labels objects by the methods of their class."""

    def at_tab(value: object, _depth: int) -> str:
        names = {name for base in type(value).__mro__ for name in vars(base)}
        return label if names.intersection(methods) and not names.intersection(_TABLES_AND_COLUMNS) else ""

    return at_tab


def _kind(value: object) -> str:
    if value is None:
        return "None"
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"a value of type {module}{kind.__qualname__}"


def _remedy(value: object) -> str:
    """Return how to turn a value that may hold pictures into one that can be passed."""
    if isinstance(value, int | float):
        return " As a picture, numbers must be an array: numpy.array(…, 'uint8')."
    if isinstance(value, dict):
        return " For its values write .values()."
    if isinstance(value, AbstractSet) and not isinstance(value, ItemsView):
        return " A set has no order: write sorted(…)."
    return ""


ADAPTERS: list[Adapter] = [
    Adapter(
        is_one=lambda value: isinstance(value, str | Path),
        sources=_itself,
        in_braces=lambda value, _: isinstance(value, Path) and _opens(value),
        at_tab=_path_at_tab,
    ),
    Adapter(
        is_one=lambda value: isinstance(value, bytes | bytearray | memoryview),
        sources=lambda name, value, _: [(name, bytes(value))],
        in_braces=_opens,
        is_meant=_always,
        at_tab=_bytes_at_tab,
    ),
    Adapter(is_one=is_pil, sources=_itself, in_braces=_always, at_tab=_named("PIL image", "PIL.Image", "Image")),
    Adapter(
        is_one=lambda value: isinstance(value, list | tuple),
        sources=_list_sources,
        in_braces=_all_pictures,
        at_tab=_list_at_tab,
    ),
    Adapter(  # not as it shows itself, which is previews
        is_one=lambda value: pictures_of(value) is not None,
        sources=lambda name, value, depth: _list_sources(name, value.images, depth),
        in_braces=lambda value, _: bool(value.images),
        at_tab=_named("result", "seedream_nb.storage.generation", "Generation"),
    ),
    Adapter(is_one=is_job, sources=_job_refused),
    Adapter(is_one=lambda value: isinstance(value, type), sources=_class_refused),
    Adapter(is_one=lambda value: bool(no_picture(value)), sources=_media_refused, is_meant=_always),
    Adapter(
        is_one=_has_path,
        sources=_path_of,
        in_braces=lambda value, _: _is_ours(value) or _shows(value),
        at_tab=_named("picture", "seedream_nb.storage.picture", "Picture"),
    ),
    Adapter(
        is_one=lambda value: held_files_of(value) is not None,
        sources=_held_files,
        in_braces=lambda value, _: bool(_held_files("", value)),
        is_meant=lambda value: not isinstance(value, dict) and bool(_held_files("", value)),
        at_tab=_holder_at_tab,
    ),
    Adapter(
        is_one=lambda value: figure_of(value) is not None,
        sources=_figure,
        in_braces=_always,
        at_tab=_able("figure", "savefig", "get_figure"),
    ),
    Adapter(
        is_one=is_file,
        sources=lambda name, value, _: [(name, Foreign(of=value, draw=lambda name, _: content_of_file(name, value)))],
        in_braces=_opens,
        is_meant=_always,
    ),
    Adapter(
        is_one=lambda value: is_array(value) and not _holds_objects(value),
        sources=_array,
        in_braces=lambda value, _: is_picture_array(value),
        is_meant=lambda value: getattr(value, "shape", None) != () and not is_table(value),
        at_tab=_array_at_tab,
    ),
    Adapter(
        is_one=_is_drawing,
        sources=lambda name, value, _: [(name, Foreign(of=value, draw=lambda name, _: picture_shown(name, value)))],
        in_braces=_shows,
        at_tab=_able("drawing", "_repr_png_", "_repr_jpeg_", "to_image"),
    ),
    Adapter(
        is_one=lambda value: isinstance(value, os.PathLike),
        sources=lambda name, value, _: [(name, Path(value))],
    ),
    Adapter(
        is_one=_has_items,
        sources=lambda name, value, depth: _list_sources(name, _items(name, value), depth),
        in_braces=lambda value, depth: is_array(value) and _all_pictures(value.tolist(), depth),
    ),
]
"""The first that accepts a value wins: certain kinds come before vague ones."""
