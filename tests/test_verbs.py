"""What `%seedream` verbs tell and refuse; a key that was typed into a cell is not repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.errors import RequestError, SettingsError, StoppedError
from seedream_nb.notebook.verbs import VERBS, run
from seedream_nb.session import Session
from seedream_nb.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "Zq7XvTgWpLmRkYbN"
WIDTH = 100

SPELLINGS = [
    "config api_key = sk_{}", "config api-key=sk_{}", "config API_KEY={}", "config apikey {}", "config sk_{}",
    "api_key=sk_{}", "sk_{}", "login sk_{}", "login {}", "config key = {}", "config NOVITA_API_KEY={}",
    "config 'api_key={}", "config budget=sk_{}", "logout sk_{}", "help sk_{}", "config\tapi_key\t=\t{}",
]  # fmt: skip


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Begin a session in an empty folder, in the sandbox."""
    session = Session(settings=Settings(environ={}, folder=tmp_path), lingers=False)
    session.settings.change(backend="sandbox")
    yield session
    session.close()


def tell(line: str, session: Session) -> None:
    """Run a verb that has no need of a notebook."""
    ip: Any = None
    run(line, session, ip)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_is_refused_however_it_is_spelt(session: Session, spelling: str) -> None:
    """A line that gives a key is refused before it is read, with the way to give it unseen; none of it is shown."""
    with pytest.raises(SettingsError, match="%seedream login") as caught:
        tell(spelling.format(KEY), session)
    assert KEY[:4] not in str(caught.value)


@pytest.mark.parametrize("line", ["config budget=1", "config backend=sandbox size=2K", "help login", "logout"])
def test_other_lines_are_not_taken_for_keys(session: Session, line: str) -> None:
    """Lines without a key do what they say."""
    tell(line, session)


@pytest.mark.parametrize("verb", ["", "history fox", "recover", "config"])
def test_a_verb_that_is_interrupted_is_stopped(verb: str) -> None:
    """An interrupt ends any verb with a short error that says what it cost."""

    class Interrupted:
        """A session that never gets anywhere."""

        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    session: Any = Interrupted()
    with pytest.raises(StoppedError, match="Nothing was sent") as caught:
        tell(verb, session)
    assert len(caught.value.lines()) <= 2


@pytest.mark.parametrize(
    ("line", "told"), [("histry", "history"), ("help histry", "history"), ("x" * 500, "There are:"), ("show", "@3.2")]
)
def test_what_is_no_verb_is_refused_in_words(session: Session, line: str, told: str) -> None:
    """An unknown verb names the nearest, or all; and a verb that needs a word says which."""
    with pytest.raises(RequestError) as caught:
        tell(line, session)
    assert told in str(caught.value)
    assert max(map(len, caught.value.lines())) <= WIDTH


@pytest.mark.parametrize("line", ["", "config", "help", "-h", "--help", *(f"help {verb}" for verb in VERBS if verb)])
def test_no_line_is_too_long(session: Session, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """What is told fits into 100 columns."""
    session.settings.change(budget=1.5, home="/pictures")
    tell(line, session)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert max(map(len, lines)) <= WIDTH


def test_the_status_is_a_table(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """The status has a name at each line's start and what it is in one column."""
    session.settings.change(budget=1.5, home="/pictures")
    tell("", session)
    where, home, spent = capsys.readouterr().out.splitlines()
    assert where.startswith("Requests go to   the sandbox")
    assert home == f"Pictures are in  {session.settings.get('home')}  (no generations yet)"
    assert spent == "Spent            0.00 of 1.50 USD in this session"


def test_a_long_status_is_folded_in_its_column(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """What does not fit goes on below, in the same column; words such as paths stay whole."""
    home = "/" + "/".join(["pictures"] * 9)
    session.settings.change(home=home)
    tell("", session)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"Pictures are in  {home}"
    assert lines[2] == " " * 17 + "(no generations yet)"


def test_config_tells_each_setting_with_its_source(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """`config` shows each value as it would be written, where it comes from, and what it is for."""
    session.settings.change(timeout=30, once=True)
    tell("config", session)
    told = capsys.readouterr().out
    assert "backend      sandbox  (configured)\n             novita; sandbox" in told
    assert "timeout      30  (configured)" in told
    assert "once         true  (configured)" in told
    assert "size         2048x2048  (default)" in told
    assert "budget       none  (default)" in told
    assert "api_key" not in told


def test_config_tells_a_wrong_value_in_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variable with a value that can't be is told where the value would stand, and the rest is told too."""
    tell("config", Session(settings=Settings(environ={"SEEDREAM_TIMEOUT": "long"}, folder=tmp_path), lingers=False))
    told = capsys.readouterr().out
    assert "timeout      wrong: SEEDREAM_TIMEOUT='long' in the environment: must be a number" in told
    assert "watermark" in told


def test_help_tells_how_a_verb_is_written(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """`help VERB` begins with the line to write."""
    tell("help history", session)
    assert capsys.readouterr().out.startswith("%seedream history [WORDS]\n  List what was made")
