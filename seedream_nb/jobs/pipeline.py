"""Runs a request from start to end, step by step. Each step is on disk before the next begins."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from seedream_nb.errors import (
    DownloadError,
    OutcomeUnknownError,
    ReplyError,
    SeedreamError,
    SettingsError,
    Unread,
    money,
)
from seedream_nb.jobs import messages
from seedream_nb.jobs.daily import within_the_day
from seedream_nb.jobs.downloads import download, recover, write_inline
from seedream_nb.jobs.entries import JournalEntry, PipelineContext, in_thread
from seedream_nb.jobs.job import Job
from seedream_nb.jobs.line import PreparedReferences
from seedream_nb.jobs.once import earlier_payment, exclusive, find_earlier_result
from seedream_nb.preview import warm_references
from seedream_nb.references.encode import Recipient, fit
from seedream_nb.service.body import Body
from seedream_nb.service.refusals import none_made
from seedream_nb.service.reply import Results, is_inline, is_reply, parse_results, salvage_results
from seedream_nb.service.retry import RATE_LIMIT
from seedream_nb.settings import MAX_CONCURRENCY
from seedream_nb.storage.folding import links_arrived
from seedream_nb.storage.generation import lineage
from seedream_nb.storage.store import unwritable, write_private

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    import anyio

    from seedream_nb.budget import Reservation
    from seedream_nb.http.client import Reply
    from seedream_nb.jobs.pace import Pace
    from seedream_nb.jobs.variations import Variations
    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.store import Input

__all__ = ["PipelineContext", "recover", "run_pipeline", "run_variation"]

SLOT_POLL_SECONDS, MAX_NAMED = 0.5, 8
"""How often a job that waits for a place checks who has them, and how many of those it names."""
PREPARED_AT_ONCE = 2
"""References decoded at the same time: the largest take some 110 MB each."""
JOURNALED_CHARACTERS = 60_000
"""A longer reply that can't be understood is kept in a file of its own, beside the journal."""


async def run_variation(job: Job, context: PipelineContext, variations: Variations) -> None:
    """Deliver what is there of one request of a batch, or buy it."""
    async with variations.exclusive(job, context):
        made = await variations.find(job, context)
        if made is None:
            return await buy(job, context, await prepare(job, context))
        # Only a note: a full disk must not keep anyone from a picture that exists.
        await in_thread(lambda: context.journal.note("once", made.id))
        return await deliver(job, made)


async def run_pipeline(
    job: Job, context: PipelineContext, *, others: Sequence[Job] = (), setup_errors: Sequence[SeedreamError] = ()
) -> None:
    """Prepare, reserve the budget, journal the intent, post, journal the links, download, settle.

    `others` were running when this started: with `once`, a request that one of them makes is not made again. The
    `setup_errors`, such as a full disk, matter only if the result is not in the history.
    """
    if not job.once:
        return await buy(job, context, await prepare(job, context))
    async with exclusive(job, context, others):
        made = await find_earlier_result(job, context, others)
        if made is not None:
            return await deliver(job, made)
        for trouble in setup_errors:
            raise trouble
        job.notices += await in_thread(lambda: earlier_payment(job, context))
        return await buy(job, context, await prepare(job, context))


async def buy(job: Job, context: PipelineContext, inputs: list[str | Input]) -> None:
    """Reserve the budget, journal the intent, post, journal the links, download, settle."""
    entry = JournalEntry(context.journal, home=context.store.home, verbs=context.verbs)
    with job.reservation or context.budget.reserve(job.request, job.price) as reservation:
        async with journal_failure(job, context, entry, reservation):
            async with slot(job, context):
                await context.pace.turn(job.request.max_pictures, job.queue)
                context.budget.confirm(reservation, job.request, job.price)  # it may have waited for long
                async with within_the_day(context, job.request, job.price):
                    await journal_intent(job, context, entry, inputs)
                warm_thumbnails(entry)
                results = await post(job, context, entry, inputs, reservation)
            reservation.settle(len(results.links) * job.price)
            await download(job, context, entry, results.links)
    return await settle(job, entry, results)


async def prepare(job: Job, context: PipelineContext) -> list[str | Input]:
    """Make the references meet the limits of the request's model, and keep them under `inputs/`."""
    recipient = Recipient(limits=job.request.model.references, inputs=context.store.inputs)
    shared = context.prepared or PreparedReferences(PREPARED_AT_ONCE)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(prepared(reference, recipient, shared)) for reference in job.request.images]
    except BaseExceptionGroup as trouble:  # one reference that can't be sent is enough
        raise trouble.exceptions[0] from None
    return [task.result() for task in tasks]


async def prepared(reference: Reference, recipient: Recipient, shared: PreparedReferences) -> str | Input:
    """Return a reference as it is sent: its URL, or a file that fits."""
    if reference.url is not None:
        return reference.url

    async def fitted() -> Input:
        async with shared.limiter:
            return await in_thread(lambda: fit(reference, recipient))

    sent: Input = await shared.of(f"{recipient.limits!r} {reference.identity}", fitted)
    return sent


@asynccontextmanager
async def slot(job: Job, context: PipelineContext) -> AsyncIterator[None]:
    """Hold one of the places for requests in flight; while none is free, the job shows who has them."""
    places = context.limiter
    telling = asyncio.create_task(show_slots(places, job, context.pace)) if places.available_tokens < 1 else None
    try:
        await places.acquire_on_behalf_of(job)
    finally:
        if telling is not None:
            telling.cancel()
    try:
        job.queue(None)
        job.placed()
        yield
    finally:
        places.release_on_behalf_of(job)


async def show_slots(places: anyio.CapacityLimiter, job: Job, pace: Pace) -> None:
    """Show in a waiting job which other jobs have the places, or what all of them wait for."""
    while True:
        if (told := pace.message()) is not None:
            job.queue(told, remedy=messages.LATER)
            await asyncio.sleep(SLOT_POLL_SECONDS)
            continue
        marks = sorted(other.mark for other in places.statistics().borrowers if isinstance(other, Job))
        are = "request is" if len(marks) == 1 else "requests are"
        others = f", and {len(marks) - MAX_NAMED} more" if len(marks) > MAX_NAMED else ""
        message = f"Waiting for a place: {len(marks)} {are} in flight ({', '.join(marks[:MAX_NAMED])}{others})"
        more_places = min(MAX_CONCURRENCY, max(8, 2 * int(places.total_tokens)))
        more = messages.MORE_PLACES if more_places > places.total_tokens else messages.LATER
        job.queue(message, remedy=more.format(places=more_places))
        await asyncio.sleep(SLOT_POLL_SECONDS)


async def journal_intent(job: Job, context: PipelineContext, entry: JournalEntry, inputs: list[str | Input]) -> None:
    """Write down the request before it is sent."""
    kept = [None if isinstance(sent, str) else context.store.relative(sent.path) for sent in inputs]
    notes = [note for reference in job.request.images for note in reference.notes]
    notes += [sent.note for sent in inputs if not isinstance(sent, str) and sent.note]
    request = job.request
    sources = await in_thread(lambda: earlier_results(request, context))
    try:
        job.id = await in_thread(context.store.new_id)
        await entry.begin(
            job.id, template=job.template, request=request.to_record(kept), fingerprint=request.fingerprint,
            backend=job.backend, host=job.host, price=job.price, notebook=job.notebook,
            sources=sources,
            warnings=[*job.notices, *request.warnings, *notes],
        )  # fmt: skip
    except OSError as error:
        raise unwritable(context.store.home, error) from error
    job.update(generation=entry.generation())


def earlier_results(request: ImageRequest, context: PipelineContext) -> list[str]:
    """Return the marks of the earlier results among the references, found by their content."""
    hashes = [str(image.original or image.sha256) for image in request.images if image.url is None]
    made = reversed(context.history.with_content(hashes)) if hashes else []
    return lineage(request.images, [picture for pictures in made for picture in pictures])


def warm_thumbnails(entry: JournalEntry) -> None:
    """Make the references' thumbnails while the service works; nobody waits for them, not even at exit."""
    if (generation := entry.generation()) and generation.request.images:
        Thread(target=warm_references, args=(generation.request,), name="seedream thumbnails", daemon=True).start()


async def post(
    job: Job, context: PipelineContext, entry: JournalEntry, inputs: list[str | Input], reservation: Reservation
) -> Results:
    """Send the request and return the results in its reply, after journaling them.

    Raises:
        ApiError: the service refused the request, or each of its pictures.
    """
    client = context.client  # its key is named only where it is used, so that no traceback shows it
    try:
        reply = await send_until_accepted(job, context, entry, inputs, reservation)
        if not is_reply(reply.status):
            raise client.refusal(reply, job.request.model)
        results = await in_thread(
            lambda: parse_results(reply.content, job.request.max_pictures, secret=context.all_secrets())
        )
    except (OutcomeUnknownError, ReplyError) as error:
        # Removed at once: the error may be shown, logged and pickled, and the content may echo the key.
        content, error.content = error.content, Unread()
        results = await salvage(job, context, entry, error, content)
    else:
        await note_results(job, context, entry, results)
        if results.is_odd:
            await keep_reply(context, entry, reply.content)
    if not results.links:
        raise none_made(results.refused, client.service, job.request.model)
    return results


async def send_until_accepted(
    job: Job, context: PipelineContext, entry: JournalEntry, inputs: list[str | Input], reservation: Reservation
) -> Reply:
    """Send the request until the service accepts it or refuses it for good; refusals for now cost nothing."""
    client, tries = context.client, 0
    while True:
        body, tries = Body(job.request, inputs, on_last=job.commit, without=context.without), tries + 1
        job.update(phase="uploading", wait=None, uploaded_bytes=0, upload_bytes=body.length)
        reply = await client.post(body, on_upload=lambda sent: job.update(uploaded_bytes=sent), on_pause=job.hold)
        is_limited = reply.status == RATE_LIMIT
        pause = client.pause_after(reply, max(tries, context.pace.level + 1) if is_limited else tries)
        if pause is None:
            if is_reply(reply.status):
                context.pace.accepted()
            return replace(reply, tries=tries)
        if not job.defer(pause.seconds, str(replace(pause, tries=tries))):
            return replace(reply, tries=tries)  # nor do others wait for longer than anybody would
        if is_limited:
            context.pace.refused(pause.seconds, sent=job.sent or 0.0)
        await entry.refused(tries=tries, status=reply.status)
        await asyncio.sleep(pause.seconds)
        if is_limited:  # it has waited, and goes in line with all others
            await context.pace.turn(job.request.max_pictures, partial(show_wait, job))
        context.budget.confirm(reservation, job.request, job.price)
        await entry.retrying(tries=tries + 1)
        if entry.trouble is not None:  # unwritten, a kill from here on would look like not billed
            raise unwritable(context.store.home, entry.trouble)


def show_wait(job: Job, told: str | None) -> None:
    """Show what a request waits for that was refused for now."""
    job.update(wait=told)


async def salvage(
    job: Job, context: PipelineContext, entry: JournalEntry, error: OutcomeUnknownError | ReplyError, content: bytes
) -> Results:
    """Keep what arrived of a reply that broke off or can't be understood; return its results if complete, else raise.

    The error then has the redacted content.
    """
    if not content:
        raise error
    error.content = Unread(await keep_reply(context, entry, content))
    maximum = job.request.max_pictures
    results, is_complete = await in_thread(lambda: salvage_results(content, maximum, secret=context.all_secrets()))
    if results.links or is_complete:
        await note_results(job, context, entry, results, cut_off=not is_complete)
    if not is_complete:
        error.hint = f"{links_arrived(len(results.links)) if results.links else ''}{error.hint}"
        raise error
    return results


async def note_results(
    job: Job, context: PipelineContext, entry: JournalEntry, results: Results, *, cut_off: bool = False
) -> None:
    """Write down the results of a reply, pictures inside it first, because the journal only names them."""
    context.secrets.keep(results.raw)
    with contextlib.suppress(Exception):  # it is tried again when they are fetched; the links must be noted now
        await in_thread(lambda: write_inline(context, entry.number, results.links))
    refused = [refusal.to_record() for refusal in results.refused]
    await entry.replied(links=results.links, seconds=elapsed(job), cut_off=cut_off, refused=refused)


async def keep_reply(context: PipelineContext, entry: JournalEntry, content: bytes) -> bytes:
    """Keep a reply that can't be understood, or has more than expected, without the key: it may have been paid for.

    Bytes that are not text are kept as Python's `surrogateescape` spells them.

    Returns:
        The redacted content; nothing if it could not be redacted.
    """

    def redact() -> tuple[bytes, str]:
        kept = context.redact_content(content)
        return kept, kept.decode(errors="surrogateescape")

    try:
        kept, text = await in_thread(redact)
    except Exception:  # noqa: BLE001 - a fault of ours, or a lack of memory, must not lose the links too
        return b""
    await entry.kept_reply(text[:JOURNALED_CHARACTERS])
    if len(text) > JOURNALED_CHARACTERS:
        path = context.store.journal / f"{entry.number:04d}-reply.txt"
        with contextlib.suppress(OSError):  # a full disk changes nothing in the message
            await in_thread(lambda: write_private(path, kept))
    return kept


async def settle(job: Job, entry: JournalEntry, results: Results) -> None:
    """Write down the end, and deliver the generation."""
    missing = len(results.links) - len(job.pictures)
    status = "partial" if missing or results.refused else "done"
    await entry.ended(status=status, cost=len(results.links) * job.price, seconds=elapsed(job))
    generation = recorded_generation(entry)
    await deliver(job, generation, missing_pictures(generation, entry.trouble) if missing else None)


async def deliver(job: Job, generation: Generation, error: SeedreamError | None = None) -> None:
    """Copy the pictures to the user's folder, if one was given, and end the job."""
    if (folder := job.save) is not None:
        try:
            await in_thread(lambda: generation.save(folder))
        except Exception as trouble:  # noqa: BLE001 - whatever it is, the pictures exist, and are paid for
            reason = trouble.message if isinstance(trouble, SeedreamError) else str(trouble) or type(trouble).__name__
            error = error or SettingsError(
                f"The pictures could not be copied to {folder}: {reason.rstrip('.')}.",
                hint=f"They are all in {generation.images[0].path.parent}." if generation.images else None,
            )
    job.finish(generation, error)


def missing_pictures(generation: Generation, trouble: OSError | None) -> DownloadError:
    """Return the error for pictures that are paid for but missing; with `trouble`, their links are on no disk yet."""
    reasons = "; ".join(dict.fromkeys(generation.missing.values()))
    lines = [
        f"{len(generation.missing)} of {len(generation.links)} pictures could not be fetched: {reasons}",
        f"They are paid for ({money(generation.cost or 0)}) and their links are kept.",
    ]
    if trouble is None:
        return DownloadError("\n".join(lines), hint="Try again with: %seedream recover")
    links = openable(generation.links[index - 1] for index in generation.missing)
    lines[1] = f"They are paid for ({money(generation.cost or 0)}). The journal can't be written: {os_reason(trouble)}."
    lines[1] += " Once it can, in this same process: %seedream recover"
    hint = f"Open their links soon, they are stored nowhere else: {' '.join(links)}" if links else None
    return DownloadError("\n".join(lines), hint=hint)


def openable(links: Iterable[str]) -> list[str]:
    """Return the links that a browser can open: no inline pictures, none whose key was removed."""
    return [link for link in links if not is_inline(link) and "…" not in link]


@asynccontextmanager
async def journal_failure(
    job: Job, context: PipelineContext, entry: JournalEntry, reservation: Reservation
) -> AsyncIterator[None]:
    """Journal how a request ended when it failed or was stopped, and count what may have been billed."""
    try:
        yield
    except BaseException as error:
        status, cost = outcome(job, entry, error)
        try:
            message = context.redact_message(str(error)) if isinstance(error, SeedreamError) else None
            failure = None if message is None else {"kind": type(error).__name__, "message": message}
            await entry.ended(status=status, cost=cost, seconds=elapsed(job), error=failure)
        finally:  # once it is written: until then the daily budget counts what is reserved
            # More pictures may have been made than links arrived.
            if cost is None or isinstance(error, (OutcomeUnknownError, ReplyError)):
                reservation.unknown()
            else:
                reservation.settle(cost)
        job.update(generation=recorded_generation(entry) if entry.number else None)
        raise


def outcome(job: Job, entry: JournalEntry, error: BaseException) -> tuple[str, float | None]:
    """Return the status and the cost after an error; the cost is None if it is unknown."""
    if entry.links:
        return "partial", len(entry.links) * job.price
    if isinstance(error, (OutcomeUnknownError, ReplyError)) or ended_unexpectedly(job, error):
        return "unknown", None
    return "stopped" if isinstance(error, asyncio.CancelledError) else "failed", 0.0


def ended_unexpectedly(job: Job, error: BaseException) -> bool:
    """Return whether a request that was sent ended with something other than an answer."""
    return job.committed and not isinstance(error, SeedreamError)


def recorded_generation(entry: JournalEntry) -> Generation:
    """Return a record's generation, with a warning about what the journal could not store."""
    generation = entry.generation()
    assert generation is not None  # noqa: S101 - it was begun
    if entry.trouble is None:
        return generation
    warning = (
        f"The journal can't be written ({os_reason(entry.trouble)}): only this process has it. "
        "Make room before it ends, then: %seedream recover"
    )
    links = [f"Link: {link}" for link in openable(generation.links)]
    return replace(generation, warnings=[*generation.warnings, warning, *links])


def os_reason(trouble: OSError) -> str:
    """Return the system's words for why something can't be written."""
    return trouble.strerror or str(trouble)


def elapsed(job: Job) -> float:
    """Return the seconds since the job was started, but for those that it waited for other requests."""
    return round(time.monotonic() - job.started - job.waited, 3)
