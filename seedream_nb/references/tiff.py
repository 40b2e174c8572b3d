"""The pages of a TIFF: which one is its picture, and whether it is a raw photo, whose first page is a preview."""

from __future__ import annotations

import os
import struct
from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING, Any, BinaryIO

from seedream_nb.frozen import frozen
from seedream_nb.storage.structure import splice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MAX_PAGES, _MAX_ENTRIES, _MAX_VALUES = 500, 4_096, 64
_FORMS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
"""How the integer types are packed."""

_KIND, _OLD_KIND = 254, 255
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS = 256, 257, 258, 259, 262
_MAKE, _BANDS, _PAGES_WITHIN, _FORMAT = 271, 277, 330, 339
_RAW_TAGS = frozenset({33421, 33422, 50706})
"""The colour pattern of a sensor, and the version of DNG."""
_RAW_COLOURS = frozenset({32803, 34892})
_RAW_COMPRESSION = frozenset({32767, 32769, 32770, 34713, 65000, 65535})
"""How Sony, Epson, Samsung, Nikon, Kodak and Pentax pack sensor data."""
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
_PREVIEW_SIDE = 320
"""A camera's picture that is no larger than this is the preview of one, wherever that is in the file."""
_FLOAT = 3


@frozen
class Page:
    """One page: its offset, whether it is within another, and its integer tags."""

    offset: int
    is_within: bool
    tags: Mapping[int, Sequence[int]] = field(repr=False)

    def first(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag."""
        return next(iter(self.tags.get(tag, ())), default)

    @property
    def size(self) -> tuple[int, int]:
        """Its width and height."""
        return self.first(_WIDTH), self.first(_HEIGHT)

    @property
    def pixels(self) -> int:
        """The number of its pixels."""
        return self.size[0] * self.size[1]

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller copy of another page, or a mask."""
        return bool(self.first(_KIND) & (_REDUCED | _MASK)) or self.first(_OLD_KIND) == _OLD_REDUCED

    @property
    def is_raw(self) -> bool:
        """Whether it contains sensor data."""
        return (
            not _RAW_TAGS.isdisjoint(self.tags)
            or self.first(_COLOURS) in _RAW_COLOURS
            or self.first(_COMPRESSION) in _RAW_COMPRESSION
        )

    @property
    def is_preview(self) -> bool:
        """Whether it is from a camera, and no larger than a preview."""
        return _MAKE in self.tags and max(self.size) <= _PREVIEW_SIDE

    def kind(self) -> str:
        """Describe its pixels in words."""
        bits = self.first(_BITS, 1)
        bands = self.first(_BANDS, 1)
        sample = f"{bits}-bit floats" if self.first(_FORMAT, 1) == _FLOAT else f"{bits} bits"
        return f"a TIFF with {bands} band{'s' if bands > 1 else ''} of {sample}"


def page_by(tags: Mapping[int, object]) -> Page:
    """Return a page for tags as Pillow has them."""
    listed = {tag: value if isinstance(value, tuple) else (value,) for tag, value in tags.items()}
    numbers = {tag: [value for value in values if isinstance(value, int)] for tag, values in listed.items()}
    return Page(offset=0, is_within=False, tags=numbers)


def pages_of(stream: BinaryIO) -> list[Page]:
    """Return the pages of a TIFF in order, those within others last; unreadable ones are left out."""
    layout = _layout(stream)
    if layout is None:
        return []
    size = stream.seek(0, os.SEEK_END)
    pages: list[Page] = []
    visited: set[int] = set()
    queue = deque([(layout.first, False)])
    while queue and len(pages) < _MAX_PAGES:
        offset, is_within = queue.popleft()
        if not 0 < offset < size or offset in visited:
            continue
        visited.add(offset)
        try:
            tags, following = layout.read(stream, offset)
        except (struct.error, ValueError):
            continue
        pages.append(Page(offset=offset, is_within=is_within, tags=tags))
        queue.extend((offset, True) for offset in tags.get(_PAGES_WITHIN, ()))
        if following:
            queue.appendleft((following, is_within))
    return sorted(pages, key=lambda page: page.is_within)


def is_raw(pages: Sequence[Page]) -> bool:
    """Return whether a TIFF is a camera's raw photo, which none of its pages shows properly."""
    declared = sum(len(page.tags.get(_PAGES_WITHIN, ())) for page in pages)
    return (
        any(page.is_raw for page in pages)
        or declared
        > sum(page.is_within and page.pixels > 0 for page in pages)  # what is declared but missing may be anything
        or (any(page.is_preview for page in pages) and max(max(page.size) for page in pages) <= _PREVIEW_SIDE)
    )


def full_page(pages: Sequence[Page]) -> Page | None:
    """Return the page with the picture: the first that is not a smaller copy of another; None if all are."""
    originals = [page for page in pages if page.pixels and not page.is_reduced]
    largest = max((page.pixels for page in originals), default=0)
    return next((page for page in originals if page.pixels * 2 >= largest), None)


def with_first_page(stream: BinaryIO, page: Page) -> BinaryIO:
    """Return the file with this page as its first."""
    layout = _layout(stream)
    end = stream.seek(0, os.SEEK_END)
    if layout is None:
        return stream
    return splice(stream, (0, layout.pointer), layout.packed(page.offset), (layout.pointer + layout.offset_size, end))


@frozen
class _Layout:
    """How numbers are stored in a file: their byte order, and whether it is a BigTIFF."""

    order: str
    is_big: bool
    first: int

    @property
    def pointer(self) -> int:
        """The position of the first page's offset."""
        return 8 if self.is_big else 4

    @property
    def offset_size(self) -> int:
        return 8 if self.is_big else 4

    def packed(self, offset: int) -> bytes:
        return struct.pack(self.order + ("Q" if self.is_big else "I"), offset)

    def read(self, stream: BinaryIO, offset: int) -> tuple[dict[int, Sequence[int]], int]:
        """Return the tags of a page, and the offset of the next; raises struct.error or ValueError."""
        head, entry, pointer = ("Q", "HHQ8s", "Q") if self.is_big else ("H", "HHI4s", "I")
        stream.seek(offset)
        (count,) = self._unpacked(head, stream.read(struct.calcsize("=" + head)))
        if count > _MAX_ENTRIES:
            raise ValueError
        size = struct.calcsize("=" + entry)
        entries = stream.read(size * count)
        (following,) = self._unpacked(pointer, stream.read(self.offset_size).ljust(self.offset_size, b"\0"))
        tags: dict[int, Sequence[int]] = {}
        for start in range(0, size * count, size):
            tag, kind, many, value = self._unpacked(entry, entries[start : start + size])
            tags[tag] = self._values(stream, kind, many, value)
        return tags, int(following)

    def _values(self, stream: BinaryIO, kind: int, many: int, value: bytes) -> Sequence[int]:
        form = _FORMS.get(kind)
        if form is None:
            return ()
        many = min(many, _MAX_VALUES)
        size = struct.calcsize("=" + form) * many
        if size > len(value):
            (offset,) = self._unpacked("Q" if self.is_big else "I", value)
            stream.seek(offset)
            value = stream.read(size)
        return self._unpacked(f"{many}{form}", value[:size]) if len(value) >= size else ()

    def _unpacked(self, form: str, content: bytes) -> tuple[Any, ...]:
        return struct.unpack(self.order + form, content)


def _layout(stream: BinaryIO) -> _Layout | None:
    """Return how numbers are stored in a file; None if it is not a TIFF."""
    stream.seek(0)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    try:
        (version,) = struct.unpack(f"{order}H", head[2:4])
        form = {42: "4xI", 42 << 8: "4xI", 43: "8xQ"}[version]
        (first,) = struct.unpack(f"{order}{form}", head[: struct.calcsize("=" + form)])
    except (struct.error, KeyError):
        return None
    return _Layout(order=str(order), is_big=version == 43, first=first)  # noqa: PLR2004 - as above


def notes_of(pages: Sequence[Page], full: Page) -> Iterator[str]:
    """Yield what is left out of a TIFF when only this page is sent."""
    originals = [page for page in pages if page.pixels and not page.is_reduced and not page.is_within]
    if len(originals) > 1 and full in originals:
        which = f"page {originals.index(full) + 1}" if full is not originals[0] else "the first"
        yield f"only {which} of its {len(originals)} pages was sent"
