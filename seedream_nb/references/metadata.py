"""Removes private metadata (where and with what a picture was taken), without touching the picture itself.

An allow-list: what is needed for decoding and colours is kept; EXIF, XMP, comments, thumbnails and whatever follows
the picture's end are dropped. Files are read in pieces of at most 1 MiB.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from functools import cached_property
from typing import BinaryIO, Protocol

from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern

PIECE_BYTES = 1 << 20

_MARKER_START, _SOI, _EOI, _SOS = 0xFF, 0xD8, 0xD9, 0xDA
_TABLES = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC8}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_NAMED = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""Application segments that are kept, by the name that they begin with."""

_EXIF = 0xE1, b"Exif\0\0"
_MARKER = lazy_pattern(rb"\xff[^\x00\xd0-\xd7\xff]")

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"tRNS"})
_CHUNK_HEAD, _MAX_CHUNK = 8, (1 << 31) - 1
_MAX_EXIF = 1 << 20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""The number of values per pixel of a PNG, by its colour type."""
_PASSES = (
    ((0, 0, 1, 1),),
    ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""Origin and steps of each pass over the picture: one, or the seven of an interlaced PNG."""


class Writer(Protocol):
    """Where the kept data goes."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Write all of it."""


class Damaged(ValueError):
    """The file's structure is broken; the text says how, to follow the reference's name."""


class Hollow(Damaged):
    """The file's structure is fine, but its pixels, or some of them, are missing."""


@frozen
class Stripped:
    """The outcome: how much was read and kept, and what is worth knowing about the rest."""

    read_bytes: int
    kept_bytes: int
    exif: bytes | None
    animated: bool


def strip(source: BinaryIO, target: Writer, media_type: str) -> Stripped:
    """Copy a file of one of the types of `WALKS` without private metadata; the source is read to its end.

    Raises:
        Damaged: the file is cut off or broken; what was written so far is useless.
    """
    pipe = _Pipe(source, target)
    WALKS[media_type](pipe)
    pipe.drop_rest()
    return Stripped(
        read_bytes=pipe.read_bytes,
        kept_bytes=pipe.kept_bytes,
        exif=pipe.exif,
        animated=pipe.animated,
    )


def kept_bytes(source: BinaryIO) -> int:
    """Return how many bytes of a PNG file would be kept; only the heads of its chunks are read."""
    source.seek(0)
    kept = len(source.read(len(_PNG_SIGNATURE)))
    while len(head := source.read(_CHUNK_HEAD)) == _CHUNK_HEAD and head[4:] != b"IEND":
        size = int.from_bytes(head[:4]) + 4
        kept += len(head) + size if head[4:] in _KEPT_CHUNKS else 0
        source.seek(size, io.SEEK_CUR)
    return kept


class _Pipe:
    """Reads ahead in pieces; each byte is then kept or dropped."""

    def __init__(self, source: BinaryIO, target: Writer) -> None:
        self._source, self._target = source, target
        self._ahead = memoryview(b"")
        self.read_bytes = self.kept_bytes = 0
        self.exif: bytes | None = None
        self.animated = False

    def take(self, size: int) -> bytes:
        """Return exactly the next `size` bytes."""
        taken = bytearray()
        while len(taken) < size:
            taken += self.piece(size - len(taken))
        return bytes(taken)

    def piece(self, size: int = PIECE_BYTES) -> memoryview:
        """Return the next bytes: at least one, at most `size`."""
        if not self._ahead and not self._read():
            raise Damaged("is cut off: use a complete copy")
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return piece

    def give_back(self, piece: memoryview) -> None:
        """Put back bytes that were read too early."""
        self._ahead = memoryview(bytes(piece) + bytes(self._ahead))

    def keep(self, data: bytes | memoryview) -> None:
        self._target.write(data)
        self.kept_bytes += len(data)

    def drop(self, size: int) -> None:
        while size:
            size -= len(self.piece(size))

    def drop_rest(self) -> None:
        while self._read():
            pass

    def _read(self) -> bool:
        data = self._source.read(PIECE_BYTES)
        self.read_bytes += len(data)
        self._ahead = memoryview(data)
        return bool(data)


def _walk_jpeg(pipe: _Pipe) -> None:
    """Keep the segments that are needed for decoding, up to the picture's end."""
    if pipe.take(2) != bytes((0xFF, _SOI)):
        raise Damaged("is not a JPEG file")
    pipe.keep(bytes((0xFF, _SOI)))
    has_pixels = False
    while (marker := _marker(pipe)) != _EOI:
        if marker in _ALONE:
            continue
        _segment(pipe, marker)
        if marker == _SOS:
            has_pixels |= _keep_scan(pipe)
    if not has_pixels:
        raise Hollow("is damaged (there is no picture in it): use another copy")
    pipe.keep(bytes((0xFF, _EOI)))


def _marker(pipe: _Pipe) -> int:
    """Return the next marker; any number of 0xFF may precede it."""
    if pipe.take(1) != b"\xff":
        raise Damaged("is damaged between its parts")
    while (marker := pipe.take(1)[0]) == _MARKER_START:
        pass
    return marker


def _segment(pipe: _Pipe, marker: int) -> None:
    """Keep or drop one segment."""
    length = pipe.take(2)
    size = int.from_bytes(length) - 2
    if size < 0:
        raise Damaged("is damaged: a part of it has no length")
    body = pipe.take(size)
    named = _NAMED.get(marker)
    if marker in _TABLES or marker in _FRAMES or (named and body.startswith(named)):
        pipe.keep(bytes((0xFF, marker)) + length + body)
    elif (marker, body[:6]) == _EXIF and pipe.exif is None:
        pipe.exif = body


def _keep_scan(pipe: _Pipe) -> bool:
    """Keep the compressed data up to the next marker, which is left unread; return whether there is any."""
    begin = pipe.kept_bytes
    while True:
        piece = pipe.piece()
        marker = _MARKER.search(piece)
        if marker:
            pipe.keep(piece[: marker.start()])
            pipe.give_back(piece[marker.start() :])
            return pipe.kept_bytes > begin
        # A marker may be split between two pieces.
        split = len(piece) - 1 if piece[-1] == _MARKER_START else len(piece)
        pipe.keep(piece[:split])
        if split < len(piece):
            pipe.give_back(memoryview(bytes(piece[split:]) + bytes(pipe.piece(PIECE_BYTES))))


def _walk_png(pipe: _Pipe) -> None:
    """Keep the chunks that are needed for decoding and colours, up to the picture's end."""
    if pipe.take(8) != _PNG_SIGNATURE:
        raise Damaged("is not a PNG file")
    pipe.keep(_PNG_SIGNATURE)
    kind, pixels = b"", _Pixels()
    while kind != b"IEND":
        head = pipe.take(8)
        size, kind = int.from_bytes(head[:4]), head[4:]
        if size > _MAX_CHUNK:
            raise Damaged("is damaged: a part of it has an impossible length")
        if kind in _KEPT_CHUNKS:
            _keep_chunk(pipe, head, size, pixels)
        elif kind == b"eXIf" and size <= _MAX_EXIF:
            pipe.exif = pipe.take(size)
            pipe.drop(4)
        else:
            pipe.animated |= kind == b"acTL"
            pipe.drop(size + 4)
    if not pixels.are_complete:
        raise Hollow("is damaged (a part of its picture is missing): use another copy")


def _keep_chunk(pipe: _Pipe, head: bytes, size: int, pixels: _Pixels) -> None:
    """Keep one chunk if its checksum is right."""
    pipe.keep(head)
    checksum = zlib.crc32(head[4:])
    while size:
        piece = pipe.piece(min(size, PIECE_BYTES))
        checksum = zlib.crc32(piece, checksum)
        pixels.count(head[4:], piece)
        pipe.keep(piece)
        size -= len(piece)
    written = pipe.take(4)
    if int.from_bytes(written) != checksum:
        raise Damaged("is damaged: a checksum in it is wrong")
    pipe.keep(written)


class _Pixels:
    """Counts the pixels of a PNG as they pass: they may be missing although its structure is fine."""

    def __init__(self) -> None:
        self._inflating = zlib.decompressobj()
        self._header = b""
        self._found = 0

    def count(self, kind: bytes, piece: memoryview) -> None:
        """Count a piece of a chunk."""
        if kind == b"IHDR":
            self._header += piece
        elif kind == b"IDAT":
            compressed: memoryview | bytes = piece
            while compressed and not self.are_complete:
                try:
                    self._found += len(self._inflating.decompress(compressed, PIECE_BYTES))
                except zlib.error as error:
                    raise Damaged("is damaged: its pixels can't be decompressed") from error
                compressed = self._inflating.unconsumed_tail

    @cached_property
    def _expected(self) -> int:
        return _unpacked_bytes(self._header)

    @property
    def are_complete(self) -> bool:
        """Whether there are as many as the header declares."""
        return 0 < self._expected <= self._found


def _unpacked_bytes(header: bytes) -> int:
    """Return the decompressed size of a PNG's rows, each with its filter byte."""
    try:
        width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    except struct.error as error:
        raise Damaged("is damaged: its header is broken") from error
    bits = depth * _CHANNELS.get(colours, 1)
    shapes = [(-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in _PASSES[interlaced == 1]]
    return sum(down * (1 + -(-across * bits // 8)) for across, down in shapes if across > 0 and down > 0)


_RIFF_HEAD, _FLAGS, _TELLING_FLAGS = 12, 0, 0x0C
"""A WebP's outer head, the place of its flags, and those of EXIF and XMP."""
_WEBP_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP"})
_MAX_WHOLE = 1 << 26
"""A file that is rearranged is held in memory; models take far smaller ones."""


def _walk_webp(pipe: _Pipe) -> None:
    """Keep the chunks that are needed for decoding and colours; the head says how long they are together."""
    head = pipe.take(_RIFF_HEAD)
    left = int.from_bytes(head[4:8], "little") - 4
    if head[:4] + head[8:] != b"RIFFWEBP" or left > _MAX_WHOLE:
        raise Damaged("is not a WebP file")
    kept = bytearray()
    while left >= _CHUNK_HEAD:
        chunk = pipe.take(8)
        size = int.from_bytes(chunk[4:], "little")
        padded = size + size % 2
        left -= 8 + padded
        if left < 0:
            raise Damaged("is damaged: a part of it is longer than the whole")
        body = bytearray(pipe.take(padded))
        if chunk[:4] == b"VP8X" and size:
            body[_FLAGS] &= ~_TELLING_FLAGS
        elif chunk[:4] == b"EXIF":
            pipe.exif = b"Exif\0\0" + body[:size].removeprefix(b"Exif\0\0")
        elif chunk[:4] in {b"ANIM", b"ANMF"}:
            raise Damaged("is animated")
        if chunk[:4] in _WEBP_CHUNKS:
            kept += chunk + body
    pipe.keep(b"RIFF" + (len(kept) + 4).to_bytes(4, "little") + b"WEBP" + kept)


_BMP_HEADS, _BMP_PALETTE = 14 + 40, 4 * 256 + 12
"""The bytes of the two usual heads, and the most of what may stand between them and the pixels."""


def _walk_bmp(pipe: _Pipe) -> None:
    """Keep as many bytes as the head declares; later kinds of heads may name a file on this machine."""
    head = pipe.take(_BMP_HEADS)
    size, start, own = struct.unpack("<2xI4xII", head[:18])
    usual = head[:2] == b"BM" and own == _BMP_HEADS - 14 and _BMP_HEADS <= start <= _BMP_HEADS + _BMP_PALETTE
    if not usual or not start < size <= _MAX_WHOLE:
        raise Damaged("is not a usual BMP file")
    pipe.keep(head)
    left = size - len(head)
    while left:
        piece = pipe.piece(min(left, PIECE_BYTES))
        pipe.keep(piece)
        left -= len(piece)


_GIF_PICTURE, _GIF_EXTENSION, _GIF_END, _GIF_CONTROL = b",", b"!", b";", b"\xf9"


def _walk_gif(pipe: _Pipe) -> None:
    """Keep the one picture and what makes a colour of it transparent; comments and other programs' data go."""
    head = pipe.take(13)
    if head[:6] not in {b"GIF87a", b"GIF89a"}:
        raise Damaged("is not a GIF file")
    pipe.keep(head + pipe.take(_gif_colours(head[10])))
    has_picture = False
    while (kind := pipe.take(1)) != _GIF_END:
        if kind == _GIF_PICTURE and not has_picture:
            place = pipe.take(9)
            pipe.keep(kind + place + pipe.take(_gif_colours(place[8])) + pipe.take(1))
            _gif_blocks(pipe, keep=True)
            has_picture = True
        elif kind == _GIF_EXTENSION:
            label = pipe.take(1)
            if label == _GIF_CONTROL and not has_picture:
                pipe.keep(kind + label)
            _gif_blocks(pipe, keep=label == _GIF_CONTROL and not has_picture)
        else:
            raise Damaged("is animated" if kind == _GIF_PICTURE else "is damaged between its parts")
    if not has_picture:
        raise Hollow("is damaged (there is no picture in it): use another copy")
    pipe.keep(_GIF_END)


def _gif_colours(flags: int) -> int:
    """Return the bytes of a table of colours, by the flags before it."""
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


def _gif_blocks(pipe: _Pipe, *, keep: bool) -> None:
    """Keep or drop blocks of data, up to the empty one that ends them."""
    while True:
        size = pipe.take(1)
        block = size + pipe.take(size[0])
        if keep:
            pipe.keep(block)
        if not size[0]:
            return


_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_TAGS = frozenset({
    254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 320, 322, 323, 324, 325, 338,
    339, 347, 530, 531, 532,
})  # fmt: skip
"""What is needed for decoding. Anything else may tell something, so a TIFF with more is encoded again."""
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_LENGTHS = (279, 325)
_TIFF_UPRIGHT, _TIFF_SLACK = 274, 64
"""The tag of the orientation; and so many bytes may belong to nothing, for parts begin at even places."""


def _walk_tiff(pipe: _Pipe) -> None:
    """Keep the whole file if it is one upright picture with nothing besides."""
    content = bytearray()
    with contextlib.suppress(Damaged):  # the end
        while len(content) <= _MAX_WHOLE:
            content += pipe.piece()
    try:
        plain = len(content) <= _MAX_WHOLE and _holds_only_a_picture(bytes(content))
    except (struct.error, LookupError):
        plain = False
    if not plain:
        raise Damaged("holds more than a picture")
    pipe.keep(bytes(content))


def _holds_only_a_picture(content: bytes) -> bool:
    """Return whether a TIFF has one page, only tags for decoding, and no room for anything else."""
    order = _TIFF_ORDERS[content[:4]]
    (start,) = struct.unpack(f"{order}I", content[4:8])
    (count,) = struct.unpack_from(f"{order}H", content, start)
    used, numbers = 8 + 2 + 12 * count + 4, dict[int, tuple[int, ...]]()
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, many = struct.unpack_from(f"{order}HHI", content, at)
        size = many * _TIFF_BYTES[kind]
        place = at + 8 if size <= 4 else struct.unpack_from(f"{order}I", content, at + 8)[0]  # noqa: PLR2004 - its field
        used += size if size > 4 else 0  # noqa: PLR2004 - as above
        if tag not in _TIFF_TAGS:
            return False
        if kind in {3, 4} and size <= len(content):
            numbers[tag] = struct.unpack_from(f"{order}{many}{'H' if _TIFF_BYTES[kind] == 2 else 'I'}", content, place)  # noqa: PLR2004 - bytes
    (following,) = struct.unpack_from(f"{order}I", content, start + 2 + 12 * count)
    used += sum(sum(numbers.get(tag, ())) for tag in _TIFF_LENGTHS)
    is_upright = numbers.get(_TIFF_UPRIGHT, (1,)) == (1,)
    return not following and is_upright and 0 <= len(content) - used <= _TIFF_SLACK


WALKS = {
    "image/jpeg": _walk_jpeg,
    "image/png": _walk_png,
    "image/webp": _walk_webp,
    "image/bmp": _walk_bmp,
    "image/gif": _walk_gif,
    "image/tiff": _walk_tiff,
}
"""Files of which it is known what in them tells more than the picture; no other goes as it is."""
