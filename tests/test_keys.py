"""The key: never seen, found in the right order, stored for one host and the user alone."""

from __future__ import annotations

import json
import os
import pickle
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import SettingsError
from seedream_nb.keys import FoundKey, Key, Login, find_key, may_hold_key

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk_abcdef0123456789"
HOST = "api.novita.ai"


@pytest.fixture
def login(tmp_path: Path) -> Login:
    """Give a login store in an empty folder."""
    return Login(tmp_path / "config")


def _find(
    folder: Path, login: Login, *, configured: str | None = None, environ: dict[str, str] | None = None
) -> FoundKey | None:
    key = None if configured is None else Key(configured, source="configure()")
    return find_key(configured=key, environ=environ or {}, folder=folder, login=login, host=HOST)


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda key: f"{key!r:>30}", lambda key: "%s" % key, ascii])  # noqa: UP031
def test_a_key_shows_no_part_of_itself(show: object) -> None:
    """However a key is printed, nothing of it can be read."""
    shown = show(Key(SECRET, source="a test"))  # type: ignore[operator]
    assert not any(SECRET[start : start + 4] in shown for start in range(len(SECRET) - 3))


def test_a_key_is_not_pickled() -> None:
    """A key can't be written to a file by pickling what holds it."""
    with pytest.raises(TypeError):
        pickle.dumps(Key(SECRET, source="a test"))


def test_a_key_knows_where_it_is_from() -> None:
    """The same text found elsewhere is another key: what is said of it would be wrong."""
    key = Key(SECRET, source="configure()")
    assert key.source == "configure()"
    assert key == Key(SECRET, source="configure()") != Key(SECRET, source="the environment (NOVITA_API_KEY)")


def test_white_space_around_a_key_goes() -> None:
    """A key pasted with a line end is that key."""
    assert Key(f"  {SECRET}\n", source="a test").reveal() == SECRET


@pytest.mark.parametrize("text", ["", "  ", "\n\t", "sk_a b", "sk_ü", "sk_a\nsk_b"])
def test_what_can_not_be_a_key_is_refused_without_showing_it(text: str) -> None:
    """White space alone, or characters that no header carries, are refused; the value is not in the message."""
    with pytest.raises(SettingsError) as caught:
        Key(text, source="the test")
    assert not text.strip() or text not in str(caught.value)
    assert "the test" in str(caught.value)


def test_no_key_anywhere_is_none(tmp_path: Path, login: Login) -> None:
    """Where no place has a key, none is found."""
    assert _find(tmp_path, login) is None


def test_places_are_asked_in_order(tmp_path: Path, login: Login) -> None:
    """configure() comes before the environment, that before .env, that before the stored login."""
    login.store(HOST, Key("sk_login", source="a test"))
    found = [_find(tmp_path, login)]
    (tmp_path / ".env").write_text("NOVITA_API_KEY=sk_dotenv\n")
    found.append(_find(tmp_path, login))
    found.append(_find(tmp_path, login, environ={"NOVITA_API_KEY": "sk_environ"}))
    found.append(_find(tmp_path, login, environ={"NOVITA_API_KEY": "sk_environ"}, configured="sk_configured"))
    assert [each and each.key.reveal() for each in found] == [
        "sk_login",
        "sk_dotenv",
        "sk_environ",
        "sk_configured",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "NOVITA_API_KEY=sk_x",
        "export NOVITA_API_KEY=sk_x",
        "NOVITA_API_KEY = 'sk_x'",
        'NOVITA_API_KEY="sk_x"',
        "NOVITA_API_KEY=sk_x # mine",
        'NOVITA_API_KEY="sk_x" # mine',
        "NOVITA_API_KEY='sk_x'\t# it's mine",
        "NOVITA_API_KEY=sk_x\t# mine",
        "NOVITA_API_KEY=sk_old\nNOVITA_API_KEY=sk_x",
    ],
)
def test_dotenv_is_read_as_people_write_it(tmp_path: Path, login: Login, line: str) -> None:
    """A .env line may have export, spaces, quotes and a comment; the last one holds, as in a shell."""
    (tmp_path / ".env").write_text(f"# settings\nSEEDREAM_BASE_URL=https://evil.example\n{line}\n")
    found = _find(tmp_path, login)
    assert found is not None
    assert found.key.reveal() == "sk_x"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_dotenv_is_read_as_editors_store_it(tmp_path: Path, login: Login, encoding: str, end: str) -> None:
    """Neither a byte order mark nor the line ends of Windows get into the key."""
    (tmp_path / ".env").write_bytes(f"NOVITA_API_KEY=sk_x{end}OTHER=1{end}".encode(encoding))
    found = _find(tmp_path, login)
    assert found is not None
    assert found.key.reveal() == "sk_x"


@pytest.mark.parametrize("worst", ["NOVITA_API_KEY={} x", "{}NOVITA_API_KEY", "NOVITA_API_KEY='{}x", "export{}x=1"])
def test_a_dotenv_of_any_text_is_read_at_once(tmp_path: Path, login: Login, worst: str) -> None:
    """Sixty kilobytes of white space in the worst place take no time: a pattern that tries all ways takes minutes."""
    (tmp_path / ".env").write_text(f"NOVITA_API_KEY=sk_x\n{worst.format(' ' * 60_000)}\nNOVITA_API_KEY=sk_x\n")
    began = time.monotonic()
    found = _find(tmp_path, login)
    assert found is not None
    assert found.key.reveal() == "sk_x"
    assert time.monotonic() - began < 2


def test_a_login_needs_a_folder_of_the_user() -> None:
    """A user without a home folder has no stored login, and storing one is refused with what to do instead."""
    login = Login(None)
    assert (login.key_for(HOST), login.forget(HOST)) == (None, False)
    with pytest.raises(SettingsError, match="no home folder") as caught:
        login.store(HOST, Key("sk_x", source="a test"))
    assert "NOVITA_API_KEY" in str(caught.value)


def test_a_dotenv_that_is_no_text_has_no_key(tmp_path: Path, login: Login) -> None:
    """A .env that can't be read as text is passed over."""
    (tmp_path / ".env").write_bytes(b"NOVITA_API_KEY=\xff\xfe\x00")
    assert _find(tmp_path, login) is None


@pytest.mark.parametrize("line", ["NOVITA_API_KEY=", 'NOVITA_API_KEY=""', "NOVITA_API_KEY= # yours"])
def test_an_empty_key_is_none(tmp_path: Path, login: Login, line: str) -> None:
    """Exactly nothing in the environment or in .env (a missing secret) is no key: the next place is asked."""
    (tmp_path / ".env").write_text(line)
    assert _find(tmp_path, login, environ={"NOVITA_API_KEY": ""}) is None
    login.store(HOST, Key("sk_login", source="a test"))
    found = _find(tmp_path, login, environ={"NOVITA_API_KEY": ""})
    assert found is not None
    assert found.key.reveal() == "sk_login"


def test_a_key_of_white_space_in_dotenv_is_an_error(tmp_path: Path, login: Login) -> None:
    """White space between quotes is told, with the file."""
    (tmp_path / ".env").write_text('NOVITA_API_KEY="  "')
    with pytest.raises(SettingsError, match="white space"):
        _find(tmp_path, login)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("api_key=x", True), ("API-KEY x", True), ("apikey", True), ("sk_x", True), ("a=sk_x", True), ("'sk_x'", True),
        ("key=x", True), ("NOVITA_KEY = x", True), ("budget=1", False), ("task_x=1", False), ("monkey=1", False),
    ],
)  # fmt: skip
def test_what_may_be_a_key_is_recognised(text: str, told: bool) -> None:  # noqa: FBT001 - what is expected
    """A text that mentions a key, or has a word like one, is told from others."""
    assert may_hold_key(text) is told


def test_white_space_in_the_environment_is_an_error_that_names_the_place(tmp_path: Path, login: Login) -> None:
    """A key of white space is told, not passed over for another place."""
    with pytest.raises(SettingsError, match="environment"):
        _find(tmp_path, login, environ={"NOVITA_API_KEY": "  "})


def test_a_login_belongs_to_its_host(tmp_path: Path, login: Login) -> None:
    """A key stored for another host is not found for this one."""
    login.store("other.example", Key(SECRET, source="a test"))
    assert _find(tmp_path, login) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_login_is_readable_by_the_user_alone(login: Login) -> None:
    """The file has mode 0600."""
    login.store(HOST, Key(SECRET, source="a test"))
    assert login.path is not None
    assert stat.S_IMODE(login.path.stat().st_mode) == 0o600


def test_logout_forgets_one_host_only(login: Login) -> None:
    """Removing one host's key leaves the others."""
    login.store(HOST, Key("sk_a", source="a test"))
    login.store("other.example", Key("sk_b", source="a test"))
    assert login.forget(HOST)
    assert not login.forget(HOST)
    assert login.path is not None
    assert json.loads(login.path.read_text()) == {"other.example": "sk_b"}


def test_a_damaged_login_file_is_as_none(login: Login) -> None:
    """What can't be read as a login holds no key, and nothing crashes."""
    assert login.path is not None
    login.path.parent.mkdir(parents=True)
    login.path.write_text("{not json")
    assert login.key_for(HOST) is None


def test_colab_is_not_asked_elsewhere(tmp_path: Path, login: Login) -> None:
    """Outside Colab its module is not even looked for."""
    assert _find(tmp_path, login) is None
    assert "google.colab" not in sys.modules


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_key_of_white_space_is_mended_where_it_stands(tmp_path: Path, login: Login, place: str) -> None:
    """A login would change nothing while a slip goes before it: so the place itself is named as the one to mend."""
    (tmp_path / ".env").write_text("NOVITA_API_KEY='  '\n" if place == ".env" else "")
    with pytest.raises(SettingsError, match="is only white space") as caught:
        _find(tmp_path, login, environ={"NOVITA_API_KEY": "  "} if place == "environment" else {})
    assert place in caught.value.message
    assert caught.value.hint == "Correct or unset it there: it goes before a key that %seedream login stores."
