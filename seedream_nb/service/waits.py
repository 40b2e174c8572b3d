"""How long a server asks to wait (`Retry-After`), and how that is said."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 100
"""Characters of a header that is read; what reads dates takes its time over longer ones."""

_UNITS = ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3600, "h"))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait (`Retry-After`: a number or a date), or None.

    A date is seen from the server's own clock (`Date`), where it tells that: this machine's may be wrong.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    asked = lower.get("retry-after", "").strip()
    if len(asked) > LONGEST:
        return None
    try:
        seconds = float(asked)
    except ValueError:
        until = _moment(asked)
        if until is None:
            return None
        seconds = (until - (now or _moment(lower.get("date", "")) or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def spoken(seconds: float) -> str:
    """Return a time in words: `12 s`, `5 min`, `3 h`."""
    for limit, unit, name in _UNITS:
        if seconds < limit:
            return f"{math.ceil(seconds / unit)} {name}"
    return "more than two days"


def _moment(text: str) -> datetime | None:
    if len(text) > LONGEST:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
