"""Answers other than pictures: the service's statuses and error body, and random failures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    Problem: TypeAlias = tuple[str, str]  # a field, and a sentence that says which rule it breaks

INVALID = "INVALID_REQUEST_BODY"
FAILURES = {  # reason and message of the service, by status
    400: (INVALID, "The request failed because the output image may contain sensitive information."),
    401: ("INVALID_API_KEY", "The API key is missing or wrong."),
    402: ("NOT_ENOUGH_BALANCE", "The balance does not cover this request."),
    403: ("model_access_denied", "The key may not use this model."),
    404: ("NOT_FOUND", "There is nothing at this path."),
    405: ("METHOD_NOT_ALLOWED", "This path does not take this method."),
    413: ("REQUEST_BODY_TOO_LARGE", "The body is too large."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json."),
    429: ("RATE_LIMIT_EXCEEDED", "Too many images per minute."),
    500: ("INTERNAL_ERROR", "The service failed."),
    502: ("BAD_GATEWAY", "The gateway got no valid answer."),
    503: ("SERVICE_UNAVAILABLE", "The service is not available."),
    504: ("GATEWAY_TIMEOUT", "Generation took longer than the gateway waits."),
}


class Refusal(Exception):
    """An answer other than pictures: a status and the content of the error body."""

    def __init__(self, status: int, reason: str, message: str, **metadata: object) -> None:
        """Keep the parts of the error body; `metadata` names the fields, if any."""
        super().__init__(message)
        self.status, self.reason, self.message, self.metadata = status, reason, message, metadata

    def body(self) -> dict[str, object]:
        """Return the service's error body."""
        return {
            "code": self.status,
            "reason": self.reason,
            "message": self.message,
            "metadata": self.metadata,
        }


def refusal(status: int, message: str | None = None, **metadata: object) -> Refusal:
    """Return the refusal for a status, with the usual or another message."""
    reason, usual = FAILURES.get(status, ("ERROR", "The request failed."))
    return Refusal(status, reason, message or usual, **metadata)


def broken_rules(problems: Sequence[Problem]) -> Refusal:
    """Return the 400 that names every invalid field."""
    message = "; ".join(sentence for _, sentence in problems)
    return Refusal(400, INVALID, message, fields=list(dict.fromkeys(field for field, _ in problems)))


def failures(spec: str | None) -> list[tuple[int, float]]:
    """Return statuses and shares for a text like "429@0.2,503@0.05"; raise ValueError if it is not valid."""
    shares = []
    for part in filter(None, (piece.strip() for piece in (spec or "").split(","))):
        match = re.fullmatch(r"([45][0-9]{2})(?:@(1(?:\.0*)?|0?\.[0-9]+|0))?", part)
        if not match:
            message = f"{part!r} is not a failure: write a status and a share from 0 to 1, like 429@0.2"
            raise ValueError(message)
        shares.append((int(match[1]), float(match[2] or 1)))
    return shares
