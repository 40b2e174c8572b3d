"""How a generation's pictures come home: side by side, each checked, named, journaled and shown as it is complete."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from seedream_nb.errors import DownloadError, SeedreamError
from seedream_nb.files import is_there
from seedream_nb.fulfil.parts import keep_aside, keep_old_aside, part_of
from seedream_nb.fulfil.tools import in_thread
from seedream_nb.picture import Facts, inspect
from seedream_nb.preview import preview, sheet, side_for
from seedream_nb.record import Record
from seedream_nb.service.reply import is_inline
from seedream_nb.store import write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.fulfil.tools import Tools
    from seedream_nb.generation import Generation
    from seedream_nb.job import Job

ALL_AT_ONCE, SIDE_BY_SIDE = 4, 3
"""So many pictures are fetched and previewed all at once; of a longer series fewer, so that none waits for the others
to be seen (measured in `benchmarks/`: 15 pictures of 4096x4096 on two cores)."""

INSIDE_AND_LOST = "It came in the reply itself, and the process that asked ended before it was written."
HAD_THE_KEY = (
    "Its link had your key in it, or a proxy's password, which are never written down: "
    "only the session that asked could fetch it."
)


async def download(job: Job, tools: Tools, record: Record, links: list[str]) -> None:
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


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a picture comes from, and what its name and preview follow from."""

    index: int
    link: str = field(repr=False)
    prompt: str
    side: int
    service: str


def places(links: list[str], prompt: str, service: str) -> list[Place]:
    """Return the places of a generation's pictures, as the host `service` named them; `index` counts from 1."""
    side = side_for(len(links))
    return [
        Place(index=index, link=link, prompt=prompt, side=side, service=service)
        for index, link in enumerate(links, start=1)
    ]


async def land(job: Job, tools: Tools, record: Record, place: Place, line: anyio.CapacityLimiter) -> None:
    """Bring one picture of a job home and show it."""
    async with line:
        if await bring(tools, record, place) is None:
            job.land(record.generation(), f"@{record.number}.{place.index}")


async def bring(tools: Tools, record: Record, place: Place) -> str | None:
    """Download to a temporary name, check, rename, journal, preview.

    What can't be had is noted, and its link is kept: then the reason is returned.
    """
    store, index = tools.store, place.index
    try:
        part, found = await in_thread(lambda: part_of(store, record.number, index)), list[Facts]()
        await fetch(tools, place, part, lambda path: found.append(inspect(path)))
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


async def fetch(tools: Tools, place: Place, part: Path, check: Callable[[Path], None]) -> None:
    """Put a picture into `part`: by its link as it came, or as it came in the reply itself.

    Raises:
        DownloadError: it can't be had, and why.
    """
    if is_inline(place.link):
        await in_thread(lambda: unpack(tools, place, part, check))
    else:
        link = str(tools.secrets.raw(place.link))
        await tools.client.download(link, part, service=place.service, check=check)


def unpack(tools: Tools, place: Place, part: Path, check: Callable[[Path], None]) -> None:
    """Check a picture that came in the reply; write it, unless that was done when it came."""
    content = tools.secrets.raw(place.link)
    if isinstance(content, bytes) and not (part.exists() and part.stat().st_size == len(content)):
        write_private(part, content)
    if not part.exists():
        raise DownloadError(INSIDE_AND_LOST)
    try:
        check(part)
    except ValueError as error:
        raise DownloadError(f"In place of a picture the reply has {tools.blotted(str(error))}.") from error


def write_inline(tools: Tools, number: int, links: list[str]) -> None:
    """Write the pictures that came in a reply to where downloads stand; what can't be written now is tried later."""
    for index, link in enumerate(links, start=1):
        content = tools.secrets.raw(link)
        if isinstance(content, bytes):
            with contextlib.suppress(OSError):
                write_private(tools.store.partial(number, index), content)


def why_missing(tools: Tools, record: Record, place: Place, error: Exception) -> str:
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


async def recover(generation: Generation, tools: Tools, *, service: str) -> Generation:
    """Fetch what a generation's links still give, whatever they answered before.

    The journal may be somebody else's: what it says of its service is believed only if `service` is the same, for
    one inside a private network may lead there.
    """
    record = Record(tools.journal, home=tools.store.home, verbs=tools.verbs, number=generation.id)
    with contextlib.suppress(OSError):  # what can't be written is told picture by picture
        await in_thread(tools.journal.open)
    await in_thread(lambda: keep_old_aside(tools.store, blot=tools.blotted_content))
    have = {int(picture.mark.rpartition(".")[2]) for picture in generation.images if is_there(picture.path)}
    failed = {}
    for place in places(generation.links, generation.prompt, generation.host if generation.host == service else ""):
        if place.index not in have and (reason := await bring(tools, record, place)):
            failed[place.index] = reason
    return await in_thread(lambda: tools.history.on_disk(generation.id, failed))
