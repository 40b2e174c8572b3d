"""How the service spells things: the body of a request, the links of a reply, the words of a refusal.

The source of every name here is the service's own reference pages; nothing else is ever sent.
"""

from __future__ import annotations

from seedream_nb.wire.body import PATH, Body, fields
from seedream_nb.wire.echoes import blotted
from seedream_nb.wire.refusals import refusal, retry_after
from seedream_nb.wire.reply import is_reply, links_of

__all__ = ["PATH", "Body", "blotted", "fields", "is_reply", "links_of", "refusal", "retry_after"]
