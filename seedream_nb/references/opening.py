"""Opens pictures with Pillow by their content: only the header is read, and what is no picture is named."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PIL import ImageFile

REFUSED_FORMATS = frozenset({"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MCIDAS", "MPEG", "PCD", "WMF", "XVTHUMB"})
"""Formats that Pillow only recognises, or whose reading starts other programs (EPS), or that fit anything."""

_HEAD_BYTES, _PREFIX_BYTES = 512, 16
_KINDS: tuple[tuple[bytes, str], ...] = (
    (rb"\s*<(?:!doctype html|html)", "a web page: download the picture itself"),
    (rb"(?:\s*<\?xml[^>]*>)?(?:\s|<!--.*?-->|<!DOCTYPE[^>]*>)*+<svg", "an SVG drawing: save it as PNG"),
    (rb"%PDF", "a PDF: save its page as PNG"),
    (rb"....ftyp(?:hei|hev|mif|msf)", "a HEIC photo: save it as JPEG"),
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", "a film: save a frame of it as PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript: save it as PNG"),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf", "an archive: unpack it first"),
    (rb"version https://git-lfs", "a Git LFS pointer: fetch the file with `git lfs pull`"),
)


class NotAPicture(ValueError):  # noqa: N818 - it says what a file is, and is caught where that becomes a Problem
    """The content is something else, or damaged; the text says what, to go after the reference's name."""


def open_picture(stream: BinaryIO) -> ImageFile.ImageFile:
    """Return the picture in a stream; its header is read, nothing is decoded.

    `Image.open` would do but for three things: it warns about big pictures where we just scale them down, it
    trusts file names, and it tries formats whose reading starts other programs.

    Raises:
        NotAPicture: what it is instead.
    """
    from PIL import Image

    stream.seek(0)
    head = stream.read(_HEAD_BYTES)
    if not head:
        raise NotAPicture("is empty: use another copy")
    damaged: list[str] = []
    tried: set[str] = set()
    for load_plugins in (Image.preinit, Image.init):  # the common formats first: they are loaded much faster
        load_plugins()
        fresh = [name for name in Image.ID if name not in tried | REFUSED_FORMATS]
        if found := _recognised(stream, head, fresh, damaged):
            return found
        tried.update(fresh)
    if damaged:
        raise NotAPicture(f"is a damaged {damaged[0]} file: save it again, or use another copy")
    raise NotAPicture(f"is no picture but {_what_it_is(head)}")


def _recognised(
    stream: BinaryIO, head: bytes, formats: Iterable[str], damaged: list[str]
) -> ImageFile.ImageFile | None:
    """Return the picture in the first format that can read it; note the formats that it only pretends to be."""
    from PIL import Image

    for name in formats:
        factory, accepts = Image.OPEN[name]
        if accepts is not None and not _accepted(accepts, head[:_PREFIX_BYTES]):
            continue
        stream.seek(0)
        try:
            return factory(stream, "")
        except Image.DecompressionBombError:
            raise NotAPicture("unpacks to more pixels than can be read: scale it down first") from None
        except Exception:  # noqa: BLE001 - plugins raise whatever a strange file makes them raise
            if accepts is not None:
                damaged.append(name)
    return None


def _accepted(accepts: Callable[[bytes], bool | str], prefix: bytes) -> bool:
    """Return whether a format claims a content; a text in answer says what this Pillow lacks for it."""
    try:
        return accepts(prefix) is True
    except Exception:  # noqa: BLE001 - some look at more bytes than a tiny file has
        return False


def _what_it_is(head: bytes) -> str:
    """Return what a content looks like, in words."""
    for pattern, words in _KINDS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return words
    try:
        text = head.decode("utf-8", "strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return "unknown data: save it as PNG or JPEG"
    return "unknown data: save it as PNG or JPEG" if "\0" in text else "text: hand over a picture file"


def orientation(exif: bytes | None) -> int:
    """Return how a picture must be turned to stand upright, 1 to 8 as in EXIF; 1 means that it does."""
    if not exif:
        return 1
    from PIL import Image

    tags = Image.Exif()
    try:
        tags.load(exif)
        found = tags.get(0x0112, 1)
    except Exception:  # noqa: BLE001 - EXIF of cameras is often broken, and the picture fine without it
        return 1
    return found if found in range(1, 9) else 1


def is_pil(value: object) -> bool:
    """Return whether a value is a PIL image; Pillow is not imported to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)
