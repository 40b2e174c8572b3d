"""Begins a batch: checks all of it, reserves what it can cost as a whole, and lines its requests up."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from statistics import median
from threading import get_ident
from typing import TYPE_CHECKING

from seedream_nb.batches.batch import Batch
from seedream_nb.batches.member import Member
from seedream_nb.batches.plan import Asked, Estimate, Point, estimated, looked_up, same_requests
from seedream_nb.batches.view import batch_bundle
from seedream_nb.budget import Pictures
from seedream_nb.errors import (
    BEFORE_SENDING,
    ApiError,
    AuthenticationError,
    PermissionDeniedError,
    RequestError,
    SeedreamError,
    StoppedError,
)
from seedream_nb.frozen import frozen
from seedream_nb.jobs import messages
from seedream_nb.jobs.daily import refusal
from seedream_nb.jobs.job import Job
from seedream_nb.jobs.line import Line, PreparedReferences
from seedream_nb.jobs.variations import Variations, in_doubt
from seedream_nb.workspace import path_as_written, require_room, writable_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from seedream_nb.batches.plan import Same
    from seedream_nb.jobs.entries import PipelineContext
    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest
    from seedream_nb.service.endpoint import Endpoint
    from seedream_nb.session import Session
    from seedream_nb.storage.generation import Generation

PREPARED_AT_ONCE = 2
"""References decoded at the same time: the largest take some 110 MB each."""
MIN_AHEAD = 4
PAYMENT_REQUIRED = 402
SHOWN = "the table or the labels"


@frozen
class _Opened:
    """What all requests of a batch share: where they go, and under which settings."""

    session: Session
    endpoint: Endpoint
    context: PipelineContext
    folder: Path | None
    timeout: float
    is_once: bool
    options: CellOptions

    @property
    def retries_unknown(self) -> bool:
        return bool(self.options.get("retry_unknown"))

    def price(self, request: ImageRequest) -> float:
        return self.session.price(request.model, self.endpoint.service)


def estimate_of(session: Session, what: Asked, options: CellOptions) -> Estimate:
    """Return what a batch would send now, and cost at most; nothing is sent or written.

    Raises:
        SettingsError: there is no key.
    """
    opened = _Opened(
        session=session, endpoint=session.endpoint(), context=session.context(session.endpoint()), folder=None,
        timeout=0.0, is_once=_is_once(session, options), options=options,
    )  # fmt: skip
    session.refuse_key_in(SHOWN, what.texts)
    return _estimate(opened, what, _distinct(opened, what))


def begin(session: Session, what: Asked, options: CellOptions) -> Batch:
    """Begin a batch, and return it at once. All of it is checked and reserved first, or nothing is sent.

    Raises:
        RequestError: it, its rows or its labels contain a key, or it buys more pictures than `confirm` allows.
        WrongOptionError: `save`, `timeout` or `once` has a value it can't have.
        SettingsError: no key, a folder that can't be written, no room on the disk.
        BudgetError: the whole of it could exceed the budget.
    """
    session.jobs.open()
    with session.on_the_loop():
        endpoint = session.endpoint()
        session.refuse_key_in(SHOWN, what.texts)
        save = options.get("save")
        for request in what.requests:
            if request.model not in endpoint.service.models:
                raise RequestError(f"{endpoint.service.name} has no model {request.model.name}: name another.")
            session.refuse_keys(request, endpoint, template=what.template or "", save=path_as_written(save) or "")
        session.make_ready(endpoint.service)
        folder = None if save is None else writable_folder(save)
        timeout = session.option("timeout", options.get("timeout"))
        notes = [*session.open_workspace(endpoint), *session.notices(endpoint)]
        context = replace(session.context(endpoint), prepared=PreparedReferences(PREPARED_AT_ONCE))
        opened = _Opened(
            session=session, endpoint=endpoint, context=context, folder=folder, timeout=timeout,
            is_once=_is_once(session, options), options=options,
        )  # fmt: skip
        with session.jobs.lock:  # of two identical batches at the same moment, one sees the other
            return _begin(opened, what, [*notes, *what.warnings])


@contextlib.contextmanager
def stopping(session: Session) -> Iterator[None]:
    """Run a block that begins a batch; an interrupt, wherever it strikes, withdraws what was not sent of it.

    Raises:
        StoppedError: it was interrupted.
    """
    before = session.jobs.lines_of(get_ident())
    try:
        yield
    except StoppedError:
        raise
    except KeyboardInterrupt:
        begun = [line for line in session.jobs.lines_of(get_ident()) if line not in before]
        for line in begun:
            session.background.call(line.stop)
        going_on = sum(not job.over and job.committed for line in begun for job in line.jobs)
        if not going_on:
            raise StoppedError(BEFORE_SENDING if not begun else f"Stopped. {NOTHING_MORE}") from None
        told = f"Stopped: {going_on} were sent and go on. {NOTHING_MORE}"
        raise StoppedError(told, hint=messages.SEE_HISTORY) from None


NOTHING_MORE = "Nothing more is sent; what has come is in the history."


def _is_once(session: Session, options: CellOptions) -> bool:
    """Return whether what is there counts: in a batch it does, unless somebody says that it shall not.

    Raises:
        WrongOptionError: it is neither on nor off; a text such as "no" would count as on.
    """
    once = options.get("once")
    return True if once is None else bool(session.option("once", once))


def _begin(opened: _Opened, what: Asked, notes: Sequence[str]) -> Batch:
    session, context = opened.session, opened.context
    distinct = _distinct(opened, what)
    estimate = _estimate(opened, what, distinct)
    _refuse_unconfirmed(opened, estimate)
    running = session.jobs.running(context.store.home)
    require_room(context.store, Pictures(estimate.pictures), running, opened.folder)
    to_buy = [(same.request, opened.price(same.request)) for same in distinct.values() for _ in range(same.missing)]
    reservations = session.budget.reserve_all(to_buy)
    average = estimate.dollars / max(1, estimate.pictures)
    if error := refusal(context, Pictures(estimate.pictures), average, reserved=session.budget.reserved):
        for reservation in reservations:
            reservation.release()
        raise error
    slots = {key: _Slots(opened, same, what.template) for key, same in distinct.items()}
    to_send = [job for slot in slots.values() for job in slot.to_buy]
    for job, reservation in zip(to_send, reservations, strict=True):
        job.reservation = reservation
    jobs = [job for slot in slots.values() for job in slot.own]
    members, seen = [], set[str]()
    for point, request in zip(what.points, what.requests, strict=True):
        key = request.fingerprint
        members += slots[key].members(point, what.shape.repeat, is_first=key not in seen)
        seen.add(key)
    line = Line(jobs, partial(_start, slots, opened), ahead=max(MIN_AHEAD, session.settings.get("concurrency")))
    batch = Batch(
        members,
        shown=lambda batch: batch_bundle(batch, folder=session.settings.folder),
        session=session,
        shape=what.shape,
        frame=what.frame,
        estimate=estimate,
        notes=[*estimate.lines()[1:], *notes],
        line=line,
    )
    for job in jobs:
        job.add_done_callback(partial(_stop_hopeless, line))
    session.jobs.add_line(line)
    if jobs:
        try:
            session.background.start(line.run)
        except BaseException:
            line.close()
            for job in jobs:
                job.cancel()
            raise
    return batch


def _distinct(opened: _Opened, what: Asked) -> dict[str, Same]:
    session, endpoint, context = opened.session, opened.endpoint, opened.context
    running = session.jobs.running(context.store.home) if opened.is_once else []
    look = looked_up(context.history, running, endpoint.service.name, endpoint.host)
    return same_requests(
        what.requests, what.shape.repeat, look if opened.is_once else _nothing, retries_unknown=opened.retries_unknown
    )


def _nothing(_request: ImageRequest) -> tuple[list[Generation], list[Job]]:
    return [], []


def _estimate(opened: _Opened, what: Asked, distinct: Mapping[str, Same]) -> Estimate:
    lately = opened.context.history.lately(opened.endpoint.service.name)
    return estimated(
        distinct, points=len(what.points), price=opened.price,
        seconds=median(lately) if lately else None, concurrency=opened.session.settings.get("concurrency"),
        is_free=opened.endpoint.service.is_free,
    )  # fmt: skip


def _refuse_unconfirmed(opened: _Opened, estimate: Estimate) -> None:
    """Refuse to buy more than `confirm` allows without a yes: never a question, on which Run All would hang."""
    most = opened.session.settings.get("confirm")
    if estimate.is_free or estimate.pictures <= most or opened.options.get("yes"):
        return
    raise RequestError(
        [f"This would buy {estimate.lines()[0]}.", f"More than {most} pictures (the setting confirm) need your yes."],
        hint="Nothing was sent, nothing was billed. To buy them: --yes (in Python yes=True)",
    )


class _Slots:
    """What stands for the requests of a batch that are exactly the same."""

    def __init__(self, opened: _Opened, same: Same, template: str | None) -> None:
        fixed = [generation for how, generation in same.found if how in {"here", "in doubt"}]
        self.variations = Variations(retries_unknown=opened.retries_unknown, counted=[each.id for each in fixed])
        self.found, self.running, self.template, self.is_once = same.found, same.running, template, opened.is_once
        self.waiting = {
            generation.id: self._job(opened, same.request, generation)
            for how, generation in same.found
            if how in {"under way", "incomplete"}
        }
        self.to_buy = [self._job(opened, same.request) for _ in range(same.missing)]

    @property
    def own(self) -> list[Job]:
        """The jobs that the batch begins."""
        return [*self.waiting.values(), *self.to_buy]

    def members(self, point: Point, repeat: int, *, is_first: bool) -> list[Member]:
        """Return the members of a point, those that are there first."""
        made = [self._found(how, generation) for how, generation in self.found]
        others = [Member(labels=(), point=point, job=job) for job in self.running]
        bought = [Member(labels=(), point=point, job=job, is_own=is_first) for job in self.to_buy]
        doubtful = [member for member in made if member.left_out is not None]
        members = [*(member for member in made if member.left_out is None), *others, *bought, *doubtful]
        numbers = [(str(number),) if repeat > 1 else () for number in range(1, repeat + 1)]
        return [
            replace(member, labels=(*point.labels, *number), point=point, template=self.template)
            for member, number in zip(members, numbers, strict=True)
        ]

    def _found(self, how: str, generation: Generation) -> Member:
        job = self.waiting.get(generation.id)
        left_out = in_doubt(generation) if how == "in doubt" else None
        made = generation if job is None else None
        return Member(labels=(), point=Point(), job=job, made=made, left_out=left_out)

    def _job(self, opened: _Opened, request: ImageRequest, waits_for: Generation | None = None) -> Job:
        job = Job(
            request, backend=opened.endpoint.service.name, host=opened.endpoint.host, price=opened.price(request),
            timeout=opened.timeout, once=self.is_once, save=opened.folder, home=opened.context.store.home,
            template=self.template, notebook=opened.session.notebook(),
        )  # fmt: skip
        self.variations.add(job, waits_for)
        return job


def _start(slots: Mapping[str, _Slots], opened: _Opened, job: Job) -> None:
    """Begin a job on the loop, now that its turn has come."""
    from seedream_nb.jobs.pipeline import run_pipeline, run_variation

    session, context = opened.session, opened.context
    session.jobs.add(job)
    if opened.is_once:
        variations = slots[job.request.fingerprint].variations
        job.start(session.background, lambda: run_variation(job, context, variations))
    else:
        job.start(session.background, lambda: run_pipeline(job, context))


def _stop_hopeless(line: Line, job: Job) -> None:
    """Withdraw what was not sent after a refusal that all the others would get too."""
    error = job.exception()
    is_hopeless = isinstance(error, (AuthenticationError, PermissionDeniedError)) or (
        isinstance(error, ApiError) and error.status == PAYMENT_REQUIRED
    )
    if is_hopeless and isinstance(error, ApiError):
        told = f"Not sent, because {job.mark} was refused: {error.message.splitlines()[0]}"
        with contextlib.suppress(RuntimeError):
            line.withdraw(SeedreamError(told, hint=error.hint))
