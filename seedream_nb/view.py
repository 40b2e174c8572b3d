"""How a request, a job, a generation, a picture and the history look in a notebook, and as plain text."""

from __future__ import annotations

import base64
import html
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seedream_nb.archive import Generations, History
from seedream_nb.budget import describe
from seedream_nb.errors import plain
from seedream_nb.generation import Generation
from seedream_nb.job import Job
from seedream_nb.picture import Picture
from seedream_nb.preview import preview, side_for
from seedream_nb.wire import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.request import ImageRequest

Bundle = dict[str, Any]

ALTERNATIVE_CHARACTERS = 300
HISTORY_ROWS = 20
HISTORY_SIDE = 96
SHOWN_SIDES = {1024: 640, 640: 420, 512: 280}
"""How large a preview of so many pixels is shown: sharp on fine screens, and the whole result in sight."""
MEGABYTE = 1_000_000

_FAINT = "color:var(--jp-ui-font-color2,#767676)"
_BADGE = (
    '<span style="background:#b45309;color:#fff;border-radius:3px;padding:1px 6px;font-size:11px;'
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


def generation_bundle(generation: Generation) -> Bundle:
    """Return a generation as its previews with captions; as plain text without a picture."""
    side = side_for(len(generation.images))
    figures = [_figure(picture, side, _alternative(generation, picture)) for picture in generation.images]
    return {
        "text/plain": str(generation),
        "text/html": _frame(_row(figures) + _caption(generation) + _notes(generation)),
    }


def picture_bundle(picture: Picture) -> Bundle:
    """Return one picture as its preview."""
    return {"text/plain": repr(picture), "text/html": _frame(_figure(picture, side_for(1), picture.mark))}


def job_bundle(job: Job) -> Bundle:
    """Return what a job is doing, and the pictures that have landed."""
    if job.over and job.generation is not None:
        return generation_bundle(job.generation)
    told = progress(job)
    side = side_for(job.expected or 1)
    figures = [
        _figure(picture, side, f"{plain(job.request.prompt, ALTERNATIVE_CHARACTERS)} ({picture.mark})")
        for picture in job.pictures.values()
    ]
    badge = f" {_BADGE}" if job.backend == "sandbox" else ""
    bar = (
        f'<progress value="{done}" max="1" style="width:16em"></progress> ' if (done := _share(job)) is not None else ""
    )
    line = f'<div role="status">{bar}{html.escape(told)}{badge}</div>'
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
    lines = "".join(f"<div>{html.escape(line)}</div>" for line in told)
    return {
        "text/plain": "\n".join([body, *told]),
        "text/html": _frame(f'<pre style="white-space:pre-wrap">{html.escape(body)}</pre>{lines}'),
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
        "text/html": _frame(f"{empty}<table>{rows}</table>{rest}" if rows else empty),
    }


def when(generation: Generation) -> str:
    """Return when a generation was asked for, on the clock of this machine's place."""
    return f"{generation.created.astimezone():%Y-%m-%d %H:%M}"


def _history_line(generation: Generation) -> str:
    return f"@{generation.id}  {generation.status}  {len(generation)}  {plain(generation.prompt, 80)}"


def _history_row(generation: Generation) -> str:
    first = generation.images[0] if generation.images else None
    thumbnail = _image(first, HISTORY_SIDE, _alternative(generation, first)) if first else ""
    badge = f" {_BADGE}" if generation.backend == "sandbox" else ""
    details = " · ".join(_details(generation))
    return (
        f'<tr><td style="vertical-align:top">{thumbnail}</td><td style="text-align:left;vertical-align:top">'
        f"<strong>@{generation.id}</strong>{badge} {html.escape(plain(generation.prompt, 160))}"
        f'<div style="{_FAINT}">{when(generation)} · {generation.status} · {html.escape(details)}</div></td></tr>'
    )


def _caption(generation: Generation) -> str:
    badge = f"{_BADGE} " if generation.backend == "sandbox" else ""
    count = "1 picture" if len(generation) == 1 else f"{len(generation)} pictures"
    state = "" if generation.status == "done" else f" · {generation.status}"
    origin = f" · from {html.escape(', '.join(generation.sources))}" if generation.sources else ""
    details = html.escape(" · ".join([count, *_details(generation)]))
    return f"<div>{badge}<strong>@{generation.id}</strong> · {details}{state}{origin}</div>"


def _details(generation: Generation) -> list[str]:
    sizes = dict.fromkeys(f"{picture.width}×{picture.height}" for picture in generation.images)
    seconds = [] if generation.seconds is None else [f"{generation.seconds:.1f} s"]
    return [*sizes, *seconds, _cost(generation)]


def _cost(generation: Generation) -> str:
    if generation.cost is None:
        return "may have been billed"
    return "nothing charged" if generation.backend == "sandbox" else f"{generation.cost:.2f} USD"


def _notes(generation: Generation) -> str:
    missing = [f"picture {index} is missing: {reason}" for index, reason in generation.missing.items()]
    told = [*generation.warnings, *missing, *([generation.error] if generation.error else [])]
    return "".join(f'<div style="{_FAINT}">{html.escape(plain(each))}</div>' for each in told)


def _figure(picture: Picture, side: int, alternative: str) -> str:
    opening = f'<a href="{html.escape(_link(picture.path), quote=True)}" target="_blank" rel="noopener">'
    caption = f"{picture.mark} · {opening}{html.escape(_shown_path(picture.path))}</a>"
    return (
        f'<figure style="margin:0 8px 8px 0;display:inline-block">{opening}{_image(picture, side, alternative)}</a>'
        f'<figcaption style="{_FAINT};font-size:12px;overflow-wrap:anywhere">{caption}</figcaption></figure>'
    )


def _image(picture: Picture, side: int, alternative: str) -> str:
    scale = min(1.0, SHOWN_SIDES.get(side, side) / max(picture.width, picture.height))
    width = max(1, round(picture.width * scale))
    alternative = html.escape(alternative, quote=True)
    try:
        data = base64.b64encode(preview(picture.path, side)).decode()
    except (OSError, ValueError):
        return f"<em>{alternative}: the file is not there any more</em>"
    look = f'alt="{alternative}" width="{width}" style="max-width:100%;height:auto"'
    return f'<img src="data:image/jpeg;base64,{data}" {look}>'


def _row(figures: Sequence[str]) -> str:
    return f"<div>{''.join(figures)}</div>" if figures else ""


def _frame(inner: str) -> str:
    return f'<div style="font-family:var(--jp-ui-font-family,sans-serif);font-size:13px;line-height:1.5">{inner}</div>'


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
