"""Things that show themselves: as PNG or JPEG in a notebook, or by a method that makes such a picture."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedream_nb.references.foreign import Bounded, can, said
from seedream_nb.references.limits import wrong
from seedream_nb.references.opening import is_pil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

_TYPES = ("image/png", "image/jpeg")
PICTURES = ("_repr_png_", "_repr_jpeg_")
_OTHERS = {
    "image/svg+xml": ("_repr_svg_", "as SVG"),
    "text/html": ("_repr_html_", "as HTML"),
    "application/pdf": ("_repr_pdf_", "as PDF"),
    "text/latex": ("_repr_latex_", "as LaTeX"),
}
_SCALE = 2
"""Drawings for a screen come at this many times its pixels."""


def shows_itself(value: object) -> bool:
    """Return whether a value has a way to show itself, of whatever kind."""
    methods = (*PICTURES, "_repr_mimebundle_", *(method for method, _ in _OTHERS.values()))
    return shows_picture(value) or any(can(value, method) for method in methods)


def shows_picture(value: object) -> bool:
    """Return whether a value has a way to show itself that gives PNG or JPEG, by what it has; nothing is drawn."""
    return any(can(value, method) for method in (*PICTURES, "to_image")) or _saves_drawing(value)


def only_by_repr(value: object) -> bool:
    """Return whether `_repr_png_` and `_repr_jpeg_` are the only ways that a value has to show itself as a picture."""
    return not can(value, "to_image") and not can(value, "_repr_mimebundle_")


def picture_shown(name: str, value: Any) -> bytes | Image.Image:  # noqa: ANN401 - anything
    """Return the picture as which a value shows itself.

    Raises:
        Problem: it has none: how it shows itself instead, and what to do.
    """
    failures: list[str] = []
    for way in _ways(value):
        try:
            found = way()
        except Exception as error:  # noqa: BLE001 - another way may succeed
            failures.append(said(error))
            continue
        if found is not None:
            return found if is_pil(found) else _content(name, found)
    if failures:
        raise wrong(name, f"can't show itself as PNG: {failures[0]}. {_remedy(value)}")
    raise wrong(name, f"shows itself {_instead(value)}, not as PNG or JPEG. {_remedy(value)}")


def _ways(value: Any) -> Iterator[Callable[[], Any]]:  # noqa: ANN401 - anything
    """Yield the ways to have a value's picture, the surest first."""
    if can(value, "to_image"):
        yield lambda: _to_image(value)
    for method in PICTURES:
        if can(value, method):
            yield getattr(value, method)
    if can(value, "_repr_mimebundle_"):
        yield lambda: _of_bundle(value._repr_mimebundle_(include=set(_TYPES), exclude=None))
        yield lambda: _of_bundle(value._repr_mimebundle_(include=None, exclude=None))
    if _saves_drawing(value):
        yield lambda: _saved(value)


def _to_image(value: Any) -> Any:  # noqa: ANN401 - anything with that method
    """Have a drawing drawn: plotly's way."""
    try:
        return value.to_image(format="png", scale=_SCALE)
    except TypeError:
        return value.to_image()


def _saves_drawing(value: object) -> bool:
    """Return whether a value saves a drawing in a format and a scale: altair's way, and of nothing that has a file."""
    if not can(value, "save") or not can(value, "_repr_mimebundle_"):
        return False
    try:
        return {"format", "scale_factor"} <= set(inspect.signature(value.save).parameters)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return False


def _saved(value: Any) -> bytes:  # noqa: ANN401 - anything with `save`
    stream = Bounded()
    value.save(stream, format="png", scale_factor=_SCALE)
    return stream.getvalue()


def _of_bundle(bundle: Any) -> Any:  # noqa: ANN401 - what a library gives
    """Return the picture in a bundle of media types, which may come with metadata; None if there is none."""
    data = bundle[0] if isinstance(bundle, tuple) and bundle else bundle
    if not isinstance(data, Mapping):
        return None
    rest = sorted(str(kind) for kind in data if str(kind).startswith("image/") and "svg" not in str(kind))
    return next((data[kind] for kind in (*_TYPES, *rest) if data.get(kind)), None)


def _content(name: str, found: Any) -> bytes:  # noqa: ANN401 - what a library gives
    """Return the bytes of a picture that came as bytes or as base64, alone or with metadata."""
    data = found[0] if isinstance(found, tuple) and found else found
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if isinstance(data, str):
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError as error:
            raise wrong(name, f"shows itself in broken base64 ({error}); save it as PNG.") from error
    raise wrong(name, f"shows itself as a {type(data).__name__} in place of PNG; save it as PNG.")


def _instead(value: Any) -> str:  # noqa: ANN401 - anything
    """Return how a value shows itself, in words."""
    kinds = {kind for kind, (method, _) in _OTHERS.items() if can(value, method)}
    if can(value, "_repr_mimebundle_"):
        try:
            bundle = value._repr_mimebundle_(include=None, exclude=None)
            kinds |= set(bundle[0] if isinstance(bundle, tuple) else bundle or ())
        except Exception:  # noqa: BLE001 - then it does not tell
            kinds.clear()
    told = [words for kind, (_, words) in _OTHERS.items() if kind in kinds]
    return f"only {' and '.join(told)}" if told else "in some other way"


def _remedy(value: object) -> str:
    if can(value, "to_image"):
        return "Drawing it takes kaleido and a Chrome: pip install kaleido; or save it as PNG, and hand over that file."
    if _saves_drawing(value):
        return "Drawing it takes vl-convert: pip install vl-convert-python; or save it as PNG, and hand over that file."
    return "Save it as PNG, or take a screenshot, and hand over that file."
