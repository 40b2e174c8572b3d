"""The verbs of `%seedream`: status, history, show, recover, config, login, logout, help."""

from __future__ import annotations

import getpass
import inspect
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedream_nb.budget import money
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
from seedream_nb.keys import Key, may_hold_key
from seedream_nb.notebook.cell import help_text, parse_assignments
from seedream_nb.options import OPTIONS
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session
    from seedream_nb.settings import Settings


_WIDTH, _COLUMN, _WIDE_COLUMN, _SHOWN = 100, 17, 24, 40


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One verb: what it does, which its docstring tells, and the words that go with it."""

    do: Callable[[str, Any, Any], object]
    words: str = ""


def run(line: str, session: Session, ip: InteractiveShell) -> object:
    """Run one `%seedream` line and return its value."""
    verb, rest = (*line.split(None, 1), "", "")[:2]
    if may_hold_key(line) or (verb == "login" and rest):
        raise SettingsError(
            "A key in a cell would stay in the notebook, so it is refused: take it out of there.",
            hint="Give it, unseen, with: %seedream login",
        )
    verb = "help" if verb in {"-h", "--help"} else verb
    try:
        return _known(verb).do(rest.strip(), session, ip)
    except Problem as problem:
        raise refused([problem]) from None
    except SeedreamError:
        raise
    except KeyboardInterrupt:
        raise StoppedError(f"%seedream {verb} was stopped. Nothing was sent, nothing was billed.") from None


def _known(verb: str) -> Verb:
    if verb not in VERBS:
        raise RequestError(
            f"There is no verb {plain(verb, _SHOWN)}.{did_you_mean(verb, VERBS)}",
            hint=f"There are: {', '.join(filter(None, VERBS))}.",
        )
    return VERBS[verb]


def status(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Tell where requests go, with whose key, what was spent and what is unfinished."""
    budget, made = session.budget, len(session.history)
    limit = "" if budget.limit is None else f" of {budget.limit:.2f}"
    count = f"{made or 'no'} generation{'' if made == 1 else 's'}{'' if made else ' yet'}"
    running = [f"{job.phase}: {plain(job.request.prompt, _SHOWN)}" for job in session.jobs if not job.over]
    unfinished = [f"@{each.id} ({each.status})" for each in session.history.unfinished()]
    _row("Requests go to", _where(session))
    _row("Pictures are in", f"{session.settings.get('home')}  ({count})")
    in_flight = f", up to {money(budget.reserved)} in flight" if budget.reserved and session.backend == "novita" else ""
    _row("Spent", f"{budget.spent:.2f}{limit} USD in this session{in_flight}{_in_doubt(budget.may_have_been_billed)}")
    if running:
        _row("Running", ", ".join(running))
    if unfinished:
        _row("Unfinished", f"{', '.join(unfinished)}; %seedream recover tells more")


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
    """Fetch pictures that are paid for and not here; list what is missing and what may have been billed."""
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
    """List the settings; with words, set them: `config size=2K budget=1`, and `budget=` sets one back."""
    if rest:
        session.settings.change(**parse_assignments(rest))
        return
    column = max(map(len, SETTINGS)) + 2
    for setting in SETTINGS.values():
        # The status tells where the key is from.
        if setting.name != "api_key":
            _row(setting.name, _in_force(setting.name, session.settings), column)
            _row("", setting.help, column)


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
    """Tell about the cell's options and all verbs, or about one verb."""
    if rest:
        verb = _known(rest)
        print(f"%seedream {rest} {verb.words}".rstrip())
        print(textwrap.fill(inspect.getdoc(verb.do) or "", _WIDTH, initial_indent="  ", subsequent_indent="  "))
        return
    print(help_text())
    print("Verbs of %seedream:\n")
    for name, verb in VERBS.items():
        _row(f"  {name} {verb.words}".rstrip() or "  (alone)", inspect.getdoc(verb.do) or "", _WIDE_COLUMN)


def _row(name: str, text: str, column: int = _COLUMN) -> None:
    """Print one row of a table of two columns; what does not fit goes on below in its column."""
    lines = textwrap.wrap(text, _WIDTH - column, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        print(f"{name if number == 0 else '':<{column}}{line}")


def _in_force(name: str, settings: Settings) -> str:
    """Return a setting's value as it would be written, and where it comes from."""
    try:
        value = settings.get(name)
    except SettingsError as error:
        return f"wrong: {error.message}"
    value = _OF_OPTIONS.get(name) if value is None else value
    written = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    source = settings.source(name)
    told = {"configure": "configured", "default": "default"}.get(source, f"from {source}")
    return f"{'none' if written is None else written}  ({told})"


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


VERBS: dict[str, Verb] = {
    "": Verb(do=status),
    "history": Verb(do=history, words="[WORDS]"),
    "show": Verb(do=show, words="REF"),
    "recover": Verb(do=recover),
    "config": Verb(do=config, words="[NAME=VALUE]"),
    "login": Verb(do=login),
    "logout": Verb(do=logout),
    "help": Verb(do=tell, words="[VERB]"),
}
_OF_OPTIONS = {option.name: option.default for option in OPTIONS if option.name in {"size", "aspect", "watermark"}}
