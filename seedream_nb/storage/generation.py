"""A generation: one request and what came of it, read from the journal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol, overload

from seedream_nb.errors import MAX_CHARACTERS, SeedreamError, plain, plain_but_links, shorten
from seedream_nb.frozen import frozen
from seedream_nb.options import with_options
from seedream_nb.pickling import picklable_fields
from seedream_nb.service import is_free
from seedream_nb.storage.picture import Picture, bundle_of, made_folder
from seedream_nb.wording import worded

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Unpack

    from seedream_nb.options import RequestOptions
    from seedream_nb.request import ImageRequest, Reference

__all__ = ["NOTE_CHARACTERS", "Generation", "Verbs", "called", "inputs_line", "lineage", "origins", "written"]

NAME_CHARACTERS, MAX_READ = 48, 2000
_MARK = re.compile(r"(@[0-9]{1,15})(?:\.[0-9]{1,4})?(?=\s|$)")


def called(request: ImageRequest) -> list[str]:
    """Return what the prompt calls each of its references: "image 1", in a Chinese one "图1"."""
    # By the rule for what a template becomes; a person may have numbered them in other words.
    around = "图" if re.search("图 ?[0-9]", request.prompt) else request.prompt
    return [worded((around, (number,)))[len(around) :] for number in range(1, len(request.images) + 1)]


def written(reference: Reference, limit: int = NAME_CHARACTERS) -> str:
    """Return what a person wrote for a reference, shortened in the middle: a path ends with what tells most."""
    if reference.url:
        return shorten(reference.url, limit)
    name = plain(reference.name, MAX_READ)
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


NOTE_CHARACTERS = 2000
"""Of a note; the links in it stay whole."""


class Verbs(Protocol):
    """What a generation asks of the session that it was read in."""

    def edit(self, generation: Generation, prompt: str, options: Mapping[str, Any]) -> Generation:
        """Generate with the generation's pictures as references."""

    def rerun(self, request: ImageRequest, changes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a job, of a room above
        """Ask the same again, but for the changes; returns a job."""

    def bundle(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a picture, a generation or the history
        """Return the mime bundle of the value."""


@frozen
class Generation(Sequence[Picture]):
    """One request and its pictures; `len`, indexing and iteration give the pictures.

    `prompt` is the text as sent, `template` as written; `seconds` is how long it took; `cost` in USD, None
    where it can't be known; `status` is `done`, `partial`, `failed`, `stopped`, `unknown`, or while it runs
    `generating` or `downloading`; `missing` tells by number (from 1) why a picture is not here.
    """

    id: int
    prompt: str
    template: str
    request: ImageRequest
    images: list[Picture]
    created: datetime
    seconds: float | None
    cost: float | None
    backend: str
    host: str
    status: str
    warnings: list[str]
    error: str | None
    links: list[str] = field(repr=False)
    missing: dict[int, str]
    sources: list[str]
    notebook: str | None
    starred: bool = False
    verbs: Verbs | None = field(default=None, repr=False, compare=False)

    @property
    def is_free(self) -> bool:
        """Whether nothing was charged for it: an imitation did it."""
        return is_free(self.backend)

    @property
    def mark(self) -> str:
        """How to refer to all its pictures: `@3`."""
        return f"@{self.id}"

    def __len__(self) -> int:
        """Return how many pictures are here."""
        return len(self.images)

    def __iter__(self) -> Iterator[Picture]:
        """Give its pictures in their order."""
        return iter(self.images)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        """Return a picture by its place, counted from 0 as in any list."""
        return self.images[index]

    def __bool__(self) -> bool:
        """A generation is something, even without a picture."""
        return True

    def __hash__(self) -> int:
        """Equal generations have equal ids."""
        return hash((self.id, self.created))

    @with_options
    def edit(self, prompt: str, **options: Unpack[RequestOptions]) -> Generation:
        """Generate with these pictures as references; raises what `sd.generate` raises."""
        return self._asked().edit(self, prompt, options)

    @with_options
    def rerun(self, *, prompt: str | None = None, **changes: Unpack[RequestOptions]) -> Generation:
        """Ask the same again, but for the changes; the service makes new pictures, and they cost again."""
        told = changes if prompt is None else {**changes, "prompt": prompt}
        made: Generation = self._asked().rerun(self.request, told).result()
        return made

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Copy the full-size files into a folder, made if need be; returns where they are, or raises SeedreamError."""
        place = made_folder(self.mark, folder)
        return [picture.save(place) for picture in self.images]

    def _asked(self) -> Verbs:
        if self.verbs is None:
            raise SeedreamError(
                f"{self.mark} was read without a session, so nothing can be sent from it.",
                hint="Take it from sd.history instead.",
            )
        return self.verbs

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session behind: a pickle is the record and the paths."""
        return picklable_fields(self.__dict__)

    def __repr__(self) -> str:
        """Tell the outcome in one line; touches no disk."""
        return f"<Generation {_outcome(self)}: {plain(self.prompt, 60)}>"

    def __str__(self) -> str:
        """Tell outcome, files, references, warnings and what went wrong, a line each."""
        files = [f"{picture.mark}  {shorten(str(picture.path), MAX_CHARACTERS)}" for picture in self.images]
        missing = [f"{self.mark}.{index}  missing: {plain(why)}" for index, why in self.missing.items()]
        notes = [plain_but_links(each, NOTE_CHARACTERS) for each in [*self.warnings, *(self.error or "").splitlines()]]
        inputs = filter(None, [inputs_line(self.request)])
        return "\n".join([_outcome(self), *files, *missing, *inputs, *notes])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the pictures in a notebook; without a session, as plain text."""
        return bundle_of(self, self.verbs)


def _outcome(generation: Generation) -> str:
    """Tell status, mark, pictures, size, seconds and cost in one line."""
    count = len(generation.images)
    sizes = dict.fromkeys(f"{picture.width}x{picture.height}" for picture in generation.images)
    told = [
        generation.status,
        f"{count} picture{'s' * (count != 1)}{' ' * bool(sizes)}{', '.join(sizes)}",
        *([] if generation.seconds is None else [f"{generation.seconds:.1f} s"]),
        *([] if generation.cost is None else [f"{generation.cost:.2f} USD"]),
        *([f"from {', '.join(begun)}"] if (begun := origins(generation.sources)) else []),
        *([generation.backend] if generation.is_free else []),
    ]
    return f"{generation.mark} " + " · ".join(told)
