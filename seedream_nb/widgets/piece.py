"""A piece of the panel: a widget whose page asks and is answered, and which is sent what it shows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget

from seedream_nb.widgets.protocol import MAX_ID, Dispatcher, Response, sendable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from seedream_nb.widgets.protocol import Message
    from seedream_nb.widgets.state import State


class Piece(anywidget.AnyWidget):
    """A widget that answers its page; no bytes are in its synchronised state, which notebooks save."""

    spends: ClassVar[Collection[str]] = ()
    """The questions that may cost something."""

    silent_seconds = 600.0
    """How long a page may say nothing: it says every minute that it is there, but more seldom where a browser lets it
    sleep or a cell keeps the kernel."""

    def __init__(
        self,
        state: State,
        answers: Mapping[str, Callable[[Message], Response | None]],
        **traits: Any,  # noqa: ANN401 - a widget's own
    ) -> None:
        """Answer the page's questions with these functions, and show what this state holds."""
        super().__init__(**traits)
        self._state = state
        self._views: dict[str, float] = {}
        usual = {"snapshot": self._enter, "here": self._stay, "leave": self._leave}
        self._desk = Dispatcher({**usual, **answers}, self.spends)
        self.on_msg(self._hear)
        _answer_at_once(self.comm)
        state.listen(self)

    def shown(self) -> Mapping[str, Any]:
        """Return what the piece shows now; each kind has its own."""
        raise NotImplementedError

    @property
    def in_sight(self) -> bool:
        """Whether a page shows it. One that is closed says no goodbye: it is forgotten when it was silent for long."""
        silent = time.monotonic() - self.silent_seconds
        return any(heard > silent for heard in list(self._views.values()))

    def refresh(self) -> None:
        """Send what it shows to where it is in sight; a cell that is run again leaves pieces behind that are not."""
        if self.in_sight:
            self.send({"snapshot": dict(self.shown())})

    def send(self, content: Any, buffers: Any = None) -> None:  # noqa: ANN401 - ipywidgets' own
        """Send a message, of which each text can be sent: half a character would end the whole of it."""
        super().send(sendable(content), buffers)

    def close(self) -> None:
        """Close the widget: nobody is told any more."""
        self._views.clear()
        super().close()

    def _enter(self, asked: Message) -> Response:
        """Show it to a view that is new, or has missed something."""
        self._note(asked)
        self.refresh()
        return Response(is_kept=False)

    def _stay(self, asked: Message) -> Response:
        """Hear that a view is still there; it learns whether it has missed something."""
        self._note(asked)
        return Response(values={"version": self._state.version}, is_kept=False)

    def _note(self, asked: Message) -> None:
        silent = time.monotonic() - self.silent_seconds
        there = {view: heard for view, heard in list(self._views.items()) if heard > silent}
        self._views = {**there, asked.text("view", MAX_ID): time.monotonic()}
        self._state.watch()

    def _leave(self, asked: Message) -> None:
        self._views.pop(asked.text("view", MAX_ID), None)

    def _hear(self, _: object, content: object, buffers: list[memoryview]) -> None:
        reply, bytes_along = self._desk.hear(content, buffers)
        if reply:
            self.send(reply, buffers=list(bytes_along))


def _answer_at_once(comm: Any) -> None:  # noqa: ANN401 - ipykernel's, or a host's own
    """Let clicks be acted on while a cell runs.

    ipykernel 7.4 has what the page says handled where this comm was last written to: on the main shell, which is busy.
    The method is private, so it is replaced only where it is.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001
