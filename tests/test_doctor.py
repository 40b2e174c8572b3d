"""`%seedream doctor` finds what is wrong, says what to do, and costs nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seedream_nb.notebook.verbs.doctor import doctor
from seedream_nb.session import Session
from seedream_nb.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.server import FaultServer

KEY = "sk_Zq7XvTgWpLmRkYbN"


class Terminal:
    """As much of a shell as the doctor looks at."""

    user_ns: dict[str, object] = {}  # noqa: RUF012 - a notebook without names


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Begin a session in an empty folder."""
    session = Session(settings=Settings(environ={}, folder=tmp_path), lingers=False)
    yield session
    session.close()


def told(session: Session, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what the doctor says, as one line: it is folded where it is long."""
    shell: object = Terminal()
    doctor("", session, shell)  # type: ignore[arg-type]
    return " ".join(capsys.readouterr().out.split())


def test_the_service_is_asked_without_key_or_request(
    session: Session, fault_server: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One GET, no POST, and the key stays here; any answer shows that the service is there."""
    session.settings.change(base_url=fault_server.url, api_key=KEY)
    said = told(session, capsys)
    assert f"ok {fault_server.url} answers, in" in said
    assert [seen.method for seen in fault_server.seen] == ["GET"]
    assert "authorization" not in {name.lower() for name in fault_server.seen[0].headers}
    assert KEY[3:9] not in said
    assert said.endswith("Nothing to fix.")


def test_a_service_that_does_not_answer_is_told(
    session: Session, fault_server: FaultServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the network says, and what to look at."""
    fault_server.close()
    session.settings.change(base_url=fault_server.url, api_key=KEY)
    said = told(session, capsys)
    assert "wrong No connection to 127.0.0.1: it refused the connection. → Check the network" in said
    assert said.endswith("1 to fix.")


def test_the_sandbox_needs_no_network(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """With the sandbox nothing is asked of any service."""
    session.settings.change(backend="sandbox", base_url="https://service.invalid")
    said = told(session, capsys)
    assert "Requests go to the sandbox" in said
    assert "service.invalid" not in said


def test_a_missing_key_is_told(session: Session, fault_server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    """With the ways to give one, and the way without."""
    session.settings.change(base_url=fault_server.url)
    said = told(session, capsys)
    assert "wrong There is no key. Get one at" in said
    assert "→ Give it, unseen, with: %seedream login → Or try without one, with: %seedream config backend=" in said


def test_a_folder_that_cannot_be_is_told(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A `home` that is a file can't hold pictures; nothing is made in its place."""
    (tmp_path / "file").write_text("not a folder")
    session.settings.change(backend="sandbox", home=tmp_path / "file")
    said = told(session, capsys)
    assert "→ Choose another: %seedream config home=FOLDER" in said
    assert said.endswith("1 to fix.")


def test_the_doctor_makes_no_folder(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Looking changes nothing."""
    session.settings.change(backend="sandbox")
    assert f"Pictures go to {tmp_path / 'seedream'}, which is created with the first request" in told(session, capsys)
    assert not (tmp_path / "seedream").exists()


def test_a_wrong_setting_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variable of the environment that a setting can't be, with its name."""
    environ = {"SEEDREAM_TIMEOUT": "long", "SEEDREAM_BACKEND": "sandbox"}
    said = told(Session(settings=Settings(environ=environ, folder=tmp_path), lingers=False), capsys)
    assert "wrong SEEDREAM_TIMEOUT='long' in the environment: must be a number above 0." in said


def test_a_proxy_is_told_without_its_password(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which proxy requests go through, and not what it is opened with."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret-word@127.0.0.1:9")
    session.settings.change(base_url="https://service.invalid", api_key=KEY)
    said = told(session, capsys)
    assert "through the proxy 127.0.0.1:9 (from HTTPS_PROXY)" in said
    assert "secret-word" not in said


@pytest.mark.parametrize(
    ("name", "text"),
    [("SEEDREAM_BACKEND", "sandbx"), ("SEEDREAM_BASE_URL", "http://x.test"), ("SEEDREAM_HOME", "~no/x")],
)
def test_a_wrong_setting_ends_no_look(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str) -> None:
    """What hangs on a wrong setting is left out, everything else is looked at; nothing is told twice."""
    environ = {"SEEDREAM_BACKEND": "sandbox", name: text}
    said = told(Session(settings=Settings(environ=environ, folder=tmp_path), lingers=False), capsys)
    assert said.count(f"wrong {name}=") == 1
    assert "ok This is " in said
    assert said.endswith("1 to fix.")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("SEEDREAM_BUGDET", "Did you mean SEEDREAM_BUDGET?"),
        ("SEEDREAM_SIZE", "Set it with: %seedream config size=4K"),
        ("SEEDREAM_API_KEY", "Did you mean NOVITA_API_KEY?"),
        ("SEEDREAM_QQQ", "Unset it."),
    ],
)
def test_a_variable_that_means_nothing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, remedy: str
) -> None:
    """A SEEDREAM_ variable that no setting reads is named, with the nearest, or with what does it."""
    environ = {"SEEDREAM_BACKEND": "sandbox", name: "4K"}
    said = told(Session(settings=Settings(environ=environ, folder=tmp_path), lingers=False), capsys)
    assert f"note No setting reads the variable {name}. → {remedy}" in said


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder in which nobody may make one")
def test_a_folder_is_really_tried(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can make a folder there, not even who may do all: what the modes say is not enough."""
    session.settings.change(backend="sandbox", home="/proc/x")
    said = told(session, capsys)
    assert "wrong The folder /proc/x can't be created" in said
    assert said.endswith("1 to fix.")


def test_the_folder_in_place_of_the_default_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the default folder can't be, pictures go to the user's own: that works, and is worth a note."""
    (tmp_path / "seedream").write_text("not a folder")
    settings = Settings(environ={"SEEDREAM_BACKEND": "sandbox"}, folder=tmp_path)
    said = told(Session(settings=settings, lingers=False), capsys)
    assert f"note The folder {tmp_path / 'seedream'} can't be" in said
    assert "so pictures go to" in said
    assert said.endswith("Nothing to fix.")


def test_what_is_refused_is_not_ok_below(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates that can't be used are told once, and not as what requests are checked against."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    session.settings.change(base_url="https://service.invalid", api_key=KEY)
    said = told(session, capsys)
    assert said.count("all.pem") == 1
    assert "→ Correct or unset SSL_CERT_FILE." in said
    assert "Nothing was sent" not in said


def test_the_way_to_a_service_that_is_not_there_is_a_note(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way that requests go is told, and not as well."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    session.settings.change(base_url="https://service.invalid", api_key=KEY)
    said = told(session, capsys)
    assert "note Requests go through the proxy 127.0.0.1:9" in said
    assert "ok Requests go" not in said


def test_a_command_is_on_one_line(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """What is to be copied is not broken, however the text around it is folded."""
    shell: object = Terminal()
    session.settings.change(base_url="http://127.0.0.1:9")
    doctor("", session, shell)  # type: ignore[arg-type]
    assert "%seedream config backend=sandbox" in capsys.readouterr().out


def test_one_line_is_no_lines(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single one is spelled as such."""
    session.settings.change(backend="sandbox")
    (tmp_path / "seedream" / "journal").mkdir(parents=True)
    (tmp_path / "seedream" / "journal" / "1.jsonl").write_text("nonsense\n")
    assert "note 1 line of the journal can't be read; it is left out." in told(session, capsys)


@pytest.mark.parametrize("name", ["PIL.Image", "PIL.JpegImagePlugin", "httpx"])
def test_a_broken_library_is_told(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What would keep a request from being sent, and what to do: its next look at it is a fresh one."""
    session.settings.change(backend="sandbox")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, None)
        said = told(session, capsys)
        assert "can't be used: " in said
        assert "→ Restart the kernel" in said
        assert said.endswith("1 to fix.")
    assert told(session, capsys).endswith("Nothing to fix.")


def test_a_library_that_was_exchanged_is_told(
    session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version is installed than was loaded: the versions, and the remedy."""
    import PIL

    session.settings.change(backend="sandbox")
    monkeypatch.setattr(PIL, "__version__", "1.2.3")
    said = told(session, capsys)
    assert "is installed, but pillow 1.2.3 was loaded before. → Restart the kernel." in said
