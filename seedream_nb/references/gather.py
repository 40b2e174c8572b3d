"""Gathers the references of one request: each picture once, numbered in order of appearance, the wrong ones told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedream_nb.errors import Problem, shown
from seedream_nb.options import MOST_REFERENCES
from seedream_nb.references.foreign import guarded
from seedream_nb.references.limits import wrong
from seedream_nb.references.ours import is_job, pictures_of
from seedream_nb.references.recognise import is_meant_as_picture, is_picture
from seedream_nb.references.resolve import find, of_link, of_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from seedream_nb.references.resolve import Found, Lookups
    from seedream_nb.request import Reference

_DEEPEST = 5


_MOST_PROBLEMS = 50
"""For each the nearest name is looked for, which takes a while."""


class Gathering:
    """The references of one request as they are found, in `--image` or in the prompt."""

    def __init__(self, lookups: Lookups) -> None:
        """Begin with none; `lookups` are where what is written is looked up."""
        self.warnings: list[str] = []
        self._lookups = lookups
        self._problems: list[Problem] = []
        self._numbers: dict[str, int] = {}
        self._references: list[Reference] = []
        self._asked, self._is_full = 0, False
        self._added = 0

    @property
    def references(self) -> Sequence[Reference]:
        """The references so far; the number of each is its place, from 1."""
        return tuple(self._references)

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with those that were added, and with how many there are in all."""
        if not self._is_full:
            return tuple(self._problems)
        over = self._asked - MOST_REFERENCES
        told = f"images: found more than {MOST_REFERENCES} references ({self._asked} in all); leave out {over}."
        return (*self._problems, Problem(told, reference=True))

    def add(self, written: object) -> None:
        """Add what was written as a reference; what is wrong with it goes to the problems."""
        name, self._added = f"images[{self._added}]", self._added + 1
        if len(self._problems) >= _MOST_PROBLEMS:
            return
        try:
            with guarded(name):  # even to ask of what class it is may run code of its own
                self._take(find(written, self._lookups, self.warnings.append, name=name))
        except Problem as problem:
            self._problems.append(problem)

    def of_value(self, name: str, value: object) -> Sequence[int] | None:
        """Return the numbers of the pictures that a value in braces is; None if it is none and was not meant as one.

        Raises:
            Problem: a picture that can't be used, what was meant as one and is none, or a list with such in it.
        """
        if is_job(value):
            raise wrong(name, f"is a job; for its pictures write {{{name}.result()}}.")
        with guarded(name):
            if is_picture(value) or pictures_of(value) is not None:
                return self._take(of_value(name, value, self._lookups))
            if issubclass(type(value), list | tuple) and _has_pictures(value):
                raise Problem(*self._not_pictures(name, value), reference=True)
            if _is_meant(name, value):
                return self._take(of_value(name, value, self._lookups))  # which tells why it is none
        return None

    def of_link(self, target: str) -> Sequence[int]:
        """Return the number of the picture that a Markdown image leads to; raises Problem."""
        return self._take(of_link(target, self._lookups))

    def _not_pictures(self, name: str, values: Any) -> Iterator[str]:  # noqa: ANN401 - a list or tuple
        """Yield why parts of a list of pictures are none, each by its place."""
        for index, value in enumerate(values):
            part = f"{name}[{index}]"
            if is_picture(value):
                continue
            if issubclass(type(value), list | tuple):
                yield from self._not_pictures(part, value)
            elif not _is_meant(part, value):
                told = f"is no picture but {shown(value)}, in a list of pictures; take it out."
                yield str(wrong(part, told))
            else:
                try:
                    self._take(of_value(part, value, self._lookups))
                except Problem as problem:
                    yield from problem.texts

    def _take(self, found: Iterable[Found]) -> Sequence[int]:
        """Return the numbers of what was found, each once; what is more than fits is not read.

        Raises:
            Problem: with one sentence for each that can't be used.
        """
        each_found = list(found)
        self._asked += len(each_found)
        numbers: dict[int, None] = {}
        told: list[str] = []
        for each in each_found:
            if self._is_full or len(told) == _MOST_PROBLEMS:
                break
            try:
                reference = each.born()
            except Problem as problem:
                told += problem.texts
                continue
            if number := self._number_of(reference):
                numbers[number] = None
        if told:
            raise Problem(*told, reference=True)
        return tuple(numbers) or (0,)  # of a request that is refused: there is no room

    def _number_of(self, reference: Reference) -> int | None:
        """Return the number of a picture, a new one where it is new; None where there is no room for it."""
        known = self._numbers.get(reference.identity)
        if known is None and len(self._references) == MOST_REFERENCES:
            self._is_full = True
        elif known is None:
            self._references.append(reference)
            known = self._numbers[reference.identity] = len(self._references)
        return known


def _has_pictures(values: Any, depth: int = 0) -> bool:  # noqa: ANN401 - a list or tuple
    """Return whether there are pictures in a list, or what was meant as such."""
    if depth > _DEEPEST:
        return False
    return any(
        _has_pictures(each, depth + 1)
        if issubclass(type(each), list | tuple)
        else is_picture(each) or _is_meant("", each)
        for each in values
    )


def _is_meant(name: str, value: object) -> bool:
    """Return whether a value was meant as a picture; one that should hold a picture, and is empty, is refused."""
    try:
        return is_meant_as_picture(value)
    except Problem as problem:
        raise Problem(*(f"{name}{text}" for text in problem.texts), reference=True) from problem
