"""Asked from where nobody should: a signal handler, a finalizer, the end of a process. It works or says so; it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import seedream_nb
from tests.faults import POST, Links

if TYPE_CHECKING:
    from tests.faults import FaultServer

pytestmark = pytest.mark.slow
ROOT = Path(seedream_nb.__file__).parents[1]

START = """
import atexit, gc, os, signal, sys, threading, time
import seedream_nb as sd
from seedream_nb.process import PROCESS

def ask(prompt="a fox"):
    try:
        return sd.generate(prompt).status
    except sd.SeedreamError as error:
        return f"{type(error).__name__}: {error}"
"""


def run(server: FaultServer, folder: Path, code: str) -> str:
    """Run a script in a process of its own; return what it says."""
    settings = {"SEEDREAM_BASE_URL": server.url, "NOVITA_API_KEY": "sk_test", "SEEDREAM_TIMEOUT": "30"}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START + code], env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_signal_handler_can_ask(fault_server: FaultServer, tmp_path: Path) -> None:
    """Wherever the signal struck, in the middle of asking too."""
    fault_server.on(POST, Links(delay=0.01))
    code = """
said, jobs = [], []
signal.signal(signal.SIGALRM, lambda number, frame: jobs.append(sd.submit("from the handler")))
sd.submit("first").result()
for number in range(20):
    signal.setitimer(signal.ITIMER_REAL, 0.0003 * (number + 1))
    sd.submit(str(number)).result()
    time.sleep(0.01)
print(len(jobs), {job.result().status for job in jobs})
"""
    assert run(fault_server, tmp_path, code) == "20 {'done'}\n"


def test_a_finalizer_on_our_own_thread_is_told(fault_server: FaultServer, tmp_path: Path) -> None:
    """Asked on the thread that works on requests it would wait for itself: a sentence, not a hang."""
    code = """
ask()
async def ask_there():
    return ask("there")
print(PROCESS.the_session().background.start(ask_there).result(10))
"""
    said = run(fault_server, tmp_path, code)
    assert said.startswith("SeedreamError: This was called on the background thread of seedream_nb")
    assert "Nothing was sent, nothing was billed. Call it from another thread." in said
    assert len(fault_server.posts) == 1


@pytest.mark.parametrize("earlier", ["", "print(ask(), flush=True)"])
def test_what_ends_a_process_can_not_ask(fault_server: FaultServer, tmp_path: Path, earlier: str) -> None:
    """In `atexit` nobody would wait for the picture: refused, whether something was asked before or not."""
    code = f"atexit.register(lambda: print(ask('at the end'), flush=True))\n{earlier}"
    said = run(fault_server, tmp_path, code).splitlines()
    assert "Error: This Python process is ending" in said[-2]
    assert "Nothing was sent, nothing was billed." in said[-1]
    assert len(fault_server.posts) == bool(earlier)


def test_a_thread_that_outlives_the_script_can_ask(fault_server: FaultServer, tmp_path: Path) -> None:
    """Python waits for it, and it waits for its picture."""
    code = """
ask()
def late():
    threading.main_thread().join()
    print(ask("late"), flush=True)
threading.Thread(target=late).start()
"""
    if sys.version_info >= (3, 12):
        pytest.skip("starts no thread any more when a script ends")
    assert run(fault_server, tmp_path, code) == "done\n"


def test_a_thread_that_holds_the_interpreter_loses_nothing(fault_server: FaultServer, tmp_path: Path) -> None:
    """While another thread lets no other run for seconds, what is asked waits, and comes."""
    code = """
import re
ask()
threading.Thread(target=lambda: re.fullmatch("(a*)*b", "a" * 27), daemon=True).start()
print(ask("meanwhile"))
"""
    assert run(fault_server, tmp_path, code) == "done\n"


def test_a_subinterpreter_is_told(fault_server: FaultServer, tmp_path: Path) -> None:
    """Where Python starts no thread for us, it says so."""
    interpreters = pytest.importorskip("_xxsubinterpreters")
    assert interpreters
    code = """
import _xxsubinterpreters as interpreters
there = interpreters.create()
interpreters.run_string(there, '''
import seedream_nb as sd
try:
    print(sd.generate("a fox").status, flush=True)
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
''')
os._exit(0)
"""
    said = run(fault_server, tmp_path, code)
    assert said == "done\n" or said.startswith(("SeedreamError: ", "SettingsError: "))
