"""Keeps the key out of what httpcore logs at DEBUG: the headers of each answer, which may echo it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from seedream_nb.wire import blotted

if TYPE_CHECKING:
    from seedream_nb.keys import Key

LOGGERS = ("httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks", "httpx")


class _Blots(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self.keys: set[Key] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Blot the keys out of a message; let all messages pass."""
        told = record.getMessage()
        for key in list(self.keys):
            told = blotted(told, key.reveal())
        if told != record.getMessage():
            record.msg, record.args = told, ()
        return True


_blots = _Blots()


def keep_out_of_logs(key: Key) -> None:
    """Blot this key out of all that is logged from now on."""
    _blots.keys.add(key)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_blots)  # which adds it once
