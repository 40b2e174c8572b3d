"""Binder and Colab, where they need special treatment; and which network addresses are private."""

from __future__ import annotations

import ipaddress
import re
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seedream_nb.errors import SettingsError
from seedream_nb.keys import IN_COLAB, key_of
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service import AUTO, SANDBOX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seedream_nb.keys import Key
    from seedream_nb.service import Service

_INSIDE = ("localhost", "local", "internal", "home.arpa", "localdomain")
"""Domains that exist only on this machine or network."""
_NUMERIC = lazy_pattern(r"[0-9a-fx.]+", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Return whether a host, as written, is this machine; no name is looked up."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Return whether a host is loopback, private or link-local, in any spelling that network libraries accept."""
    bare = _bare(host)
    if any(bare == name or bare.endswith(f".{name}") for name in _INSIDE):
        return True
    address = _address(bare)
    return address is not None and not address.is_global


def is_link_local(host: str) -> bool:
    """Return whether a host is a link-local address, where clouds serve secrets and nobody serves pictures."""
    address = _address(_bare(host))
    return address is not None and address.is_link_local


def _bare(host: str) -> str:
    return host.lower().strip("[]").rstrip(".").partition("%")[0]


def _address(bare: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        if not _NUMERIC.fullmatch(bare):
            return None
        try:  # 127.1 and 0x7f000001 are loopback too
            found = ipaddress.IPv4Address(socket.inet_aton(bare))
        except OSError:
            return None
    return getattr(found, "ipv4_mapped", None) or found


VARIABLES = ("BINDER_LAUNCH_HOST", "BINDER_REPO_URL", "BINDER_SERVICE_HOST")
"""On mybinder.org, BinderHub sets the first two, and Kubernetes the third."""

KEY_USED_ON_BINDER = (
    "This runs on Binder, where nothing is private and keys are not allowed; but a key was sent from here. "
    "Delete it in your account, and make a new one."
)
KEY_FOUND_ON_BINDER = (
    "This runs on Binder, where nothing is private and keys are not allowed; but there is one. It is not used. "
    "Delete it in your account, and make a new one."
)

ELSEWHERE = "For real pictures, run the notebook on your own machine or in Colab."


def on_binder(environ: Mapping[str, str]) -> bool:
    """Return whether BinderHub started this environment."""
    return any(environ.get(name) for name in VARIABLES)


def login_refusal() -> SettingsError:
    """Return the error for a login on Binder."""
    return SettingsError(
        "This runs on Binder, where nothing is private and keys are not allowed, so you can't log in here.\n"
        f"Continue in the sandbox, which needs no key: %seedream config backend={SANDBOX.name}",
        hint=ELSEWHERE,
    )


CONTENT = Path("/content")
"""Where Colab's kernels start; deleted with the runtime, except for what is mounted below it."""
_KEY_SYMBOL = "Click the key symbol at the left edge of the page"
_WITHOUT = f"Or try without a key:  %seedream config backend={SANDBOX.name}"


class Colab:
    """Colab, if this kernel runs there: its secrets, and its files that don't last."""

    def __init__(
        self,
        *,
        here: Callable[[], bool] = lambda: False,
        content: Path = CONTENT,
        ask: Callable[[str], object] | None = None,
    ) -> None:
        """Look at nothing yet.

        Args:
            here: returns whether this kernel is Colab's.
            content: the folder that is deleted with the runtime.
            ask: returns a secret by its name, or raises the errors of Colab's `userdata`.
        """
        self._here, self._content, self._ask = here, content, ask or _ask
        self._lock = threading.Lock()
        self._name, self._key = "", cast("Key | None", None)
        self._trouble: str | None = None
        self._changes = -1

    @classmethod
    def around(cls) -> Colab:
        """Return the Colab of this process, whose kernel imports `google.colab` before any cell runs."""
        return cls(here=lambda: "google.colab" in sys.modules)

    # -- the key -----------------------------------------------------------------------------------

    def key(self, changes: int, service: Service) -> Key | None:
        """Return the key from Colab's secrets, asked for once.

        Where there was none, the page is asked again after `no_key` or a change of settings: the user may have added
        the key by then.

        Args:
            changes: how often settings were changed.
            service: what the key is for; the secret has the name of its environment variable.

        Raises:
            SettingsError: the secret is white space, or can't be a key.
        """
        # The page answers the main thread only; other threads use what is known.
        if self._here() and threading.current_thread() is threading.main_thread():
            with self._lock:
                if self._name != service.key_variable:
                    self._name, self._key, self._changes = service.key_variable, None, -1
                if self._key is None and self._changes != changes:
                    self._look(service.key_variable)
                    self._changes = changes
        return self._key if self._name == service.key_variable else None

    def no_key(self, service: Service) -> SettingsError | None:
        """Return the error for a missing key, with what to click; None where the page was not asked."""
        with self._lock:
            trouble, self._trouble, self._changes = self._trouble, None, -1
        message = _NO_KEY.get(trouble or "", _NO_PAGE).format(trouble=trouble, service=service)
        return None if trouble is None else SettingsError(message)

    def why_not(self, service: Service) -> tuple[str, ...]:
        """Return a line that says why a secret could not be read, and what to click; nothing if there is no secret."""
        with self._lock:
            if self._key is not None or self._trouble in {None, "SecretNotFoundError"}:
                return ()
            reason = _REFUSED if self._trouble == "NotebookAccessError" else _UNANSWERED
            return (reason.format(trouble=self._trouble, service=service),)

    def _look(self, name: str) -> None:
        self._trouble = "SecretNotFoundError"
        try:
            self._key = key_of(_text(self._ask(name)), f"{IN_COLAB} {name}")
        except SettingsError:
            raise
        except Exception as error:  # noqa: BLE001 - not found, no access or no page: each has its message
            self._trouble = type(error).__name__

    # -- the files ---------------------------------------------------------------------------------

    @property
    def home(self) -> str:
        """Where pictures and history live unless somebody chooses: on Drive where it is mounted."""
        return str(self._kept) if self._here() and self._drive.is_dir() else "seedream"

    def warning(self, home: Path) -> str | None:
        """Warn that Colab will delete `home`, and how to keep it; None if it won't."""
        if not self._here() or self._content not in home.parents or self._drive in home.parents:
            return None
        mount = f'from google.colab import drive; drive.mount("{self._drive.parent}"), then: '
        first = "" if self._drive.is_dir() else mount
        remedy = f"{first}%seedream config home={self._kept}"
        return f"Colab deletes these files with its runtime. To keep them on Drive: {remedy}"

    @property
    def _drive(self) -> Path:
        return self._content / "drive" / "MyDrive"

    @property
    def _kept(self) -> Path:
        return self._drive / "seedream"


_NO_KEY = {
    "SecretNotFoundError": (
        f"There is no key. Get one at {{service.keys_page}}\n"
        f"{_KEY_SYMBOL}, then Add new secret: name {{service.key_variable}}, value your key.\n"
        'Switch on "Notebook access" beside it, and run this cell again.\n'
        f"{_WITHOUT}"
    ),
    "NotebookAccessError": (
        f"There is no key: this notebook may not read Colab's secret {{service.key_variable}}.\n"
        f'{_KEY_SYMBOL}, switch on "Notebook access" beside {{service.key_variable}}, and run this cell again.\n'
        f"{_WITHOUT}"
    ),
}
_NO_PAGE = (
    "There is no key: Colab's secrets can be read only in Colab's own page, and it did not answer ({trouble}).\n"
    "Open this notebook there, at https://colab.research.google.com, and run this cell again.\n"
    "Or enter the key, hidden, with:  %seedream login\n"
    f"{_WITHOUT}"
)
_REFUSED = (
    f"Why the sandbox: this notebook may not read Colab's secret {{service.key_variable}}. {_KEY_SYMBOL}, switch on "
    f'"Notebook access" beside {{service.key_variable}}, and run: %seedream config backend={AUTO}'
)
_UNANSWERED = (
    "Why the sandbox: Colab's secrets can be read only in Colab's own page, and it did not answer ({trouble}). Enter "
    "the key, hidden, with %seedream login; or open this notebook at https://colab.research.google.com and run: "
    f"%seedream config backend={AUTO}"
)


def _text(secret: object) -> str | None:
    return secret if isinstance(secret, str) else None


def _ask(name: str) -> object:
    from google.colab import userdata

    return userdata.get(name)
