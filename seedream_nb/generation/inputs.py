"""What went into a generation: its references by the numbers of the prompt, and the earlier results among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seedream_nb.errors import plain, shortened
from seedream_nb.prompt.wording import worded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seedream_nb.picture import Picture
    from seedream_nb.request import ImageRequest, Reference

NAME_CHARACTERS, MOST_READ = 48, 2000
_MARK = re.compile(r"(@[0-9]{1,15})(?:\.[0-9]{1,4})?(?=\s|$)")


def called(request: ImageRequest) -> list[str]:
    """Return what the prompt calls each of its references: "image 1", in a Chinese one "图1"."""
    # By the rule for what a template becomes; a person may have numbered them in other words.
    around = "图" if re.search("图 ?[0-9]", request.prompt) else request.prompt
    return [worded((around, (number,)))[len(around) :] for number in range(1, len(request.images) + 1)]


def written(reference: Reference, limit: int = NAME_CHARACTERS) -> str:
    """Return what a person wrote for a reference, shortened in the middle: a path ends with what tells most."""
    if reference.url:
        return shortened(reference.url, limit)
    name = plain(reference.name, MOST_READ)
    head, tail = limit // 3, limit - limit // 3 - 1
    return name if len(name) <= limit else f"{name[:head]}…{name[-tail:]}"


def inputs_line(request: ImageRequest) -> str:
    """Return the references in one line, nothing where there are none: `image 1: photo.jpg · image 2: @2.1`."""
    each = zip(called(request), request.images, strict=True)
    return " · ".join(f"{number}: {written(reference)}" for number, reference in each)


def lineage(references: Sequence[Reference], results: Iterable[Picture]) -> list[str]:
    """Return the marks of the earlier results that references are, by content, however they were handed over.

    Args:
        references: those of a request.
        results: the pictures of the history, the newest first: of several with one content the newest counts,
            unless another was named.
    """
    marks: dict[str, list[str]] = {}
    for picture in results:
        marks.setdefault(picture.sha256, []).append(picture.mark)
    found = [_mark_of(each, marks.get(str(each.original or each.sha256), [])) for each in references]
    return list(dict.fromkeys(filter(None, found)))


def origins(sources: Iterable[str]) -> list[str]:
    """Return sources as a caption tells them: the one picture of a generation, or the generation for several."""
    marks: dict[str, list[str]] = {}
    for each in sources:
        if match := _MARK.match(each):
            marks.setdefault(match[1], []).append(match[0])
    return [found[0] if len(set(found)) == 1 else generation for generation, found in marks.items()]


def _mark_of(reference: Reference, marks: Sequence[str]) -> str | None:
    """Return the mark of a reference among those of its content, the one that was named before all others."""
    match = _MARK.match(reference.name)
    named = [match[0]] if match else []
    fitting = [mark for mark in marks if named and f"{mark}.".startswith(f"{named[0]}.")]
    return next(iter([*fitting, *marks, *named]), None)
