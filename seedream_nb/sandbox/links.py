"""Links as object storage makes them: signed, and good for a time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from urllib.parse import parse_qs


class LinkRefusedError(ValueError):
    """A link opens nothing: `code` and the message are those of object storage."""

    def __init__(self, code: str, message: str) -> None:
        """Keep both parts."""
        super().__init__(message)
        self.code = code


class Links:
    """Signs names with a secret of its own."""

    def __init__(self, seconds: float) -> None:
        """Make links that are good for so long."""
        self.seconds, self.secret = seconds, secrets.token_bytes(32)

    def query(self, name: str) -> str:
        """Return the query that opens a name from now until it expires."""
        expires = f"{time.time() + self.seconds:.3f}"
        return f"expires={expires}&signature={self._signed(name, expires)}"

    def gave(self, name: str, query: str) -> bool:
        """Return whether a link is one of these, good or expired."""
        expires, signature = _parts(query)
        return hmac.compare_digest(self._signed(name, expires).encode(), signature.encode("utf-8", "replace"))

    def check(self, name: str, query: str) -> None:
        """Raise LinkRefusedError where the query does not open the name, or does no longer."""
        if not self.gave(name, query):
            raise LinkRefusedError("SignatureDoesNotMatch", "The signature of this link is wrong.")
        if time.time() >= float(_parts(query)[0]):
            raise LinkRefusedError("AccessDenied", "Request has expired")

    def _signed(self, name: str, expires: str) -> str:
        return hmac.new(self.secret, f"{name} {expires}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _parts(query: str) -> tuple[str, str]:
    """Return the time and the signature in a link's query."""
    given = parse_qs(query)
    return given.get("expires", [""])[0], given.get("signature", [""])[0]
