"""Where requests go, and what holds for those that don't say otherwise: one table of settings."""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seedream_nb.errors import Problem, SettingsError, did_you_mean, plain
from seedream_nb.frozen import frozen
from seedream_nb.hosts import Colab, is_loopback, on_binder
from seedream_nb.keys import CONFIGURED, Key, Unseen, may_hold_key
from seedream_nb.options import MAX_NUMBER, OPTIONS, read_number
from seedream_nb.pickling import NotPicklable
from seedream_nb.scope import scalar
from seedream_nb.service import AUTO, DEFAULT, SANDBOX, all_models, backends, model_named, with_key
from seedream_nb.sizes import either, spell_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from seedream_nb.service import Model, Service

_SHOWN = 60
_OF_A_SERVICE = frozenset({"api_key", "base_url", "model"})
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@frozen
class Setting:
    """One row of the table: how a setting is called, read and explained."""

    name: str
    environment: str | None
    default: object
    read: Callable[[object], Any]
    help: str


class Settings(NotPicklable):
    """The settings in force: what `change` was told, else the environment, else the defaults."""

    instead = "The key may be one of them: call sd.configure in each process."

    def __init__(
        self, *, environ: Mapping[str, str], folder: Path, home: str | None = None, colab: Colab | None = None
    ) -> None:
        """Begin with what the environment says.

        Args:
            environ: the environment, read live but for `SEEDREAM_HOME`.
            folder: relative paths are meant from here, and `.env` is looked for here.
            home: `SEEDREAM_HOME` as it was when the package was loaded; None: as it is now.
            colab: Colab around this kernel; None: this is elsewhere.
        """
        self.folder, self._environ = folder, Unseen(environ)
        self._given: dict[str, Any] = {}
        self.colab, self.changes = colab or Colab(), 0
        self._home_variable = (environ.get("SEEDREAM_HOME", "") if home is None else home).strip()
        self._home = _resolved(self._home_variable or self.colab.home, folder)  # now: later folder and HOME may change

    def get(self, name: str) -> Any:  # noqa: ANN401 - each setting has its own type
        """Return the value in force.

        Raises:
            SettingsError: the environment holds a value that the setting can't have.
        """
        setting = SETTINGS[name]
        if name == "home":
            return self._home_in_force()
        if (place := self._place(name)) in self._given:
            return self._given[place]
        return self._unset(setting)

    def _unset(self, setting: Setting) -> Any:  # noqa: ANN401 - each setting has its own type
        """Return what holds where nothing was set: what the environment says, else the default."""
        is_read = setting.environment is not None and setting.name != "api_key"
        text = self._environ.get(str(setting.environment), "") if is_read else ""
        if not text.strip():
            return self._default(setting)
        try:
            return setting.read(text.strip())
        except ValueError as error:
            raise SettingsError(f"{setting.environment}={_shown(text)} in the environment: {error}") from None

    def change(self, **values: object) -> None:
        """Set settings by name; None or an empty text sets one back. All are checked before any is changed.

        A key and an address are for the service that is in force then, and for no other.

        Raises:
            SettingsError: a name that doesn't exist (the nearest is named), a value that can't be, or a `size` and
                an `aspect` that don't go together.
        """
        fresh: dict[str, Any] = {}
        problems: list[str] = []
        for name in list(values):
            try:
                fresh[name] = read_setting(name, values.pop(name))
            except SettingsError as error:
                problems.append(error.message)
        problems += self._misshapen(fresh)
        if problems:
            raise SettingsError("\n".join(problems), hint="No setting was changed.")
        self.changes += 1
        for name in sorted(fresh, key="backend".__ne__):  # it first: the others may be for that one
            self._set(name, fresh.pop(name))

    @property
    def keys(self) -> list[Key]:
        """The keys that were set, for whatever service."""
        return [value for value in self._given.values() if isinstance(value, Key)]

    def source(self, name: str) -> str:
        """Return where the value in force comes from, in words."""
        setting = SETTINGS[name]
        if self._place(name) in self._given:
            return "configure"
        variable = self.service.key_variable if name == "api_key" else setting.environment
        text = self._home_variable if name == "home" else self._environ.get(variable, "") if variable else ""
        return str(variable) if text.strip() else "default"

    @property
    def service(self) -> Service:
        """The service that a key is for; the default one where none is named that needs a key."""
        try:
            return with_key(self.get("backend"))
        except SettingsError:  # who asks for that setting is told
            return DEFAULT

    @property
    def model(self) -> Model:
        """The model that requests are for which name none.

        Raises:
            SettingsError: the environment names one that this version doesn't know, or that the service lacks.
        """
        name = self.get("model")
        try:
            return self.service.model_named(name)
        except LookupError as error:
            raise SettingsError(f"model={_shown(name)} for {self.service.name}: {error}") from None

    def price_of(self, model: Model) -> float:
        """Return what a picture of a model costs in USD: what was set for all of them, else its list price."""
        return model.price if self.source("price") == "default" else float(self.get("price"))

    def _default(self, setting: Setting) -> object:
        """Return what holds where nobody says anything."""
        if setting.name == "backend":
            return SANDBOX.name if self.on_binder else setting.default
        if setting.name == "base_url":
            return self.service.base_url
        if setting.name == "model":
            return self.service.model.name
        return self.model.price if setting.name == "price" else setting.default

    @property
    def on_binder(self) -> bool:
        """Whether this is a Binder: no place for a key, so that requests go to the sandbox if nothing else is said."""
        return on_binder(self._environ)

    @property
    def unread(self) -> list[str]:
        """The variables that begin as those of settings do and are none: slips, mostly."""
        known = {setting.environment for setting in SETTINGS.values()}
        return sorted(name for name in self._environ if name.startswith("SEEDREAM_") and name not in known)

    def use_home(self, home: Path) -> None:
        """Keep files in `home` although nobody asked for that: the default folder can't be written."""
        self._home = home

    def _home_in_force(self) -> Path:
        if isinstance(self._home, Path):
            return self._home
        told = f"SEEDREAM_HOME={_shown(self._home_variable)} in the environment: {self._home}"
        raise SettingsError(told, hint="Set another with: %seedream config home=FOLDER")

    def _place(self, name: str) -> str:
        """Return under which name a setting is kept: a key for one service must not be sent to another."""
        return f"{name} of {self.service.name}" if name in _OF_A_SERVICE else name

    def _set(self, name: str, value: object) -> None:
        place = self._place(name)
        if value is None:
            self._given.pop(place, None)
        else:
            self._given[place] = value
        if name == "home":
            self._home = _resolved(str(value or self._home_variable or self.colab.home), self.folder)

    def _misshapen(self, fresh: Mapping[str, Any]) -> Iterator[str]:
        """Yield what is wrong with `size` and `aspect`, each and together, for the model that is then in force."""
        try:
            model = self._model_with(fresh)
        except LookupError as error:
            yield f"model={_shown(fresh['model'])}: {error}"
            return
        if fresh.get("model"):  # then what is set already must be something that it makes
            fresh = {**{name: self._given[name] for name in ("size", "aspect") if name in self._given}, **fresh}
        size, aspect = fresh.get("size"), fresh.get("aspect")
        if size is not None and (told := _trouble_with(model, size=size)):
            yield f"size={_shown(size)}: {told}"
        elif aspect is not None and (told := _trouble_with(model, aspect=aspect)):
            yield f"aspect={_shown(aspect)}: {told}"
        elif size is not None or aspect is not None:
            size, aspect = ({**self._given, **fresh}.get(name) for name in ("size", "aspect"))
            if size is not None and aspect is not None and _trouble_with(model, size=size, aspect=aspect):
                told = f"an aspect can only be combined with {either(model.tiers)}."
                yield f"size={size} and aspect={aspect} don't go together: {told}"

    def _model_with(self, fresh: Mapping[str, Any]) -> Model:
        """Return the model that is in force with these settings; raises LookupError if the service lacks it."""
        service = with_key(fresh["backend"]) if fresh.get("backend") else self.service
        name = fresh["model"] if "model" in fresh else self._given.get(f"model of {service.name}")
        if name is None and service is self.service and "model" not in fresh:
            return self.model
        return service.model if name is None else service.model_named(name)


def user_folder(kind: str, environ: Mapping[str, str]) -> Path | None:
    """Return the user's own folder for `config` or `data` of seedream-nb, as the system has it; None where it has none.

    There is none for a user whom neither HOME nor the system knows, as in some containers; a folder that is everybody's
    would be no place for a key.
    """
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if not home.is_absolute():
        return None
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData/Roaming") / "seedream-nb"
    if sys.platform == "darwin":
        return home / "Library/Application Support/seedream-nb"
    variable, fallback = {"config": ("XDG_CONFIG_HOME", ".config"), "data": ("XDG_DATA_HOME", ".local/share")}[kind]
    chosen = Path(environ.get(variable, ""))  # "If an implementation encounters a relative path, it should ignore it"
    return (chosen if chosen.is_absolute() else home / fallback) / "seedream-nb"


def _trouble_with(model: Model, *, size: str | None = None, aspect: str | None = None) -> str:
    """Return what is wrong with a size and an aspect for a model."""
    try:
        spell_size(size, aspect, model)
    except Problem as problem:
        return "this is not a valid value." if may_hold_key(str(problem)) else str(problem)
    return ""


def read_setting(name: str, value: object) -> Any:  # noqa: ANN401 - each setting has its own type
    """Return a value as the setting has it; None for None and for an empty text, which stand for the default.

    Raises:
        SettingsError: a name that doesn't exist (the nearest is named), or a value that can't be.
    """
    setting = SETTINGS.get(name)
    if setting is None:
        raise SettingsError(f"There is no setting {_shown(name)}.{did_you_mean(name, SETTINGS)}")
    try:
        if value is None or (isinstance(value, str) and not value.strip() and name != "api_key"):
            return None
        return setting.read(scalar(value))
    except SettingsError as error:
        trouble = error.with_traceback(None)
    except ValueError as error:
        why = "this is not a valid value." if may_hold_key(str(error)) else error
        trouble = SettingsError(f"{name}={_shown(value)}: {why}")
    except Exception:  # noqa: BLE001 - it is somebody's own class, which can't even be written as text
        trouble = SettingsError(f"{name}={_shown(value)}: this is not a valid value.")
    del value  # it may be a key, and a verbose traceback would show it
    raise trouble


def _shown(value: object) -> str:
    """Return a value for a message: one line, and nothing that may be a key or a password."""
    try:
        text = plain(repr(value), _SHOWN)
    except Exception:  # noqa: BLE001 - it is somebody's __repr__, or a number of thousands of digits
        text = f"a value of type {type(value).__name__}"
    return "…" if may_hold_key(text) or "@" in text else text


def _resolved(home: str, folder: Path) -> Path | str:
    """Return the folder that `home` means, seen from `folder`; or what is wrong with it."""
    try:
        return Path(os.path.normpath(folder / _path(home)))
    except ValueError as error:
        return str(error)


def _path(value: object) -> str:
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str) or "\0" in path:
        raise ValueError("must be the path of a folder.")
    try:
        os.fsencode(path)
        return str(Path(path.strip()).expanduser())
    except UnicodeError:
        told = (
            f"has characters that file names can't have in this locale ({sys.getfilesystemencoding()}): choose another."
        )
        raise ValueError(told) from None
    except RuntimeError:
        raise ValueError("there is no such user, or that user has no home folder.") from None


def _key(value: object) -> Key:
    if not isinstance(value, str):
        raise SettingsError(f"api_key: must be a text, not a value of type {type(value).__name__}.")
    return Key(str(value), source=CONFIGURED)


def _one_of(known: Callable[[], Sequence[str]]) -> Callable[[object], str]:
    def read(value: object) -> str:
        word, choices = str(value).strip().lower(), known()
        if word not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}.{did_you_mean(word, choices)}")
        return word

    return read


def _model(value: object) -> str:
    name = str(value).strip()
    try:
        return model_named(name).name
    except LookupError as error:
        raise ValueError(str(error)) from None


def _switch(value: object) -> bool:
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("must be true or false.")


def _number(
    *, above: float | None = None, least: float | None = None, most: float = MAX_NUMBER
) -> Callable[[object], float]:
    def read(value: object) -> float:
        number = read_number(value)
        outside = (above is not None and number <= above) or (least is not None and number < least)
        if math.isnan(number) or outside:
            bound = f"above {above:g}" if above is not None else f"of {least:g} or more"
            raise ValueError(f"must be a number {bound}.")
        if number > most:
            raise ValueError(f"must be a number up to {most:,.0f}.")
        return number

    return read


def _count(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_CONCURRENCY:
        raise ValueError(f"must be a whole number from 1 to {MAX_CONCURRENCY}.")
    return int(text)


def _pictures(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError("must be a whole number of pictures, 0 or more.")
    return int(text)


def _base_url(value: object) -> str:
    url = str(value).strip().rstrip("/")
    parts = urlsplit(url)
    _ = parts.port  # which is a ValueError where it can be none
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"must be a URL like {DEFAULT.base_url}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be a plain address, without user, password or parameters.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"must be https (the key is sent with it): https://{parts.netloc}{parts.path}")
    for path in filter(url.endswith, {model.path for model in all_models()}):
        raise ValueError(f"must be written without the path: {url.removesuffix(path)}")
    return url


def _text(value: object) -> str:
    return str(value).strip()


MAX_CONCURRENCY = 64
"""More requests in flight than this is a slip of the hand: the service counts pictures a minute."""

MAX_PRICE = 1_000.0
"""USD: no picture costs more."""

_READERS = {"size": _text, "aspect": _text, "switch": _switch}

# fmt: off
SETTINGS: dict[str, Setting] = {setting.name: setting for setting in (
    Setting(name="backend", environment="SEEDREAM_BACKEND", default=DEFAULT.name, read=_one_of(backends),
            help=f"{DEFAULT.name}; {SANDBOX.name} (an imitation, free); {AUTO}: {DEFAULT.name} if there is a key, else "
            f"{SANDBOX.name}"),
    Setting(name="api_key", environment=DEFAULT.key_variable, default=None,
            read=_key,
            help="the key; better stored with %seedream login, which hides what you type"),
    Setting(name="base_url", environment="SEEDREAM_BASE_URL", default=DEFAULT.base_url, read=_base_url,
            help="the service's address; must be https unless it is this machine"),
    Setting(name="model", environment="SEEDREAM_MODEL", default=DEFAULT.model.name, read=_model,
            help=f"{either([model.name for model in DEFAULT.models])}, where a request names none"),
    Setting(name="home", environment="SEEDREAM_HOME", default="./seedream", read=_path,
            help="the folder for pictures and history"),
    Setting(name="price", environment="SEEDREAM_PRICE", default=DEFAULT.model.price,
            read=_number(least=0, most=MAX_PRICE),
            help="USD per picture, for estimates (by default the list price of November 2026 of each model)"),
    Setting(name="budget", environment="SEEDREAM_BUDGET", default=None, read=_number(least=0),
            help="USD that this session may spend"),
    Setting(name="daily_budget", environment="SEEDREAM_DAILY_BUDGET", default=None, read=_number(least=0),
            help="USD that all kernels of this `home` may spend in a day, by the journal: it outlives a restart"),
    Setting(name="confirm", environment="SEEDREAM_CONFIRM", default=20, read=_pictures,
            help="pictures that a batch may buy without --yes"),
    Setting(name="once", environment="SEEDREAM_ONCE", default=False, read=_switch,
            help="as --once for every cell: an identical request is shown from the history"),
    Setting(name="concurrency", environment="SEEDREAM_CONCURRENCY", default=4, read=_count,
            help="requests in flight at once"),
    Setting(name="rate", environment="SEEDREAM_RATE", default=None, read=_number(above=0),
            help="pictures per minute that may be asked for, each request counted by the most that can come"),
    Setting(name="timeout", environment="SEEDREAM_TIMEOUT", default=600.0, read=_number(above=0),
            help="seconds that a cell waits, counted from the last byte sent"),
    *(Setting(name=option.name, environment=None, default=None, read=_READERS[option.kind],
              help=f"default of {option.flag}") for option in OPTIONS if option.has_setting),
)}
# fmt: on
