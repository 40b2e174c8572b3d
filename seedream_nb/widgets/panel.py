"""The panel: form, tray, queue and gallery, composed in boxes."""

from __future__ import annotations

import contextlib
import html
from typing import TYPE_CHECKING, Any

from ipywidgets import Box, Layout, VBox

from seedream_nb.errors import RequestError, SeedreamError
from seedream_nb.process import PROCESS
from seedream_nb.prompt import is_plain
from seedream_nb.sizes import nearest_shape
from seedream_nb.widgets.gallery import Gallery
from seedream_nb.widgets.modules import joined, static
from seedream_nb.widgets.piece import Piece
from seedream_nb.widgets.protocol import BadMessageError, RefusedError, Response, field_of
from seedream_nb.widgets.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seedream_nb.request import Reference
    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.widgets.protocol import Message

PROMPTS = 100
"""Earlier prompts that Alt+Up walks through."""
_MAX_OFFERS = 30


class Form(Piece):
    """One part of the form: its `head`, the `prompt`, or the `options` with the Generate button."""

    _esm = joined("form.js")
    _css = static("panel.css")
    spends = ("generate",)

    def __init__(self, part: str, state: State, **traits: Any) -> None:  # noqa: ANN401 - a widget's own
        """Show this part; the parts share a draft on the page, so that typing never waits on the kernel."""
        super().__init__(
            state,
            {
                "part": lambda _: Response(values={"part": part, "panel": state.name}),
                "check": self._check,
                "generate": self._generate,
                "prompts": self._prompts,
                "undo": self._undo,
            },
            **traits,
        )

    def shown(self) -> Mapping[str, Any]:
        """Return all that the panel shows."""
        return self._state.snapshot()

    def _check(self, asked: Message) -> Response:
        """Say what is wrong, in the words of the cell; no expression is evaluated, for nobody has pressed anything."""
        form = self._state.keep(asked.inner("form"))
        if not form["prompt"].strip():
            form = {**form, "prompt": "-"}  # an empty form is not a mistake yet
        with _nearest_offered(form, self._state.session.settings.model):
            self._state.session.compose(
                **_options(form), images=self._state.tray.held(), defaults=False, check_numbers=is_plain(form["prompt"])
            )  # a picture in braces would have a number too, and nobody can say which
        return Response()

    def _generate(self, asked: Message) -> Response:
        form = self._state.keep(asked.inner("form"))
        session = self._state.session
        with _nearest_offered(form, session.settings.model):
            request = session.compose(
                **_options(form), images=self._state.tray.held(), scope=session.scope, typed=True, defaults=False
            )
        trouble = session.budget.refusal_of(request, session.price(request.model))
        if trouble is not None and not session.settings.get("once"):  # which may cost nothing
            raise trouble  # beside the button, and not only in the queue
        session.submit(request, template=form["prompt"].strip())
        self._state.change()
        return Response()

    def _undo(self, asked: Message) -> None:
        if asked.has("form"):  # what is being typed may not have come yet, and must not be lost
            self._state.keep(asked.inner("form"))
        self._state.undo()

    def _prompts(self, _: Message) -> Response:
        """Return earlier prompts as they were written, newest first, each once."""
        prompts: dict[str, None] = {}
        for each in reversed(self._state.session.history):
            prompts.setdefault(each.template or each.prompt)
            if len(prompts) == PROMPTS:
                break
        return Response(values={"prompts": list(prompts)}, is_kept=False)


class Queue(Piece):
    """The requests that run, wait or have failed."""

    _esm = joined("queue.js")
    _css = static("panel.css")
    spends = ("again",)

    def __init__(self, state: State, **traits: Any) -> None:  # noqa: ANN401 - a widget's own
        """Show the jobs of this session, whichever door they came through."""
        super().__init__(state, {"cancel": self._cancel, "again": self._again, "dismiss": self._dismiss}, **traits)

    def shown(self) -> Mapping[str, Any]:
        """Return the jobs."""
        return {"version": self._state.version, "jobs": self._state.rows.shown()}

    def _cancel(self, asked: Message) -> None:
        self._state.rows.job(asked.number("number")).cancel()
        self._state.change()

    def _dismiss(self, asked: Message) -> None:
        self._state.rows.take(asked.number("number"))
        self._state.change()

    def _again(self, asked: Message) -> None:
        """Send it again; the row is taken first, so that two who press at once have one request."""
        rows = self._state.rows
        job = rows.take(asked.number("number"))
        try:
            self._state.session.rerun(job.request, template=job.template)
        except BaseException:
            rows.put_back(job)
            raise
        finally:
            self._state.change()


class ReferenceTray(Piece):
    """The tray as a widget; `sd.ReferenceTray()` can be used alone, its `value` is what `images=` takes."""

    _esm = joined("tray.js")
    _css = static("panel.css")

    def __init__(self, state: State | None = None, **traits: Any) -> None:  # noqa: ANN401 - a widget's own
        """Show the tray of a panel, or one of its own."""
        if state is None:
            state = State(PROCESS.the_session())
        self._tray = state.tray
        super().__init__(
            state,
            {
                "offers": lambda asked: Response(values={"offers": self._offers(asked.text("word", 1000))}),
                "add": lambda asked: self._tray.add(asked.text("written")),
                "shown": lambda asked: self._tray.add_shown(asked.text("mark", 30), asked.text("file", 1000)),
                "file": self._receive,
                "forget": lambda asked: self._tray.arriving.forget(asked.text("key", 64)),
                "remove": lambda asked: self._tray.remove(asked.number("number")),
                "move": lambda asked: self._tray.move(asked.number("number"), asked.number("place")),
                "thumbnail": lambda asked: Response(buffers=[self._tray.thumbnail(asked.number("number"))]),
            },
            **traits,
        )

    @property
    def value(self) -> Sequence[Reference]:
        """The references it holds, for `images=`."""
        return tuple(self._tray.held())

    def _offers(self, word: str) -> list[str]:
        try:
            return list(self._state.session.scope.offers(word))[:_MAX_OFFERS]
        except Exception:  # noqa: BLE001 - whatever is wrong, adding it will tell
            return []

    def _receive(self, asked: Message) -> Response:
        if len(asked.buffers) != 1:
            raise BadMessageError("A part of a file arrived without its bytes. Add it again.")
        whole = self._tray.receive(
            asked.text("key", 64), asked.text("name", 1000), asked.number("size_bytes"), asked.number("offset"),
            asked.buffers[0],
        )  # fmt: skip
        return Response(values={"whole": whole})

    def shown(self) -> Mapping[str, Any]:
        """Return all that the panel shows."""
        return self._state.snapshot()


class Panel(VBox):  # type: ignore[misc]
    """Everything on one panel, live. Reopened without a kernel it is a plain summary: it is no picture's only home."""

    def __init__(self, session: Session | None = None) -> None:
        """Show a session, the one of this process if none is given."""
        state = State(session or PROCESS.the_session())
        same = {"layout": Layout()}
        head = Form("head", state, **same)
        # Sent once: each style sheet that a page gets makes it look at all of its elements anew.
        more = {**same, "_css": ""}
        left = VBox(
            [Form("prompt", state, **more), ReferenceTray(state, **more), Form("options", state, **more)],
            _dom_classes=("sd-form",),
            **same,
        )
        right = VBox([Queue(state, **more), Gallery(state=state, **more)], _dom_classes=("sd-results",), **same)
        body = Box([left, right], _dom_classes=("sd-body",), **same)
        super().__init__([head, body], _dom_classes=("sd-panel",))
        self._state = state

    # ipywidgets 7 shows itself by this method, in which there is no place for a summary.
    _ipython_display_ = None

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, **self._summary()}, {}

    def _summary(self) -> dict[str, str]:
        """Return what stands in the panel's place where there is no kernel."""
        told = "The Seedream panel needs a running kernel: run this cell again. Its pictures are in the history."
        try:
            shown = self._state.session.bundle(self._state.session.history[-6:])
        except (OSError, SeedreamError):
            shown = {}
        return {
            "text/plain": f"{told}\n{shown.get('text/plain', '')}".strip(),
            "text/html": f"<p>{html.escape(told)}</p>{shown.get('text/html', '')}",
        }


@contextlib.contextmanager
def _nearest_offered(form: dict[str, Any], model: Model) -> Iterator[None]:
    """Let a refusal of a custom size come with the nearest that the service makes, for the page to offer."""
    try:
        yield
    except RequestError as error:
        if form["size"] == "Custom" and any(field_of(problem) == "size" for problem in error.problems):
            raise RefusedError(error, nearest=nearest_shape(form["width"], form["height"], model)) from None
        raise


def _options(form: dict[str, Any]) -> dict[str, Any]:
    """Return the form as the options of a request."""
    custom = form["size"] == "Custom"
    return {
        "prompt": form["prompt"],
        "size": f"{form['width']}x{form['height']}" if custom else form["size"],
        "aspect": None if custom else form["aspect"],
        "max_images": None if form["max_images"] == 1 else form["max_images"],
        "watermark": form["watermark"],
    }
