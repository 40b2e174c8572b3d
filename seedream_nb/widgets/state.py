"""What a widget shows, as plain values: read from the session, so that every view, new or reloaded, agrees."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from typing import TYPE_CHECKING

from seedream_nb.errors import SeedreamError
from seedream_nb.widgets.form import Form, sizes_of
from seedream_nb.widgets.gallery import HistoryPages
from seedream_nb.widgets.protocol import MAX_ID, Dispatcher, Response
from seedream_nb.widgets.queue import QueueRows
from seedream_nb.widgets.stage import Stage
from seedream_nb.widgets.tray import Tray
from seedream_nb.widgets.unfinished import UnfinishedRequests
from seedream_nb.widgets.watcher import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.storage.history import History
    from seedream_nb.widgets.drafts import Drafts
    from seedream_nb.widgets.protocol import Answer, Answers, Message, Most, Offer, Snapshot, Spent

SPENDS = ("generate", "again", "rerun")
"""The questions that may cost something."""
CHANGED = "The settings were changed since this was shown: where requests go, what they cost, or whose history it is."
LOOK_AGAIN = "Nothing was sent, nothing was billed. Look at what it says now, then press again."


class State:
    """The state of one widget: form, tray, queue and history; and where it is in sight."""

    silent_seconds = 600.0
    """How long a page may say nothing: it says every minute that it is there, but more seldom where a browser lets it
    sleep or a cell keeps the kernel."""

    def __init__(
        self,
        session: Session,
        show: Callable[[Snapshot], None] = lambda _: None,
        *,
        has_form: bool = True,
        history: History | None = None,
        drafts: Drafts | None = None,
    ) -> None:
        """Show this session, with its history or another; `show` is called on any thread when something has changed.

        What is typed is kept in `drafts`, if they are given.
        """
        self.session, self._show, self._has_form, self._drafts = session, show, has_form, drafts
        self._lock = threading.RLock()
        self._views: dict[str, float] = {}
        self.version = 0
        """A number that grows with every change."""
        self.stamp = 0
        """A number that is another when the history is."""
        self.tray = Tray(session, self._refill, lambda: self.form.model)
        self.form = Form(session, self.tray, self.change, drafts)
        self.rows = QueueRows(session, self.change, self.form.fill)
        self.pages = HistoryPages(session, history, fill=self.form.fill, change=self.look)
        stage = Stage(session, self.pages, self.place)
        self.unfinished = UnfinishedRequests(session, self.look) if drafts is not None else None
        left: Answers = {} if self.unfinished is None else self.unfinished.answers
        own: Answers = {"snapshot": self._enter, "here": self._stay, "leave": self._leave}
        parts = (self.tray.answers, self.form.answers, self.rows.answers, self.pages.answers, stage.answers, left, own)
        answers = {name: answer for part in parts for name, answer in part.items()}
        spending = {name: self._as_shown(answers[name]) for name in SPENDS}
        self.desk = Dispatcher({**answers, **spending}, SPENDS)
        """Answers what the page asks."""
        self.form.begin()
        if drafts is not None:
            drafts.change = self.change

    # -- views -------------------------------------------------------------------------------------

    @property
    def in_sight(self) -> bool:
        """Whether a page shows it. One that is closed says no goodbye: it is forgotten when it was silent for long."""
        silent = time.monotonic() - self.silent_seconds
        return any(heard > silent for heard in list(self._views.values()))

    @property
    def is_awake(self) -> bool:
        """Whether a page shows any of it, or a job runs whose failure must not be missed."""
        return self.in_sight or self.rows.are_moving

    def close(self) -> None:
        """Tell nobody any more."""
        self._views.clear()

    def _enter(self, asked: Message) -> Response:
        """Show it to a view that is new, or has missed something."""
        self._note(asked)
        self._show(self.snapshot())
        return Response(is_kept=False)

    def _stay(self, asked: Message) -> Response:
        """Hear that a view is still there; it learns whether it has missed something."""
        self._note(asked)
        return Response(values={"version": self.version}, is_kept=False)

    def _note(self, asked: Message) -> None:
        """Know the page that asks, and have changes told that other doors make, for as long as it is there."""
        silent = time.monotonic() - self.silent_seconds
        there = {view: heard for view, heard in list(self._views.items()) if heard > silent}
        self._views = {**there, asked.text("view", MAX_ID): time.monotonic()}
        watch(self)

    def _leave(self, asked: Message) -> None:
        self._views.pop(asked.text("view", MAX_ID), None)

    # -- spending ----------------------------------------------------------------------------------

    def _as_shown(self, answer: Answer) -> Answer:
        """Return what spends only where, at what price and of which history the page showed it."""

        def act(asked: Message) -> Response | None:
            if asked.has("place") and asked.text("place", MAX_ID) != self.place():
                self.look()
                raise SeedreamError(CHANGED, hint=LOOK_AGAIN)
            return answer(asked)

        return act

    def place(self) -> str:
        """Return a text that is another once requests go elsewhere, cost something else, or the history is another.

        A press may be heard long after it was made, when a cell has changed that.
        """
        session, home = self.session, ""
        with contextlib.suppress(SeedreamError):  # there is none: whatever is pressed is refused
            home = str(self.pages.history.home)
        prices = [session.settings.price_of(model) for model in session.settings.service.models]
        shown = (session.service.name, session.service_host, prices, home)
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]

    # -- changes -----------------------------------------------------------------------------------

    def change(self) -> None:
        """Note a change and show it wherever this is in sight; a cell that is run again leaves widgets that are not."""
        with self._lock:
            self.version += 1
        # What can't be shown here is shown at the next look; who asked for the change must not fail for it.
        with contextlib.suppress(Exception):
            if self.in_sight:
                self._show(self.snapshot())

    def _refill(self) -> None:
        """Note that the tray holds something else."""
        self.form.touch()
        self.change()

    def past_changed(self) -> None:
        """Note that the history is another."""
        with self._lock:
            self.stamp += 1

    def look(self) -> None:
        """Have the history looked at anew, whatever seems to have changed in it."""
        self.past_changed()
        self.change()

    def snapshot(self) -> Snapshot:
        """Return all that is shown now, but for the history, of which pages are asked for."""
        session = self.session
        with self._lock:
            version, stamp = self.version, self.stamp
        draft, number, way_back = self.form.shown()
        service, model = session.service, session.settings.model
        return {
            "version": version,
            "place": self.place(),
            "form": draft if self._has_form else None,
            "form_number": number,
            "undo": way_back,
            "unkept": "" if self._drafts is None else self._drafts.trouble,
            "told": list(self.form.told),
            "unfinished": None if self.unfinished is None else self.unfinished.shown(),
            "draft": "" if self._drafts is None else self._drafts.key,
            "changes": self.form.changes,
            "models": [_offer(known, session) for known in session.settings.service.models],
            "sizes": sizes_of(model),
            "ratios": list(model.ratios),
            "host": service.name if service.is_free else session.service_host,
            "free": service.is_free,
            "price": session.settings.price_of(model),
            "most": _most(model),
            "spent": _spent(session),
            "tray": self.tray.shown(),
            "jobs": self.rows.shown(),
            "more": self.rows.more,
            "history": stamp,
        }


def _offer(model: Model, session: Session) -> Offer:
    return {
        "name": model.name,
        "title": model.title,
        "sizes": sizes_of(model),
        "ratios": list(model.ratios),
        "price": session.settings.price_of(model),
        "most": _most(model),
    }


def _most(model: Model) -> Most:
    return {"references": model.references.max_count, "pictures": model.max_images}


def _spent(session: Session) -> Spent:
    try:
        pictures = session.history.usage(own=True).pictures
    except (OSError, SeedreamError):  # the folder can't be read: the gallery tells
        pictures = 0
    return {"pictures": pictures, "dollars": session.budget.spent}
