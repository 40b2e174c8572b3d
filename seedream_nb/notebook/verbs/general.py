"""The verbs about the session: status, help, settings, key, usage, and the panel."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from seedream_nb.cell import parse_assignments
from seedream_nb.errors import SettingsError, StoppedError, did_you_mean, money, nearest, plain
from seedream_nb.hosts import login_refusal
from seedream_nb.jobs.daily import midnight
from seedream_nb.keys import CONFIGURED, Key, no_key, stored_login
from seedream_nb.notebook.help import cell_help, verb_help, verbs_help
from seedream_nb.notebook.text_table import paragraph, row
from seedream_nb.notebook.verbs import known, no_words
from seedream_nb.options import options_of
from seedream_nb.process import PROCESS
from seedream_nb.service import DEFAULT
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.service import Model
    from seedream_nb.session import Session
    from seedream_nb.settings import Settings
    from seedream_nb.storage.usage import Usage

_SHOWN_OF_A_VARIABLE = 60


def unread(settings: Settings) -> list[tuple[str, str]]:
    """Return, for each variable that no setting reads, that it is so, and what to do."""
    return [
        (f"No setting reads the variable {plain(name, _SHOWN_OF_A_VARIABLE)}.", _remedy(name, settings.model))
        for name in settings.unread
    ]


def _remedy(name: str, model: Model) -> str:
    guess = nearest(name.removeprefix("SEEDREAM_"), SETTINGS)
    if guess is None:
        return "Unset it."
    variable = SETTINGS[guess].environment
    return (
        f"Did you mean {variable}?"
        if variable
        else f"Set it with: %seedream config {guess}={options_of(model)[guess].suggestions[0]}"
    )


_SHOWN = 40


def status(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Tell where requests go, with whose key, what was spent and what is unfinished."""
    troubles = _troubles(session)
    shown: set[str] = set()
    for name, tell in _ROWS.items():
        try:
            text = tell(session)
        except SettingsError as error:
            # In its place, and once.
            text = "" if error.message in shown else f"wrong: {_one_line(error)}"
            shown.add(error.message)
        shown |= {trouble for trouble in troubles if trouble in text}
        if text:
            row(name, text)
    for trouble in troubles:
        if trouble not in shown:
            row("To fix", trouble)


def where(session: Session) -> str:
    """Return where requests go now, and with whose key, in words."""
    try:
        endpoint = session.endpoint()
    except SettingsError as error:
        first = error.lines()[0]
        missing = error.message == no_key(session.settings.service).message
        return f"nowhere yet: {first} %seedream login asks for it" if missing else f"nowhere yet: {_one_line(error)}"
    if endpoint.key is None:
        where_to = "the sandbox: an imitation of the service, which costs nothing"
    else:
        where_to = f"{endpoint.base_url}, with the key from {endpoint.key.source}"
    return ". ".join((where_to, *endpoint.notices))


def _model(session: Session) -> str:
    model = session.settings.model
    price = "" if session.service.is_free else f", {money(session.price(model))} a picture"
    return "" if model is DEFAULT.model else f"{model.title}{price}"


def _pictures(session: Session) -> str:
    made = len(session.history)
    count = f"{made or 'no'} generation{'' if made == 1 else 's'}{'' if made else ' yet'}"
    return f"{session.settings.get('home')}  ({count})"


def _spent(session: Session) -> str:
    budget = session.budget
    limit = "" if budget.limit is None else f" of {_dollars(budget.limit)}"
    in_flight = f", up to {money(budget.reserved)} in flight" if budget.reserved and not session.service.is_free else ""
    in_doubt = _in_doubt(budget.may_have_been_billed)
    return f"{_dollars(budget.spent)}{limit} USD in this session{in_flight}{in_doubt}"


def _dollars(amount: float) -> str:
    return money(amount).removesuffix(" USD")


def _in_doubt(amount: float) -> str:
    return f", and up to {money(amount)} that may have been billed" if amount else ""


def _running(session: Session) -> str:
    return ", ".join(f"{job.phase}: {plain(job.request.prompt, _SHOWN)}" for job in session.jobs if not job.over)


def _unfinished(session: Session) -> str:
    found = [f"@{generation.id} ({generation.status})" for generation in session.history.unfinished()]
    return f"{', '.join(found)}; see %seedream recover" if found else ""


def _troubles(session: Session) -> list[str]:
    """Return what is wrong with the environment, whether a row hangs on it or not."""
    wrong = [trouble for name in SETTINGS for trouble in _trouble(name, session)]
    return [*wrong, *(f"{message} {remedy}" for message, remedy in unread(session.settings))]


def _trouble(name: str, session: Session) -> Iterator[str]:
    try:
        session.settings.get(name)
    except SettingsError as error:
        yield error.message


def _one_line(error: SettingsError) -> str:
    return " ".join(error.lines())


def _left_out(session: Session) -> str:
    return session.history.left_out


def _loss(session: Session) -> str:
    return " ".join(session.history.untold_loss())


def _unwritten(session: Session) -> str:
    return session.catch_up() or ""


_ROWS = {
    "Requests go to": where,
    "Model": _model,
    "Pictures are in": _pictures,
    "Spent": _spent,
    "Running": _running,
    "Unfinished": _unfinished,
    "Left out": _left_out,
    "Lost": _loss,
    "Not saved yet": _unwritten,
}


_SHOWN_OF_A_SETTING = 40


def config(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """List the settings; with words, set them: `config budget=1 once=true`, and `budget=` sets one back."""
    if "=" in rest:
        session.settings.change(**parse_assignments(rest))
        return
    column = max(map(len, SETTINGS)) + 2
    for name in _asked(rest.split()):
        row(name, _in_force(name, session.settings), column)
        paragraph(SETTINGS[name].help, indent="  ")


def _asked(names: list[str]) -> list[str]:
    """Return the settings to tell, all where none is named; the status tells where the key is from."""
    shown = [name for name in SETTINGS if name != "api_key"]
    for name in names:
        if name not in shown:
            raise SettingsError(
                f"There is no setting {plain(name, _SHOWN_OF_A_SETTING)}.{did_you_mean(name, shown)}",
                hint="To set one, write name=value, with no space around the =.",
            )
    return names or shown


def _in_force(name: str, settings: Settings) -> str:
    """Return a setting's value as it would be written, and where it comes from."""
    try:
        value = settings.get(name)
    except SettingsError as error:
        return f"wrong: {error.message}"
    options = options_of(settings.model)
    value = options[name].default if value is None and name in options else value
    written = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    source = settings.source(name)
    origin = {"configure": "configured", "default": "default"}.get(source, f"from {source}")
    return f"{'none' if written is None else written}  ({origin})"


def usage(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Tell pictures, spending, failures, unknown outcomes, and what `--once` saved."""
    no_words("usage", rest)
    budget = session.budget
    _tell("This session", session.usage())
    if budget.limit is not None:
        row("", f"budget: {money(budget.limit)}, of which {money(budget.left)} is left")
    _tell("In total", session.history.usage())
    if (daily := session.settings.get("daily_budget")) is not None:
        today = session.history.spent_since(midnight())
        row("", f"daily budget: {money(daily)}, of which {money(today)} was spent today")
    row("", f"in {session.settings.get('home')}")


def _tell(name: str, used: Usage) -> None:
    first, *more = _sentences(used)
    row(name, first)
    for sentence in more:
        row("", sentence)


def _sentences(used: Usage) -> list[str]:
    sentences = [f"{_count(used.requests, 'request')}, {_count(used.pictures, 'picture')}, {money(used.spent)}"]
    if used.imitated:
        sentences.append(f"{used.imitated} of the pictures made by the sandbox, at no cost")
    if used.missing:
        sentences.append(f"{used.missing} of them not downloaded: %seedream recover")
    if used.running:
        sentences.append(f"{used.running} running")
    if used.failed:
        sentences.append(f"{used.failed} failed or stopped before sending, not billed")
    if used.unknown:
        most = _count(used.unknown_pictures, "picture")
        billed = f": up to {most} may have been billed" if used.unknown_pictures else ", in the sandbox: not billed"
        sentences.append(f"{used.unknown} with unknown outcome{billed}")
    if used.reused:
        sentences.append(f"{used.reused} answered from the history by --once, which saved {money(used.saved)}")
    return sentences


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"


def login(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Ask for the key, unseen, and store it for the service's host, readable by you alone."""
    if session.settings.on_binder:
        raise login_refusal()
    host, service = session.service_host, session.settings.service
    try:
        # Never in a variable: a verbose traceback would show it.
        key = Key(getpass.getpass(f"Key for {host}: "), source="what was typed", service=service)
    except SettingsError:
        raise
    except (EOFError, KeyboardInterrupt):
        raise StoppedError("No key was stored.") from None
    except Exception as error:  # noqa: BLE001 - no standard input: each host has its own error for it
        raise SettingsError(
            f"This notebook can't ask for a key ({type(error).__name__}).",
            hint=f"Set {service.key_variable} in the environment or in a .env file beside the notebook.",
        ) from None
    session.login.store(host, key, service)
    print(f"Stored for {host} in {plain(str(session.login.path))}. Remove it with: %seedream logout")
    _tell_what_goes_first(session)


def _tell_what_goes_first(session: Session) -> None:
    """Say so where the key that was stored will not be the one that is sent."""
    try:
        found = session.endpoint().key
    except SettingsError as error:
        print("\n".join(error.lines()))
        return
    if found is None or found.source == stored_login(session.service_host):
        return
    remedy = "set it back with: configure(api_key=None)" if found.source == CONFIGURED else "correct or unset it there"
    print(f"But the key from {found.source} takes precedence: {remedy}.")


def logout(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Remove the stored key."""
    no_words("logout", rest)
    host = session.service_host
    print(f"The key for {host} was removed." if session.login.forget(host) else f"There is no stored key for {host}.")


def panel(rest: str, _session: Session, _ip: InteractiveShell) -> object:
    """Return a panel of this process's session."""
    no_words("panel", rest)
    return PROCESS.panel()


def help(rest: str, session: Session, _ip: InteractiveShell) -> None:  # noqa: A001 - the verb's own name
    """Tell about the cell's options and all verbs, or about one verb."""
    name, model = rest.removeprefix("%seedream").strip(), session.settings.model
    print(verb_help(name, known(name), model) if name else f"{cell_help(model)}\n{verbs_help()}")
