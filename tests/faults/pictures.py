"""Pictures to serve: real JPEG files of any measure."""

from __future__ import annotations

import functools
import io
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

LARGEST_SEGMENT = 65_533
SHAPES, GRAIN = 64, 4
"""Shapes across a picture, and pixels from grain to grain: 3.5 MB at 4096x4096, about what a photo has."""


@functools.lru_cache(maxsize=64)
def jpeg(width: int, height: int, *, number: int = 1, size_bytes: int | None = None) -> bytes:
    """Return a JPEG picture of cloudy colours, its own for each `number`; comments fill it up to `size_bytes`."""
    from PIL import Image

    colours = random.Random(number)
    large = _clouds(colours, width, height, max(width, height) // SHAPES + 1)
    small = _clouds(colours, width, height, GRAIN)
    file = io.BytesIO()
    Image.blend(large, small, 0.15).save(file, "JPEG", quality=90)
    content = file.getvalue()
    return content if size_bytes is None else _filled(content, size_bytes - len(content))


def _clouds(colours: random.Random, width: int, height: int, cloud: int) -> Image.Image:
    from PIL import Image

    across, down = -(-width // cloud), -(-height // cloud)
    dots = Image.frombytes("RGB", (across, down), colours.randbytes(3 * across * down))
    return dots.resize((width, height), Image.Resampling.BICUBIC)


def _filled(content: bytes, missing: int) -> bytes:
    """Return the picture with comment segments of `missing` bytes in all after its first marker."""
    filling = bytearray()
    while missing - len(filling) > 4:
        length = min(LARGEST_SEGMENT, missing - len(filling) - 4)
        filling += b"\xff\xfe" + (length + 2).to_bytes(2, "big") + bytes(length)
    return content[:2] + bytes(filling) + content[2:]
