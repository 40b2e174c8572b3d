"""`once`: what was asked before, or is being asked, is not paid for again."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from seedream_nb.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DownloadError,
    OutcomeUnknownError,
    SettingsError,
    StoppedError,
)
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from tests.faults import POST, Links, Reply, Stall, jpeg
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seedream_nb.jobs.job import Job
    from tests.conftest import NewSession
    from tests.faults import FaultServer, Seen


def asked_twice(session: Session) -> tuple[Job, Job]:
    """Return two jobs for the same: one on its way, and one that waits for it."""
    first = session.start("a fox", once=True)
    until(lambda: first.sent)
    second = session.start("a fox", once=True)
    until(lambda: second.wait)
    return first, second


@pytest.fixture
def gate(fault_server: FaultServer) -> threading.Event:
    """Let the service answer its first request only once this is set."""
    opened = threading.Event()

    def answer(_: Seen) -> Links:
        assert opened.wait(60)
        return Links()

    fault_server.on(POST, answer, Links())
    return opened


def test_what_is_being_asked_is_not_asked_again(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """A cell that is run again while its request is on its way waits for that one's result."""
    first, second = asked_twice(new_session())
    assert second.wait == "Waiting for @1, which makes the same request…"
    gate.set()
    assert (first.result().id, second.result().id) == (1, 1)
    assert len(fault_server.posts) == 1


def test_who_waits_for_another_can_be_stopped(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """It is withdrawn, at no cost; the other goes on."""
    first, second = asked_twice(new_session())
    second.cancel()
    with pytest.raises(StoppedError, match=r"withdrawn before it was sent\. Nothing was billed"):
        second.result()
    gate.set()
    assert first.result().status == "done"
    assert len(fault_server.posts) == 1


def test_who_waits_for_another_in_vain_is_not_told_to_send_more(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """When its timeout passes, the remedy is to run it again later: more requests in flight would change nothing."""
    sessions = new_session(), new_session()
    first = sessions[0].start("a fox", once=True)
    until(lambda: first.sent)
    for session, whom in zip(sessions, ("@1", "another kernel"), strict=True):
        with pytest.raises(ConnectionFailedError, match=f"still waiting for {whom}") as failed:
            session.start("a fox", once=True, timeout=0.2).result()
        assert failed.value.hint == (
            "Run it again later: when the other request has its pictures, you get those, and nothing is sent."
        )
    gate.set()
    assert first.result().status == "done"
    assert len(fault_server.posts) == 1


def test_what_failed_is_asked_again(new_session: NewSession, fault_server: FaultServer) -> None:
    """If the one that was waited for fails, the request is sent after all."""
    opened = threading.Event()

    def fail(_: Seen) -> Reply:
        assert opened.wait(60)
        return Reply(status=500)

    fault_server.on(POST, fail, Links())
    first, second = asked_twice(new_session())
    opened.set()
    assert second.result().status == "done"
    assert first.status == "failed"
    assert len(fault_server.posts) == 2


def test_another_request_does_not_wait(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """Only exactly the same request is the same."""
    session = new_session()
    first = session.start("a fox", once=True)
    until(lambda: first.sent)
    assert session.start("a cat", once=True).result().prompt == "a cat"
    gate.set()
    assert first.result().prompt == "a fox"
    assert len(fault_server.posts) == 2


def ask_at_one_moment(session: Session, threads: int) -> list[Job]:
    """Return what so many threads ask for at one moment, all for the same, once none of them goes on any more."""
    moment = threading.Barrier(threads)
    jobs: list[Job] = []

    def ask() -> None:
        moment.wait()
        jobs.append(session.start("a fox", once=True))

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    until(lambda: all(job.over for job in jobs))
    return jobs


@pytest.mark.slow
def test_what_threads_ask_for_at_one_moment_is_bought_once(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """Asking and joining those under way is one step: of twelve threads one buys, and all get its result."""
    fault_server.on(POST, Links(delay=0.02))
    # What is asked of the host in the middle of it gives the other threads their turn.
    session = new_session(notebook=lambda: time.sleep(0.005))
    session.settings.change(concurrency=12)
    for number in range(1, 9):
        session.settings.change(home=tmp_path / str(number))
        jobs = ask_at_one_moment(session, 12)
        assert [job.result().id for job in jobs] == [1] * 12
        assert len(fault_server.posts) == number


def test_the_next_that_waits_buys_when_the_first_fails(new_session: NewSession, fault_server: FaultServer) -> None:
    """One fails, exactly one more is sent, and the others get that one's result."""
    fault_server.on(POST, Reply(status=500, delay=0.2), Links(delay=0.05))
    jobs = ask_at_one_moment(new_session(), 6)
    assert sorted(job.status for job in jobs) == ["done"] * 5 + ["failed"]
    assert len(fault_server.posts) == 2


def test_what_may_have_been_billed_is_not_bought_by_those_that_waited(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """One is cut off after it was sent: the five that waited for it are told so, and none of them is sent."""
    fault_server.on(POST, Reply(status=504, delay=0.2), Links())
    jobs = ask_at_one_moment(new_session(), 6)
    assert {job.status for job in jobs} == {"unknown"}
    assert len(fault_server.posts) == 1
    waited = next(job for job in jobs if job.id is None)
    with pytest.raises(OutcomeUnknownError, match=r"^@1 made the same request.*was not sent\.\n@1 may have been"):
        waited.result()


def test_what_may_have_been_billed_is_bought_by_who_asks_later(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """Whoever asks when all is over is sent, and the result says what may have been billed before."""
    fault_server.on(POST, Reply(status=504), Links())
    session = new_session()
    with pytest.raises(OutcomeUnknownError):
        session.start("a fox", once=True).result()
    later = session.start("a fox", once=True).result()
    assert later.id == 2
    assert later.warnings == [
        "@1 made the same request and may have been billed too: your account's usage page at the service shows it."
    ]


def test_a_failure_that_cost_nothing_hides_no_bill(new_session: NewSession, fault_server: FaultServer) -> None:
    """What may have been billed is told although the same was asked once more since, and refused."""
    fault_server.on(POST, Reply(status=504), Reply(status=401), Reply(status=401), Links())
    session = new_session()
    for kind in (OutcomeUnknownError, AuthenticationError, AuthenticationError):
        with pytest.raises(kind):
            session.start("a fox", once=True).result()
    later = session.start("a fox", once=True).result()
    assert later.warnings == [
        "@1 made the same request and may have been billed too: your account's usage page at the service shows it."
    ]


def test_a_result_that_was_bought_since_is_the_end_of_it(new_session: NewSession, fault_server: FaultServer) -> None:
    """It told what may have been billed before; when its file is gone, the next tells of that one alone."""
    fault_server.on(POST, Reply(status=504), Links(), Links())
    session = new_session()
    with pytest.raises(OutcomeUnknownError):
        session.start("a fox", once=True).result()
    session.start("a fox", once=True).result()[0].path.unlink()
    assert session.start("a fox", once=True).result().warnings == [
        "@2 has files that are gone or were changed, and was billed (0.03 USD): this was bought again."
    ]


def test_a_picture_that_never_came_is_not_said_to_have_come(new_session: NewSession, fault_server: FaultServer) -> None:
    """Its link had come, and was billed; that it led nowhere is why the same is bought again."""
    fault_server.on(POST, Reply(body=json.dumps({"images": [f"{fault_server.url}/gone.jpg"]}).encode()), Links())
    session = new_session()
    with pytest.raises(DownloadError):
        session.start("a fox", once=True).result()
    assert session.start("a fox", once=True).result().warnings == [
        "@1 got 0 of 1 pictures (%seedream recover may bring 1 more) and was billed (0.03 USD): this was bought again."
    ]


def test_what_shares_its_number_with_another_request_is_not_shown_for_it(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    """Of two machines whose folders a cloud drive joins: nobody gets the other's picture, and the new price is told."""
    machines = [tmp_path / name for name in ("one", "two")]
    for folder, prompt in zip(machines, ("a fox", "a whale"), strict=True):
        session = on(fault_server, folder)
        session.start(prompt).result()
        session.close()
    for path in (machines[1] / "seedream").rglob("*"):
        joined = machines[0] / path.relative_to(machines[1])
        if path.is_file() and not joined.exists():
            shutil.copy(path, joined)
    session = on(fault_server, machines[0])
    assert "Two machines gave this number" in session.history[1].warnings[0]
    made = session.start("a whale", once=True).result()
    assert [picture.path.name for picture in made] == ["0002-1-a-whale.jpg"]
    assert made.warnings == ["@1 holds the pictures of this and of another request: this was bought again."]
    assert session.start("a whale", once=True).result().id == 2
    session.close()


def on(server: FaultServer, folder: Path) -> Session:
    """Begin a session in a folder."""
    folder.mkdir(exist_ok=True)
    settings = Settings(environ={}, folder=folder)
    settings.change(base_url=server.url, api_key="sk_test")
    return Session(settings=settings, lingers=False)


# -- two kernels that share a home -------------------------------------------------------------------------

ASKS = """
import sys, threading
from pathlib import Path
from seedream_nb import errors
from seedream_nb.session import Session
from seedream_nb.settings import Settings

settings = Settings(environ={}, folder=Path.cwd())
settings.change(base_url=sys.argv[1], api_key="sk_test")
session = Session(settings=settings, lingers=False)
for line in sys.stdin:
    prompt, anew, _ = line.strip().partition(" --no-once")
    job, told = session.start(prompt, once=not anew), None
    while not job.over:
        if job.wait != told and (told := job.wait):
            print(told, flush=True)
        job.wait_for_change(job.version, 0.05)
    print(job.status, job.id, flush=True)
"""


class Asking:
    """A process of its own with the same home, which asks for what it is told, one after another."""

    def __init__(self, server: FaultServer, folder: Path, *, script: str = ASKS) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, server.url],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, prompt: str) -> None:
        """Let it ask."""
        assert self.process.stdin is not None
        print(prompt, file=self.process.stdin, flush=True)

    def said(self) -> str:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def two(fault_server: FaultServer, tmp_path: Path) -> Iterator[tuple[Asking, Asking]]:
    """Start two processes that share a home."""
    both = Asking(fault_server, tmp_path), Asking(fault_server, tmp_path)
    yield both
    for each in both:
        each.process.kill()
        each.process.communicate()


@pytest.mark.slow
def test_another_kernel_does_not_buy_the_same_again(
    fault_server: FaultServer, gate: threading.Event, two: tuple[Asking, Asking]
) -> None:
    """Of two processes that share a home one waits, says for whom, and shows what the other bought."""
    first, second = two
    first.ask("a fox")
    until(lambda: fault_server.posts)
    second.ask("a fox")
    assert second.said() == f"Waiting for another kernel (process {first.process.pid}), which makes the same request…"
    gate.set()
    assert (first.said(), second.said()) == ("done 1", "done 1")
    assert len(fault_server.posts) == 1


@pytest.mark.slow
def test_what_another_kernel_makes_without_once_is_waited_for(
    fault_server: FaultServer, gate: threading.Event, two: tuple[Asking, Asking]
) -> None:
    """It claims nothing, but its request is in the journal; with `once` nobody buys the same beside it."""
    first, second = two
    first.ask("a fox --no-once")
    until(lambda: fault_server.posts)
    second.ask("a fox")
    assert second.said() == "Waiting for @1: another kernel makes the same request…"
    gate.set()
    assert (first.said(), second.said()) == ("done 1", "done 1")
    assert len(fault_server.posts) == 1


@pytest.mark.slow
def test_kernels_that_ask_at_one_moment_buy_once(fault_server: FaultServer, two: tuple[Asking, Asking]) -> None:
    """However close together they ask: each time one of them buys."""
    fault_server.on(POST, Links(delay=0.02))
    for number in range(1, 11):
        for each in two:
            each.ask(f"fox {number}")
        ended = [next(line for line in iter(each.said, "") if "Waiting" not in line) for each in two]
        assert ended == [f"done {number}"] * 2
        assert len(fault_server.posts) == number


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kernel_that_dies_keeps_nobody_waiting(fault_server: FaultServer, two: tuple[Asking, Asking]) -> None:
    """Its claim ends with it: who waited for it is told that it may have been billed, and asks when told again."""
    fault_server.on(POST, Stall(when="body"), Links())
    first, second = two
    first.ask("a fox")
    until(lambda: fault_server.posts)
    second.ask("a fox")
    assert second.said().startswith("Waiting for another kernel")
    first.process.kill()
    assert second.said() == "unknown None"
    assert len(fault_server.posts) == 1
    second.ask("a fox")
    assert second.said() == "done 2"


def test_what_waits_for_another_kernel_can_be_stopped(
    new_session: NewSession, fault_server: FaultServer, gate: threading.Event
) -> None:
    """It is withdrawn at once, at no cost; the other goes on."""
    first = new_session().start("a fox", once=True)
    until(lambda: first.sent)
    second = new_session().start("a fox", once=True)
    until(lambda: second.wait)
    second.cancel()
    with pytest.raises(StoppedError, match=r"withdrawn before it was sent\. Nothing was billed"):
        second.result()
    gate.set()
    assert first.result().status == "done"
    assert len(fault_server.posts) == 1


def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every disk be full."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10**9, free=0))


@pytest.mark.parametrize("trouble", ["full", "in the way"])
def test_a_picture_that_is_here_needs_no_room(
    new_session: NewSession, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trouble: str
) -> None:
    """With a full disk, or a folder that can't be written, what is here is returned, its references not touched."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(640, 480))
    bought = new_session().start("a fox", once=True, images=[photo]).result()
    session = new_session()
    if trouble == "full":
        no_room(monkeypatch)
    else:
        shutil.rmtree(tmp_path / "seedream" / "inputs")
        (tmp_path / "seedream" / "inputs").write_text("in the way")
    found = session.start("a fox", once=True, images=[photo]).result()
    assert (found.id, [each.path for each in found]) == (bought.id, [each.path for each in bought])
    assert len(fault_server.posts) == 1


def test_what_is_not_here_needs_room(
    new_session: NewSession, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another request, and the same without `once`, is refused on a full disk as soon as it is asked for."""
    session = new_session()
    session.start("a fox", once=True).result()
    no_room(monkeypatch)
    for prompt, once in (("a cat", True), ("a fox", False)):
        with pytest.raises(SettingsError, match="0 MB left; 1 picture may need"):
            session.start(prompt, once=once)
    assert len(fault_server.posts) == 1


def test_a_picture_that_goes_at_the_last_moment_is_not_bought_without_room(
    new_session: NewSession, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was here when it was asked for, and is gone when it is looked for: then room is needed after all."""
    (picture,) = new_session().start("a fox", once=True).result()
    session = new_session(notebook=picture.path.unlink)
    no_room(monkeypatch)
    with pytest.raises(SettingsError, match="0 MB left"):
        session.start("a fox", once=True).result()
    assert len(fault_server.posts) == 1


def test_no_claim_stays(new_session: NewSession, tmp_path: Path) -> None:
    """The file by which kernels wait for each other goes with the request."""
    new_session().start("a fox", once=True).result()
    until(lambda: not list((tmp_path / "seedream" / "journal" / "claims").iterdir()))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has locks of another kind")
def test_a_disk_without_locks_is_said(new_session: NewSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where kernels can't wait for each other, the result says so in a line."""
    import fcntl

    def unable(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unable)
    result = new_session().start("a fox", once=True).result()
    assert any("another kernel" in warning for warning in result.warnings)
