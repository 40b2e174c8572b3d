"""When it ends from this side: a stop in each phase, a timeout, a folder that vanishes, a fork, a thread that dies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.errors import DownloadError, OutcomeUnknownError, StillGeneratingError, StoppedError
from tests.faults import POST, Links, Reply, Stall
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.jobs.job import Job
    from tests.conftest import NewSession
    from tests.faults import FaultServer
    from tests.faults.script import Seen

LATE = 100


def stopped(job: Job) -> str:
    """Stop a job; return what is said."""
    job.cancel()
    with pytest.raises(StoppedError) as told:
        job.result(10)
    return str(told.value)


# -- stopped, phase by phase -----------------------------------------------------------------------


@pytest.mark.slow
def test_while_preparing(new_session: NewSession, fault_server: FaultServer) -> None:
    """Stopped while a reference is made to fit: nothing was sent or billed, and nothing stands in the history."""
    session = new_session()
    job = session.start("a fox", images=[Image.effect_noise((6000, 6100), 90)])
    assert job.status == "preparing"
    assert stopped(job) == "Stopped while preparing: the request was withdrawn before it was sent. Nothing was billed."
    until(lambda: job.over)
    assert (len(session.history), fault_server.posts) == (0, [])


def test_while_waiting(new_session: NewSession, fault_server: FaultServer) -> None:
    """Stopped while others have the places: nothing was sent or billed."""
    gate = threading.Event()
    fault_server.on(POST, held(gate))
    session = new_session()
    session.settings.change(concurrency=1)
    first, second = session.start("first"), session.start("second")
    until(lambda: first.sent and second.status == "waiting")
    assert "withdrawn before it was sent. Nothing was billed" in stopped(second)
    gate.set()
    assert first.result().status == "done"
    assert len(fault_server.posts) == 1


@pytest.mark.slow
def test_while_uploading(new_session: NewSession, fault_server: FaultServer) -> None:
    """Stopped before the last byte went out: not billed, and the history says so."""
    fault_server.on(POST, Stall(when="headers", read=False, seconds=60))
    session = new_session()
    noise = [Image.frombytes("RGB", (1700, 1700), os.urandom(8_670_000)) for _ in range(4)]
    job = session.start("a fox", images=noise)
    until(lambda: job.status == "uploading" and job.uploaded_bytes)
    assert "Stopped while uploading: the request was withdrawn" in stopped(job)
    until(lambda: job.over)
    assert (session.history[-1].status, session.history[-1].cost) == ("stopped", 0.0)
    assert session.budget.may_have_been_billed == 0


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["generating", "downloading"])
def test_after_sending(new_session: NewSession, fault_server: FaultServer, phase: str) -> None:
    """Stopped once it is sent: it may be billed, goes on, and its picture is in the history in the end."""
    gate = threading.Event()
    if phase == "generating":
        fault_server.on(POST, held(gate))
    else:
        link = fault_server.picture(64, 64, lambda _: Reply(status=503) if gate.wait(30) else Reply())
        fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    session = new_session()
    job = session.start("a fox")
    until(lambda: job.status == phase)
    told = stopped(job)
    assert f"Stopped while {phase}" in told
    assert ("may be billed" if phase == "generating" else "are paid for; their links are kept") in told
    assert "The work goes on" in told
    gate.set()
    until(lambda: job.over)
    assert session.history[-1].status == "done"


def held(gate: threading.Event) -> Callable[[Seen], Links]:
    """Return a script that answers when the gate is open."""

    def answer(_: Seen) -> Links:
        assert gate.wait(60)
        return Links()

    return answer


# -- late ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_late_reply_is_kept(new_session: NewSession, fault_server: FaultServer) -> None:
    """A hundred callers that waited in vain are free; a hundred of a hundred late replies are kept."""
    session = new_session()
    session.settings.change(concurrency=50)
    for _ in range(LATE // 50):
        gate = threading.Event()
        fault_server.on(POST, held(gate))
        jobs = [session.start(f"fox {number}", timeout=0.05) for number in range(50)]
        for job in jobs:
            with pytest.raises(StillGeneratingError, match=r"may be billed\.\nThe work goes on"):
                job.result()
        gate.set()
        until(lambda jobs=jobs: all(job.over for job in jobs))  # type: ignore[misc]
    assert [(each.status, len(each)) for each in session.history] == [("done", 1)] * LATE
    assert all(each[0].path.exists() for each in session.history)
    assert len(fault_server.posts) == LATE
    assert session.budget.spent == pytest.approx(LATE * 0.03)
    assert (session.budget.reserved, session.budget.may_have_been_billed) == (0, 0)


# -- the folder ------------------------------------------------------------------------------------


def test_a_folder_that_vanishes_is_made_again(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """Deleted while the service works: the picture and the whole story are there in the end."""
    session = new_session()

    def vanish(_: Seen) -> Links:
        shutil.rmtree(tmp_path / "seedream")
        return Links()

    fault_server.on(POST, vanish)
    generation = session.start("a fox").result()
    assert generation[0].path.exists()
    assert [(each.status, each.prompt) for each in new_session().history] == [("done", "a fox")]


def test_a_folder_that_can_not_be_had_again(new_session: NewSession, fault_server: FaultServer, tmp_path: Path) -> None:
    """With a file in its place nothing can be written: it is told that it is paid for, and the links are shown."""
    session = new_session()

    def block(_: Seen) -> Links:
        shutil.rmtree(tmp_path / "seedream")
        (tmp_path / "seedream").write_text("in the way")
        return Links()

    fault_server.on(POST, block)
    job = session.start("a fox", max_images=2)
    with pytest.raises(DownloadError, match="2 of 2 pictures"):
        job.result()
    assert job.generation is not None
    assert job.generation.status == "partial"
    assert len(job.generation.links) == 2
    for link in job.generation.links:
        assert any(link in warning for warning in job.generation.warnings)
    assert len(fault_server.posts) == 1
    assert session.budget.spent == pytest.approx(0.06)


# -- the clock -------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back(new_session: NewSession, fault_server: FaultServer, tmp_path: Path) -> None:
    """Journals of a later time than now's: order, cost and recovery stay right, and no time is negative."""
    fault_server.picture(64, 64, name="late.jpg")
    late = fault_server.on("/pictures/late.jpg", Reply(status=404))
    fault_server.on(POST, Reply(body=json.dumps({"images": [late]}).encode()), Links())
    session = new_session()
    with pytest.raises(DownloadError):
        session.start("before").result()
    session.close()
    (journal,) = (tmp_path / "seedream" / "journal").glob("*.jsonl")
    year = f"{session.history[1].created:%Y}"
    journal.write_text(journal.read_text().replace(f'"{year}-', '"2099-'))
    journal.rename(journal.with_name(journal.name.replace(year, "2099", 1)))
    session = new_session()
    seconds = session.start("after").result().seconds
    assert seconds is not None
    assert seconds >= 0
    fault_server.picture(64, 64, name="late.jpg")
    assert [each.status for each in session.recover()] == ["done"]
    for history in (session.history, new_session().history):
        assert [(each.id, each.prompt, each.status) for each in history] == [
            (1, "before", "done"),
            (2, "after", "done"),
        ]
        assert history[-1].prompt == "after"
        assert history[1].created.year == 2099
        assert (history[1].cost, history[2].cost) == (0.03, 0.03)


# -- the process -----------------------------------------------------------------------------------

BEGIN = """
import os, sys, time
from pathlib import Path
from seedream_nb import errors
from seedream_nb.session import Session
from seedream_nb.settings import Settings

settings = Settings(environ={}, folder=Path.cwd())
settings.change(base_url=sys.argv[1], api_key="sk_test", concurrency=int(sys.argv[2]))
session = Session(settings=settings, lingers=False)
"""

FORK = """
print(session.start("before").result().status, flush=True)
running = session.start("running")
while running.sent is None:
    time.sleep(0.01)
child = os.fork()
if not child:
    try:
        running.result()
    except errors.StillGeneratingError as error:
        print(error.message, flush=True)
    generation = session.start("in the child").result(30)
    print(generation.status, generation.prompt, len(generation), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, running.result().status, session.start("after").result().status)
"""

# The system's resolver hangs, as behind a dead VPN: another thread of asyncio's own pool would be waited for.
HANGING = """
import socket, sys, threading, time
from pathlib import Path
from seedream_nb.session import Session
from seedream_nb.settings import Settings

asked = threading.Event()
def hang(*_, **__):
    asked.set()
    time.sleep(300)
socket.getaddrinfo = hang
settings = Settings(environ={}, folder=Path.cwd())
settings.change(base_url="https://service.example", api_key="sk_test")
job = Session(settings=settings, lingers=sys.argv[1] == "script").start("a fox")
assert asked.wait(30)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["script", "kernel"])
def test_a_resolver_that_hangs_keeps_no_process_from_its_end(tmp_path: Path, ends: str) -> None:
    """What was not sent is withdrawn, and the thread that looks the name up is left behind."""
    ran = subprocess.run(
        [sys.executable, "-c", HANGING, ends], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == (
        "seedream_nb withdrew 1 of your requests that had not been sent: the script has ended.\n"
        if ends == "script"
        else ""
    )


DEATH = """
async def die():
    raise SystemExit

job = session.start("a fox")
while job.sent is None:
    time.sleep(0.01)
session.background.start(die)
try:
    job.result()
except errors.OutcomeUnknownError as error:
    print(error.message, flush=True)
print(job.status, job.over, flush=True)

async def wait():
    awaited = session.start("another")
    while awaited.sent is None:
        await asyncio.sleep(0.01)
    session.background.start(die)
    await awaited

import asyncio
try:
    asyncio.run(wait())
except errors.SeedreamError as error:
    print(error.message, flush=True)
os._exit(0)
"""


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
job = session.start("a fox", max_images=3)
try:
    job.result()
except errors.DownloadError as error:
    print(error, flush=True)
print(job.generation.status, [picture.mark for picture in job.generation], flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print([(each.status, len(each)) for each in session.recover()])
"""


def run(server: FaultServer, folder: Path, script: str, *, concurrency: int = 4) -> list[str]:
    """Run a script in a process of its own; return what it says."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + script, server.url, str(concurrency)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_that_fills_up(fault_server: FaultServer, tmp_path: Path) -> None:
    """No room for one picture: the others are here, it is told why and where, its link is kept for later."""
    given = [fault_server.picture(64, 64, size_bytes=size_bytes) for size_bytes in (50_000, 300_000, 60_000)]
    fault_server.on(POST, Reply(body=json.dumps({"images": given}).encode()))
    *told, status, recovered = run(fault_server, tmp_path, FULL)
    assert "1 of 3 pictures could not be fetched: The picture can't be written to /" in told[0]
    assert "File too large" in told[0]
    assert "recover" in told[-1]
    assert status == "partial ['@1.1', '@1.3']"
    assert recovered == "[('done', 3)]"
    assert len(fault_server.posts) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.parametrize("concurrency", [4, 1])
@pytest.mark.slow
def test_a_fork(fault_server: FaultServer, tmp_path: Path, concurrency: int) -> None:
    """A forked child can ask for pictures of its own, and is told that the parent's request goes on there.

    So it can while the parent's request holds the only place.
    """
    gate = threading.Event()

    def answer(_: Seen) -> Links:
        if len(fault_server.posts) == 2:
            assert gate.wait(60)
        if len(fault_server.posts) == 3:
            gate.set()
        return Links()

    fault_server.on(POST, answer)
    said = run(fault_server, tmp_path, FORK, concurrency=concurrency)
    assert said[0] == "done"
    assert "goes on there" in said[1]
    assert said[2] == "done in the child 1"
    assert said[3] == "0 done done"
    assert len(fault_server.posts) == 4


@pytest.mark.parametrize("concurrency", [4, 1])
@pytest.mark.slow
def test_a_thread_that_dies(fault_server: FaultServer, tmp_path: Path, concurrency: int) -> None:
    """Who waits, in whatever way, is told that it may have been billed, in place of waiting for ever."""
    fault_server.on(POST, Stall(when="body"))
    lost = "The work was ended from outside while generating. The request was sent and may be billed."
    assert run(fault_server, tmp_path, DEATH, concurrency=concurrency) == [lost, "unknown True", lost]


def test_a_session_that_is_closed(new_session: NewSession, fault_server: FaultServer) -> None:
    """Closed while the service works: it is told, and stays counted, as what may have been billed."""
    fault_server.on(POST, Stall(when="body"))
    session = new_session()
    job = session.start("a fox")
    until(lambda: job.sent)
    session.close()
    with pytest.raises(OutcomeUnknownError, match="ended from outside while generating"):
        job.result()
    assert (session.history[-1].status, session.history[-1].cost) == ("unknown", None)
    assert session.budget.may_have_been_billed == 0.03


def test_a_session_that_is_closed_while_downloading(new_session: NewSession, fault_server: FaultServer) -> None:
    """Closed between link and picture: it is known what it cost, and recover brings the picture."""
    link = fault_server.picture(64, 64, Stall(when="body"))
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    session = new_session()
    job = session.start("a fox")
    until(lambda: fault_server.gets)
    session.close()
    with pytest.raises(OutcomeUnknownError, match=r"while downloading.*\n.*recover"):
        job.result()
    assert (session.history[-1].status, session.history[-1].cost) == ("partial", 0.03)
    (recovered,) = session.recover()
    assert (recovered.status, recovered.cost) == ("done", 0.03)
