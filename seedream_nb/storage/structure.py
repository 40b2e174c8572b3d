"""The structure of picture files: whether one is complete, and how to make Pillow read one that it would reject.

Pillow takes a PNG with a text or a colour profile of more than 1 MB for damaged, and also a JPEG that lacks only its
end marker. Such a file is repaired on its way to Pillow; on disk it stays as it is.
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
_COMPRESSED = _TEXTS | {b"iCCP"}
MAX_TEXT, _MAX_TEXTS = 1 << 20, 32 << 20
"""Bytes of a text or colour profile in a PNG that Pillow accepts, decompressed, and of all of them together."""
_MAX_DECOMPRESSED = 16 << 20

Span: TypeAlias = "tuple[int, int] | bytes"
"""A range of a file; or bytes to insert instead."""


class SplicedFile(io.RawIOBase):
    """A file composed of ranges of another and of bytes between them; nothing is copied."""

    def __init__(self, stream: BinaryIO, spans: Sequence[Span]) -> None:
        """Read these spans of the stream in order; closing this leaves the stream open."""
        self._stream = stream
        self._spans = [(span, len(span) if isinstance(span, bytes) else span[1] - span[0]) for span in spans]
        self._size = sum(size for _, size in self._spans)
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: object) -> int:
        """Fill a buffer with the next bytes of one span; return their number."""
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

    def _piece(self, span: Span, offset: int, size: int) -> bytes:
        if isinstance(span, bytes):
            return span[offset : offset + size]
        self._stream.seek(span[0] + offset)
        return self._stream.read(size)


def splice(stream: BinaryIO, *spans: Span) -> BinaryIO:
    """Return a file composed of these spans of a stream."""
    return cast("BinaryIO", io.BufferedReader(SplicedFile(stream, spans)))


def open_image(stream: BinaryIO, open_file: Callable[[BinaryIO], ImageFile.ImageFile]) -> ImageFile.ImageFile:
    """Open a file with Pillow, repaired if Pillow would reject it though it is complete; `fp` is what was read."""
    stream.seek(0)
    start = stream.read(len(_PNG_START))
    view, profile = stream, None
    if start == _PNG_START:
        view, profile = _readable_png(stream)
    elif start.startswith(_JPEG_START) and _lacks_end(stream):
        view = _with_end(stream)
    view.seek(0)
    image = open_file(view)
    if profile is not None:
        image.info["icc_profile"] = profile
    return image


# -- JPEG ----------------------------------------------------------------------------------------------


def is_complete_jpeg(file: BinaryIO) -> bool:
    """Find the end marker after the first scan (an embedded preview has its own before it)."""
    end = file.seek(0, os.SEEK_END)
    scan = _first_scan(file, end)
    if scan is None:
        return False
    while end > scan:
        begin = max(scan, end - _PIECE_BYTES)
        file.seek(begin)
        if _JPEG_END in file.read(end - begin + 1):  # one more: the marker may be split between two pieces
            return True
        end = begin
    return False


def _lacks_end(file: BinaryIO) -> bool:
    """Return whether a JPEG has a scan but no end marker after it."""
    return _first_scan(file, file.seek(0, os.SEEK_END)) is not None and not is_complete_jpeg(file)


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
    """Return the position of the last of the fill bytes that begin at `position`."""
    file.seek(position)
    while piece := file.read(_PIECE_BYTES):
        kept = piece.lstrip(b"\xff")
        position += len(piece) - len(kept)
        if kept:
            break
    return position - 1


def _with_end(stream: BinaryIO) -> BinaryIO:
    """Return a JPEG with an end marker if it lacks nothing else, else as it is.

    The decoder fills up with grey what is missing before the end, without saying so. So noise is put there: it is
    visible exactly if some of the picture is missing.
    """
    end = stream.seek(0, os.SEEK_END)
    stream.seek(end - 1)
    end -= stream.read(1) == b"\xff"  # the first half of the marker
    ended = splice(stream, (0, end), _JPEG_END)
    try:
        shown = _pixel_hash(ended)
        is_complete = all(_pixel_hash(splice(stream, (0, end), _noise(seed), _JPEG_END)) == shown for seed in _SEEDS)
    except Exception:  # noqa: BLE001 - Pillow's plugins raise anything for a strange file
        return stream
    return ended if is_complete else stream


def _noise(seed: int) -> bytes:
    """Return random bytes, the same each time, that include all the restart markers of a decoder.

    A complete picture is not changed by them: if they make a difference, some of the picture is missing.
    """
    import random

    pieces = random.Random(seed).randbytes(8_000).split(b"\xff")
    return b"".join(piece + bytes((0xFF, 0xD0 + number % 8)) for number, piece in enumerate(pieces))


def _pixel_hash(stream: BinaryIO) -> bytes:
    """Return a hash of a JPEG's pixels."""
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
    """A chunk of a PNG: its kind, and its position with head and checksum."""

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
    """Return whether a PNG has any pixels; one that is cut off counts as having some."""
    kinds = [chunk.kind for chunk in chunks(file)]
    return b"IDAT" in kinds or kinds[-1:] != [b"IEND"]


def is_complete_png(file: BinaryIO) -> bool:
    """Return whether a PNG has pixels and an end; raises ValueError if a checksum is wrong."""
    kinds = set()
    for chunk in chunks(file):
        file.seek(chunk.begin + 4)
        checked = zlib.crc32(file.read(chunk.end - chunk.begin - 8))
        if checked != int.from_bytes(file.read(4), "big"):
            raise ValueError("a damaged image/png")
        kinds.add(chunk.kind)
    return {b"IDAT", b"IEND"} <= kinds


def _readable_png(stream: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """Return a PNG without the texts that are too large for Pillow, and its profile if that is too large."""
    left_out, profile, texts = [], None, 0
    for chunk in chunks(stream):
        if chunk.kind not in _COMPRESSED:
            continue
        content = _decompressed(stream, chunk)
        texts += len(content) if chunk.kind in _TEXTS else 0
        if len(content) > MAX_TEXT or (chunk.kind in _TEXTS and texts > _MAX_TEXTS):
            left_out.append(chunk)
            profile = profile if chunk.kind in _TEXTS else content
    if not left_out:
        return stream, None
    ends = [0, *(chunk.end for chunk in left_out)]
    begins = [*(chunk.begin for chunk in left_out), stream.seek(0, os.SEEK_END)]
    return splice(stream, *((end, begin) for end, begin in zip(ends, begins, strict=True) if begin > end)), profile


def _decompressed(stream: BinaryIO, chunk: PngChunk) -> bytes:
    """Return the text or profile in a chunk; of an absurdly large one, only the beginning."""
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
        return zlib.decompressobj().decompress(content, _MAX_DECOMPRESSED)
    return b""
