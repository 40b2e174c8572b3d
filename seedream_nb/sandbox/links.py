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

    def check(self, name: str, query: str) -> None:
        """Raise LinkRefusedError where the query does not open the name, or does no longer."""
        given = parse_qs(query)
        expires, signature = given.get("expires", [""])[0], given.get("signature", [""])[0]
        if not hmac.compare_digest(self._signed(name, expires).encode(), signature.encode("utf-8", "replace")):
            raise LinkRefusedError("SignatureDoesNotMatch", "The signature of this link is wrong.")
        if time.time() >= float(expires):
            raise LinkRefusedError("AccessDenied", "Request has expired")

    def _signed(self, name: str, expires: str) -> str:
        return hmac.new(self.secret, f"{name} {expires}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
