"""How the files of pictures are built: whether one is whole, and how Pillow reads a whole one that it would refuse.

Pillow takes a PNG with more than 1 MB in one of its texts, or in its colour profile, for damaged, and a JPEG that lacks
nothing but its end. Such a file is mended on its way to Pillow; on disk it stays as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL import ImageFile

_PIECE_BYTES = 1 << 20
_BAND_ROWS = 256

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


_SEEDS = (1, 2)

_PNG_START = b"\x89PNG\r\n\x1a\n"
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PACKED = _TEXTS | {b"iCCP"}
MAX_TEXT, _MAX_TEXTS = 1 << 20, 32 << 20
"""Bytes of a text or a colour profile in a PNG that Pillow takes, once it is unpacked, and of all of them together."""
_MAX_UNPACKED = 16 << 20

Span: TypeAlias = "tuple[int, int] | bytes"
"""A part of a file, from one place to another; or bytes that stand there instead."""


class SplicedFile(io.RawIOBase):
    """A file put together of parts of another and of bytes between them; nothing is copied."""

    def __init__(self, stream: BinaryIO, spans: Sequence[Span]) -> None:
        """Read these spans of the stream, one after the other; it stays open when this is closed."""
        self._stream = stream
        self._spans = [(span, len(span) if isinstance(span, bytes) else span[1] - span[0]) for span in spans]
        self._size = sum(size for _, size in self._spans)
        self._place = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from any place."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: object) -> int:
        """Fill a buffer with what follows in one span; return how much that was."""
        room = memoryview(cast("bytearray", buffer)).cast("B")
        begin = 0
        for span, size in self._spans:
            if begin <= self._place < begin + size:
                piece = self._piece(span, self._place - begin, min(len(room), begin + size - self._place))
                room[: len(piece)] = piece
                self._place += len(piece)
                return len(piece)
            begin += size
        return 0

    def _piece(self, span: Span, offset: int, most: int) -> bytes:
        if isinstance(span, bytes):
            return span[offset : offset + most]
        self._stream.seek(span[0] + offset)
        return self._stream.read(most)


def spliced(stream: BinaryIO, *spans: Span) -> BinaryIO:
    """Return a file of these spans of a stream."""
    return cast("BinaryIO", io.BufferedReader(SplicedFile(stream, spans)))


def opened(stream: BinaryIO, open_file: Callable[[BinaryIO], ImageFile.ImageFile]) -> ImageFile.ImageFile:
    """Return what Pillow makes of a file, mended where it would refuse a whole one; its `fp` is what was read."""
    stream.seek(0)
    start = stream.read(len(_PNG_START))
    view, profile = stream, None
    if start == _PNG_START:
        view, profile = _readable_png(stream)
    elif start.startswith(_JPEG_START) and _lacks_its_end(stream):
        view = _ended(stream)
    view.seek(0)
    image = open_file(view)
    if profile is not None:
        image.info["icc_profile"] = profile
    return image


# -- JPEG ----------------------------------------------------------------------------------------------


def is_whole_jpeg(file: BinaryIO) -> bool:
    """Find the end marker behind the first scan (an embedded preview has one of its own, before it)."""
    end = file.seek(0, os.SEEK_END)
    scan = _first_scan(file, end)
    if scan is None:
        return False
    while end > scan:
        begin = max(scan, end - _PIECE_BYTES)
        file.seek(begin)
        if _JPEG_END in file.read(end - begin + 1):  # one more: the marker may lie across two pieces
            return True
        end = begin
    return False


def _lacks_its_end(file: BinaryIO) -> bool:
    """Return whether a JPEG has a scan, and no end marker behind it."""
    return _first_scan(file, file.seek(0, os.SEEK_END)) is not None and not is_whole_jpeg(file)


def _first_scan(file: BinaryIO, size_bytes: int) -> int | None:
    """Walk over a JPEG's segments to where its pixels begin."""
    position = 2
    while position + 4 <= size_bytes:
        file.seek(position)
        segment = file.read(4)
        if segment.startswith(_JPEG_SCAN):
            return position
        if segment.startswith(b"\xff\xff"):  # fill bytes
            position = _last_of_fill(file, position)
        elif segment.startswith(b"\xff"):
            position += 2 + int.from_bytes(segment[2:], "big")
        else:
            return None
    return None


def _last_of_fill(file: BinaryIO, position: int) -> int:
    """Return where the last of some fill bytes is, of which the first is at a place."""
    file.seek(position)
    while piece := file.read(_PIECE_BYTES):
        kept = piece.lstrip(b"\xff")
        position += len(piece) - len(kept)
        if kept:
            break
    return position - 1


def _ended(stream: BinaryIO) -> BinaryIO:
    """Return a JPEG with its end if it lacks nothing else, else as it is.

    The decoder fills up with grey what is missing before an end, and does not say so. So noise is put there: it shows
    in the picture exactly if some of that was still to come.
    """
    end = stream.seek(0, os.SEEK_END)
    stream.seek(end - 1)
    end -= stream.read(1) == b"\xff"  # the first half of the marker
    ended = spliced(stream, (0, end), _JPEG_END)
    try:
        shown = _shown(ended)
        is_complete = all(_shown(spliced(stream, (0, end), _noise(seed), _JPEG_END)) == shown for seed in _SEEDS)
    except Exception:  # noqa: BLE001 - plugins raise whatever a strange file makes them raise
        return stream
    return ended if is_complete else stream


def _noise(seed: int) -> bytes:
    """Return bytes by chance, the same each time, with all the marks in them at which a decoder begins anew.

    No picture has them at its end: where they make a difference there, something of the picture is missing.
    """
    import random

    pieces = random.Random(seed).randbytes(8_000).split(b"\xff")  # noqa: S311 - nothing secret
    return b"".join(piece + bytes((0xFF, 0xD0 + number % 8)) for number, piece in enumerate(pieces))


def _shown(stream: BinaryIO) -> bytes:
    """Return a hash of what a JPEG shows."""
    from PIL.JpegImagePlugin import JpegImageFile

    stream.seek(0)
    image = JpegImageFile(stream)
    image.load()
    content = hashlib.sha256()
    for top in range(0, image.height, _BAND_ROWS):
        content.update(image.crop((0, top, image.width, min(image.height, top + _BAND_ROWS))).tobytes())
    return content.digest()


# -- PNG -----------------------------------------------------------------------------------------------


@frozen
class PngChunk:
    """One part of a PNG: its kind, and where it lies, head and checksum included."""

    kind: bytes
    begin: int
    end: int


def chunks(file: BinaryIO) -> Iterator[PngChunk]:
    """Yield the chunks of a PNG up to its end or to where it is cut off; only their heads are read."""
    size_bytes = file.seek(0, os.SEEK_END)
    position, kind = len(_PNG_START), b""
    while kind != b"IEND" and position + 12 <= size_bytes:
        file.seek(position)
        head = file.read(8)
        kind, end = head[4:], position + 12 + int.from_bytes(head[:4], "big")
        if end > size_bytes:
            return
        yield PngChunk(kind=kind, begin=position, end=end)
        position = end


def has_pixels(file: BinaryIO) -> bool:
    """Return whether there is anything of a picture in a PNG; one that is cut off has what there is."""
    kinds = [chunk.kind for chunk in chunks(file)]
    return b"IDAT" in kinds or kinds[-1:] != [b"IEND"]


def is_whole_png(file: BinaryIO) -> bool:
    """Return whether a PNG has pixels and an end; raises ValueError where a chunk is not what its checksum says."""
    kinds = set()
    for chunk in chunks(file):
        file.seek(chunk.begin + 4)
        checked = zlib.crc32(file.read(chunk.end - chunk.begin - 8))
        if checked != int.from_bytes(file.read(4), "big"):
            raise ValueError("a damaged image/png")
        kinds.add(chunk.kind)
    return {b"IDAT", b"IEND"} <= kinds


def _readable_png(stream: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """Return a PNG without the texts that are too large for Pillow, and its profile where that is."""
    left_out, profile, texts = [], None, 0
    for chunk in chunks(stream):
        if chunk.kind not in _PACKED:
            continue
        content = _unpacked(stream, chunk)
        texts += len(content) if chunk.kind in _TEXTS else 0
        if len(content) > MAX_TEXT or (chunk.kind in _TEXTS and texts > _MAX_TEXTS):
            left_out.append(chunk)
            profile = profile if chunk.kind in _TEXTS else content
    if not left_out:
        return stream, None
    ends = [0, *(chunk.end for chunk in left_out)]
    begins = [*(chunk.begin for chunk in left_out), stream.seek(0, os.SEEK_END)]
    return spliced(stream, *((end, begin) for end, begin in zip(ends, begins, strict=True) if begin > end)), profile


def _unpacked(stream: BinaryIO, chunk: PngChunk) -> bytes:
    """Return the text or profile in a chunk; of one that is larger than any that says something, the beginning."""
    stream.seek(chunk.begin + 8)
    _keyword, _, content = stream.read(chunk.end - chunk.begin - 12).partition(b"\0")
    if chunk.kind == b"tEXt":
        return content
    if chunk.kind == b"iTXt":
        flag, content = content[:1], content[2:].partition(b"\0")[2].partition(b"\0")[2]
        if flag != b"\1":
            return content
    else:
        content = content[1:]
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(content, _MAX_UNPACKED)
    return b""
