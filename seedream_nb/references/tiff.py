"""The pages of a TIFF: which of them is its picture, and whether it is a raw photo, whose first page is a preview."""

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
"""How the types of whole numbers are packed."""

_KIND, _OLD_KIND = 254, 255
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS = 256, 257, 258, 259, 262
_MAKE, _BANDS, _PAGES_WITHIN, _FORMAT = 271, 277, 330, 339
_OF_RAW = frozenset({33421, 33422, 50706})
"""The pattern of colours before a sensor, and the version of DNG."""
_RAW_COLOURS = frozenset({32803, 34892})
_RAW_PACKED = frozenset({32767, 32769, 32770, 34713, 65000, 65535})
"""How Sony, Epson, Samsung, Nikon, Kodak and Pentax pack what a sensor saw."""
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
_PREVIEW_SIDE = 320
"""A camera's picture that is no larger is the preview of one, wherever that may be in the file."""
_FLOAT = 3


@frozen
class Page:
    """One page: where it is told of, what it measures, and the whole numbers among its tags."""

    place: int
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
        """How many it has."""
        return self.size[0] * self.size[1]

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller copy of another, or the mask of one."""
        return bool(self.first(_KIND) & (_REDUCED | _MASK)) or self.first(_OLD_KIND) == _OLD_REDUCED

    @property
    def is_raw(self) -> bool:
        """Whether it tells of what a sensor saw."""
        return (
            not _OF_RAW.isdisjoint(self.tags)
            or self.first(_COLOURS) in _RAW_COLOURS
            or self.first(_COMPRESSION) in _RAW_PACKED
        )

    @property
    def is_preview(self) -> bool:
        """Whether it is a camera's, and no larger than the preview of a photo."""
        return _MAKE in self.tags and max(self.size) <= _PREVIEW_SIDE

    def kind(self) -> str:
        """Return what it is made of, in words."""
        bits = self.first(_BITS, 1)
        bands = self.first(_BANDS, 1)
        each = f"{bits}-bit floats" if self.first(_FORMAT, 1) == _FLOAT else f"{bits} bits"
        return f"a TIFF with {bands} band{'s' if bands > 1 else ''} of {each}"


def page_by(tags: Mapping[int, object]) -> Page:
    """Return a page by its tags as Pillow tells them."""
    listed = {tag: value if isinstance(value, tuple) else (value,) for tag, value in tags.items()}
    numbers = {tag: [each for each in values if isinstance(each, int)] for tag, values in listed.items()}
    return Page(place=0, is_within=False, tags=numbers)


def pages_of(stream: BinaryIO) -> list[Page]:
    """Return the pages of a TIFF in their order, those within others last; what can't be read is left out."""
    layout = _layout(stream)
    if layout is None:
        return []
    size = stream.seek(0, os.SEEK_END)
    found: list[Page] = []
    seen: set[int] = set()
    places = deque([(layout.first, False)])
    while places and len(found) < _MAX_PAGES:
        place, is_within = places.popleft()
        if not 0 < place < size or place in seen:
            continue
        seen.add(place)
        try:
            tags, following = layout.read(stream, place)
        except (struct.error, ValueError):
            continue
        found.append(Page(place=place, is_within=is_within, tags=tags))
        places.extend((each, True) for each in tags.get(_PAGES_WITHIN, ()))
        if following:
            places.appendleft((following, is_within))
    return sorted(found, key=lambda page: page.is_within)


def is_raw(pages: Sequence[Page]) -> bool:
    """Return whether a TIFF is the raw photo of a camera, which no page of it shows as it is."""
    told_within = sum(len(page.tags.get(_PAGES_WITHIN, ())) for page in pages)
    return (
        any(page.is_raw for page in pages)
        or told_within
        > sum(page.is_within and page.pixels > 0 for page in pages)  # what is told of, and isn't there, may be anything
        or (any(page.is_preview for page in pages) and max(max(page.size) for page in pages) <= _PREVIEW_SIDE)
    )


def full_page(pages: Sequence[Page]) -> Page | None:
    """Return the page that shows the picture: the first that is no smaller copy of another; None if all are."""
    whole = [page for page in pages if page.pixels and not page.is_reduced]
    most = max((page.pixels for page in whole), default=0)
    return next((page for page in whole if page.pixels * 2 >= most), None)


def beginning_with(stream: BinaryIO, page: Page) -> BinaryIO:
    """Return the file with this page as its first."""
    layout = _layout(stream)
    end = stream.seek(0, os.SEEK_END)
    if layout is None:
        return stream
    return splice(stream, (0, layout.pointer), layout.packed(page.place), (layout.pointer + layout.offset_size, end))


@frozen
class _Layout:
    """How numbers lie in a file: their order of bytes, and whether it is a BigTIFF."""

    order: str
    is_big: bool
    first: int

    @property
    def pointer(self) -> int:
        """Where it stands at which place the first page is told of."""
        return 8 if self.is_big else 4

    @property
    def offset_size(self) -> int:
        return 8 if self.is_big else 4

    def packed(self, place: int) -> bytes:
        return struct.pack(self.order + ("Q" if self.is_big else "I"), place)

    def read(self, stream: BinaryIO, place: int) -> tuple[dict[int, Sequence[int]], int]:
        """Return the tags of a page, and the place of the next; raises struct.error or ValueError."""
        head, entry, offset = ("Q", "HHQ8s", "Q") if self.is_big else ("H", "HHI4s", "I")
        stream.seek(place)
        (count,) = self._unpacked(head, stream.read(struct.calcsize("=" + head)))
        if count > _MAX_ENTRIES:
            raise ValueError
        size = struct.calcsize("=" + entry)
        entries = stream.read(size * count)
        (following,) = self._unpacked(offset, stream.read(self.offset_size).ljust(self.offset_size, b"\0"))
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
            (place,) = self._unpacked("Q" if self.is_big else "I", value)
            stream.seek(place)
            value = stream.read(size)
        return self._unpacked(f"{many}{form}", value[:size]) if len(value) >= size else ()

    def _unpacked(self, form: str, content: bytes) -> tuple[Any, ...]:
        return struct.unpack(self.order + form, content)


def _layout(stream: BinaryIO) -> _Layout | None:
    """Return how numbers lie in a file; None if it is no TIFF."""
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
    """Yield what is left out of a TIFF when this page of it is sent."""
    whole = [page for page in pages if page.pixels and not page.is_reduced and not page.is_within]
    if len(whole) > 1 and full in whole:
        which = f"page {whole.index(full) + 1}" if full is not whole[0] else "the first"
        yield f"only {which} of its {len(whole)} pages was sent"
