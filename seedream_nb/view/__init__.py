"""How a request, a job, a generation, a picture and the history are shown, in a notebook and as plain text."""

from __future__ import annotations

import html
import json
import time
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from seedream_nb.budget import describe
from seedream_nb.errors import money, plain, plain_but_links
from seedream_nb.files import working_folder
from seedream_nb.jobs.job import Job
from seedream_nb.preview import WALL_HEIGHT, PreviewSize, size_for
from seedream_nb.service import DEFAULT, is_free
from seedream_nb.service.body import fields
from seedream_nb.sizes import shape_of
from seedream_nb.storage.generation import NOTE_CHARACTERS, Generation, model_note, origins, references_line
from seedream_nb.storage.history import NONE, Generations, History
from seedream_nb.storage.picture import Picture
from seedream_nb.view.markup import (
    FAINT,
    FITTED,
    WRAPS,
    Bundle,
    Cell,
    alarm,
    alone,
    badge,
    cell,
    file_link,
    frame,
    grid,
    image,
    isolated,
    line,
    link,
    note,
    references_to_send,
    sent_references,
    shown_path,
    text,
    waiting_cell,
    wall,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seedream_nb.errors import SeedreamError
    from seedream_nb.request import ImageRequest

__all__ = [
    "Bundle",
    "bundle",
    "generation_bundle",
    "history_bundle",
    "job_bundle",
    "picture_bundle",
    "progress",
    "request_bundle",
    "when",
]


def request_bundle(request: ImageRequest, price: float, backend: str) -> Bundle:
    """Return what would be sent, and what it would cost, for `--dry-run`."""
    pictures = [reference.url or reference.name for reference in request.images]
    body = _escaped(json.dumps(fields(request, pictures), ensure_ascii=False, indent=2))
    which = "" if request.model is DEFAULT.model else f" for {request.model.title}"
    charge = f"; in the {backend} nothing is charged" if is_free(backend) else ""
    inputs = filter(None, [references_line(request)])
    lines = [f"Not sent. Estimate{which}: {describe(request, price)}{charge}.", *request.warnings]
    look = f"white-space:pre-wrap;word-break:normal;text-align:left;margin:0;{WRAPS}"
    shown = f'<pre style="{look}">{html.escape(body)}</pre>'
    return {
        "text/plain": "\n".join([body, *inputs, *map(plain, lines)]),
        "text/html": frame(shown + references_to_send(request) + "".join(line(item) for item in lines)),
    }


def _escaped(body: str) -> str:
    """Return JSON in which everything that a terminal or a page would obey is escaped."""
    hidden = {
        character
        for character in set(body) - {"\n"}
        if unicodedata.category(character)[0] == "C" or character in "\u2028\u2029"
    }
    return body.translate({ord(character): json.dumps(character)[1:-1] for character in hidden})


ALTERNATIVE_CHARACTERS = 300
ONE_LINE = f"{FAINT};white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
MAX_WITH_PATHS = 4


def generation_bundle(
    generation: Generation, error: SeedreamError | None = None, *, folder: Path | None = None
) -> Bundle:
    """Return a generation as its previews with captions, and its references.

    Args:
        generation: what to show.
        error: the error of its job, instead of its own.
        folder: the notebook's, which links are relative to; by default the current one.
    """
    folder = folder or working_folder()
    cells = [
        cell(
            picture,
            size_for(len(generation.images)),
            alternative(generation, picture),
            folder=folder,
            caption=_file_line(picture, len(generation.images), folder),
        )
        for picture in generation.images
    ]
    lines = [] if error is None else [plain_but_links(error_line) for error_line in error.lines()]
    shown = generation if error is None else replace(generation, error=None)
    return {
        "text/plain": "\n".join([str(shown), *lines]),
        "text/html": frame(
            grid(cells)
            + _caption(shown, folder)
            + sent_references(shown.request, folder)
            + _notes(shown)
            + alarm(lines)
        ),
        **alone(generation.images),
    }


def picture_bundle(picture: Picture, *, folder: Path | None = None) -> Bundle:
    """Return one picture as its preview; links are relative to `folder`, the notebook's, or the current one."""
    label = f" ({picture.backend})" if picture.is_free else ""
    links_from = folder or working_folder()
    path_line = _faint_part(f"{text(picture.mark)} · {_path_link(picture, links_from)}")
    shown = cell(
        picture, size_for(1), picture.mark + label, folder=links_from, caption=f"{badge(picture.backend)}{path_line}"
    )
    return {"text/plain": repr(picture), "text/html": frame(grid([shown])), **alone([picture])}


def alternative(generation: Generation, picture: Picture) -> str:
    """Return the alternative text of a picture: its prompt, and which of how many it is."""
    prompt = plain(generation.prompt, ALTERNATIVE_CHARACTERS)
    which = f" ({picture.mark})" if len(generation) == 1 else f" ({picture.mark}, one of {len(generation)})"
    label = f" ({generation.backend})" if generation.is_free else ""
    return prompt + which + label


def _file_line(picture: Picture, count: int, folder: Path) -> str:
    """Return the line below one of several pictures: its mark and, if they are few, its path."""
    if count == 1:  # the generation's own line says it all
        return ""
    mark = text(picture.mark)
    if is_brief(count):
        return _faint_part(file_link(picture, folder, mark))
    # One line, as was kept for it: how many a path takes is not known before.
    whole = text(shown_path(picture.path, folder))
    return f'<div style="{ONE_LINE}" title="{whole}">{mark} · {_path_link(picture, folder)}</div>'


def _path_link(picture: Picture, folder: Path) -> str:
    return file_link(picture, folder, isolated(shown_path(picture.path, folder)))


def _faint_part(inner: str) -> str:
    return f'<span style="{FAINT}">{inner}</span>'


ONE = "1 picture"


def details(generation: Generation) -> list[str]:
    """Return how many pictures, their sizes, the seconds and the cost."""
    count = [ONE if len(generation) == 1 else f"{len(generation)} pictures"] if generation.images else []
    sizes = dict.fromkeys(f"{picture.width}×{picture.height}" for picture in generation.images)
    seconds = [] if generation.seconds is None else [f"{generation.seconds:.1f} s"]
    return [*count, *sizes, *seconds, _cost(generation)]


def _caption(generation: Generation, folder: Path) -> str:
    state = [] if generation.status == "done" else [generation.status]
    begun = origins(generation.sources)
    lineage = [f"from {', '.join(begun)}"] if begun else []
    facts = [*model_note(generation), *details(generation)]
    if len(generation.images) == 1 and state == []:
        facts = [fact for fact in facts if fact != ONE]  # that is obvious
    words = text(" · ".join([*state, *facts, *lineage]))
    if len(generation.images) == 1:
        words += f" · {_faint_part(_path_link(generation.images[0], folder))}"
    first = f"<div>{badge(generation.backend)}<strong>{text(generation.mark)}</strong> · {words}</div>"
    if not is_brief(len(generation.images)):
        return first
    begin, end = shown_path(generation.images[0].path, folder), generation.images[-1].path.name
    return first + line(f"{begin} to {end}", look=FAINT)


def is_brief(pictures: int) -> bool:
    """Return whether this many pictures share one line about their files, because a path below each would be noise."""
    return pictures > MAX_WITH_PATHS


def _cost(generation: Generation) -> str:
    if generation.cost is None:
        return "cost not known yet" if generation.status in {"generating", "downloading"} else "may have been billed"
    return "nothing charged" if generation.cost == 0 else money(generation.cost)


def _notes(generation: Generation) -> str:
    missing = [f"picture {index} is missing: {reason}" for index, reason in generation.missing.items()]
    lines = [*generation.warnings, *missing, *(generation.error or "").splitlines()]
    return "".join(note(item, NOTE_CHARACTERS, FAINT) for item in lines)


MEGABYTE = 1_000_000
COUNTED_BYTES = MEGABYTE // 10
"""Less is uploaded at once, and would be shown as 0.0 MB."""


def job_bundle(job: Job, *, folder: Path | None = None) -> Bundle:
    """Return what a job is doing, and the pictures that have arrived; links are relative to `folder`."""
    if job.over and job.generation is not None:
        return generation_bundle(replace(job.generation, status=job.phase), job.error, folder=folder)
    if job.over and job.error is not None:
        lines = [plain_but_links(line) for line in job.error.lines()]
        return {"text/plain": "\n".join(lines), "text/html": frame(alarm(lines))}
    words = progress(job)
    places = _places(job, folder or working_folder())
    status = f'<div role="status">{badge(job.backend)}{_bar(job)}{text(words)}</div>'
    line_of_files = "<div>&nbsp;</div>" if is_brief(len(places)) else ""
    return {"text/plain": words, "text/html": frame(grid(places) + status + line_of_files)}


SQUARE = (2048, 2048)
"""The shape of a picture for which the service chooses it."""


def _places(job: Job, folder: Path) -> list[Cell]:
    """Return the pictures of a job that have arrived, and placeholders for the others."""
    count = job.expected or job.request.max_pictures
    size = size_for(count)
    prompt = plain(job.request.prompt, ALTERNATIVE_CHARACTERS)
    shape = shape_of(job.request.size) or SQUARE
    places = {index: waiting_cell(shape, size, captioned=count > 1) for index in range(1, count + 1)}
    for picture in job.pictures:
        caption = _file_line(picture, count, folder)
        places[int(picture.mark.rpartition(".")[2])] = cell(
            picture, size, f"{prompt} ({picture.mark})", folder=folder, caption=caption
        )
    return [places[index] for index in sorted(places)]


def progress(job: Job) -> str:
    """Return in one line what a job is doing."""
    if job.phase == "waiting" and job.wait:
        return job.wait
    if job.phase == "uploading" and job.upload_bytes >= COUNTED_BYTES:
        return f"Uploading {job.uploaded_bytes / MEGABYTE:.1f} of {job.upload_bytes / MEGABYTE:.1f} MB"
    if job.phase == "generating" and job.sent is not None:
        return f"Generating… {time.monotonic() - job.sent:.0f} s"
    if job.phase == "downloading":
        return f"Downloading {len(job.pictures)} of {job.expected}"
    words = {
        "preparing": "Preparing…",
        "waiting": "Waiting for a free slot…",
        "uploading": "Uploading…",
        "stopped": "Stopped, not sent.",
    }
    return words.get(job.phase, job.phase.capitalize())


def _bar(job: Job) -> str:
    done = _share(job)
    look = "width:16em;max-width:30%"
    return "" if done is None else f'<progress value="{done}" aria-label="Progress" style="{look}"></progress> '


def _share(job: Job) -> float | None:
    if job.phase == "uploading" and job.upload_bytes:
        return round(job.uploaded_bytes / job.upload_bytes, 3)
    if job.phase == "downloading" and job.expected:
        return round(len(job.pictures) / job.expected, 3)
    return None


ROWS, TILES = 20, 30
"""How many generations a list of the history shows, as text and in pictures."""
COLUMNS = 80
"""How much a terminal shows of a generation without breaking the line."""
PROMPT_CHARACTERS, TITLE_CHARACTERS = 60, 200
"""How much of a prompt stands below a picture of a wall, and how much is shown when somebody points at it."""
MIN_RATIO, MAX_RATIO = 0.6, 3.0
"""A tile of a wall is not narrower or wider: there is room for its caption, and for others beside it."""
SHARPNESS = 1.3
"""Pixels of a preview for each pixel of a wall, whose rows may be stretched."""


def history_bundle(generations: Sequence[Generation], *, folder: Path | None = None) -> Bundle:
    """Return generations, newest first: small pictures in rows of equal height; as text, a line each."""
    if not generations:
        none = getattr(generations, "none", NONE)
        return {"text/plain": none, "text/html": frame(_faint(none))}
    newest, links_from = list(reversed(generations[-TILES:])), folder or working_folder()
    tiles = [_tile(generation, links_from) for generation in newest]
    return {
        "text/plain": "\n".join([*map(_line, newest[:ROWS]), *_rest(len(generations) - ROWS)]),
        "text/html": frame(wall(tiles) + "".join(map(_faint, _rest(len(generations) - TILES)))),
    }


def _rest(more: int) -> list[str]:
    return [f"and {more} more, in sd.history"] if more > 0 else []


def when(generation: Generation) -> str:
    """Return when a generation was requested, in local time."""
    return f"{generation.created.astimezone():%Y-%m-%d %H:%M}"


def _line(generation: Generation) -> str:
    label = f"  ({generation.backend})" if generation.is_free else ""
    start = f"@{generation.id:<4} {plain(generation.status, 12):<8} {len(generation):>2}  "
    return start + _fit(generation.prompt, COLUMNS - len(start) - len(label)) + label


def _fit(words: str, columns: int) -> str:
    """Return a text that fits some columns of a terminal, where a Chinese character takes two."""
    shown = plain(words, columns)
    while sum(2 if east_asian_width(character) in "WF" else 1 for character in shown) > columns:
        shown = shown.removesuffix("…")[:-1].rstrip() + "…"
    return shown


def _tile(generation: Generation, folder: Path) -> Cell:
    """Return a generation as its first picture, or what became of it, with its mark, count and prompt below."""
    first = generation.images[0] if generation.images else None
    ratio = 1.0 if first is None else min(MAX_RATIO, max(MIN_RATIO, first.width / max(first.height, 1)))
    look = f"width:100%;aspect-ratio:{ratio:.4g};border-radius:3px;"
    shown = _placeholder(generation, look) if first is None else _tile_picture(generation, first, ratio, look, folder)
    facts = text(" · ".join([when(generation), generation.status, *details(generation)]))
    return Cell(
        width=round(ratio * WALL_HEIGHT),
        inner=f'<div>{shown}</div><div style="font-size:12px"><div title="{facts}">{_heading(generation)}</div>'
        f'<div style="{ONE_LINE}" title="{text(generation.prompt, TITLE_CHARACTERS)}">'
        f"{isolated(generation.prompt, PROMPT_CHARACTERS)}</div></div>",
    )


def _heading(generation: Generation) -> str:
    """Return the mark, how many pictures there are if there are several, and what is unusual."""
    count = f"×{len(generation)}" if len(generation) > 1 else ""
    state = "" if generation.status == "done" or not generation.images else text(generation.status)
    star = "★" if generation.starred else ""
    words = " ".join(filter(None, [count, star, state]))
    return f"<strong>{text(generation.mark)}</strong> {words} {badge(generation.backend)}"


def _tile_picture(generation: Generation, picture: Picture, ratio: float, look: str, folder: Path) -> str:
    side = round(WALL_HEIGHT * SHARPNESS * max(ratio, 1.0))
    size = PreviewSize(width=round(ratio * WALL_HEIGHT), height=WALL_HEIGHT, side=side)
    shown = image(picture, size, alternative(generation, picture), f"{FITTED};{look}object-fit:contain")
    return f'<a {link(picture.path, folder)} style="color:inherit;text-decoration:none">{shown}</a>'


def _placeholder(generation: Generation, look: str) -> str:
    """Return a box that says what became of a generation without pictures."""
    reason = text((generation.error or "").partition("\n")[0], PROMPT_CHARACTERS)
    box = "background:rgba(128,128,128,.14);box-sizing:border-box;padding:6px 8px;overflow:hidden;font-size:12px"
    return f'<div style="{look}{box}">{text(generation.status)}<div style="{FAINT}">{reason}</div></div>'


def _faint(words: str) -> str:
    return f'<div style="{FAINT}">{text(words)}</div>'


def bundle(value: object, *, folder: Path | None = None) -> Bundle:
    """Return the mime bundle of anything of ours that a notebook can show.

    Args:
        value: a generation, a picture, a job, the history or a part of it.
        folder: the notebook's, which links are relative to; by default the current one.
    """
    if isinstance(value, Generation):
        return generation_bundle(value, folder=folder)
    if isinstance(value, Picture):
        return picture_bundle(value, folder=folder)
    if isinstance(value, Job):
        return job_bundle(value, folder=folder)
    if isinstance(value, History):
        return history_bundle(value[:], folder=folder)
    if isinstance(value, Generations):
        return history_bundle(value, folder=folder)
    return {"text/plain": repr(value)}
