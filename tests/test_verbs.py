"""What `%seedream` verbs tell and refuse; a key that was typed into a cell is not repeated."""

from __future__ import annotations

import importlib
import os
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.errors import RequestError, SeedreamError, SettingsError, StoppedError
from seedream_nb.notebook.text_table import columns_used
from seedream_nb.notebook.verbs import VERBS, run, there_are
from seedream_nb.options import OPTIONS
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.journals import Disk
from tests.journals import Kernel as Journaled

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


def test_an_error_may_name_more_verbs_than_fit_into_a_line() -> None:
    """However many there are, each line of the error fits into 100 columns."""
    told = RequestError("There is no such verb.\nIt is none.", hint=there_are(["history"] * 20)).lines()
    assert max(map(len, told)) <= WIDTH
    assert (len(told), " ".join(told).count("history")) == (4, 20)


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
    assert "backend       sandbox  (configured)\n  novita; sandbox" in told
    assert "timeout       30  (configured)" in told
    assert "once          true  (configured)" in told
    assert "size          2048x2048  (default)" in told
    assert "budget        none  (default)" in told
    assert "api_key" not in told


@pytest.mark.parametrize(("columns", "used"), [(20, 40), (60, 59), (300, 100)])
def test_a_terminal_is_used_as_wide_as_it_is(columns: int, used: int) -> None:
    """What is told fits the terminal, and no line is so long that the eye loses it."""
    assert columns_used(columns) == used


def test_config_and_doctor_use_the_width(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing says how wide it is, a line is broken near 88 columns, not at those of a phone."""
    tell("config", session)
    ip: Any = SimpleNamespace(user_ns={})
    run("doctor", session, ip)
    lengths = [len(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(60 < length <= 88 for length in lengths) > 5


def test_config_tells_a_wrong_value_in_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variable with a value that can't be is told where the value would stand, and the rest is told too."""
    tell("config", Session(settings=Settings(environ={"SEEDREAM_TIMEOUT": "long"}, folder=tmp_path), lingers=False))
    told = capsys.readouterr().out
    assert "timeout       wrong: SEEDREAM_TIMEOUT='long' in the environment: must be a number" in told
    assert "watermark" in told


def test_help_tells_how_a_verb_is_written(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """`help VERB` begins with the line to write, says what it does, and ends with examples."""
    tell("help history", session)
    told = capsys.readouterr().out
    assert told.startswith("%seedream history [WORDS]\n\n  Lists what was made")
    assert told.endswith("  %seedream history\n  %seedream history fox snow\n")


def test_help_for_a_verb_with_options_lists_them(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """`rerun` takes the options of a cell, so its help has every one of them."""
    tell("help rerun", session)
    told = " ".join(capsys.readouterr().out.split())
    assert all(flag in told for option in OPTIONS for flag in option.flags)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb or "alone")
def test_every_verb_has_its_function(verb: str) -> None:
    """Each row of the table leads to a function of its name."""
    module = importlib.import_module(f"seedream_nb.notebook.verbs.{VERBS[verb].module}")
    assert callable(getattr(module, verb or "status"))


@pytest.mark.parametrize("verb", ["recover", "usage", "logout", "doctor"])
def test_words_that_mean_nothing_are_refused(session: Session, verb: str) -> None:
    """A verb that takes no words says so, in place of passing over them."""
    with pytest.raises(RequestError, match=rf"%seedream {verb} takes no arguments, but found @3"):
        tell(f"{verb} @3", session)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rerun", "Say which"), ("code", "Say which"), ("rerun --size 2K", "Say which"), ("rerun @9", "@9"),
        ("code nine", "not a mark"), ("config sise=2K", "size"), ("config sise", "Did you mean size?"),
        ("config budget 1", "name=value"), ("config size budget=1", "name=value"),
        ("config size=2K size=4K", "twice"), ("config budget=lots", "number"), ("config timeout=-1", "above 0"),
        ("config home='a", "not closed"), ("config watermark=maybe", "true or false"), ("show @1.2.3", "not a mark"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_a_few_lines(session: Session, line: str, told: str) -> None:
    """Each names what was found and what would do, in at most five lines."""
    with pytest.raises(SeedreamError) as caught:
        tell(line, session)
    assert told in str(caught.value)
    assert len(caught.value.lines()) <= 5


@pytest.mark.parametrize("line", ["config base_url", "config base_url size"])
def test_config_tells_single_settings(session: Session, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Names without a value are asked for: the value, where it is from, what it is for."""
    tell(line, session)
    said = capsys.readouterr().out
    assert said.startswith("base_url      https://api.novita.ai  (default)\n  the service's address")
    assert ("size          2048x2048" in said) is ("size" in line)
    assert "timeout" not in said


def status(folder: Path, capsys: pytest.CaptureFixture[str], **environ: str) -> str:
    """Return what the status tells in this environment, unfolded."""
    tell("", Session(settings=Settings(environ=environ, folder=folder), lingers=False))
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "text", "row"),
    [
        ("SEEDREAM_BACKEND", "sandbx", "Requests go to"),
        ("SEEDREAM_BASE_URL", "http://x.test", "Requests go to"),
        ("SEEDREAM_HOME", "~no/x", "Pictures are in"),
        ("SEEDREAM_BUDGET", "ten", "Spent"),
        ("SEEDREAM_TIMEOUT", "long", "To fix"),
    ],
)
def test_the_status_tells_trouble_in_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, row: str
) -> None:
    """A wrong setting takes the place of what hangs on it, once, and the other rows stand as ever."""
    said = status(tmp_path, capsys, **{name: text})
    assert re.search(rf"{row} (nowhere yet: |wrong: )?{name}=", said)
    assert said.count(f"{name}=") == 1
    assert all(each in said for each in ("Requests go to", "Pictures are in", "Spent"))
    assert ("%seedream login" in said) is (row != "Requests go to")


def test_the_status_tells_variables_that_mean_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip in the name of a variable would otherwise never be seen."""
    said = status(tmp_path, capsys, SEEDREAM_BUGDET="1")
    assert "To fix No setting reads the variable SEEDREAM_BUGDET. Did you mean SEEDREAM_BUDGET?" in said


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb])
def test_each_verb_tells_about_itself(
    session: Session, capsys: pytest.CaptureFixture[str], verb: str, flag: str
) -> None:
    """`VERB --help` is what `help VERB` is."""
    tell(f"{verb} {flag}", session)
    asked = capsys.readouterr().out
    tell(f"help {verb}", session)
    assert asked == capsys.readouterr().out


def test_a_prompt_after_rerun_is_refused_with_what_does_it(session: Session) -> None:
    """A line has no lines below it: a changed prompt is the cell's own business."""
    session.start("a fox", size="1K").result()
    with pytest.raises(RequestError) as caught:
        tell("rerun 1 a new prompt", session)
    assert "lines below" not in str(caught.value)
    assert "rerun sends the prompt as it was; to change it: %seedream code @1" in str(caught.value)


@pytest.mark.parametrize("line", ["--sweep size=['1K','2K']", "--each rows", "--repeat 2 --each rows"])
def test_what_rerun_can_not_vary_is_refused(session: Session, line: str) -> None:
    """It would buy the same picture once more, as if nothing had been said."""
    session.start("a fox", size="1K").result()
    with pytest.raises(RequestError, match=r"is for a cell: rerun asks the same request again\. .*code @1"):
        tell(f"rerun 1 {line}", session)
    assert len(session.history) == 1


def test_usage_tells_what_is_not_here(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Pictures that are paid for and were not fetched are counted, with the way to fetch them."""
    told = Journaled(session.settings.get("home"))
    told.ask(1)
    told.link(1, count=3)
    told.land(1)
    told.end(1, status="partial")
    told.journal.close()
    tell("usage", session)
    assert "2 of them not downloaded: %seedream recover" in capsys.readouterr().out


NEWER = '{"event":"intent","id":3,"at":"2030-01-01T00:00:00+00:00","v":2}\n'


@pytest.mark.parametrize("verb", ["", "history", "history fox"])
def test_what_the_history_leaves_out_is_told(session: Session, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    """An empty history that is not empty would frighten: what a newer version wrote is named, and where to look."""
    journal = session.settings.get("home") / "journal"
    journal.mkdir(parents=True)
    (journal / "a.jsonl").write_text(2 * NEWER)
    (journal / "b.jsonl").mkdir()
    (journal / "b.jsonl" / "full").mkdir()
    tell(verb, session)
    told = " ".join(capsys.readouterr().out.split())
    assert "2 lines of a newer seedream-nb and 1 file that can't be read in the journal; %seedream doctor" in told


@pytest.mark.parametrize(("verb", "times"), [("", 1), ("history", 1), ("doctor", 2)])
def test_a_journal_that_was_cut_is_told(
    session: Session, capsys: pytest.CaptureFixture[str], verb: str, times: int
) -> None:
    """Which file lost something, and what to do: once by status and history, and by the doctor while it is so."""
    other = Journaled(session.settings.get("home"))
    other.make(1)
    assert len(session.history) == 1
    path = other.journal.path
    assert path is not None
    other.journal.close()
    os.truncate(path, 0)
    for _ in range(2):
        tell(verb, session)
    told = "".join(capsys.readouterr().out.split())
    assert told.count(f"{path.name}becameshorter") == times
    assert told.count("putitbackinto") == times


def test_a_search_in_one_generation(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """A single one is spelled as such."""
    session.start("a fox", size="1K").result()
    tell("history owl", session)
    assert "There is 1 generation in all." in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["", "recover"])
def test_what_no_disk_took_yet_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    """While lines of the journal wait for room, the status and `recover` say so, and what to do; then no more."""
    disk, settings = Disk(), Settings(environ={}, folder=tmp_path)
    session = Session(settings=settings, journal=disk.journal, lingers=False)
    settings.change(backend="sandbox")
    session.start("a fox").result()
    disk.full_after = 0
    session.start("a fox", once=True).result()
    tell(verb, session)
    full = " ".join(capsys.readouterr().out.split())
    disk.full_after = None
    tell(verb, session)
    told = "1 of its lines is known only to this process: make room before it ends"
    assert (told in full, "known to this process" in capsys.readouterr().out) == (True, False)
    session.close()
