"""The procedure against a real socket: what is sent, what is on disk at each step, what is never lost."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from seedream_nb.errors import (
    AuthenticationError,
    BudgetError,
    ConnectionFailedError,
    DownloadError,
    OutcomeUnknownError,
    ReplyError,
    SettingsError,
    StoppedError,
)
from tests.faults.script import POST, Cut, Links, Reply
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from seedream_nb.jobs.job import Job
    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

KEY = "sk_Zq7XvTgWpLmRkYbN"


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server."""
    return new_session(KEY)


def events(folder: Path) -> list[str]:
    """Return the events of the one journal in a folder, in order."""
    (path,) = (folder / "seedream" / "journal").glob("*.jsonl")
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_a_request_is_sent_once_and_its_picture_is_on_disk(session: Session, fault_server: FaultServer) -> None:
    """One POST, one GET, one file of the size that the service made."""
    generation = session.start("a fox", size="1K").result()
    assert (len(fault_server.posts), len(fault_server.gets)) == (1, 1)
    assert generation[0].to_pil().size == (generation[0].width, generation[0].height)
    assert generation.status == "done"


def test_only_documented_fields_are_sent(session: Session, fault_server: FaultServer) -> None:
    """The body has the fields of the reference page, as the request table says, and no others."""
    session.start("a fox", size="16:9", max_images=2, watermark=False).result()
    assert fault_server.posts[0].json() == {
        "prompt": "a fox",
        "size": "2560x1440",
        "sequential_image_generation": "auto",
        "max_images": 2,
        "watermark": False,
    }


def test_the_key_goes_to_the_service_and_not_to_the_links(session: Session, fault_server: FaultServer) -> None:
    """The POST carries the key; no download does."""
    session.start("a fox", max_images=3).result()
    assert fault_server.posts[0].headers["authorization"] == f"Bearer {KEY}"
    assert all("authorization" not in seen.headers for seen in fault_server.gets)


def test_each_step_is_in_the_journal(session: Session, tmp_path: Path) -> None:
    """The journal tells intent, links, each file and the end, in this order."""
    session.start("a fox", max_images=2).result()
    assert events(tmp_path) == ["intent", "links", "file", "file", "end"]


def test_the_intent_is_on_disk_before_the_request_is_sent(
    session: Session, fault_server: FaultServer, tmp_path: Path
) -> None:
    """When the service sees the request, the journal already tells of it, and of nothing more."""
    seen: list[list[str]] = []

    def look(_: object) -> Links:
        seen.append(events(tmp_path))
        return Links()

    fault_server.on(POST, look)
    session.start("a fox").result()
    assert seen == [["intent"]]


def test_the_links_are_on_disk_before_they_are_followed(
    session: Session, fault_server: FaultServer, tmp_path: Path
) -> None:
    """When the first download begins, the journal has the links."""
    seen: list[list[str]] = []

    def look(_: object) -> Reply:
        seen.append(events(tmp_path))
        return Reply(status=404)

    link = fault_server.on("/looked.jpg", look)
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    with pytest.raises(DownloadError):
        session.start("a fox").result()
    assert seen == [["intent", "links"]]


def test_no_key_is_in_any_file(session: Session, tmp_path: Path) -> None:
    """Nothing that is written holds the key, or any six characters of it."""
    session.start("a fox").result()
    parts = [KEY[start : start + 6].encode() for start in range(3, len(KEY) - 5)]
    written = [path.read_bytes() for path in (tmp_path / "seedream").rglob("*") if path.is_file()]
    assert not [part for part in parts if any(part in content for content in written)]


def test_a_refusal_is_told_in_the_services_words_and_costs_nothing(session: Session, fault_server: FaultServer) -> None:
    """A 401 is an AuthenticationError; the failed generation is in the history, at no cost."""
    body = json.dumps({"code": 401, "reason": "INVALID_API_KEY", "message": "no such key"}).encode()
    fault_server.on(POST, Reply(status=401, body=body))
    with pytest.raises(AuthenticationError, match="no such key"):
        session.start("a fox").result()
    assert (session.history[-1].status, session.history[-1].cost, session.budget.spent) == ("failed", 0.0, 0.0)
    assert len(fault_server.posts) == 1


def test_a_broken_connection_after_sending_is_never_sent_again(session: Session, fault_server: FaultServer) -> None:
    """The outcome is unknown, is named so in the history, and stays counted in the budget."""
    fault_server.on(POST, Cut(when="body"))
    with pytest.raises(OutcomeUnknownError):
        session.start("a fox").result()
    assert len(fault_server.posts) == 1
    assert session.history[-1].status == "unknown"
    assert session.budget.may_have_been_billed == pytest.approx(0.03)


@pytest.mark.slow
def test_a_service_that_is_not_there_costs_nothing(session: Session, fault_server: FaultServer) -> None:
    """A refused connection is told as not billed and leaves nothing reserved."""
    fault_server.close()
    with pytest.raises(ConnectionFailedError):
        session.start("a fox").result()
    assert session.history[-1].status == "failed"
    assert (session.budget.reserved, session.budget.spent, session.budget.may_have_been_billed) == (0, 0, 0)


def test_a_senseless_reply_is_kept(session: Session, fault_server: FaultServer, tmp_path: Path) -> None:
    """What can't be read as a reply is an error, and stands in the journal."""
    fault_server.on(POST, Reply(body=b"<html>oops</html>"))
    with pytest.raises(ReplyError):
        session.start("a fox").result()
    (path,) = (tmp_path / "seedream" / "journal").glob("*.jsonl")
    assert "<html>oops</html>" in path.read_text()


def test_what_arrived_is_kept_when_one_picture_is_missing(session: Session, fault_server: FaultServer) -> None:
    """One dead link of three: two pictures are there, the third's link is kept, the error says what to do."""
    links = [
        fault_server.picture(64, 64),
        fault_server.on("/gone.jpg", Reply(status=404)),
        fault_server.picture(64, 48),
    ]
    fault_server.on(POST, Reply(body=json.dumps({"images": links}).encode()))
    job = session.start("a fox", max_images=3)
    with pytest.raises(DownloadError, match="recover"):
        job.result()
    generation = session.history[-1]
    assert (generation.status, [picture.mark for picture in generation]) == ("partial", ["@1.1", "@1.3"])
    assert job.generation == generation
    assert generation.cost == pytest.approx(0.09)


def test_recover_fetches_what_was_missing(session: Session, fault_server: FaultServer, new_session: NewSession) -> None:
    """A link that works again gives its picture, in another session too, without another request."""
    content = fault_server.picture(64, 64, Reply(status=404), name="later.jpg")
    fault_server.on(POST, Reply(body=json.dumps({"images": [content]}).encode()))
    with pytest.raises(DownloadError):
        session.start("a fox").result()
    (recovered,) = new_session(KEY).recover()
    assert (recovered.status, len(recovered)) == ("done", 1)
    assert len(fault_server.posts) == 1


def test_once_fetches_what_is_paid_for(session: Session, fault_server: FaultServer, new_session: NewSession) -> None:
    """Links whose pictures did not come, after a crash say, are tried again before the same is bought again."""
    link = fault_server.picture(64, 64, Reply(status=404), name="later.jpg")
    fault_server.on(POST, Reply(body=json.dumps({"images": [link]}).encode()))
    with pytest.raises(DownloadError):
        session.start("a fox", once=True).result()
    again = new_session(KEY).start("a fox", once=True).result()
    assert (again.id, again.status, len(again)) == (1, "done", 1)
    assert "Nothing was sent, nothing was charged" in again.warnings[-1]
    assert len(fault_server.posts) == 1


def test_once_buys_what_can_not_be_fetched(session: Session, fault_server: FaultServer) -> None:
    """Where a link still gives nothing, the request is sent."""
    gone = fault_server.on("/gone.jpg", Reply(status=404))
    fault_server.on(POST, Reply(body=json.dumps({"images": [gone]}).encode()), Links())
    with pytest.raises(DownloadError):
        session.start("a fox", once=True).result()
    assert session.start("a fox", once=True).result().id == 2


def test_once_finds_the_same_request(session: Session, fault_server: FaultServer) -> None:
    """With once, the same request is sent one time; another is sent."""
    first = session.start("a fox", once=True).result()
    again = session.start("a fox", once=True).result()
    session.start("a hare", once=True).result()
    assert (again.id, len(fault_server.posts)) == (first.id, 2)
    assert any("From the history" in warning for warning in again.warnings)
    assert session.budget.spent == pytest.approx(0.06)


def test_once_knows_references_by_content(session: Session, fault_server: FaultServer, tmp_path: Path) -> None:
    """The same reference under another name is the same; another picture under the same name is not."""
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "b.png")
    session.start("a fox", images="a.png", once=True).result()
    session.start("a fox", images="b.png", once=True).result()
    assert len(fault_server.posts) == 1
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "a.png")
    session.start("a fox", images="a.png", once=True).result()
    assert len(fault_server.posts) == 2


def test_once_does_not_take_an_incomplete_result(session: Session, fault_server: FaultServer) -> None:
    """A result whose file is gone is made again."""
    session.start("a fox", once=True).result()[0].path.unlink()
    session.start("a fox", once=True).result()
    assert len(fault_server.posts) == 2


def test_a_run_again_is_once_only_for_the_same_references(
    session: Session, fault_server: FaultServer, tmp_path: Path
) -> None:
    """`rerun` sends the reference that was kept, though the file has changed since."""
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    first = session.start("a fox", images="a.png").result()
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "a.png")
    first.rerun()
    bodies = [seen.json()["images"] for seen in fault_server.posts]
    assert bodies[0] == bodies[1]


def test_the_budget_refuses_before_sending(session: Session, fault_server: FaultServer) -> None:
    """A request whose upper estimate passes the budget is not sent and not in the history."""
    session.settings.change(budget=0.05)
    with pytest.raises(BudgetError):
        session.start("a fox", max_images=2).result()
    assert fault_server.seen == []
    assert len(session.history) == 0


def test_fewer_pictures_than_asked_are_what_is_paid(session: Session, fault_server: FaultServer) -> None:
    """A series that comes with fewer pictures is done, and costs what came."""
    fault_server.on(POST, Links(count=2))
    generation = session.start("a fox", max_images=5).result()
    assert (generation.status, len(generation)) == ("done", 2)
    assert generation.cost == pytest.approx(0.06)


@pytest.mark.slow
def test_stopping_after_sending_loses_nothing(session: Session, fault_server: FaultServer) -> None:
    """A request stopped while the service works ends in the history, complete; 20 of 20 are kept."""
    session.settings.change(concurrency=20)
    gate = threading.Event()

    def answer(_: object) -> Links:
        assert gate.wait(60)
        return Links()

    fault_server.on(POST, answer)
    jobs = [session.start(f"fox {number}") for number in range(20)]
    until(lambda: all(job.sent is not None for job in jobs))
    for job in jobs:
        job.cancel()
    assert all(stopped(job) for job in jobs)
    gate.set()
    until(lambda: all(job.over for job in jobs))
    assert [generation.status for generation in session.history] == ["done"] * 20
    assert all(generation[0].path.exists() for generation in session.history)


def test_stopping_while_waiting_for_a_place_withdraws(session: Session, fault_server: FaultServer) -> None:
    """A request that waits for its turn is withdrawn: the service never sees it."""
    session.settings.change(concurrency=1)
    fault_server.on(POST, Links(delay=0.3))
    first, second = session.start("first"), session.start("second")
    until(lambda: first.sent is not None)
    until(lambda: second.status == "waiting")
    second.cancel()
    with pytest.raises(StoppedError, match="Nothing was billed"):
        second.result()
    first.result()
    until(lambda: second.over)
    assert [seen.json()["prompt"] for seen in fault_server.posts] == ["first"]
    assert session.budget.reserved == 0


@pytest.mark.slow
def test_concurrency_is_held(session: Session, fault_server: FaultServer) -> None:
    """No more requests are in flight than the setting says."""
    session.settings.change(concurrency=2)
    flying, most, lock = 0, 0, threading.Lock()

    def fly(_: object) -> Links:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
        time.sleep(0.1)
        with lock:
            flying -= 1
        return Links()

    fault_server.on(POST, fly)
    for job in [session.start(f"fox {number}") for number in range(6)]:
        job.result()
    assert most == 2


def test_two_sessions_share_a_folder(new_session: NewSession) -> None:
    """Two kernels in one folder get ids of their own and see each other's pictures."""
    sessions = [new_session(KEY) for _ in range(2)]
    jobs = [sessions[number % 2].start(f"fox {number}") for number in range(8)]
    ids = [job.result().id for job in jobs]
    assert sorted(ids) == list(range(1, 9))
    assert [len(session.history) for session in sessions] == [8, 8]


def test_a_folder_that_can_not_be_written_is_found_out_before_sending(
    session: Session, fault_server: FaultServer, tmp_path: Path
) -> None:
    """A home that was set and can't be written is an error; nothing is sent."""
    (tmp_path / "file").write_text("in the way")
    session.settings.change(home=tmp_path / "file" / "home")
    with pytest.raises(SettingsError, match="can't be written"):
        session.start("a fox")
    assert fault_server.seen == []


def test_the_default_folder_falls_back_and_says_so(session: Session, tmp_path: Path) -> None:
    """When nobody chose a folder and the default can't be written, the user's own is used, and the result says so."""
    (tmp_path / "seedream").write_text("in the way")
    generation = session.start("a fox").result()
    assert not generation[0].path.is_relative_to(tmp_path / "seedream")
    assert any("Pictures and history are in" in warning for warning in generation.warnings)


def test_a_folder_that_was_used_stays(session: Session, fault_server: FaultServer, tmp_path: Path) -> None:
    """What is paid for is there, so `once` would pay for it again anywhere else: nothing is sent until it is back."""
    first = session.start("a fox").result()
    (tmp_path / "seedream").rename(tmp_path / "moved")
    (tmp_path / "seedream").write_text("in the way")
    with pytest.raises(SettingsError, match=r"seedream can't be written.*\n?.*Nothing was sent"):
        session.start("a fox", once=True)
    (tmp_path / "seedream").unlink()
    (tmp_path / "moved").rename(tmp_path / "seedream")
    assert session.start("a fox", once=True).result().id == first.id
    assert len(fault_server.posts) == 1


def test_the_history_of_the_fallback_is_found_again(new_session: NewSession, tmp_path: Path) -> None:
    """A restarted kernel finds what was made while the default folder could not be written."""
    (tmp_path / "seedream").write_text("in the way")
    new_session().start("a fox").result()
    assert [each.prompt for each in new_session().history] == ["a fox"]


def test_a_folder_for_copies_is_checked_before_sending(
    session: Session, fault_server: FaultServer, tmp_path: Path
) -> None:
    """`save` into what can't be a folder is an error before anything is sent."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError):
        session.start("a fox", save=tmp_path / "file")
    assert fault_server.seen == []


def stopped(job: Job) -> bool:
    """Return whether waiting for a job says that it was stopped and goes on."""
    with pytest.raises(StoppedError, match="goes on"):
        job.result()
    return True
