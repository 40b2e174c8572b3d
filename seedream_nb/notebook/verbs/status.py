"""`%seedream` alone: where requests go, with whose key, what was spent and what is unfinished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.budget import money
from seedream_nb.errors import SettingsError, plain
from seedream_nb.keys import no_key
from seedream_nb.notebook.verbs.columns import row
from seedream_nb.notebook.verbs.variables import unread
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session

_SHOWN = 40


def status(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Tell where requests go, with whose key, what was spent and what is unfinished."""
    troubles = _troubles(session)
    told: set[str] = set()
    for name, tell in _ROWS.items():
        try:
            text = tell(session)
        except SettingsError as error:
            # In its place, and once.
            text = "" if error.message in told else f"wrong: {_one_line(error)}"
            told.add(error.message)
        told |= {trouble for trouble in troubles if trouble in text}
        if text:
            row(name, text)
    for trouble in troubles:
        if trouble not in told:
            row("To mend", trouble)


def where(session: Session) -> str:
    """Return where requests go now, and with whose key, in words."""
    try:
        endpoint = session.endpoint()
    except SettingsError as error:
        first = error.lines()[0]
        missing = error.message == no_key(session.settings.service).message
        return f"nowhere yet: {first} %seedream login asks for it" if missing else f"nowhere yet: {_one_line(error)}"
    if endpoint.found is None:
        told = "the sandbox: an imitation of the service, which costs nothing"
    else:
        told = f"{endpoint.base_url}, with the key from {endpoint.found.source}"
    return ". ".join((told, *endpoint.notices))


def _pictures(session: Session) -> str:
    made = len(session.history)
    count = f"{made or 'no'} generation{'' if made == 1 else 's'}{'' if made else ' yet'}"
    return f"{session.settings.get('home')}  ({count})"


def _spent(session: Session) -> str:
    budget = session.budget
    limit = "" if budget.limit is None else f" of {budget.limit:.2f}"
    in_flight = f", up to {money(budget.reserved)} in flight" if budget.reserved and not session.service.is_free else ""
    return f"{budget.spent:.2f}{limit} USD in this session{in_flight}{_in_doubt(budget.may_have_been_billed)}"


def _in_doubt(amount: float) -> str:
    return f", and up to {amount:.2f} USD that may have been billed" if amount else ""


def _running(session: Session) -> str:
    return ", ".join(f"{job.phase}: {plain(job.request.prompt, _SHOWN)}" for job in session.jobs if not job.over)


def _unfinished(session: Session) -> str:
    found = [f"@{each.id} ({each.status})" for each in session.history.unfinished()]
    return f"{', '.join(found)}; %seedream recover tells more" if found else ""


def _troubles(session: Session) -> list[str]:
    """Return what is wrong with the environment, whether a row hangs on it or not."""
    wrong = [trouble for name in SETTINGS for trouble in _trouble(name, session)]
    return [*wrong, *(f"{told} {remedy}" for told, remedy in unread(session.settings))]


def _trouble(name: str, session: Session) -> Iterator[str]:
    try:
        session.settings.get(name)
    except SettingsError as error:
        yield error.message


def _one_line(error: SettingsError) -> str:
    return " ".join(error.lines())


def _left_out(session: Session) -> str:
    return session.history.left_out


def _unwritten(session: Session) -> str:
    return session.catch_up() or ""


_ROWS = {
    "Requests go to": where,
    "Pictures are in": _pictures,
    "Spent": _spent,
    "Running": _running,
    "Unfinished": _unfinished,
    "Left out": _left_out,
    "Not kept yet": _unwritten,
}
