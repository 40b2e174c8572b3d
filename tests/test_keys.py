"""The key: never seen, found in the right order, stored for one host and the user alone."""

from __future__ import annotations

import json
import os
import pickle
import stat
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import SettingsError
from seedream_nb.keys import MAX_BYTES, Key, Login, find_key, may_hold_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "sk_abcdef0123456789"
HOST = "api.novita.ai"


@pytest.fixture
def login(tmp_path: Path) -> Login:
    """Give a login store in an empty folder."""
    return Login(tmp_path / "config")


def log_in(login: Login, host: str) -> None:
    """Store a key."""
    login.store(host, Key(SECRET, source="a test"))


def in_place(login: Login, content: bytes) -> Path:
    """Put this where a login is stored."""
    assert login.path is not None
    login.path.parent.mkdir(parents=True)
    login.path.write_bytes(content)
    return login.path


def _find(
    folder: Path, login: Login, *, configured: str | None = None, environ: dict[str, str] | None = None
) -> Key | None:
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
    assert [each and each.reveal() for each in found] == [
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
    assert found.reveal() == "sk_x"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_dotenv_is_read_as_editors_store_it(tmp_path: Path, login: Login, encoding: str, end: str) -> None:
    """Neither a byte order mark nor the line ends of Windows get into the key."""
    (tmp_path / ".env").write_bytes(f"NOVITA_API_KEY=sk_x{end}OTHER=1{end}".encode(encoding))
    found = _find(tmp_path, login)
    assert found is not None
    assert found.reveal() == "sk_x"


@pytest.mark.parametrize("worst", ["NOVITA_API_KEY={} x", "{}NOVITA_API_KEY", "NOVITA_API_KEY='{}x", "export{}x=1"])
def test_a_dotenv_of_any_text_is_read_at_once(tmp_path: Path, login: Login, worst: str) -> None:
    """Sixty kilobytes of white space in the worst place take no time: a pattern that tries all ways takes minutes."""
    (tmp_path / ".env").write_text(f"NOVITA_API_KEY=sk_x\n{worst.format(' ' * 60_000)}\nNOVITA_API_KEY=sk_x\n")
    began = time.monotonic()
    found = _find(tmp_path, login)
    assert found is not None
    assert found.reveal() == "sk_x"
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
    assert found.reveal() == "sk_login"


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
def test_what_may_be_a_key_is_recognised(text: str, told: bool) -> None:
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


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_login_that_others_could_read_is_made_private(login: Login) -> None:
    """A file that an editor stored is for the user alone again with the next login, of the same key too."""
    path = in_place(login, b'{"api.novita.ai": "sk_a"}')
    path.chmod(0o644)
    login.store(HOST, Key("sk_a", source="a test"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_login_file_is_read_as_editors_store_it(login: Login, encoding: str) -> None:
    """With a BOM and in UTF-16 too: its keys are found, and stay when one of another host is stored."""
    in_place(login, '{"other.example": "sk_b"}'.encode(encoding))
    assert login.key_for("other.example") == "sk_b"
    login.store(HOST, Key("sk_a", source="a test"))
    assert (login.key_for(HOST), login.key_for("other.example")) == ("sk_a", "sk_b")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"other.example": "sk_b",}', "it is not a JSON object"),
        (b'["sk_b"]', "it is not a JSON object"),
        (b'{"other.example": "sk_b"}\xff', "it is not a JSON object"),
        (b'{"other.example": "sk_b"}' + b" " * MAX_BYTES, "it has more than 64,000 bytes"),
        (b"[" * 50_000, "it is not a JSON object"),
    ],
    ids=["a comma too many", "a list", "another encoding", "too large", "nested"],
)
@pytest.mark.parametrize("change", [log_in, Login.forget])
def test_a_login_file_that_can_not_be_read_is_not_written_over(
    login: Login, content: bytes, why: str, change: Callable[[Login, str], object]
) -> None:
    """Neither login nor logout takes the other hosts' keys away: both say what is wrong, and what to do."""
    path = in_place(login, content)
    with pytest.raises(SettingsError) as caught:
        change(login, HOST)
    assert caught.value.message == f"The stored login {path} can't be read: {why}. It was left as it is."
    assert caught.value.hint == "It may contain the keys of other hosts: repair it, or delete it and log in again."
    assert path.read_bytes() == content
    assert caught.tb.tb_next is not None
    shown = traceback.TracebackException(SettingsError, caught.value, caught.tb.tb_next, capture_locals=True).format()
    assert "sk_b" not in "".join(shown)
    assert caught.value.__context__ is None  # a parser's error has the whole text


def test_what_is_no_file_is_not_taken_for_an_empty_login(login: Login) -> None:
    """A folder in its place is told and stays."""
    assert login.path is not None
    login.path.mkdir(parents=True)
    with pytest.raises(SettingsError, match="can't be read: Is a directory"):
        login.store(HOST, Key(SECRET, source="a test"))
    assert list(login.path.parent.iterdir()) == [login.path]


def test_an_empty_login_file_is_as_none(login: Login) -> None:
    """There is nothing in it that could be lost."""
    in_place(login, b"")
    login.store(HOST, Key("sk_a", source="a test"))
    assert login.key_for(HOST) == "sk_a"


def test_what_a_login_file_has_besides_stays(login: Login) -> None:
    """What is no key, of a later version say, is kept with a login, and no key."""
    path = in_place(login, b'{"other.example": {"key": "sk_b"}}')
    login.store(HOST, Key("sk_a", source="a test"))
    assert json.loads(path.read_text()) == {"other.example": {"key": "sk_b"}, HOST: "sk_a"}
    assert login.key_for("other.example") is None


ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from seedream_nb.errors import SettingsError
from seedream_nb.keys import Key, Login

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
try:
    Login(Path(sys.argv[1])).store("other.example", Key("sk_b", source="a test"))
except SettingsError as error:
    sys.exit(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_login_that_finds_no_room_leaves_no_key(login: Login) -> None:
    """It is told in a sentence; the stored login is as before, and the half-written one goes."""
    path = in_place(login, b'{"api.novita.ai": "sk_a"}')
    script = [sys.executable, "-c", ON_A_FULL_DISK, str(path.parent)]
    ran = subprocess.run(script, capture_output=True, text=True, check=False, timeout=60)
    assert ran.stderr.strip() == f"The login could not be stored in {path.parent}: File too large."
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == b'{"api.novita.ai": "sk_a"}'


@pytest.mark.parametrize("stored", [True, False])
def test_logout_removes_what_a_login_left_that_was_killed(login: Login, stored: bool) -> None:
    """The file that it was writing has all keys: it goes, of whatever process it was, and counts as a key."""
    path = in_place(login, b'{"api.novita.ai": "sk_a"}')
    path.with_name(".login-1.json").write_text('{"api.novita.ai": "sk_a", "other')
    if not stored:
        path.unlink()
    assert login.forget(HOST)
    assert list(path.parent.iterdir()) == []
    assert not login.forget(HOST)


def test_logout_removes_such_leftovers_though_the_login_can_not_be_read(login: Login) -> None:
    """What it can do it does, and then says what it can't."""
    path = in_place(login, b"{not json")
    path.with_name(".login-1.json").write_text('{"api.novita.ai": "sk_a"}')
    with pytest.raises(SettingsError, match="can't be read"):
        login.forget(HOST)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few users make links")
def test_a_link_in_the_place_of_the_login_stays(login: Login, tmp_path: Path) -> None:
    """Some keep their settings elsewhere: the file itself is written, so that a logout leaves no key in it."""
    (tmp_path / "elsewhere").mkdir()
    path = in_place(login, b"")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere" / "login.json")
    for host in (HOST, "other.example"):
        login.store(host, Key("sk_a", source="a test"))
    assert path.is_symlink()
    assert login.forget(HOST)
    assert json.loads((tmp_path / "elsewhere" / "login.json").read_text()) == {"other.example": "sk_a"}
    assert login.forget("other.example")
    assert list((tmp_path / "elsewhere").iterdir()) == []


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
    assert caught.value.hint == "Correct or unset it there: it takes precedence over a key that %seedream login stores."
