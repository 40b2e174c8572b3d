"""What stands in the environment for settings, and can't be meant: told by the status and the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import nearest, plain
from seedream_nb.options import ALL
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from seedream_nb.settings import Settings

_SHOWN = 60


def unread(settings: Settings) -> list[tuple[str, str]]:
    """Return, for each variable that no setting reads, that it is so, and what to do."""
    return [(f"No setting reads the variable {plain(name, _SHOWN)}.", _remedy(name)) for name in settings.unread]


def _remedy(name: str) -> str:
    guess = nearest(name.removeprefix("SEEDREAM_"), SETTINGS)
    if guess is None:
        return "Unset it."
    variable = SETTINGS[guess].environment
    return (
        f"Did you mean {variable}?"
        if variable
        else f"Set it with: %seedream config {guess}={ALL[guess].suggestions[0]}"
    )
