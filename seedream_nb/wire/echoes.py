"""What a server wrote, made fit to be shown: harmless text, and nothing of the key that it may echo."""

from __future__ import annotations

import json
import re
import string

from seedream_nb.errors import plain

_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
SECRET_RUN = 6
"""So many characters of a key in a row are already too many to show."""


def shown(value: object, secret: str | None, limit: int = 80) -> str | None:
    """Return what somebody else wrote as harmless text without the key, or None if it is nothing."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else _spelled(value)
    # Blotted out before it is cut: else a part of the key could stand at the end.
    return plain(blotted(plain(text, 4 * limit), secret), limit) or None


def blotted(text: str, secret: str | None) -> str:
    """Return the text with every run of six or more characters of the secret blotted out.

    A secret of fewer characters is blotted out where it stands as a word of its own: its letters are in every text.
    """
    if not secret:
        return text
    if len(secret) < SECRET_RUN:
        return re.sub(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", "…", text, flags=re.IGNORECASE)
    hidden = bytearray(len(text))
    # In capitals or not: hosts are written small. Nothing but ASCII changes, so that every place stays.
    folded, secret = text.translate(_SMALL), secret.translate(_SMALL)
    for start in range(len(secret) - SECRET_RUN + 1):
        at = folded.find(secret[start : start + SECRET_RUN])
        while at >= 0:
            hidden[at : at + SECRET_RUN] = b"\x01" * SECRET_RUN
            at = folded.find(secret[start : start + SECRET_RUN], at + 1)
    kept, end = [], 0
    for found in re.finditer(rb"\x01+", hidden):
        kept.append(text[end : found.start()])
        end = found.end()
    return "…".join([*kept, text[end:]])


def _spelled(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "…"
