"""Figures as pictures: drawn as the notebook shows them, only larger; the figure itself stays as it is."""

from __future__ import annotations

import math
from types import ModuleType
from typing import TYPE_CHECKING, Any

from seedream_nb.references.foreign import Bounded, can
from seedream_nb.references.limits import MOST_PIXELS, MOST_RATIO, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST = 5
_LONGEST_SIDE = 2048
"""Pixels: as much as a result of the usual size has."""

_MOST_DPI = 300
_OF_FIGURE = ("texts", "images", "lines", "patches", "artists", "legends")
_OF_AXES = ("lines", "patches", "texts", "images", "collections", "artists", "tables")
_TITLES = ("get_title", "get_xlabel", "get_ylabel")


def figure_of(value: object) -> object | None:
    """Return the figure that a value is or belongs to: axes, what is drawn in them, a grid of seaborn."""
    found = None
    for _ in range(_DEEPEST):
        if can(value, "savefig"):
            found = value
        outer = getattr(value, "figure", None)
        if outer is None or outer is value:
            break
        value = outer
    return found


def picture_of_figure(name: str, found: Any) -> bytes:  # noqa: ANN401 - anything with `savefig`
    """Return a figure as PNG.

    Raises:
        Problem: nothing is drawn in it.
    """
    figure = _current(found) if isinstance(found, ModuleType) else found
    if figure is None or not all(_drawn(figure)):
        raise _nothing(name)
    stream = Bounded()
    try:
        figure.savefig(stream, format="png", **_options(figure))
    except TypeError:  # not matplotlib's: it may know fewer options
        stream = Bounded()
        figure.savefig(stream)
    content = stream.getvalue()
    if not content:
        raise wrong(name, "writes no picture; save it as PNG, and hand over that file.")
    if not hasattr(figure, "get_axes") and _is_blank(content):
        raise _nothing(name)
    return content


def _nothing(name: str) -> Exception:
    return wrong(
        name,
        "has nothing drawn in it; draw first, then hand it over. (Notebooks close a figure of pyplot with its cell: "
        "keep it as fig = plt.gcf().)",
    )


def _current(pyplot: Any) -> Any:  # noqa: ANN401 - the module
    """Return pyplot's current figure, if there is one: asking for it would make one."""
    if can(pyplot, "get_fignums") and not pyplot.get_fignums():
        return None
    return pyplot.gcf() if can(pyplot, "gcf") else pyplot


def _drawn(figure: Any) -> Iterator[bool]:  # noqa: ANN401 - a figure or a part of one
    """Yield whether something is drawn in a figure; axes that are empty are nothing."""
    if not can(figure, "get_axes"):
        return
    own = any(len(getattr(figure, kind, ())) for kind in _OF_FIGURE)
    titled = can(figure, "get_suptitle") and bool(figure.get_suptitle())
    yield own or titled or any(map(_shows, figure.get_axes())) or any(_any_part(figure))


def _any_part(figure: Any) -> Iterator[bool]:  # noqa: ANN401 - a figure
    for part in getattr(figure, "subfigs", ()):
        yield from _drawn(part)


def _shows(axes: Any) -> bool:  # noqa: ANN401 - axes
    """Return whether axes show more than themselves."""
    if axes.has_data() or any(len(getattr(axes, kind, ())) for kind in _OF_AXES):
        return True
    return axes.get_legend() is not None or any(can(axes, title) and getattr(axes, title)() for title in _TITLES)


def _options(figure: Any) -> dict[str, Any]:  # noqa: ANN401 - a figure
    """Return how to save a figure: at a good size, with what stands outside its frame, as notebooks show it."""
    if not can(figure, "get_size_inches"):
        return {}
    across, down = (float(side) for side in figure.get_size_inches())
    box = _tight(figure, across, down)
    dpi = min(_MOST_DPI, _LONGEST_SIDE / max(across, down, *(box or ())))
    return {"dpi": dpi, "bbox_inches": "tight" if box else None}


def _tight(figure: Any, across: float, down: float) -> tuple[float, float] | None:  # noqa: ANN401 - a figure
    """Return the inches that all that is drawn takes, if a picture can be made of that."""
    # Asking needs a canvas of the figure's own size, which can be too large for any memory.
    if not can(figure, "get_tightbbox") or across * down * float(figure.dpi) ** 2 > MOST_PIXELS:
        return None
    box = figure.get_tightbbox()
    width, height = float(box.width), float(box.height)
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        return None
    # What was put far outside would leave the rest a dot.
    if max(width / across, height / down) > MOST_RATIO or max(width, height) > MOST_RATIO * min(width, height):
        return None
    return width, height


def _is_blank(content: bytes) -> bool:
    """Return whether a picture shows one colour only."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        bands = image.convert("RGBA").getextrema()
    return all(low == high for low, high in bands)  # type: ignore[misc]  # of several bands
