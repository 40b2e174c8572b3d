"""Logging in from a notebook: the key is asked for unseen, kept for its host alone, and never shown."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.server import FaultServer

pytestmark = pytest.mark.kernel

KEY = "sk_Zq7XvTgWpLmRkYbN"


@pytest.fixture
def fresh(tmp_path: Path, fault_server: FaultServer) -> Iterator[Kernel]:
    """Start a kernel that has no key; its service is the fault server."""
    with Kernel(tmp_path, env={"SEEDREAM_BASE_URL": fault_server.url}) as kernel:
        kernel.execute("%load_ext seedream_nb")
        yield kernel


def log_in(kernel: Kernel, answer: str) -> dict[str, object]:
    """Run `%seedream login` and answer its question; return the question."""
    ran = kernel.start("%seedream login", stdin=True)
    question = kernel.client.get_stdin_msg(timeout=10)["content"]
    kernel.client.input(answer)
    ran.wait()
    return dict(question)


def login_file() -> Path:
    """Return the one file in the user's folder that a login makes."""
    (path,) = Path(os.environ["HOME"]).rglob("login.json")
    return path


def test_the_key_is_asked_for_unseen(fresh: Kernel, fault_server: FaultServer) -> None:
    """The question is one for a password, and names the host."""
    question = log_in(fresh, KEY)
    assert question["password"] is True
    assert fault_server.url.removeprefix("http://") in str(question["prompt"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_login_is_private(fresh: Kernel) -> None:
    """The stored key is in the user's own folder, readable by the user alone."""
    log_in(fresh, KEY)
    assert stat.S_IMODE(login_file().stat().st_mode) == 0o600


def test_requests_then_carry_the_key(fresh: Kernel, fault_server: FaultServer) -> None:
    """After the login a cell works, in the next kernel too, and the service gets the key."""
    log_in(fresh, KEY)
    fresh.restart()
    fresh.execute("%load_ext seedream_nb")
    assert fresh.execute("%%seedream\na fox").error is None
    assert fault_server.posts[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_goes_to_no_other_host(fresh: Kernel, fault_server: FaultServer) -> None:
    """A key that was given for one host is not found for another."""
    log_in(fresh, KEY)
    other = fault_server.url.replace("127.0.0.1", "localhost")
    fresh.execute(f"%seedream config base_url={other}")
    ran = fresh.execute("%%seedream\na fox")
    assert ran.error is not None
    assert "There is no key" in "\n".join(ran.error["traceback"])
    assert fault_server.seen == []


def test_no_output_shows_the_key(fresh: Kernel) -> None:
    """Neither login, status, settings, variables nor a verbose traceback shows six characters of it."""
    log_in(fresh, KEY)
    code = ["%seedream", "%seedream config", "%%seedream\na fox", "import seedream_nb as sd; vars(sd)", "%whos"]
    verbose = "%xmode Verbose\nsession = sd._default_session()\nendpoint = session.endpoint()\n1 / 0"
    shown = json.dumps([fresh.execute(each).outputs for each in [*code, verbose]])
    assert not [part for part in (KEY[start : start + 6] for start in range(3, len(KEY) - 5)) if part in shown]


def test_logout_forgets_the_key(fresh: Kernel) -> None:
    """After `%seedream logout` there is no key."""
    log_in(fresh, KEY)
    assert "was removed" in fresh.execute("%seedream logout").printed
    assert fresh.execute("%%seedream\na fox").error is not None


def test_a_key_of_white_space_is_not_stored(fresh: Kernel) -> None:
    """An empty answer is refused and nothing is written."""
    log_in(fresh, "   ")
    assert not list(Path(os.environ["HOME"]).rglob("login.json"))


def test_where_nobody_can_be_asked_it_says_what_to_do(fresh: Kernel) -> None:
    """Without a person at the notebook the message names the other ways."""
    ran = fresh.execute("%seedream login")
    assert ran.error is not None
    assert "NOVITA_API_KEY" in "\n".join(ran.error["traceback"])


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_a_key_that_goes_before_the_stored_one_is_told(tmp_path: Path, fault_server: FaultServer, place: str) -> None:
    """A login that changes nothing, since another place has a key, says which and what to do."""
    (tmp_path / ".env").write_text(f"NOVITA_API_KEY={KEY[::-1]}\n" if place == ".env" else "")
    variables = {"NOVITA_API_KEY": KEY[::-1] if place == "environment" else None}
    with Kernel(tmp_path, env={"SEEDREAM_BASE_URL": fault_server.url, **variables}) as kernel:
        kernel.execute("%load_ext seedream_nb")
        ran = kernel.start("%seedream login", stdin=True)
        kernel.client.get_stdin_msg(timeout=10)
        kernel.client.input(KEY)
        told = ran.wait().printed
    assert told.startswith("Stored for ")
    assert re.search(
        rf"\nBut the key from the .*{re.escape(place)}.* takes precedence: correct or unset it there\.", told
    )
