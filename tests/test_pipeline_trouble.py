"""When the disk, a picture or the service lets us down in the middle: what reached this machine is kept and told."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.errors import (
    ConnectionFailedError,
    DownloadError,
    ReplyError,
    SeedreamError,
    SettingsError,
    StillGeneratingError,
    StoppedError,
)
from seedream_nb.http.client import Timeouts
from seedream_nb.storage.journal import Journal, read, write_all
from seedream_nb.view import progress
from tests.faults import jpeg
from tests.faults.script import POST, Links, Reply, Stall
from tests.journals import Disk
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from seedream_nb.jobs.job import Job
    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

KEY = "sk_Zq7XvTgWpLmRkYbN"


def refusing(*events: str) -> Callable[[Path], Journal]:
    """Return what makes a journal whose disk is full whenever it shall write of these events."""

    def write(descriptor: int, content: bytes) -> None:
        if any(f'{{"event":"{event}"'.encode() in content for event in events):
            raise OSError(28, "No space left on device")
        write_all(descriptor, content)

    return lambda folder: Journal(folder, write=write)


def images(*links: str) -> bytes:
    """Return a reply with these links."""
    return json.dumps({"images": links}).encode()


@pytest.mark.parametrize("events", [("links",), ("file",), ("end",), ("links", "file", "end")])
def test_a_full_disk_loses_no_picture(
    new_session: NewSession, fault_server: FaultServer, events: tuple[str, ...]
) -> None:
    """When the journal can't be written after sending, the pictures come all the same, and it says what is missing."""
    generation = new_session(journal=refusing(*events)).start("a fox", max_images=3).result()
    assert (generation.status, len(generation)) == ("done", 3)
    assert all(picture.path.exists() for picture in generation)
    assert any("journal can't be written" in warning for warning in generation.warnings)
    assert any(generation.links[0] in warning for warning in generation.warnings)
    assert len(fault_server.posts) == 1


def test_a_line_that_the_disk_refused_is_written_later(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """A line that could not be written is tried again with the next one."""
    disk, link = Disk(), fault_server.picture(64, 64)

    def room(_: object) -> Reply:
        disk.full_after = None
        return Reply(body=jpeg(64, 64))

    def reply(_: object) -> Reply:
        disk.full_after = 0
        return Reply(body=images(fault_server.on("/first.jpg", room), link))

    fault_server.on(POST, reply)
    session = new_session(journal=disk.journal)
    session.start("a fox", max_images=2).result()
    assert events_in(tmp_path) == ["intent", "links", "file", "file", "end"]
    assert session.history[-1].status == "done"


def full_after_the_post(server: FaultServer, disk: Disk, *, takes: int = 0) -> None:
    """Let a disk be full when the reply comes, and its picture not be had for the moment."""
    link = server.on("/fox.jpg", Reply(status=404), Reply(body=jpeg(64, 64)))

    def reply(_: object) -> Reply:
        disk.full_after = takes
        return Reply(body=images(link))

    server.on(POST, reply, Links())


@pytest.mark.parametrize("takes", [0, 40])
def test_links_that_no_disk_took_are_known_to_this_process(
    new_session: NewSession, fault_server: FaultServer, takes: int
) -> None:
    """The journal was full when the reply came: its links are in the history all the same, and `recover` fetches."""
    disk = Disk()
    full_after_the_post(fault_server, disk, takes=takes)
    session = new_session(journal=disk.journal)
    with pytest.raises(DownloadError):
        session.start("a fox").result()
    before = session.history[-1]
    (recovered,) = session.recover()
    assert (before.status, before.links) == ("partial", [f"{fault_server.url}/fox.jpg"])
    assert (recovered.status, len(recovered)) == ("done", 1)
    assert len(fault_server.posts) == 1


@pytest.mark.parametrize("takes", [0, 40])
@pytest.mark.parametrize("then", ["start", "recover", "close"])
def test_links_that_no_disk_took_go_in_when_there_is_room(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path, then: str, takes: int
) -> None:
    """They stand in the journal before the next line, whosever it is, or when somebody recovers or closes."""
    disk = Disk()
    full_after_the_post(fault_server, disk, takes=takes)
    session = new_session(journal=disk.journal)
    with pytest.raises(DownloadError):
        session.start("a fox").result()
    disk.full_after = None
    if then == "start":
        session.start("a hare").result()
    elif then == "recover":
        session.recover()
    session.close()
    assert events_in(tmp_path)[:4] == ["intent", "links", "missing", "end"]
    assert new_session().history[1].links == [f"{fault_server.url}/fox.jpg"]


def events_in(folder: Path) -> list[str]:
    """Return what the one journal in a session's folder tells, in the order of its lines."""
    (path,) = (folder / "seedream" / "journal").glob("*.jsonl")
    return [record["event"] for record in read(path)[0]]


def test_without_a_line_for_the_intent_nothing_is_sent(new_session: NewSession, fault_server: FaultServer) -> None:
    """When the intent can't be journaled, the request is not sent, not billed, and the budget is free again."""
    session = new_session(journal=refusing("intent"))
    with pytest.raises(SettingsError, match="can't be written"):
        session.start("a fox").result()
    assert fault_server.seen == []
    assert (session.budget.reserved, session.budget.may_have_been_billed) == (0, 0)


def test_without_a_line_for_it_nothing_is_sent_again(new_session: NewSession, fault_server: FaultServer) -> None:
    """What was refused for now and can't be journaled as sent again is not: a kill would be told as not billed."""
    fault_server.on(POST, Reply(status=429), Links())
    session = new_session(journal=refusing("again"), timeouts=Timeouts(refused_pauses=(0.01,)))
    with pytest.raises(SettingsError, match="can't be written"):
        session.start("a fox").result()
    assert len(fault_server.posts) == 1
    assert session.history[-1].cost == 0.0
    assert (session.budget.reserved, session.budget.may_have_been_billed) == (0, 0)


def test_one_damaged_picture_does_not_keep_the_others_away(new_session: NewSession, fault_server: FaultServer) -> None:
    """The first of five is no picture: four come, the job tells of one, and what arrived is with the job."""
    links = [fault_server.on("/odd.jpg", Reply(body=b"<html>gone</html>"))]
    links += [fault_server.picture(64, 48 + number) for number in range(4)]
    fault_server.on(POST, Reply(body=images(*links)))
    session = new_session()
    job = session.start("a fox", max_images=5)
    with pytest.raises(DownloadError, match="1 of 5"):
        job.result()
    assert job.generation is not None
    assert [picture.mark for picture in job.generation] == ["@1.2", "@1.3", "@1.4", "@1.5"]
    assert session.budget.spent == pytest.approx(0.15)


def test_a_stop_while_the_intent_is_written_is_a_withdrawal(new_session: NewSession, fault_server: FaultServer) -> None:
    """Stopped in the moment of journaling: never sent, and never named as maybe billed, in a later session either."""
    writing = threading.Event()

    class SlowJournal(Journal):
        def append(self, event: str, number: int, /, **fields: object) -> None:
            if event == "intent":
                writing.set()
                time.sleep(0.3)
            super().append(event, number, **fields)

    session = new_session(journal=SlowJournal)
    job = session.start("a fox")
    assert writing.wait(5)
    job.cancel()
    with pytest.raises(StoppedError, match="Nothing was billed"):
        job.result()
    while not job.over:
        time.sleep(0.01)
    session.close()
    assert [each.status for each in new_session().history] == ["stopped"]
    assert fault_server.posts == []


@pytest.mark.parametrize("status", [201, 202])
def test_any_success_with_links_is_a_reply(new_session: NewSession, fault_server: FaultServer, status: int) -> None:
    """Pictures that come with another 2xx than 200 may be paid for, and are fetched."""
    link = fault_server.picture(64, 64)
    fault_server.on(POST, Reply(status=status, body=images(link)))
    assert new_session().start("a fox").result().status == "done"


def test_a_senseless_reply_shows_no_key(new_session: NewSession, fault_server: FaultServer, tmp_path: Path) -> None:
    """A reply that echoes the request's headers is kept without the key, in the error and on disk."""
    fault_server.on(POST, Reply(body=f"oops: Authorization: Bearer {KEY}".encode()))
    with pytest.raises(ReplyError) as caught:
        new_session(KEY).start("a fox").result()
    written = [path.read_text(errors="replace") for path in (tmp_path / "seedream").rglob("*") if path.is_file()]
    assert any("oops" in text for text in written)
    assert not [
        part for part in (KEY[at : at + 6] for at in range(3, 14)) if part in "".join([*written, str(caught.value)])
    ]


def test_a_long_senseless_reply_is_kept_whole(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """What is too long for a line of the journal has a file beside it."""
    fault_server.on(POST, Reply(body=b"x" * 300_000 + b"the end"))
    with pytest.raises(ReplyError):
        new_session().start("a fox").result()
    (path,) = (tmp_path / "seedream" / "journal").glob("*-reply.txt")
    assert path.read_text().endswith("xthe end")


@pytest.mark.slow
def test_a_wait_that_ends_before_sending_says_so(new_session: NewSession, fault_server: FaultServer) -> None:
    """`result(timeout=)` of a job that waits for its turn does not claim that it may be billed."""
    session = new_session()
    session.settings.change(concurrency=1)
    fault_server.on(POST, Links(delay=1.0))
    first, second = session.start("first"), session.start("second")
    with pytest.raises(StillGeneratingError, match="not sent yet"):
        second.result(timeout=0.2)
    second.cancel()
    first.result()


@pytest.mark.parametrize("timeout", ["soon", -1, 0, float("nan")])
def test_a_wrong_timeout_is_refused_before_sending(
    new_session: NewSession, fault_server: FaultServer, timeout: object
) -> None:
    """What is no number of seconds above 0 is told before anything is sent."""
    with pytest.raises(SettingsError, match="timeout"):
        new_session().start("a fox", timeout=timeout)
    assert fault_server.seen == []


def test_a_run_again_asks_for_the_same_whatever_the_settings_are(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """`rerun` takes no defaults and no earlier result: the same fields are sent again."""
    session = new_session()
    first = session.start("a fox", size="2K").result()
    session.settings.change(aspect="16:9", watermark=False, once=True)
    first.rerun()
    bodies = [seen.json() for seen in fault_server.posts]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def test_a_lost_file_is_fetched_again(new_session: NewSession, fault_server: FaultServer) -> None:
    """`recover` tries every link whose file is missing, of complete generations too, without another request."""
    session = new_session()
    session.start("a fox").result()[0].path.unlink()
    (recovered,) = session.recover()
    assert recovered[0].path.exists()
    assert len(fault_server.posts) == 1


def test_a_senseless_reply_that_can_not_be_kept_is_told_all_the_same(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """A file for a long reply that can't be written does not take the place of what happened."""

    def block(_: object) -> Reply:
        (tmp_path / "seedream" / "journal" / "0001-reply.txt").mkdir()
        return Reply(body=b"x" * 300_000)

    fault_server.on(POST, block)
    with pytest.raises(ReplyError, match="isn't JSON"):
        new_session().start("a fox").result()


@pytest.mark.parametrize("times", [1, 1000])
def test_a_reply_of_any_bytes_is_kept_as_it_came(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path, times: int
) -> None:
    """What is no text can be had byte for byte, but for the key in it: from the journal, or from the file beside it."""
    odd = bytes(range(256)) * times + "狐".encode()
    fault_server.on(POST, Reply(body=odd + KEY.encode()))
    with pytest.raises(ReplyError):
        new_session(KEY).start("a fox").result()
    (path,) = (tmp_path / "seedream" / "journal").glob("*.jsonl")
    raw = next(
        told["raw"] for told in map(json.loads, path.read_text("utf-8").splitlines()) if told["event"] == "reply"
    )
    long = path.parent / "0001-reply.txt"
    kept = long.read_bytes() if long.exists() else raw.encode(errors="surrogateescape")
    assert kept == odd + "…".encode()


@pytest.fixture
def full(new_session: NewSession, fault_server: FaultServer) -> Iterator[tuple[Session, list[Job]]]:
    """Give a session with two places, and the two jobs that have them for as long as the test takes."""
    fault_server.on(POST, Stall(when="body", seconds=60))
    session = new_session(timeouts=Timeouts(silence=60))
    session.settings.change(concurrency=2)
    jobs = [session.start(f"slow {number}") for number in range(2)]
    assert fault_server.wait_for(lambda server: len([seen for seen in server.posts if seen.read]) == 2)
    yield session, jobs
    session.close()


def test_what_waits_for_a_place_says_for_whom(full: tuple[Session, list[Job]]) -> None:
    """A request that no place is free for names those that are in flight, and can be stopped: not sent, not billed."""
    session, _ = full
    job = session.start("a fox")
    until(lambda: job.wait == "Waiting for a place: 2 requests are in flight (@1, @2)")
    assert progress(job) == job.wait
    job.cancel()
    with pytest.raises(StoppedError, match="Nothing was billed"):
        job.result()


def test_who_waits_for_a_place_waits_no_longer_than_the_timeout(
    full: tuple[Session, list[Job]], fault_server: FaultServer
) -> None:
    """When nothing moved for as long as its timeout, who waits for it is freed, and the request is withdrawn."""
    session, _ = full
    began = time.monotonic()
    job = session.start("a fox", timeout=0.3)
    with pytest.raises(ConnectionFailedError) as failed:
        job.result()
    assert time.monotonic() - began < 10
    places = "waiting for a place: 2 requests are in flight (@1, @2)"
    assert failed.value.lines() == [
        f"Not sent within 0.3 s: still {places}. It was withdrawn: nothing was sent, nothing was billed.",
        "Run it again later, or allow more requests at once: %seedream config concurrency=8",
    ]
    until(lambda: job.over)
    assert (job.status, len(fault_server.posts)) == ("failed", 2)
    assert session.budget.reserved == pytest.approx(0.06)


def test_who_does_not_wait_keeps_its_place_in_the_line(full: tuple[Session, list[Job]]) -> None:
    """A job in the background goes on waiting beyond its timeout: nobody is kept."""
    session, _ = full
    job = session.start("a fox", timeout=0.1)
    with pytest.raises(StillGeneratingError, match="not sent yet"):
        job.result(timeout=0.5)
    assert (job.over, job.status) == (False, "waiting")


@pytest.mark.slow
def test_a_line_that_moves_is_waited_in(new_session: NewSession, fault_server: FaultServer) -> None:
    """The timeout counts anew whenever another one comes to its end: a long line is no reason to give up."""
    fault_server.on(POST, Links(delay=0.4))
    session = new_session()
    session.settings.change(concurrency=1)
    jobs = [session.start(f"fox {number}", timeout=2.0) for number in range(7)]
    assert [job.result().status for job in reversed(jobs)] == ["done"] * 7


def test_copies_that_can_not_be_made_lose_no_result(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """Who takes the folder for copies away after the request was sent is told so, and where the pictures are."""
    copies = tmp_path / "copies"

    def take_away(_: object) -> Links:
        copies.rmdir()
        copies.write_text("in the way")
        return Links()

    fault_server.on(POST, take_away)
    job = new_session().start("a fox", save=copies)
    with pytest.raises(SettingsError, match=f"could not be copied to {copies}") as caught:
        job.result()
    assert str(tmp_path / "seedream") in str(caught.value)
    assert job.generation is not None
    assert (job.generation.status, len(job.generation)) == ("done", 1)


class Trouble:
    """Raises MemoryError at a line of the modules that read a reply, the nth that any thread comes to."""

    def __init__(self, nth: int) -> None:
        """Count from here."""
        self.left = nth

    def __call__(self, frame: FrameType, _event: str, _value: object) -> Any:
        """Follow what reads replies."""
        name = frame.f_globals.get("__name__")
        return self.line if name in {"seedream_nb.service.reply", "seedream_nb.service.redaction"} else None

    def line(self, _frame: FrameType, event: str, _value: object) -> Any:
        """Count a line."""
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise MemoryError
        return self.line


@pytest.mark.slow
def test_a_fault_wherever_a_reply_is_read_loses_no_picture(new_session: NewSession, fault_server: FaultServer) -> None:
    """Of ours, or a lack of memory: the links of what has arrived are kept, and both pictures can be had."""
    body = json.dumps({"images": [fault_server.picture(64, 64) for _ in range(2)]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    fault_server.on(POST, Reply(raw=head + body))  # in one piece
    nth, step = 1, 37
    while True:
        trouble, session = Trouble(nth), new_session()
        threading.settrace(trouble)
        try:
            job = session.start(f"fox {nth}", max_images=2)
            with contextlib.suppress(SeedreamError):
                job.result()
        finally:
            threading.settrace(sys.gettrace())  # none, or that of a debugger
        if trouble.left > 0:
            break
        session.recover()
        (made,) = session.history.search(f"fox {nth}")
        assert len(made) == 2, (nth, made)
        session.close()
        nth += step
    assert nth > 5 * step
