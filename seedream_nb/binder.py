"""A Binder: somebody else's computer, lent for an hour, whose rules forbid keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedream_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = ("BINDER_LAUNCH_HOST", "BINDER_REPO_URL", "BINDER_SERVICE_HOST")
"""BinderHub gives the first two to what it starts, and Kubernetes the third, on mybinder.org."""

KEY_USED = (
    "This is a Binder, whose rules forbid keys, for nothing is private there; yet a key was sent from here. "
    "Delete it in your account, and make a new one."
)


def on_binder(environ: Mapping[str, str]) -> bool:
    """Return whether this environment is one that a BinderHub has started."""
    return any(environ.get(name) for name in VARIABLES)


class KeyNotice:
    """Tells once that a key was used where none may be."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._told = False

    def lines(self, *, on_binder: bool, has_key: bool) -> tuple[str, ...]:
        """Return what stands below the first result that was asked for with a key on a Binder."""
        due = on_binder and has_key and not self._told
        self._told = self._told or due
        return (KEY_USED,) if due else ()


def no_login() -> SettingsError:
    """Return the refusal to take a key there: why, and what to do instead."""
    return SettingsError(
        "This is a Binder, whose rules forbid keys, for nothing is private there. So none is asked for.",
        hint="Go on in the sandbox, which needs none: %seedream config backend=sandbox\n"
        "For real pictures, run the notebook on your own machine or in Colab.",
    )
