"""Completes the value of an option or setting: sizes, numbers, folders, names, and whatever can be a reference."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedream_nb.notebook.complete.offers import Offer, Offers
from seedream_nb.options import ALL, SEQUENTIAL
from seedream_nb.references.adapters import is_picture_name
from seedream_nb.service import backends
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from seedream_nb.notebook.complete.offers import Sources
    from seedream_nb.notebook.complete.word import OpenWord

_AT_ONCE = 6
"""Marks that are shown before an @ asks for more."""
_MOST = 20
_MOST_ENTRIES = 200


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a value that is being typed can become."""

    word: OpenWord
    sources: Sources
    given: Mapping[str, str] = field(default_factory=dict)
    """The other options of the line."""
    references: int = 0
    """How many reference images the line gives."""

    def of(self, name: str) -> Offers | None:
        """Return the completions for the option or setting of this name; None where the notebook knows better."""
        option = ALL.get(name)
        values = _OF.get(name) or _OF_KIND.get(option.kind if option else "")
        if values is None and option is not None:
            values = _either(*option.choices, *option.suggestions)
        offers = tuple(values(self)) if values is not None else ()
        if not offers and option is not None and option.kind == "reference" and self._is_expression():
            return None
        return Offers(fragment=self.word.raw, offers=offers)

    def sizes(self) -> Iterator[Offer]:
        """Yield tiers and, unless a ratio is given, the ratios of the table with their pixels."""
        yield from self.begun((tier, "resolution") for tier in self.sources.model().tiers)
        if "aspect" not in self.given:
            yield from self.aspects()

    def aspects(self) -> Iterator[Offer]:
        """Yield the ratios of the table, with their pixels where those are meant."""
        model = self.sources.model()
        pixels = self.given.get("size", model.usual_tier).upper() == model.usual_tier
        return self.begun((ratio, size if pixels else "ratio") for ratio, size in model.ratios.items())

    def counts(self) -> Iterator[Offer]:
        """Yield how many pictures there can be beside the references."""
        return self.begun(
            (str(number), "pictures" if number > 1 else "picture")
            for number in range(1, self.sources.model().max_images - self.references + 1)
        )

    def modes(self) -> Iterator[Offer]:
        """Yield the modes that go with the rest of the line."""
        return self.begun((mode, "mode") for mode in SEQUENTIAL if mode == "auto" or "max_images" not in self.given)

    def results(self) -> Iterator[Offer]:
        """Yield the names that hold results: a cell that is run again keeps its own."""
        return self.begun((offer.text, offer.told) for offer in self.sources.results())

    def pictures(self) -> Iterator[Offer]:
        """Yield what can be a reference: history marks, names that hold pictures, files."""
        text = self.word.text
        shown = [*self.sources.shown()]
        marks = self.marks(itertools.chain(shown[:1], self.sources.references(), shown[1:]))
        yield from (each for each, _ in zip(marks, range(_MOST if text else _AT_ONCE), strict=False))
        yield from self.begun((offer.text, offer.told) for offer in self.sources.pictures())
        yield from self._entries(is_picture_name, goes_on=True)

    def marks(self, marks: Iterable[Offer]) -> Iterator[Offer]:
        """Yield the marks that begin so, up to so many; none needs quotes, though some have brackets."""
        unquoted = self.word.raw == self.word.text
        begun = (offer for offer in marks if offer.text.startswith(self.word.text))
        for offer, _ in zip(begun, range(_MOST), strict=False):
            yield from [offer] if unquoted else self.begun([(offer.text, offer.told)])

    def folders(self) -> Iterator[Offer]:
        """Yield folders."""
        return self._entries(lambda _name: False, goes_on=False)

    def begun(self, values: Iterable[tuple[str, str]], *, goes_on: bool = False) -> Iterator[Offer]:
        """Yield the values that begin with what is typed, in any case, as they are to be written."""
        begun = self.word.text.lower()
        for value, told in values:
            spelt = self.word.spelt(value, goes_on=goes_on) if value.lower().startswith(begun) else None
            if spelt is not None:
                yield Offer(text=spelt, told=told)

    def _entries(self, is_wanted: Callable[[str], bool], *, goes_on: bool) -> Iterator[Offer]:
        """Yield folders, and the files that are wanted, of the folder that is typed; hidden ones by their dot only.

        Args:
            is_wanted: tells whether a file is, by its name.
            goes_on: whether a folder is only the way to a file.
        """
        text = self.word.text
        cut = max(text.rfind("/"), text.rfind(os.sep)) + 1
        folder, begun = text[:cut], text[cut:]
        hidden = begun.startswith(".")
        wanted = (
            (f"{folder}{name}/" if is_folder else f"{folder}{name}", is_folder)
            for name, is_folder in self.sources.entries(folder)
            if name.startswith(begun) and name.startswith(".") == hidden and (is_folder or is_wanted(name))
        )
        for (path, is_folder), _ in zip(wanted, range(_MOST_ENTRIES), strict=False):
            told = "folder" if is_folder else "file"
            yield from self.begun([(path, told)], goes_on=is_folder and goes_on)

    def _is_expression(self) -> bool:
        """Return whether a name of the notebook is followed by more, which IPython completes."""
        name = self.word.text.replace("[", ".").replace("(", ".").partition(".")[0]
        return name != self.word.text and name in set(self.sources.names())


def _of_setting(name: str) -> Callable[[Values], Iterable[Offer]]:
    """Return what offers a setting's default."""
    default = SETTINGS[name].default
    return lambda values: values.begun([(f"{default:g}" if isinstance(default, float) else str(default), "default")])


def _either(*words: str) -> Callable[[Values], Iterable[Offer]]:
    return lambda values: values.begun((word, "value") for word in words)


_OF: dict[str, Callable[[Values], Iterable[Offer]]] = {
    "max_images": Values.counts,
    "sequential": Values.modes,
    "home": Values.folders,
    "backend": _either(*backends()),
    **{name: _of_setting(name) for name in ("timeout", "price", "concurrency", "base_url")},
}
_OF_KIND: dict[str, Callable[[Values], Iterable[Offer]]] = {
    "size": Values.sizes,
    "aspect": Values.aspects,
    "reference": Values.pictures,
    "name": Values.results,
    "folder": Values.folders,
    "switch": _either("true", "false"),
}
