"""The reply to a request that succeeded: the links of its pictures."""

from __future__ import annotations

import json

from seedream_nb.errors import ReplyError, plain

MOST_LINKS = 100
"""Far beyond the 15 pictures that the service makes in one request: a reply with more makes no sense."""


def links_of(content: bytes, most: int) -> list[str]:
    """Return the links in a reply, each once, in order, even if they are more than the `most` asked for.

    Each item may be a link, or an object with the link as `image_url` or `url`: others have met all three.

    Raises:
        ReplyError: the reply isn't JSON of the documented shape, has no link, or an absurd number of them.
    """
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError) as error:
        seen = plain(content[:200].decode(errors="replace"), 80)
        raise _senseless(f"isn't JSON: {seen}" if seen else "is empty") from error
    items = reply.get("images") if isinstance(reply, dict) else None
    if not isinstance(items, list):
        raise _senseless("has no list of pictures")
    links = list(dict.fromkeys(link for item in items if (link := _link(item))))
    if not links:
        raise _senseless("names no picture" if not items else "names its pictures in a way nobody documented")
    if len(links) > max(most, MOST_LINKS):
        raise _senseless(f"names {len(links):,} pictures where at most {most} were asked for")
    return links


def _link(item: object) -> str | None:
    if isinstance(item, dict):
        item = item.get("image_url") or item.get("url")
    return item.strip() or None if isinstance(item, str) else None


def _senseless(what: str) -> ReplyError:
    return ReplyError(
        f"The service's reply {what}.",
        hint="It may have been billed; the reply is kept in the journal. To ask again, run it again.",
    )
