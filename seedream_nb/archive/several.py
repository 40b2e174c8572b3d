"""Some generations of the history: what a search found, or a slice. Each is read when it is looked at."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from seedream_nb.errors import plain
from seedream_nb.generation import Generation
from seedream_nb.picture import bundle_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedream_nb.archive.ledger import Ledger

NONE = "No pictures yet."
ROWS = 20
"""Lines of the table that it prints; the rest is a search away."""


class Generations(Sequence[Generation]):
    """Generations by their ids, oldest first; one whose line in the journal is damaged is left out."""

    def __init__(self, ids: Sequence[int], ledger: Ledger, none: str = NONE) -> None:
        """Keep the ids; the ledger reads them. `none` is what to say if there are none."""
        self._ids = ids
        self._ledger = ledger
        self.none = none

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> Generation: ...
    @overload
    def __getitem__(self, place: slice) -> Generations: ...
    def __getitem__(self, place: int | slice) -> Generation | Generations:
        """Return one by its place, counted from 0, or some of them."""
        if isinstance(place, slice):
            return Generations(self._ids[place], self._ledger, self.none)
        generation = self._ledger.read(self._ids[place])
        if generation is None:
            raise IndexError(f"Generation {self._ids[place]} can't be read: the journal is damaged there.")
        return generation

    @property
    def ids(self) -> Sequence[int]:
        """Their ids, oldest first."""
        return tuple(self._ids)

    def before(self, number: int) -> Generations:
        """Return those with a smaller id."""
        return Generations(self._ids[: bisect.bisect_left(self._ids, number)], self._ledger, self.none)

    def __iter__(self) -> Iterator[Generation]:
        """Give all that can be read, oldest first."""
        return (each for number in self._ids if (each := self._ledger.read(number)) is not None)

    def __reversed__(self) -> Iterator[Generation]:
        """Give all that can be read, newest first."""
        return (each for number in reversed(self._ids) if (each := self._ledger.read(number)) is not None)

    def __repr__(self) -> str:
        """Return a short table, the newest first."""
        rows = [
            f"@{each.id:<5} {plain(each.status):<11} {len(each):>2}  {plain(each.prompt, 60)}"
            for each in reversed(self[-ROWS:])
        ]
        more = len(self) - ROWS
        return "\n".join([*rows, *([f"and {more} more"] if more > 0 else [])]) or self.none

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        """Show the table in a notebook, with previews if there is a session."""
        return bundle_of(self, self._ledger.verbs)
