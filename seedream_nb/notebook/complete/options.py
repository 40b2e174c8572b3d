"""Completes the option line of a cell: options that are not given yet, and their values."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedream_nb.errors import plain
from seedream_nb.notebook.cell import parted
from seedream_nb.notebook.complete.offers import MOST_TOLD, Offer, Offers
from seedream_nb.notebook.complete.values import Values
from seedream_nb.notebook.complete.word import open_word
from seedream_nb.options import BY_FLAG, OPTIONS
from seedream_nb.words import DASHES, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedream_nb.notebook.complete.offers import Sources
    from seedream_nb.options import Option
    from seedream_nb.service import Model
    from seedream_nb.words import Word


@dataclass(frozen=True, kw_only=True)
class Given:
    """The options that the rest of the line gives, with their values as they are written."""

    values: dict[str, str]
    references: int
    model: Model

    @classmethod
    def by(cls, words: Sequence[Word], model: Model) -> Given:
        """Read the words of a line, whatever is wrong with them."""
        values: dict[str, str] = {}
        references = 0
        for word, following in itertools.zip_longest(words, words[1:]):
            option, attached = _of_word(word)
            if option is not None:
                value = following.text if not attached and following is not None else attached
                values[option.name] = value
                references += option.kind == "reference"
        return cls(values=values, references=references, model=model)

    def leaves(self, option: Option) -> bool:
        """Return whether an option can still be given."""
        if option.kind == "reference":
            return self.references < self.model.references.most
        if option.name in self.values:
            return False
        if option.name == "aspect":
            return self.model.tier(self.values.get("size", self.model.usual_tier)) is not None
        return not (option.name == "max_images" and self.values.get("sequential") == "disabled")


def complete_options(words: Sequence[Word], fragment: str, after: str, sources: Sources) -> Offers | None:
    """Return what can stand at the cursor on an option line; None where the notebook itself knows better.

    Args:
        words: the whole words before the cursor.
        fragment: the word that is being typed.
        after: what follows the cursor.
        sources: what the notebook and its folder have to offer.
    """
    given = Given.by([*words, *split(after)[0]], sources.model())
    waiting = _waiting(words)
    if waiting is not None and fragment[:1] not in tuple(DASHES):
        return _values(waiting, fragment, after, given, sources)
    flags = tuple(_flags(fragment, given)) if not fragment or fragment[0] == "-" else ()
    if flags or fragment[:1] != "-":
        return Offers(fragment=fragment, offers=flags)
    option, written = _attached(fragment)
    return Offers(fragment=fragment) if option is None else _values(option, written, after, given, sources)


def _values(option: Option, raw: str, after: str, given: Given, sources: Sources) -> Offers | None:
    others = {name: value for name, value in given.values.items() if name != option.name}
    values = Values(word=open_word(raw, after), given=others, references=given.references, sources=sources)
    return values.of(option.name)


def _flags(fragment: str, given: Given) -> Iterator[Offer]:
    """Yield the options that can still be given, by their long names; `-s` and `-si` are on the way to `--size`."""
    short = BY_FLAG.get(fragment) if fragment and not fragment.startswith("--") else None
    for option in filter(given.leaves, OPTIONS):
        for flag in (each for each in option.flags if each.startswith("--")):
            if option is short or (short is None and flag.startswith((fragment, f"-{fragment}"))):
                yield Offer(text=flag, told=_told(option, flag))
    if not given.values and "--help".startswith(fragment):
        yield Offer(text="--help", told="all options, with examples")


def _told(option: Option, flag: str) -> str:
    text = f"without {option.help}".removesuffix(", or none") if flag.startswith("--no-") else option.help
    return plain(text, MOST_TOLD)


def _waiting(words: Sequence[Word]) -> Option | None:
    """Return the option whose value comes next."""
    option, attached = _of_word(words[-1]) if words else (None, "")
    return option if option is not None and option.metavar and not attached else None


def _of_word(word: Word) -> tuple[Option | None, str]:
    return (None, "") if word.quoted else _attached(word.text)


def _attached(text: str) -> tuple[Option | None, str]:
    """Return the option that a word names, and the value attached to it: `--size=2K`, `-s2K`."""
    flag, value = parted(text)
    return BY_FLAG.get(flag), value or ""
