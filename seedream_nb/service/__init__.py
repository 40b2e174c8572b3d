"""How the service spells things: the body of a request, the links of a reply, the words of a refusal.

The source of every name here is the service's own reference pages; nothing else is ever sent.
"""

from __future__ import annotations

from seedream_nb.service.body import PATH, Body, fields
from seedream_nb.service.echoes import LoginName, blotted, blotted_content, blotted_link, blotted_message
from seedream_nb.service.refusals import none_made, refusal, refused_for_now
from seedream_nb.service.reply import Refused, Results, arrived_results, is_inline, is_reply, results_of
from seedream_nb.service.waits import retry_after, spoken

__all__ = [
    "PATH",
    "Body",
    "LoginName",
    "Refused",
    "Results",
    "arrived_results",
    "blotted",
    "blotted_content",
    "blotted_link",
    "blotted_message",
    "fields",
    "is_inline",
    "is_reply",
    "none_made",
    "refusal",
    "refused_for_now",
    "results_of",
    "retry_after",
    "spoken",
]
