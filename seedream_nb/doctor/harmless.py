"""What may be told of somebody else's answer: names and kinds, and of values only those that can't be anybody's secret.

A server can echo what it was sent in any place: the key, the prompt, what signs a link. So a name is told only if it
looks like one and has nothing of those in it, and a text never.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from seedream_nb.frozen import frozen
from seedream_nb.service.lifetime import lifetime
from seedream_nb.service.redaction import runs_of
from seedream_nb.service.refusals import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HIDDEN = "(not shown)"
MAX_NAMES, MAX_FORMS, MAX_DEPTH, MAX_LINES = 40, 5, 5, 200
MAX_READ_BYTES = 1 << 20
MAX_SECRET_CHARACTERS = 20_000
"""In all: of ten links, say. With more, each name would be compared for seconds, so none is shown."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,49}")
_HOST = re.compile(r"(?=.{1,100}\Z)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,6}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,59}|-?[0-9]{1,9}")
_TOLD_HEADERS = {
    "accept-ranges": re.compile(r"bytes|none"),
    "age": re.compile(r"[0-9]{1,9}"),
    "connection": re.compile(r"close|keep-alive", re.IGNORECASE),
    "content-encoding": re.compile(r"identity|gzip|br|deflate|zstd"),
    "content-length": re.compile(r"[0-9]{1,12}"),
    "content-type": re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,40}(?:; ?charset=\"?[A-Za-z0-9-]{1,20}\"?)?", re.IGNORECASE),
    "retry-after": re.compile(r"[0-9]{1,9}"),
    "server": re.compile(r"[A-Za-z][A-Za-z0-9./_-]{0,29}"),
    "transfer-encoding": re.compile(r"chunked|identity|gzip"),
}
"""The headers whose values are told, if they read like that."""
KNOWN_NAMES = frozenset({
    "accept-ranges", "access-control-allow-origin", "age", "alt-svc", "cache-control", "connection",
    "content-disposition",
    "content-encoding", "content-length", "content-md5", "content-security-policy", "content-type", "date", "etag",
    "expires", "last-modified", "location", "retry-after", "server", "strict-transport-security", "transfer-encoding",
    "vary", "via", "x-request-id", "x-trace-id",
    "code", "data", "error", "image_url", "images", "message", "metadata", "reason", "request_id", "task_id", "url",
})  # fmt: skip
"""Names that many use, so that one of them echoes nothing."""


@frozen
class Harmless:
    """Takes out of what others wrote whatever they may have been sent; `secrets` are the texts of that."""

    secrets: Sequence[str] = field(repr=False)

    def name(self, text: str) -> str:
        """Return a name that somebody else chose, if it looks like one and has no secret in it."""
        if text.lower() in KNOWN_NAMES:
            return text
        return text if _NAME.fullmatch(text) and self._is_free_of_secrets(text) else HIDDEN

    def header(self, name: str, value: str) -> str:
        """Return the value of a header, if it is one that is told."""
        pattern = _TOLD_HEADERS.get(name.lower())
        is_told = pattern is not None and pattern.fullmatch(value) and self._is_free_of_secrets(value)
        return value if is_told else ""

    def host(self, text: str) -> str:
        """Return the host of a link, if it is a name in the public one's form."""
        host = text.lower()
        return host if _HOST.fullmatch(host) and self._is_free_of_secrets(host) else HIDDEN

    def code(self, value: object) -> str:
        """Return a code, as a number or a word in capitals; nothing for what may be anything else."""
        text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
        return text if _CODE.fullmatch(text) and self._is_free_of_secrets(text) else ""

    def shape(self, value: object) -> list[str]:
        """Return the form of some JSON as lines, so many at most: names and kinds, set in, and no text."""
        return list(itertools.islice(self._shape(value, 0), MAX_LINES))

    def _shape(self, value: object, depth: int) -> Iterator[str]:
        if depth > MAX_DEPTH:
            yield "…"
        elif isinstance(value, dict):
            yield f"object with {len(value)} field{'s' * (len(value) != 1)}"
            for name, inner in itertools.islice(value.items(), MAX_NAMES):
                lines = self._shape(inner, depth + 1)
                yield f"  {self.name(name)}: {next(lines)}"
                yield from (f"  {line}" for line in lines)
        elif isinstance(value, list):
            yield f"list of {len(value)}"
            forms = ("\n".join(itertools.islice(self._shape(each, depth + 1), MAX_NAMES)) for each in value[:MAX_FORMS])
            for form in dict.fromkeys(forms):
                first, *rest = form.split("\n")
                yield f"  - {first}"
                yield from (f"    {line}" for line in rest)
        else:
            yield _kind(value)

    def _is_free_of_secrets(self, text: str) -> bool:
        if sum(map(len, self.secrets)) > MAX_SECRET_CHARACTERS:
            return False
        spellings = {content := text.encode("utf-8", "surrogatepass"), content.lower()}
        pieces = (
            spelled[start : start + length]
            for spelled in spellings
            for length in self._lengths
            for start in range(len(spelled) - length + 1)
        )
        return self._runs.isdisjoint(pieces)

    @cached_property
    def _runs(self) -> frozenset[bytes]:
        """What none of the texts may have in it; all of them are short and have no escapes."""
        return runs_of(self.secrets)

    @cached_property
    def _lengths(self) -> frozenset[int]:
        return frozenset(map(len, self._runs))


def _kind(value: object) -> str:
    if isinstance(value, str):
        start = value[:8].lower()
        what = " (a web address)" if start.startswith(("http://", "https://")) else ""
        what = " (a picture as a whole)" if start.startswith("data:") else what
        return f"text, {len(value)} characters{what}"
    kinds = {bool: "true or false", int: "number", float: "number", type(None): "null"}
    return kinds.get(type(value), "something else")


def json_of(content: bytes) -> Any:  # noqa: ANN401 - whatever was answered
    """Return what an answer says, if it is JSON of a usual size; else None."""
    if len(content) > MAX_READ_BYTES:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


# -- links -----------------------------------------------------------------------------------------

_PUBLIC = re.compile(r"algorithm|date|expires|signedheaders", re.IGNORECASE)


@frozen
class LinkFacts:
    """What is told of a link: nothing that opens it."""

    scheme: str
    host: str
    parameters: Sequence[str]
    says: str | None
    """The parameter that says how long it holds."""
    seconds: float | None
    """How long it holds from now."""

    @property
    def holds(self) -> str:
        """How long it holds, in words."""
        return (
            "it does not say" if self.seconds is None else f"{format_duration(max(0.0, self.seconds))}, by {self.says}"
        )


def link_facts(link: str, harmless: Harmless, *, now: float) -> LinkFacts | None:
    """Return what is told of a link; None if it is no address."""
    try:
        parts = urlsplit(link)
        query, host = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100), parts.hostname or ""
    except ValueError:
        return None
    says, seconds = lifetime({name.lower(): value for name, value in query}, now)
    return LinkFacts(
        scheme=parts.scheme if parts.scheme in {"http", "https"} else HIDDEN,
        host=harmless.host(host),
        parameters=[harmless.name(name) for name, _ in query[:MAX_NAMES]],
        says=says,
        seconds=seconds,
    )


def secrets_of(link: str) -> list[str]:
    """Return what of a link opens it: what its parameters hold, but for times and methods, and any user in it."""
    try:
        parts = urlsplit(link)
        query = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return [link]
    found = [value for name, value in query if not _PUBLIC.search(name)]
    found += [parts.netloc.rpartition("@")[0], parts.fragment]
    found += [unquote(part) for part in parts.path.split("/") if len(part) >= LONG_PART]
    return [text for text in found if len(text) >= SHORTEST_SECRET]


LONG_PART, SHORTEST_SECRET = 16, 6
"""A folder of a path may be a word that says something else elsewhere; a file's long name is one of a kind."""
