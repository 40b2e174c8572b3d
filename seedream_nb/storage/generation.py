"""A generation: one request and its results, read from the journal."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol, overload

from seedream_nb.errors import (
    MAX_CHARACTERS,
    NoSuchItemError,
    SeedreamError,
    WrongIndexError,
    describe_value,
    money,
    plain,
    plain_but_links,
    shorten,
)
from seedream_nb.frozen import frozen
from seedream_nb.options import with_options
from seedream_nb.patterns import lazy_pattern
from seedream_nb.pickling import picklable_fields
from seedream_nb.service import DEFAULT, is_free
from seedream_nb.storage.picture import Picture, bundle_of, make_folder
from seedream_nb.wording import worded

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Unpack

    from seedream_nb.options import RequestOptions
    from seedream_nb.request import ImageRequest, Reference

__all__ = [
    "NOTE_CHARACTERS",
    "Generation",
    "Verbs",
    "check_index",
    "lineage",
    "number_text",
    "origins",
    "reference_names",
    "references_line",
    "written",
]

NAME_CHARACTERS, MAX_READ = 48, 2000
_MARK = lazy_pattern(r"(@[0-9]{1,15})(?:\.[0-9]{1,4})?(?=\s|$)")


def reference_names(request: ImageRequest) -> list[str]:
    """Return how the prompt refers to each of its references: "image 1", or "图1" in a Chinese one."""
    # By the same rule as for templates; a person may have numbered them in other words.
    around = "图" if re.search("图 ?[0-9]", request.prompt) else request.prompt
    return [worded((around, (number,)))[len(around) :] for number in range(1, len(request.images) + 1)]


def written(reference: Reference, limit: int = NAME_CHARACTERS) -> str:
    """Return a reference as written, shortened in the middle: the end of a path says most."""
    if reference.url:
        return shorten(reference.url, limit)
    name = plain(reference.name, MAX_READ)
    head, tail = limit // 3, limit - limit // 3 - 1
    return name if len(name) <= limit else f"{name[:head]}…{name[-tail:]}"


def references_line(request: ImageRequest) -> str:
    """Return the references in one line, empty if there are none: `image 1: photo.jpg · image 2: @2.1`."""
    numbered = zip(reference_names(request), request.images, strict=True)
    return " · ".join(f"{number}: {written(reference)}" for number, reference in numbered)


def lineage(references: Sequence[Reference], results: Iterable[Picture]) -> list[str]:
    """Return the marks of the earlier results among the references, by content, however they were passed.

    Args:
        references: those of a request.
        results: the pictures of the history, newest first: of several with the same content the newest counts,
            unless another was named.
    """
    marks: dict[str, list[str]] = {}
    for picture in results:
        marks.setdefault(picture.sha256, []).append(picture.mark)
    found_marks = [
        _mark_of(reference, marks.get(str(reference.original or reference.sha256), [])) for reference in references
    ]
    return list(dict.fromkeys(filter(None, found_marks)))


def origins(sources: Iterable[str]) -> list[str]:
    """Return sources as a caption shows them: a generation's only picture, or the generation if there are several."""
    marks: dict[str, list[str]] = {}
    for source in sources:
        if match := _MARK.match(source):
            marks.setdefault(match[1], []).append(match[0])
    return [names[0] if len(set(names)) == 1 else generation for generation, names in marks.items()]


def _mark_of(reference: Reference, marks: Sequence[str]) -> str | None:
    """Return the mark of a reference among those with its content, preferring the one that was named."""
    match = _MARK.match(reference.name)
    named = [match[0]] if match else []
    fitting = [mark for mark in marks if named and f"{mark}.".startswith(f"{named[0]}.")]
    return next(iter([*fitting, *marks, *named]), None)


NOTE_CHARACTERS = 2000
"""Of a note; the links in it are never cut."""


class Verbs(Protocol):
    """What a generation needs of the session that it was read in."""

    def edit(self, generation: Generation, prompt: str, options: Mapping[str, Any]) -> Generation:
        """Generate with the generation's pictures as references."""

    def run_again(self, request: ImageRequest, changes: Mapping[str, Any]) -> Generation:
        """Run the request again with the changes."""

    def bundle(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a picture, a generation or the history
        """Return the mime bundle of the value."""


def check_index(index: object, hint: str) -> int | slice:
    """Return what stands in brackets if it is a number or a slice of numbers.

    Raises:
        WrongIndexError: it is something else; `hint` says what to write.
    """
    try:
        if isinstance(index, slice):
            index.indices(0)
            return index
        is_whole = isinstance(index, float) and index.is_integer()  # a column of a table with gaps has floats
        return int(index) if is_whole else operator.index(index)  # type: ignore[call-overload, arg-type]
    except Exception:  # noqa: BLE001 - it is somebody's __index__, or an array
        kind = "a range of whole numbers" if isinstance(index, slice) else "a whole number"
        raise WrongIndexError(f"{describe_value(index)} in brackets is not {kind}.", hint=hint) from None


def number_text(number: int) -> str:
    """Return a number for a message; Python writes none of more than 4300 digits."""
    return str(number) if abs(number) < _MANY else f"{'-' * (number < 0)}…"


_MANY = 10**40


@frozen
class Generation(Sequence[Picture]):
    """One request and its pictures; `len`, indexing and iteration give the pictures.

    `prompt` is the text as sent, `template` as written; `seconds` is how long it took; `cost` in USD, None
    if unknown; `status` is `done`, `partial`, `failed`, `stopped`, `unknown`, or while it runs `generating` or
    `downloading`; `missing` says by number (from 1) why a picture is not here; `deleted` is whether the history leaves
    it out.
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
    deleted: bool = False
    verbs: Verbs | None = field(default=None, repr=False, compare=False)

    @property
    def is_free(self) -> bool:
        """Whether it cost nothing because the sandbox made it."""
        return is_free(self.backend)

    @property
    def mark(self) -> str:
        """The mark of all its pictures: `@3`."""
        return f"@{self.id}"

    def __len__(self) -> int:
        """Return the number of its pictures that are here."""
        return len(self.images)

    def __iter__(self) -> Iterator[Picture]:
        """Yield its pictures in order."""
        return iter(self.images)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        """Return a picture by its position, counted from 0 as in any list.

        Raises:
            NoSuchItemError: there is no such picture; an IndexError.
            WrongIndexError: it is no number; a TypeError.
        """
        position = check_index(index, "Write [0] for the first picture, [-1] for the last.")
        if isinstance(position, int) and not -len(self.images) <= position < len(self.images):
            there = (
                f"it has {len(self.images)}, counted from 0" if self.images else f"it has none ({plain(self.status)})"
            )
            raise NoSuchItemError(f"{self.mark} has no picture [{number_text(position)}]: {there}.")
        return self.images[position]

    def __bool__(self) -> bool:
        """Return True, even without a picture."""
        return True

    def __hash__(self) -> int:
        """Hash id and time: equal generations have equal ones."""
        return hash((self.id, self.created))

    @with_options
    def edit(self, prompt: str, **options: Unpack[RequestOptions]) -> Generation:
        """Generate with these pictures as references; raises what `sd.generate` raises."""
        return self._session().edit(self, prompt, options)

    @with_options
    def rerun(self, *, prompt: str | None = None, **changes: Unpack[RequestOptions]) -> Generation:
        """Run the same request again with the changes; the service makes new pictures, and they cost again."""
        all_changes = changes if prompt is None else {**changes, "prompt": prompt}
        return self._session().run_again(self.request, all_changes)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Copy the full-size files into a folder, made if needed; return their paths, or raise SeedreamError."""
        target = make_folder(self.mark, folder)
        return [picture.save(target) for picture in self.images]

    def _session(self) -> Verbs:
        if self.verbs is None:
            raise SeedreamError(
                f"{self.mark} was read without a session, so nothing can be sent from it.",
                hint="Take it from sd.history instead.",
            )
        return self.verbs

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the session: a pickle has the record and the paths."""
        return picklable_fields(self.__dict__)

    def __repr__(self) -> str:
        """Return the outcome in one line; touches no disk."""
        return f"<Generation {_outcome(self)}: {plain(self.prompt, 60)}>"

    def __str__(self) -> str:
        """Return outcome, files, references, warnings and errors, one line each."""
        files = [f"{picture.mark}  {shorten(str(picture.path), MAX_CHARACTERS)}" for picture in self.images]
        missing = [f"{self.mark}.{index}  missing: {plain(reason)}" for index, reason in self.missing.items()]
        notes = [plain_but_links(note, NOTE_CHARACTERS) for note in [*self.warnings, *(self.error or "").splitlines()]]
        inputs = filter(None, [references_line(self.request)])
        return "\n".join([_outcome(self), *files, *missing, *inputs, *notes])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the pictures in a notebook; without a session, as plain text."""
        return bundle_of(self, self.verbs)


def model_note(generation: Generation) -> list[str]:
    """Return the model's name, unless it is the usual one."""
    model = generation.request.model
    return [] if model is DEFAULT.model else [model.title]


def _outcome(generation: Generation) -> str:
    """Return status, mark, pictures, size, seconds and cost in one line."""
    count = len(generation.images)
    sizes = dict.fromkeys(f"{picture.width}x{picture.height}" for picture in generation.images)
    parts = [
        generation.status,
        f"{count} picture{'s' * (count != 1)}{' ' * bool(sizes)}{', '.join(sizes)}",
        *model_note(generation),
        *([] if generation.seconds is None else [f"{generation.seconds:.1f} s"]),
        *([] if generation.cost is None else [money(generation.cost)]),
        *([f"from {', '.join(begun)}"] if (begun := origins(generation.sources)) else []),
        *([generation.backend] if generation.is_free else []),
    ]
    return f"{generation.mark} " + " · ".join(parts)
