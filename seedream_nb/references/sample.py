"""Tells how large a picture will be as a file, without writing all of it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from seedream_nb.references.limits import MOST_BYTES

if TYPE_CHECKING:
    from PIL import Image

_SAMPLED_PIXELS = 4_000_000
_STRIPS, _STRIP_ROWS = 8, 16
_HOPELESS = 1.1
"""A way to write a picture is left out if a sample says that it would be so much larger than the limit."""


class Sample:
    """A few strips of a large picture, which tell how large it would be as a file; small ones are just written."""

    def __init__(self, image: Image.Image) -> None:
        """Take the strips."""
        self._size = image.size
        self._strips: Image.Image | None = None
        self._known: dict[str, float] = {}
        if image.width * image.height >= _SAMPLED_PIXELS and image.mode != "RGBA":
            self._strips = _strips(image)

    def is_hopeless(self, shape: tuple[int, int], options: dict[str, Any]) -> bool:
        """Return whether the picture in this shape, written in this way, would surely be too large."""
        if self._strips is None or options["format"] != "JPEG":
            return False
        way = str(options)
        if way not in self._known:
            self._known[way] = _size_bytes(self._strips, options) / self._strips.height
        # A smaller picture has more to tell in each pixel, never less.
        return (
            self._known[way] * self._size[1] * shape[0] * shape[1]
            > _HOPELESS * MOST_BYTES * self._size[0] * self._size[1]
        )


def _strips(image: Image.Image) -> Image.Image:
    """Return strips of a picture from all its height, one below the other."""
    from PIL import Image

    strips = Image.new(image.mode, (image.width, _STRIPS * _STRIP_ROWS))
    for index in range(_STRIPS):
        top = (image.height - _STRIP_ROWS) * index // (_STRIPS - 1)
        strips.paste(image.crop((0, top, image.width, top + _STRIP_ROWS)), (0, index * _STRIP_ROWS))
    return strips


def _size_bytes(image: Image.Image, options: dict[str, Any]) -> int:
    with io.BytesIO() as stream:
        image.save(stream, **options)
        return stream.tell()
