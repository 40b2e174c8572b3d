"""Plain IPython: at a real terminal, and running a script whose output nobody watches."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.script import POST, Links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.server import FaultServer

from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

IPYTHON = [sys.executable, "-m", "IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor"]
SANDBOX = "%load_ext seedream_nb\n%seedream config backend=sandbox\n"
PROMPT = re.compile(r"In \[\d+\]: $")


class Terminal:
    """IPython with somebody at the keyboard: what it shows is read as it comes."""

    def __init__(self, process: int, screen: int) -> None:
        """Read and write this pseudo-terminal."""
        self.process, self._screen = process, screen

    def until(self, shown: str | re.Pattern[str], seconds: float = 60) -> str:
        """Return what is shown up to here, carriage returns and all, once it has this."""
        wanted = re.compile(re.escape(shown)) if isinstance(shown, str) else shown
        text, deadline = "", time.monotonic() + seconds
        while not wanted.search(text):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so within {seconds} s: {text!r}")
            if select.select([self._screen], [], [], 0.1)[0]:
                text += os.read(self._screen, 65536).decode()
        return text

    def type(self, text: str) -> None:
        """Type this and Enter; a cell magic ends with two empty lines."""
        self.press(f"{text}\n")

    def press(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._screen, keys.encode())

    def run(self, text: str) -> str:
        """Type this, and return all that is shown until IPython asks for the next."""
        self.type(text)
        return self.until(PROMPT)


@contextlib.contextmanager
def started(folder: Path, *options: str, kind: str) -> Iterator[Terminal]:
    """Start IPython in a terminal of this kind and of 100 columns."""
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
    process, screen = pty.fork()
    if process == 0:
        with contextlib.suppress(BaseException):
            os.environ.update(TERM=kind, COLUMNS="100", LINES="40", PROMPT_TOOLKIT_NO_CPR="1", NOVITA_API_KEY="sk_test")
            os.chdir(folder)
            os.execv(IPYTHON[0], [*IPYTHON, *options])  # noqa: S606 - nothing for a shell to do
        os._exit(1)
    try:
        yield Terminal(process, screen)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(screen)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Start IPython with our extension in a terminal that can do little, so that what is shown can be read."""
    with started(tmp_path, "--simple-prompt", kind="dumb") as begun:
        begun.until(PROMPT)
        begun.run("%load_ext seedream_nb")
        yield begun


def script(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run a script of IPython's, nobody watching."""
    (folder / "script.ipy").write_text(SANDBOX + "\n".join(lines), "utf-8")
    # IPython 7 writes a terminal's title even where there is no terminal.
    command = [*IPYTHON, "--no-term-title", "script.ipy"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=200)


def test_a_result_is_a_few_lines_with_the_path(terminal: Terminal, tmp_path: Path) -> None:
    """A cell magic shows what was made and where it is, and it is there."""
    terminal.run("%seedream config backend=sandbox")

    shown = terminal.run("%%seedream --size 1K\na fox\n\n")

    told = shown.partition("Out[3]:")[2].split("In [")[0].strip().splitlines()
    assert len(told) == 2
    assert told[0].startswith("@1 done · 1 picture 1024x1024")
    assert told[1] == f"@1.1  {tmp_path / 'seedream' / '0001-1-a-fox.jpg'}"
    assert (tmp_path / "seedream" / "0001-1-a-fox.jpg").is_file()


def test_progress_stays_on_one_line(terminal: Terminal, fault_server: FaultServer) -> None:
    """What a job does is written over the same line, with no escape codes, and is gone when the result comes."""
    fault_server.on(POST, Links(delay=2.5))
    terminal.run(f"%seedream config base_url={fault_server.url}")
    terminal.type("%%seedream\na fox\n\n")

    shown = terminal.until("Out[3]:")

    before = shown[: shown.index("Out[3]:")]
    line = before[before.index("\r      ") :]
    assert "Generating… 1 s" in line
    assert "\n" not in line
    assert "\x1b" not in line
    assert line.endswith("\r")


def test_ctrl_c_frees_the_terminal(terminal: Terminal, fault_server: FaultServer, tmp_path: Path) -> None:
    """While it generates: a few lines say that it goes on, there is no traceback, and the picture comes."""
    fault_server.on(POST, Links(delay=2.5))
    terminal.run(f"%seedream config base_url={fault_server.url}")
    terminal.type("%%seedream\na fox\n\n")
    terminal.until("Generating")

    terminal.press("\x03")
    shown = terminal.until(PROMPT)

    told = shown.partition("StoppedError: ")[2].split("In [")[0].strip().splitlines()
    assert 2 <= len(told) <= 4
    assert "Traceback" not in shown
    until((tmp_path / "seedream" / "0001-1-a-fox.jpg").is_file, seconds=60)


def test_tab_completes_an_option(tmp_path: Path) -> None:
    """In a terminal that can do more, Tab makes `--size` of `--si`."""
    with started(tmp_path, "--ext=seedream_nb", kind="xterm") as terminal:
        terminal.until("In [")
        terminal.press("%%seedream --si")
        terminal.until("--si")

        terminal.press("\t")

        terminal.until("ze")


@pytest.mark.parametrize("asked", ["%seedream panel", "import seedream_nb as sd; sd.panel()"])
def test_a_panel_is_refused_in_a_sentence(terminal: Terminal, asked: str) -> None:
    """With what to do instead, and no traceback."""
    shown = terminal.run(asked)

    assert "SeedreamError: A panel needs a notebook, such as JupyterLab, and this is a terminal." in shown
    assert "write %%seedream cells; %seedream history lists" in shown
    assert "Traceback" not in shown


def test_a_script_of_ipython_shows_no_progress(tmp_path: Path) -> None:
    """Where nobody watches, what is printed is what the script prints, with no escape codes."""
    ran = script(tmp_path, 'get_ipython().run_cell_magic("seedream", "-s 1K --out fox", "a fox")', "print(len(fox))")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1\n", "")


def test_an_error_ends_a_script_of_ipython(tmp_path: Path) -> None:
    """With our few lines, no traceback, and an exit code that tells."""
    ran = script(tmp_path, 'get_ipython().run_cell_magic("seedream", "-s 9K", "a fox")', "print('never')")

    assert ran.returncode == 1
    assert ran.stdout.startswith('RequestError: size: "9K" is not a size.')
    assert "Nothing was sent" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "never" not in ran.stdout
