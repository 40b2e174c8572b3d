"""The word that the cursor stands in: where it begins, what it means so far, how it is spelt when completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from seedream_nb.cell import Word, quoted, split
from seedream_nb.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedream_nb.service import Model

MAX_CHARACTERS = 50
"""Characters beside a completion: a list as wide as the notebook hides what is written there."""


@frozen
class Offer:
    """One completion."""

    text: str
    """What takes the place of the fragment."""
    description: str
    """What it is, in a few words beside it; never empty, for IPython would write <unknown>."""


@frozen
class Offers:
    """What can take the place of the text that stands before the cursor."""

    fragment: str
    offers: tuple[Offer, ...] = ()

    def after_mark(self) -> Offers:
        """Return what completes a history mark without the part that needs no completing: `@`, `@4.`, `@[`.

        JupyterLab sorts by the alphabet what begins with what is typed: `@3.10` before `@3.2`, the oldest first. Where
        nothing is typed of the rest, it keeps the order.
        """
        end = max(self.fragment.rfind(sign) for sign in "@.[") + 1
        is_mark = self.fragment.lstrip("'\"").startswith("@")
        if not is_mark or not all(offer.text.startswith(self.fragment[:end]) for offer in self.offers):
            return self
        offers = tuple(Offer(text=offer.text[end:], description=offer.description) for offer in self.offers)
        return Offers(fragment=self.fragment[end:], offers=offers)


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

    def deleted(self) -> Iterable[Offer]:
        """Return history marks of what was deleted and can be restored, the newest first."""

    def names(self) -> Iterable[str]:
        """Return the notebook's names."""

    def pictures(self) -> Iterable[Offer]:
        """Return the names that hold pictures."""

    def results(self) -> Iterable[Offer]:
        """Return the names that hold results of ours."""

    def entries(self, folder: str) -> Iterable[tuple[str, bool]]:
        """Return what is in a folder as it was written (empty: here), sorted: names, and whether it is a folder."""


_LONGEST = 2000
"""Characters of a line that are looked at; a longer one holds data, not words to complete."""


@frozen
class OpenWord:
    """A word, or the part of one, that ends at the cursor."""

    raw: str
    """As it is typed, quotes included."""
    text: str
    """As it would be read."""
    quote: str = ""
    """The quote that is still open in it."""
    after: str = ""
    """What follows the cursor."""

    def spelt(self, value: str, *, goes_on: bool = False) -> str | None:
        """Return what to put in the place of the word so that it is read as `value`; None where that can't be.

        Notebooks drop what does not begin with what is typed, so typed quotes stay.

        Args:
            value: what it shall mean.
            goes_on: whether more is to be typed into the same word: then a quote is left open.
        """
        if self.raw == self.text:
            whole = quoted(value)
            return f'"{value}' if goes_on and whole == f'"{value}"' else whole
        if not value.startswith(self.text):
            return None
        rest = value[len(self.text) :]
        if not self.quote:
            return self.raw + (quoted(rest) if rest else "")
        closing = "" if goes_on or self.after.startswith(self.quote) else self.quote
        return None if self.quote in rest else f"{self.raw}{rest}{closing}"


def parted(line: str) -> tuple[list[Word], str]:
    """Return the whole words of the text before the cursor, and the word that is being typed, as it is."""
    for position in range(min(len(line), _LONGEST), 0, -1):
        if line[position - 1].isspace():
            words, problems = split(line[:position])
            if not problems:
                return words, line[position:]
    return [], line


def open_word(raw: str, after: str = "") -> OpenWord:
    """Return what a word that is being typed means so far."""
    for quote in ("", '"', "'") if len(raw) <= _LONGEST else ():
        words, problems = split(raw + quote)
        if not problems and len(words) <= 1:
            return OpenWord(raw=raw, text=words[0].text if words else "", quote=quote, after=after)
    return OpenWord(raw=raw, text=raw, after=after)
