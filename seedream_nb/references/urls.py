"""URLs as references: which the service can fetch, and data URIs, which carry the picture themselves."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from seedream_nb import addresses
from seedream_nb.references.limits import wrong

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://|(?:https?|data):", re.IGNORECASE)
_DATA = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),(.*)", re.IGNORECASE | re.DOTALL)
_LONGEST = 8_000


def is_url(text: str) -> bool:
    """Return whether a text is meant as a URL or data URI: a Windows path such as `C:/x` is not."""
    return _SCHEME.match(text) is not None


def is_data(text: str) -> bool:
    """Return whether a URL carries its content itself."""
    return text[:5].lower() == "data:"


def content_of(name: str, text: str) -> bytes:
    """Return the bytes of a data URI.

    Raises:
        Problem: it is not `data:image/<format>;base64,…`, or its base64 is broken.
    """
    found = _DATA.fullmatch(text)
    if found is None or not found[1].lower().startswith("image/") or ";base64" not in found[2].lower():
        raise wrong(name, "is no data URI of a picture; it must read data:image/png;base64,… or jpeg.")
    try:
        return base64.b64decode(b"".join(unquote_to_bytes(found[3]).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(name, f"has broken base64 ({error}); encode the file again.") from error


def checked_url(name: str, text: str) -> str:
    """Return a URL, as written, that somebody can be expected to fetch; no name is looked up.

    Raises:
        Problem: not http(s), no host, or a link-local address: clouds keep secrets there.
    """
    # First, for reading a host of a million combining characters takes hours.
    if len(text) > _LONGEST or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise wrong(name, f"has white space in it, or more than {_LONGEST} characters: it can't be fetched.")
    parts = _parts(name, text)
    if addresses.is_link_local(parts.hostname or ""):
        raise wrong(name, "is a link-local address, which is never fetched; save the picture and hand over its path.")
    return text


def leads_inside(url: str) -> bool:
    """Return whether a URL leads, as written, to this machine or network, where the service can't reach it."""
    return addresses.leads_inside(urlsplit(url).hostname or "")


def _parts(name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise wrong(name, f"is no URL ({error}).") from error
    if parts.scheme.lower() not in {"http", "https"}:
        path = " For a file write its path." if parts.scheme.lower() == "file" else ""
        raise wrong(name, f"is not http or https: the service can't fetch it.{path}")
    if not host:
        raise wrong(name, "has no host: write https://host/picture.png.")
    return parts
