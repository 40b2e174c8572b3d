"""`%seedream config`: the settings in force, and setting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import SettingsError, did_you_mean, plain
from seedream_nb.notebook.cell import parse_assignments
from seedream_nb.notebook.verbs.columns import paragraph, row
from seedream_nb.options import ALL
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from seedream_nb.session import Session
    from seedream_nb.settings import Settings

_SHOWN = 40


def config(rest: str, session: Session, _ip: InteractiveShell) -> None:
    """List the settings; with words, set them: `config size=2K budget=1`, and `budget=` sets one back."""
    if "=" in rest:
        session.settings.change(**parse_assignments(rest))
        return
    column = max(map(len, SETTINGS)) + 2
    for name in _asked(rest.split()):
        row(name, _in_force(name, session.settings), column)
        paragraph(SETTINGS[name].help, indent="  ")


def _asked(names: list[str]) -> list[str]:
    """Return the settings to tell, all where none is named; the status tells where the key is from."""
    told = [name for name in SETTINGS if name != "api_key"]
    for name in names:
        if name not in told:
            raise SettingsError(
                f"There is no setting {plain(name, _SHOWN)}.{did_you_mean(name, told)}",
                hint="To set one, write name=value, with no space around the =.",
            )
    return names or told


def _in_force(name: str, settings: Settings) -> str:
    """Return a setting's value as it would be written, and where it comes from."""
    try:
        value = settings.get(name)
    except SettingsError as error:
        return f"wrong: {error.message}"
    value = ALL[name].default if value is None and name in ALL else value
    written = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    source = settings.source(name)
    told = {"configure": "configured", "default": "default"}.get(source, f"from {source}")
    return f"{'none' if written is None else written}  ({told})"
