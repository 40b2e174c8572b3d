"""What the panel shows, as plain values: read from the session, so that every view, new or reloaded, agrees."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
import uuid
import weakref
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from seedream_nb.errors import SeedreamError, plain, plain_but_links
from seedream_nb.jobs.job import stopped
from seedream_nb.sizes import shape_of, spell_size
from seedream_nb.view import progress
from seedream_nb.widgets.tray import Tray
from seedream_nb.widgets.watcher import watch

if TYPE_CHECKING:
    from seedream_nb.jobs.job import Job
    from seedream_nb.request import Reference
    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation
    from seedream_nb.widgets.protocol import Message

MAX_OVER = 20
"""Rows of what is over: of more failures than a person reads, the oldest go."""
_PROMPT_CHARACTERS = 300
GOING_ON = "It was already sent and can't be taken back, so it may be billed."
FETCHING = "The service has already answered, so it is paid for."
IN_THE_SANDBOX = "It was already sent and can't be taken back. The sandbox bills nothing."
COMES = "It continues, and its pictures will appear in the history here."


class QueueRows:
    """The jobs of a session as a person follows them, whichever door they came through. Thread-safe."""

    def __init__(self, session: Session) -> None:
        """Follow the jobs of this session."""
        self._session = session
        self._lock = threading.RLock()
        self._jobs: dict[int, Job] = {}
        self._numbers: weakref.WeakKeyDictionary[Job, int] = weakref.WeakKeyDictionary()
        self._dismissed: weakref.WeakSet[Job] = weakref.WeakSet()
        self._count = itertools.count(1)

    def jobs(self) -> list[tuple[int, Job]]:
        """Return the jobs with their numbers, oldest first."""
        with self._lock:
            for job in self._session.jobs:
                if job not in self._dismissed:
                    number = self._numbers.get(job) or self._numbers.setdefault(job, next(self._count))
                    self._jobs.setdefault(number, job)
            done = [number for number, job in self._jobs.items() if job.over and job.error is None]
            told = [number for number, job in self._jobs.items() if job.over and job.error is not None]
            for number in [*done, *told[:-MAX_OVER]]:
                self._dismissed.add(self._jobs.pop(number))
            return sorted(self._jobs.items())

    @property
    def are_moving(self) -> bool:
        """Whether any of them is still under way."""
        return any(not job.over for _, job in self.jobs())

    def job(self, number: int) -> Job:
        """Return a job by its number; raises SeedreamError."""
        found = dict(self.jobs()).get(number)
        if found is None:
            raise SeedreamError("That request has finished; its pictures are in the history.")
        return found

    def take(self, number: int) -> Job:
        """Return a job and show it no more: who takes it, alone has it. Raises SeedreamError."""
        with self._lock:
            job = self.job(number)
            self._dismissed.add(self._jobs.pop(number))
            return job

    def put_back(self, job: Job) -> None:
        """Show a job again that was taken."""
        with self._lock:
            self._dismissed.discard(job)
            self._jobs[self._numbers[job]] = job

    def shown(self) -> list[dict[str, Any]]:
        """Return the rows as the page shows them."""
        return [_row(number, job) for number, job in self.jobs()]


def _row(number: int, job: Job) -> dict[str, Any]:
    since = job.sent if job.sent is not None else job.started
    return {
        "number": number,
        "mark": "" if job.id is None else job.mark,
        "phase": job.phase,
        "told": progress(job),
        "prompt": plain(job.request.prompt, _PROMPT_CHARACTERS),
        "seconds": time.monotonic() - since,
        "over": job.over,
        "sent": job.committed,
        "free": job.is_free,
        "share": _share(job),
        "stopped": _stopped(job),
        "error": None if job.error is None else [plain_but_links(line) for line in job.error.lines()],
    }


def _stopped(job: Job) -> list[str] | None:
    """Return what to say of a job that somebody stopped and that goes on, for it was sent; else None."""
    told = stopped(job)
    if told is None or job.over:
        return None
    if not job.committed:
        return [plain(told.lines()[0])]
    if job.is_free:
        return [IN_THE_SANDBOX, COMES]
    return [FETCHING if job.expected is not None else GOING_ON, COMES]


def _share(job: Job) -> float | None:
    """Return how much of an upload or of the downloads is done; None while it can't be known."""
    if job.phase == "uploading" and job.upload_bytes:
        return job.uploaded_bytes / job.upload_bytes
    if job.phase == "downloading" and job.expected:
        return len(job.pictures) / job.expected
    return None


MAX_NUMBER = 10**9
_Draft: TypeAlias = "tuple[dict[str, Any], list[Reference]]"
"""What is in form and tray."""


def empty_form(model: Model) -> dict[str, Any]:
    """Return what a form holds before anybody wrote in it."""
    aspect, size = next(iter(model.ratios.items()))
    width, height = shape_of(size) or (0, 0)
    return {
        "prompt": "",
        "size": model.usual_tier,
        "aspect": aspect,
        "width": width,
        "height": height,
        "max_images": 1,
        "watermark": True,
    }


class Showing(Protocol):
    """A piece of the panel, which shows the state."""

    @property
    def in_sight(self) -> bool:
        """Whether a page shows it."""

    def refresh(self) -> None:
        """Send what it shows to where it is in sight."""


class State:
    """The state of one panel: the form's draft, the tray, the rows of the queue; and where it is shown."""

    def __init__(self, session: Session) -> None:
        """Show this session."""
        self.session = session
        self.name = uuid.uuid4().hex
        self.lock = threading.RLock()
        self.tray = Tray(session, self.change)
        self.form = {**empty_form(session.settings.model), **_defaults(session)}
        self.form_number = 0
        self._aside: _Draft | None = None
        self._filled: _Draft | None = None
        self._is_undone = False
        self.rows = QueueRows(session)
        self._version = 0
        self._stamp = 0
        self._pieces: list[Showing] = []

    # -- telling -----------------------------------------------------------------------------------

    def listen(self, piece: Showing) -> None:
        """Have a piece refreshed, on any thread, whenever something has changed."""
        self._pieces.append(piece)

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    @property
    def stamp(self) -> int:
        """A number that is another when the history is."""
        return self._stamp

    def change(self) -> None:
        """Note a change and show it wherever the panel is in sight."""
        with self.lock:
            self._version += 1
        for piece in self._pieces:
            # What can't be shown here is shown at the next look; who asked for the change must not fail for it.
            with contextlib.suppress(Exception):
                piece.refresh()

    @property
    def is_awake(self) -> bool:
        """Whether a page shows any of it, or a job runs whose failure must not be missed."""
        return any(piece.in_sight for piece in self._pieces) or self.rows.are_moving

    def watch(self) -> None:
        """Have it told of what other doors do, for as long as it is awake."""
        watch(self)

    def look(self) -> None:
        """Have the history looked at anew, whatever seems to have changed in it."""
        self.past_changed()
        self.change()

    def past_changed(self) -> None:
        """Note that the history is another."""
        with self.lock:
            self._stamp += 1

    # -- the draft ---------------------------------------------------------------------------------

    def keep(self, sent: Message) -> dict[str, Any]:
        """Keep what the form holds, for a view that comes later; nobody is told, for a person is typing there.

        Returns:
            The fields, each of its type.

        Raises:
            BadMessageError: one is of another type.
        """
        form = {
            "prompt": sent.text("prompt"),
            "size": sent.text("size", 10),
            "aspect": sent.text("aspect", 10),
            "width": sent.number("width", -MAX_NUMBER, MAX_NUMBER),
            "height": sent.number("height", -MAX_NUMBER, MAX_NUMBER),
            "max_images": sent.number("max_images", -MAX_NUMBER, MAX_NUMBER),
            "watermark": sent.truth("watermark"),
        }
        with self.lock:
            self.form = form
        return form

    def fill(self, generation: Generation) -> None:
        """Fill form and tray with what a generation was made from; `undo` brings back what was there."""
        request = generation.request
        form = {**empty_form(request.model), **_as_form(generation), "watermark": request.watermark}
        with self.lock:
            was = self._exchange(form)
            if was != self._filled:  # else nobody has written since, and it is in the history
                self._aside, self._is_undone = was, False
            self._filled = (form, list(request.images))
        self.tray.hold(request.images)

    def undo(self) -> None:
        """Bring back what was in form and tray before `fill`; once more, what was there before this."""
        with self.lock:
            if self._aside is None:
                return
            form, references = self._aside
            self._aside, self._is_undone = self._exchange(form), not self._is_undone
        self.tray.hold(references)

    def _exchange(self, form: dict[str, Any]) -> _Draft:
        """Put this into the form, and return what was in form and tray."""
        was = (self.form, self.tray.held())
        self.form = form
        self.form_number += 1
        return was

    # -- the snapshot ------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return all that the panel shows now, but for the history, of which pages are asked for."""
        session = self.session
        with self.lock:
            version, form, number = self._version, self.form, self.form_number
            undo = "" if self._aside is None else "Redo" if self._is_undone else "Undo"
        service, model = session.service, session.settings.model
        return {
            "version": version,
            "panel": self.name,
            "form": form,
            "form_number": number,
            "undo": undo,
            "sizes": _sizes(model),
            "ratios": list(model.ratios),
            "host": service.name if service.is_free else session.service_host,
            "free": service.is_free,
            "price": session.settings.price_of(model),
            "most": {"references": model.references.max_count, "pictures": model.max_images},
            "spent": _spent(session),
            "tray": self.tray.shown(),
            "jobs": self.rows.shown(),
            "history": self._stamp,
        }


def _spent(session: Session) -> dict[str, Any]:
    try:
        pictures = session.history.usage(own=True).pictures
    except (OSError, SeedreamError):  # the folder can't be read: the gallery tells
        pictures = 0
    return {"pictures": pictures, "dollars": session.budget.spent}


@functools.cache
def _sizes(model: Model) -> dict[str, dict[str, str]]:
    """Return the pixels of every tier and ratio, so that the page can say them without asking."""
    return {tier: {ratio: spell_size(tier, ratio, model) for ratio in model.ratios} for tier in model.tiers}


def _defaults(session: Session) -> dict[str, Any]:
    """Return what the settings say of the form's fields."""
    size, aspect = session.settings.get("size"), session.settings.get("aspect")
    watermark, model = session.settings.get("watermark"), session.settings.model
    shape = {} if size is None and aspect is None else _shape_fields(spell_size(size, aspect, model), model)
    return {**shape, **({} if watermark is None else {"watermark": watermark})}


def _as_form(generation: Generation) -> dict[str, Any]:
    request = generation.request
    # What was sent is plain text: its braces must not be expanded now.
    from seedream_nb.prompt import literal

    return {
        "prompt": literal(request.prompt),
        "max_images": request.max_images or 1,
        **_shape_fields(request.size, request.model),
    }


def _shape_fields(spelt: str, model: Model) -> dict[str, Any]:
    """Return the fields of the form that mean a size as the service spells it."""
    shape = shape_of(spelt)
    if shape is None:
        return {"size": spelt}
    for tier, by_ratio in _sizes(model).items():
        for ratio, size in by_ratio.items():
            if size == spelt:
                return {"size": tier, "aspect": ratio}
    return {"size": "Custom", "width": shape[0], "height": shape[1]}
