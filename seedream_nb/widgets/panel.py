"""The panel, and its tray and gallery alone: one widget each, whose page asks, and is sent what it shows."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import anywidget

from seedream_nb.errors import SeedreamError
from seedream_nb.process import PROCESS
from seedream_nb.widgets.modules import joined, styles
from seedream_nb.widgets.protocol import sendable
from seedream_nb.widgets.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seedream_nb.request import Reference
    from seedream_nb.session import Session
    from seedream_nb.storage.history import History
    from seedream_nb.widgets.protocol import Snapshot

_NEEDS_KERNEL = "The Seedream panel needs a running kernel: run this cell again. Its pictures are in the history."


class Widget(anywidget.AnyWidget):
    """A widget that answers its page; no bytes are in its synchronised state, which notebooks save."""

    _css = styles()
    _has_form = False

    def __init__(
        self,
        session: Session | None = None,
        *,
        history: History | None = None,
        **traits: Any,  # noqa: ANN401 - a widget's own
    ) -> None:
        """Show a session, the one of this process if none is given, or another history than its own."""
        session = session or PROCESS.the_session()
        self._state = State(session, self._show, has_form=self._has_form, history=history)
        super().__init__(**traits)
        self.on_msg(self._hear)
        _answer_at_once(self.comm)

    def send(self, content: Any, buffers: Any = None) -> None:  # noqa: ANN401 - ipywidgets' own
        """Send a message, of which each text can be sent: half a character would end the whole of it."""
        super().send(sendable(content), buffers)

    def close(self) -> None:
        """Close the widget: nobody is told any more."""
        self._state.close()
        super().close()

    def _show(self, snapshot: Snapshot) -> None:
        self.send({"snapshot": snapshot})

    def _hear(self, _: object, content: object, buffers: list[memoryview]) -> None:
        reply, bytes_along = self._state.desk.hear(content, buffers)
        if reply:
            self.send(reply, buffers=list(bytes_along))


class ReferenceTray(Widget):
    """The tray as a widget; `sd.ReferenceTray()` can be used alone, its `value` is what `images=` takes."""

    _esm = joined("trayAlone.js")

    @property
    def value(self) -> Sequence[Reference]:
        """The references it holds, for `images=`."""
        return tuple(self._state.tray.held())


class Gallery(Widget):
    """The history as a widget; `sd.Gallery(sd.history)` can be used alone."""

    _esm = joined("galleryAlone.js")

    def __init__(self, history: History | None = None, **traits: Any) -> None:  # noqa: ANN401 - a widget's own
        """Show this history, or the session's own."""
        super().__init__(history=history, **traits)

    @property
    def history(self) -> History:
        """The history that is shown."""
        return self._state.pages.history


class Panel(Widget):
    """Everything on one panel, live. Reopened without a kernel it is a plain summary: it is no picture's only home."""

    _esm = joined("panel.js")
    _has_form = True
    # ipywidgets 7 shows itself by this method, in which there is no place for a summary.
    _ipython_display_ = None

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, **self._summary()}, {}

    def _summary(self) -> dict[str, str]:
        """Return what stands in the panel's place where there is no kernel."""
        session = self._state.session
        try:
            shown: Mapping[str, str] = session.bundle(session.history[-6:])
        except (OSError, SeedreamError):
            shown = {}
        return {
            "text/plain": f"{_NEEDS_KERNEL}\n{shown.get('text/plain', '')}".strip(),
            "text/html": f"<p>{html.escape(_NEEDS_KERNEL)}</p>{shown.get('text/html', '')}",
        }


def _answer_at_once(comm: Any) -> None:  # noqa: ANN401 - ipykernel's, or a host's own
    """Let clicks be acted on while a cell runs.

    ipykernel 7.4 has what the page says handled where this comm was last written to: on the main shell, which is busy.
    The method is private, so it is replaced only where it is.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001
