"""Markdown images in a template, `![alt](target "title")`: where they are. Nothing is opened here."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Within the brackets, and the parentheses, one more pair may stand: `![photo[1]](<my photo (1).png>)`. Each part ends
# at a second one or at the line's end, so that a text full of beginnings is looked through in no long time.
_ALT = r"!\[(?:[^\[\]\n]|\[[^\[\]\n]*+\])*+\]"
_TITLE = r"""(?:[ \t]+(?:"[^"\n]*+"|'[^'\n]*+'))?"""
_IN_ANGLES = re.compile(rf"{_ALT}\([ \t]*<([^<>\n]++)>{_TITLE}[ \t]*\)")
_BARE = re.compile(rf"{_ALT}\(((?:[^()\n]|\([^()\n]*+\))*+)\)")


@dataclass(frozen=True, kw_only=True)
class Link:
    """One Markdown image of a template."""

    target: str
    """A path, a URL, or `attachment:name`."""
    written: str


def link_at(template: str, bang: int) -> Link | None:
    """Return the Markdown image that begins with the `!` at this position, or None: then it is just text."""
    found = _IN_ANGLES.match(template, bang) or _BARE.match(template, bang)
    if found is None:
        return None
    target = found[1].strip() if found.re is _IN_ANGLES else _without_title(found[1].strip())
    return Link(target=target, written=found[0]) if target else None


def _without_title(inner: str) -> str:
    """Return what stands before a title in quotes; spaces in a path need no brackets, as people type them."""
    if inner[-1:] not in {'"', "'"}:
        return inner
    opening = inner.rfind(inner[-1], 0, -1)
    return inner[:opening].rstrip() if opening > 0 and inner[opening - 1].isspace() else inner
