"""Pictures for tests: made here, byte by byte where it matters."""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import Any

from PIL import Image

SECRETS = (b"SECRET-GPS", b"SECRET-XMP", b"SECRET-COMMENT", b"SECRET-THUMBNAIL", b"SECRET-TRAILER", b"SECRET-MAKER")


def gradient(width: int = 300, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Return a picture in which every place looks different, so that turning it shows."""
    across = Image.linear_gradient("L").resize((width, height))
    down = Image.linear_gradient("L").rotate(90).resize((width, height))
    picture = Image.merge("RGB", (across, down, Image.new("L", (width, height), 90)))
    return picture.convert(mode)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Return a picture that no format can compress."""
    return Image.frombytes(mode, (width, height), os.urandom(width * height * len(mode)))


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture as a file of some format."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """Return one segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def telling_jpeg(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a JPEG with all that must stay home: EXIF, XMP, comment, thumbnail, maker's notes, a film behind it."""
    content = encoded(picture or gradient(), "JPEG", **options)
    told = [
        segment(0xE0, b"JFXX\0SECRET-THUMBNAIL"),
        segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0SECRET-GPS"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0SECRET-XMP"),
        segment(0xE2, b"FPXR\0SECRET-MAKER"),
        segment(0xED, b"Ducky SECRET-MAKER"),
        segment(0xFE, b"SECRET-COMMENT"),
    ]
    return content[:2] + b"".join(told) + content[2:] + b"SECRET-TRAILER" * 100


def telling_png(picture: Image.Image | None = None, **options: Any) -> bytes:
    """Return a PNG with all that must stay home."""
    content = encoded(picture or gradient(), "PNG", **options)
    head, rest = content[:33], content[33:]
    told = [
        chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0SECRET-GPS"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0SECRET-XMP"),
        chunk(b"tEXt", b"Comment\0SECRET-COMMENT"),
        chunk(b"tIME", b"\x07\xea\x0b\x15\x01\x01\x01"),
        chunk(b"prVt", b"SECRET-MAKER"),
    ]
    return head + b"".join(told) + rest + b"SECRET-TRAILER" * 100


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that says it is huge."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def tiff(*pages: dict[str, Any], order: str = "<", start: bytes = b"") -> bytes:
    """Return a TIFF, byte by byte: each page as `page` makes it; `start` goes after the first eight bytes."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    content = bytearray(head + bytes(4) + start)
    pointer = 4
    for each in pages:
        place = _add_page(content, each, order)
        content[pointer : pointer + 4] = struct.pack(f"{order}I", place)
        pointer = len(content) - 4
    return bytes(content)


def page(  # noqa: PLR0913 - what a page has
    picture: Image.Image | None = None,
    *,
    bits: int = 8,
    kind: int | None = None,
    old_kind: int | None = None,
    colours: int | None = None,
    packed: int = 1,
    bands: int | None = None,
    form: int = 1,
    within: tuple[dict[str, Any], ...] | int = (),
    **numbers: bytes,
) -> dict[str, Any]:
    """Return a page for `tiff`, of a picture in L or RGB; `within` are the pages in it, or how many there should be."""
    picture = picture or gradient(60, 40)
    count = bands or len(picture.getbands())
    size = picture.width * picture.height * count * bits // 8
    tags: dict[int, tuple[int, tuple[int, ...] | bytes]] = {
        254: (4, (kind,)) if kind is not None else (4, ()),
        255: (3, (old_kind,)) if old_kind is not None else (3, ()),
        256: (4, (picture.width,)), 257: (4, (picture.height,)), 258: (3, (bits,) * count), 259: (3, (packed,)),
        262: (3, ((2 if picture.mode == "RGB" else 1) if colours is None else colours,)),
        277: (3, (count,)), 278: (4, (picture.height,)), 339: (3, (form,) * count),
        **({271: (2, numbers["make"])} if "make" in numbers else {}),
        **({50706: (1, numbers["dng"])} if "dng" in numbers else {}),
    }  # fmt: skip
    return {"tags": tags, "pixels": picture.tobytes().ljust(size, b"\x55")[:size], "within": within}


def _add_page(content: bytearray, each: dict[str, Any], order: str) -> int:
    """Add a page and those within it to a file; return where it is told of."""
    within = each["within"]
    places = (7,) * within if isinstance(within, int) else tuple(_add_page(content, one, order) for one in within)
    pixels, tags = each["pixels"], dict(each["tags"])
    tags |= {273: (4, (len(content),)), 279: (4, (len(pixels),)), **({330: (4, places)} if places else {})}
    content += pixels
    entries = bytearray()
    for tag, (form, values) in sorted(tags.items()):
        if not values:
            continue
        value = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{'HI'[form == 4]}", *values)
        if len(value) > 4:
            entries += struct.pack(f"{order}HHII", tag, form, len(values), len(content))
            content += value
        else:
            entries += struct.pack(f"{order}HHI", tag, form, len(values)) + value.ljust(4, b"\0")
    place = len(content)
    content += struct.pack(f"{order}H", len(entries) // 12) + entries + bytes(4)
    return place
