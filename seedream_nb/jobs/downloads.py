"""Downloads a generation's pictures side by side; each is checked, named, journaled and shown when complete."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from seedream_nb.errors import INTERNAL, LONGEST_LINK, DownloadError, SeedreamError
from seedream_nb.files import is_regular_file, read_regular
from seedream_nb.frozen import frozen
from seedream_nb.http.partial import MAX_BYTES, MAX_REST_BYTES, restart_path, state_path
from seedream_nb.jobs.entries import JournalEntry, in_thread
from seedream_nb.preview import preview, sheet, size_for
from seedream_nb.service.reply import is_inline
from seedream_nb.storage.journal import is_writing
from seedream_nb.storage.picture import ImageInfo, inspect
from seedream_nb.storage.store import write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.jobs.entries import PipelineContext
    from seedream_nb.jobs.job import Job
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.store import Store, UnfinishedDownload

ABANDONED_SECONDS = 86_400.0
"""A download that was not finished within a day never will be: links expire after about 24 hours."""


def resumed_part(store: Store, number: int, index: int) -> Path:
    """Return where to download a picture to; what a dead process left of it is moved there."""
    path = store.partial(number, index)
    if not path.exists():
        for leftover in sorted(store.parts(), key=lambda part: part.size_bytes):  # the last one is the longest
            if (leftover.number, leftover.index) == (number, index) and not _is_active(store, leftover):
                with contextlib.suppress(OSError):  # another kernel was faster
                    leftover.path.replace(path)
                    restart_path(leftover.path).unlink(missing_ok=True)
                    state_path(leftover.path).replace(state_path(path))
    return path


def keep_rejected(store: Store, number: int, index: int, *, redact: Callable[[bytes], bytes] = bytes) -> str | None:
    """Keep what arrived instead of a picture, unless the next attempt can continue it; return its path in `home`.

    `redact` removes the key.
    """
    kept = store.kept(number, index)
    with contextlib.suppress(OSError):  # perhaps the disk is what failed
        part = store.partial(number, index)
        if part.exists() and (_redact_file(part, redact) or not state_path(part).exists()):
            kept = _keep(store, part, number, index) or kept
    return store.relative(kept) if kept.exists() else None


def keep_abandoned(store: Store, *, redact: Callable[[bytes], bytes] = bytes) -> None:
    """Keep what nobody will continue: parts that are a day old, whose process is dead. `redact` removes the key."""
    for leftover in store.parts():
        with contextlib.suppress(OSError):  # another kernel may do so at the same time
            if time.time() - leftover.path.stat().st_mtime > ABANDONED_SECONDS and not _is_active(store, leftover):
                _redact_file(leftover.path, redact)
                _keep(store, leftover.path, leftover.number, leftover.index)


def _redact_file(part: Path, redact: Callable[[bytes], bytes]) -> bool:
    """Redact what a server sent; return whether the key was in it, so that it can't be continued."""
    content, rest = read_regular(part, MAX_BYTES), state_path(part)
    state = read_regular(rest, MAX_REST_BYTES) if rest.exists() else b""
    kept = redact(content)
    if kept != content:
        write_private(part, kept)
    return kept != content or redact(state) != state


def _keep(store: Store, part: Path, number: int, index: int) -> Path | None:
    for other in (state_path(part), restart_path(part)):
        other.unlink(missing_ok=True)
    if part.stat().st_size:
        return store.keep(part, number, index)
    part.unlink()
    return None


def _is_active(store: Store, leftover: UnfinishedDownload) -> bool:
    """Return whether the process of a download is alive, going by its journal, because clocks jump."""
    return is_writing(store.journal, leftover.process)


ALL_AT_ONCE, SIDE_BY_SIDE = 4, 3
"""How many pictures are downloaded and previewed at once; fewer of a longer series, so that the first are not shown
late (measured in `benchmarks/`: 15 pictures of 4096x4096 on two cores)."""

INLINE_LOST = "It came inside the reply, and the process that sent the request ended before it was written."
LINK_HAD_KEY = (
    "Its link contained your key or a proxy's password, which are never written down: "
    "only the session that sent the request could download it."
)

LINK_TOO_LONG = (
    f"Its link has more than {LONGEST_LINK:,} characters, so only its beginning was written down: "
    "only the session that sent the request could download it. The journal keeps the whole reply."
)


async def download(job: Job, context: PipelineContext, entry: JournalEntry, links: list[str]) -> None:
    """Download all pictures side by side; each is checked, named, journaled and shown when complete."""
    await in_thread(lambda: keep_abandoned(context.store, redact=context.redact_content))
    job.update(phase="downloading", expected=len(links), generation=entry.generation())
    limiter = anyio.CapacityLimiter(ALL_AT_ONCE if len(links) <= ALL_AT_ONCE else SIDE_BY_SIDE)
    async with asyncio.TaskGroup() as group:
        for target in targets(links, job.request.prompt, job.host):
            group.create_task(download_one(job, context, entry, target, limiter))
    if job.followed:  # made in the process that made the previews, the contact sheet takes no more memory
        with contextlib.suppress(Exception):  # the result is shown without it
            await in_thread(lambda: sheet(job.pictures))


@frozen
class PictureTarget:
    """Where a picture comes from, and what its name and preview are made from."""

    index: int
    link: str = field(repr=False)
    prompt: str
    side: int
    service: str


def targets(links: list[str], prompt: str, service: str) -> list[PictureTarget]:
    """Return the targets of a generation's pictures; `service` is the host that gave the links, `index` starts at 1."""
    side = size_for(len(links)).side
    return [
        PictureTarget(index=index, link=link, prompt=prompt, side=side, service=service)
        for index, link in enumerate(links, start=1)
    ]


async def download_one(
    job: Job, context: PipelineContext, entry: JournalEntry, target: PictureTarget, limiter: anyio.CapacityLimiter
) -> None:
    """Download one picture of a job and show it."""
    async with limiter:
        if await save_picture(context, entry, target) is None:
            job.land(entry.generation(), f"@{entry.number}.{target.index}")


async def save_picture(context: PipelineContext, entry: JournalEntry, target: PictureTarget) -> str | None:
    """Download to a temporary name, check, rename, journal, preview.

    If that fails, the reason is journaled and returned, and the link is kept.
    """
    store, index = context.store, target.index
    try:
        part, infos = await in_thread(lambda: resumed_part(store, entry.number, index)), list[ImageInfo]()
        await fetch(context, target, part, lambda path: infos.append(inspect(path, redact=context.redact)))
        name = store.picture_name(entry.number, index, target.prompt, infos[-1].media_type)
        path = await in_thread(lambda: store.settle(part, name))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other pictures must still come
        reason = await in_thread(partial(missing_reason, context, entry, target, error))
        await entry.picture_missing(index=index, reason=reason)
        return reason
    context.secrets.forget(target.link)
    await entry.picture_saved(index=index, path=store.relative(path), facts=infos[-1].to_record())
    await warm_preview(path, target.side)
    return None


async def fetch(context: PipelineContext, target: PictureTarget, part: Path, check: Callable[[Path], None]) -> None:
    """Save a picture to `part`: downloaded from its link, or taken from the reply itself.

    Raises:
        DownloadError: it can't be had; the message says why.
    """
    if is_inline(target.link):
        await in_thread(lambda: save_inline(context, target, part, check))
    else:
        link = str(context.secrets.raw(target.link))
        await context.client.download(link, part, service=target.service, check=check)


def save_inline(context: PipelineContext, target: PictureTarget, part: Path, check: Callable[[Path], None]) -> None:
    """Check a picture that came inside the reply, after writing it if that is not done yet."""
    content = context.secrets.raw(target.link)
    if isinstance(content, bytes) and not _contains(part, content):
        write_private(part, content)
    if not part.exists():
        raise DownloadError(INLINE_LOST)
    try:
        check(part)
    except ValueError as error:
        raise DownloadError(f"Instead of a picture the reply contains {context.redact(str(error))}.") from error


def _contains(path: Path, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        return read_regular(path, len(content)) == content
    return False


def write_inline(context: PipelineContext, number: int, links: list[str]) -> None:
    """Write the pictures that came inside a reply to the partial downloads; what fails is tried again later."""
    for index, link in enumerate(links, start=1):
        content = context.secrets.raw(link)
        if isinstance(content, bytes):
            with contextlib.suppress(OSError):
                write_private(context.store.partial(number, index), content)


def missing_reason(context: PipelineContext, entry: JournalEntry, target: PictureTarget, error: Exception) -> str:
    """Keep what arrived instead of a picture; return in a few words why the picture is missing, and what was kept."""
    reason = context.redact_message(failure_reason(error, context.redact))
    if "…" in target.link and context.secrets.raw(target.link) == target.link:
        had_key = "…" in target.link[:LONGEST_LINK]
        reason = f"{reason.rstrip('.')}. {LINK_HAD_KEY if had_key else LINK_TOO_LONG}"
    if kept := keep_rejected(context.store, entry.number, target.index, redact=context.redact_content):
        reason = f"{reason.rstrip('.')}. What came instead is kept in home as {kept}."
    return reason


async def warm_preview(path: Path, side: int) -> None:
    """Make the preview in advance; without it, the view shows what it can."""
    with contextlib.suppress(Exception):
        await in_thread(lambda: preview(path, side))


def failure_reason(error: Exception, redact: Callable[[str], str]) -> str:
    """Return in a few words why a picture is missing; `redact` removes the key from foreign text."""
    if isinstance(error, SeedreamError):
        return error.message
    if isinstance(error, OSError):  # from this machine's disk
        return str(error)
    text = redact(str(error))
    return text if isinstance(error, ValueError) else f"{INTERNAL}: {type(error).__name__}: {text}"


async def recover(generation: Generation, context: PipelineContext, *, service: str) -> Generation:
    """Download what a generation's links still give, whatever they answered before.

    The journal may be somebody else's: its service is trusted only if it is `service`, because one inside a private
    network may link to an address there.
    """
    entry = JournalEntry(context.journal, home=context.store.home, verbs=context.verbs, number=generation.id)
    with contextlib.suppress(OSError):  # what can't be written is reported picture by picture
        await in_thread(context.journal.open)
    await in_thread(lambda: keep_abandoned(context.store, redact=context.redact_content))
    have = {int(picture.mark.rpartition(".")[2]) for picture in generation.images if is_regular_file(picture.path)}
    failed = {}
    for target in targets(generation.links, generation.prompt, generation.host if generation.host == service else ""):
        if target.index not in have and (reason := await save_picture(context, entry, target)):
            failed[target.index] = reason
    return await in_thread(lambda: context.history.on_disk(generation.id, failed))
