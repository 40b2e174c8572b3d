"""How a job looks: what it is doing, the pictures that have landed, and at last what came of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from seedream_nb.errors import plain, plain_but_links
from seedream_nb.files import working_folder
from seedream_nb.preview import side_for
from seedream_nb.view.markup import Bundle, alarm, badge, frame, grid, text
from seedream_nb.view.pictures import cell
from seedream_nb.view.results import ALTERNATIVE_CHARACTERS, generation_bundle, is_brief

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.job import Job

MEGABYTE = 1_000_000
COUNTED_BYTES = MEGABYTE // 10
"""Less is uploaded at once, and would read as 0.0 MB."""


def job_bundle(job: Job, *, folder: Path | None = None) -> Bundle:
    """Return what a job is doing, and the pictures that have landed; links lead from `folder`, or the current one."""
    if job.over and job.generation is not None:
        return generation_bundle(replace(job.generation, status=job.phase), job.error, folder=folder)
    if job.over and job.error is not None:
        lines = [plain_but_links(line) for line in job.error.lines()]
        return {"text/plain": "\n".join(lines), "text/html": frame(alarm(lines))}
    told = progress(job)
    side = side_for(job.expected or 1)
    prompt = plain(job.request.prompt, ALTERNATIVE_CHARACTERS)
    brief = is_brief(job.expected or 1)
    place = folder or working_folder()
    cells = [cell(picture, side, f"{prompt} ({picture.mark})", folder=place, brief=brief) for picture in job.pictures]
    status = f'<div role="status">{badge(job.backend)}{_bar(job)}{text(told)}</div>'
    return {"text/plain": told, "text/html": frame(status + grid(cells))}


def progress(job: Job) -> str:
    """Return what a job is doing, in one line."""
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
        "waiting": "Waiting for a free place…",
        "uploading": "Uploading…",
        "stopped": "Stopped, not sent.",
    }
    return words.get(job.phase, job.phase.capitalize())


def _bar(job: Job) -> str:
    done = _share(job)
    look = "width:16em;max-width:100%"
    return "" if done is None else f'<progress value="{done}" aria-label="Progress" style="{look}"></progress> '


def _share(job: Job) -> float | None:
    if job.phase == "uploading" and job.upload_bytes:
        return round(job.uploaded_bytes / job.upload_bytes, 3)
    if job.phase == "downloading" and job.expected:
        return round(len(job.pictures) / job.expected, 3)
    return None
