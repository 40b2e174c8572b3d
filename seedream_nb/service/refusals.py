"""Explains the service's refusals: what happened, in its own words, what it cost, what to do."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seedream_nb.errors import (
    ApiError,
    AuthenticationError,
    ContentRefusedError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    ReplyError,
    SeedreamError,
    ServiceError,
)
from seedream_nb.frozen import frozen
from seedream_nb.keys import remedy as remedy_for
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service import DEFAULT
from seedream_nb.service.redaction import WORDS_LIMIT, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedream_nb.service import Model, Service
    from seedream_nb.service.reply import Refused

READ_BYTES = 64 * 1024
"""How much of a refusal is read: enough for any message, little enough to take no time."""

TITLE_CHARACTERS = 4 * 1024
"""A page's title stands near its start, or nobody would see it soon."""

LONGEST_WAIT = 100
"""Characters of a header that is read; what reads dates takes its time over longer ones."""

LONGEST_ADDRESS = 2000
"""Characters of a `Location`: what reads it takes its time over longer ones."""

OUTCOME_UNKNOWN = frozenset({408, 499, 502, 504, *range(520, 525), 598, 599})
"""Statuses of gateways that gave up waiting: the work may have begun, and may go on."""
REPLIED = 200
NOT_BILLED = "Nothing was billed."
FAILURES_ARE_FREE = "The service says that failed generations are not billed."
SEE_BILL = "It may have been billed: your account's usage page at the service shows it."
AGAIN = "To try again, run it again."
UNDOCUMENTED = "The service answered in an undocumented way"
NO_MONEY = "The account's balance doesn't cover it"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SENSITIVE = lazy_pattern(
    r"(?<!case[ -])sensitive|content[ -]?(policy|filter)|moderation|inappropriate|unsafe|safety|nsfw"
    r"|敏感|违规|违禁|不合规|不当内容|审核",
    re.IGNORECASE,
)
_BALANCE = lazy_pattern(
    r"(insufficient|not enough|low|negative|no)\W{0,2}(account\W)?(balance|credit|fund)"
    r"|balance is (insufficient|not enough|too low)|arrears|overdue|余额不足|欠费",
    re.IGNORECASE,
)
_WHOSE = (
    (lazy_pattern(r"output|result|generated|输出|生成的", re.IGNORECASE), "the result",
     "Another try may pass; if it doesn't, change the prompt."),
    (lazy_pattern(r"input.?image|reference|输入图|参考图", re.IGNORECASE), "a reference image",
     "Use another reference image."),
    (lazy_pattern(r"text|prompt|文本|提示词", re.IGNORECASE), "the prompt", "Change the prompt."),
)  # fmt: skip

_STATUS = (
    (lazy_pattern(r"rate.?limit|too.?many|quota", re.IGNORECASE), 429),
    (lazy_pattern(r"internal|unavailable|overload|timeout", re.IGNORECASE), 500),
)
"""The HTTP statuses that correspond to the codes of single pictures."""


@frozen
class _Details:
    """The content of a refusal, as harmless text without the key."""

    status: int
    words: str
    code: int | str | None
    reason: str | None
    request_id: str | None
    location: str
    wait: float | None

    @property
    def all(self) -> str:
        return f"{self.reason or ''} {self.code or ''} {self.words}".replace("_", " ")


@frozen
class _Verdict:
    """The meaning of a refusal: the error's class, what happened, what to do."""

    kind: type[ApiError]
    happened: str
    hint: str


def refusal(  # noqa: PLR0913 - an answer, and the request it is for
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    secret: str | None = None,
    source: str | None = None,
    tries: int = 1,
    service: Service = DEFAULT,
    model: Model = DEFAULT.model,
) -> SeedreamError:
    """Return the error for an answer that is not a reply (see `is_reply`).

    Args:
        status: the HTTP status.
        headers: of the answer, in any case.
        content: of the answer; JSON as in the service's error guide, or anything that a gateway writes.
        secret: the key, which some servers echo: six characters of it in a row are redacted.
        source: where the key was found, in words.
        tries: how often the request was sent; this is the answer to the last attempt.
        service: the service that answered.
        model: the model of the request.
    """
    details = _parse(status, headers, content, secret)
    quote = f": “{details.words}”" if details.words else "."
    name = f"{status} {details.reason}" if details.reason else f"{status}"
    if status in OUTCOME_UNKNOWN:
        happened = f"A gateway gave up before the service answered ({name}){quote}"
        return OutcomeUnknownError(_with_id(happened, details), hint=f"{SEE_BILL} {AGAIN}")
    if status < 300:
        happened = f"{UNDOCUMENTED} ({name}){quote}"
        return ReplyError(happened, hint=f"{SEE_BILL} {AGAIN}", content=content)
    verdict = _verdict(details, source, service, model)
    tried = f", tried {tries} times" if tries > 1 else ""
    message = f"{verdict.happened}{tried} ({name}){quote}"
    return verdict.kind(
        _with_id(message, details) if verdict.kind is ServiceError else message,
        status=status, code=details.code, reason=details.reason, request_id=details.request_id, hint=verdict.hint,
    )  # fmt: skip


def none_made(refused: Sequence[Refused], service: Service = DEFAULT, model: Model = DEFAULT.model) -> ApiError:
    """Return the error for a reply that has a refusal for each picture."""
    first = refused[0]
    details = _Details(
        status=_status_of(first.code), words=first.message, code=first.code, reason=None, request_id=None, location="",
        wait=None,
    )  # fmt: skip
    verdict = _verdict(details, None, service, model)
    words = "; ".join(dict.fromkeys(f"“{picture.message}”" for picture in refused if picture.message))
    names = ", ".join(dict.fromkeys(str(picture.code) for picture in refused if picture.code is not None))
    quote = f": {words}" if words else "."
    message = f"{verdict.happened}, so no picture was made{f' ({names})' if names else ''}{quote}"
    return verdict.kind(message, status=REPLIED, code=first.code, hint=verdict.hint)


def lacks_money(status: int, headers: Mapping[str, str], content: bytes) -> bool:
    """Return whether an answer says that the account has no money."""
    return _BALANCE.search(_parse(status, headers, content, None).all) is not None


def _status_of(code: int | str | None) -> int:
    """Return the HTTP status that corresponds to a picture's own error code."""
    if isinstance(code, int) or str(code).isdecimal():
        return int(code or 0) if 400 <= int(code or 0) < 600 else 400
    return next((status for pattern, status in _STATUS if pattern.search(str(code))), 400)


# -- its meaning -----------------------------------------------------------------------------------


def _verdict(details: _Details, source: str | None, service: Service, model: Model) -> _Verdict:
    if details.status in {400, 422, 451} and _SENSITIVE.search(details.all):
        return _content_refused(details)
    if details.status == 429:
        return _limited(details, service)
    if details.status >= 500:
        return _service_failed(details)
    if details.status < 400:
        return _redirected(details)
    return _refused(details, source, service, model)


def _content_refused(details: _Details) -> _Verdict:
    matches = ((subject, remedy) for pattern, subject, remedy in _WHOSE if pattern.search(details.all))
    subject, remedy = next(matches, ("the request", "Change the prompt or the reference images."))
    return _Verdict(
        kind=ContentRefusedError, happened=f"The service's safety check refused {subject}",
        hint=f"{FAILURES_ARE_FREE} {remedy}",
    )  # fmt: skip


def _limited(details: _Details, service: Service) -> _Verdict:
    if _BALANCE.search(details.all):
        return _Verdict(kind=RateLimitError, happened=NO_MONEY, hint=f"{NOT_BILLED} {_top_up(service)}")
    wait = f"The service asks to wait {format_duration(details.wait)}" if details.wait else "Wait a minute"
    return _Verdict(
        kind=RateLimitError, happened="Too many pictures per minute for this account",
        hint=f"{NOT_BILLED} {wait}, then run it again.",
    )  # fmt: skip


def _service_failed(details: _Details) -> _Verdict:
    if details.status == 503 and details.wait is not None:
        return _Verdict(
            kind=ServiceError, happened=f"The service is overloaded and asks to wait {format_duration(details.wait)}",
            hint=f"It did not accept the request, so nothing was billed. {AGAIN}",
        )  # fmt: skip
    problem = "is not available" if details.status == 503 else "failed"
    return _Verdict(kind=ServiceError, happened=f"The service {problem}", hint=f"{FAILURES_ARE_FREE} {AGAIN}")


def _redirected(details: _Details) -> _Verdict:
    where = f" to {details.location}" if details.location else ""
    redirects = f"The address redirects{where}; that was not followed, because the key would be sent along"
    return _Verdict(
        kind=ApiError, happened=redirects if where or details.status in _REDIRECTS else UNDOCUMENTED,
        hint=f"{NOT_BILLED} Check the address: %seedream config base_url",
    )  # fmt: skip


def _top_up(service: Service) -> str:
    return f"Top it up at {service.billing_page}"


def _refused(details: _Details, source: str | None, service: Service, model: Model) -> _Verdict:
    kind, happened, remedy = _REFUSED.get(details.status, _OTHERWISE)
    remedy = remedy.format(service=service)
    if details.status == 401 and source is not None:
        remedy = f"It is from {source}. {remedy_for(source, service)}"
    if details.status == 402 or _BALANCE.search(details.all):
        happened, remedy = NO_MONEY, _top_up(service)
    elif details.status == 403 and "model access" in details.all.casefold():
        remedy = f"Allow {model.title} for this key at {service.keys_page}"
    return _Verdict(kind=kind, happened=happened, hint=f"{NOT_BILLED} {remedy}")


_OTHERWISE = (ApiError, "The service refused the request", "Change what it complains about, then run it again.")
_REFUSED: dict[int, tuple[type[ApiError], str, str]] = {
    401: (
        AuthenticationError,
        "The service doesn't know this key",
        "A key in {service.key_variable} or .env takes precedence: correct it there. Otherwise: %seedream login",
    ),
    403: (
        PermissionDeniedError,
        "This account or key may not do this",
        "The account may have to verify its identity, or the key be allowed this model: {service.account_page}",
    ),
    404: (ApiError, "The service has nothing at this address", "Check it with: %seedream config base_url"),
    413: (ApiError, "The request is too large for the service", "Use fewer or smaller reference images."),
}


# -- its content -----------------------------------------------------------------------------------


def _parse(status: int, headers: Mapping[str, str], content: bytes, secret: str | None) -> _Details:
    lower = _lower_case(headers)
    text = content[:READ_BYTES].decode(errors="replace")
    body = _error_body(text)
    metadata = body.get("metadata")
    ids = {**(metadata if isinstance(metadata, dict) else {}), **body, **lower}
    request_id = next((ids[name] for name in _ID_NAMES if ids.get(name)), None)
    words = body.get("message") or (None if body else _without_tags(text))
    code = body.get("code")
    return _Details(
        status=status,
        words=shown(words, secret, WORDS_LIMIT) or "",
        code=code if isinstance(code, int) else shown(code, secret),
        reason=shown(body.get("reason"), secret),
        request_id=shown(request_id, secret),
        location=shown(_origin(lower.get("location", "")), secret) or "",
        wait=retry_after(headers),
    )


_ID_NAMES = ("x-request-id", "x-trace-id", "trace_id", "traceid", "request_id", "requestid")


def _origin(location: str) -> str:
    try:
        parts = urlsplit(location[:LONGEST_ADDRESS])
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""


def _error_body(text: str) -> dict[str, object]:
    """Return the fields of an error's JSON, wherever its message is; empty if it isn't JSON."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {"message": body if isinstance(body, str) else text}
    inner = next((body[name] for name in ("error", "detail") if body.get(name)), None)
    if isinstance(inner, dict):
        return {**body, **inner}
    return {"message": text, **body} if inner is None else {"message": inner, **body}


def _without_tags(text: str) -> str:
    # Gateways answer in HTML: its text is enough, and its title says most.
    title = _TITLE.search(text[:TITLE_CHARACTERS])
    return title[1] if title else _TAG.sub(" ", text)


# Neither looks beyond the next `<`, so that no character is read twice, however a page is made.
_TITLE = lazy_pattern(r"<title[^<>]*>\s*([^<\s][^<]*)", re.IGNORECASE)
_TAG = lazy_pattern(r"<[^<>]{0,1000}>")


def _with_id(message: str, details: _Details) -> str:
    return f"{message} [request {details.request_id}]" if details.request_id else message


def _lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


# -- how long to wait ------------------------------------------------------------------------------


_UNITS = ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3600, "h"))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait (`Retry-After`: a number or a date), or None.

    A date is compared with the server's own clock (`Date`), if it sends that: this machine's may be wrong.
    """
    lower = _lower_case(headers)
    value = lower.get("retry-after", "").strip()
    if len(value) > LONGEST_WAIT:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _parse_date(value)
        if until is None:
            return None
        seconds = (until - (now or _parse_date(lower.get("date", "")) or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def format_duration(seconds: float) -> str:
    """Return a duration in words: `12 s`, `5 min`, `3 h`."""
    for limit, unit, name in _UNITS:
        if seconds < limit:
            return f"{math.ceil(seconds / unit)} {name}"
    return "more than two days"


def _parse_date(text: str) -> datetime | None:
    if len(text) > LONGEST_WAIT:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
