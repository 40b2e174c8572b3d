"""What a server wrote, made fit to be shown and kept: harmless text, and nothing of the key that it may echo."""

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
"""Characters of what a service says that a message shows."""

SECRET_RUN = 6
"""So many characters of a key in a row are already too many to show."""

NEARLY_WHOLE = 0.8
"""A link that has so much of a key in one piece has the key in it; less may be words that both happen to have."""

LONG = 12
"""A key of fewer characters may be a word, which messages of our own say too."""

_WINDOW_BYTES = 256 * 1024
"""What is searched in one go: no other thread of Python works meanwhile."""

_WIDEST = 20
"""Bytes that one character of a key may be written in, as in `&#000000000000115;`."""

_MAX_RUNS = 5_000
"""A window that shows more pieces of a key in escapes says nothing else: it goes as a whole."""

_ONLY_ONES = bytes(each == 1 for each in range(256))

_ESCAPES = (b"%", b"\\", b"&#", b"\0")
_ESCAPE = lazy_pattern(
    rb"(%(?:25){0,3}[0-9a-fA-F]{2}|\\(?:u00|x)[0-9a-fA-F]{2}|&#[xX]0{0,12}[0-9a-fA-F]{2}(?:;|(?![0-9a-fA-F]))"
    rb"|&#0{0,12}[1-9][0-9]{1,2}(?:;|(?![0-9]))|\\/|\x00{1,16})"
)
_WIDE = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_URL = lazy_pattern(rb"https?:(?:\\?/){2}[^\s\"'<>]{0,%d}" % LONGEST_LINK)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\xff\x0a", b"\0\0\0\x0c")


class LoginName(str):
    """The user's name of a login: a link may well have that word, and is the only copy, so there it stays by itself."""

    __slots__ = ()


def shown(value: object, secret: Secrets, limit: int = 80) -> str | None:
    """Return what somebody else wrote as harmless text without the key, or None if it is nothing."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else _spelled(value)
    # Blotted out before it is cut: else a part of the key could stand at the end.
    return plain(redact(plain(text, 4 * limit), secret), limit) or None


def redact(text: str, secret: Secrets) -> str:
    """Return a text for people with every run of six or more characters of the secret, or secrets, blotted out.

    It counts however it is written: in capitals or not, in the escapes of addresses, JSON and HTML, in base64 and in
    hexadecimal. A secret of fewer characters is blotted out where it stands as a word of its own:
    its letters are in every text.
    """
    return _of_text(text, secret, _in_text)


def redact_link(link: str, secret: Secrets) -> str:
    """Return a link with the secret blotted out where (nearly) the whole of it stands there.

    A picture is fetched by its link, and words of it may be words of the key too: those stay. A secret of less than
    six characters is blotted out where it is all that stands between two of an address's own marks: `?key=k1`.
    """
    return _of_text(link, secret, _in_link)


def redact_message(text: str, secret: Secrets) -> str:
    """Return a message of our own with a long secret blotted out where (nearly) the whole of it stands there.

    What others wrote was blotted out before it came into the message; our own words may be words of the key too.
    """
    return _of_text(text, secret, _in_message)


def shows_key(text: str, keys: Sequence[str]) -> bool:
    """Return whether (nearly) the whole of a long key stands in a text, however it is written.

    A key of fewer than 12 characters is not looked for: it may be a word, such as the `test` of a server on this
    machine, and whoever has that key could never ask for a picture of a test. The services' own keys are longer.
    """
    return redact_message(text, keys) != text


def redact_content(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return what a server sent as it may be kept: without the key, as in a text, and as in a link within its links.

    A picture stays as it came.
    """
    if _is_picture(content):
        return content
    wide = next((encoding for mark, encoding in _WIDE if content.startswith(mark) and len(content) % 2 == 0), None)
    if wide is not None:
        text = content.decode(wide, "surrogatepass").encode("utf-8", "surrogatepass")
        kept = redact_content(text, secrets := list(secrets))
        return content if kept == text else kept.decode("utf-8", "surrogatepass").encode(wide, "surrogatepass")
    for secret in filter(None, secrets):
        found = _in_text(content, secret)
        if 1 in found:
            links = list(_links(content))
            whole = _in_link(content, secret) if links else b""
            for start, end in links:
                found[start:end] = whole[start:end]
            content = b"".join(_kept(content, found))
    return content


def _is_picture(content: bytes) -> bool:
    """Return whether a file begins as pictures do; none is without a byte that no text has."""
    return b"\0" in content and (content.startswith(_PICTURES) or content[4:8] == b"ftyp")


def _links(content: bytes) -> Iterator[tuple[int, int]]:
    at = content.find(b"http")
    while at >= 0:
        found = _URL.match(content, at)
        if found is not None:
            yield found.span()
        at = content.find(b"http", at + 4 if found is None else found.end())


# -- where a secret stands -------------------------------------------------------------------------


def _of_text(text: str, secrets: Secrets, find: Callable[[bytes, str], bytearray]) -> str:
    # In bytes of UTF-8, where a capital is as long as its small letter; half characters (surrogates) stay too.
    content = text.encode("utf-8", "surrogatepass")
    for secret in filter(None, [secrets] if isinstance(secrets, str) else secrets or ()):
        found = find(content, secret)
        content = b"".join(_kept(content, found)) if 1 in found else content
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
    return _nearly_whole(content, secret)


def _in_message(content: bytes, secret: str) -> bytearray:
    """Return a 1 for each byte of a message that shows the secret."""
    return bytearray(len(content)) if len(secret) < LONG else _nearly_whole(content, secret)


def _nearly_whole(content: bytes, secret: str) -> bytearray:
    return _runs(content, secret, max(SECRET_RUN, ceil(NEARLY_WHOLE * len(secret))))


def _matching(pattern: bytes, content: bytes, secret: str) -> bytearray:
    sought, ones = secret.encode(), b"\x01" * len(secret.encode())
    marked = re.sub(pattern % re.escape(sought), ones, content.replace(b"\x01", b"\0"), flags=re.IGNORECASE)
    return bytearray(marked.translate(_ONLY_ONES))


def _runs(content: bytes, secret: str, run: int) -> bytearray:
    """Return a 1 for each byte that belongs to so many characters of the secret in a row."""
    found, key = bytearray(len(content)), secret.encode()
    sought = _Sought.of(key, run)
    for start in range(0, len(content), _WINDOW_BYTES):
        window = content[start : start + _WINDOW_BYTES + _WIDEST * len(key)]
        sought.mark(window, found, start)
        if any(mark in window for mark in _ESCAPES):
            _mark_spelled(window, sought, found, start)
    return found


@frozen
class _Sought:
    """What shows a secret: the whole of it and its runs, in small letters, and what base64 makes of each.

    The runs in base64 and hexadecimal too: whoever cuts a text doesn't know that it is a key.
    """

    whole: Sequence[bytes] = field(repr=False)
    runs: Sequence[bytes] = field(repr=False)
    whole_encoded: Sequence[bytes] = field(repr=False)
    runs_encoded: Sequence[bytes] = field(repr=False)

    @classmethod
    def of(cls, key: bytes, run: int) -> _Sought:
        """Return what shows so many characters of a key."""
        runs = [key[start : start + run] for start in range(len(key) - run + 1)]
        return cls(
            whole=_small([key]),
            runs=_small(runs),
            whole_encoded=list(_encoded(key)),
            runs_encoded=list(dict.fromkeys(each for part in runs for each in _encoded(part))),
        )

    def mark(self, text: bytes, found: bytearray, start: int) -> None:
        """Mark where it stands in a text as it is."""
        _mark_both(text.lower(), self.whole, self.runs, found, start)
        _mark_both(text, self.whole_encoded, self.runs_encoded, found, start)


def _small(parts: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(each for part in parts for each in (part.lower(), part.hex().encode())))


def _mark_both(text: bytes, whole: Sequence[bytes], runs: Sequence[bytes], found: bytearray, start: int) -> None:
    _mark(text, whole, found, start)
    for each in whole:  # an echo may be nothing but keys
        text = text.replace(each, bytes(len(each)))
    _mark(text, runs, found, start)


def _mark(text: bytes, parts: Iterable[bytes], found: bytearray, start: int) -> None:
    for part in parts:
        ones, at = b"\x01" * len(part), text.find(part)
        while at >= 0:
            found[start + at : start + at + len(part)] = ones
            at = text.find(part, at + 1)


def _mark_spelled(window: bytes, sought: _Sought, found: bytearray, start: int) -> None:
    """Mark what stands in a text for the secret once its escapes are read."""
    written = _ESCAPE.split(window)  # every second piece is an escape
    meant = list(written)
    meant[1::2] = map(_meaning, written[1::2])
    read = b"".join(meant)
    marks = bytearray(len(read))
    sought.mark(read, marks, 0)
    runs = list(islice(_spans(marks), _MAX_RUNS + 1))
    if len(runs) > _MAX_RUNS:
        found[start : start + len(window)] = b"\x01" * len(window)
        return
    places = list(accumulate(map(len, written), initial=start))
    begins = list(accumulate(map(len, meant), initial=0))
    for begin, end in runs:
        first, last = bisect_right(begins, begin) - 1, bisect_right(begins, end - 1) - 1
        shown = places[first] + (0 if first % 2 else begin - begins[first])
        after = places[last + 1] if last % 2 else places[last] + end - begins[last]
        found[shown:after] = b"\x01" * (after - shown)


@lru_cache(maxsize=4096)
def _meaning(escape: bytes) -> bytes:
    """Return the byte that an escape stands for; nothing for the empty half of a character in UTF-16."""
    if escape.startswith(b"\0"):
        return b""
    digits = escape.rstrip(b";")
    if escape.startswith(b"&#") and digits[2:].isdigit():
        return bytes([min(int(digits[2:]), 255)])
    return b"/" if escape == b"\\/" else bytes.fromhex(digits[-2:].decode())


def _encoded(key: bytes) -> Iterator[bytes]:
    """Give what base64 makes of a key wherever it begins: without the characters that what stands around it changes."""
    for before in range(3):
        bits = 8 * (before + len(key))
        text = base64.b64encode(bytes(before) + key)[ceil(8 * before / 6) : bits // 6]
        yield text
        yield text.replace(b"+", b"-").replace(b"/", b"_")


def _kept(content: bytes, found: bytearray) -> Iterator[bytes]:
    """Give the pieces that stay, and dots for what goes."""
    last = 0
    for start, end in _spans(found):
        yield content[last:start] + "…".encode()
        last = end
    yield content[last:]


def _spans(marks: bytearray) -> Iterator[tuple[int, int]]:
    """Give from where to where each run of ones goes."""
    return (each.span() for each in re.finditer(rb"\x01+", marks))


def _spelled(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "…"
