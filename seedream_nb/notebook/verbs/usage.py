"""`%seedream usage`: what was made and spent, of this session and of all that the folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.budget import money
from seedream_nb.notebook.verbs import no_words
from seedream_nb.notebook.verbs.columns import row

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.archive import Usage
    from seedream_nb.session import Session


def usage(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Tell pictures, spending, failures, unknown outcomes, and what `--once` saved."""
    no_words("usage", rest)
    budget = session.budget
    _tell("This session", session.usage())
    if budget.limit is not None:
        row("", f"budget: {money(budget.limit)}, of which {money(budget.left)} is left")
    _tell("All of them", session.history.usage())
    row("", f"in {session.settings.get('home')}")


def _tell(name: str, used: Usage) -> None:
    first, *more = _sentences(used)
    row(name, first)
    for sentence in more:
        row("", sentence)


def _sentences(used: Usage) -> list[str]:
    told = [f"{_count(used.requests, 'request')}, {_count(used.pictures, 'picture')}, {money(used.spent)}"]
    if used.imitated:
        told.append(f"{used.imitated} of the pictures made by the sandbox, at no cost")
    if used.missing:
        told.append(f"{used.missing} of them not fetched: %seedream recover")
    if used.running:
        told.append(f"{used.running} running")
    if used.failed:
        told.append(f"{used.failed} failed or stopped before sending, not billed")
    if used.unknown:
        most = _count(used.unknown_pictures, "picture")
        billed = f": up to {most} may have been billed" if used.unknown_pictures else ", in the sandbox: not billed"
        told.append(f"{used.unknown} of unknown outcome{billed}")
    if used.reused:
        told.append(f"{used.reused} answered from the history by --once, which saved {money(used.saved)}")
    return told


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"
