"""What the panel shows, as plain values: read from the session, so that every view, new or reloaded, agrees."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from seedream_nb.compose import is_tier
from seedream_nb.errors import SeedreamError, plain
from seedream_nb.sizes import RATIO_SIZES, TIERS, shape_of, spell_size
from seedream_nb.view import progress
from seedream_nb.widgets.tray import Tray
from seedream_nb.widgets.watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedream_nb.generation import Generation
    from seedream_nb.job import Job
    from seedream_nb.session import Session
    from seedream_nb.widgets.messages import Asked

FORM = {"prompt": "", "size": "2K", "aspect": "1:1", "width": 2048, "height": 2048, "max_images": 1, "watermark": True}
MOST_NUMBER = 10**9
_PROMPT_CHARACTERS = 300


class State:
    """The state of one panel: the form's draft, the tray, the jobs that it follows; and who is told of changes."""

    def __init__(self, session: Session) -> None:
        """Show this session."""
        self.session = session
        self.name = uuid.uuid4().hex
        self.lock = threading.RLock()
        self.tray = Tray(session, self.change)
        self.form: dict[str, Any] = {**FORM, **_defaults(session)}
        self.form_number = 0
        self._before: tuple[dict[str, Any], list[Any]] | None = None
        self._jobs: dict[int, Job] = {}
        self._dismissed: set[int] = set()
        self._version = 0
        self._stamp = 0
        self._listeners: list[Callable[[], None]] = []

    # -- telling -----------------------------------------------------------------------------------

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, on any thread, whenever something has changed."""
        self._listeners.append(listener)

    def change(self) -> None:
        """Note a change and tell everybody."""
        self.jobs()  # so that none is missed that fails while nobody looks
        with self.lock:
            self._version += 1
        for listener in self._listeners:
            listener()

    def watch(self) -> None:
        """Have it told of what other doors do, from now on."""
        watch(self)

    def look(self) -> None:
        """Have the history looked at anew, whatever seems to have changed in it."""
        with self.lock:
            self._stamp += 1
        self.change()

    def past_changed(self) -> None:
        """Note that the history is another."""
        with self.lock:
            self._stamp += 1

    # -- the draft ---------------------------------------------------------------------------------

    def keep(self, sent: Asked) -> dict[str, Any]:
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
            "width": sent.number("width", -MOST_NUMBER, MOST_NUMBER),
            "height": sent.number("height", -MOST_NUMBER, MOST_NUMBER),
            "max_images": sent.number("max_images", -MOST_NUMBER, MOST_NUMBER),
            "watermark": sent.truth("watermark"),
        }
        with self.lock:
            self.form = form
        return form

    def fill(self, generation: Generation) -> None:
        """Fill form and tray with what a generation was made from; `undo` brings back what was there."""
        request = generation.request
        with self.lock:
            self._before = (self.form, self.tray.held())
            self.form = {**FORM, **_as_form(generation), "watermark": request.watermark}
            self.form_number += 1
        self.tray.hold(request.images)

    def undo(self) -> None:
        """Bring back what was in form and tray before `fill`."""
        with self.lock:
            if self._before is None:
                return
            self.form, references = self._before
            self._before = None
            self.form_number += 1
        self.tray.hold(references)

    # -- the jobs ----------------------------------------------------------------------------------

    def jobs(self) -> list[tuple[int, Job]]:
        """Return the jobs that run, and those that failed and were not dismissed, oldest first, with their numbers."""
        with self.lock:
            for job in self.session.jobs:
                self._jobs.setdefault(id(job), job)
            gone = [number for number, job in self._jobs.items() if job.over and not self._is_to_be_seen(number, job)]
            for number in gone:
                del self._jobs[number]
            self._dismissed &= {id(job) for job in self.session.jobs}
            return list(self._jobs.items())

    def _is_to_be_seen(self, number: int, job: Job) -> bool:
        return job.error is not None and number not in self._dismissed

    def job(self, number: int) -> Job:
        """Return a job by its number; raises SeedreamError."""
        found = dict(self.jobs()).get(number)
        if found is None:
            raise SeedreamError("That request is over; its pictures are in the history.")
        return found

    def dismiss(self, number: int) -> None:
        """Show a job that is over no more."""
        with self.lock:
            self._dismissed.add(number)
        self.change()

    # -- the snapshot ------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return all that the panel shows now, but for the history, of which pages are asked for."""
        session = self.session
        with self.lock:
            version, form, number, undo = self._version, self.form, self.form_number, self._before is not None
        budget = session.budget
        return {
            "version": version,
            "panel": self.name,
            "form": form,
            "form_number": number,
            "undo": undo,
            "sizes": SIZES,
            "ratios": list(RATIO_SIZES),
            "host": "sandbox" if session.backend == "sandbox" else session.service_host,
            "free": session.backend == "sandbox",
            "price": budget.price,
            "spent": _spent(session),
            "tray": self.tray.shown(),
            "jobs": [_shown(key, job) for key, job in self.jobs()],
            "history": self._stamp,
        }


def _spent(session: Session) -> dict[str, Any]:
    used = session.history.usage(own=True)
    return {"pictures": used.pictures, "dollars": session.budget.spent}


def _sizes() -> dict[str, dict[str, str]]:
    """Return the pixels of every tier and ratio, so that the page can say them without asking."""
    return {tier: {ratio: spell_size(tier, ratio) for ratio in RATIO_SIZES} for tier in TIERS}


SIZES = _sizes()


def _defaults(session: Session) -> dict[str, Any]:
    """Return what the settings say of the form's fields."""
    size, aspect = session.settings.get("size"), session.settings.get("aspect")
    watermark = session.settings.get("watermark")
    shape = {} if size is None and aspect is None else _shape_fields(spell_size(size, aspect))
    return {**shape, **({} if watermark is None else {"watermark": watermark})}


def _as_form(generation: Generation) -> dict[str, Any]:
    request = generation.request
    # What was sent is plain text: its braces must not be expanded now.
    from seedream_nb.prompt import literal

    return {
        "prompt": literal(request.prompt),
        "max_images": request.max_images or 1,
        **_shape_fields(request.size),
    }


def _shape_fields(spelt: str) -> dict[str, Any]:
    """Return the fields of the form that mean a size as the service spells it."""
    if is_tier(spelt):
        return {"size": spelt, "aspect": "1:1"}
    for tier, by_ratio in SIZES.items():
        for ratio, size in by_ratio.items():
            if size == spelt:
                return {"size": tier, "aspect": ratio}
    width, height = shape_of(spelt) or (FORM["width"], FORM["height"])
    return {"size": "Custom", "width": width, "height": height}


def _shown(number: int, job: Job) -> dict[str, Any]:
    """Return a job as the page shows it."""
    since = job.sent if job.sent is not None else job.started
    return {
        "number": str(number),
        "mark": "" if job.id is None else job.mark,
        "phase": job.phase,
        "told": progress(job),
        "prompt": plain(job.request.prompt, _PROMPT_CHARACTERS),
        "seconds": time.monotonic() - since,
        "over": job.over,
        "sent": job.committed,
        "share": _share(job),
        "error": None if job.error is None else [plain(line) for line in job.error.lines()],
    }


def _share(job: Job) -> float | None:
    """Return how much of an upload or of the downloads is done; None while it can't be known."""
    if job.phase == "uploading" and job.upload_bytes:
        return job.uploaded_bytes / job.upload_bytes
    if job.phase == "downloading" and job.expected:
        return len(job.pictures) / job.expected
    return None
