"""How a generation's pictures come home: side by side, each checked, named, journaled and shown as it is complete."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from seedream_nb.errors import DownloadError, SeedreamError
from seedream_nb.files import is_regular_file, read_regular
from seedream_nb.frozen import frozen
from seedream_nb.http.partial import MAX_BYTES, MAX_REST_BYTES, restart_path, state_path
from seedream_nb.jobs.entries import JournalEntry, in_thread
from seedream_nb.preview import preview, sheet, side_for
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

LEFT_SECONDS = 86_400.0
"""A download that nobody finished within a day never will be: its links expire after about 24 hours."""


def part_of(store: Store, number: int, index: int) -> Path:
    """Return where a picture is downloaded to; there stands already what a dead process left of it."""
    path = store.partial(number, index)
    if not path.exists():
        for left in sorted(store.parts(), key=lambda left: left.size_bytes):  # there is most of the last one
            if (left.number, left.index) == (number, index) and not _is_at_work(store, left):
                with contextlib.suppress(OSError):  # another kernel was quicker
                    left.path.replace(path)
                    restart_path(left.path).unlink(missing_ok=True)
                    state_path(left.path).replace(state_path(path))
    return path


def keep_aside(store: Store, number: int, index: int, *, blot: Callable[[bytes], bytes] = bytes) -> str | None:
    """Keep what came in place of a picture, unless the next try goes on from it; return how `home` names it.

    `blot` takes the key out of it.
    """
    kept = store.kept(number, index)
    with contextlib.suppress(OSError):  # the disk may be what failed
        part = store.partial(number, index)
        if part.exists() and (_blotted(part, blot) or not state_path(part).exists()):
            kept = _keep(store, part, number, index) or kept
    return store.relative(kept) if kept.exists() else None


def keep_old_aside(store: Store, *, blot: Callable[[bytes], bytes] = bytes) -> None:
    """Keep aside what nobody will go on with: it is a day old, and who wrote it is dead. `blot` takes the key out."""
    for left in store.parts():
        with contextlib.suppress(OSError):  # another kernel may do so at the same time
            if time.time() - left.path.stat().st_mtime > LEFT_SECONDS and not _is_at_work(store, left):
                _blotted(left.path, blot)
                _keep(store, left.path, left.number, left.index)


def _blotted(part: Path, blot: Callable[[bytes], bytes]) -> bool:
    """Take the key out of what a server sent; return whether it was there, and so nothing to go on from."""
    content, rest = read_regular(part, MAX_BYTES), state_path(part)
    told = read_regular(rest, MAX_REST_BYTES) if rest.exists() else b""
    kept = blot(content)
    if kept != content:
        write_private(part, kept)
    return kept != content or blot(told) != told


def _keep(store: Store, part: Path, number: int, index: int) -> Path | None:
    for other in (state_path(part), restart_path(part)):
        other.unlink(missing_ok=True)
    if part.stat().st_size:
        return store.keep(part, number, index)
    part.unlink()
    return None


def _is_at_work(store: Store, left: UnfinishedDownload) -> bool:
    """Return whether the process that began a download still lives: by its journal, for clocks jump."""
    return is_writing(store.journal, left.process)


ALL_AT_ONCE, SIDE_BY_SIDE = 4, 3
"""So many pictures are fetched and previewed all at once; of a longer series fewer, so that none waits for the others
to be seen (measured in `benchmarks/`: 15 pictures of 4096x4096 on two cores)."""

INSIDE_AND_LOST = "It came in the reply itself, and the process that asked ended before it was written."
HAD_THE_KEY = (
    "Its link had your key in it, or a proxy's password, which are never written down: "
    "only the session that asked could fetch it."
)


async def download(job: Job, tools: PipelineContext, record: JournalEntry, links: list[str]) -> None:
    """Fetch all pictures side by side; each is checked, named, journaled and shown as it is complete."""
    await in_thread(lambda: keep_old_aside(tools.store, blot=tools.blotted_content))
    job.update(phase="downloading", expected=len(links), generation=record.generation())
    line = anyio.CapacityLimiter(ALL_AT_ONCE if len(links) <= ALL_AT_ONCE else SIDE_BY_SIDE)
    async with asyncio.TaskGroup() as group:
        for place in places(links, job.request.prompt, job.host):
            group.create_task(land(job, tools, record, place, line))
    if job.followed:  # the sheet that is shown is made where the previews were: that takes no more memory
        with contextlib.suppress(Exception):  # the result is shown without
            await in_thread(lambda: sheet(job.pictures))


@frozen
class PictureTarget:
    """Where a picture comes from, and what its name and preview follow from."""

    index: int
    link: str = field(repr=False)
    prompt: str
    side: int
    service: str


def places(links: list[str], prompt: str, service: str) -> list[PictureTarget]:
    """Return the places of a generation's pictures, as the host `service` named them; `index` counts from 1."""
    side = side_for(len(links))
    return [
        PictureTarget(index=index, link=link, prompt=prompt, side=side, service=service)
        for index, link in enumerate(links, start=1)
    ]


async def land(
    job: Job, tools: PipelineContext, record: JournalEntry, place: PictureTarget, line: anyio.CapacityLimiter
) -> None:
    """Bring one picture of a job home and show it."""
    async with line:
        if await bring(tools, record, place) is None:
            job.land(record.generation(), f"@{record.number}.{place.index}")


async def bring(tools: PipelineContext, record: JournalEntry, place: PictureTarget) -> str | None:
    """Download to a temporary name, check, rename, journal, preview.

    What can't be had is noted, and its link is kept: then the reason is returned.
    """
    store, index = tools.store, place.index
    try:
        part, found = await in_thread(lambda: part_of(store, record.number, index)), list[ImageInfo]()
        await fetch(tools, place, part, lambda path: found.append(inspect(path, blotted=tools.blotted)))
        name = store.picture_name(record.number, index, place.prompt, found[-1].media_type)
        path = await in_thread(lambda: store.settle(part, name))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other pictures must come
        reason = await in_thread(partial(why_missing, tools, record, place, error))
        await record.missed(index=index, reason=reason)
        return reason
    tools.secrets.forget(place.link)
    await record.landed(index=index, path=store.relative(path), facts=found[-1].to_record())
    await warm_preview(path, place.side)
    return None


async def fetch(tools: PipelineContext, place: PictureTarget, part: Path, check: Callable[[Path], None]) -> None:
    """Put a picture into `part`: by its link as it came, or as it came in the reply itself.

    Raises:
        DownloadError: it can't be had, and why.
    """
    if is_inline(place.link):
        await in_thread(lambda: unpack(tools, place, part, check))
    else:
        link = str(tools.secrets.raw(place.link))
        await tools.client.download(link, part, service=place.service, check=check)


def unpack(tools: PipelineContext, place: PictureTarget, part: Path, check: Callable[[Path], None]) -> None:
    """Check a picture that came in the reply; write it, unless that was done when it came."""
    content = tools.secrets.raw(place.link)
    if isinstance(content, bytes) and not _holds(part, content):
        write_private(part, content)
    if not part.exists():
        raise DownloadError(INSIDE_AND_LOST)
    try:
        check(part)
    except ValueError as error:
        raise DownloadError(f"In place of a picture the reply has {tools.blotted(str(error))}.") from error


def _holds(path: Path, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        return read_regular(path, len(content)) == content
    return False


def write_inline(tools: PipelineContext, number: int, links: list[str]) -> None:
    """Write the pictures that came in a reply to where downloads stand; what can't be written now is tried later."""
    for index, link in enumerate(links, start=1):
        content = tools.secrets.raw(link)
        if isinstance(content, bytes):
            with contextlib.suppress(OSError):
                write_private(tools.store.partial(number, index), content)


def why_missing(tools: PipelineContext, record: JournalEntry, place: PictureTarget, error: Exception) -> str:
    """Keep what came in place of a picture; return in a few words why it is not here, and where that is."""
    reason = tools.blotted_message(reason_of(error, tools.blotted))
    if "…" in place.link and tools.secrets.raw(place.link) == place.link:
        reason = f"{reason.rstrip('.')}. {HAD_THE_KEY}"
    if kept := keep_aside(tools.store, record.number, place.index, blot=tools.blotted_content):
        reason = f"{reason.rstrip('.')}. What came instead is kept in home as {kept}."
    return reason


async def warm_preview(path: Path, side: int) -> None:
    """Make the preview that will be shown, so that nobody waits for it; without one, the view says what it can."""
    with contextlib.suppress(Exception):
        await in_thread(lambda: preview(path, side))


def reason_of(error: Exception, blotted: Callable[[str], str]) -> str:
    """Return, in a few words, why a picture can't be had; `blotted` takes the key out of what others wrote."""
    if isinstance(error, SeedreamError):
        return error.message
    if isinstance(error, OSError):  # of this machine's disk
        return str(error)
    said = blotted(str(error))
    return said if isinstance(error, ValueError) else f"seedream_nb failed in itself: {type(error).__name__}: {said}"


async def recover(generation: Generation, tools: PipelineContext, *, service: str) -> Generation:
    """Fetch what a generation's links still give, whatever they answered before.

    The journal may be somebody else's: what it says of its service is believed only if `service` is the same, for
    one inside a private network may lead there.
    """
    record = JournalEntry(tools.journal, home=tools.store.home, verbs=tools.verbs, number=generation.id)
    with contextlib.suppress(OSError):  # what can't be written is told picture by picture
        await in_thread(tools.journal.open)
    await in_thread(lambda: keep_old_aside(tools.store, blot=tools.blotted_content))
    have = {int(picture.mark.rpartition(".")[2]) for picture in generation.images if is_regular_file(picture.path)}
    failed = {}
    for place in places(generation.links, generation.prompt, generation.host if generation.host == service else ""):
        if place.index not in have and (reason := await bring(tools, record, place)):
            failed[place.index] = reason
    return await in_thread(lambda: tools.history.on_disk(generation.id, failed))
