"""How a request is fulfilled: the whole procedure, in its order. Each step is on disk before the next begins."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING

import anyio

from seedream_nb.budget import money
from seedream_nb.errors import DownloadError, OutcomeUnknownError, ReplyError, SeedreamError, SettingsError, Unread
from seedream_nb.jobs import messages
from seedream_nb.jobs.downloads import download, recover, write_inline
from seedream_nb.jobs.entries import JournalEntry, PipelineContext, in_thread
from seedream_nb.jobs.job import PHASES, Job
from seedream_nb.preview import warm_references
from seedream_nb.references.encode import fit
from seedream_nb.service.body import Body
from seedream_nb.service.refusals import none_made
from seedream_nb.service.reply import Results, arrived_results, is_inline, is_reply, results_of
from seedream_nb.settings import MAX_CONCURRENCY
from seedream_nb.storage.folding import arrived
from seedream_nb.storage.generation import lineage
from seedream_nb.storage.store import unwritable, write_private

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from seedream_nb.budget import Reservation
    from seedream_nb.http.client import Reply
    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.store import Input

__all__ = ["PipelineContext", "fulfil", "recover"]

FROM_HISTORY = "From the history: the same was asked before. Nothing was sent, nothing was charged."
NO_CLAIMS = "This disk has no locks, so another kernel that asks for the same at the same time would pay for it too."
SEE_USAGE = "your account's usage page at the service shows it."
AGAIN = "To ask again, run it again."
CLAIM_SECONDS = 0.1
"""How often is looked whether another kernel has what it asked for."""
PLACES_SECONDS, NAMED = 0.5, 8
"""How often a job that waits for a place looks who has them, and how many of those it names."""
PREPARED_AT_ONCE = 2
"""References that are decoded at once: a picture of 36 million pixels takes 110 MB then."""
JOURNALED_CHARACTERS = 60_000
"""A longer reply that makes no sense is kept in a file of its own, beside the journal."""


async def fulfil(
    job: Job, tools: PipelineContext, *, others: Sequence[Job] = (), unready: Sequence[SeedreamError] = ()
) -> None:
    """Prepare, reserve the budget, journal the intent, post, journal the links, download, settle.

    `others` were under way when this was begun: with `once`, what one of them asks for is not asked for again. What is
    `unready`, such as a full disk, matters only if the result is not here.
    """
    if not job.once:
        return await buy(job, tools, await prepare(job, tools))
    async with alone(job, tools, others):
        made = await made_before(job, tools, others)
        if made is not None:
            return await hand_over(job, made)
        for trouble in unready:
            raise trouble
        job.notices += await in_thread(lambda: paid_before(job, tools))
        return await buy(job, tools, await prepare(job, tools))


async def buy(job: Job, tools: PipelineContext, inputs: list[str | Input]) -> None:
    """Reserve the budget, journal the intent, post, journal the links, download, settle."""
    record = JournalEntry(tools.journal, home=tools.store.home, verbs=tools.verbs)
    with tools.budget.reserve(job.request, job.price) as reservation:
        async with ended(job, tools, record, reservation):
            async with place(job, tools.turn):
                await journal_intent(job, tools, record, inputs)
                warm_thumbnails(record)
                results = await post(job, tools, record, inputs)
            reservation.settle(len(results.links) * job.price)
            await download(job, tools, record, results.links)
    return await settle(job, record, results)


async def prepare(job: Job, tools: PipelineContext) -> list[str | Input]:
    """Make the references fit the service's limits, and keep them under `inputs/`."""
    line = anyio.CapacityLimiter(PREPARED_AT_ONCE)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(prepared(reference, tools, line)) for reference in job.request.images]
    except BaseExceptionGroup as trouble:  # one reference that can't be sent is enough
        raise trouble.exceptions[0] from None
    return [task.result() for task in tasks]


async def prepared(reference: Reference, tools: PipelineContext, line: anyio.CapacityLimiter) -> str | Input:
    """Return a reference as it is sent: its URL, or a file that fits."""
    if reference.url is not None:
        return reference.url
    async with line:
        return await in_thread(lambda: fit(reference, tools.store.inputs))


@asynccontextmanager
async def alone(job: Job, tools: PipelineContext, others: Sequence[Job]) -> AsyncIterator[None]:
    """Wait until nobody else asks for the same, here or in another kernel with this home; then others wait for us."""
    waited = False
    for other in others:
        if other.asks_the_same(job):
            job.queue(f"Waiting for {other.mark}, which asks for the same…")
            await ended_work(other)
            job.queue(None)
            waited = True
    claim = tools.claim(job.asks)
    try:
        while (taken := await in_thread(claim.take)) is False:
            whose = f" (process {number})" if (number := await in_thread(claim.holder)) else ""
            job.queue(f"Waiting for another kernel{whose}, which asks for the same…")
            await asyncio.sleep(CLAIM_SECONDS)
            waited = True
        job.queue(None)
        if waited:
            await in_thread(lambda: refuse_unknown(job, tools))
        if taken is None:
            job.notices += (NO_CLAIMS,)
        yield
    finally:
        claim.release()


def refuse_unknown(job: Job, tools: PipelineContext) -> None:
    """Refuse to send what a job waited for somebody else to get, where that may have been billed already.

    Who was not waiting has seen what became of it, and may ask again.

    Raises:
        OutcomeUnknownError: the last that asked for the same, which has no known outcome.
    """
    last = asked_last(job, tools)
    if last is not None and last.status == "unknown":
        told = f"@{last.id} asked for the same, and nobody knows what became of it. This one was not sent."
        raise OutcomeUnknownError(told, hint=f"@{last.id} may have been billed: {SEE_USAGE} {AGAIN}")


def paid_before(job: Job, tools: PipelineContext) -> tuple[str, ...]:
    """Tell of the last generation that asked for the same, if it is not all here and something was paid for it."""
    last = asked_last(job, tools)
    if last is not None and last.status == "unknown":
        return (f"@{last.id} asked for the same and may have been billed too: {SEE_USAGE}",)
    if last is not None and last.status == "partial" and last.cost:
        brought = f"{len(last.links)} of {last.request.max_pictures}"
        cost = f"{'at least ' if last.error else ''}{money(last.cost)}"
        return (f"@{last.id} brought {brought} and was billed ({cost}): this was bought anew.",)
    return ()


def asked_last(job: Job, tools: PipelineContext) -> Generation | None:
    """Return the last generation that asked for the same, whatever became of it."""
    return tools.history.asked_last(job.request.fingerprint, job.backend, job.host)


@asynccontextmanager
async def place(job: Job, places: anyio.CapacityLimiter) -> AsyncIterator[None]:
    """Hold one of the places for what is in flight; as long as none is free, the job says who has them."""
    telling = asyncio.create_task(tell_who_has(places, job)) if places.available_tokens < 1 else None
    try:
        await places.acquire_on_behalf_of(job)
    finally:
        if telling is not None:
            telling.cancel()
    try:
        job.queue(None)
        yield
    finally:
        places.release_on_behalf_of(job)


async def tell_who_has(places: anyio.CapacityLimiter, job: Job) -> None:
    """Let a job that waits for a place say which others have them."""
    while True:
        marks = sorted(other.mark for other in places.statistics().borrowers if isinstance(other, Job))
        are = "request is" if len(marks) == 1 else "requests are"
        others = f", and {len(marks) - NAMED} more" if len(marks) > NAMED else ""
        told = f"Waiting for a place: {len(marks)} {are} in flight ({', '.join(marks[:NAMED])}{others})"
        more_places = min(MAX_CONCURRENCY, max(8, 2 * int(places.total_tokens)))
        more = messages.MORE_PLACES if more_places > places.total_tokens else messages.LATER
        job.queue(told, remedy=more.format(places=more_places))
        await asyncio.sleep(PLACES_SECONDS)


async def made_before(job: Job, tools: PipelineContext, others: Sequence[Job]) -> Generation | None:
    """Return the complete result of exactly this request: of the history, of one of `others`, or of kept links."""
    # The journal of a full disk tells nothing of what has just come.
    new = next((each.generation for each in others if each.status == "done" and each.asks_the_same(job)), None)
    asked = job.request.fingerprint, job.backend, job.host
    made = await in_thread(lambda: tools.history.same(*asked)) or new
    if made is None and (lacking := await in_thread(lambda: tools.history.to_complete(*asked))):
        job.update(phase="downloading", expected=len(lacking.links))
        await recover(lacking, tools, service=job.host)  # it is paid for: what can still be fetched is not bought again
        made = await in_thread(lambda: tools.history.same(*asked))
        job.update(phase=PHASES[0], expected=None)
    if made is None:
        return None
    job.id = made.id
    # Only counted: a full disk does not keep anyone from a picture that is here.
    await in_thread(lambda: tools.journal.note("once", made.id))
    return replace(made, warnings=[*made.warnings, FROM_HISTORY])


async def ended_work(other: Job) -> None:
    """Return when the work on another job has ended."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(over.set)

    other.when_over(tell)
    await over.wait()


async def journal_intent(job: Job, tools: PipelineContext, record: JournalEntry, inputs: list[str | Input]) -> None:
    """Write down what is about to be asked, before it is asked."""
    kept = [None if isinstance(each, str) else tools.store.relative(each.path) for each in inputs]
    notes = [note for reference in job.request.images for note in reference.notes]
    notes += [each.note for each in inputs if not isinstance(each, str) and each.note]
    request = job.request
    sources = await in_thread(lambda: earlier_results(request, tools))
    try:
        job.id = await in_thread(tools.store.new_id)
        await record.begin(
            job.id, template=job.template, request=request.to_record(kept), fingerprint=request.fingerprint,
            backend=job.backend, host=job.host, price=job.price, notebook=job.notebook,
            sources=sources,
            warnings=[*job.notices, *request.warnings, *notes],
        )  # fmt: skip
    except OSError as error:
        raise unwritable(tools.store.home, error) from error
    job.update(generation=record.generation())


def earlier_results(request: ImageRequest, tools: PipelineContext) -> list[str]:
    """Return the marks of the earlier results that are references, by their content."""
    hashes = [str(each.original or each.sha256) for each in request.images if each.url is None]
    made = reversed(tools.history.with_content(hashes)) if hashes else []
    return lineage(request.images, [picture for each in made for picture in each])


def warm_thumbnails(record: JournalEntry) -> None:
    """Make the small pictures of the references while the service works; nobody waits for them, not even at the end."""
    if (generation := record.generation()) and generation.request.images:
        Thread(target=warm_references, args=(generation.request,), name="seedream thumbnails", daemon=True).start()


async def post(job: Job, tools: PipelineContext, record: JournalEntry, inputs: list[str | Input]) -> Results:
    """Send the request and return what its reply gives, which is in the journal by then.

    Raises:
        ApiError: the service refused the request, or each of its pictures.
    """
    client = tools.client  # its key is only ever named where it is used, so that no traceback can show it
    try:
        reply = await answer(job, tools, record, inputs)
        if not is_reply(reply.status):
            raise client.refusal(reply)
        results = await in_thread(
            lambda: results_of(reply.content, job.request.max_pictures, secret=tools.all_secrets())
        )
    except (OutcomeUnknownError, ReplyError) as error:
        # Taken out at once: the error may be shown, logged and pickled, and what came may echo the key.
        content, error.content = error.content, Unread()
        results = await salvage(job, tools, record, error, content)
    else:
        await note_results(job, tools, record, results)
        if results.is_odd:
            await keep_reply(tools, record, reply.content)
    if not results.links:
        raise none_made(results.refused, client.service)
    return results


async def answer(job: Job, tools: PipelineContext, record: JournalEntry, inputs: list[str | Input]) -> Reply:
    """Send the request until the service takes it on, or refuses it for good; what it refuses for now costs nothing."""
    client, tries = tools.client, 0
    while True:
        body, tries = Body(job.request, inputs, on_last=job.commit), tries + 1
        job.update(phase="uploading", wait=None, uploaded_bytes=0, upload_bytes=body.length)
        reply = await client.post(body, on_upload=lambda sent: job.update(uploaded_bytes=sent), on_pause=job.hold)
        pause = client.pause_after(reply, tries)
        if pause is None or not job.put_off(pause.seconds, str(pause)):
            return replace(reply, tries=tries)
        await record.refused(tries=tries, status=reply.status)
        await asyncio.sleep(pause.seconds)
        await record.again(tries=tries + 1)
        if record.trouble is not None:  # unwritten, a kill from here on would be told as not billed
            raise unwritable(tools.store.home, record.trouble)


async def salvage(
    job: Job, tools: PipelineContext, record: JournalEntry, error: OutcomeUnknownError | ReplyError, content: bytes
) -> Results:
    """Keep what came of a reply that broke off or makes no sense; return what it gives if all of it came, else raise.

    The error has what came as it is kept: without the key.
    """
    if not content:
        raise error
    error.content = Unread(await keep_reply(tools, record, content))
    most = job.request.max_pictures
    results, is_whole = await in_thread(lambda: arrived_results(content, most, secret=tools.all_secrets()))
    if results.links or is_whole:
        await note_results(job, tools, record, results, cut_off=not is_whole)
    if not is_whole:
        error.hint = f"{arrived(len(results.links)) if results.links else ''}{error.hint}"
        raise error
    return results


async def note_results(
    job: Job, tools: PipelineContext, record: JournalEntry, results: Results, *, cut_off: bool = False
) -> None:
    """Write down what a reply gives: pictures that came as a whole first, for the journal only names them."""
    tools.secrets.keep(results.raw)
    await in_thread(lambda: write_inline(tools, record.number, results.links))
    refused = [each.to_record() for each in results.refused]
    await record.came(links=results.links, seconds=elapsed(job), cut_off=cut_off, refused=refused)


async def keep_reply(tools: PipelineContext, record: JournalEntry, content: bytes) -> bytes:
    """Keep a reply that makes no sense, or more than asked, as it came but for the key: it may have been paid for.

    Bytes that are no text are kept as Python's `surrogateescape` spells them.

    Returns:
        What was kept.
    """

    def blot() -> tuple[bytes, str]:
        kept = tools.blotted_content(content)
        return kept, kept.decode(errors="surrogateescape")

    kept, text = await in_thread(blot)
    await record.kept_reply(text[:JOURNALED_CHARACTERS])
    if len(text) > JOURNALED_CHARACTERS:
        path = tools.store.journal / f"{record.number:04d}-reply.txt"
        with contextlib.suppress(OSError):  # a full disk changes nothing about what is to be told
            await in_thread(lambda: write_private(path, kept))
    return kept


async def settle(job: Job, record: JournalEntry, results: Results) -> None:
    """Write down the end and hand over what was made."""
    missing = len(results.links) - len(job.pictures)
    status = "partial" if missing or results.refused else "done"
    await record.ended(status=status, cost=len(results.links) * job.price, seconds=elapsed(job))
    generation = whole(record)
    await hand_over(job, generation, not_fetched(generation, record.trouble) if missing else None)


async def hand_over(job: Job, generation: Generation, error: SeedreamError | None = None) -> None:
    """Copy the pictures to where the user also wants them, and end the job."""
    if (folder := job.save) is not None:
        try:
            await in_thread(lambda: generation.save(folder))
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the pictures are here, and paid for
            why = trouble.message if isinstance(trouble, SeedreamError) else str(trouble) or type(trouble).__name__
            error = error or SettingsError(
                f"The pictures could not be copied to {folder}: {why.rstrip('.')}.",
                hint=f"They are all in {generation.images[0].path.parent}." if generation.images else None,
            )
    job.finish(generation, error)


def not_fetched(generation: Generation, trouble: OSError | None) -> DownloadError:
    """Return the error for pictures that are paid for and not here; with `trouble` no disk has their links yet."""
    reasons = "; ".join(dict.fromkeys(generation.missing.values()))
    told = [
        f"{len(generation.missing)} of {len(generation.links)} pictures could not be fetched: {reasons}",
        f"They are paid for ({generation.cost or 0:.2f} USD) and their links are kept.",
    ]
    if trouble is None:
        return DownloadError("\n".join(told), hint="Try again with: %seedream recover")
    links = openable(generation.links[index - 1] for index in generation.missing)
    told[1] = f"They are paid for ({generation.cost or 0:.2f} USD). The journal can't be written: {reason_of(trouble)}."
    told[1] += " Once it can, in this same process: %seedream recover"
    hint = f"Open their links soon, for they are kept nowhere else: {' '.join(links)}" if links else None
    return DownloadError("\n".join(told), hint=hint)


def openable(links: Iterable[str]) -> list[str]:
    """Return the links that a browser can open: not what came as a whole, nor what lacks the key that was in it."""
    return [link for link in links if not is_inline(link) and "…" not in link]


@asynccontextmanager
async def ended(
    job: Job, tools: PipelineContext, record: JournalEntry, reservation: Reservation
) -> AsyncIterator[None]:
    """Write down how a request came to its end, when it is not a good one, and count what may have been billed."""
    try:
        yield
    except BaseException as error:
        status, cost = outcome(job, record, error)
        # The links that arrived may not be all that were made.
        if cost is None or isinstance(error, (OutcomeUnknownError, ReplyError)):
            reservation.unknown()
        else:
            reservation.settle(cost)
        message = tools.blotted_message(str(error)) if isinstance(error, SeedreamError) else None
        told = None if message is None else {"kind": type(error).__name__, "message": message}
        await record.ended(status=status, cost=cost, seconds=elapsed(job), error=told)
        job.update(generation=whole(record) if record.number else None)
        raise


def outcome(job: Job, record: JournalEntry, error: BaseException) -> tuple[str, float | None]:
    """Return the status of what an error ended, and what it cost; None where nobody knows."""
    if record.links:
        return "partial", len(record.links) * job.price
    if isinstance(error, (OutcomeUnknownError, ReplyError)) or not_understood(job, error):
        return "unknown", None
    return "stopped" if isinstance(error, asyncio.CancelledError) else "failed", 0.0


def not_understood(job: Job, error: BaseException) -> bool:
    """Return whether something else than an answer ended a request that was sent."""
    return job.committed and not isinstance(error, SeedreamError)


def whole(record: JournalEntry) -> Generation:
    """Return what a record tells, and what the journal could not be told."""
    generation = record.generation()
    assert generation is not None  # noqa: S101 - it was begun
    if record.trouble is None:
        return generation
    warning = (
        f"The journal can't be written ({reason_of(record.trouble)}): only this process knows of it. "
        "Make room before it ends, then: %seedream recover"
    )
    links = [f"Link: {link}" for link in openable(generation.links)]
    return replace(generation, warnings=[*generation.warnings, warning, *links])


def reason_of(trouble: OSError) -> str:
    """Return, in the system's words, why something can't be written."""
    return trouble.strerror or str(trouble)


def elapsed(job: Job) -> float:
    """Return the seconds since the job was begun."""
    return round(time.monotonic() - job.started, 3)
