"""Reads what arrived after a request as leniently as possible, where strict parsers give up.

An answer that HTTP's parser rejects may still be the reply to a request that is paid for.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import field
from itertools import chain
from typing import TYPE_CHECKING

from seedream_nb.errors import Unread
from seedream_nb.frozen import frozen
from seedream_nb.keys import Unseen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service.reply import MAX_VALUES, salvage_results

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    import httpx

PIECE_BYTES = 1024 * 1024
START_BYTES = 64 * 1024
"""How much is buffered before the compression is guessed, unless it is obvious."""

_GZIP = b"\x1f\x8b"
_LABELS = lazy_pattern(r"gzip|deflate", re.IGNORECASE)
_PLAIN = lazy_pattern(rb"\s{0,100}[\[{<]|\xff\xd8\xff|\x89PNG|RIFF|GIF8")
"""How JSON, a page and pictures begin. Raw deflate could by accident decode a few bytes of them."""


async def arriving(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield a response's content in pieces of at most 1 MiB, decompressed even where no compression was asked for.

    httpx decompresses each piece at once: 64 kB may hold 64 MB, and far more if they are compressed twice. And it
    rejects content that is not compressed as its label says.

    Raises:
            httpx.DecodingError: the compressed data is damaged or cut off; what could be decompressed was yielded.
    """
    import httpx

    label = response.headers.get("content-encoding", "")
    if not _LABELS.search(label):
        async for piece in response.aiter_raw():
            yield piece
        return
    decompressor = Decompressor(label)
    try:
        async for piece in response.aiter_raw():
            for part in decompressor.feed(piece):
                yield part
            if decompressor.damaged:
                raise httpx.DecodingError("damaged compressed data")
    except httpx.TransportError:
        for part in decompressor.end():
            yield part
        raise
    for part in decompressor.end():
        yield part
    if decompressor.damaged or decompressor.cut_off:
        raise httpx.DecodingError("damaged compressed data" if decompressor.damaged else "compressed data is cut off")


class Decompressor:
    """Decompresses gzip (several members too), zlib and raw deflate; passes other bytes through.

    Attributes:
        damaged: whether some data could not be decompressed; nothing is yielded after it.
    """

    def __init__(self, label: str) -> None:
        """Take `label`, the `Content-Encoding`, as a hint only."""
        self.damaged = False
        self._labelled = _LABELS.search(label) is not None
        self._start: bytearray | None = bytearray()
        self._unpacker: zlib._Decompress | None = None
        self._members = False

    @property
    def cut_off(self) -> bool:
        """Whether the end of the compressed data is missing so far."""
        return self._unpacker is not None and not self._unpacker.eof

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the content of the next bytes, in pieces of at most 1 MiB."""
        if self._start is None:
            # In slices: after each of a million small members, zlib copies the rest of its input.
            for at in range(0, len(piece), START_BYTES):
                yield from self._decompressed(piece[at : at + START_BYTES])
            return
        self._start += piece
        certain = self._start[:2] == _GZIP or (len(self._start) >= len(_GZIP) and not self._labelled)
        if certain or len(self._start) >= START_BYTES:
            yield from self._begin()

    def end(self) -> Iterator[bytes]:
        """Yield what was buffered for guessing the compression."""
        if self._start is not None:
            yield from self._begin()

    def _begin(self) -> Iterator[bytes]:
        start, self._start = bytes(self._start or b""), None
        window = self._window(start)
        self._unpacker = None if window is None else zlib.decompressobj(window)
        self._members = start[:2] == _GZIP
        yield from self.feed(start)

    def _window(self, start: bytes) -> int | None:
        """Return zlib's window size for data that begins like this; None: it is not compressed."""
        if start[:2] == _GZIP:
            return zlib.MAX_WBITS | 16
        if not self._labelled:
            return None
        return next((window for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS) if _can_decompress(start, window)), None)

    def _decompressed(self, piece: bytes) -> Iterator[bytes]:
        if self._unpacker is None and piece:
            yield piece
            return
        while piece and self._unpacker is not None and not self.damaged:
            if self._unpacker.eof:
                # Another member may follow; anything else after the end is ignored.
                piece = piece.lstrip(b"\0")
                if not piece or not self._members or not piece.startswith(_GZIP[: len(piece)]):
                    return
                self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            before = self._unpacker.copy()
            try:
                yield self._unpacker.decompress(piece, PIECE_BYTES)
            except zlib.error:
                self.damaged = True
                yield b"".join(_bytewise(before, piece))
                return
            piece = self._unpacker.unconsumed_tail or self._unpacker.unused_data


def _can_decompress(start: bytes, window: int) -> bool:
    """Return whether data that begins like this can be decompressed with this window size."""
    trial = zlib.decompressobj(window)
    try:
        trial.decompress(start, PIECE_BYTES)
    except zlib.error:
        # zlib's own header is proof enough; data without one must decompress from its first byte.
        return window > 0 and any(_bytewise(zlib.decompressobj(window), start))
    return bool(start) and not _PLAIN.match(start)


def _bytewise(unpacker: zlib._Decompress, piece: bytes) -> Iterator[bytes]:
    """Yield what comes before the damage; zlib itself yields nothing of a damaged piece."""
    for at in range(len(piece)):
        try:
            yield unpacker.decompress(piece[at : at + 1], PIECE_BYTES)
        except zlib.error:
            return


MAX_REPLY_BYTES = 8_000_000
"""A reply is a few links; no more than this is read."""

MAX_HEAD_BYTES = 200_000
LONGEST_LINE, LONGEST_NUMBER = 1_000, 16
OK = 200
MAX_HEADS = 100
"""How many interim answers (`100 Continue`, `103 Early Hints`) may precede the real one."""

MAX_PACKED = 4
"""How often content may be compressed: by the service, and again by the proxies before it."""

_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

_STATUS = lazy_pattern(
    rb"(?:\xef\xbb\xbf)?\s{0,100}(?:HTTP(?:/[ \t]{0,9}[\d.]{1,9})?|ICY)[ \t:]{1,9}(\d{3})(?!\d)", re.IGNORECASE
)
_BLANK_LINE = lazy_pattern(rb"(?:\r\n|\n|\r(?!\n))[ \t]{0,9}(?:\r\n|\n|\r)")
_HEADER = lazy_pattern(rb"[\x00 \t]{0,9}[\w.!#$%&'*+^`|~-][^:\r\n]{0,200}:")
_SIZE = lazy_pattern(rb"[ \t]{0,99}(?:0x)?([0-9a-f]{1,16})[ \t]{0,99}(?:;[^\r\n]{0,999})?\r?\n", re.IGNORECASE)
_CONTENT = lazy_pattern(rb"\{|\x1f\x8b\x08")
"""How JSON begins, and gzip."""
_PICTURE = lazy_pattern(rb"\xff\xd8\xff|\x89PNG|RIFF")
_NEXT_SIZE = lazy_pattern(rb"(?:\r?\n)?" + _SIZE.pattern, re.IGNORECASE)
_NO_SIZE = lazy_pattern(rb"(?:\r?\n)?[ -~]{0,20}\r?\n")
_SIZES = lazy_pattern(rb"(?:\A|\r?\n)[ \t]{0,9}(?:0x)?[0-9a-f]{1,16}[ \t]{0,9}(?:;[^\r\n]{0,999})?\r?\n", re.IGNORECASE)


@frozen
class LenientReply:
    """A leniently parsed answer: `status` is None if there is none; `headers` have lower-case names."""

    status: int | None
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    begun: bool = False
    """Whether anything came after the head."""
    is_whole: bool = False
    """Whether this is a complete reply with its links."""
    is_ended: bool = False
    """Whether nothing more will come: there is a complete JSON object, or as much as the head announced."""

    def __post_init__(self) -> None:
        """Show neither headers nor content: both may echo the key."""
        object.__setattr__(self, "headers", Unseen(self.headers))
        object.__setattr__(self, "content", Unread(self.content))

    @property
    def is_refusal(self) -> bool:
        """Whether the service refused; the status alone decides that."""
        return self.status is not None and self.status >= 300


class RawReply:
    """The raw bytes that arrived, up to the largest size of a reply."""

    def __init__(self) -> None:
        """Have received nothing yet."""
        self._bytes = bytearray()

    def add(self, piece: bytes) -> None:
        """Add the next bytes, up to the limit."""
        self._bytes += piece[: MAX_REPLY_BYTES + MAX_HEAD_BYTES - len(self._bytes)]

    @property
    def began(self) -> bool:
        """Whether anything arrived."""
        return bool(self._bytes)

    @property
    def has_content(self) -> bool:
        """Whether anything arrived besides heads and white space; chunk sizes don't count."""
        if len(self._bytes) > MAX_HEAD_BYTES:
            return True
        _, headers, rest = _head(bytes(self._bytes))
        return bool((_SIZES.sub(b"", rest) if _is_chunked(headers) else rest).strip())

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._bytes) >= MAX_REPLY_BYTES + MAX_HEAD_BYTES

    def answer(self) -> LenientReply:
        """Parse what has arrived; that takes a while for megabytes, so do it in a thread."""
        return parse_reply(bytes(self._bytes))


def parse_reply(data: bytes) -> LenientReply:
    """Return what an answer says, whatever its framing and compression; if in doubt, the reading with most links."""
    status, headers, rest = _head(data)
    best: tuple[bool, int, bytes] | None = None
    is_ended = _is_complete(rest, headers)
    for content in chain(_contents(rest, headers), _contents_after_junk(rest, headers)):
        within, is_object = _json_object(content)
        is_ended = is_ended or is_object
        for candidate in dict.fromkeys((content, within)):
            results, is_whole = salvage_results(candidate, 0)
            if best is None or (is_whole, len(results.links)) > best[:2]:
                best = is_whole, len(results.links), candidate
        if best is not None and best[0]:
            break
    is_whole, found, content = best or (False, 0, b"")
    begun = bool(content)
    if not found and (status is None or (not begun and status < 300)):
        content = data  # what can't be parsed is kept as it arrived
    return LenientReply(
        status=status, headers=headers, content=content[:MAX_REPLY_BYTES], begun=begun, is_whole=is_whole,
        is_ended=is_ended,
    )  # fmt: skip


def _head(data: bytes) -> tuple[int | None, dict[str, str], bytes]:
    """Return status, headers and the rest; the status of an interim answer counts until another arrives."""
    interim = None
    for _ in range(MAX_HEADS):
        status_line = _STATUS.match(data)
        end = _BLANK_LINE.search(data)
        if status_line is None:
            # Before HTTP/1.0 there was no head; or the first line of the head is lost.
            if end is None or not _HEADER.match(data):
                return interim, {}, data
            return interim, _headers(data[: end.start()]), data[end.end() :]
        status = int(status_line[1])
        head, rest = (data, b"") if end is None else (data[: end.start()], data[end.end() :])
        if not 100 <= status < 200:
            return status, _headers(head), rest or (_after_line(data) if end is None else b"")
        interim, data = status, rest
    return interim, {}, data


def _after_line(data: bytes) -> bytes:
    """Return what follows the first line, if no blank line separates headers and content."""
    start = _CONTENT.search(data)
    return data[start.start() :] if start else b""


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in re.split(r"[\r\n]+", head.decode("latin-1").replace("\0", "")):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        before = headers.get(name)
        if colon and len(before or "") < 8 * LONGEST_LINE:
            headers[name] = (value.strip() if before is None else f"{before}, {value.strip()}")[: 8 * LONGEST_LINE]
    return headers


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return "chunked" in headers.get("transfer-encoding", "").lower()


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the announced length of the content, if it is valid: the largest, if there are several."""
    lengths = [length.strip() for length in headers.get("content-length", "").split(",")]
    is_valid = not _is_chunked(headers) and all(
        length.isdecimal() and len(length) < LONGEST_NUMBER for length in lengths
    )
    return max(map(int, lengths)) if is_valid else None


def _is_complete(rest: bytes, headers: Mapping[str, str]) -> bool:
    if _is_chunked(headers):
        return rest.endswith(b"\n0\r\n\r\n")
    length = content_length(headers)
    return length is not None and len(rest) >= length


def parse_head(data: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """Return the status of a picture's head, the headers and the rest; None if the head is still incomplete.

    A picture without a head is accepted too.
    """
    if _PICTURE.match(data):
        return OK, {}, data
    if not _BLANK_LINE.search(data):
        return None
    status, headers, rest = _head(data)
    return None if status is None or status < OK else (status, headers, rest)


class Dechunker:
    """Removes the chunk framing from what arrives, as long as chunk sizes are valid; then passes all through.

    Attributes:
        is_ended: whether the last chunk arrived.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Expect chunks if the headers say so."""
        self.is_ended = False
        self._held = bytearray()
        self._left = 0 if _is_chunked(headers) else None

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the content of the next bytes."""
        self._held += piece
        while self._held and not self.is_ended:
            if self._left == 0 and not self._next(bytes(self._held[:LONGEST_LINE])):
                return
            content = self._held if self._left is None else self._held[: self._left]
            yield bytes(content)
            self._left = None if self._left is None else self._left - len(content)
            del self._held[: len(content)]

    def end(self) -> Iterator[bytes]:
        """Yield what was buffered for a chunk size that did not arrive."""
        if not self.is_ended and self._held.strip(b"\r\n"):
            yield bytes(self._held)

    def _next(self, start: bytes) -> bool:
        """Remove the size of the next chunk; return whether there can be output now."""
        if size := _NEXT_SIZE.match(start):
            del self._held[: size.end()]
            self._left = int(size[1], 16)
            self.is_ended = self._left == 0
        elif b"\n" in start.lstrip(b"\r\n") or len(start) == LONGEST_LINE:
            odd = _NO_SIZE.match(start)
            del self._held[: odd.end() if odd else 0]
            self._left = None
        return self._left != 0


def _contents(rest: bytes, headers: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the possible contents of an answer, the likeliest first: with its framing removed or not, decompressed."""
    framed = [rest]
    if _is_chunked(headers) or _SIZE.match(rest):
        framed = [_dechunked(rest), _SIZES.sub(b"", rest), rest]
    label = headers.get("content-encoding", "")
    for candidate in framed:
        yield _decompressed(candidate, label)
        if candidate.startswith(_ZLIB):
            yield _decompressed(candidate, "deflate")


def _contents_after_junk(rest: bytes, headers: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the possible contents after junk between head and content: an early blank line, an odd line."""
    more = rest.lstrip(b"\r\n")
    end, odd = _BLANK_LINE.search(more, 0, MAX_HEAD_BYTES), _NO_SIZE.match(rest)
    if end is not None and _HEADER.match(more):
        yield from _contents(more[end.end() :], {**headers, **_headers(more[: end.start()])})
    elif odd is not None and not _SIZE.match(rest):
        yield from _contents(rest[odd.end() :], headers)


def _dechunked(chunks: bytes) -> bytes:
    """Return the content of chunks, as long as chunk sizes are valid."""
    parts, at = [], 0
    while (size := _SIZE.match(chunks, at)) and (length := int(size[1], 16)):
        parts.append(chunks[size.end() : size.end() + length])
        at = min(size.end() + length, len(chunks))
        at += 2 if chunks[at : at + 2] == b"\r\n" else 1 if chunks[at : at + 1] == b"\n" else 0
    return b"".join(parts)


def _decompressed(content: bytes, label: str) -> bytes:
    """Return content that was compressed once or several times."""
    for _ in range(MAX_PACKED):
        packed, content = content, _decompressed_once(content, label)
        if content == packed:
            break
    return content


def _decompressed_once(content: bytes, label: str) -> bytes:
    decompressor, parts, size = Decompressor(label), [], 0
    for pieces in (decompressor.feed(content), decompressor.end()):
        for part in pieces:
            parts.append(part)
            size += len(part)
            if size > MAX_REPLY_BYTES:
                break
    return b"".join(parts) or content


def _json_object(content: bytes) -> tuple[bytes, bool]:
    """Return the first JSON object in `content`, and whether it is complete."""
    start = content.find(b"{")
    if start < 0 or sum(content.count(mark) for mark in (b"[", b"{", b",")) > MAX_VALUES:
        return b"", False
    text = content[start:].decode(errors="surrogateescape")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return content[start:], False
    if '"http' in text[end:]:  # another object with pictures follows
        return content[start:], False
    return text[:end].encode(errors="surrogateescape"), True
