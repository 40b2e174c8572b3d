"""Draws pictures: figures as the notebook shows them, only larger, and objects that show themselves."""

from __future__ import annotations

import base64
import inspect
import math
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from seedream_nb.references.foreign import Bounded, describe_error, has_method
from seedream_nb.references.limits import reference_problem
from seedream_nb.references.load import is_pil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

    from seedream_nb.service import ReferenceLimits


_DEEPEST = 5
_LONGEST_SIDE = 2048
"""In pixels: enough for the smallest letters of a figure."""

_MAX_DPI = 300
_TIMES_ITS_SIZE = 3
_OF_FIGURE = ("texts", "images", "lines", "patches", "artists", "legends")
_OF_AXES = ("lines", "patches", "texts", "images", "collections", "artists", "tables")
_TITLES = ("get_title", "get_xlabel", "get_ylabel")


def figure_of(value: object) -> object | None:
    """Return the figure that a value is, or belongs to: axes, parts of them, a seaborn grid."""
    figure = None
    for _ in range(_DEEPEST):
        if has_method(value, "savefig"):
            figure = value
        outer = getattr(value, "figure", None)
        if outer is None or outer is value:
            break
        value = outer
    return figure


def picture_of_figure(name: str, limits: ReferenceLimits, source: Any) -> bytes:
    """Return a figure as PNG.

    Raises:
        Problem: nothing is drawn in it.
    """
    figure = _current(source) if isinstance(source, ModuleType) else source
    if figure is None or not all(_drawn(figure)):
        raise _nothing(name)
    stream = Bounded()
    try:
        figure.savefig(stream, format="png", **_options(figure, limits))
    except TypeError:  # not matplotlib: it may have fewer options
        stream = Bounded()
        figure.savefig(stream)
    content = stream.getvalue()
    if not content:
        raise reference_problem(name, "writes no picture; save it as PNG, and pass that file.")
    if not hasattr(figure, "get_axes") and _is_blank(content):
        raise _nothing(name)
    return content


def _nothing(name: str) -> Exception:
    return reference_problem(
        name,
        "has nothing drawn in it; draw first, then use it. (Notebooks close a pyplot figure at the end of its cell: "
        "keep it as fig = plt.gcf().)",
    )


def _current(pyplot: Any) -> Any:
    """Return pyplot's current figure, if there is one; gcf() alone would create one."""
    if has_method(pyplot, "get_fignums") and not pyplot.get_fignums():
        return None
    return pyplot.gcf() if has_method(pyplot, "gcf") else pyplot


def _drawn(figure: Any) -> Iterator[bool]:
    """Yield whether something is drawn in a figure; empty axes don't count."""
    if not has_method(figure, "get_axes"):
        return
    own = any(len(getattr(figure, kind, ())) for kind in _OF_FIGURE)
    titled = has_method(figure, "get_suptitle") and bool(figure.get_suptitle())
    yield own or titled or any(map(_shows, figure.get_axes())) or any(_any_part(figure))


def _any_part(figure: Any) -> Iterator[bool]:
    for part in getattr(figure, "subfigs", ()):
        yield from _drawn(part)


def _shows(axes: Any) -> bool:
    """Return whether axes show anything besides themselves."""
    if axes.has_data() or any(len(getattr(axes, kind, ())) for kind in _OF_AXES):
        return True
    return axes.get_legend() is not None or any(has_method(axes, title) and getattr(axes, title)() for title in _TITLES)


def _options(figure: Any, limits: ReferenceLimits) -> dict[str, Any]:
    """Return how to save a figure: at a good size, including what is outside its frame, as notebooks show it."""
    if not has_method(figure, "get_size_inches"):
        return {}
    across, down = (float(side) for side in figure.get_size_inches())
    box = _tight(figure, across, down, limits)
    dpi = min(_MAX_DPI, _LONGEST_SIDE / max(across, down, *(box or ())))
    return {"dpi": dpi, "bbox_inches": "tight" if box else None}


def _tight(
    figure: Any,
    across: float,
    down: float,
    limits: ReferenceLimits,
) -> tuple[float, float] | None:
    """Return the inches that everything drawn takes, if that can be a picture within the limits."""
    # This needs a canvas of the figure's own size, which may be too large for the memory.
    if not has_method(figure, "get_tightbbox") or across * down * float(figure.dpi) ** 2 > limits.max_pixels:
        return None
    box = figure.get_tightbbox()
    width, height = float(box.width), float(box.height)
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        return None
    # Something far outside would make the rest tiny.
    is_far_off = max(width / across, height / down) > _TIMES_ITS_SIZE
    if is_far_off or max(width, height) > limits.max_ratio * min(width, height):
        return None
    return width, height


def _is_blank(content: bytes) -> bool:
    """Return whether a picture has only one colour."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        bands = image.convert("RGBA").getextrema()
    return all(low == high for low, high in bands)  # type: ignore[misc]  # RGBA has several bands


_TYPES = ("image/png", "image/jpeg")
_PICTURES = ("_repr_png_", "_repr_jpeg_")
_OTHERS = {
    "image/svg+xml": ("_repr_svg_", "as SVG"),
    "text/html": ("_repr_html_", "as HTML"),
    "application/pdf": ("_repr_pdf_", "as PDF"),
    "text/latex": ("_repr_latex_", "as LaTeX"),
}
_SCALE = 2
"""Drawings for the screen are rendered at this scale."""


def shows_itself(value: object) -> bool:
    """Return whether a value has any way to show itself."""
    methods = (*_PICTURES, "_repr_mimebundle_", *(method for method, _ in _OTHERS.values()))
    return shows_picture(value) or any(has_method(value, method) for method in methods)


def shows_picture(value: object) -> bool:
    """Return whether a value can show itself as PNG or JPEG, by its methods; nothing is drawn."""
    return any(has_method(value, method) for method in (*_PICTURES, "to_image")) or _saves_drawing(value)


def shows_text(value: object) -> bool:
    """Return whether a value with its own text shows no picture now, though it could, such as sympy's numbers."""
    has_other_ways = has_method(value, "to_image") or has_method(value, "_repr_mimebundle_")
    if getattr(type(value), "__str__", None) is object.__str__ or has_other_ways:
        return False
    return all(getattr(value, method)() is None for method in _PICTURES if has_method(value, method))


def picture_shown(name: str, value: Any) -> bytes | Image.Image:
    """Return the picture as which a value shows itself.

    Raises:
        Problem: there is none; it says how the value shows itself instead, and what to do.
    """
    failures: list[str] = []
    for method in _encodings(value):
        try:
            picture = method()
        except Exception as error:  # noqa: BLE001 - another way may succeed
            failures.append(describe_error(error))
            continue
        if picture is not None:
            return picture if is_pil(picture) else _content(name, picture)
    if failures:
        raise reference_problem(name, f"can't show itself as PNG: {failures[0]}. {_remedy(value)}")
    raise reference_problem(name, f"shows itself {_instead(value)}, not as PNG or JPEG. {_remedy(value)}")


def _encodings(value: Any) -> Iterator[Callable[[], Any]]:
    """Yield the ways to get a value's picture, the most reliable first."""
    if has_method(value, "to_image"):
        yield lambda: _to_image(value)
    for method in _PICTURES:
        if has_method(value, method):
            yield getattr(value, method)
    if has_method(value, "_repr_mimebundle_"):
        yield lambda: _of_bundle(value._repr_mimebundle_(include=set(_TYPES), exclude=None))
        yield lambda: _of_bundle(value._repr_mimebundle_(include=None, exclude=None))
    if _saves_drawing(value):
        yield lambda: _saved(value)


def _to_image(value: Any) -> Any:
    """Render a drawing, as plotly does."""
    try:
        return value.to_image(format="png", scale=_SCALE)
    except TypeError:
        return value.to_image()


def _saves_drawing(value: object) -> bool:
    """Return whether a value's `save` has a format and a scale, as altair's; files don't."""
    if not has_method(value, "save") or not has_method(value, "_repr_mimebundle_"):
        return False
    try:
        return {"format", "scale_factor"} <= set(inspect.signature(value.save).parameters)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return False


def _saved(value: Any) -> bytes:
    stream = Bounded()
    value.save(stream, format="png", scale_factor=_SCALE)
    return stream.getvalue()


def _of_bundle(bundle: Any) -> Any:
    """Return the picture in a MIME bundle, perhaps with metadata; None if there is none."""
    data = bundle[0] if isinstance(bundle, tuple) and bundle else bundle
    if not isinstance(data, Mapping):
        return None
    rest = sorted(str(kind) for kind in data if str(kind).startswith("image/") and "svg" not in str(kind))
    return next((data[kind] for kind in (*_TYPES, *rest) if data.get(kind)), None)


def _content(name: str, picture: Any) -> bytes:
    """Return the bytes of a picture that came as bytes or base64, perhaps with metadata."""
    data = picture[0] if isinstance(picture, tuple) and picture else picture
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if isinstance(data, str):
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError as error:
            raise reference_problem(name, f"shows itself in broken base64 ({error}); save it as PNG.") from error
    raise reference_problem(name, f"shows itself as a {type(data).__name__} instead of PNG; save it as PNG.")


def _instead(value: Any) -> str:
    """Say in words how a value shows itself."""
    kinds = {kind for kind, (method, _) in _OTHERS.items() if has_method(value, method)}
    if has_method(value, "_repr_mimebundle_"):
        try:
            bundle = value._repr_mimebundle_(include=None, exclude=None)
            kinds |= set(bundle[0] if isinstance(bundle, tuple) else bundle or ())
        except Exception:  # noqa: BLE001 - foreign code; then it is unknown
            kinds.clear()
    ways = [words for kind, (_, words) in _OTHERS.items() if kind in kinds]
    return f"only {' and '.join(ways)}" if ways else "in some other way"


def _remedy(value: object) -> str:
    if has_method(value, "to_image"):
        return "Drawing it needs kaleido and a Chrome: pip install kaleido; or save it as PNG, and pass that file."
    if _saves_drawing(value):
        return "Drawing it needs vl-convert: pip install vl-convert-python; or save it as PNG, and pass that file."
    return "Save it as PNG, or take a screenshot, and pass that file."
