"""What was under way when an earlier kernel ended: told on the panel, and fetched as far as it can be."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from seedream_nb.widgets.protocol import Answers, Message, Unfinished

MAX_NAMED = 5
_PROMPT_CHARACTERS = 80


class UnfinishedRequests:
    """The requests that an earlier kernel left behind. Thread-safe."""

    def __init__(self, session: Session, change: Callable[[], None]) -> None:
        """Look once, now; `change` is called when it is another."""
        self._session, self._change = session, change
        self._shown = self._left()

    @property
    def answers(self) -> Answers:
        """What answers the page's questions."""
        return {"recover": self._recover, "dismiss_unfinished": self._dismiss}

    def shown(self) -> Unfinished | None:
        """Return what there is to tell, if anything."""
        return self._shown

    def _left(self) -> Unfinished | None:
        with contextlib.suppress(OSError, SeedreamError):  # what keeps the history from being read is told elsewhere
            left = list(self._session.history.left_behind())
            if left:
                more = [f"and {len(left) - MAX_NAMED} more"] if len(left) > MAX_NAMED else []
                return {
                    "lines": [*map(_line, left[:MAX_NAMED]), *more],
                    "recoverable": any(each.status == "partial" for each in left),
                }
        return None

    def _recover(self, _: Message) -> None:
        try:
            tried = self._session.recover()
        except SeedreamError:
            self._change()
            raise
        missing = [each for each in tried if each.missing]
        told = [f"{each.mark}: {plain(reason)}" for each in missing for reason in list(each.missing.values())[:1]]
        self._shown = {"lines": told[:MAX_NAMED], "recoverable": True} if told else None
        self._change()

    def _dismiss(self, _: Message) -> None:
        """Tell it no more; what can't be had is settled then, for all kernels."""
        shown, self._shown = self._shown, None
        if shown is not None and not shown["recoverable"]:
            self._session.close_left_behind()
        self._change()


def _line(generation: Generation) -> str:
    """Return what became of a request, as far as that can be known."""
    prompt = plain(generation.prompt, _PROMPT_CHARACTERS)
    if generation.status == "partial":
        return f"{generation.mark} was paid for, and not all of its pictures have been downloaded: {prompt}"
    if generation.status == "stopped":
        return f"{generation.mark} was not billed: the service refused it for now, and it was not sent again: {prompt}"
    return f"{generation.mark} had been sent, so it may have been billed; what came of it is not known: {prompt}"
