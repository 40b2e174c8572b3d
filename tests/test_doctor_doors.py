"""`%seedream doctor --paid` in a kernel, and `python -m seedream_nb doctor` in a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.script import POST, OnceRead, Reply
from tests.kernel import Kernel
from tests.secret import KEY, leaks_in
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.script import Seen, Step
    from tests.faults.server import FaultServer

REFUSAL = Reply(
    status=400,
    body=json.dumps({"code": 400, "reason": "INVALID", "message": "no prompt", "metadata": {}}).encode(),
    headers={"Content-Type": "application/json"},
)


def slow(server: FaultServer, seconds: float = 1.5) -> OnceRead:
    """Refuse what has no prompt, and make a picture for the rest after some seconds."""

    def choose(seen: Seen) -> Step:
        body = json.dumps({"images": [server.picture(1024, 1024)]}).encode()
        return (
            Reply(body=body, headers={"Content-Type": "application/json"}, delay=seconds)
            if "prompt" in seen.json()
            else REFUSAL
        )

    return OnceRead(choose)


# -- in a kernel -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all tests here; each gives it a folder and a service of its own."""
    with Kernel(tmp_path_factory.mktemp("notebook"), env={"NOVITA_API_KEY": KEY}) as kernel:
        kernel.execute("%load_ext seedream_nb\nimport seedream_nb as sd")
        yield kernel


@pytest.mark.kernel
def test_in_a_kernel_it_is_rehearsed(shared: Kernel, tmp_path: Path) -> None:
    """What it says stays below the cell, and the cell's value is the picture."""
    shared.execute(f"sd.configure(backend='sandbox', home={str(tmp_path / 'home')!r})")
    ran = shared.execute("%seedream doctor --paid")
    assert ran.error is None
    assert "This is a rehearsal in the sandbox" in ran.printed
    assert "15 of 15 things that were seen are as" in ran.printed
    assert ran.result is not None
    assert ran.result.startswith("@2 done · 1 picture 1024x1024")
    (path,) = (tmp_path / "home").glob("seedream-doctor-*.md")
    assert path.name in ran.printed


@pytest.mark.kernel
def test_interrupted_it_goes_on_and_what_was_seen_is_written(
    shared: Kernel, fault_server: FaultServer, tmp_path: Path
) -> None:
    """The cell is free and says so, the picture comes, and the transcript has the refusal."""
    home = tmp_path / "home"
    fault_server.on(POST, slow(fault_server))
    shared.execute(f"sd.configure(backend='novita', base_url={fault_server.url!r}, home={str(home)!r})")
    ran = shared.start("%seedream doctor --paid")
    shared.until(lambda: len(fault_server.posts) == 2 and fault_server.posts[1].read)
    shared.interrupt()
    ran.wait(10)
    assert ran.error is not None
    assert ran.error["ename"] == "StoppedError"
    assert "what comes of it is shown below this cell" in "\n".join(ran.error["traceback"])
    (path,) = home.glob("seedream-doctor-*.md")
    transcript = path.read_text("utf-8")
    assert "| ok | a request without a prompt is refused | HTTP 400 | HTTP 400 |" in transcript
    assert "No answer was read. It ended with StoppedError." in transcript
    shared.until(lambda: [*home.glob("0002-1-*.jpg")])
    assert len(fault_server.posts) == 2


@pytest.mark.kernel
def test_its_help_tells_of_it(shared: Kernel) -> None:
    """The option, and what it costs."""
    told = shared.execute("%seedream doctor --help").printed
    assert "%seedream doctor [--paid]" in told
    assert "--paid                  makes one picture and writes down" in told
    assert "at the price of one" in " ".join(told.split())


@pytest.mark.kernel
def test_another_option_is_refused(shared: Kernel) -> None:
    """With nothing sent."""
    error = shared.execute("%seedream doctor --free").error
    assert error is not None
    assert error["ename"] == "RequestError"


# -- in a shell ------------------------------------------------------------------------------------


def command(folder: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """Begin `python -m seedream_nb` in a folder, with these variables."""
    return subprocess.Popen(
        [sys.executable, "-m", "seedream_nb", *words], cwd=folder, env={**os.environ, **variables}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def said(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a command; return its exit status, and what it printed, as one line each."""
    out, err = running.communicate(timeout=60)
    return running.returncode, " ".join(out.split()), err


@pytest.mark.slow
def test_in_a_shell_it_is_rehearsed(tmp_path: Path) -> None:
    """The same as in a notebook, in the folder where it runs."""
    status, out, err = said(command(tmp_path, "doctor", "--paid", SEEDREAM_BACKEND="sandbox"))
    assert (status, err) == (0, "")
    assert "This is a rehearsal in the sandbox" in out
    assert "@2 done · 1 picture 1024x1024" in out
    assert len([*(tmp_path / "seedream").glob("seedream-doctor-*.md")]) == 1


@pytest.mark.slow
def test_in_a_shell_without_a_key_it_fails_with_three_lines(tmp_path: Path) -> None:
    """No traceback, and no folder is made."""
    status, out, err = said(command(tmp_path, "doctor", "--paid"))
    assert (status, out) == (1, "")
    assert err.startswith("SettingsError: There is no key. Get one at")
    assert len(err.splitlines()) == 3
    assert not (tmp_path / "seedream").exists()


@pytest.mark.slow
def test_in_a_shell_ctrl_c_frees_it_and_waits_for_the_picture(fault_server: FaultServer, tmp_path: Path) -> None:
    """What was seen is written at once; what was sent is waited for at the process's end, as in any script."""
    fault_server.on(POST, slow(fault_server))
    running = command(tmp_path, "doctor", "--paid", SEEDREAM_BASE_URL=fault_server.url, NOVITA_API_KEY=KEY)
    until(lambda: len(fault_server.posts) == 2 and fault_server.posts[1].read)
    running.send_signal(signal.SIGINT)
    status, out, err = said(running)
    assert status == 130
    assert "StoppedError: " in err
    assert "Transcript:" in out
    assert len([*(tmp_path / "seedream").glob("0002-1-*.jpg")]) == 1
    assert leaks_in(out + err) == []


@pytest.mark.slow
def test_in_a_shell_the_doctor_looks_at_everything_else_for_free(tmp_path: Path) -> None:
    """Without `--paid` it sends no request; its exit status says whether there is something to fix."""
    well = said(command(tmp_path, "doctor", SEEDREAM_BACKEND="sandbox"))
    ill = said(command(tmp_path, "doctor", SEEDREAM_BACKEND="sandbox", SEEDREAM_TIMEOUT="long"))
    assert (well[0], ill[0]) == (0, 1)
    assert "This is a terminal, without a notebook." in well[1]
    assert well[1].endswith("Nothing to fix.")


@pytest.mark.slow
def test_the_command_explains_itself(tmp_path: Path) -> None:
    """`--help` names the one command, the command's own its option; anything else is refused."""
    assert "doctor" in said(command(tmp_path, "--help"))[1]
    assert "at the price of one" in said(command(tmp_path, "doctor", "--help"))[1]
    assert [said(command(tmp_path, *words))[0] for words in ((), ("panel",), ("doctor", "--free"))] == [2, 2, 2]
