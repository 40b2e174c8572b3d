"""How long a link holds, where it says so itself: signed links of object storages do."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from seedream_nb.errors import LONGEST_LINK
from seedream_nb.service.refusals import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EPOCH_FROM = 1_000_000_000
"""A smaller number is no moment but a duration, from a beginning that the link does not tell."""


def lifetime(query: Mapping[str, str], now: float) -> tuple[str | None, float | None]:
    """Return which parameter of a link, by its name in lower case, says how long it holds, and the seconds from now."""
    for vendor in ("x-tos", "x-amz", "x-goog", "x-oss", "x-bce"):
        with suppress(KeyError, ValueError, OverflowError):
            begun = datetime.fromisoformat(query[f"{vendor}-date"]).astimezone(UTC).timestamp()
            return f"{vendor}-expires", begun + float(query[f"{vendor}-expires"]) - now
    for name in ("expires", "x-expires", "x-oss-expires", "x-tos-expires", "e", "se"):
        with suppress(KeyError, ValueError, OverflowError):
            until = _moment(query[name])
            if until >= _EPOCH_FROM:
                return name, until - now
    return None, None


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def describe_lifetime(links: Iterable[str], now: float | None = None) -> str:
    """Say how long links hold, the one that ends first; "" if they don't say."""
    moment = time.time() if now is None else now
    ends = [end for link in links if (end := _seconds_left(link, moment)) is not None and math.isfinite(end)]
    if not ends:
        return ""
    left, is_one = min(ends), len(ends) == 1
    says = "as it says" if is_one else "as they say"
    if left <= 0:
        return f"{'its link' if is_one else 'the first of the links'} ended {format_duration(-left)} ago, {says}"
    return f"{'its link holds' if is_one else 'the links hold'} for {format_duration(left)} from now, {says}"


def _seconds_left(link: str, now: float) -> float | None:
    if len(link) > LONGEST_LINK:
        return None
    try:
        query = parse_qsl(urlsplit(link).query, max_num_fields=100)
    except ValueError:
        return None
    return lifetime({name.lower(): value for name, value in query}, now)[1]
