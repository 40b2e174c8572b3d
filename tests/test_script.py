"""A plain script, without IPython: the same calls work, and its end throws nothing away that was paid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.script import POST, Links, Reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.server import FaultServer

START = """
import sys
import seedream_nb as sd
sd.configure(base_url=sys.argv[1], api_key="sk_test", timeout=0.2)
"""
MAKES = (
    START.replace("timeout=0.2", "timeout=60")
    + """
g = sd.generate("a fox", max_images=2)
print(g.status, len(g), all(picture.path.exists() for picture in g), "IPython" in sys.modules)
"""
)
LEAVES = (
    START
    + """
try:
    sd.generate("a fox")
except sd.StillGeneratingError:
    print("still generating")
"""
)
BATCH = (
    START
    + """
import time
sd.configure(concurrency=1)
batch = sd.batch("a fox", repeat=20, background=True)
while not any(job.committed for job in batch.jobs):
    time.sleep(0.01)
"""
)

QUEUES = (
    START
    + """
import time
sd.configure(concurrency=1)
jobs = [sd.submit(f"fox {number}") for number in range(20)]
time.sleep(0.3)
"""
)


def run(code: str, server: FaultServer, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder of its own."""
    command = [sys.executable, "-c", code, server.url]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)


@pytest.mark.slow
def test_a_script_makes_pictures(fault_server: FaultServer, tmp_path: Path) -> None:
    """`sd.generate` works without IPython, and does not import it."""
    assert run(MAKES, fault_server, tmp_path).stdout.split() == ["done", "2", "True", "False"]


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 3),
    reason="starts no thread any more when a script ends: https://github.com/python/cpython/issues/113964",
)
@pytest.mark.slow
def test_a_script_without_a_key_is_told_what_a_script_can_do(tmp_path: Path) -> None:
    """It has no magics: the advice is a variable, a file or a call."""
    code = (
        "import seedream_nb as sd\ntry:\n    sd.generate('a fox')\nexcept sd.SettingsError as error:\n    print(error)"
    )
    environ = {name: value for name, value in os.environ.items() if name != "NOVITA_API_KEY"}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert all(words in told for words in ("NOVITA_API_KEY", ".env", 'sd.configure(backend="sandbox")'))
    assert "%" not in told


@pytest.mark.slow
def test_a_script_that_ends_waits_for_what_it_has_sent(fault_server: FaultServer, tmp_path: Path) -> None:
    """A request that is on its way when the script ends is waited for, said so, and its picture kept."""
    # A name that has to be looked up: asyncio does that in threads, which end early when the interpreter does.
    link = fault_server.picture(64, 64).replace("127.0.0.1", "localhost")
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode(), delay=1.0))
    ran = run(LEAVES, fault_server, tmp_path)
    assert ran.stdout == "still generating\n"
    assert "is waiting for 1 of your requests that were already sent" in ran.stderr
    assert len(list((tmp_path / "seedream").glob("0001-1-*.jpg"))) == 1


@pytest.mark.slow
def test_a_script_that_ends_withdraws_what_was_not_sent_of_a_batch(fault_server: FaultServer, tmp_path: Path) -> None:
    """Also what stands in line: nothing more of it begins, and all of it is counted."""
    fault_server.on(POST, Links(delay=0.5))
    ran = run(BATCH, fault_server, tmp_path)
    sent = len(fault_server.posts)
    assert sent < 5
    assert f"withdrew {20 - sent} of your requests" in ran.stderr


@pytest.mark.slow
def test_a_script_that_ends_withdraws_what_was_not_sent(fault_server: FaultServer, tmp_path: Path) -> None:
    """Of twenty jobs with one place, what is sent is waited for and kept, the others are withdrawn, and it says so."""
    fault_server.on(POST, Links(delay=0.5))
    ran = run(QUEUES, fault_server, tmp_path)
    sent = len(fault_server.posts)
    assert sent < 5
    assert f"withdrew {20 - sent} of your requests" in ran.stderr
    assert len(list((tmp_path / "seedream").glob("*.jpg"))) == sent


CLOSES = (
    START.replace("timeout=0.2", "timeout=60")
    + """
import os, time
job = sd.submit("a fox")
while not job.committed:
    time.sleep(0.01)
read, write = os.pipe()
os.dup2(write, 2)
os.close(read)
"""
)


@pytest.mark.slow
def test_a_script_whose_output_nobody_reads_any_more_keeps_what_it_has_sent(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    """What can't be said at the end, since the pipe broke or the disk of the log is full, ends no wait."""
    fault_server.on(POST, Links(delay=0.5))
    run(CLOSES, fault_server, tmp_path)
    assert len(list((tmp_path / "seedream").glob("0001-1-*.jpg"))) == 1


FORKS = (
    START
    + """
import os, time
job = sd.submit("a fox")
while job.sent is None:
    time.sleep(0.01)
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    print("child", status, flush=True)
else:
    try:
        job.cancel()
    except sd.StillGeneratingError:
        print("goes on elsewhere", flush=True)
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 3),
    reason="starts no thread any more when a script ends: https://github.com/python/cpython/issues/113964",
)
@pytest.mark.slow
def test_a_forked_child_leaves_the_parents_requests_alone(fault_server: FaultServer, tmp_path: Path) -> None:
    """It can't stop them, says nothing of them when it ends, and does not wait for them; the parent does."""
    fault_server.on(POST, Links(delay=1.0))
    ran = run(FORKS, fault_server, tmp_path)
    assert ran.stdout == "goes on elsewhere\nchild 0\n"
    assert "withdrew" not in ran.stderr
    assert ran.stderr.count("is waiting for 1 of your requests") == 1
    assert len(list((tmp_path / "seedream").glob("0001-1-*.jpg"))) == 1


INTERRUPTED = """
import sys
import seedream_nb as sd

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
try:
    sd.generate("a fox")
except sd.StoppedError as error:
    print(error)
print(sd.generate("a fox").status)
"""


@pytest.mark.parametrize(
    "module", ["seedream_nb.calls", "seedream_nb.jobs.job", "seedream_nb.prompt", "httpx", "seedream_nb.jobs.pipeline"]
)
@pytest.mark.slow
def test_an_interrupt_while_the_first_call_imports_is_told(
    fault_server: FaultServer, tmp_path: Path, module: str
) -> None:
    """Nothing was sent, nothing was billed; and the next call works."""
    command = [sys.executable, "-c", INTERRUPTED, module]
    environ = {**os.environ, "SEEDREAM_BASE_URL": fault_server.url, "NOVITA_API_KEY": "sk_test"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300)
    told = "Stopped before anything was sent. Nothing was billed."
    assert (done.stdout.splitlines(), done.stderr) == ([told, "done"], "")
    assert len(fault_server.posts) == 1
