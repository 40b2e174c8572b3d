"""What is offered for a Tab, and where the notebook's part of it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedream_nb.service import Model

MOST_TOLD = 50
"""Characters beside a completion: a list as wide as the notebook hides what is written there."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One completion."""

    text: str
    """What takes the place of the fragment."""
    told: str
    """What it is, in a few words beside it; never empty, for IPython would write <unknown>."""


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What can take the place of the text that stands before the cursor."""

    fragment: str
    offers: tuple[Offer, ...] = ()


class Sources(Protocol):
    """What the notebook and its folder have to offer; a test hands in its own."""

    def model(self) -> Model:
        """Return the model whose sizes and limits hold."""

    def references(self) -> Iterable[Offer]:
        """Return history marks that can be references, the newest first."""

    def shown(self) -> Iterable[Offer]:
        """Return `@out` and the marks of cells that showed a picture, the newest first; nothing where none did."""

    def generations(self) -> Iterable[Offer]:
        """Return history marks of generations, the newest first, those without pictures too."""

    def names(self) -> Iterable[str]:
        """Return the notebook's names."""

    def pictures(self) -> Iterable[Offer]:
        """Return the names that hold pictures."""

    def results(self) -> Iterable[Offer]:
        """Return the names that hold results of ours."""

    def entries(self, folder: str) -> Iterable[tuple[str, bool]]:
        """Return what is in a folder as it was written (empty: here), sorted: names, and whether it is a folder."""
