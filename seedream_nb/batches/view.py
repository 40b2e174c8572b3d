"""How a batch is shown: a table of small previews with labels as headings, or rows of text."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from seedream_nb.batches.plan import counted, duration
from seedream_nb.errors import money, plain, plain_but_links
from seedream_nb.files import working_folder
from seedream_nb.preview import PreviewSize, size_for
from seedream_nb.sizes import shape_of
from seedream_nb.view import SQUARE, alternative, progress
from seedream_nb.view.markup import (
    FAINT,
    NARROWEST,
    Bundle,
    Cell,
    alone,
    badge,
    cell,
    frame,
    grid,
    isolated,
    line,
    shown_path,
    table,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seedream_nb.batches.batch import Batch
    from seedream_nb.batches.member import Member
    from seedream_nb.batches.plan import Asked, Estimate

MAX_SHOWN, MAX_COLUMNS, MAX_ROWS = 60, 8, 60
"""How many are shown, the rest is counted; how many columns a table may have; how many rows a terminal shows."""
MANY_SHOWN = PreviewSize(width=200, height=200, side=320)
"""Of more than a few: sixty of them stay below 2.1 MB in a notebook."""
MAX_MANY = 15
MESSAGE_BYTES = 150_000
"""Of the previews in one message to the page while the table grows."""
BYTES_A_PIXEL = 0.25 * 4 / 3
"""The most that a preview takes, in base64."""
MAX_REASONS, MAX_LABEL, MAX_REASON = 5, 60, 300
MAX_PICTURES_ALONE, MAX_PLANNED = 15, 10


def batch_bundle(batch: Batch, *, folder: Path | None = None, growing: bool = False) -> Bundle:
    """Return a batch as it is now; links are relative to `folder`, the notebook's, or the current one.

    While it is `growing` its previews are small, since each change sends all of them to the page.
    """
    folder = folder or working_folder()
    shown = batch.members[:MAX_SHOWN]
    size = _size(len(shown), growing=growing)
    more = _more(batch, len(shown))
    lines = [*map(plain_but_links, [*_reasons(batch), *batch.notes])]
    body = _table(shown, size, folder) + (line(more, look=FAINT) if more else "")
    bundle = {
        "text/plain": "\n".join([head(batch), *_rows(batch, folder), *lines]),
        "text/html": frame(_head_html(batch) + body + "".join(line(each, MAX_REASON, FAINT) for each in lines)),
    }
    if growing:
        return bundle
    pictures = [each.generation.images[0] for each in shown if each.generation is not None and each.generation.images]
    return {**bundle, **alone(pictures[:MAX_PICTURES_ALONE])}


def _size(count: int, *, growing: bool) -> PreviewSize:
    final = size_for(count) if count <= MAX_MANY else MANY_SHOWN
    side = int(math.sqrt(MESSAGE_BYTES / (max(1, count) * BYTES_A_PIXEL))) if growing else final.side
    return PreviewSize(width=final.width, height=final.height, side=min(side, final.side))


def plan_bundle(what: Asked, estimate: Estimate, *, refusal: Sequence[str] = ()) -> Bundle:
    """Return what a batch would send, and what it would cost, for `--dry-run`: its first requests, and the estimate."""
    lines = [f"Not sent. Estimate: {estimate.lines()[0]}.", *estimate.lines()[1:], *what.warnings, *refusal]
    shown = list(zip(what.points, what.requests, strict=True))[:MAX_PLANNED]
    requests = [
        f"{point.name or 'Each'}: {plain(request.prompt, MAX_REASON)} · {request.size}"
        + (f" · {counted(len(request.images), 'reference')}" if request.images else "")
        for point, request in shown
    ]
    more = len(what.points) - len(shown)
    requests += [f"and {more} more"] if more > 0 else []
    return {
        "text/plain": "\n".join([*requests, *map(plain_but_links, lines)]),
        "text/html": frame("".join(map(line, requests)) + "".join(line(each, look=FAINT) for each in lines)),
    }


# -- the line above the table --------------------------------------------------------------------------


def head(batch: Batch) -> str:
    """Return how far a batch is in one line."""
    facts = [f"{batch.here} of {len(batch)} here", *_others(batch), *_money(batch), *_time(batch)]
    return " · ".join(facts)


def _others(batch: Batch) -> list[str]:
    kinds = Counter(member.status for member in batch.members)
    flying = kinds["uploading"] + kinds["generating"] + kinds["downloading"]
    waiting = len(batch) - batch.here - flying - kinds["failed"] - kinds["stopped"] - kinds["unknown"]
    pairs = [
        (flying, "in flight"), (waiting, "waiting"), (kinds["failed"], "failed"), (kinds["stopped"], "not sent"),
        (kinds["unknown"], "may have been billed"),
    ]  # fmt: skip
    return [f"{number} {words}" for number, words in pairs if number]


def _money(batch: Batch) -> list[str]:
    if batch.is_free:
        return ["nothing charged"]
    return [f"{money(batch.spent)} spent"]


def _time(batch: Batch) -> list[str]:
    if batch.over:
        return []
    done = sum(job.over and job.first_sent is not None for job in batch.jobs)
    left = sum(not job.over for job in batch.jobs)
    if not done:
        return [duration(batch.estimate.seconds)]
    return [f"{duration((time.monotonic() - batch.started) / done * left)} to go"]


def _head_html(batch: Batch) -> str:
    bar = ""
    if not batch.over:
        share = sum(member.is_over for member in batch.members) / max(1, len(batch))
        bar = f'<progress value="{share:.3f}" aria-label="Progress" style="width:16em;max-width:100%"></progress> '
    label = badge(batch.backend)
    begun = line(batch.estimate.lines()[0], look=FAINT) if not batch.over else ""
    return f'<div role="status" style="margin-bottom:6px">{label}{bar}<strong>{text(head(batch))}</strong></div>{begun}'


def _more(batch: Batch, shown: int) -> str:
    left = batch.members[shown:]
    if not left:
        return ""
    kinds = Counter(member.status for member in left)
    told = ", ".join(f"{number} {status}" for status, number in kinds.most_common())
    return f"and {len(left)} more ({told}): batch[{shown}] is the next"


def _reasons(batch: Batch) -> list[str]:
    """Return what went wrong, with the labels of those concerned; the same reason is told once."""
    by_reason: dict[str, list[Member]] = {}
    for member in batch.members:
        if member.error is not None and member.is_over:
            by_reason.setdefault(member.error.message.splitlines()[0], []).append(member)
    told = [f"{_whose(members)}: {reason}" for reason, members in by_reason.items()]
    more = len(told) - MAX_REASONS
    return [*told[:MAX_REASONS], *([f"and {counted(more, 'other reason')}"] if more > 0 else [])]


def _whose(members: Sequence[Member]) -> str:
    names = [name for member in members[:3] if (name := label_of(member))]
    more = len(members) - len(names)
    if not names:
        return counted(len(members), "request")
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def label_of(member: Member) -> str:
    """Return the labels of a member as one text."""
    return " · ".join(plain(label, MAX_LABEL) for label in member.labels)


# -- as a table of previews ----------------------------------------------------------------------------


def _table(members: Sequence[Member], size: PreviewSize, folder: Path) -> str:
    columns = list(dict.fromkeys(member.labels[-1] for member in members if member.labels))
    is_crossed = bool(members) and len(members[0].labels) > 1 and len(columns) <= MAX_COLUMNS
    if not is_crossed:
        return grid([_cell(member, size, folder, label_of(member)) for member in members])
    rows: dict[str, dict[str, Cell]] = {}
    for member in members:
        name = " · ".join(member.labels[:-1])
        rows.setdefault(name, {})[member.labels[-1]] = _cell(member, size, folder, "")
    cells = [(name, [by_column.get(column) for column in columns]) for name, by_column in rows.items()]
    return table(columns, cells)


def _cell(member: Member, size: PreviewSize, folder: Path, label: str) -> Cell:
    made = member.generation
    heading = f"<strong>{isolated(label, MAX_LABEL)}</strong> " if label else ""
    if made is None or not made.images:
        return _empty(member, size, heading)
    more = f" +{len(made) - 1}" if len(made) > 1 else ""
    state = "" if member.status in {"done", "partial"} else f" · {member.status}"
    caption = f'{heading}<span style="{FAINT}">{text(made.mark + more + state)}</span>'
    alt = alternative(made, made.images[0])
    return cell(made.images[0], size, f"{label}: {alt}" if label else alt, folder=folder, caption=caption)


def _empty(member: Member, size: PreviewSize, heading: str) -> Cell:
    """Return what became of one without a picture, in a place as large as the picture would take."""
    request = member.job.request if member.job is not None else member.made.request if member.made is not None else None
    shape = (shape_of(request.size) if request is not None else None) or SQUARE
    width, _ = size.shown(*shape)
    look = (
        f"width:{width}px;max-width:100%;aspect-ratio:{shape[0]}/{shape[1]};border-radius:3px;box-sizing:border-box;"
        "background:rgba(128,128,128,.14);padding:8px;font-size:12px;overflow:hidden"
    )
    return Cell(
        width=max(width, NARROWEST),
        inner=f'<div style="{look}">{text(_state(member), MAX_REASON)}</div>'
        f'<div style="font-size:12px">{heading or "&nbsp;"}</div>',
    )


def _state(member: Member) -> str:
    """Return in a few words where a member is, or what became of it."""
    if member.error is not None and member.is_over:
        words = {"failed": "failed", "stopped": "not sent", "unknown": "may have been billed"}
        return f"{words.get(member.status, member.status)}: {member.error.message.splitlines()[0]}"
    job = member.job
    if job is None or not job.has_begun:
        return "waiting"
    return progress(job) if not job.over else member.status


# -- as text -------------------------------------------------------------------------------------------


def _rows(batch: Batch, folder: Path) -> list[str]:
    shown = batch.members[:MAX_ROWS]
    labels = [label_of(member) or str(number) for number, member in enumerate(shown, 1)]
    width = max(map(len, labels), default=0)
    rows = [f"  {label:<{width}}  {_row(member, folder)}" for label, member in zip(labels, shown, strict=True)]
    more = _more(batch, len(shown))
    return [*rows, *([f"  {more}"] if more else [])]


def _row(member: Member, folder: Path) -> str:
    made = member.generation
    if made is None or not made.images:
        return plain(_state(member), MAX_REASON)
    more = f" +{len(made) - 1}" if len(made) > 1 else ""
    return f"{made.mark}{more}  {shown_path(made.images[0].path, folder)}"
