"""The verbs that delete and restore: they hide generations and bring them back; `--forever` removes files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seedream_nb.errors import Problem, RequestError, SeedreamError, did_you_mean, plain
from seedream_nb.notebook.text_table import paragraph
from seedream_nb.patterns import lazy_pattern
from seedream_nb.storage.deletion import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session
    from seedream_nb.storage.deletion import Deleted, Removed
    from seedream_nb.storage.history import History

FOREVER, FAILED, DELETED, ALL = "--forever", "failed", "deleted", "all"
_RANGE = lazy_pattern(r"@?([0-9]{1,9})(?:\.\.|-)@?([0-9]{1,9})")
_NUMBER = lazy_pattern(r"@?([0-9]{1,9})")
_SHOWN = 40
_NONE_FAILED = "Nothing here has failed."
STAYS = "Prompts and costs stay in the journal, references in inputs, previews in notebooks."


def delete(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Leave generations out of the history; with `--forever`, remove their files too."""
    words = rest.split()
    if FOREVER in words:
        return _forever([word for word in words if word != FOREVER], session)
    if not words:
        raise RequestError("Say which: %seedream delete @3, @3..@9 or failed.")
    ids = _ids(words, session.history, {FAILED: session.history.failed().ids})
    if not ids:
        return print(_NONE_FAILED)
    outcome = session.deletion.hide(ids)
    _refuse_running(outcome, ids)
    _print_deleted(outcome)
    return None


def restore(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Bring deleted generations back; alone, list what can be brought back."""
    words = rest.split()
    deleted = session.history.deleted()
    if not words:
        return _list_deleted(session)
    ids = _ids(words, session.history, {ALL: deleted.ids}, among=deleted.ids)
    outcome = session.deletion.restore(ids)
    if outcome.done:
        paragraph(f"Restored: {spelled(outcome.done)}.")
    elif not outcome.already:
        print("Nothing is deleted.")
    if outcome.already:
        paragraph(f"{spelled(outcome.already)} {_was(outcome.already)} not deleted.")
    return None


def _list_deleted(session: Session) -> None:
    """Show what can be restored."""
    from IPython.display import display

    from seedream_nb.view import history_bundle

    deleted = session.history.deleted()
    display(history_bundle(deleted), raw=True)
    if deleted:
        paragraph(f"To bring one back: %seedream restore @{deleted.ids[-1]}")


def _forever(words: Sequence[str], session: Session) -> None:
    deleted = session.history.deleted()
    if not words:
        message = f"{_count(len(deleted), 'generation')} {_was(deleted.ids)} deleted."
        return paragraph(f"{message} To remove their files for good: %seedream delete {FOREVER} {DELETED}")
    known = {FAILED: session.history.failed().ids, DELETED: deleted.ids}
    ids = _ids(words, session.history, known, among=sorted([*session.history[:].ids, *deleted.ids]))
    _print_removed(session.deletion.remove(ids), ids)
    return None


def _ids(
    words: Sequence[str], history: History, known: dict[str, Sequence[int]], among: Sequence[int] | None = None
) -> list[int]:
    """Return the ids that words name, each once; ranges are of those `among`, or of the history.

    Raises:
        RequestError: lists what names nothing.
    """
    found: dict[int, None] = {}
    problems: list[str] = []
    for word in words:
        try:
            found |= dict.fromkeys(_of_word(word, history, known, history[:].ids if among is None else among))
        except Problem as problem:
            problems += problem.texts
    if problems:
        raise RequestError("\n".join(problems))
    return list(found)


def _of_word(word: str, history: History, known: dict[str, Sequence[int]], among: Sequence[int]) -> Iterable[int]:
    if word in known:
        return known[word]
    if match := _RANGE.fullmatch(word):
        first, last = sorted(map(int, match.groups()))
        ids = [number for number in among if first <= number <= last]
        if not ids:
            raise Problem(f"{word}: there is none of these.")
        return ids
    if (match := _NUMBER.fullmatch(word)) and history.index.read(int(match[1])) is not None:
        return [int(match[1])]
    if not word.startswith("@") and not match:
        guess = did_you_mean(word, [*known, FOREVER])
        raise Problem(f"{plain(word, _SHOWN)} is no mark.{guess or ' Write @3, @3..@9 or ' + ' or '.join(known)}.")
    if re.fullmatch(r"@?\w+\.\d+", word):
        whole = word.partition(".")[0]
        raise Problem(f"{plain(word, _SHOWN)} is one picture: only a whole generation can be deleted. Write {whole}.")
    return [history.generation(word).id]


def _refuse_running(outcome: Deleted, ids: Sequence[int]) -> None:
    """Raise SeedreamError where the only one is not over yet."""
    if outcome.running and len(ids) == 1:
        raise SeedreamError(f"@{ids[0]} is still running: cancel it, or wait until it is over.")


def _print_deleted(outcome: Deleted) -> None:
    for sentence in outcome.told:
        paragraph(sentence)
    if outcome.done:
        back = "it" if len(outcome.done) == 1 else "them"
        paragraph(f"To bring {back} back: %seedream restore {spelled(outcome.done)}")


def _print_removed(removed: Removed, ids: Sequence[int]) -> None:
    if removed.generations:
        size = f" ({removed.size_bytes / 1e6:.1f} MB)" if removed.files else ""
        message = (
            f"{_count(removed.files, 'file')}{size} of {spelled(removed.generations)} {_was(range(removed.files))}"
        )
        paragraph(f"{message} removed for good. {STAYS}")
    else:
        print("Nothing is deleted." if not ids else "Nothing was removed.")
    for sentence in removed.stayed:
        paragraph(sentence)
    if starred := set(ids) - set(removed.generations):
        paragraph(f"{spelled(starred)} stay{_s(starred)}: a star protects from deleting several.")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'s' * (number != 1)}".capitalize()


def _was(ids: Sequence[int]) -> str:
    return "was" if len(ids) == 1 else "were"


def _s(ids: Iterable[int]) -> str:
    return "s" if len(list(ids)) == 1 else ""
