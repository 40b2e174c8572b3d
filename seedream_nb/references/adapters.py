"""One table of the values that pictures come from: braces, `--image`, the tray and Tab all ask it.

What an object can do decides what it is; no library is imported to find out. The code of other libraries runs when a
reference is born, one by one.
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
from seedream_nb.references.arrays import brighter_array, is_array, is_picture_array, is_picture_shape, picture_of_array
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
    can,
    content_of_file,
    from_its_start,
    guarded,
    holder_of,
    is_file,
    is_table,
)
from seedream_nb.references.limits import wrong
from seedream_nb.references.load import NotAPicture, is_pil, open_picture
from seedream_nb.service import all_models

if TYPE_CHECKING:
    from PIL import Image

Source: TypeAlias = "str | Path | bytes | Image.Image | Foreign"
"""What a value comes down to; a `str` is a URL, a data URI or a path."""
_Sources: TypeAlias = "Iterable[tuple[str, Source]]"

TAKEN = (
    "a path, a URL, bytes, an open file, a PIL image, an array, a figure, a picture or result of seedream, or a list"
)
_OURS = __name__.partition(".")[0]
_DEEPEST = 5
_MAX_ITEMS = 1_000
"""Items of a sequence that is no list: one that never ends must end somewhere."""

# What Tab looks at: classes and their methods.
_LONGEST_PATH, _LISTED, _DEEPEST_AT_TAB = 500, 3, 2
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"RIFF")
_SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic"})
"""The formats that people have pictures in; whether one can be read is found out when it is used."""
_TABLES_AND_COLUMNS = ("columns", "__dataframe__", "to_list", "is_integer")
"""What tables, their columns and single numbers have beside the way to become an array."""


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
        is_one: whether a value is of this kind, by what it can do.
        sources: what it comes down to, each with a name for messages; nothing is read or drawn. It is given a name,
            the value, and how many lists it lies in. Raises Problem.
        in_braces: whether it stands for pictures where it could as well stand for its text.
        is_meant: whether it can only have been meant as a picture where it does not. Raises Problem: it is to hold
            a picture, as a widget is that takes files, and is empty.
        at_tab: what Tab calls it, or nothing: by its class, for none of its code runs for a Tab.
    """

    is_one: Callable[[Any], bool]
    sources: Callable[[str, Any, int], _Sources]
    in_braces: Callable[[Any, int], bool] = _never
    is_meant: Callable[[Any], bool] = _never
    at_tab: Callable[[object, int], str] = _unknown


def sources_of(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, Source]]:
    """Yield what a value comes down to, each with a name for messages; no content is read, nothing is drawn.

    Raises:
        Problem: what the value is instead, and what can be handed over.
    """
    drawn: list[object] = []
    with guarded(name):
        adapter = _adapter_of(value)
        if adapter is None:
            raise wrong(name, f"is {_kind(value)}; hand over {TAKEN}.{_remedy(value)}")
        for part, source in adapter.sources(name, value, depth):
            of = source.of if isinstance(source, Foreign) else None
            if of is None or not any(of is each for each in drawn):  # the bars of a plot are one figure
                drawn += [] if of is None else [of]
                yield part, source


def is_picture(value: object, depth: int = 0) -> bool:
    """Return whether a value stands for pictures where it could as well stand for its text: in a prompt's braces.

    Nothing is drawn, but for what has a text of its own, and no file is read beyond its header. A `str` is text;
    paths and bytes are pictures if they open as one, open files too, arrays if they have a picture's shape with no
    side that is too small for every model, lists if all in them are pictures.
    """
    try:
        adapter = _adapter_of(value) if depth <= _DEEPEST else None
        return adapter is not None and adapter.in_braces(value, depth)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - what can't say that it is one is none
        return False


def is_meant_as_picture(value: object) -> bool:
    """Return whether a value that is no picture can only have been meant as one: a path, bytes, a file, an array.

    Not so for tables and for lists of things, which have texts in them as well.

    Raises:
        Problem: it is meant to hold a picture, as a widget is that takes files, and is empty.
    """
    adapter = _adapter_of(value)
    return isinstance(value, os.PathLike) or (adapter is not None and adapter.is_meant(value))


def held(value: object, depth: int = 0) -> str:
    """Return in a few words, for a Tab, which pictures a value holds; nothing of it is called. Empty for others."""
    return next((told for adapter in ADAPTERS if (told := adapter.at_tab(value, depth))), "")


def is_picture_name(name: str) -> bool:
    """Return whether a file of this name may be a picture: none is opened for a Tab."""
    return name.rpartition(".")[2].lower() in _SUFFIXES and "." in name


def pictures_of(value: object) -> Sequence[object] | None:
    """Return the pictures of a result of ours, be it without any; None for any other value."""
    return _listed(value, "images")


def is_job(value: object) -> bool:
    """Return whether a value is a job of ours, whose pictures may be still to come."""
    return _listed(value, "pictures") is not None


def _adapter_of(value: object) -> Adapter | None:
    return next((adapter for adapter in ADAPTERS if adapter.is_one(value)), None)


# -- values that are pictures as they are -----------------------------------------------------------


def _itself(name: str, value: Any, _depth: int) -> _Sources:  # noqa: ANN401 - see Adapter
    return [(name, value)]


def _path_at_tab(value: object, _depth: int) -> str:
    if type(value) is not str and type(value) is not type(Path()):
        return ""
    text = str(value) if len(str(value)) < _LONGEST_PATH else ""
    return "path" if is_picture_name(text) and "\n" not in text else ""


def _bytes_at_tab(value: object, _depth: int) -> str:
    return "bytes" if type(value) is bytes and value.startswith(_STARTS) else ""


def _opens(source: Any, _depth: int = 0) -> bool:  # noqa: ANN401 - a path, bytes, or anything with `read`
    """Return whether a content opens as a picture, by its header."""
    if isinstance(source, Path) and not source.is_file():
        return False
    try:
        with _stream(source) as stream:
            open_picture(stream)
    except (NotAPicture, OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _stream(source: Any) -> Iterator[Any]:  # noqa: ANN401 - see above
    """Give a content as a file; one that is open already stays so, and is left where it stood."""
    if isinstance(source, Path | bytes | bytearray | memoryview):
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as stream:
            yield stream
    else:
        with from_its_start("", source):
            yield source


# -- several in one ---------------------------------------------------------------------------------


def _each(name: str, values: Sequence[object], depth: int) -> Iterator[tuple[str, Source]]:
    if not len(values):
        raise wrong(name, "has no pictures in it; leave it out.")
    if depth == _DEEPEST:
        raise wrong(name, f"has lists within lists, more than {_DEEPEST} deep; hand over one list.")
    for index, value in enumerate(values):
        yield from sources_of(f"{name}[{index}]" if len(values) > 1 else name, value, depth + 1)


def _all_pictures(values: Sequence[object], depth: int) -> bool:
    return bool(len(values)) and all(is_picture(each, depth + 1) for each in values)


def _list_at_tab(value: object, depth: int) -> str:
    if type(value) is not list and type(value) is not tuple:
        return ""
    count, first = len(value), value[:_LISTED]
    holds = count > 0 and depth < _DEEPEST_AT_TAB and all(held(each, depth + 1) for each in first)
    return f"{count} picture{'s' * (count != 1)}" if holds else ""


def _has_items(value: object) -> bool:
    return is_array(value) or isinstance(value, Iterator | Sequence | KeysView | ValuesView)


def _items(name: str, value: Any) -> list[object]:  # noqa: ANN401 - what has items in an order
    if is_array(value):
        items = value.tolist()
        return items if isinstance(items, list) else [items]
    if isinstance(value, Iterator):
        most = max(model.references.max_count for model in all_models())
        return _at_most(name, value, most, f"gives more than {most} pictures; take fewer.")
    return _at_most(name, iter(value), _MAX_ITEMS, f"has more than {_MAX_ITEMS} items; hand over fewer.")


def _at_most(name: str, values: Iterator[object], most: int, told: str) -> list[object]:
    found = list(islice(values, most + 1))
    if len(found) > most:
        raise wrong(name, told)
    return found


def _holds_objects(value: Any) -> bool:  # noqa: ANN401 - an array of any library
    """Return whether an array is a list of things: paths in a column, axes of a grid of plots."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return (kind in tuple("OUST") or (kind is None and can(value, "to_list"))) and can(value, "tolist")


# -- ours -------------------------------------------------------------------------------------------


def _is_ours(value: object) -> bool:
    """Return whether a value is of a class of ours, by where that comes from: nothing of ours is imported for it."""
    module: object = type(value).__module__
    return isinstance(module, str) and module.partition(".")[0] == _OURS


def _listed(value: object, attribute: str) -> Sequence[object] | None:
    found = getattr(value, attribute, None) if _is_ours(value) else None
    return found if isinstance(found, list | tuple) else None


def _job_refused(name: str, _value: object, _depth: int) -> _Sources:
    raise wrong(name, f"is a job; for its pictures write {'job' if ' ' in name else name}.result().")


def _class_refused(name: str, value: type, _depth: int) -> _Sources:
    raise wrong(name, f"is a class, {value.__qualname__}; hand over an object of it.")


def _has_path(value: object) -> bool:
    """Return whether a value names a file: our pictures do, and entries of os.scandir."""
    return isinstance(getattr(value, "path", None), str | Path)


def _path_of(name: str, value: Any, _depth: int) -> _Sources:  # noqa: ANN401 - see Adapter
    return [(str(getattr(value, "mark", None) or name), Path(value.path))]


# -- of other libraries -----------------------------------------------------------------------------


def _figure(name: str, value: object, _depth: int) -> _Sources:
    figure = figure_of(value)
    return [(name, Foreign(of=figure, draw=partial(picture_of_figure, found=figure)))]


def _array(name: str, value: object, _depth: int) -> _Sources:
    draw = partial(picture_of_array, value=value)
    return [(name, Foreign(of=value, draw=draw, brighter=brighter_array(name)))]


def _held_files(name: str, value: object, _depth: int = 0) -> _Sources:
    holder = holder_of(value)
    return [] if holder is None else holder(name)


def _holder_at_tab(value: object, _depth: int) -> str:
    return "widget" if _is_a(value, "ipywidgets", "Image") else "canvas" if _is_a(value, "ipycanvas", "Canvas") else ""


def _shows(value: object, _depth: int = 0) -> bool:
    return shows_picture(value) and not shows_text(value)


def _is_drawing(value: object) -> bool:
    is_widget = hasattr(value, "_model_name") and not shows_picture(value)
    return shows_itself(value) and not is_widget and not is_array(value)


def _array_at_tab(value: object, depth: int) -> str:
    """Tell an array of numpy by its shape as numpy itself knows it, whatever a class derived from it says."""
    if not _is_a(value, "numpy", "ndarray"):
        return _able("array", "__array__", "__dlpack__")(value, depth)
    shape: tuple[int, ...] = sys.modules["numpy"].ndarray.shape.__get__(value)
    return "array" if is_picture_shape(shape) else ""


def _is_a(value: object, module: str, kind: str) -> bool:
    """Return whether a value is of a class, which then is loaded: no code of the value's own runs."""
    return getattr(sys.modules.get(module), kind, None) in type(value).__mro__


def _named(told: str, module: str, kind: str) -> Callable[[object, int], str]:
    """Return what tells objects of a class."""
    return lambda value, _depth: told if _is_a(value, module, kind) else ""


def _able(told: str, *methods: str) -> Callable[[object, int], str]:
    """Return what tells objects by what their class can do."""

    def at_tab(value: object, _depth: int) -> str:
        names = {name for each in type(value).__mro__ for name in vars(each)}
        return told if names.intersection(methods) and not names.intersection(_TABLES_AND_COLUMNS) else ""

    return at_tab


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
        sources=_each,
        in_braces=_all_pictures,
        at_tab=_list_at_tab,
    ),
    Adapter(  # not as it shows itself: those are previews
        is_one=lambda value: pictures_of(value) is not None,
        sources=lambda name, value, depth: _each(name, value.images, depth),
        in_braces=lambda value, _: bool(value.images),
        at_tab=_named("result", "seedream_nb.storage.generation", "Generation"),
    ),
    Adapter(is_one=is_job, sources=_job_refused),
    Adapter(is_one=lambda value: isinstance(value, type), sources=_class_refused),
    Adapter(
        is_one=_has_path,
        sources=_path_of,
        in_braces=lambda value, _: _is_ours(value) or _shows(value),
        at_tab=_named("picture", "seedream_nb.storage.picture", "Picture"),
    ),
    Adapter(
        is_one=lambda value: holder_of(value) is not None,
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
        sources=lambda name, value, depth: _each(name, _items(name, value), depth),
        in_braces=lambda value, depth: is_array(value) and _all_pictures(value.tolist(), depth),
    ),
]
"""The first that takes a value decides: what is certain comes before what merely seems so."""
