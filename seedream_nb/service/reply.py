"""The reply to a successful request: links of its pictures, or inline pictures, and what was refused."""

from __future__ import annotations

import binascii
import functools
import hashlib
import json
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes

from seedream_nb.errors import INTERNAL, LONGEST_LINK, ReplyError
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service import SERVICES
from seedream_nb.service.redaction import WORDS_LIMIT, redact_link, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seedream_nb.service.redaction import Secrets

MAX_LINKS = 100
"""Far more than any model makes for one request: a reply with more is not valid."""

MAX_VALUES = 100_000
MAX_DEPTH = 3
"""How deeply an item of the list may nest its link, in lists and objects."""

MAX_BYTES = 1_000_000
"""Python parses JSON at once, even in a thread, and blocks all other threads meanwhile: some 20 ms for this much.
Long strings, such as inline pictures, are taken out before."""

LONG_BYTES = 64_000
_PLACEHOLDER = "\0lifted:"
_BASE64_BYTES = 1 << 20
_DOTS = "%E2%80%A6"
_INLINE = lazy_pattern(r"data:[^,]{0,200};\s{0,9}base64\s{0,9},", re.IGNORECASE)
_MAX_START = 1_000
_INLINE_NAME = lazy_pattern(r"data:[^,]{0,80};sha256=[0-9a-f]{64}")
_MEDIA_TYPE = lazy_pattern(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}")
# A reply with chunked framing still in it begins with the length of its first chunk.
_START = lazy_pattern(rb"(?:\xef\xbb\xbf)?\s{0,1000}(?:[0-9a-fA-F]{1,8}(?:;[^\r\n]{0,1000})?\r\n)?\s{0,1000}(?=\{)")
_OTHER_NAMES = frozenset({"data", "image", "images", "image_urls", "urls", "output", "outputs", "result", "results"})
_COLON = lazy_pattern(rb"\s{0,1000}:")
_BEGIN = lazy_pattern(rb'"(?:https?:|data:image/)')
_LINK = lazy_pattern(rb'"https?:(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_IN_TEXT, _STEP_BYTES = lazy_pattern(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL), 256 * 1024


@frozen
class Refused:
    """A picture that the service did not make, and does not bill: its position, and the service's reason."""

    picture: int
    of: int
    code: int | str | None
    message: str

    def to_record(self) -> dict[str, int | str | None]:
        """Return it as the journal has it."""
        return {"picture": self.picture, "of": self.of, "code": self.code, "message": self.message}


@frozen
class Results:
    """The results in a reply.

    Attributes:
        links: of the pictures, each once, in order, safe to show and keep; an inline picture has a name of our own
            with its content's SHA-256.
        raw: the original for each link that is not the original: a link with the key in it, or a picture's bytes.
        refused: the pictures that the service did not make.
        is_odd: whether to keep the reply: it has too many pictures, one twice, or something that is not a picture.
    """

    links: list[str] = field(default_factory=list)
    raw: Mapping[str, str | bytes] = field(default_factory=dict, repr=False)
    refused: list[Refused] = field(default_factory=list)
    is_odd: bool = False


def is_reply(status: int) -> bool:
    """Return whether an answer with this status is a reply: any success, because its pictures may be paid for."""
    return 200 <= status < 300


def is_inline(link: str) -> bool:
    """Return whether this is the name of a picture that came inside the reply."""
    return _INLINE_NAME.fullmatch(link) is not None


def parse_results(content: bytes, expected: int, *, secret: Secrets = None) -> Results:
    """Return the results in a reply, even if they are more than `expected`.

    Each item may be a link or an inline picture (`data:image/…`), an object with one of them as `image_url`, `url` or
    `b64_json`, or one with an `error` instead.

    Args:
        content: of the reply; for megabytes, call this in a thread.
        expected: how many pictures were requested.
        secret: the key, and the proxy's login, which some servers echo: six characters of it in a row are redacted.

    Raises:
        ReplyError: the reply isn't JSON of the documented shape, or has no picture, or absurdly many, or it could not
            be read for a fault of ours; its `content` is the reply as it arrived.
    """
    try:
        return _results(_ParsedReply.of(content), expected, secret)
    except _InvalidReplyError as invalid:
        error = ReplyError(
            f"The service's reply {invalid}{shown(invalid.seen, secret, 100) or ''}.",
            hint=f"It may have been billed{'; the reply is kept in the journal' if content else ''}. "
            "To try again, run it again.",
            content=content,
        )
    except Exception as trouble:  # noqa: BLE001 - a fault of ours, or a lack of memory: it is paid for all the same
        told = f"{INTERNAL}: {type(trouble).__name__} while the service's reply was read."
        error = ReplyError(told, hint="It may have been billed. Please report this.", content=content)
    # Without the first error as its context, and without these variables: a verbose traceback would show the key.
    content, secret = b"", None
    raise error


def salvage_results(content: bytes, expected: int, *, secret: Secrets = None) -> tuple[Results, bool]:
    """Return the results in a reply that broke off or can't be parsed, and whether it is complete.

    Only what is inside its list of images counts: help pages and captive portals have links too.
    """
    try:
        return _salvaged(content.lstrip(), expected, secret)
    except Exception:  # noqa: BLE001 - as above: the links alone are worth more than nothing
        return _links_alone(content.lstrip(), [secret] if isinstance(secret, str) else secret or ()), False


def _salvaged(content: bytes, expected: int, secret: Secrets) -> tuple[Results, bool]:
    for read in (_ParsedReply.of, _ParsedReply.within):
        try:
            return _results(read(content), expected, secret), True
        except _InvalidReplyError:
            continue
    links = list(dict.fromkeys(_scan(content, max(expected, MAX_LINKS) + 1))) or _under_another_name(content)
    return _to_results(links if len(links) <= max(expected, MAX_LINKS) else [], secret), False


def _links_alone(content: bytes, secrets: Iterable[str]) -> Results:
    """Return the links in a reply with as little work as can be, for when all else has failed."""
    raw: dict[str, str | bytes] = {}
    for link in dict.fromkeys(link for link in _scan(content, MAX_LINKS) if link.startswith("http")):
        name = functools.reduce(lambda text, secret: text.replace(secret, "…"), filter(None, secrets), link)
        raw[name] = link
    return Results(links=list(raw), raw={name: link for name, link in raw.items() if name != link})


class _InvalidReplyError(Exception):
    """A reply is not valid; the text says why, and `seen`, to follow it, is what it contains."""

    def __init__(self, problem: str, seen: str = "") -> None:
        super().__init__(problem)
        self.seen = seen


# -- the list of pictures --------------------------------------------------------------------------


def _results(read: _ParsedReply, expected: int, secret: Secrets) -> Results:
    named = read.value if isinstance(read.value, dict) else {}
    items = next((named[name] for name in _list_names() if isinstance(named.get(name), list)), None)
    if items is None:
        words = _message(read.value)
        raise _InvalidReplyError(f"has no list of pictures{', but says: ' if words else ''}", words)
    texts = [_texts(item, read.lifted) for item in items]
    links = list(dict.fromkeys(text for item_texts in texts for text in item_texts))
    refused = [
        _refusal(error, number, len(items), secret)
        for number, (item, item_texts) in enumerate(zip(items, texts, strict=True), start=1)
        if not item_texts and (error := _error(item))
    ]
    if not any(_text(item, read.lifted) for item in items) and len(refused) < max(1, len(items)):
        raise _InvalidReplyError("names no picture" if not items else "names its pictures in an undocumented way")
    if len(links) + len(refused) > max(expected, MAX_LINKS):
        raise _InvalidReplyError(
            f"names {len(links) + len(refused):,} pictures where at most {expected} were requested"
        )
    results = _to_results(links, secret)
    is_odd = results.is_odd or len(links) > expected or len(links) + len(refused) != len(items)
    return Results(links=results.links, raw=results.raw, refused=refused, is_odd=is_odd)


def _text(item: object, lifted: Sequence[bytes]) -> str:
    """Return the link or the inline picture of an item of the list, as text."""
    if isinstance(item, dict):
        encoded = item.get("b64_json")
        linked = (item[name] for service in SERVICES.values() for name in service.link_fields if item.get(name))
        item = next(linked, f"data:;base64,{encoded}" if encoded and isinstance(encoded, str) else None)
    return _lifted_text(item.strip(), lifted) if isinstance(item, str) else ""


def _list_names() -> list[str]:
    """Return what services call their list of pictures: a reply may be paid for, whichever service sent it."""
    return list(dict.fromkeys(service.pictures_field for service in SERVICES.values()))


def _texts(item: object, lifted: Sequence[bytes], depth: int = MAX_DEPTH) -> list[str]:
    """Return an item's link or picture; if it is undocumented, all the links and pictures that it contains."""
    if text := _text(item, lifted):
        return [text]
    if not depth or not isinstance(item, (list, dict)) or _error(item):
        return []
    inner = item if isinstance(item, list) else item.values()
    texts = [text for part in inner for text in _texts(part, lifted, depth - 1) if _is_link(text)]
    return texts if isinstance(item, list) else texts[:1]  # anything else in an object is not its picture


def _lifted_text(text: str, lifted: Sequence[bytes]) -> str:
    before, mark, number = text.rpartition(_PLACEHOLDER)
    if mark and number.isdecimal() and int(number) < len(lifted):
        return before + _unescaped(lifted[int(number)])
    return text


def _is_link(text: str) -> bool:
    """Return whether a text can only be a link or an inline picture."""
    return text[:8].lower().startswith(("http://", "https://")) or _INLINE.match(text) is not None


def _under_another_name(content: bytes) -> list[str]:
    """Return the links of a list with a name that other services use."""
    try:
        read = _ParsedReply.of(content)
    except _InvalidReplyError:
        return []
    value = read.value
    fields = value.items() if isinstance(value, dict) else [("data", value)]
    lists = [pictures for name, pictures in fields if isinstance(pictures, list) and name.lower() in _OTHER_NAMES]
    texts = (text for pictures in lists for text in _texts(pictures, read.lifted))
    return list(dict.fromkeys(filter(_is_link, texts)))


def _error(item: object) -> object:
    return item.get("error") if isinstance(item, dict) else None


def _refusal(error: object, number: int, of: int, secret: Secrets) -> Refused:
    fields: dict[str, Any] = error if isinstance(error, dict) else {"message": error}
    code, words = fields.get("code"), fields.get("message") or (None if fields.get("code") else fields)
    return Refused(
        picture=number,
        of=of,
        code=code if isinstance(code, int) else shown(code, secret),
        message=shown(words, secret, WORDS_LIMIT) or "",
    )


def _message(value: object) -> str:
    """Return the message of a reply that has no pictures."""
    inner = value.get("error") if isinstance(value, dict) else None
    words = inner.get("message") if isinstance(inner, dict) else inner
    words = words or (value.get("message") if isinstance(value, dict) else None)
    return words if isinstance(words, str) else ""  # it is cut only after the key is removed


def _to_results(texts: Sequence[str], secret: Secrets) -> Results:
    """Return links and inline pictures with the names that the journal may have."""
    named: dict[str, str | bytes] = {}
    is_damaged = False
    for text in texts:
        if _INLINE.match(text):
            picture = _decode(text)
            named[_inline_name(text, picture)] = picture
            is_damaged = is_damaged or _is_truncated(text, picture)
        else:
            link = redact_link(text.replace("…", _DOTS), secret)  # else it would look as if a key had been there
            named[link if len(link) <= LONGEST_LINK else f"{link[:LONGEST_LINK]}…"] = text
    raw = {link: original for link, original in named.items() if link != original}
    is_odd = is_damaged or len(named) < len(texts) or any(len(link) > LONGEST_LINK for link in named)
    return Results(links=list(named), raw=raw, is_odd=is_odd)


# -- inline pictures -------------------------------------------------------------------------------


def _inline_name(text: str, picture: bytes) -> str:
    media_type = _MEDIA_TYPE.match(text[len("data:") : 200].lower())
    return f"data:{media_type[0] if media_type else ''};sha256={hashlib.sha256(picture).hexdigest()}"


def _decode(text: str) -> bytes:
    """Return the bytes of a `data:` URL; if they can't be decoded, its text."""
    content = text.partition(",")[2].encode("utf-8", "replace")
    content = unquote_to_bytes(content) if b"%" in content[:LONG_BYTES] else content
    content = content.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n=")
    content += b"=" * (-len(content) % 4)
    try:
        pieces = (content[start : start + _BASE64_BYTES] for start in range(0, len(content), _BASE64_BYTES))
        return b"".join(map(binascii.a2b_base64, pieces))
    except binascii.Error:
        return content


def _is_truncated(text: str, picture: bytes) -> bool:
    """Return whether a picture is far smaller than its text, because much of that was not base64."""
    return not picture or 2 * len(picture) < len(text) - _MAX_START


# -- parsing ---------------------------------------------------------------------------------------


@frozen
class _ParsedReply:
    """A reply's JSON, and the long strings that were taken out of it, still escaped."""

    value: object = field(repr=False)
    lifted: Sequence[bytes] = field(default=(), repr=False)

    @classmethod
    def of(cls, content: bytes) -> _ParsedReply:
        """Parse a reply that is only JSON."""
        if sum(content.count(mark) for mark in (b"[", b"{", b",")) > MAX_VALUES:
            _not_json(content, f"holds more than {MAX_VALUES:,} values")
        rest, lifted = _take_out(content) if len(content) > MAX_BYTES else (content, [])
        if len(rest) > MAX_BYTES:
            _not_json(content, "contains too much besides its pictures")
        try:
            return cls(value=json.loads(rest, object_pairs_hook=_object), lifted=lifted)
        except (ValueError, RecursionError):
            _not_json(content, "isn't JSON")

    @classmethod
    def within(cls, content: bytes) -> _ParsedReply:
        """Parse a reply with something around its JSON, if that has no pictures."""
        start = _START.match(content)
        rest, lifted = _take_out(content[start.end() :]) if start else (b"", [])
        try:
            text = rest[:MAX_BYTES].decode(errors="replace")
            value, end = _DECODER.raw_decode(text)
            values, last = [value], text.rfind('"http')
            while end <= last:  # several objects, as in an event stream
                value, end = _DECODER.raw_decode(text, text.index("{", end))
                values.append(value)
        except (ValueError, RecursionError):
            _not_json(content, "isn't JSON")
        if len(rest) > MAX_BYTES:
            _not_json(content, "has more after its end")
        if len(values) > 1:
            values = [_object([pair for part in values if isinstance(part, dict) for pair in part.items()])]
        return cls(value=values[0], lifted=lifted)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; if it has several lists of images, they are joined, because each may be paid for."""
    value = dict(pairs)
    if len(value) < len(pairs):
        for list_name in _list_names():
            lists = [item for name, item in pairs if name == list_name and isinstance(item, list)]
            value |= {list_name: [item for pictures in lists for item in pictures]} if lists else {}
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _take_out(content: bytes) -> tuple[bytes, list[bytes]]:
    """Return JSON without its long strings, and these; an unterminated string ends the search."""
    kept, lifted, end, count = list[bytes](), list[bytes](), 0, 0
    start = content.find(b'"')
    while start >= 0 and (close := _closing(content, start + 1)) >= 0 and count < MAX_VALUES:
        if close - start > LONG_BYTES:
            kept += [content[end : start + 1], json.dumps(f"{_PLACEHOLDER}{len(lifted)}").encode()[1:-1]]
            lifted.append(content[start + 1 : close])
            end = close
        start, count = content.find(b'"', close + 1), count + 1
    return b"".join([*kept, content[end:]]), lifted


def _closing(content: bytes, start: int) -> int:
    """Return where the string that begins at `start` ends; -1 if nowhere."""
    end = content.find(b'"', start)
    if end < 0 or content[end - 1] != ord("\\"):
        return end
    while (end := _IN_TEXT.match(content, start, start + _STEP_BYTES).end()) > start:  # type: ignore[union-attr]  # it also matches nothing
        start = end
    return end if content.startswith(b'"', end) else -1


def _unescaped(spelled: bytes) -> str:
    text = spelled.replace(b"\\/", b"/").decode(errors="replace")
    try:
        return str(json.loads(f'"{text}"')) if "\\" in text else text
    except ValueError:
        return text


def _not_json(content: bytes, problem: str) -> NoReturn:
    seen = content[:1000].decode(errors="replace").strip()
    raise _InvalidReplyError(f"{problem}: " if seen else "is empty", seen)


def _scan(content: bytes, limit: int) -> Iterator[str]:
    """Yield the links and inline pictures among a reply's images, as far as it goes; at most `limit`.

    No byte is read more than a few times, however it was made: an unterminated link ends at the same position
    wherever reading begins.
    """
    end, count = _first_image(content), 0
    while count < limit and (begin := _BEGIN.search(content, end)):
        end = _text_end(content, begin.start())
        if content.startswith(b'"', end):
            count += 1
            yield _unescaped(content[begin.start() + 1 : end]).strip()
            end += 1


def _first_image(content: bytes) -> int:
    """Return where a reply's list of images begins; its end if there is none."""
    start = _START.match(content)
    begun = [_after_name(content, f'"{name}"'.encode(), start.end()) for name in _list_names()] if start else []
    return min(begun, default=len(content))


def _after_name(content: bytes, name: bytes, start: int) -> int:
    """Return where the value of a field begins; the content's end if there is none."""
    at = content.find(name, start)
    while at >= 0:
        if colon := _COLON.match(content, at + len(name)):
            return colon.end()
        at = content.find(name, at + 1)
    return len(content)


def _text_end(content: bytes, start: int) -> int:
    """Return where the link or picture that begins with the quote at `start` ends: at a quote, or anywhere."""
    if content.startswith(b'"data', start):
        end = content.find(b'"', start + 1)
        return end if end >= 0 else len(content)
    link = _LINK.match(content, start, start + LONGEST_LINK)
    return link.end() if link else start + 1
