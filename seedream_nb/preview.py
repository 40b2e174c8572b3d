"""Small JPEGs of pictures, for the notebook and the panel: the files themselves stay on disk."""

from __future__ import annotations

import os
import struct
import threading
from contextlib import nullcontext
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from seedream_nb.errors import plain

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

QUALITIES = (75, 60, 40, 20)
BYTES_A_PIXEL = 0.26
"""A preview that takes more, as grain and foliage do, is made at the next lower quality: fifteen stay below 1.5 MB."""

GAP = 1.0
"""A JPEG is decoded at 1/2, 1/4 or 1/8 if that is at least as large as asked for."""

KEPT = 256
"""Previews that stay in memory: the largest has some 140 kB, so all of them at most 36 MB."""

_ALONE, _FEW, _MANY = 1024, 640, 512
_FEW_PICTURES = 4

_whole_decode = threading.Lock()
"""PNG and WebP have to be unpacked in full, 50 MB for 4096x4096 pixels: one at a time."""


def side_for(count: int) -> int:
    """Return the longest side of the previews, in pixels, when `count` pictures are shown together."""
    if count <= 1:
        return _ALONE
    return _FEW if count <= _FEW_PICTURES else _MANY


def preview(path: Path, side: int) -> bytes:
    """Return a small JPEG of a picture, its longest side at most `side` pixels; upright, on white.

    Raises:
        ValueError: the file is damaged, or no JPEG, PNG or WebP.
        OSError: the file is gone.
    """
    return _preview(path, path.stat().st_mtime_ns, side)


@lru_cache(maxsize=KEPT)
def _preview(path: Path, _changed: int, side: int) -> bytes:
    """Make the preview of a file as it was at that time."""
    from PIL.Image import DecompressionBombError

    damage = (OSError, ValueError, SyntaxError, IndexError, TypeError, struct.error, DecompressionBombError)
    with path.open("rb") as file:
        try:
            image = _reduced(file, side)
        except damage as error:
            raise ValueError(f"{path.name} is damaged, or no picture: {plain(str(error))}") from error
    small = b""
    for quality in QUALITIES:
        small = _encoded(image, quality)
        if len(small) <= BYTES_A_PIXEL * side * side:
            break
    return small


def _encoded(image: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _reduced(file: BinaryIO, side: int) -> Image.Image:
    """Decode a picture once: a JPEG at the reduced size that its own structure offers."""
    from PIL import Image, ImageOps

    with Image.open(file, formats=("JPEG", "PNG", "WEBP")) as image:
        # In one piece: between pieces the decoder would queue for the interpreter, behind whoever has it.
        image.decodermaxblock = os.fstat(file.fileno()).st_size
        with nullcontext() if image.format == "JPEG" else _whole_decode:
            small = _scalable(image)
            small.thumbnail((side, side), Image.Resampling.HAMMING, reducing_gap=GAP)  # half of Lanczos's time
        return _on_white(ImageOps.exif_transpose(small))


def _scalable(image: Image.Image) -> Image.Image:
    """Return a picture in a mode that can be scaled smoothly; most are, and stay undecoded."""
    if image.mode.startswith("I"):  # 16 bits of grey
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in {"1", "P", "PA"}:
        return image.convert("RGBA")
    return image


def _on_white(image: Image.Image) -> Image.Image:
    """Return a picture as RGB, its transparent parts white: a JPEG has no transparency."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    white = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(white, seen).convert("RGB")
