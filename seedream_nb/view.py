"""How a request, a job, a generation, a picture and the history look in a notebook, and as plain text."""

from __future__ import annotations

import base64
import html
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seedream_nb.archive import Generations, History
from seedream_nb.budget import describe, money
from seedream_nb.errors import MOST_CHARACTERS, plain
from seedream_nb.generation import NOTE_CHARACTERS, Generation
from seedream_nb.job import Job
from seedream_nb.picture import Picture
from seedream_nb.preview import preview, side_for
from seedream_nb.wire import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.errors import SeedreamError
    from seedream_nb.request import ImageRequest

Bundle = dict[str, Any]

ALTERNATIVE_CHARACTERS = 300
HISTORY_ROWS = 20
HISTORY_SIDE = 96
SHOWN_SIDES = {1024: 640, 640: 420, 512: 280}
"""How large a preview of so many pixels is shown: sharp on fine screens, and the whole result in sight."""
NARROWEST = 160
"""Pixels that a caption needs below a picture that is narrower."""
MEGABYTE = 1_000_000

# Shades of the text's own colour are readable on every theme; colours of ours would not be.
_FAINT = "opacity:.75"
_WRAPS = "overflow-wrap:anywhere"
_BADGE = (
    '<span style="background:#b45309;color:#ffffff;border-radius:3px;padding:1px 6px;font-size:11px;'
    'letter-spacing:.04em" title="made by the imitation of the service; not by Seedream">sandbox</span>'
)


def bundle(value: object) -> Bundle:
    """Return the mime bundle of anything of ours that a notebook can show."""
    if isinstance(value, Generation):
        return generation_bundle(value)
    if isinstance(value, Picture):
        return picture_bundle(value)
    if isinstance(value, Job):
        return job_bundle(value)
    if isinstance(value, History):
        return history_bundle(value[:])
    if isinstance(value, Generations):
        return history_bundle(value)
    return {"text/plain": repr(value)}


def generation_bundle(generation: Generation, error: SeedreamError | None = None) -> Bundle:
    """Return a generation as its previews with captions; `error` is what its job ended with, in place of its own."""
    side = side_for(len(generation.images))
    figures = [_figure(picture, side, _alternative(generation, picture)) for picture in generation.images]
    told = [] if error is None else [plain(line) for line in error.lines()]
    shown = generation if error is None else replace(generation, error=None)
    return {
        "text/plain": "\n".join([str(shown), *told]),
        "text/html": _frame(_row(figures) + _caption(shown) + _notes(shown) + _alarm(told)),
    }


def picture_bundle(picture: Picture) -> Bundle:
    """Return one picture as its preview."""
    label = " (sandbox)" if picture.backend == "sandbox" else ""
    shown = _figure(picture, side_for(1), picture.mark + label, _badge(picture.backend))
    return {"text/plain": repr(picture), "text/html": _frame(shown)}


def job_bundle(job: Job) -> Bundle:
    """Return what a job is doing, and the pictures that have landed."""
    if job.over and job.generation is not None:
        return generation_bundle(replace(job.generation, status=job.phase), job.error)
    if job.over and job.error is not None:
        lines = [plain(line) for line in job.error.lines()]
        return {"text/plain": "\n".join(lines), "text/html": _frame(_alarm(lines))}
    told = progress(job)
    side = side_for(job.expected or 1)
    figures = [
        _figure(picture, side, f"{plain(job.request.prompt, ALTERNATIVE_CHARACTERS)} ({picture.mark})")
        for picture in job.pictures
    ]
    done = _share(job)
    bar = "" if done is None else f'<progress value="{done}" style="width:16em;max-width:100%"></progress> '
    line = f'<div role="status">{_badge(job.backend)}{bar}{_text(told)}</div>'
    return {"text/plain": told, "text/html": _frame(line + _row(figures))}


def progress(job: Job) -> str:
    """Return what a job is doing, in one line."""
    if job.phase == "uploading":
        return f"Uploading {job.uploaded_bytes / MEGABYTE:.1f} of {job.upload_bytes / MEGABYTE:.1f} MB"
    if job.phase == "generating" and job.sent is not None:
        return f"Generating… {time.monotonic() - job.sent:.0f} s"
    if job.phase == "downloading":
        return f"Downloading {len(job.pictures)} of {job.expected}"
    words = {
        "preparing": "Preparing…",
        "waiting": "Waiting for a free place…",
        "stopped": "Stopped, not sent.",
    }
    return words.get(job.phase, job.phase.capitalize())


def request_bundle(request: ImageRequest, price: float, backend: str) -> Bundle:
    """Return what would be sent, and what it would cost: what `--dry-run` shows."""
    pictures = [reference.url or reference.name for reference in request.images]
    body = json.dumps(fields(request, pictures), ensure_ascii=False, indent=2)
    charge = "; in the sandbox nothing is charged" if backend == "sandbox" else ""
    told = [f"Not sent. Estimate: {describe(request, price)}{charge}.", *request.warnings]
    lines = "".join(f"<div>{_text(line)}</div>" for line in told)
    return {
        "text/plain": "\n".join([body, *told]),
        "text/html": _frame(
            f'<pre style="white-space:pre-wrap;word-break:normal;{_WRAPS}">{html.escape(body)}</pre>{lines}'
        ),
    }


def history_bundle(generations: Sequence[Generation]) -> Bundle:
    """Return generations as a table, the newest first."""
    newest = list(reversed(generations[-HISTORY_ROWS:]))
    rows = "".join(_history_row(each) for each in newest)
    more = len(generations) - HISTORY_ROWS
    rest = f'<div style="{_FAINT}">and {more} more, in sd.history</div>' if more > 0 else ""
    empty = "" if newest else f'<div style="{_FAINT}">No pictures yet.</div>'
    return {
        "text/plain": "\n".join(_history_line(each) for each in newest) or "No pictures yet.",
        "text/html": _frame(f'{empty}<div role="list">{rows}</div>{rest}' if rows else empty),
    }


def when(generation: Generation) -> str:
    """Return when a generation was asked for, on the clock of this machine's place."""
    return f"{generation.created.astimezone():%Y-%m-%d %H:%M}"


def _history_line(generation: Generation) -> str:
    label = "  (sandbox)" if generation.backend == "sandbox" else ""
    return f"@{generation.id}  {plain(generation.status)}  {len(generation)}  {plain(generation.prompt, 80)}{label}"


def _history_row(generation: Generation) -> str:
    first = generation.images[0] if generation.images else None
    thumbnail = _image(first, HISTORY_SIDE, _alternative(generation, first)) if first else ""
    details = " · ".join([when(generation), generation.status, *_details(generation)])
    return (
        '<div role="listitem" style="display:flex;gap:12px;padding:4px 0">'
        f'<div style="flex:0 0 {HISTORY_SIDE}px;text-align:center">{thumbnail}</div>'
        f'<div style="min-width:0;{_WRAPS}">{_badge(generation.backend)}<strong>{_text(generation.mark)}</strong> '
        f'{_text(generation.prompt, 160)}<div style="{_FAINT}">{_text(details)}</div></div></div>'
    )


def _caption(generation: Generation) -> str:
    state = [] if generation.status == "done" else [generation.status]
    origin = [f"from {', '.join(generation.sources)}"] if generation.sources else []
    details = " · ".join([*state, *_details(generation), *origin])
    return f"<div>{_badge(generation.backend)}<strong>{_text(generation.mark)}</strong> · {_text(details)}</div>"


def _details(generation: Generation) -> list[str]:
    count = [f"{len(generation)} picture{'s' * (len(generation) != 1)}"] if generation.images else []
    sizes = dict.fromkeys(f"{picture.width}×{picture.height}" for picture in generation.images)
    seconds = [] if generation.seconds is None else [f"{generation.seconds:.1f} s"]
    return [*count, *sizes, *seconds, _cost(generation)]


def _cost(generation: Generation) -> str:
    if generation.cost is None:
        return "may have been billed"
    return "nothing charged" if generation.cost == 0 else money(generation.cost)


def _notes(generation: Generation) -> str:
    missing = [f"picture {index} is missing: {reason}" for index, reason in generation.missing.items()]
    told = [*generation.warnings, *missing, *(generation.error or "").splitlines()]
    return "".join(f'<div style="{_FAINT}">{_text(each, NOTE_CHARACTERS)}</div>' for each in told)


def _alarm(lines: Sequence[str]) -> str:
    """Return what went wrong, a line each, the first one bold."""
    if not lines:
        return ""
    first, *rest = (_text(line) for line in lines)
    return f'<div role="alert"><strong>{first}</strong>{"".join(f"<div>{line}</div>" for line in rest)}</div>'


def _figure(picture: Picture, side: int, alternative: str, badge: str = "") -> str:
    link = f'href="{html.escape(_link(picture.path))}" target="_blank" rel="noopener"'
    image = f'<a {link} style="color:inherit;text-decoration:none">{_image(picture, side, alternative)}</a>'
    path = f'<a {link} style="color:inherit;text-decoration:underline">{_text(_shown_path(picture.path))}</a>'
    caption = f'{badge}<span style="{_FAINT}">{_text(picture.mark)} · {path}</span>'
    return (
        f'<figure style="margin:0;width:{max(_shown_width(picture, side), NARROWEST)}px;max-width:100%">'
        f'{image}<figcaption style="font-size:12px">{caption}</figcaption></figure>'
    )


def _image(picture: Picture, side: int, alternative: str) -> str:
    try:
        data = base64.b64encode(preview(picture.path, side)).decode()
    except FileNotFoundError:
        return f"<em>{_text(alternative)}: the file is not there any more</em>"
    except (OSError, ValueError):
        return f"<em>{_text(alternative)}: the file can’t be read</em>"
    look = f'alt="{_text(alternative)}" width="{_shown_width(picture, side)}" style="max-width:100%;height:auto"'
    return f'<img src="data:image/jpeg;base64,{data}" {look}>'


def _shown_width(picture: Picture, side: int) -> int:
    scale = min(1.0, SHOWN_SIDES.get(side, side) / max(picture.width, picture.height))
    return max(1, round(picture.width * scale))


def _row(figures: Sequence[str]) -> str:
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:8px;margin-bottom:4px">{"".join(figures)}</div>'
        if figures
        else ""
    )


def _frame(inner: str) -> str:
    look = f"font-family:var(--jp-ui-font-family,sans-serif);font-size:13px;line-height:1.5;{_WRAPS}"
    return f'<div style="{look}">{inner}</div>'


def _badge(backend: str) -> str:
    return f"{_BADGE} " if backend == "sandbox" else ""


def _text(written: str, limit: int = MOST_CHARACTERS) -> str:
    """Return what somebody wrote as one line of HTML text; within the quotes of an attribute it is harmless too."""
    return html.escape(plain(written, limit))


def _alternative(generation: Generation, picture: Picture) -> str:
    prompt = plain(generation.prompt, ALTERNATIVE_CHARACTERS)
    which = f" ({picture.mark})" if len(generation) == 1 else f" ({picture.mark}, one of {len(generation)})"
    label = " (sandbox)" if generation.backend == "sandbox" else ""
    return prompt + which + label


def _share(job: Job) -> float | None:
    if job.phase == "uploading" and job.upload_bytes:
        return round(job.uploaded_bytes / job.upload_bytes, 3)
    if job.phase == "downloading" and job.expected:
        return round(len(job.pictures) / job.expected, 3)
    return None


def _shown_path(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _link(path: Path) -> str:
    # Jupyter resolves a relative link against the notebook's folder, which is where the kernel runs.
    return quote(Path(os.path.relpath(path)).as_posix()) if path.is_relative_to(Path.cwd()) else path.as_uri()
