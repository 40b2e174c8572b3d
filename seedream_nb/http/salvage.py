"""What came over the line after a request, read as far as it makes any sense, where strict parsers give it up.

What HTTP's parser refuses may still be the reply to a request that is paid for.
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
from seedream_nb.service.reply import MAX_VALUES, arrived_results

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

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
    unpacking = Decompressor(label)
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


class Decompressor:
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


MAX_REPLY_BYTES = 8_000_000
"""A reply is a few links; more than this is not read."""

MAX_HEAD_BYTES = 200_000
LONGEST_LINE, LONGEST_NUMBER = 1_000, 16
OK = 200
MAX_HEADS = 100
"""So many interim answers (`100 Continue`, `103 Early Hints`) may come before the one that counts."""

MAX_PACKED = 4
"""How often something may be packed over and over: once by the service, and once by what stands before it."""

_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

_STATUS = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,100}(?:HTTP(?:/[ \t]{0,9}[\d.]{1,9})?|ICY)[ \t:]{1,9}(\d{3})(?!\d)", re.IGNORECASE
)
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))[ \t]{0,9}(?:\r\n|\n|\r)")
_HEADER = re.compile(rb"[\x00 \t]{0,9}[\w.!#$%&'*+^`|~-][^:\r\n]{0,200}:")
_SIZE = re.compile(rb"[ \t]{0,99}(?:0x)?([0-9a-f]{1,16})[ \t]{0,99}(?:;[^\r\n]{0,999})?\r?\n", re.IGNORECASE)
_CONTENT = re.compile(rb"\{|\x1f\x8b\x08")
"""How JSON begins, and gzip."""
_PICTURE = re.compile(rb"\xff\xd8\xff|\x89PNG|RIFF")
_NEXT_SIZE = re.compile(rb"(?:\r?\n)?" + _SIZE.pattern, re.IGNORECASE)
_NO_SIZE = re.compile(rb"(?:\r?\n)?[ -~]{0,20}\r?\n")
_SIZES = re.compile(rb"(?:\A|\r?\n)[ \t]{0,9}(?:0x)?[0-9a-f]{1,16}[ \t]{0,9}(?:;[^\r\n]{0,999})?\r?\n", re.IGNORECASE)


@frozen
class LenientReply:
    """What was understood of an answer: `status` None if it names none; `headers` have lower-case names."""

    status: int | None
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    begun: bool = False
    """Whether anything came but a head."""
    is_whole: bool = False
    """Whether a whole reply with its links is there."""
    is_ended: bool = False
    """Whether nothing more is to come: a whole JSON object is there, or as much as the head tells of."""

    def __post_init__(self) -> None:
        """Let neither show itself, as in `posting.Reply`: both may echo the key."""
        object.__setattr__(self, "headers", Unseen(self.headers))
        object.__setattr__(self, "content", Unread(self.content))

    @property
    def is_refusal(self) -> bool:
        """Whether it says that the request was not fulfilled: its status alone is enough for that."""
        return self.status is not None and self.status >= 300  # noqa: PLR2004 - HTTP's redirects and errors


class RawReply:
    """What came over the line, byte for byte: as much as a reply may be long."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._bytes = bytearray()

    def add(self, piece: bytes) -> None:
        """Keep the next bytes, as long as there are not too many."""
        self._bytes += piece[: MAX_REPLY_BYTES + MAX_HEAD_BYTES - len(self._bytes)]

    @property
    def began(self) -> bool:
        """Whether anything came."""
        return bool(self._bytes)

    @property
    def has_content(self) -> bool:
        """Whether anything came but heads and white space; that of chunks is no sign of a reply either."""
        if len(self._bytes) > MAX_HEAD_BYTES:
            return True
        _, headers, rest = _head(bytes(self._bytes))
        return bool((_SIZES.sub(b"", rest) if _is_chunked(headers) else rest).strip())

    @property
    def is_full(self) -> bool:
        """Whether nothing more is kept."""
        return len(self._bytes) >= MAX_REPLY_BYTES + MAX_HEAD_BYTES

    def answer(self) -> LenientReply:
        """Make sense of it, as far as that goes; megabytes take a while, and are for a thread."""
        return understood(bytes(self._bytes))


def understood(data: bytes) -> LenientReply:
    """Return what an answer says, however it is framed and packed; where that is unclear, what has most links."""
    status, headers, rest = _head(data)
    best: tuple[bool, int, bytes] | None = None
    is_ended = _is_all(rest, headers)
    for content in chain(_contents(rest, headers), _further_on(rest, headers)):
        within, is_object = _object_in(content)
        is_ended = is_ended or is_object
        for each in dict.fromkeys((content, within)):
            results, is_whole = arrived_results(each, 0)
            if best is None or (is_whole, len(results.links)) > best[:2]:
                best = is_whole, len(results.links), each
        if best is not None and best[0]:
            break
    is_whole, found, content = best or (False, 0, b"")
    begun = bool(content)
    if not found and (status is None or (not begun and status < 300)):  # noqa: PLR2004 - no refusal
        content = data  # what can't be told apart is kept as it came
    return LenientReply(
        status=status, headers=headers, content=content[:MAX_REPLY_BYTES], begun=begun, is_whole=is_whole,
        is_ended=is_ended,
    )  # fmt: skip


def _head(data: bytes) -> tuple[int | None, dict[str, str], bytes]:
    """Return the status, the headers and what comes after them; interim answers count while no other has come."""
    interim = None
    for _ in range(MAX_HEADS):
        found = _STATUS.match(data)
        end = _BLANK_LINE.search(data)
        if found is None:
            # Before HTTP/1.0 there was no head; or there are headers, but their first line is lost.
            if end is None or not _HEADER.match(data):
                return interim, {}, data
            return interim, _headers(data[: end.start()]), data[end.end() :]
        status = int(found[1])
        head, rest = (data, b"") if end is None else (data[: end.start()], data[end.end() :])
        if not 100 <= status < 200:  # noqa: PLR2004 - HTTP's interim answers
            return status, _headers(head), rest or (_after_line(data) if end is None else b"")
        interim, data = status, rest
    return interim, {}, data


def _after_line(data: bytes) -> bytes:
    """Return what comes after the first line, where no blank line tells headers and content apart."""
    start = _CONTENT.search(data)
    return data[start.start() :] if start else b""


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in re.split(r"[\r\n]+", head.decode("latin-1").replace("\0", "")):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        before = found.get(name)
        if colon and len(before or "") < 8 * LONGEST_LINE:
            found[name] = (value.strip() if before is None else f"{before}, {value.strip()}")[: 8 * LONGEST_LINE]
    return found


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return "chunked" in headers.get("transfer-encoding", "").lower()


def length_of(headers: Mapping[str, str]) -> int | None:
    """Return how long the content is said to be, if that makes sense: by the longest, where there are several."""
    told = [each.strip() for each in headers.get("content-length", "").split(",")]
    known = not _is_chunked(headers) and all(each.isdecimal() and len(each) < LONGEST_NUMBER for each in told)
    return max(map(int, told)) if known else None


def _is_all(rest: bytes, headers: Mapping[str, str]) -> bool:
    if _is_chunked(headers):
        return rest.endswith(b"\n0\r\n\r\n")
    length = length_of(headers)
    return length is not None and len(rest) >= length


def head_of(data: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """Return the status of a picture's head, the headers and what came after them; None: it is still to come.

    A picture without any head is one too.
    """
    if _PICTURE.match(data):
        return OK, {}, data
    if not _BLANK_LINE.search(data):
        return None
    status, headers, rest = _head(data)
    return None if status is None or status < OK else (status, headers, rest)


class Dechunker:
    """Undoes the chunks of what arrives, as far as their sizes can be followed; then all stays as it comes.

    Attributes:
        is_ended: whether the last chunk came.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Expect chunks if the head tells of them."""
        self.is_ended = False
        self._held = bytearray()
        self._left = 0 if _is_chunked(headers) else None

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what the next bytes hold."""
        self._held += piece
        while self._held and not self.is_ended:
            if self._left == 0 and not self._next(bytes(self._held[:LONGEST_LINE])):
                return
            content = self._held if self._left is None else self._held[: self._left]
            yield bytes(content)
            self._left = None if self._left is None else self._left - len(content)
            del self._held[: len(content)]

    def end(self) -> Iterator[bytes]:
        """Yield what was held back for a size that did not come."""
        if not self.is_ended and self._held.strip(b"\r\n"):
            yield bytes(self._held)

    def _next(self, start: bytes) -> bool:
        """Take the size of the next chunk off; return whether anything can come out now."""
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
    """Yield what an answer may hold, the likeliest first: its framing undone or not, then unpacked."""
    framed = [rest]
    if _is_chunked(headers) or _SIZE.match(rest):
        framed = [_joined(rest), _SIZES.sub(b"", rest), rest]
    label = headers.get("content-encoding", "")
    for each in framed:
        yield _unpacked(each, label)
        if each.startswith(_ZLIB):
            yield _unpacked(each, "deflate")


def _further_on(rest: bytes, headers: Mapping[str, str]) -> Iterator[bytes]:
    """Yield what an answer may hold behind what got between it and its head: a blank line too early, an odd line."""
    more = rest.lstrip(b"\r\n")
    end, odd = _BLANK_LINE.search(more, 0, MAX_HEAD_BYTES), _NO_SIZE.match(rest)
    if end is not None and _HEADER.match(more):
        yield from _contents(more[end.end() :], {**headers, **_headers(more[: end.start()])})
    elif odd is not None and not _SIZE.match(rest):
        yield from _contents(rest[odd.end() :], headers)


def _joined(chunks: bytes) -> bytes:
    """Return what chunks hold, as far as their sizes can be followed."""
    parts, at = [], 0
    while (size := _SIZE.match(chunks, at)) and (length := int(size[1], 16)):
        parts.append(chunks[size.end() : size.end() + length])
        at = min(size.end() + length, len(chunks))
        at += 2 if chunks[at : at + 2] == b"\r\n" else 1 if chunks[at : at + 1] == b"\n" else 0
    return b"".join(parts)


def _unpacked(content: bytes, label: str) -> bytes:
    """Return what something holds, packed once or several times over."""
    for _ in range(MAX_PACKED):
        packed, content = content, _unpacked_once(content, label)
        if content == packed:
            break
    return content


def _unpacked_once(content: bytes, label: str) -> bytes:
    unpacking, parts, size = Decompressor(label), [], 0
    for pieces in (unpacking.feed(content), unpacking.end()):
        for part in pieces:
            parts.append(part)
            size += len(part)
            if size > MAX_REPLY_BYTES:
                break
    return b"".join(parts) or content


def _object_in(content: bytes) -> tuple[bytes, bool]:
    """Return the first JSON object in it, without what stands around that, and whether it is whole."""
    start = content.find(b"{")
    if start < 0 or sum(content.count(mark) for mark in (b"[", b"{", b",")) > MAX_VALUES:
        return b"", False
    text = content[start:].decode(errors="surrogateescape")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return content[start:], False
    if '"http' in text[end:]:  # another with pictures
        return content[start:], False
    return text[:end].encode(errors="surrogateescape"), True
