"""A piece of the panel: a widget whose page asks and is answered, and which is sent what it shows."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import anywidget

from seedream_nb.widgets.messages import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seedream_nb.widgets.messages import Answer, Asked


PARTS = {"tray.js": ("incoming.js", "references.js", "names.js")}
"""Modules in several files, each short enough to read."""


def static(name: str) -> str:
    """Return the text of a file that the page gets."""
    return files("seedream_nb.widgets").joinpath("static", name).read_text("utf-8")


def module(name: str) -> str:
    """Return a module for the page, with what it needs before it: one from a blob can't import another."""
    return "\n".join(static(each) for each in ("common.js", *PARTS.get(name, ()), name))


class Piece(anywidget.AnyWidget):
    """A widget that answers its page; no bytes are in its synchronised state, which notebooks save."""

    def __init__(self, answers: Mapping[str, Callable[[Asked], Answer | None]], **traits: Any) -> None:  # noqa: ANN401
        """Answer the page's questions with these functions."""
        super().__init__(**traits)
        self._views = 0
        self._desk = Desk({"snapshot": self._enter, "leave": self._leave, **answers})
        self.on_msg(self._hear)
        _answer_at_once(self.comm)

    def shown(self) -> Mapping[str, Any]:
        """Return what the piece shows now; each kind has its own."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Send what it shows to where it is in sight; a cell that is run again leaves pieces behind that are not."""
        if self._views > 0:
            self.send({"snapshot": dict(self.shown())})

    def _enter(self, _: Asked) -> None:
        self._views += 1
        self.refresh()

    def _leave(self, _: Asked) -> None:
        self._views -= 1

    def _hear(self, _: object, content: object, buffers: list[memoryview]) -> None:
        reply, bytes_along = self._desk.hear(content, buffers)
        self.send(reply, buffers=list(bytes_along))


def _answer_at_once(comm: Any) -> None:  # noqa: ANN401 - ipykernel's, or a host's own
    """Let clicks be acted on while a cell runs.

    ipykernel 7.4 has what the page says handled where this comm was last written to: on the main shell, which is busy.
    The method is private, so it is replaced only where it is.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001
