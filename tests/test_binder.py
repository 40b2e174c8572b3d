"""A Binder is no place for a key: none is asked for, one that is used is told, and it begins in the sandbox."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.hosts import KEY_FOUND_ON_BINDER, KEY_USED_ON_BINDER, VARIABLES, on_binder
from seedream_nb.keys import Login
from seedream_nb.service import DEFAULT
from seedream_nb.service.endpoint import find_endpoint
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.kernel import Kernel

VARIABLE = DEFAULT.key_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.server import FaultServer

CHECKOUT = Path(__file__).parents[1]
BINDER = CHECKOUT / "binder"
LAUNCHED = {"BINDER_LAUNCH_HOST": "https://mybinder.org/"}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_binder_is_known_by_its_variables(name: str) -> None:
    """Any of the variables that BinderHub or its cluster sets tells it; an empty one does not."""
    assert on_binder({name: "x"})
    assert not on_binder({name: ""})
    assert not on_binder({})


def test_requests_go_to_the_sandbox_there(tmp_path: Path) -> None:
    """On a Binder the default is the sandbox, and is told as a default."""
    settings = Settings(environ=LAUNCHED, folder=tmp_path)
    assert settings.get("backend") == "sandbox"
    assert settings.source("backend") == "default"


@pytest.mark.parametrize("told", ["configured", "environment"])
def test_what_is_said_counts_there_too(tmp_path: Path, told: str) -> None:
    """A backend that was configured or is in the environment goes before that default."""
    environ = {**LAUNCHED, "SEEDREAM_BACKEND": "auto"} if told == "environment" else LAUNCHED
    settings = Settings(environ=environ, folder=tmp_path)
    if told == "configured":
        settings.change(backend="auto")
    assert settings.get("backend") == "auto"


@pytest.mark.kernel
def test_no_key_is_asked_for_there(tmp_path: Path) -> None:
    """`%seedream login` asks nothing on a Binder, and says why and what to do instead."""
    with Kernel(tmp_path, env=LAUNCHED) as kernel:
        kernel.execute("%load_ext seedream_nb")
        ran = kernel.start("%seedream login", stdin=True).wait()
    assert "keys are not allowed" in ran.text
    assert "backend=sandbox" in ran.text


@pytest.fixture
def with_a_key(tmp_path: Path, fault_server: FaultServer) -> Iterator[Session]:
    """Give a session on a Binder that was given a key all the same."""
    settings = Settings(environ=LAUNCHED, folder=tmp_path)
    settings.change(backend="novita", base_url=fault_server.url, api_key="sk_test")
    session = Session(settings=settings, lingers=False)
    yield session
    session.close()


def made(session: Session, prompt: str) -> Any:
    """Return what comes of a prompt."""
    return session.start(prompt, size="1K").result()


def test_a_key_that_is_used_there_is_told_once(with_a_key: Session) -> None:
    """Below the first result stands that the key should be deleted, below the second no more."""
    assert KEY_USED_ON_BINDER in made(with_a_key, "a fox").warnings
    assert KEY_USED_ON_BINDER not in made(with_a_key, "two foxes").warnings


@pytest.mark.parametrize("place", ["configured", "environment"])
def test_a_key_that_is_only_there_is_told_too(tmp_path: Path, place: str) -> None:
    """In the sandbox it is not sent; yet whoever typed it there learns that it is no secret any more."""
    environ = {**LAUNCHED, VARIABLE: "sk_test"} if place == "environment" else LAUNCHED
    settings = Settings(environ=environ, folder=tmp_path)
    if place == "configured":
        settings.change(api_key="sk_test")
    endpoint = find_endpoint(settings, login=Login(tmp_path / "user"), environ=environ)
    assert (endpoint.service.name, endpoint.key) == ("sandbox", None)
    assert endpoint.notices == (KEY_FOUND_ON_BINDER,)


@pytest.mark.parametrize(
    ("environ", "backend"),
    [
        (LAUNCHED, "sandbox"),
        (LAUNCHED, "auto"),
        ({**LAUNCHED, VARIABLE: "  "}, "sandbox"),
        ({VARIABLE: "sk_test"}, "sandbox"),
        ({VARIABLE: "sk_test"}, "auto"),
    ],
)
def test_elsewhere_and_without_a_key_nothing_is_told(tmp_path: Path, environ: dict[str, str], backend: str) -> None:
    """A key elsewhere is as it should be, and so is a Binder without one."""
    settings = Settings(environ=environ, folder=tmp_path)
    settings.change(backend=backend)
    assert find_endpoint(settings, login=Login(tmp_path / "user"), environ=environ).notices == ()


@pytest.mark.kernel
@pytest.mark.parametrize("backend", ["novita", "auto"])
def test_no_login_is_advised_there(tmp_path: Path, fault_server: FaultServer, backend: str) -> None:
    """Whoever chose the service without a key is told of the sandbox, and where keys may be used."""
    with Kernel(tmp_path, env=LAUNCHED) as kernel:
        kernel.execute(f"%load_ext seedream_nb\n%seedream config backend={backend} base_url={fault_server.url}")
        ran = [kernel.execute(code).text for code in ("%%seedream\na fox", "%seedream", "%seedream doctor")]
    told = [" ".join(text.split()) for text in ran]
    assert not [text for text in told if "%seedream login" in text]
    assert all("keys are not allowed" in text for text in told) == (backend == "novita")


# -- what a Binder is built from -------------------------------------------------------------------


def groups() -> dict[str, Any]:
    """Return the dependency groups of the project."""
    found: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return found


def test_it_installs_what_the_tutorials_take() -> None:
    """`binder/requirements.txt` is this package and what `make lab` installs, no more and no less."""
    lines = (BINDER / "requirements.txt").read_text("utf-8").splitlines()
    asked = [line for line in lines if not line.startswith("#")]
    of_lab = [each for each in (*groups()["lab"], *groups()["demo"]) if isinstance(each, str)]
    assert asked == [".", *sorted(of_lab)]


def test_its_python_is_one_that_is_tested() -> None:
    """`binder/runtime.txt` names a Python of the project's classifiers."""
    version = (BINDER / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_what_is_run_after_it_can_be_run() -> None:
    """repo2docker runs `postBuild` only if it is executable."""
    assert os.access(BINDER / "postBuild", os.X_OK)
