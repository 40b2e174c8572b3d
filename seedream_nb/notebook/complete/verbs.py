"""Completes the lines of `%seedream`: verbs, and the words that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import plain
from seedream_nb.notebook.complete.offers import MOST_TOLD, Offer, Offers
from seedream_nb.notebook.complete.options import complete_options
from seedream_nb.notebook.complete.values import Values
from seedream_nb.notebook.complete.word import open_word
from seedream_nb.notebook.verbs import VERBS
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedream_nb.notebook.complete.offers import Sources
    from seedream_nb.words import Word


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
    return _verbs(fragment) if "verb" in takes and first else Offers(fragment=fragment)


def _verbs(fragment: str) -> Offers:
    begun = ((name, verb) for name, verb in VERBS.items() if name and name.startswith(fragment))
    return Offers(
        fragment=fragment, offers=tuple(Offer(text=name, told=plain(verb.help, MOST_TOLD)) for name, verb in begun)
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
    offers = (Offer(text=f"{setting.name}=", told=plain(setting.help, MOST_TOLD)) for setting in begun)
    return Offers(fragment=fragment, offers=tuple(offers))
