"""Redaction of what a server wrote, before it is shown or kept: harmless text, without the key that it may echo."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from dataclasses import field
from functools import lru_cache
from itertools import accumulate, islice
from math import ceil
from typing import TYPE_CHECKING

from seedream_nb.errors import LONGEST_LINK, plain
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Secrets = str | Iterable[str] | None

WORDS_LIMIT = 300
"""How many characters of a service's message are shown."""

SECRET_RUN = 6
"""This many characters of a key in a row are already too many to show."""

NEARLY_ALL = 0.8
"""A link with this share of a key in one piece contains the key; less may be a word that both happen to have."""

LONG = 12
"""A shorter key may be a word, which our own messages use too."""

_WINDOW_BYTES = 256 * 1024
"""How much is searched at once, while no other Python thread can run."""

_WIDEST = 20
"""The most bytes that write one character of a key, as in `&#000000000000115;`."""

_MAX_RUNS = 5_000
"""A window with more escaped pieces of a key is redacted as a whole."""

_ONLY_ONES = bytes(byte == 1 for byte in range(256))

_ESCAPES = (b"%", b"\\", b"&#", b"\0")
_ESCAPE = lazy_pattern(
    rb"(%(?:25){0,3}[0-9a-fA-F]{2}|\\(?:u00|x)[0-9a-fA-F]{2}|&#[xX]0{0,12}[0-9a-fA-F]{2}(?:;|(?![0-9a-fA-F]))"
    rb"|&#0{0,12}[1-9][0-9]{1,2}(?:;|(?![0-9]))|\\/|\x00{1,16})"
)
_WIDE = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_URL = lazy_pattern(rb"https?:(?:\\?/){2}[^\s\"'<>]{0,%d}" % LONGEST_LINK)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\xff\x0a", b"\0\0\0\x0c")


class LoginName(str):
    """The user name of a login: a link may contain the same word, and is the only copy, so it is not redacted there."""

    __slots__ = ()


def shown(value: object, secret: Secrets, limit: int = 80) -> str | None:
    """Return foreign text as harmless text without the key, or None if it is empty."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else _as_text(value)
    # Redacted before it is cut: otherwise a part of the key could be left at the end.
    return plain(redact(plain(text, 4 * limit), secret), limit) or None


def redact(text: str, secret: Secrets) -> str:
    """Return a text for people with every run of six or more characters of the secret, or secrets, redacted.

    In any spelling: upper or lower case, the escapes of URLs, JSON and HTML, base64 and hexadecimal. A shorter secret
    is redacted only where it is a separate word: its letters are in every text.
    """
    return _redact(text, secret, _in_text)


def redact_link(link: str, secret: Secrets) -> str:
    """Return a link in which the secret is redacted if it contains (nearly) all of it.

    A picture is downloaded by its link, so words that merely occur in the key too must stay. A secret of less than
    six characters is redacted if it stands alone between two delimiters of a URL: `?key=k1`.
    """
    return _redact(link, secret, _in_link)


def redact_message(text: str, secret: Secrets) -> str:
    """Return a message of our own in which a long secret is redacted if it contains (nearly) all of it.

    Foreign text was redacted before it was put into the message; our own words may occur in the key too.
    """
    return _redact(text, secret, _in_message)


def shows_key(text: str, keys: Sequence[str]) -> bool:
    """Return whether a text contains (nearly) all of a long key, in any spelling.

    A key of fewer than 12 characters is not searched for: it may be a word, such as the `test` of a server on this
    machine, and whoever has that key could never request a picture of a test. The services' own keys are longer.
    """
    return redact_message(text, keys) != text


def runs_of(secrets: Iterable[str]) -> frozenset[bytes]:
    """Return what shows a piece of a secret in a text without escapes: in lower case, hexadecimal and base64.

    For whoever compares many short texts with the same long secrets.
    """
    found = (_Patterns.of(secret.encode("utf-8", "surrogatepass"), SECRET_RUN) for secret in secrets)
    return frozenset(run for patterns in found for run in (*patterns.runs, *patterns.runs_encoded))


def redact_content(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return a server's content without the key: redacted as a text, and its links as links.

    A picture is not changed.
    """
    if _is_picture(content):
        return content
    wide = next((encoding for mark, encoding in _WIDE if content.startswith(mark) and len(content) % 2 == 0), None)
    if wide is not None:
        text = content.decode(wide, "surrogatepass").encode("utf-8", "surrogatepass")
        kept = redact_content(text, secrets := list(secrets))
        return content if kept == text else kept.decode("utf-8", "surrogatepass").encode(wide, "surrogatepass")
    for secret in filter(None, secrets):
        mask = _in_text(content, secret)
        if 1 in mask:
            links = list(_links(content))
            link_mask = _in_link(content, secret) if links else b""
            for start, end in links:
                mask[start:end] = link_mask[start:end]
            content = b"".join(_apply(content, mask))
    return content


def _is_picture(content: bytes) -> bool:
    """Return whether a file begins like a picture; every picture contains a byte that no text has."""
    return b"\0" in content and (content.startswith(_PICTURES) or content[4:8] == b"ftyp")


def _links(content: bytes) -> Iterator[tuple[int, int]]:
    at = content.find(b"http")
    while at >= 0:
        match = _URL.match(content, at)
        if match is not None:
            yield match.span()
        at = content.find(b"http", at + 4 if match is None else match.end())


# -- finding a secret ------------------------------------------------------------------------------


def _redact(text: str, secrets: Secrets, find: Callable[[bytes, str], bytearray]) -> str:
    # In UTF-8, where upper and lower case have the same length; lone surrogates pass too.
    content = text.encode("utf-8", "surrogatepass")
    for secret in filter(None, [secrets] if isinstance(secrets, str) else secrets or ()):
        mask = find(content, secret)
        content = b"".join(_apply(content, mask)) if 1 in mask else content
    return content.decode("utf-8", "surrogatepass")


def _in_text(content: bytes, secret: str) -> bytearray:
    """Return a 1 for each byte of a text that shows the secret."""
    if len(secret) < SECRET_RUN:
        return _matching(rb"(?<![0-9A-Za-z])%s(?![0-9A-Za-z])", content, secret)
    return _runs(content, secret, SECRET_RUN)


def _in_link(content: bytes, secret: str) -> bytearray:
    """Return a 1 for each byte of a link that shows the secret."""
    if isinstance(secret, LoginName):
        return bytearray(len(content))
    if len(secret) < SECRET_RUN:
        return _matching(rb"(?<=[/?&=#:@;])%s(?=[/?&=#:@;\s\"'<>]|\Z)", content, secret)
    return _nearly_all(content, secret)


def _in_message(content: bytes, secret: str) -> bytearray:
    """Return a 1 for each byte of a message that shows the secret."""
    return bytearray(len(content)) if len(secret) < LONG else _nearly_all(content, secret)


def _nearly_all(content: bytes, secret: str) -> bytearray:
    return _runs(content, secret, max(SECRET_RUN, ceil(NEARLY_ALL * len(secret))))


def _matching(pattern: bytes, content: bytes, secret: str) -> bytearray:
    pattern_bytes, ones = secret.encode(), b"\x01" * len(secret.encode())
    marked = re.sub(pattern % re.escape(pattern_bytes), ones, content.replace(b"\x01", b"\0"), flags=re.IGNORECASE)
    return bytearray(marked.translate(_ONLY_ONES))


def _runs(content: bytes, secret: str, run: int) -> bytearray:
    """Return a 1 for each byte that is part of a run of `run` characters of the secret."""
    mask, key = bytearray(len(content)), secret.encode()
    patterns = _Patterns.of(key, run)
    for start in range(0, len(content), _WINDOW_BYTES):
        window = content[start : start + _WINDOW_BYTES + _WIDEST * len(key)]
        patterns.mark(window, mask, start)
        if any(mark in window for mark in _ESCAPES):
            _mark_escaped(window, patterns, mask, start)
    return mask


@frozen
class _Patterns:
    """What shows a secret: all of it, and its runs, in lower case, and each of them in base64.

    The runs are encoded too: whoever cut the text before encoding it didn't know that it was a key.
    """

    full: Sequence[bytes] = field(repr=False)
    runs: Sequence[bytes] = field(repr=False)
    full_encoded: Sequence[bytes] = field(repr=False)
    runs_encoded: Sequence[bytes] = field(repr=False)

    @classmethod
    def of(cls, key: bytes, run: int) -> _Patterns:
        """Return the patterns for runs of `run` characters of a key."""
        runs = [key[start : start + run] for start in range(len(key) - run + 1)]
        return cls(
            full=_lower_case([key]),
            runs=_lower_case(runs),
            full_encoded=list(_base64_of(key)),
            runs_encoded=list(dict.fromkeys(encoded for part in runs for encoded in _base64_of(part))),
        )

    def mark(self, text: bytes, mask: bytearray, start: int) -> None:
        """Mark the secret in a text without escapes."""
        _mark_both(text.lower(), self.full, self.runs, mask, start)
        _mark_both(text, self.full_encoded, self.runs_encoded, mask, start)


def _lower_case(parts: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(spelling for part in parts for spelling in (part.lower(), part.hex().encode())))


def _mark_both(text: bytes, full: Sequence[bytes], runs: Sequence[bytes], mask: bytearray, start: int) -> None:
    _mark(text, full, mask, start)
    for key in full:  # an echo may consist of nothing but keys
        text = text.replace(key, bytes(len(key)))
    _mark(text, runs, mask, start)


def _mark(text: bytes, parts: Iterable[bytes], mask: bytearray, start: int) -> None:
    for part in parts:
        ones, at = b"\x01" * len(part), text.find(part)
        while at >= 0:
            mask[start + at : start + at + len(part)] = ones
            at = text.find(part, at + 1)


def _mark_escaped(window: bytes, patterns: _Patterns, mask: bytearray, start: int) -> None:
    """Mark the secret in a text whose escapes have to be decoded first."""
    written = _ESCAPE.split(window)  # every second piece is an escape
    meant = list(written)
    meant[1::2] = map(_unescape, written[1::2])
    read = b"".join(meant)
    marks = bytearray(len(read))
    patterns.mark(read, marks, 0)
    runs = list(islice(_spans(marks), _MAX_RUNS + 1))
    if len(runs) > _MAX_RUNS:
        mask[start : start + len(window)] = b"\x01" * len(window)
        return
    places = list(accumulate(map(len, written), initial=start))
    begins = list(accumulate(map(len, meant), initial=0))
    for begin, end in runs:
        first, last = bisect_right(begins, begin) - 1, bisect_right(begins, end - 1) - 1
        mark_start = places[first] + (0 if first % 2 else begin - begins[first])
        mark_end = places[last + 1] if last % 2 else places[last] + end - begins[last]
        mask[mark_start:mark_end] = b"\x01" * (mark_end - mark_start)


@lru_cache(maxsize=4096)
def _unescape(escape: bytes) -> bytes:
    """Return the byte that an escape stands for; empty for the zero bytes of UTF-16."""
    if escape.startswith(b"\0"):
        return b""
    digits = escape.rstrip(b";")
    if escape.startswith(b"&#") and digits[2:].isdigit():
        return bytes([min(int(digits[2:]), 255)])
    return b"/" if escape == b"\\/" else bytes.fromhex(digits[-2:].decode())


def _base64_of(key: bytes) -> Iterator[bytes]:
    """Yield the base64 of a key for each alignment, without the characters that depend on its surroundings."""
    for before in range(3):
        bits = 8 * (before + len(key))
        text = base64.b64encode(bytes(before) + key)[ceil(8 * before / 6) : bits // 6]
        yield text
        yield text.replace(b"+", b"-").replace(b"/", b"_")


def _apply(content: bytes, mask: bytearray) -> Iterator[bytes]:
    """Yield the parts that stay, and an ellipsis for each that goes."""
    last = 0
    for start, end in _spans(mask):
        yield content[last:start] + "…".encode()
        last = end
    yield content[last:]


def _spans(marks: bytearray) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of ones."""
    return (match.span() for match in re.finditer(rb"\x01+", marks))


def _as_text(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "…"
