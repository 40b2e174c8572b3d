"""The key: an object that never shows itself, the places where it can be, and the stored login."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from seedream_nb.errors import RequestError, SettingsError, plain
from seedream_nb.files import read_regular
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service import DEFAULT, SANDBOX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from seedream_nb.service import Service

MAX_BYTES = 64_000
"""Of `.env` and of the stored login: a larger file is something else, or a trap."""
_EXPORT = lazy_pattern(r"^export\s+")
_QUOTED = lazy_pattern(r"""(?:'([^']*)'|"([^"]*)")\s*(?:\#.*)?""")
_COMMENT = lazy_pattern(r"(?:^|(?<=\s))\#")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_KEY_IN_TEXT = lazy_pattern(r"(?<![^\W_])sk_|api.?key|(?<![^\W_])key\s*[=:]", re.IGNORECASE)


class Key:
    """A key that can be sent but not seen: however it is printed, it shows `<key>`."""

    __slots__ = ("_text", "source")

    def __init__(self, text: str, *, source: str, service: Service = DEFAULT) -> None:
        """Keep a key of a service; `source` says where it was found.

        Raises:
            SettingsError: it is only white space, or contains characters that a header can't.
        """
        text = text.strip()
        if not text:
            raise SettingsError(f"The key from {source} is only white space.", hint=remedy(source, service))
        if not all("!" <= character <= "~" for character in text):
            message = f"The key from {source} contains spaces or characters that no key has."
            raise SettingsError(message, hint=remedy(source, service))
        self._text = text
        self.source = source

    def reveal(self) -> str:
        """Return the key itself, for the one header that needs it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Compare with another key: equal if text and source are."""
        return isinstance(other, Key) and (self._text, self.source) == (other._text, other.source)

    def __hash__(self) -> int:
        """Equal keys have equal hashes."""
        return hash(self._text)

    def __repr__(self) -> str:
        """Show that there is a key, and no part of it."""
        return "<key>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a key is not written to files."""
        raise TypeError("a key can't be pickled")


class Unseen(Mapping[str, str]):
    """Environment variables, one of which may be the key: they can be read, but don't show when printed."""

    __slots__ = ("_of",)

    def __init__(self, of: Mapping[str, str]) -> None:
        """Wrap this environment, live."""
        self._of = of

    def __getitem__(self, name: str) -> str:
        """Return a variable."""
        return self._of[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._of)

    def __len__(self) -> int:
        """Return the number of variables."""
        return len(self._of)

    def __repr__(self) -> str:
        """Show that it is an environment, and nothing of it."""
        return "<environment>"


class Secrets:
    """What a session keeps to itself: the keys it has used, and the originals of links that contain one.

    Links that contain the key are written without it; inline pictures are written to files of their own.
    """

    __slots__ = ("_keys", "_raw")

    def __init__(self) -> None:
        """Know nothing yet."""
        self._keys: dict[Key, None] = {}
        self._raw: dict[str, str | bytes] = {}

    def learn(self, key: Key | None) -> None:
        """Remember a key, if there is one."""
        if key is not None:
            self._keys.setdefault(key)

    def keys(self) -> list[str]:
        """Return the keys themselves, to redact what a server sends."""
        return [key.reveal() for key in list(self._keys)]

    def keep(self, raw: Mapping[str, str | bytes]) -> None:
        """Remember the originals of links that were written differently."""
        self._raw.update(raw)

    def raw(self, link: str) -> str | bytes:
        """Return the original of a link, or the inline picture that it names."""
        return self._raw.get(link, link)

    def forget(self, link: str) -> None:
        """Forget the picture of a link: it is on disk."""
        if isinstance(self._raw.get(link), bytes):
            del self._raw[link]

    def __repr__(self) -> str:
        """Show nothing."""
        return "<secrets>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("secrets can't be pickled")


_IN_ENVIRONMENT, _IN_FILE, _LOGIN, IN_COLAB = "the environment", "the file", "the stored login", "Colab's secret"
CONFIGURED = "configure()"


def remedy(source: str, service: Service) -> str:
    """Return in a sentence what to do about a wrong key from this source."""
    if source == CONFIGURED:
        return "Give the right one there, or remove it: sd.configure(api_key=None)"
    if source.startswith((_IN_ENVIRONMENT, _IN_FILE)):
        return "Correct or unset it there: it takes precedence over a key that %seedream login stores."
    if source.startswith(_LOGIN):
        return "Store the right one: %seedream login"
    if source.startswith(IN_COLAB):
        return "Correct it there and restart the session, or store another, which takes precedence: %seedream login"
    return f"Get one at {service.keys_page}, then run: %seedream login"


class Login:
    """The stored login: one file in the user's own folder, with a key for each host."""

    def __init__(self, folder: Path | None) -> None:
        """Use `login.json` in this folder; nothing is read or written yet. Without a folder nothing can be stored."""
        self.path = None if folder is None else folder / "login.json"

    def key_for(self, host: str) -> str | None:
        """Return the key stored for exactly this host; an unreadable file has none."""
        try:
            stored = self._read().get(host)
        except _UNREADABLE:
            return None
        return stored if isinstance(stored, str) else None

    def store(self, host: str, key: Key, service: Service = DEFAULT) -> None:
        """Store a service's key for this host, readable by the user alone; the keys of other hosts stay."""
        if self.path is None:
            message = "The login can't be stored: this user has no home folder, so there is no private place for it."
            raise SettingsError(
                message, hint=f"Give the key in the environment as {service.key_variable}, or set HOME."
            )
        if trouble := self._change(self.path, lambda stored: {**stored, host: key.reveal()}):
            raise SettingsError(f"The login could not be stored in {plain(str(self.path.parent))}: {trouble}.")

    def forget(self, host: str) -> bool:
        """Remove this host's key, and leftovers of interrupted logins; return whether there was anything."""
        if self.path is None:
            return False
        has_key, leftovers = self.key_for(host) is not None, list(_real(self.path).parent.glob(".login-*.json"))

        def without(stored: dict[str, object]) -> dict[str, object]:
            return {of: stored[of] for of in stored if of != host} if host in stored else stored

        trouble = _removed(leftovers) or self._change(self.path, without)
        if trouble:
            raise SettingsError(f"The key could not be removed from {plain(str(self.path.parent))}: {trouble}.")
        return has_key or bool(leftovers)

    def _change(self, path: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> str:
        """Apply a change to the file; return why that failed. No frame of an error contains a key.

        Raises:
            SettingsError: the file can't be read, so its content would be lost.
        """
        stored, unread = {}, ""
        try:
            stored = self._read()
        except OSError as error:
            unread = error.strerror or type(error).__name__
        except (ValueError, RecursionError):
            unread = "it is not a JSON object"
        if unread:  # raised only here: the parser's error contains the whole text
            message = f"The stored login {plain(str(path))} can't be read: {unread}. It was left as it is."
            raise SettingsError(
                message, hint="It may contain the keys of other hosts: repair it, or delete it and log in again."
            )
        fresh = change(stored)
        return "" if fresh is stored else _replace(_real(path), fresh)

    def _read(self) -> dict[str, object]:
        if self.path is None:
            return {}
        try:
            content = read_regular(self.path, MAX_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        stored = json.loads(content) if content.strip() else {}  # in any UTF, and with a BOM
        if not isinstance(stored, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - like other invalid content
        return stored


_UNREADABLE = (OSError, ValueError, RecursionError)


def _real(path: Path) -> Path:
    """Return the file itself: it may be a link, which stays."""
    return path.parent / os.path.realpath(path)


def _replace(path: Path, stored: Mapping[str, object]) -> str:
    """Replace the file, or remove it if nothing is left; return why that failed."""
    fresh = path.with_name(f".login-{os.getpid()}.json")
    try:
        if not stored:
            path.unlink(missing_ok=True)
            return ""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(stored, file)
        fresh.replace(path)
    except OSError as error:
        return error.strerror or type(error).__name__
    finally:
        _removed([fresh])
    return ""


def _removed(paths: Iterable[Path]) -> str:
    """Remove files; return why that failed."""
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def find_key(  # noqa: PLR0913 - the sources, in order
    *,
    configured: Key | None,
    environ: Mapping[str, str],
    folder: Path,
    login: Login,
    host: str,
    service: Service = DEFAULT,
    colab: Callable[[], Key | None] = lambda: None,
) -> Key | None:
    """Return the first key found: configured, environment, `.env` in `folder`, login for `host`, `colab`'s secret.

    A source whose key is empty counts as one without.

    Raises:
        SettingsError: the first source that has one has only white space, or something that can't be a key.
    """
    if configured is not None:
        return configured
    variable = service.key_variable
    places: tuple[tuple[str, Callable[[], str | None]], ...] = (
        (f"{_IN_ENVIRONMENT} ({variable})", lambda: environ.get(variable)),
        (f"{_IN_FILE} {plain(str(folder / '.env'))}", lambda: _from_dotenv(folder / ".env", variable)),
        (stored_login(host), lambda: login.key_for(host)),
    )
    for source, read in places:
        # Not in a variable of this frame: a verbose traceback would show it.
        if (key := key_of(read(), source)) is not None:
            return key
    return colab()


def stored_login(host: str) -> str:
    """Say in words where a host's stored key is."""
    return f"{_LOGIN} for {host}"


def key_of(text: str | None, source: str) -> Key | None:
    """Return the key of a source; None if it has none.

    Raises:
        SettingsError: it is only white space, or something that can't be a key.
    """
    # Empty is what a missing secret looks like; white space is a mistake, and reported.
    try:
        return Key(text, source=source) if text else None
    except SettingsError as error:
        trouble = error.with_traceback(None)
    del text
    raise trouble


def may_hold_key(text: str) -> bool:
    """Return whether a text mentions a key or contains what looks like one: then it is not repeated to anybody."""
    return _KEY_IN_TEXT.search(text) is not None


def key_in(place: str) -> RequestError:
    """Return the error for a key in what would be sent and written down."""
    message = f"Your key is in {place}: remove it. It would be sent, and written down with the pictures."
    return RequestError(message, hint="Nothing was sent, nothing was billed.")


def no_key(service: Service) -> SettingsError:
    """Return the error for a missing key: where to get one, how to give it, how to try without."""
    start = f"There is no key. Get one at {service.keys_page}\n"
    if "IPython" not in sys.modules:  # a plain script has no magics
        return SettingsError(
            f"{start}Give it in the environment as {service.key_variable}, or in a file .env in the folder where it "
            "runs.\n"
            f'Or try without one, with:  sd.configure(backend="{SANDBOX.name}")'
        )
    return SettingsError(
        f"{start}Give it, unseen, with:     %seedream login\n"
        f"Or try without one, with:  %seedream config backend={SANDBOX.name}"
    )


def _from_dotenv(path: Path, variable: str) -> str | None:
    # Only the key is taken from there: a cloned folder must not send it elsewhere.
    with contextlib.suppress(OSError, UnicodeError):
        content = read_regular(path, MAX_BYTES)
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
        named = (line.partition("=") for line in text.splitlines())
        values = [value.strip() for name, sign, value in named if sign and _EXPORT.sub("", name.strip()) == variable]
        # As in a shell, the last one counts.
        return _unquoted(values[-1]) if values else None
    return None


def _unquoted(value: str) -> str:
    if quoted := _QUOTED.fullmatch(value):
        return quoted[1] or quoted[2] or ""
    return _COMMENT.split(value, maxsplit=1)[0].rstrip()
