"""The panel, and its tray and gallery alone: one widget each, whose page asks, and is sent what it shows."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from seedream_nb.process import PROCESS
from seedream_nb.widgets.drafts import Drafts
from seedream_nb.widgets.modules import joined, styles
from seedream_nb.widgets.protocol import sendable
from seedream_nb.widgets.saved import SavedView
from seedream_nb.widgets.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.request import Reference
    from seedream_nb.session import Session
    from seedream_nb.storage.history import History
    from seedream_nb.widgets.protocol import Snapshot
    from seedream_nb.widgets.saved import Publish


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
        drafts = Drafts(session) if self._has_form else None
        self._state = State(session, self._show, has_form=self._has_form, history=history, drafts=drafts)
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
    """Everything on one panel, live. Its cell has a second output, which shows the history where there is no kernel."""

    _esm = joined("panel.js")
    _has_form = True
    identity = traitlets.Unicode().tag(sync=True)
    """The id of its model, by which the page knows the output that is shown when there is no kernel."""

    def __init__(
        self,
        session: Session | None = None,
        *,
        publish: Publish | None = None,
        **traits: Any,  # noqa: ANN401 - a widget's own
    ) -> None:
        """Show a session, the one of this process if none is given; without `publish` there is no second output."""
        self._identity = uuid.uuid4().hex
        self._publish, self._stamp = publish, 0
        self._saved = SavedView(self._identity, lambda: self._state.pages.history)
        super().__init__(session, model_id=self._identity, identity=self._identity, **traits)

    def close(self) -> None:
        """Close the widget, and leave its other output as it is."""
        self._saved.close()
        super().close()

    def _show(self, snapshot: Snapshot) -> None:
        super()._show(snapshot)
        if snapshot["history"] != self._stamp:
            self._stamp = snapshot["history"]
            self._saved.renew()

    def _ipython_display_(self, **_: object) -> None:
        if self._publish is None:
            raise NotImplementedError  # IPython shows the bundle then
        self._saved.show(self._publish)
        # Where there is no kernel, the output before this one says all; in this one's place there is nothing then.
        self._publish({**self._view(), "text/html": "", "text/plain": "The Seedream panel"})

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        return {**self._view(), **self._saved.bundle()}, {}

    def _view(self) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"application/vnd.jupyter.widget-view+json": view}


def _answer_at_once(comm: Any) -> None:  # noqa: ANN401 - ipykernel's, or a host's own
    """Let clicks be acted on while a cell runs.

    ipykernel 7.4 has what the page says handled where this comm was last written to: on the main shell, which is busy.
    The method is private, so it is replaced only where it is.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001
