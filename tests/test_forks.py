"""Processes that fork, and pools of processes: each works, and all of them together keep within one budget."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults import POST, Links

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults import FaultServer

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
pytestmark = pytest.mark.slow

START = """
import os, sys, time, tempfile
import multiprocessing
import seedream_nb as sd
from seedream_nb.process import PROCESS

def begin(**settings):
    sd.configure(base_url=sys.argv[1], api_key="sk_test", timeout=30, **settings)

def ask(prompt):
    try:
        return sd.generate(str(prompt)).status
    except sd.SeedreamError as error:
        return f"{type(error).__name__}: {error}"

def in_children(count, function):
    children = []
    for number in range(count):
        child = os.fork()
        if not child:
            try:
                function(number)
            finally:
                sys.stdout.flush()
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""


def run(server: FaultServer, folder: Path, code: str, **environ: str) -> list[str]:
    """Run a script in a process of its own; return the lines that it says."""
    script = folder / "script.py"
    script.write_text(START + code)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(script), server.url]
    env = {**os.environ, **environ}
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100, env=env)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


@forks
def test_a_budget_holds_for_forked_children_together(fault_server: FaultServer, tmp_path: Path) -> None:
    """Of five children that each ask twice, with 0.06 USD for all, two requests are sent; the parent knows of them."""
    fault_server.on(POST, Links(delay=0.1))
    code = """
begin(budget=0.06)
in_children(5, lambda number: [print(ask(f"{number} {each}"), flush=True) for each in range(2)])
print(PROCESS.the_session().budget.spent, ask("one more"))
"""
    said = run(fault_server, tmp_path, code)
    assert len(fault_server.posts) == 2
    assert said.count("done") == 2
    assert sum(line.startswith("BudgetError: This could exceed the budget") for line in said) == 8
    assert any(line.startswith("0.06 BudgetError: This could exceed the budget") for line in said)


@forks
def test_what_the_parent_has_spent_counts_in_a_child(fault_server: FaultServer, tmp_path: Path) -> None:
    """The tally goes on where it stood, and what is in flight in the parent is in it."""
    fault_server.on(POST, Links(), Links(delay=1.0))
    code = """
begin(budget=0.09)
print(ask("first"), flush=True)
job = sd.submit("second")
while job.sent is None:
    time.sleep(0.01)
in_children(1, lambda number: print(ask("third"), ask("fourth")[:11], flush=True))
print(job.result().status, PROCESS.the_session().budget.spent)
"""
    assert run(fault_server, tmp_path, code) == ["done", "done BudgetError", "done 0.09"]
    assert len(fault_server.posts) == 3


@forks
def test_a_budget_of_the_environment_holds_for_a_pool(fault_server: FaultServer, tmp_path: Path) -> None:
    """Though the process that makes the pool never asked for anything itself."""
    fault_server.on(POST, Links(delay=0.1))
    code = """
with multiprocessing.get_context("fork").Pool(4) as pool:
    print(sorted(each[:11] for each in pool.map(ask, range(8), chunksize=1)))
print(ask("one more")[:11])
"""
    environ = {"SEEDREAM_BUDGET": "0.06", "SEEDREAM_BASE_URL": fault_server.url, "NOVITA_API_KEY": "sk_test"}
    said = run(fault_server, tmp_path, code, **environ)
    assert said == [str(["BudgetError"] * 6 + ["done"] * 2), "BudgetError"]
    assert len(fault_server.posts) == 2


@forks
def test_a_child_that_is_killed_while_it_counts_holds_nobody_up(fault_server: FaultServer, tmp_path: Path) -> None:
    """The lock of the tally ends with the process that has it."""
    code = """
begin(budget=0.06)
ready, told = os.pipe()
child = os.fork()
if not child:
    with PROCESS.the_session().budget.tally.changing():
        os.write(told, b"x")
        time.sleep(60)
os.read(ready, 1)
os.kill(child, 9)
os.waitpid(child, 0)
print(ask("a fox"))
"""
    assert run(fault_server, tmp_path, code) == ["done"]


@forks
def test_a_child_that_can_not_share_the_budget_refuses(fault_server: FaultServer, tmp_path: Path) -> None:
    """Where the tally can't be shared a child sends nothing, and says what to do."""
    code = """
begin(budget=0.06)
tempfile.tempdir = "/nowhere/at/all"
in_children(1, lambda number: print(ask("a fox"), flush=True))
print(ask("a fox"))
"""
    *told, parents = run(fault_server, tmp_path, code)
    assert told[0].startswith("BudgetError: This process was forked from another")
    assert "Use threads instead of processes" in told[1]
    assert parents == "done"
    assert len(fault_server.posts) == 1


def test_a_worker_that_was_started_anew_says_that_it_counts_for_itself(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    """A spawned process knows nothing of the others' spending: its first result says so."""
    code = """
def warnings(prompt):
    return sd.generate(prompt).warnings

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(warnings, ["a fox", "a cat"]))
"""
    environ = {"SEEDREAM_BUDGET": "0.06", "SEEDREAM_BASE_URL": fault_server.url, "NOVITA_API_KEY": "sk_test"}
    (said,) = run(fault_server, tmp_path, code, **environ)
    assert said.count("This worker process counts its budget of 0.06 USD separately from all others") == 1


@forks
@pytest.mark.parametrize("limit", [{}, {"budget": 1.0}])
def test_a_daemon_counts_in_no_file_of_others(
    fault_server: FaultServer, tmp_path: Path, limit: dict[str, float]
) -> None:
    """One closes all files that it inherits, and opens its own: with a budget it sends nothing, and says why."""
    fault_server.on(POST, Links(), Links())
    code = f"""
begin(**{limit})
ask("first")
def child(number):
    os.closerange(3, 256)
    files = [open(f"{{each}}.txt", "w+b") for each in range(64)]
    [file.write(bytes(64)) and file.flush() for file in files]
    print(ask("second"), flush=True)
    print(all(open(f"{{each}}.txt", "rb").read() == bytes(64) for each in range(64)), flush=True)
in_children(1, child)
"""
    said = run(fault_server, tmp_path, code)
    assert said[-1] == "True"
    assert said[0].startswith("BudgetError: This process was forked from another" if limit else "done")
    assert len(fault_server.posts) == (1 if limit else 2)


@forks
def test_children_forked_while_threads_are_at_work_hang_nowhere(fault_server: FaultServer, tmp_path: Path) -> None:
    """Whatever a thread of the parent imports, writes or waits for just then: each child gets its picture."""
    code = """
import threading
begin()
going = True

def keep_asking():
    while going:
        ask("in the parent")

for _ in range(3):
    threading.Thread(target=keep_asking, daemon=True).start()
children = []
for number in range(40):
    time.sleep(0.013 if number < 20 else 0.1)
    child = os.fork()
    if not child:
        os.write(1, ask("in a child").encode() + b"\\n")
        os._exit(0)
    children.append(child)
    if number % 4 == 3:
        for child in children:
            os.waitpid(child, 0)
        children.clear()
going = False
os._exit(0)
"""
    said = run(fault_server, tmp_path, code)
    assert said == ["done"] * 40
