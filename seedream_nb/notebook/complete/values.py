"""Completes the lines of `%seedream`: verbs, and the words that go with them."""

from __future__ import annotations

import itertools
import os
from dataclasses import field
from typing import TYPE_CHECKING

from seedream_nb.cell import DASHES, model_of, parted, split
from seedream_nb.errors import plain
from seedream_nb.frozen import frozen
from seedream_nb.notebook.complete.word import MAX_CHARACTERS, Offer, Offers, open_word
from seedream_nb.notebook.verbs import VERBS
from seedream_nb.options import BY_FLAG, SEQUENTIAL, options_of
from seedream_nb.references.adapters import is_picture_name
from seedream_nb.service import backends, models_beside
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from seedream_nb.cell import Word
    from seedream_nb.notebook.complete.word import OpenWord, Sources
    from seedream_nb.notebook.verbs import Verb
    from seedream_nb.options import Option
    from seedream_nb.service import Model
    from seedream_nb.settings import Setting

_AT_ONCE = 6
"""Marks that are shown before an @ asks for more."""
_MAX = 20
_MAX_ENTRIES = 200


@frozen
class Values:
    """What a value that is being typed can become."""

    word: OpenWord
    sources: Sources
    given: Mapping[str, str] = field(default_factory=dict)
    """The other options of the line."""
    references: int = 0
    """How many reference images the line gives."""

    @property
    def model(self) -> Model:
        """The model that the line names, else the one that is meant without."""
        meant = self.sources.model()
        return next((known for known in models_beside(meant) if known.name == self.given.get("model")), meant)

    def of(self, name: str) -> Offers | None:
        """Return the completions for the option or setting of this name; None where the notebook knows better."""
        option = options_of(self.model).get(name)
        values = _BY_NAME.get(name) or _BY_KIND.get(option.kind if option else "")
        if values is None and option is not None:
            values = _either(*option.choices, *option.suggestions)
        offers = tuple(values(self)) if values is not None else ()
        if not offers and option is not None and option.kind == "reference" and self._is_expression():
            return None
        return Offers(fragment=self.word.raw, offers=offers)

    def models(self) -> Iterator[Offer]:
        """Yield the models of the service."""
        return self.begun((model.name, model.title) for model in models_beside(self.sources.model()))

    def sizes(self) -> Iterator[Offer]:
        """Yield tiers and, unless a ratio is given, the ratios of the table with their pixels."""
        yield from self.begun((tier, "resolution") for tier in self.model.tiers)
        if "aspect" not in self.given:
            yield from self.aspects()

    def aspects(self) -> Iterator[Offer]:
        """Yield the ratios of the table, with their pixels where those are meant."""
        model = self.model
        pixels = self.given.get("size", model.usual_tier).upper() == model.usual_tier
        return self.begun((ratio, size if pixels else "ratio") for ratio, size in model.ratios.items())

    def counts(self) -> Iterator[Offer]:
        """Yield how many pictures there can be beside the references."""
        return self.begun(
            (str(number), "pictures" if number > 1 else "picture")
            for number in range(1, self.model.max_images - self.references + 1)
        )

    def modes(self) -> Iterator[Offer]:
        """Yield the modes that go with the rest of the line."""
        return self.begun((mode, "mode") for mode in SEQUENTIAL if mode == "auto" or "max_images" not in self.given)

    def results(self) -> Iterator[Offer]:
        """Yield the names that hold results: a cell that is run again keeps its own."""
        return self.begun((offer.text, offer.description) for offer in self.sources.results())

    def pictures(self) -> Iterator[Offer]:
        """Yield what can be a reference: history marks, names that hold pictures, files."""
        text = self.word.text
        shown = [*self.sources.shown()]
        marks = self.marks(itertools.chain(shown[:1], self._references(), shown[1:]))
        yield from (mark for mark, _ in zip(marks, range(_MAX if text else _AT_ONCE), strict=False))
        yield from self.begun((offer.text, offer.description) for offer in self.sources.pictures())
        yield from self._entries(is_picture_name, goes_on=True)

    def _references(self) -> Iterable[Offer]:
        """Return history marks; while a number is typed, those of single pictures only where it can't go on."""
        if not (self.word.text.startswith("@") and self.word.text[1:].isdecimal()):
            return self.sources.references()
        begun = [offer for offer in self.sources.references() if offer.text.startswith(self.word.text)]
        generations = [offer for offer in begun if "." not in offer.text]
        return generations if len(generations) > 1 else begun

    def marks(self, marks: Iterable[Offer]) -> Iterator[Offer]:
        """Yield the marks that begin so, up to so many; none needs quotes, though some have brackets."""
        unquoted = self.word.raw == self.word.text
        begun = (offer for offer in marks if offer.text.startswith(self.word.text))
        for offer, _ in zip(begun, range(_MAX), strict=False):
            yield from [offer] if unquoted else self.begun([(offer.text, offer.description)])

    def folders(self) -> Iterator[Offer]:
        """Yield folders."""
        return self._entries(lambda _name: False, goes_on=False)

    def begun(self, values: Iterable[tuple[str, str]], *, goes_on: bool = False) -> Iterator[Offer]:
        """Yield the values that begin with what is typed, in any case, as they are to be written."""
        begun = self.word.text.lower()
        for value, description in values:
            spelt = self.word.spelt(value, goes_on=goes_on) if value.lower().startswith(begun) else None
            if spelt is not None:
                yield Offer(text=spelt, description=description)

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
        for (path, is_folder), _ in zip(wanted, range(_MAX_ENTRIES), strict=False):
            description = "folder" if is_folder else "file"
            yield from self.begun([(path, description)], goes_on=is_folder and goes_on)

    def _is_expression(self) -> bool:
        """Return whether a name of the notebook is followed by more, which IPython completes."""
        name = self.word.text.replace("[", ".").replace("(", ".").partition(".")[0]
        return name != self.word.text and name in set(self.sources.names())


def _of_setting(setting: Setting) -> Callable[[Values], Iterable[Offer]]:
    """Return what offers the values of a setting: both of a switch, else its default."""
    default = setting.default
    if isinstance(default, bool):
        return _either("true", "false")
    return lambda values: values.begun([(f"{default:g}" if isinstance(default, float) else str(default), "default")])


def _either(*words: str) -> Callable[[Values], Iterable[Offer]]:
    return lambda values: values.begun((word, "value") for word in words)


_BY_NAME: dict[str, Callable[[Values], Iterable[Offer]]] = {
    **{setting.name: _of_setting(setting) for setting in SETTINGS.values() if setting.default is not None},
    "max_images": Values.counts,
    "model": Values.models,
    "sequential": Values.modes,
    "home": Values.folders,
    "backend": _either(*backends()),
}
_BY_KIND: dict[str, Callable[[Values], Iterable[Offer]]] = {
    "size": Values.sizes,
    "aspect": Values.aspects,
    "reference": Values.pictures,
    "name": Values.results,
    "folder": Values.folders,
    "switch": _either("true", "false"),
}


@frozen
class GivenOptions:
    """The options that the rest of the line gives, with their values as they are written."""

    values: dict[str, str]
    references: int
    model: Model

    @classmethod
    def by(cls, words: Sequence[Word], model: Model) -> GivenOptions:
        """Read the words of a line, whatever is wrong with them."""
        values: dict[str, str] = {}
        references, model = 0, model_of(words, model)
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
            return self.references < self.model.references.max_count
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
    given = GivenOptions.by([*words, *split(after)[0]], sources.model())
    waiting = _waiting(words)
    if waiting is not None and fragment[:1] not in tuple(DASHES):
        return _values(waiting, fragment, after, given, sources)
    flags = tuple(_flags(fragment, given)) if not fragment or fragment[0] == "-" else ()
    if flags or fragment[:1] != "-":
        return Offers(fragment=fragment, offers=flags)
    option, written = _attached(fragment)
    return Offers(fragment=fragment) if option is None else _values(option, written, after, given, sources)


def _values(option: Option, raw: str, after: str, given: GivenOptions, sources: Sources) -> Offers | None:
    others = {name: value for name, value in given.values.items() if name != option.name}
    values = Values(word=open_word(raw, after), given=others, references=given.references, sources=sources)
    return values.of(option.name)


def _flags(fragment: str, given: GivenOptions) -> Iterator[Offer]:
    """Yield the options that can still be given, by their long names; `-s` and `-si` are on the way to `--size`."""
    short = BY_FLAG.get(fragment) if fragment and not fragment.startswith("--") else None
    for option in filter(given.leaves, options_of(given.model).values()):
        for flag in (flag for flag in option.flags if flag.startswith("--")):
            if option is short or (short is None and flag.startswith((fragment, f"-{fragment}"))):
                yield Offer(text=flag, description=_described(option, flag))
    if not given.values and "--help".startswith(fragment):
        yield Offer(text="--help", description="all options, with examples")


def _described(option: Option, flag: str) -> str:
    text = f"without {option.help}".removesuffix(", or none") if flag.startswith("--no-") else option.help
    return plain(text, MAX_CHARACTERS)


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


def complete_verbs(words: Sequence[Word], fragment: str, after: str, sources: Sources) -> Offers | None:
    """Return what can stand at the cursor after `%seedream`.

    Args:
        words: the whole words before the cursor.
        fragment: the word that is being typed.
        after: what follows the cursor.
        sources: what the notebook and its folder have to offer.
    """
    if not words:
        return _verbs(fragment)
    verb = VERBS.get(words[0].text)
    takes = verb.takes if verb is not None else ()
    first = len(words) == 1
    if "mark" in takes and first:
        marks = Values(word=open_word(fragment, after), sources=sources).marks(_marks(fragment, sources))
        return Offers(fragment=fragment, offers=tuple(marks))
    if "options" in takes:
        return complete_options(words[2:], fragment, after, sources)
    if "setting" in takes:
        return _settings(words, fragment, after, sources)
    if "verb" in takes and first:
        return _verbs(fragment)
    given = {word.text for word in words[1:]}
    left = (offer for offer in _own_words(verb, sources, first=first) if offer.text not in given)
    return Offers(fragment=fragment, offers=tuple(offer for offer in left if offer.text.startswith(fragment)))


def _own_words(verb: Verb | None, sources: Sources, *, first: bool) -> list[Offer]:
    """Return what a verb takes several of, and its flags."""
    takes = () if verb is None else verb.takes
    if "deleted" in takes:
        return [*sources.deleted(), Offer(text="all", description="all that is deleted")]
    if "marks" in takes:
        return [*sources.generations(), Offer(text="failed", description="all that failed"), *_flag_offers(verb)]
    return _flag_offers(verb) if first else []


def _flag_offers(verb: Verb | None) -> list[Offer]:
    flags = () if verb is None else verb.flags
    return [Offer(text=flag, description=plain(description, MAX_CHARACTERS)) for flag, description in flags]


def _verbs(fragment: str) -> Offers:
    begun = ((name, verb) for name, verb in VERBS.items() if name and name.startswith(fragment))
    return Offers(
        fragment=fragment,
        offers=tuple(Offer(text=name, description=plain(verb.help, MAX_CHARACTERS)) for name, verb in begun),
    )


def _marks(fragment: str, sources: Sources) -> Sequence[Offer]:
    """Return marks of generations, and of their pictures once a dot is typed."""
    return [*(sources.references() if "." in fragment else sources.generations())]


def _settings(words: Sequence[Word], fragment: str, after: str, sources: Sources) -> Offers | None:
    name, equals, raw = fragment.partition("=")
    if equals:
        return Values(word=open_word(raw, after), sources=sources).of(name)
    # The key is none of them: in a cell it would stay in the notebook.
    left = SETTINGS.keys() - {word.text.partition("=")[0] for word in words[1:]} - {"api_key"}
    begun = (setting for setting in SETTINGS.values() if setting.name in left and setting.name.startswith(fragment))
    offers = (Offer(text=f"{setting.name}=", description=plain(setting.help, MAX_CHARACTERS)) for setting in begun)
    return Offers(fragment=fragment, offers=tuple(offers))
