"""How the service spells things: the body of a request, the links of a reply, the words of a refusal.

The source of every name here is the service's own reference pages; nothing else is ever sent.
"""

from __future__ import annotations

from seedream_nb.wire.body import PATH, Body, fields
from seedream_nb.wire.echoes import blotted
from seedream_nb.wire.refusals import refusal, refused_for_now
from seedream_nb.wire.reply import arrived_links, is_odd, is_reply, links_of
from seedream_nb.wire.waits import retry_after, spoken

__all__ = [
    "PATH",
    "Body",
    "arrived_links",
    "blotted",
    "fields",
    "is_odd",
    "is_reply",
    "links_of",
    "refusal",
    "refused_for_now",
    "retry_after",
    "spoken",
]
