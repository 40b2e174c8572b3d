"""`%seedream login` and `logout`: the stored key."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from seedream_nb.binder import no_login
from seedream_nb.errors import SettingsError, StoppedError, plain
from seedream_nb.keys import CONFIGURED, Key, stored_login
from seedream_nb.notebook.verbs import no_words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session


def login(_rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Ask for the key, unseen, and store it for the service's host, readable by you alone."""
    if session.settings.on_binder:
        raise no_login()
    host, variable = session.service_host, session.settings.service.key_variable
    try:
        # Never in a variable: a verbose traceback would show it.
        key = Key(getpass.getpass(f"Key for {host}: "), source="what was typed")
    except SettingsError:
        raise
    except (EOFError, KeyboardInterrupt):
        raise StoppedError("No key was stored.") from None
    except Exception as error:  # noqa: BLE001 - no standard input: each host has its own error for it
        raise SettingsError(
            f"This notebook can't ask for a key ({type(error).__name__}).",
            hint=f"Set {variable} in the environment or in a .env file beside the notebook.",
        ) from None
    session.login.store(host, key, session.settings.service)
    print(f"Stored for {host} in {plain(str(session.login.path))}. Remove it with: %seedream logout")
    _tell_what_goes_first(session)


def _tell_what_goes_first(session: Session) -> None:
    """Say so where the key that was stored will not be the one that is sent."""
    try:
        found = session.endpoint().found
    except SettingsError as error:
        print("\n".join(error.lines()))
        return
    if found is None or found.source == stored_login(session.service_host):
        return
    remedy = "set it back with: configure(api_key=None)" if found.source == CONFIGURED else "correct or unset it there"
    print(f"But the key from {found.source} goes first: {remedy}.")


def logout(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """Remove the stored key."""
    no_words("logout", rest)
    host = session.service_host
    print(f"The key for {host} was removed." if session.login.forget(host) else f"There is no stored key for {host}.")
