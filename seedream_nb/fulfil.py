"""How a request is fulfilled: the whole procedure, in its order. Each step is on disk before the next begins."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from seedream_nb.errors import DownloadError, OutcomeUnknownError, ReplyError, SeedreamError, SettingsError
from seedream_nb.picture import Facts, inspect
from seedream_nb.preview import preview, side_for
from seedream_nb.record import Record
from seedream_nb.references.fit import fit
from seedream_nb.store import unwritable, write_private
from seedream_nb.wire import Body, blotted, is_reply, links_of, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from seedream_nb.archive import History
    from seedream_nb.budget import Budget, Reservation
    from seedream_nb.client import Client
    from seedream_nb.generation import Generation, Verbs
    from seedream_nb.job import Job
    from seedream_nb.journal import Journal
    from seedream_nb.request import Reference
    from seedream_nb.store import Input, Store

Result = TypeVar("Result")

FROM_HISTORY = "From the history: the same was asked before. Nothing was sent, nothing was charged."
ALL_AT_ONCE, SIDE_BY_SIDE = 4, 3
"""So many pictures are fetched and previewed all at once; of a longer series fewer, so that none waits for the others
to be seen (measured in `benchmarks/`: 15 pictures of 4096x4096 on two cores)."""
JOURNALED_CHARACTERS = 60_000
"""A longer reply that makes no sense is kept in a file of its own, beside the journal."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the procedure works with."""

    store: Store
    journal: Journal
    history: History
    budget: Budget
    client: Client
    turn: anyio.CapacityLimiter
    verbs: Verbs


async def fulfil(job: Job, tools: Tools) -> None:
    """Prepare, reserve the budget, journal the intent, post, journal the links, download, settle."""
    inputs = await prepare(job, tools)
    if job.once and (made := await made_before(job, tools)):
        return await hand_over(job, made)
    record = Record(tools.journal, home=tools.store.home, verbs=tools.verbs)
    with tools.budget.reserve(job.request) as reservation:
        async with ended(job, record, reservation):
            job.update(phase="waiting")
            async with tools.turn:
                await journal_intent(job, tools, record, inputs)
                links = await post(job, tools, record, inputs)
            reservation.settle(len(links) * job.price)
            await download(job, tools, record, links)
    return await settle(job, record, links)


async def prepare(job: Job, tools: Tools) -> list[str | Input]:
    """Make the references fit the service's limits, and keep them under `inputs/`."""
    return [await prepared(reference, tools) for reference in job.request.images]


async def prepared(reference: Reference, tools: Tools) -> str | Input:
    """Return a reference as it is sent: its URL, or a file that fits."""
    if reference.url is not None:
        return reference.url
    return await in_thread(lambda: fit(reference, tools.store.inputs))


async def made_before(job: Job, tools: Tools) -> Generation | None:
    """Return the complete result of exactly this request, if the history holds one."""
    made = await in_thread(lambda: tools.history.same(job.request.fingerprint, job.backend, job.host))
    if made is None:
        return None
    job.id = made.id
    return replace(made, warnings=[*made.warnings, FROM_HISTORY])


async def journal_intent(job: Job, tools: Tools, record: Record, inputs: list[str | Input]) -> None:
    """Write down what is about to be asked, before it is asked."""
    kept = [None if isinstance(each, str) else tools.store.relative(each.path) for each in inputs]
    notes = [each.note for each in inputs if not isinstance(each, str) and each.note]
    request = job.request
    try:
        job.id = await in_thread(tools.store.new_id)
        await record.begin(
            job.id, template=job.template, request=request.to_record(kept), fingerprint=request.fingerprint,
            backend=job.backend, host=job.host, price=job.price, notebook=job.notebook,
            sources=[each.name for each in request.images if each.name.startswith("@")],
            warnings=[*job.notices, *request.warnings, *notes],
        )  # fmt: skip
    except OSError as error:
        raise unwritable(tools.store.home, error) from error
    job.update(generation=record.generation())


async def post(job: Job, tools: Tools, record: Record, inputs: list[str | Input]) -> list[str]:
    """Send the request once and return the links of its pictures, which are in the journal by then."""
    body = Body(job.request, inputs, on_last=job.commit)
    job.update(phase="uploading", upload_bytes=body.length)
    client = tools.client  # its key is only ever named where it is used, so that no traceback can show it
    try:
        reply = await client.post(body, on_upload=lambda sent: job.update(uploaded_bytes=sent))
        if not is_reply(reply.status):
            raise refusal(reply.status, reply.headers, reply.content, secret=client.secret)
        links = await in_thread(lambda: links_of(reply.content, job.request.most, secret=client.secret))
    except ReplyError as error:
        await keep_reply(tools, record, error.content)
        raise
    await record.note("links", links=links, seconds=elapsed(job))
    return links


async def keep_reply(tools: Tools, record: Record, content: bytes) -> None:
    """Keep a reply that makes no sense, as it came but for the key: it may have been paid for."""
    text = await in_thread(lambda: blotted(content.decode(errors="replace"), tools.client.secret))
    await record.note("reply", raw=text[:JOURNALED_CHARACTERS])
    if len(text) > JOURNALED_CHARACTERS:
        path = tools.store.journal / f"{record.number:04d}-reply.txt"
        await in_thread(lambda: write_private(path, text.encode()))


async def download(job: Job, tools: Tools, record: Record, links: list[str]) -> None:
    """Fetch all pictures side by side; each is checked, named, journaled and shown as it is complete."""
    job.update(phase="downloading", expected=len(links), generation=record.generation())
    line = anyio.CapacityLimiter(ALL_AT_ONCE if len(links) <= ALL_AT_ONCE else SIDE_BY_SIDE)
    async with asyncio.TaskGroup() as group:
        for place in places(links, job.request.prompt):
            group.create_task(land(job, tools, record, place, line))


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a picture comes from, and what its name and preview follow from."""

    index: int
    link: str
    prompt: str
    side: int


def places(links: list[str], prompt: str) -> list[Place]:
    """Return the places of a generation's pictures; `index` counts from 1."""
    side = side_for(len(links))
    return [Place(index=index, link=link, prompt=prompt, side=side) for index, link in enumerate(links, start=1)]


async def land(job: Job, tools: Tools, record: Record, place: Place, line: anyio.CapacityLimiter) -> None:
    """Bring one picture of a job home and show it."""
    async with line:
        if await bring(tools, record, place):
            job.land(record.generation(), f"@{record.number}.{place.index}")


async def bring(tools: Tools, record: Record, place: Place) -> bool:
    """Download to a temporary name, check, rename, journal, preview; what can't be had is noted, its link is kept."""
    store, index = tools.store, place.index
    try:
        partial, found = store.partial(record.number, index), list[Facts]()
        await tools.client.download(place.link, partial, check=lambda path: found.append(inspect(path)))
        name = store.picture_name(record.number, index, place.prompt, found[-1].media_type)
        path = await in_thread(lambda: store.settle(partial, name))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other pictures must come
        await record.note("missing", index=index, reason=reason_of(error))
        return False
    await record.note("file", index=index, path=store.relative(path), **found[-1].to_record())
    await warm_preview(path, place.side)
    return True


async def warm_preview(path: Path, side: int) -> None:
    """Make the preview that will be shown, so that nobody waits for it; without one, the view says what it can."""
    with contextlib.suppress(OSError, ValueError):
        await in_thread(lambda: preview(path, side))


def reason_of(error: Exception) -> str:
    """Return, in a few words, why a picture can't be had."""
    if isinstance(error, SeedreamError):
        return error.message
    known = isinstance(error, (OSError, ValueError))
    return str(error) if known else f"seedream_nb failed in itself: {type(error).__name__}: {error}"


async def recover(generation: Generation, tools: Tools) -> Generation:
    """Fetch what a generation's links still give, whatever they answered before."""
    record = Record(tools.journal, home=tools.store.home, verbs=tools.verbs)
    record.number = generation.id
    have = {int(picture.mark.rpartition(".")[2]) for picture in generation.images if picture.path.exists()}
    for place in places(generation.links, generation.prompt):
        if place.index not in have:
            await bring(tools, record, place)
    return await in_thread(lambda: tools.history[generation.id])


async def settle(job: Job, record: Record, links: list[str]) -> None:
    """Write down the end and hand over what was made."""
    missing = len(links) - len(job.pictures)
    status = "partial" if missing else "done"
    await record.note("end", status=status, cost=len(links) * job.price, seconds=elapsed(job))
    generation = whole(record)
    await hand_over(job, generation, not_fetched(generation) if missing else None)


async def hand_over(job: Job, generation: Generation, error: SeedreamError | None = None) -> None:
    """Copy the pictures to where the user also wants them, and end the job."""
    if (folder := job.save) is not None:
        try:
            await in_thread(lambda: generation.save(folder))
        except (OSError, SeedreamError) as trouble:
            error = error or SettingsError(
                f"The pictures could not be copied to {folder}: {trouble}.",
                hint=f"They are all in {generation.images[0].path.parent}." if generation.images else None,
            )
    job.finish(generation, error)


def not_fetched(generation: Generation) -> DownloadError:
    """Return the error for pictures that are paid for and not here."""
    reasons = "; ".join(dict.fromkeys(generation.missing.values()))
    return DownloadError(
        f"{len(generation.missing)} of {len(generation.links)} pictures could not be fetched: {reasons}\n"
        f"They are paid for ({generation.cost or 0:.2f} USD) and their links are kept.",
        hint="Try again with: %seedream recover",
    )


@asynccontextmanager
async def ended(job: Job, record: Record, reservation: Reservation) -> AsyncIterator[None]:
    """Write down how a request came to its end, when it is not a good one, and count what may have been billed."""
    try:
        yield
    except BaseException as error:
        in_doubt = isinstance(error, (OutcomeUnknownError, ReplyError)) or not_understood(job, error)
        if in_doubt:
            reservation.unknown()
        status = "unknown" if in_doubt else "stopped" if isinstance(error, asyncio.CancelledError) else "failed"
        told = {"kind": type(error).__name__, "message": str(error)} if isinstance(error, SeedreamError) else None
        await record.note("end", status=status, cost=None if in_doubt else 0.0, seconds=elapsed(job), error=told)
        job.update(generation=whole(record) if record.number else None)
        raise


def not_understood(job: Job, error: BaseException) -> bool:
    """Return whether something else than an answer ended a request that was sent."""
    return job.committed and not isinstance(error, SeedreamError)


def whole(record: Record) -> Generation:
    """Return what a record tells, and what the journal could not be told."""
    generation = record.generation()
    assert generation is not None  # noqa: S101 - it was begun
    if record.trouble is None:
        return generation
    reason = record.trouble.strerror or str(record.trouble)
    warning = f"The journal can't be written ({reason}), so this is missing in the history."
    links = [f"Link: {link}" for link in generation.links]
    return replace(generation, warnings=[*generation.warnings, warning, *links])


def elapsed(job: Job) -> float:
    """Return the seconds since the job was begun."""
    return round(time.monotonic() - job.started, 3)


async def in_thread(function: Callable[[], Result]) -> Result:
    """Run blocking work away from the loop."""
    return await anyio.to_thread.run_sync(function)
