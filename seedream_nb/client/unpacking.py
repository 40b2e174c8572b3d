"""What a server packs without being asked, unpacked as far as it goes; what only claims to be packed stays as it is."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    import httpx

PIECE_BYTES = 1024 * 1024
START_BYTES = 64 * 1024
"""What is looked at before it is decided how something is packed, unless it says so itself."""

_GZIP = b"\x1f\x8b"
_LABELS = re.compile(r"gzip|deflate", re.IGNORECASE)
_PLAIN = re.compile(rb"\s{0,100}[\[{<]|\xff\xd8\xff|\x89PNG|RIFF|GIF8")
"""How JSON, a page and pictures begin. By accident, raw deflate could make a few bytes out of them."""


async def arriving(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield what a response holds, in pieces of at most 1 MiB, unpacked where a server packs it without being asked.

    httpx unpacks each piece as a whole: 64 kB may hold 64 MB, and far more if they are packed twice. And it gives up
    what is not packed as its label says.

    Raises:
        httpx.DecodingError: what is packed is damaged or cut off; what could be unpacked of it was yielded.
    """
    import httpx

    label = response.headers.get("content-encoding", "")
    if not _LABELS.search(label):
        async for piece in response.aiter_raw():
            yield piece
        return
    unpacking = Unpacking(label)
    try:
        async for piece in response.aiter_raw():
            for part in unpacking.feed(piece):
                yield part
            if unpacking.damaged:
                raise httpx.DecodingError("packed and damaged")
    except httpx.TransportError:
        for part in unpacking.end():
            yield part
        raise
    for part in unpacking.end():
        yield part
    if unpacking.damaged or unpacking.cut_off:
        raise httpx.DecodingError("packed and damaged" if unpacking.damaged else "packed and cut off")


class Unpacking:
    """Unpacks gzip (of several members too), zlib and raw deflate; bytes that are none of these come out as they are.

    Attributes:
        damaged: whether something came that can't be unpacked; nothing comes out any more.
    """

    def __init__(self, label: str) -> None:
        """Expect what this `Content-Encoding` says, without believing it."""
        self.damaged = False
        self._labelled = _LABELS.search(label) is not None
        self._start: bytearray | None = bytearray()
        self._unpacker: zlib._Decompress | None = None
        self._members = False

    @property
    def cut_off(self) -> bool:
        """Whether the end is missing of what came so far."""
        return self._unpacker is not None and not self._unpacker.eof

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what the next bytes hold, in pieces of at most 1 MiB."""
        if self._start is None:
            # In slices: after each of a million small members, zlib hands over a copy of what is left of a piece.
            for at in range(0, len(piece), START_BYTES):
                yield from self._unpacked(piece[at : at + START_BYTES])
            return
        self._start += piece
        certain = self._start[:2] == _GZIP or (len(self._start) >= len(_GZIP) and not self._labelled)
        if certain or len(self._start) >= START_BYTES:
            yield from self._begin()

    def end(self) -> Iterator[bytes]:
        """Yield what was held back until it is known how all of it is packed."""
        if self._start is not None:
            yield from self._begin()

    def _begin(self) -> Iterator[bytes]:
        start, self._start = bytes(self._start or b""), None
        window = self._window(start)
        self._unpacker = None if window is None else zlib.decompressobj(window)
        self._members = start[:2] == _GZIP
        yield from self.feed(start)

    def _window(self, start: bytes) -> int | None:
        """Return how what begins so is packed, in zlib's terms; None: it is not."""
        if start[:2] == _GZIP:
            return zlib.MAX_WBITS | 16
        if not self._labelled:
            return None
        return next((each for each in (zlib.MAX_WBITS, -zlib.MAX_WBITS) if _opens(start, each)), None)

    def _unpacked(self, piece: bytes) -> Iterator[bytes]:
        if self._unpacker is None and piece:
            yield piece
            return
        while piece and self._unpacker is not None and not self.damaged:
            if self._unpacker.eof:
                # Another member may follow; else what comes after the end means nothing.
                piece = piece.lstrip(b"\0")
                if not piece or not self._members or not piece.startswith(_GZIP[: len(piece)]):
                    return
                self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            before = self._unpacker.copy()
            try:
                yield self._unpacker.decompress(piece, PIECE_BYTES)
            except zlib.error:
                self.damaged = True
                yield b"".join(_one_by_one(before, piece))
                return
            piece = self._unpacker.unconsumed_tail or self._unpacker.unused_data


def _opens(start: bytes, window: int) -> bool:
    """Return whether what begins so can be unpacked in this way."""
    trial = zlib.decompressobj(window)
    try:
        trial.decompress(start, PIECE_BYTES)
    except zlib.error:
        # zlib's own header says enough; what has none must make sense from its first byte.
        return window > 0 and any(_one_by_one(zlib.decompressobj(window), start))
    return bool(start) and not _PLAIN.match(start)


def _one_by_one(unpacker: zlib._Decompress, piece: bytes) -> Iterator[bytes]:
    """Yield what comes before the damage; zlib itself gives nothing of a piece that is damaged anywhere."""
    for at in range(len(piece)):
        try:
            yield unpacker.decompress(piece[at : at + 1], PIECE_BYTES)
        except zlib.error:
            return
