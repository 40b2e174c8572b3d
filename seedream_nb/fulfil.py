"""How a request is fulfilled: the whole procedure, in its order. Each step is on disk before the next begins."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from seedream_nb.errors import DownloadError, OutcomeUnknownError, ReplyError, SeedreamError, SettingsError
from seedream_nb.picture import inspect
from seedream_nb.preview import preview, side_for
from seedream_nb.references.fit import fit
from seedream_nb.wire import Body, links_of, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from seedream_nb.archive import History
    from seedream_nb.budget import Budget, Reservation
    from seedream_nb.client import Client
    from seedream_nb.generation import Generation
    from seedream_nb.job import Job
    from seedream_nb.journal import Journal
    from seedream_nb.picture import Picture
    from seedream_nb.request import Reference
    from seedream_nb.store import Input, Store

Result = TypeVar("Result")

FROM_HISTORY = "From the history: the same was asked before. Nothing was sent, nothing was charged."
LANDINGS = 3
"""Pictures fetched and previewed side by side: enough to fill a line, few enough that none waits for the others."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the procedure works with."""

    store: Store
    journal: Journal
    history: History
    budget: Budget
    client: Client
    turn: anyio.CapacityLimiter


async def fulfil(job: Job, tools: Tools) -> None:
    """Prepare, reserve the budget, journal the intent, post, journal the links, download, settle."""
    inputs = await prepare(job, tools)
    if job.once and (made := await made_before(job, tools)):
        return await hand_over(job, made)
    with tools.budget.reserve(job.request) as reservation:
        job.update(phase="waiting")
        async with tools.turn:
            await journal_intent(job, tools, inputs)
            async with journaled_failure(job, tools, reservation):
                links = await post(job, tools, inputs)
        await download(job, tools, links)
        await settle(job, tools, reservation, links)
    return None


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


async def journal_intent(job: Job, tools: Tools, inputs: list[str | Input]) -> None:
    """Write down what is about to be asked, before it is asked."""
    job.id = await in_thread(tools.store.new_id)
    kept = [None if isinstance(each, str) else tools.store.relative(each.path) for each in inputs]
    notes = [each.note for each in inputs if not isinstance(each, str) and each.note]
    request = job.request
    await append(
        tools, "intent", job.id,
        template=job.template, request=request.to_record(kept), fingerprint=request.fingerprint,
        backend=job.backend, host=job.host, price=job.price, notebook=job.notebook,
        sources=[each.name for each in request.images if each.name.startswith("@")],
        warnings=[*job.notices, *request.warnings, *notes],
    )  # fmt: skip


async def post(job: Job, tools: Tools, inputs: list[str | Input]) -> list[str]:
    """Send the request once and return the links of its pictures, which are in the journal by then."""
    body = Body(job.request, inputs, on_last=job.commit)
    job.update(phase="uploading", upload_bytes=body.length)
    reply = await tools.client.post(body, on_upload=lambda sent: job.update(uploaded_bytes=sent))
    seconds = time.monotonic() - job.started
    if reply.status != HTTPStatus.OK:
        raise refusal(reply.status, reply.headers, reply.content, secret=tools.client.secret)
    try:
        links = links_of(reply.content, job.request.most)
    except ReplyError:
        await append(tools, "reply", job.id or 0, raw=reply.content.decode(errors="replace"))
        raise
    await append(tools, "links", job.id or 0, links=links, seconds=seconds)
    return links


async def download(job: Job, tools: Tools, links: list[str]) -> None:
    """Fetch all pictures side by side; each is checked, named, journaled and shown as it is complete."""
    job.update(phase="downloading", expected=len(links))
    places = anyio.CapacityLimiter(LANDINGS)
    async with asyncio.TaskGroup() as group:
        for index, link in enumerate(links, start=1):
            group.create_task(land(job, tools, index, link, places))


async def land(job: Job, tools: Tools, index: int, link: str, places: anyio.CapacityLimiter) -> None:
    """Bring one picture of a job home; what can't be had is noted, its link is kept."""
    side = side_for(job.expected or 1)
    async with places:
        picture = await bring(tools, number=job.id or 0, index=index, link=link, prompt=job.request.prompt, side=side)
        if picture is not None:
            job.land(index, picture)


async def bring(tools: Tools, *, number: int, index: int, link: str, prompt: str, side: int) -> Picture | None:  # noqa: PLR0913
    """Download to a temporary name, check, rename, journal, preview; return the picture, or None if it can't be had."""
    store, partial = tools.store, tools.store.partial(number, index)
    try:
        await tools.client.download(link, partial)
        facts = await in_thread(lambda: inspect(partial))
        name = store.picture_name(number, index, prompt, facts.media_type)
        path = await in_thread(lambda: store.settle(partial, name))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other pictures must come and the link is kept
        await append(tools, "missing", number, index=index, reason=reason_of(error))
        return None
    await append(tools, "file", number, index=index, path=store.relative(path), **facts.to_record())
    await in_thread(lambda: preview(path, side))
    return await in_thread(lambda: tools.history.marked(f"@{number}.{index}")[0])


def reason_of(error: Exception) -> str:
    """Return, in a few words, why a picture can't be had."""
    if isinstance(error, SeedreamError):
        return error.message
    known = isinstance(error, (OSError, ValueError))
    return str(error) if known else f"seedream_nb failed in itself: {type(error).__name__}: {error}"


async def recover(generation: Generation, tools: Tools) -> Generation:
    """Fetch what a generation's links still give, whatever they answered before."""
    have = {int(picture.mark.rpartition(".")[2]) for picture in generation.images if picture.path.exists()}
    side = side_for(len(generation.links))
    for index, link in enumerate(generation.links, start=1):
        if index not in have:
            await bring(tools, number=generation.id, index=index, link=link, prompt=generation.prompt, side=side)
    return await in_thread(lambda: tools.history[generation.id])


async def settle(job: Job, tools: Tools, reservation: Reservation, links: list[str]) -> None:
    """Count what was paid, write down the end, and hand over what was made."""
    missing = len(links) - len(job.pictures)
    cost = len(links) * job.price
    reservation.settle(cost)
    await append(
        tools,
        "end",
        job.id or 0,
        status="partial" if missing else "done",
        cost=cost,
        seconds=time.monotonic() - job.started,
    )
    generation = await in_thread(lambda: tools.history[job.id or 0])
    await hand_over(job, generation, not_fetched(generation) if missing else None)


async def hand_over(job: Job, generation: Generation, error: SeedreamError | None = None) -> None:
    """Copy the pictures to where the user also wants them, and end the job."""
    if (folder := job.save) is not None:
        try:
            await in_thread(lambda: generation.save(folder))
        except OSError as trouble:
            error = error or SettingsError(
                f"The pictures could not be copied to {folder}: {trouble.strerror or trouble}.",
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
async def journaled_failure(job: Job, tools: Tools, reservation: Reservation) -> AsyncIterator[None]:
    """Write down how a request that was begun came to its end, when it is not a good one."""
    try:
        yield
    except asyncio.CancelledError:
        # We never cancel what is sent; if somebody does, nobody knows what was billed.
        if job.committed:
            reservation.unknown()
        await end(job, tools, "unknown" if job.committed else "stopped", None)
        raise
    except (OutcomeUnknownError, ReplyError) as error:
        reservation.unknown()
        await end(job, tools, "unknown", error)
        raise
    except SeedreamError as error:
        await end(job, tools, "failed", error)
        raise


async def end(job: Job, tools: Tools, status: str, error: SeedreamError | None) -> None:
    """Write down a bad end and leave its generation with the job."""
    told = None if error is None else {"kind": type(error).__name__, "message": error.message}
    cost = None if status == "unknown" else 0.0
    await append(
        tools,
        "end",
        job.id or 0,
        status=status,
        cost=cost,
        seconds=time.monotonic() - job.started,
        error=told,
    )
    job.generation = await in_thread(lambda: tools.history[job.id or 0])


async def append(tools: Tools, event: str, number: int, **fields: Any) -> None:  # noqa: ANN401 - JSON
    """Write one line of the journal about generation `number` and wait until it is on disk."""
    await in_thread(lambda: tools.journal.append(event, number, **fields))


async def in_thread(function: Callable[[], Result]) -> Result:
    """Run blocking work away from the loop."""
    return await anyio.to_thread.run_sync(function)
