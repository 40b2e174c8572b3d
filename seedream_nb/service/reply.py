"""The reply to a request that succeeded: the links of its pictures, or whole pictures, and what was refused."""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes

from seedream_nb.errors import LONGEST_LINK, ReplyError
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service import SERVICES
from seedream_nb.service.echoes import WORDS_LIMIT, redact_link, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seedream_nb.service.echoes import Secrets

MAX_LINKS = 100
"""Far beyond what any model makes in one request: a reply with more makes no sense."""

MAX_VALUES = 100_000
MAX_DEPTH = 3
"""How deep an item of the list may hold its link, in lists and objects."""

MAX_BYTES = 1_000_000
"""Python reads JSON in one go, even in a thread, and no other thread works meanwhile: for so much of it some 20 ms.
Long texts, such as whole pictures, are taken out before."""

LONG_BYTES = 64_000
_LIFTED = "\0lifted:"
_BASE64_BYTES = 1 << 20
_DOTS = "%E2%80%A6"
_INLINE = lazy_pattern(r"data:[^,]{0,200};\s{0,9}base64\s{0,9},", re.IGNORECASE)
_MAX_START = 1_000
_CALLED = lazy_pattern(r"data:[^,]{0,80};sha256=[0-9a-f]{64}")
_MEDIA_TYPE = lazy_pattern(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}")
# What came with its transfer's own marks has the length of its first part before it.
_START = lazy_pattern(rb"(?:\xef\xbb\xbf)?\s{0,1000}(?:[0-9a-fA-F]{1,8}(?:;[^\r\n]{0,1000})?\r\n)?\s{0,1000}(?=\{)")
_OTHER_NAMES = frozenset({"data", "image", "images", "image_urls", "urls", "output", "outputs", "result", "results"})
_COLON = lazy_pattern(rb"\s{0,1000}:")
_BEGIN = lazy_pattern(rb'"(?:https?:|data:image/)')
_LINK = lazy_pattern(rb'"https?:(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_IN_TEXT, _STEP_BYTES = lazy_pattern(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL), 256 * 1024


@frozen
class Refused:
    """A picture that the service did not make, and does not bill: its place in the reply, and why, in its words."""

    picture: int
    of: int
    code: int | str | None
    message: str

    def to_record(self) -> dict[str, int | str | None]:
        """Return it as the journal keeps it."""
        return {"picture": self.picture, "of": self.of, "code": self.code, "message": self.message}


@frozen
class Results:
    """What a reply gives.

    Attributes:
        links: of the pictures, each once, in order, as they may be shown and kept; one that came as a whole has an
            address of our own, which tells its content's SHA-256.
        raw: what stands for a link where that is not what came: a link with the key in it, or a picture's bytes.
        refused: the pictures that the service did not make.
        is_odd: whether the reply should be kept: it has too many pictures, one twice, or what is none.
    """

    links: list[str] = field(default_factory=list)
    raw: Mapping[str, str | bytes] = field(default_factory=dict, repr=False)
    refused: list[Refused] = field(default_factory=list)
    is_odd: bool = False


def is_reply(status: int) -> bool:
    """Return whether an answer of this status is a reply: every success, for its pictures may be paid for."""
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's successes


def is_inline(link: str) -> bool:
    """Return whether this stands for the link of a picture that came in the reply itself."""
    return _CALLED.fullmatch(link) is not None


def results_of(content: bytes, most: int, *, secret: Secrets = None) -> Results:
    """Return what a reply gives, even if that is more than the `most` asked for.

    Each item may be a link or a whole picture (`data:image/…`), an object with one of them as `image_url`, `url` or
    `b64_json`, or one with an `error` in its place.

    Args:
        content: of the reply; megabytes take a while, and are for a thread.
        most: how many pictures were asked for.
        secret: the key, and the login of a proxy, which some servers echo: no six characters of it in a row are shown.

    Raises:
        ReplyError: the reply isn't JSON of the documented shape, has no picture, or an absurd number of them;
            its `content` is the reply as it came.
    """
    try:
        return _results(_Read.of(content), most, secret)
    except _SenselessError as senseless:
        error = ReplyError(
            f"The service's reply {senseless}{shown(senseless.seen, secret, 100) or ''}.",
            hint=f"It may have been billed{'; the reply is kept in the journal' if content else ''}. "
            "To try again, run it again.",
            content=content,
        )
    # Without that error behind it, and these variables: a verbose traceback would show them, and the key in them.
    content, secret = b"", None
    raise error


def arrived_results(content: bytes, most: int, *, secret: Secrets = None) -> tuple[Results, bool]:
    """Return what came of a reply that broke off or makes no sense, and whether all of it came.

    Only what stands among its images counts: pages of help and captive portals have links too.
    """
    content = content.lstrip()
    for read in (_Read.of, _Read.within):
        try:
            return _results(read(content), most, secret), True
        except _SenselessError:
            continue
    found = list(dict.fromkeys(_scanned(content, max(most, MAX_LINKS) + 1))) or _under_another_name(content)
    return _named(found if len(found) <= max(most, MAX_LINKS) else [], secret), False


class _SenselessError(Exception):
    """A reply makes no sense; the text says what is wrong with it, and `seen`, after it, what stands there."""

    def __init__(self, what: str, seen: str = "") -> None:
        super().__init__(what)
        self.seen = seen


# -- what it lists ---------------------------------------------------------------------------------


def _results(read: _Read, most: int, secret: Secrets) -> Results:
    named = read.value if isinstance(read.value, dict) else {}
    items = next((named[name] for name in _list_names() if isinstance(named.get(name), list)), None)
    if items is None:
        words = _said(read.value)
        raise _SenselessError(f"has no list of pictures{', but says: ' if words else ''}", words)
    texts = [_texts(item, read.lifted) for item in items]
    found = list(dict.fromkeys(text for each in texts for text in each))
    refused = [
        _refused(error, number, len(items), secret)
        for number, (item, each) in enumerate(zip(items, texts, strict=True), start=1)
        if not each and (error := _error(item))
    ]
    if not any(_text(item, read.lifted) for item in items) and len(refused) < max(1, len(items)):
        raise _SenselessError("names no picture" if not items else "names its pictures in a way nobody documented")
    if len(found) + len(refused) > max(most, MAX_LINKS):
        raise _SenselessError(f"names {len(found) + len(refused):,} pictures where at most {most} were asked for")
    results = _named(found, secret)
    is_odd = results.is_odd or len(found) > most or len(found) + len(refused) != len(items)
    return Results(links=results.links, raw=results.raw, refused=refused, is_odd=is_odd)


def _text(item: object, lifted: Sequence[bytes]) -> str:
    """Return the link or the whole picture that an item of the list is, as text."""
    if isinstance(item, dict):
        packed = item.get("b64_json")
        linked = (item[name] for service in SERVICES.values() for name in service.link_fields if item.get(name))
        item = next(linked, f"data:;base64,{packed}" if packed and isinstance(packed, str) else None)
    return _lifted_text(item.strip(), lifted) if isinstance(item, str) else ""


def _list_names() -> list[str]:
    """Return what services call the list of their pictures: a reply may be paid for, whichever it is from."""
    return list(dict.fromkeys(service.pictures_field for service in SERVICES.values()))


def _texts(item: object, lifted: Sequence[bytes], depth: int = MAX_DEPTH) -> list[str]:
    """Return what an item of the list is; where it is nothing documented, the links and pictures that it holds."""
    if text := _text(item, lifted):
        return [text]
    if not depth or not isinstance(item, (list, dict)) or _error(item):
        return []
    inner = item if isinstance(item, list) else item.values()
    found = [text for each in inner for text in _texts(each, lifted, depth - 1) if _leads(text)]
    return found if isinstance(item, list) else found[:1]  # what else an object names is not its picture


def _lifted_text(text: str, lifted: Sequence[bytes]) -> str:
    before, mark, number = text.rpartition(_LIFTED)
    if mark and number.isdecimal() and int(number) < len(lifted):
        return before + _unescaped(lifted[int(number)])
    return text


def _leads(text: str) -> bool:
    """Return whether a text can only be a link or a whole picture."""
    return text[:8].lower().startswith(("http://", "https://")) or _INLINE.match(text) is not None


def _under_another_name(content: bytes) -> list[str]:
    """Return the links of a list that other services have in the place of `images`."""
    try:
        read = _Read.of(content)
    except _SenselessError:
        return []
    value = read.value
    named = value.items() if isinstance(value, dict) else [("data", value)]
    lists = [each for name, each in named if isinstance(each, list) and name.lower() in _OTHER_NAMES]
    texts = (text for each in lists for text in _texts(each, read.lifted))
    return list(dict.fromkeys(filter(_leads, texts)))


def _error(item: object) -> object:
    return item.get("error") if isinstance(item, dict) else None


def _refused(error: object, number: int, of: int, secret: Secrets) -> Refused:
    told: dict[str, Any] = error if isinstance(error, dict) else {"message": error}
    code, words = told.get("code"), told.get("message") or (None if told.get("code") else told)
    return Refused(
        picture=number,
        of=of,
        code=code if isinstance(code, int) else shown(code, secret),
        message=shown(words, secret, WORDS_LIMIT) or "",
    )


def _said(value: object) -> str:
    """Return what a reply says in place of pictures."""
    inner = value.get("error") if isinstance(value, dict) else None
    words = inner.get("message") if isinstance(inner, dict) else inner
    words = words or (value.get("message") if isinstance(value, dict) else None)
    return words if isinstance(words, str) else ""  # it is cut once the key is out of it


def _named(found: Sequence[str], secret: Secrets) -> Results:
    """Return links and whole pictures by what they may be called in the journal."""
    named: dict[str, str | bytes] = {}
    is_damaged = False
    for text in found:
        if _INLINE.match(text):
            picture = _decoded(text)
            named[_called(text, picture)] = picture
            is_damaged = is_damaged or _lacks(text, picture)
        else:
            link = redact_link(text.replace("…", _DOTS), secret)  # else it would look as if a key had been there
            named[link if len(link) <= LONGEST_LINK else f"{link[:LONGEST_LINK]}…"] = text
    raw = {link: came for link, came in named.items() if link != came}
    is_odd = is_damaged or len(named) < len(found) or any(len(link) > LONGEST_LINK for link in named)
    return Results(links=list(named), raw=raw, is_odd=is_odd)


# -- whole pictures --------------------------------------------------------------------------------


def _called(text: str, picture: bytes) -> str:
    found = _MEDIA_TYPE.match(text[len("data:") : 200].lower())
    return f"data:{found[0] if found else ''};sha256={hashlib.sha256(picture).hexdigest()}"


def _decoded(text: str) -> bytes:
    """Return the bytes of a `data:` address; where they can't be had, what stands in their place."""
    content = text.partition(",")[2].encode("utf-8", "replace")
    content = unquote_to_bytes(content) if b"%" in content[:LONG_BYTES] else content
    content = content.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n=")
    content += b"=" * (-len(content) % 4)
    try:
        pieces = (content[start : start + _BASE64_BYTES] for start in range(0, len(content), _BASE64_BYTES))
        return b"".join(map(binascii.a2b_base64, pieces))
    except binascii.Error:
        return content


def _lacks(text: str, picture: bytes) -> bool:
    """Return whether a picture is far less than its text: what is no base64 was left out of it."""
    return not picture or 2 * len(picture) < len(text) - _MAX_START


# -- reading it ------------------------------------------------------------------------------------


@frozen
class _Read:
    """A reply's JSON, and the long texts that were taken out of it, as they were spelled."""

    value: object = field(repr=False)
    lifted: Sequence[bytes] = field(default=(), repr=False)

    @classmethod
    def of(cls, content: bytes) -> _Read:
        """Read a reply that is nothing but JSON."""
        if sum(content.count(mark) for mark in (b"[", b"{", b",")) > MAX_VALUES:
            _not_json(content, f"holds more than {MAX_VALUES:,} values")
        rest, lifted = _lifted(content) if len(content) > MAX_BYTES else (content, [])
        if len(rest) > MAX_BYTES:
            _not_json(content, "holds too much beside its pictures")
        try:
            return cls(value=json.loads(rest, object_pairs_hook=_object), lifted=lifted)
        except (ValueError, RecursionError):
            _not_json(content, "isn't JSON")

    @classmethod
    def within(cls, content: bytes) -> _Read:
        """Read a reply with something around its JSON, if that has no pictures."""
        start = _START.match(content)
        rest, lifted = _lifted(content[start.end() :]) if start else (b"", [])
        try:
            text = rest[:MAX_BYTES].decode(errors="replace")
            value, end = _DECODER.raw_decode(text)
            values, last = [value], text.rfind('"http')
            while end <= last:  # one after the other, as in a stream of events
                value, end = _DECODER.raw_decode(text, text.index("{", end))
                values.append(value)
        except (ValueError, RecursionError):
            _not_json(content, "isn't JSON")
        if len(rest) > MAX_BYTES:
            _not_json(content, "has more behind its end")
        if len(values) > 1:
            values = [_object([pair for each in values if isinstance(each, dict) for pair in each.items()])]
        return cls(value=values[0], lifted=lifted)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; one that has several lists of images has all of them, for each may be paid for."""
    value = dict(pairs)
    if len(value) < len(pairs):
        for known in _list_names():
            lists = [each for name, each in pairs if name == known and isinstance(each, list)]
            value |= {known: [item for each in lists for item in each]} if lists else {}
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _lifted(content: bytes) -> tuple[bytes, list[bytes]]:
    """Return some JSON without its long texts, and those; a quote that is never closed ends it."""
    kept, lifted, end, seen = list[bytes](), list[bytes](), 0, 0
    start = content.find(b'"')
    while start >= 0 and (close := _closing(content, start + 1)) >= 0 and seen < MAX_VALUES:
        if close - start > LONG_BYTES:
            kept += [content[end : start + 1], json.dumps(f"{_LIFTED}{len(lifted)}").encode()[1:-1]]
            lifted.append(content[start + 1 : close])
            end = close
        start, seen = content.find(b'"', close + 1), seen + 1
    return b"".join([*kept, content[end:]]), lifted


def _closing(content: bytes, start: int) -> int:
    """Return where the text ends that begins at `start`; -1 if nowhere."""
    end = content.find(b'"', start)
    if end < 0 or content[end - 1] != ord("\\"):
        return end
    while (end := _IN_TEXT.match(content, start, start + _STEP_BYTES).end()) > start:  # type: ignore[union-attr]  # it matches nothing too
        start = end
    return end if content.startswith(b'"', end) else -1


def _unescaped(spelled: bytes) -> str:
    text = spelled.replace(b"\\/", b"/").decode(errors="replace")
    try:
        return str(json.loads(f'"{text}"')) if "\\" in text else text
    except ValueError:
        return text


def _not_json(content: bytes, what: str) -> NoReturn:
    seen = content[:1000].decode(errors="replace").strip()
    raise _SenselessError(f"{what}: " if seen else "is empty", seen)


def _scanned(content: bytes, most: int) -> Iterator[str]:
    """Give the links and whole pictures among a reply's images, as far as it goes; at most so many.

    No byte is looked at more than a few times, however it was made: a link that does not end ends at the same place
    wherever within it one begins to read.
    """
    end, given = _first_image(content), 0
    while given < most and (begin := _BEGIN.search(content, end)):
        end = _text_end(content, begin.start())
        if content.startswith(b'"', end):
            given += 1
            yield _unescaped(content[begin.start() + 1 : end]).strip()
            end += 1


def _first_image(content: bytes) -> int:
    """Return where a reply's list of images begins; its end if nowhere."""
    start = _START.match(content)
    begun = [_after_name(content, f'"{name}"'.encode(), start.end()) for name in _list_names()] if start else []
    return min(begun, default=len(content))


def _after_name(content: bytes, name: bytes, start: int) -> int:
    """Return where the value of a field begins; the content's end if nowhere."""
    at = content.find(name, start)
    while at >= 0:
        if colon := _COLON.match(content, at + len(name)):
            return colon.end()
        at = content.find(name, at + 1)
    return len(content)


def _text_end(content: bytes, start: int) -> int:
    """Return where the link or picture that begins with the quote at `start` stops being one: a quote, or anything."""
    if content.startswith(b'"data', start):
        end = content.find(b'"', start + 1)
        return end if end >= 0 else len(content)
    link = _LINK.match(content, start, start + LONGEST_LINK)
    return link.end() if link else start + 1
