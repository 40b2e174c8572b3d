"""How a generation and a picture look: what a cell is left with, and what a notebook keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seedream_nb.budget import money
from seedream_nb.errors import plain, plain_but_links
from seedream_nb.files import working_folder
from seedream_nb.generation import NOTE_CHARACTERS, origins
from seedream_nb.preview import side_for
from seedream_nb.view.markup import FAINT, Bundle, alarm, badge, frame, grid, line, note, text
from seedream_nb.view.pictures import alone, cell, shown_path
from seedream_nb.view.references import sent_references

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.errors import SeedreamError
    from seedream_nb.generation import Generation
    from seedream_nb.picture import Picture

ALTERNATIVE_CHARACTERS = 300
MOST_WITH_PATHS = 4


def generation_bundle(
    generation: Generation, error: SeedreamError | None = None, *, folder: Path | None = None
) -> Bundle:
    """Return a generation as its previews with captions, and what went in.

    Args:
        generation: what is shown.
        error: what its job ended with, in place of its own.
        folder: the notebook's, from which links lead; without it, the current one.
    """
    folder = folder or working_folder()
    side = side_for(len(generation.images))
    brief = is_brief(len(generation.images))
    cells = [
        cell(picture, side, alternative(generation, picture), folder=folder, brief=brief)
        for picture in generation.images
    ]
    told = [] if error is None else [plain_but_links(each) for each in error.lines()]
    shown = generation if error is None else replace(generation, error=None)
    return {
        "text/plain": "\n".join([str(shown), *told]),
        "text/html": frame(
            grid(cells) + _caption(shown, folder) + sent_references(shown.request, folder) + _notes(shown) + alarm(told)
        ),
        **alone(generation.images),
    }


def picture_bundle(picture: Picture, *, folder: Path | None = None) -> Bundle:
    """Return one picture as its preview; links lead from `folder`, the notebook's, or the current one."""
    label = f" ({picture.backend})" if picture.is_free else ""
    shown = cell(picture, side_for(1), picture.mark + label, badge(picture.backend), folder=folder or working_folder())
    return {"text/plain": repr(picture), "text/html": frame(grid([shown])), **alone([picture])}


def alternative(generation: Generation, picture: Picture) -> str:
    """Return what stands for a picture where it can't be seen: its prompt, and which of how many it is."""
    prompt = plain(generation.prompt, ALTERNATIVE_CHARACTERS)
    which = f" ({picture.mark})" if len(generation) == 1 else f" ({picture.mark}, one of {len(generation)})"
    label = f" ({generation.backend})" if generation.is_free else ""
    return prompt + which + label


def details(generation: Generation) -> list[str]:
    """Return how many pictures, of what sizes, in how many seconds, at what cost."""
    count = [f"{len(generation)} picture{'s' * (len(generation) != 1)}"] if generation.images else []
    sizes = dict.fromkeys(f"{picture.width}×{picture.height}" for picture in generation.images)
    seconds = [] if generation.seconds is None else [f"{generation.seconds:.1f} s"]
    return [*count, *sizes, *seconds, _cost(generation)]


def _caption(generation: Generation, folder: Path) -> str:
    state = [] if generation.status == "done" else [generation.status]
    begun = origins(generation.sources)
    lineage = [f"from {', '.join(begun)}"] if begun else []
    told = " · ".join([*state, *details(generation), *lineage])
    first = f"<div>{badge(generation.backend)}<strong>{text(generation.mark)}</strong> · {text(told)}</div>"
    if not is_brief(len(generation.images)):
        return first
    begin, end = shown_path(generation.images[0].path, folder), generation.images[-1].path.name
    return first + line(f"{begin} to {end}", look=FAINT)


def is_brief(pictures: int) -> bool:
    """Return whether so many pictures share one line that tells their files: each path below each would be noise."""
    return pictures > MOST_WITH_PATHS


def _cost(generation: Generation) -> str:
    if generation.cost is None:
        return "cost not known yet" if generation.status in {"generating", "downloading"} else "may have been billed"
    return "nothing charged" if generation.cost == 0 else money(generation.cost)


def _notes(generation: Generation) -> str:
    missing = [f"picture {index} is missing: {reason}" for index, reason in generation.missing.items()]
    told = [*generation.warnings, *missing, *(generation.error or "").splitlines()]
    return "".join(note(each, NOTE_CHARACTERS, FAINT) for each in told)
