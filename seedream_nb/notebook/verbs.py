"""The verbs of `%seedream`: status, history, show, recover, config, login, logout, help."""

from __future__ import annotations

import getpass
import inspect
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import (
    Problem,
    RequestError,
    SeedreamError,
    SettingsError,
    StoppedError,
    did_you_mean,
    plain,
    refused,
)
from seedream_nb.keys import Key
from seedream_nb.notebook.cell import help_text, parse_assignments
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session


def run(line: str, session: Session, ip: InteractiveShell) -> object:
    """Run one `%seedream` line and return its value."""
    verb, _, rest = line.strip().partition(" ")
    if verb not in VERBS:
        raise RequestError(
            f"There is no verb {verb!r}.{did_you_mean(verb, VERBS)}",
            hint=f"There are: {', '.join(filter(None, VERBS))}.",
        )
    try:
        return VERBS[verb](rest.strip(), session, ip)
    except Problem as problem:
        raise refused([problem]) from None


def status(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Tell where requests go, with whose key, what was spent and what is unfinished."""
    budget = session.budget
    unfinished = session.history.unfinished()
    running = [job for job in session.jobs if not job.over]
    limit = "" if budget.limit is None else f" of {budget.limit:.2f}"
    lines = [
        f"Requests go to   {_where(session)}",
        f"Pictures are in  {session.settings.get('home')}  ({len(session.history)} generations)",
        f"Spent            {budget.spent:.2f}{limit} USD in this session{_in_doubt(budget.may_have_been_billed)}",
    ]
    if running:
        lines.append(
            "Running          " + ", ".join(f"{job.phase}: {plain(job.request.prompt, 40)}" for job in running)
        )
    if unfinished:
        lines.append(
            "Unfinished       "
            + ", ".join(f"@{each.id} ({each.status})" for each in unfinished)
            + "; see %seedream recover"
        )
    print("\n".join(lines))


def history(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """List what was made, the newest first; with words, only what has them in its prompt."""
    from IPython.display import display

    from seedream_nb.view import history_bundle

    found = session.history.search(rest) if rest else session.history[:]
    display(history_bundle(found), raw=True)


def show(rest: str, session: Session, _ip: InteractiveShell) -> object:
    """Show a generation (`@3`, `@last`) or one of its pictures (`@3.2`)."""
    if not rest:
        raise RequestError("Say which: %seedream show @3, @3.2 or @last.")
    return session.find(rest)


def recover(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Fetch pictures that are paid for and not here; list what is still missing and what may have been billed."""
    from IPython.display import display

    from seedream_nb.view import history_bundle, when

    tried = session.recover()
    if tried:
        display(history_bundle(tried), raw=True)
    lines = [f"@{each.id}, picture {index}: {reason}" for each in tried for index, reason in each.missing.items()]
    lines += [
        f"@{each.id} may have been billed; no answer came. {when(each)}  {plain(each.prompt, 80)}"
        for each in session.history
        if each.status == "unknown"
    ]
    print("\n".join(lines) or ("All of it is here now." if tried else "Nothing is missing."))


def config(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Set settings (`config size=2K budget=1`, `budget=` alone sets it back); alone, list them."""
    if rest:
        values = parse_assignments(rest)
        if "api_key" in values:
            raise SettingsError(
                "A key in a cell would stay in the notebook, so it is refused.",
                hint="Give it, unseen, with: %seedream login",
            )
        session.settings.change(**values)
        return
    for name, setting in SETTINGS.items():
        if name != "api_key":
            value = session.settings.get(name)
            print(f"{name:<12} {'none' if value is None else value}  ({session.settings.source(name)})")
            print(f"{'':<12} {setting.help}")


def login(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Ask for the key, unseen, and store it for the service's host, readable by you alone."""
    host = session.service_host
    try:
        text = getpass.getpass(f"Key for {host}: ")
    except (EOFError, KeyboardInterrupt):
        raise StoppedError("No key was stored.") from None
    except Exception as error:  # noqa: BLE001 - no standard input: each host has its own error for it
        raise SettingsError(
            f"This notebook can't ask for a key ({type(error).__name__}).",
            hint="Set NOVITA_API_KEY in the environment or in a .env file beside the notebook.",
        ) from None
    session.login.store(host, Key(text, source="what was typed"))
    print(f"Stored for {host} in {session.login.path}. Remove it with: %seedream logout")


def logout(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Remove the stored key."""
    host = session.service_host
    print(f"The key for {host} was removed." if session.login.forget(host) else f"There is no stored key for {host}.")


def tell(rest: str, _session: Session, _ip: InteractiveShell) -> None:
    """Tell about the cell's options, or about one verb."""
    if rest:
        if rest not in VERBS:
            raise RequestError(f"There is no verb {rest!r}.{did_you_mean(rest, VERBS)}")
        print(f"%seedream {rest}: {inspect.getdoc(VERBS[rest])}")
        return
    print(help_text())
    print("\nVerbs of %seedream:")
    for verb, function in VERBS.items():
        print(f"  {verb or '(alone)':<10} {inspect.getdoc(function)}")


def _where(session: Session) -> str:
    try:
        endpoint = session.endpoint()
    except SeedreamError as error:
        return f"nowhere yet: {error.lines()[0]} %seedream login asks for it"
    if endpoint.found is None:
        return "the sandbox: an imitation of the service, which costs nothing"
    return f"{endpoint.base_url}, with the key from {endpoint.found.source}"


def _in_doubt(amount: float) -> str:
    return f", and up to {amount:.2f} USD that may have been billed" if amount else ""


VERBS: dict[str, Callable[[str, Any, Any], object]] = {
    "": status,
    "history": history,
    "show": show,
    "recover": recover,
    "config": config,
    "login": login,
    "logout": logout,
    "help": tell,
}
