"""What is particular to Colab: the key from its secrets, pictures on Drive, the warning that files vanish."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import SettingsError
from seedream_nb.hosts import Colab
from seedream_nb.keys import Login
from seedream_nb.notebook.verbs.general import where
from seedream_nb.service import DEFAULT
from seedream_nb.service.endpoint import find_endpoint
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.colab.standin.google.colab import userdata

VARIABLE = DEFAULT.key_variable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedream_nb.service.endpoint import Endpoint
    from tests.faults.server import FaultServer


LOST = "Colab deletes these files with its runtime. To keep them on Drive:"


class Page:
    """Colab's page, as it answers; it counts how often it is asked."""

    def __init__(self, answer: str | Exception) -> None:
        """Answer with a secret or an error."""
        self.answer, self.asked = answer, 0

    def __call__(self, _name: str) -> str:
        """Answer."""
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Place:
    """A Colab with its files in a folder, and settings in it."""

    def __init__(self, folder: Path, answer: str | Exception = "sk_secret") -> None:
        """Begin where Colab's kernels begin."""
        self.content = folder / "content"
        self.content.mkdir(exist_ok=True)
        self.page, self.login = Page(answer), Login(folder / "user")
        self.colab = Colab(here=lambda: True, content=self.content, ask=self.page)

    def mount(self) -> Path:
        """Mount Drive; return its folder."""
        drive = self.content / "drive" / "MyDrive"
        drive.mkdir(parents=True)
        return drive

    def settings(self) -> Settings:
        """Return settings as of a fresh kernel."""
        return Settings(environ={}, folder=self.content, colab=self.colab)

    def endpoint(self, settings: Settings) -> Endpoint:
        """Return where requests go."""
        return find_endpoint(settings, login=self.login, environ={})


# -- the key -------------------------------------------------------------------------------------------


def test_the_secret_is_the_key_and_asked_for_once(tmp_path: Path) -> None:
    """However often a key is needed, and whatever is set meanwhile, the page is asked once."""
    place = Place(tmp_path)
    settings = place.settings()
    found = [place.endpoint(settings).key for _ in range(3)]
    settings.change(size="1K")
    found.append(place.endpoint(settings).key)
    assert [each and (each.reveal(), each.source) for each in found] == [
        ("sk_secret", f"Colab's secret {VARIABLE}")
    ] * 4
    assert place.page.asked == 1


def test_another_place_goes_first(tmp_path: Path) -> None:
    """Where there is a key already, the page is not asked: it could ask the person in turn."""
    place = Place(tmp_path)
    settings = place.settings()
    settings.change(api_key="sk_configured")
    assert place.endpoint(settings).service.name == "novita"
    assert place.page.asked == 0


def test_the_sandbox_needs_no_secret(tmp_path: Path) -> None:
    """Nor is the page asked in the sandbox."""
    place = Place(tmp_path)
    settings = place.settings()
    settings.change(backend="sandbox")
    place.endpoint(settings)
    assert place.page.asked == 0


def test_another_thread_does_not_ask(tmp_path: Path) -> None:
    """The page answers the main thread only: another one has the key only once that has asked."""
    place = Place(tmp_path)
    settings, found = place.settings(), []

    def look() -> None:
        thread = threading.Thread(target=lambda: found.append(place.colab.key(settings.changes, DEFAULT)))
        thread.start()
        thread.join()

    look()
    assert place.page.asked == 0
    place.endpoint(settings)
    look()
    assert [each is None for each in found] == [True, False]
    assert place.page.asked == 1


ANSWERS: dict[str, str | Exception] = {
    "missing": userdata.SecretNotFoundError(VARIABLE),
    "refused": userdata.NotebookAccessError(VARIABLE),
    "no page": userdata.TimeoutException(VARIABLE),
    "an error of any kind": RuntimeError("no frontend"),
    "empty": "",
}
WORDS = {
    "missing": ["Add new secret", f"name {VARIABLE}", "Notebook access", "run this cell again"],
    "refused": ["may not read", "Notebook access", "run this cell again"],
    "no page": ["Colab's own page", "TimeoutException", "https://colab.research.google.com", "%seedream login"],
    "an error of any kind": ["Colab's own page", "RuntimeError", "%seedream login"],
    "empty": ["Add new secret"],
}


@pytest.mark.parametrize("case", ANSWERS)
def test_without_the_secret_it_is_told_what_to_click(tmp_path: Path, case: str) -> None:
    """Each reason has its remedy, in at most five lines, and the sandbox is offered."""
    place = Place(tmp_path, ANSWERS[case])
    with pytest.raises(SettingsError) as caught:
        place.endpoint(place.settings())
    told = "\n".join(caught.value.lines())
    assert [words for words in [*WORDS[case], "backend=sandbox"] if words not in told] == []
    assert len(told.splitlines()) <= 5


def test_a_secret_that_was_added_is_found(tmp_path: Path) -> None:
    """Once it was told that there is none, the next cell asks again."""
    place = Place(tmp_path, userdata.SecretNotFoundError(VARIABLE))
    settings = place.settings()
    with pytest.raises(SettingsError):
        place.endpoint(settings)
    place.page.answer = "sk_added"
    assert place.endpoint(settings).key is not None


def test_with_auto_a_missing_secret_is_asked_for_once_until_a_setting_changes(tmp_path: Path) -> None:
    """Without a key it is the sandbox, and the page is left in peace; running the cell with the setting asks again."""
    place = Place(tmp_path, userdata.SecretNotFoundError(VARIABLE))
    settings = place.settings()
    settings.change(backend="auto")
    assert [place.endpoint(settings).service.name for _ in range(3)] == ["sandbox"] * 3
    assert place.page.asked == 1
    place.page.answer = "sk_added"
    settings.change(backend="auto")
    assert place.endpoint(settings).service.name == "novita"


REASONS = {
    "refused": ["may not read", VARIABLE, "key symbol", '"Notebook access"', "%seedream config backend=auto"],
    "no page": ["did not answer (TimeoutException)", "https://colab.research.google.com", "%seedream login"],
}


@pytest.mark.parametrize("case", REASONS)
def test_with_auto_it_is_told_why_a_secret_was_not_had(tmp_path: Path, case: str) -> None:
    """The sandbox is taken, and one line says why and what to click."""
    place = Place(tmp_path, ANSWERS[case])
    settings = place.settings()
    settings.change(backend="auto")
    endpoint = place.endpoint(settings)
    assert endpoint.service.name == "sandbox"
    assert [words for words in REASONS[case] if words not in endpoint.notices[0]] == []
    assert (len(endpoint.notices), "\n" in endpoint.notices[0]) == (1, False)


def test_with_auto_there_is_nothing_to_tell_of_no_secret(tmp_path: Path) -> None:
    """Who has none, or chooses the sandbox after all, gets it with no word about it."""
    place = Place(tmp_path, ANSWERS["missing"])
    settings = place.settings()
    settings.change(backend="auto")
    told = [place.endpoint(settings).notices]
    place.page.answer = ANSWERS["refused"]
    settings.change(backend="auto")
    assert place.endpoint(settings).notices
    settings.change(backend="sandbox")
    told += [place.endpoint(settings).notices]
    assert told == [(), ()]


def test_a_secret_of_white_space_is_told(tmp_path: Path) -> None:
    """It is a slip, and named with its place."""
    place = Place(tmp_path, "  ")
    with pytest.raises(SettingsError, match="Colab's secret NOVITA_API_KEY is only white space"):
        place.endpoint(place.settings())


# -- the files -----------------------------------------------------------------------------------------


def test_pictures_go_to_drive_where_it_is_mounted(tmp_path: Path) -> None:
    """By default, in a folder of their own; what somebody chose goes first."""
    place = Place(tmp_path)
    assert place.settings().get("home") == place.content / "seedream"
    drive = place.mount()
    settings = place.settings()
    assert settings.get("home") == drive / "seedream"
    settings.change(home="elsewhere")
    assert settings.get("home") == place.content / "elsewhere"
    settings.change(home=None)
    assert (settings.get("home"), settings.source("home")) == (drive / "seedream", "default")


def test_elsewhere_such_a_folder_is_any_folder(tmp_path: Path) -> None:
    """Outside Colab nothing goes to a folder that is called like Drive's."""
    place = Place(tmp_path)
    place.mount()
    settings = Settings(environ={}, folder=place.content, colab=Colab(content=place.content))
    assert settings.get("home") == place.content / "seedream"


@pytest.fixture
def begun(tmp_path: Path, fault_server: FaultServer) -> Iterator[tuple[Place, Session]]:
    """Begin a session in Colab, with the fault server as the service."""
    place = Place(tmp_path)
    settings = place.settings()
    settings.change(base_url=fault_server.url)
    session = Session(settings=settings, lingers=False)
    yield place, session
    session.close()


@pytest.mark.slow
def test_the_first_result_says_why_it_is_the_sandboxs(begun: tuple[Place, Session]) -> None:
    """Once, and again when a setting was changed, which asks the page again; with the key no more."""
    place, session = begun
    place.page.answer = ANSWERS["refused"]
    session.settings.change(backend="auto")
    told = [any("may not read" in each for each in session.start(prompt).result().warnings) for prompt in "ab"]
    session.settings.change(backend="auto")
    told += [any("may not read" in each for each in session.start(prompt).result().warnings) for prompt in "cd"]
    place.page.answer = "sk_granted"
    session.settings.change(backend="auto")
    last = session.start("e").result()
    assert told == [True, False, True, False]
    assert last.backend == "novita"
    assert not any("may not read" in each for each in last.warnings)


def test_the_status_says_why_it_is_the_sandbox(begun: tuple[Place, Session]) -> None:
    """`%seedream` has the reason beside where requests go."""
    place, session = begun
    place.page.answer = ANSWERS["refused"]
    session.settings.change(backend="auto")
    assert where(session).startswith("the sandbox")
    assert "may not read" in where(session)


def vanishing(session: Session, prompt: str) -> list[str]:
    """Make a picture; return what is told below it about files that vanish."""
    return [each for each in session.start(prompt).result().warnings if "runtime" in each]


@pytest.mark.slow
def test_the_first_paid_result_says_that_files_vanish(begun: tuple[Place, Session]) -> None:
    """In one line, with what to run, and once a session; a picture of the sandbox is no loss."""
    place, session = begun
    session.settings.change(backend="sandbox")
    assert vanishing(session, "a fox") == []
    session.settings.change(backend="novita")
    told = vanishing(session, "a hare")
    assert vanishing(session, "an owl") == []
    drive = place.content / "drive"
    mount = f'from google.colab import drive; drive.mount("{drive}")'
    assert told == [f"{LOST} {mount}, then: %seedream config home={drive}/MyDrive/seedream"]


def test_where_drive_is_mounted_by_then_one_command_is_left(begun: tuple[Place, Session]) -> None:
    """Mounted after the session began: only the folder has to be set."""
    place, session = begun
    drive = place.mount()
    assert vanishing(session, "a fox") == [f"{LOST} %seedream config home={drive}/seedream"]


def test_what_stays_is_not_warned_of(begun: tuple[Place, Session], tmp_path: Path) -> None:
    """Neither on Drive nor outside the folder that Colab empties."""
    place, session = begun
    session.settings.change(home=place.mount() / "seedream")
    assert vanishing(session, "a fox") == []
    assert place.colab.warning(tmp_path / "elsewhere") is None
