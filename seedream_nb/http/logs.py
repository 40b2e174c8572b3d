"""Keeps the key and a proxy's login out of the logs and errors of libraries, which may echo them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from seedream_nb.errors import plain
from seedream_nb.service.redaction import LoginName, redact, redact_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedream_nb.keys import Key

LOGGERS = (
    "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks", "httpx",
    "asyncio",  # its debug mode logs what a task returned or raised
)  # fmt: skip


class _ProxyLogin:
    """A part of a proxy's login, which shows itself as little as a key does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ProxyLogin) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class _RedactingFilter(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.keys: set[Key] = set()
        self.logins: set[_ProxyLogin] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a message; drop none."""
        message = record.getMessage()
        redacted = without_secrets(message)
        if redacted != message:
            record.msg, record.args = redacted, ()
        return True


_redaction = _RedactingFilter()


def redact_key_in_logs(key: Key) -> None:
    """Redact this key in everything that is logged or raised from now on."""
    _redaction.keys.add(key)
    _install()


def redact_login_in_logs(login: tuple[str, str]) -> None:
    """Redact a proxy's user and password in everything that is logged or raised from now on."""
    user, password = login
    # Both together too: that is how they are sent, in base64.
    words = f"{user}:{password}", password, LoginName(user)
    _redaction.logins |= {_ProxyLogin(word) for word in words if word.strip(":")}
    _install()


def login_secrets() -> list[str]:
    """Return the secrets of the proxies used so far, the longest first."""
    return [login.reveal() for login in sorted(_redaction.logins, key=lambda login: -len(login.reveal()))]


def without_secrets(text: str, redactor: Callable[[str, Iterable[str]], str] = redact) -> str:
    """Return a text without any key or login used so far."""
    return redactor(text, [*(key.reveal() for key in list(_redaction.keys)), *login_secrets()])


def plain_host(place: str, limit: int) -> str:
    """Return the part of somebody's link before its path for a message: printable, and without a key."""
    return plain(without_secrets(place, redact_link), limit)  # redacted before it is cut: a part of a key would stay


def _install() -> None:
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_redaction)  # adds it only once
