"""Where requests go, and what holds for those that don't say otherwise: one table of settings."""

from __future__ import annotations

import ipaddress
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seedream_nb.errors import Problem, SettingsError, did_you_mean
from seedream_nb.keys import Key
from seedream_nb.sizes import spell_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BACKENDS = ("novita", "sandbox", "auto")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table: how a setting is called, read and explained."""

    name: str
    environment: str | None
    default: object
    read: Callable[[object], Any]
    help: str


class Settings:
    """The settings in force: what `change` was told, else the environment, else the defaults."""

    def __init__(self, *, environ: Mapping[str, str], folder: Path) -> None:
        """Read settings from `environ`, live; relative paths are meant from `folder`. Fixes `home` now."""
        self.folder = folder
        self._environ = environ
        self._given: dict[str, Any] = {}
        self._home = _home(environ.get("SEEDREAM_HOME") or None, folder)

    def get(self, name: str) -> Any:  # noqa: ANN401 - each setting has its own type
        """Return the value in force.

        Raises:
            SettingsError: the environment holds a value that the setting can't have.
        """
        setting = SETTINGS[name]
        if name == "home":
            return self._home
        if name in self._given:
            return self._given[name]
        text = self._environ.get(setting.environment, "") if setting.environment and name != "api_key" else ""
        if not text.strip():
            return setting.default
        try:
            return setting.read(text.strip())
        except ValueError as error:
            raise SettingsError(f"{setting.environment}={text!r} in the environment: {error}") from None

    def change(self, **values: object) -> None:
        """Set settings by name; None or an empty text sets one back. All are checked before any is changed.

        Raises:
            SettingsError: a name that doesn't exist (the nearest is named), or a value that can't be.
        """
        fresh, problems = {}, []
        for name, value in values.items():
            try:
                fresh[name] = _read(name, value)
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems), hint="No setting was changed.")
        for name, value in fresh.items():
            self._set(name, value)

    def source(self, name: str) -> str:
        """Return where the value in force comes from, in words."""
        setting = SETTINGS[name]
        if name in self._given:
            return "configure"
        if setting.environment and self._environ.get(setting.environment, "").strip():
            return setting.environment
        return "default"

    def use_home(self, home: Path) -> None:
        """Keep files in `home` although nobody asked for that: the default folder can't be written."""
        self._home = home

    def _set(self, name: str, value: object) -> None:
        if value is None:
            self._given.pop(name, None)
        else:
            self._given[name] = value
        if name == "home":
            self._home = _home(value or self._environ.get("SEEDREAM_HOME") or None, self.folder)


def user_folder(kind: str, environ: Mapping[str, str]) -> Path:
    """Return the user's own folder for `config` or `data` of seedream-nb, as the system has it."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData/Roaming") / "seedream-nb"
    if sys.platform == "darwin":
        return home / "Library/Application Support/seedream-nb"
    variable, fallback = {
        "config": ("XDG_CONFIG_HOME", ".config"),
        "data": ("XDG_DATA_HOME", ".local/share"),
    }[kind]
    return Path(environ.get(variable) or home / fallback) / "seedream-nb"


def _home(value: object, folder: Path) -> Path:
    chosen = Path(str(value)).expanduser() if value else Path("seedream")
    return Path(os.path.normpath(folder / chosen))


def _read(name: str, value: object) -> Any:  # noqa: ANN401 - each setting has its own type
    setting = SETTINGS.get(name)
    if setting is None:
        raise ValueError(f"There is no setting {name!r}.{did_you_mean(name, SETTINGS)}")
    if value is None or (isinstance(value, str) and not value.strip() and name != "api_key"):
        return None
    try:
        return setting.read(value)
    except (ValueError, SettingsError) as error:
        told = str(error) if name == "api_key" else f"{name}={value!r}: {error}"
        raise ValueError(told) from None


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        word = str(value).strip().lower()
        if word not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}.{did_you_mean(word, choices)}")
        return word

    return read


def _switch(value: object) -> bool:
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("must be true or false.")


def _number(*, above: float | None = None, least: float | None = None) -> Callable[[object], float]:
    def read(value: object) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(str(value))
        except ValueError:
            number = math.nan
        if (
            not math.isfinite(number)
            or (above is not None and number <= above)
            or (least is not None and number < least)
        ):
            raise ValueError(
                f"must be a number {f'above {above:g}' if above is not None else f'of {least:g} or more'}."
            )
        return number

    return read


def _count(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or not 1 <= int(text) <= MOST_CONCURRENCY:
        raise ValueError(f"must be a whole number from 1 to {MOST_CONCURRENCY}.")
    return int(text)


def _base_url(value: object) -> str:
    url = str(value).strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL like https://api.novita.ai")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be a plain address, without user, password or parameters.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"must be https (the key travels with it): https://{parts.netloc}{parts.path}")
    return url


def is_loopback(host: str) -> bool:
    """Return whether a host, as written, is this machine; no name is looked up."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _size(value: object) -> str:
    try:
        return spell_size(str(value), None) and str(value).strip()
    except Problem as problem:
        raise ValueError(str(problem)) from None


def _aspect(value: object) -> str:
    try:
        return spell_size(None, str(value)) and str(value).strip()
    except Problem as problem:
        raise ValueError(str(problem)) from None


MOST_CONCURRENCY = 64
"""More requests in flight than this is a slip of the hand: the service counts pictures a minute."""

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            name="backend",
            environment="SEEDREAM_BACKEND",
            default="novita",
            read=_one_of(*BACKENDS),
            help="novita; sandbox (an imitation, free); auto: novita when a key is found, else the sandbox",
        ),
        Setting(
            name="api_key",
            environment="NOVITA_API_KEY",
            default=None,
            read=lambda value: Key(str(value), source="configure()"),
            help="the key; better given with %seedream login, which asks for it unseen",
        ),
        Setting(
            name="base_url",
            environment="SEEDREAM_BASE_URL",
            default="https://api.novita.ai",
            read=_base_url,
            help="the service's address; must be https unless it is this machine",
        ),
        Setting(
            name="home",
            environment="SEEDREAM_HOME",
            default="./seedream",
            read=str,
            help="the folder where pictures and history live",
        ),
        Setting(
            name="price",
            environment="SEEDREAM_PRICE",
            default=0.03,
            read=_number(least=0),
            help="USD per picture, for estimates (the list price of November 2026)",
        ),
        Setting(
            name="budget",
            environment="SEEDREAM_BUDGET",
            default=None,
            read=_number(least=0),
            help="USD that this session may spend",
        ),
        Setting(
            name="once",
            environment="SEEDREAM_ONCE",
            default=False,
            read=_switch,
            help="as --once for every cell: an identical request is shown from the history",
        ),
        Setting(
            name="concurrency",
            environment="SEEDREAM_CONCURRENCY",
            default=4,
            read=_count,
            help="requests in flight at once",
        ),
        Setting(
            name="timeout",
            environment="SEEDREAM_TIMEOUT",
            default=600.0,
            read=_number(above=0),
            help="seconds that a cell waits, counted from the last byte sent",
        ),
        Setting(name="size", environment=None, default=None, read=_size, help="default of --size"),
        Setting(name="aspect", environment=None, default=None, read=_aspect, help="default of --aspect"),
        Setting(name="watermark", environment=None, default=None, read=_switch, help="default of --watermark"),
    )
}
