"""Keeps the key, and the login of a proxy, out of what others log and raise: what they repeat may echo them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from seedream_nb.errors import plain
from seedream_nb.service.echoes import LoginName, blotted, blotted_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seedream_nb.keys import Key

LOGGERS = (
    "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks", "httpx",
    "asyncio",  # in its debug mode it writes down what a task gave or raised
)  # fmt: skip


class _ProxyLogin:
    """A word of a proxy's login, which shows itself as little as a key does."""

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
        """Blot the secrets out of a message; let all messages pass."""
        told = record.getMessage()
        silent = without_secrets(told)
        if silent != told:
            record.msg, record.args = silent, ()
        return True


_blots = _RedactingFilter()


def keep_out_of_logs(key: Key) -> None:
    """Blot this key out of all that is logged or raised from now on."""
    _blots.keys.add(key)
    _watch()


def keep_login_out_of_logs(login: tuple[str, str]) -> None:
    """Blot a proxy's user and password out of all that is logged or raised from now on."""
    user, password = login
    # Both together too: so they are sent, in base64.
    words = f"{user}:{password}", password, LoginName(user)
    _blots.logins |= {_ProxyLogin(word) for word in words if word.strip(":")}
    _watch()


def login_words() -> list[str]:
    """Return what is secret about the proxies that were used."""
    return [each.reveal() for each in sorted(_blots.logins, key=lambda each: -len(each.reveal()))]


def without_secrets(text: str, blot: Callable[[str, Iterable[str]], str] = blotted) -> str:
    """Return a text without any key and login that was ever used here."""
    return blot(text, [*(each.reveal() for each in list(_blots.keys)), *login_words()])


def plain_place(place: str, limit: int) -> str:
    """Return what stands in somebody's link before its path, to be told in a message: harmless, and without a key."""
    return plain(without_secrets(place, blotted_link), limit)  # before it is cut: a part of a key would stay


def _watch() -> None:
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_blots)  # which adds it once
