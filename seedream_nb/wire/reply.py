"""The reply to a request that succeeded: the links of its pictures."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NoReturn

from seedream_nb.errors import ReplyError
from seedream_nb.wire.echoes import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_LINKS = 100
"""Far beyond the 15 pictures that the service makes in one request: a reply with more makes no sense."""

MOST_VALUES = 100_000
"""Python reads JSON in one go, even in a thread, and no other thread works meanwhile: for so many values some 20 ms."""

_IMAGES = re.compile(rb'\s*\{.*?"images"\s*:', re.DOTALL)
_LINK = re.compile(r'"https?:(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"')


def is_reply(status: int) -> bool:
    """Return whether an answer of this status is a reply: every success, for its pictures may be paid for."""
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's successes


def arrived_links(content: bytes, most: int) -> tuple[list[str], bool]:
    """Return the links in what came of a reply that broke off or makes no sense, and whether all of it came.

    Only what stands among its images counts: pages of help and captive portals have links too.
    """
    try:
        return _links(content, most), True
    except _SenselessError:
        start = _IMAGES.match(content)
        found = _LINK.findall(content[start.end() :].decode(errors="replace")) if start else []
        some = list(dict.fromkeys(found))
        return [json.loads(each) for each in some] if len(some) <= max(most, MOST_LINKS) else [], False


def links_of(content: bytes, most: int, *, secret: str | None = None) -> list[str]:
    """Return the links in a reply, each once, in order, even if they are more than the `most` asked for.

    Each item may be a link, or an object with the link as `image_url` or `url`: others have met all three.

    Args:
        content: of the reply; megabytes take a while, and are for a thread.
        most: how many pictures were asked for.
        secret: the key, which some servers echo: no six characters of it in a row are shown.

    Raises:
        ReplyError: the reply isn't JSON of the documented shape, has no link, or an absurd number of them;
            its `content` is the reply as it came.
    """
    try:
        return _links(content, most)
    except _SenselessError as senseless:
        error = ReplyError(
            f"The service's reply {shown(str(senseless), secret, 150)}.",
            hint="It may have been billed; the reply is kept in the journal. To ask again, run it again.",
            content=content,
        )
    # Without that error behind it, and these variables: a verbose traceback would show them, and the key in them.
    del content, secret
    raise error


def is_odd(content: bytes, links: Sequence[str], most: int) -> bool:
    """Return whether a reply that gave these links should be kept: it has too many, one twice, or what is no link."""
    return len(links) > most or len(json.loads(content)["images"]) != len(links)


class _SenselessError(Exception):
    """A reply makes no sense; the text says what is wrong with it."""


def _links(content: bytes, most: int) -> list[str]:
    reply = _read(content)
    items = reply.get("images") if isinstance(reply, dict) else None
    if not isinstance(items, list):
        raise _SenselessError("has no list of pictures")
    links = list(dict.fromkeys(link for item in items if (link := _link(item))))
    if not links:
        raise _SenselessError("names no picture" if not items else "names its pictures in a way nobody documented")
    if len(links) > max(most, MOST_LINKS):
        raise _SenselessError(f"names {len(links):,} pictures where at most {most} were asked for")
    return links


def _read(content: bytes) -> object:
    if sum(content.count(mark) for mark in (b"[", b"{", b",")) > MOST_VALUES:
        _not_json(content, f"holds more than {MOST_VALUES:,} values")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        _not_json(content, "isn't JSON")


def _not_json(content: bytes, what: str) -> NoReturn:
    seen = content[:200].decode(errors="replace").strip()
    raise _SenselessError(f"{what}: {seen}" if seen else "is empty")


def _link(item: object) -> str | None:
    if isinstance(item, dict):
        item = item.get("image_url") or item.get("url")
    return item.strip() or None if isinstance(item, str) else None
