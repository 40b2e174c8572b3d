"""The verbs about what was made: history, show, recover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import RequestError, plain
from seedream_nb.notebook.verbs import no_words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.generation import Generation
    from seedream_nb.session import Session

MAYBE, FREE = "may have been billed", "was not billed, for it was the sandbox's"


def history(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """List what was made, the newest first; with words, only what has them in its prompt."""
    from IPython.display import display

    from seedream_nb.view import history_bundle

    found = session.history.search(rest) if rest else session.history[:]
    if left_out := session.history.left_out:
        print(f"Left out: {left_out}")
    if rest and not found:
        print(f"No prompt has: {plain(rest, 60)}. {_in_all(len(session.history))}")
        return
    display(history_bundle(found), raw=True)


def _in_doubt(unknown: Generation) -> str:
    came = "no answer came" if unknown.error is None else "no picture came"
    return f"{MAYBE if unknown.cost is None else FREE}; {came}"


def _in_all(made: int) -> str:
    return f"There {'is' if made == 1 else 'are'} {made or 'no'} generation{'s' * (made != 1)} in all."


def show(rest: str, session: Session, _ip: InteractiveShell) -> object:
    """Show a generation (`@3`, `@last`) or one of its pictures (`@3.2`)."""
    if not rest:
        raise RequestError("Say which: %seedream show @3, @3.2 or @last.")
    return session.find(rest)


def recover(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Fetch pictures that are paid for and not here; list what is missing and what may have been billed."""
    from IPython.display import display

    from seedream_nb.view import history_bundle, when

    no_words("recover", rest)
    refused = [each for each in session.history.left_behind() if each.status == "stopped"]
    tried = session.recover()
    if tried:
        display(history_bundle(tried), raw=True)
    lines = [
        f"@{each.id}, picture {index}: {plain(reason)}" for each in tried for index, reason in each.missing.items()
    ]
    lines += [
        f"{each.mark} {_in_doubt(each)}. {when(each)}  {plain(each.prompt, 80)}"
        for each in session.history
        if each.status == "unknown"
    ]
    lines += [
        f"{each.mark} was not billed: the service refused it for now. {when(each)}  {plain(each.prompt, 80)}"
        for each in refused
    ]
    lines += [f"{each.mark} is still being worked on by another kernel." for each in session.history.elsewhere()]
    lines += filter(None, [plain(session.catch_up() or "")])
    print("\n".join(lines) or ("All of it is here now." if tried else "Nothing is missing."))
