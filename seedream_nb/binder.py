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
KEY_SET = (
    "This is a Binder, whose rules forbid keys, for nothing is private there; yet there is one. It is not used. "
    "Delete it in your account, and make a new one."
)

ELSEWHERE = "For real pictures, run the notebook on your own machine or in Colab."


def on_binder(environ: Mapping[str, str]) -> bool:
    """Return whether this environment is one that a BinderHub has started."""
    return any(environ.get(name) for name in VARIABLES)


def no_login() -> SettingsError:
    """Return the refusal to take a key there: why, and what to do instead."""
    return SettingsError(
        "This is a Binder, whose rules forbid keys, for nothing is private there. So none is asked for.\n"
        "Go on in the sandbox, which needs none: %seedream config backend=sandbox",
        hint=ELSEWHERE,
    )
