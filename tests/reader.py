"""Reads JPEG and PNG files by their specifications, with nothing that the package or Pillow has a part in."""

from __future__ import annotations

import math
import re
import struct
import zlib

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KEPT_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"tRNS"}
KEPT_APPLICATIONS = {0xE0, 0xE2, 0xEE}
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7]")
"""What ends a scan: neither a byte of it nor one of the markers that stand within."""

FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def size_of(content: bytes) -> tuple[int, int]:
    """Return width and height of a whole file; fails if it has anything that should not be in it, or lacks its end."""
    return size_of_png(content) if content.startswith(b"\x89PNG") else size_of_jpeg(content)


def size_of_png(content: bytes) -> tuple[int, int]:
    """Check each chunk, and that the pixels are all there."""
    place, kind, chunks = 8, b"", dict[bytes, bytes]()
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, place + 8 + length)
        assert checksum == zlib.crc32(kind + body)
        assert kind in KEPT_CHUNKS
        chunks[kind] = chunks.get(kind, b"") + body
        place += 12 + length
    assert place == len(content)
    width, height, bits, colours, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    pixels = zlib.decompress(chunks[b"IDAT"])
    assert interlaced or len(pixels) == height * (1 + math.ceil(width * bits * CHANNELS[colours] / 8))
    return width, height


def size_of_jpeg(content: bytes) -> tuple[int, int]:
    """Check each segment up to the end of the picture, which is the end of the file."""
    assert content[:2] == b"\xff\xd8"
    place, size = 2, (0, 0)
    while (marker := content[place + 1]) != 0xD9:
        assert content[place] == 0xFF
        assert marker in KEPT_APPLICATIONS or not 0xE0 <= marker <= 0xFE
        (length,) = struct.unpack_from(">H", content, place + 2)
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            size = (width, height)
        place += 2 + length
        if marker == 0xDA:
            found = MARKER.search(content, place)
            assert found
            place = found.start()
    assert place + 2 == len(content)
    return size
