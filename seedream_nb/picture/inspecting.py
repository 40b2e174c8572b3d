"""What a downloaded file is, by its content: a whole picture of ours, or what else."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from seedream_nb.errors import plain
from seedream_nb.picture.structure import is_whole_jpeg, is_whole_png, opened

if TYPE_CHECKING:
    from pathlib import Path

MOST_PIXELS = 21_000_000
"""A quarter more than the service can make (4096x4096): a file that unpacks to more is no result of it."""

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_START_BYTES = 256
_OTHERS = {
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip file",
    b"<": "a web page or an XML message",
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the file of a picture says about itself: pixels, media type, bytes."""

    media_type: str
    width: int
    height: int
    sha256: str
    size_bytes: int

    def to_record(self) -> dict[str, str | int]:
        """Return the facts as the journal keeps them."""
        return asdict(self)


def inspect(path: Path) -> Facts:
    """Return what a downloaded file is, by its content: a whole JPEG, PNG or WebP.

    Raises:
        ValueError: what it is instead: cut off, damaged, too large, or no picture at all.
    """
    with path.open("rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        media_type = _media_type(file.read(_START_BYTES))
        if not _IS_WHOLE[media_type](file):
            raise ValueError(f"a {media_type} that is cut off after {size_bytes} bytes")
        file.seek(0)
        width, height = _shape(file, media_type)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Facts(media_type=media_type, width=width, height=height, sha256=sha256, size_bytes=size_bytes)


def _media_type(start: bytes) -> str:
    """Tell the kind of picture by the first bytes; raises ValueError that says what else it is."""
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError(_described(start))


def _described(start: bytes) -> str:
    """Say what a file is that is no picture of ours, with the beginning of a text."""
    if not start:
        return "an empty file"
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            return name
    if start[4:8] == b"ftyp":
        return "an AVIF, HEIC or video file"
    try:
        text = start.decode("utf-8", "strict" if len(start) < _START_BYTES else "ignore")
    except UnicodeDecodeError:
        return "not a picture"
    if not plain(text).isprintable() or "\0" in text:
        return "not a picture"
    return f"not a picture but text: {plain(text, 80)}"


def _is_whole_webp(file: BinaryIO) -> bool:
    """Compare a WebP's length with what its own header says."""
    file.seek(4)
    told = 8 + int.from_bytes(file.read(4), "little")
    return file.seek(0, os.SEEK_END) >= told


def _shape(file: BinaryIO, media_type: str) -> tuple[int, int]:
    """Read width and height from the header; raises ValueError where that is damaged or promises too much."""
    from PIL import Image

    formats = [name for name, known in FORMATS.items() if known == media_type]
    try:
        with opened(file, partial(Image.open, formats=formats)) as image:
            width, height = image.size
            animated = getattr(image, "is_animated", False)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"a {media_type} of too many pixels: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"a damaged {media_type}: {plain(str(error))}") from error
    if animated:
        raise ValueError(f"an animated {media_type}")
    if width * height > MOST_PIXELS:
        raise ValueError(f"a {media_type} of {width}x{height} pixels: no result has more than {MOST_PIXELS}")
    return width, height


_IS_WHOLE = {"image/jpeg": is_whole_jpeg, "image/png": is_whole_png, "image/webp": _is_whole_webp}
