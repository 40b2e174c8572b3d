"""Of what blocks a picture's file is built, by name and size; nothing of what stands in them."""

from __future__ import annotations

import itertools
import re
import struct
from typing import TYPE_CHECKING, TypeAlias

from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Part: TypeAlias = tuple[str, int, int]
"""A block's name, and where it begins and ends."""
MAX_BLOCKS = 60
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_NAMED = (
    (0xE0, b"JFIF\0", "JFIF"), (0xE1, b"Exif\0", "Exif"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0", "XMP"),
    (0xE1, b"http://ns.adobe.com/xmp/extension/\0", "XMP, continued"), (0xE2, b"ICC_PROFILE\0", "colour profile"),
    (0xE2, b"MPF\0", "several pictures"), (0xEB, b"JP", "JUMBF"), (0xED, b"Photoshop 3.0\0", "Photoshop, IPTC"),
    (0xEE, b"Adobe", "Adobe"),
)  # fmt: skip
_MARKERS = {
    0xC4: "DHT", 0xDA: "SOS", 0xDB: "DQT", 0xDD: "DRI", 0xFE: "COM (a comment)",
    **{0xC0 + number: f"SOF{number}" for number in (0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15)},
    **{0xE0 + number: f"APP{number}" for number in range(16)},
}  # fmt: skip
_CHUNK = re.compile(rb"[A-Za-z]{4}")
_PNG_START = b"\x89PNG\r\n\x1a\n"
_BY_MODEL = re.compile(rb"trainedAlgorithmicMedia|compositeWithTrainedAlgorithmicMedia|AIGC")
_NO_PICTURE_DATA = re.compile(r"APP|COM|tEXt|iTXt|zTXt|eXIf|caBX|XMP|EXIF|C2PA")


@frozen
class Block:
    """A part of a file: how its format calls it, and how large it is."""

    name: str
    size_bytes: int
    number: int = 1
    """How many of them stand in a row."""

    def __str__(self) -> str:
        """Read as one line."""
        times = f" × {self.number}" if self.number > 1 else ""
        return f"{self.name}{times}, {self.size_bytes:,} bytes"


@frozen
class FileFacts:
    """What is told of a picture's file."""

    kind: str
    blocks: Sequence[Block]
    behind: int
    """Bytes behind the picture's end."""
    has_c2pa: bool
    has_xmp: bool
    has_exif: bool
    names_model: bool
    """Whether its metadata say, in one of the usual words, that a model made it."""


def file_facts(content: bytes) -> FileFacts:
    """Return what the file of a picture is built of."""
    kind, walk = _walk_of(content)
    parts, end = list[Part](), 0
    for name, start, end in itertools.islice(walk(content), 10_000):
        parts.append((name, start, end))
    metadata = b"".join(content[start:end] for name, start, end in parts if _NO_PICTURE_DATA.match(name))
    names = " ".join(name for name, _, _ in parts)
    return FileFacts(
        kind=kind,
        blocks=_together(parts)[:MAX_BLOCKS],
        behind=len(content) - end if parts else 0,
        has_c2pa=b"c2pa" in metadata or "C2PA" in names,
        has_xmp="XMP" in names or b"XML:com.adobe.xmp" in metadata,
        has_exif="exif" in names.lower(),
        names_model=_BY_MODEL.search(metadata) is not None,
    )


def _walk_of(content: bytes) -> tuple[str, Callable[[bytes], Iterator[Part]]]:
    """Return the name of a file's format, and what walks over its blocks."""
    if content.startswith(b"\xff\xd8"):
        return "JPEG", _jpeg
    if content.startswith(_PNG_START):
        return "PNG", _png
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WebP", _webp
    return "another", _nothing


def _nothing(_content: bytes) -> Iterator[Part]:
    return iter(())


def _together(parts: Sequence[Part]) -> list[Block]:
    """Return the blocks; those of one name that stand in a row are one."""
    blocks = []
    for name, row in itertools.groupby(parts, key=lambda part: part[0]):
        sizes = [end - start for _, start, end in row]
        blocks.append(Block(name=name, size_bytes=sum(sizes), number=len(sizes)))
    return blocks


def _jpeg(content: bytes) -> Iterator[Part]:
    """Yield each segment with where it begins and ends; a scan goes with the pixels behind it."""
    at = 2
    while (found := _MARKER.search(content, at)) is not None:
        start, marker = found.start(), content[found.start() + 1]
        if marker == 0xD9:  # noqa: PLR2004 - EOI
            yield "EOI", start, start + 2
            return
        if len(content) < start + 4:
            return
        end = start + 2 + struct.unpack_from(">H", content, start + 2)[0]
        if marker == 0xDA:  # noqa: PLR2004 - SOS
            following = _MARKER.search(content, end)
            end = len(content) if following is None else following.start()
        yield _segment(marker, content[start + 4 : start + 44], content[start:end]), start, min(end, len(content))
        at = end


def _segment(marker: int, start: bytes, whole: bytes) -> str:
    name = _MARKERS.get(marker, f"marker {marker:02X}")
    known = next((told for each, begun, told in _NAMED if marker == each and start.startswith(begun)), None)
    if known == "JUMBF" and b"c2pa" in whole:
        known = "JUMBF, C2PA"
    return f"{name} ({known})" if known else name


def _png(content: bytes) -> Iterator[Part]:
    at = len(_PNG_START)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content) or not _CHUNK.fullmatch(kind):
            return
        yield {b"caBX": "caBX (C2PA)"}.get(kind, kind.decode()), at, end
        if kind == b"IEND":
            return
        at = end


def _webp(content: bytes) -> Iterator[Part]:
    at = 12
    while at + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        end = at + 8 + length + length % 2
        if end > len(content) + 1:
            return
        yield kind.decode("latin-1").strip() if kind.strip().isalnum() else "?", at, min(end, len(content))
        at = end
