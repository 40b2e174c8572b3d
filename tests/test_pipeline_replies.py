"""What becomes of a reply: links as they came, pictures that come in it, refusals of single ones, and odd transfers."""

from __future__ import annotations

import base64
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb import errors
from seedream_nb.storage.journal import Journal
from seedream_nb.view import generation_bundle, job_bundle
from seedream_nb.widgets.queue import QueueRows
from tests.faults.pictures import jpeg
from tests.faults.script import POST, Reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

KEY = "sk_Zq7XvTgWpLmRkYbN"
WORDY = "sk-seedream-team-1"
PICTURE = jpeg(64, 48)
DATA = f"data:image/jpeg;base64,{base64.b64encode(PICTURE).decode()}"
REFUSED = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "it may contain sensitive content"}}


def replying(server: FaultServer, *items: object, **more: Any) -> None:
    """Let the service answer with these items."""
    server.on(POST, Reply(body=json.dumps({"images": items}).encode(), **more))


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return what the journal tells."""
    paths = sorted((folder / "seedream" / "journal").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    """Return what stands in the folder, by name."""
    return {path.name: path.read_bytes() for path in (folder / "seedream").rglob("*") if path.is_file()}


# -- links with words of the key, and with the key --------------------------------------------------


def test_a_link_with_a_word_of_the_key_can_be_recovered(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """It stands in the journal as it came, so that a later process fetches it."""
    link = fault_server.picture(64, 64, Reply(status=404), name="seedream-4-0/team/1.jpeg")
    replying(fault_server, link)
    with pytest.raises(errors.DownloadError):
        new_session(WORDY).start("a fox").result()
    assert [each["links"] for each in lines(tmp_path) if each["event"] == "links"] == [[link]]
    (recovered,) = new_session(WORDY).recover()
    assert recovered.status == "done"


def test_a_link_with_the_key_is_fetched_as_it_came(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """By the job, and by `recover` as long as the session lives; it is written nowhere."""
    gone, there = Reply(status=404), Reply(body=PICTURE)
    link = fault_server.on("/1.jpg", gone, there) + f"?key={KEY}"
    replying(fault_server, link)
    session = new_session(KEY)
    with pytest.raises(errors.DownloadError):
        session.start("a fox").result()
    assert session.history[-1].links == [link.replace(KEY, "…")]
    (recovered,) = session.recover()
    assert (recovered.status, [seen.path for seen in fault_server.gets]) == ("done", [f"/1.jpg?key={KEY}"] * 2)
    assert not [name for name, content in files(tmp_path).items() if KEY[:9].encode() in content]


def test_a_later_session_says_why_it_can_not_fetch_a_link_with_the_key(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """It tries what is left of the link; where that is in vain, it says what is missing."""
    replying(fault_server, fault_server.on("/1.jpg", Reply(status=404)) + f"?key={KEY}")
    with pytest.raises(errors.DownloadError):
        new_session(KEY).start("a fox").result()
    (tried,) = new_session(KEY).recover()
    assert "contained your key" in tried.missing[1]


@pytest.mark.parametrize("key", ["1", "k1", "test", "abc"])
def test_a_short_key_destroys_no_link(new_session: NewSession, fault_server: FaultServer, key: str) -> None:
    """A key whose letters stand in every link: they are kept as they came."""
    link = fault_server.picture(64, 64, Reply(status=404), name=f"{key}.jpeg")
    replying(fault_server, link)
    with pytest.raises(errors.DownloadError):
        new_session(key).start("a fox").result()
    (recovered,) = new_session(key).recover()
    assert recovered.status == "done"


@pytest.mark.parametrize("key", [WORDY, "pictures", "picture"])
def test_a_key_of_our_own_words_leaves_messages_readable(
    new_session: NewSession, fault_server: FaultServer, key: str
) -> None:
    """Neither why a picture is missing nor what the history says of a failure has dots in place of our words."""
    replying(fault_server, fault_server.on("/seedream/picture.jpg", Reply(status=404)), "ftp://x.example/seedream")
    session = new_session(key)
    with pytest.raises(errors.DownloadError):
        session.start("a fox", max_images=2).result()
    assert "the picture is gone" in session.history[-1].missing[1]
    assert "not a web address (http or https) but ftp:" in session.history[-1].missing[2]
    fault_server.on(POST, Reply(status=404))
    with pytest.raises(errors.ApiError):
        session.start("a fox").result()
    assert "%seedream config base_url" in str(session.history[-1].error)


# -- the key in what is kept ------------------------------------------------------------------------


def test_an_error_page_that_echoes_the_key_is_kept_without_it(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """What a storage sends in place of a picture is kept but for the key, and so is how to go on from a part of it."""
    page = f"<html>no picture for {KEY}, {KEY[4:12]}</html>".encode()
    links = [
        fault_server.on("/page.jpg", Reply(body=page)) + f"?k={KEY}",
        fault_server.on(
            "/part.jpg", Reply(body=page * 40, send=1500, then="reset", headers={"ETag": '"1"'}, ranges=True)
        ),
        fault_server.on(
            "/tag.jpg", Reply(body=PICTURE, send=900, then="reset", headers={"ETag": f'"{KEY}"'}, ranges=True)
        ),
    ]
    replying(fault_server, *links)
    session = new_session(KEY)
    with pytest.raises(errors.DownloadError) as caught:
        session.start("a fox", max_images=3).result()
    session.recover()
    kept = files(tmp_path)
    assert kept["0001-1.bin"] == "<html>no picture for …, …</html>".encode()
    assert not [name for name, content in kept.items() if KEY[4:10].encode() in content]
    assert KEY[4:10] not in str(caught.value)


def test_a_senseless_reply_keeps_its_links_whole(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """The key goes from a reply that is kept, but not what its links have in common with it."""
    link = fault_server.picture(64, 64, name="seedream-4-0/out/1.jpeg")
    fault_server.on(POST, Reply(body=json.dumps({"images": [[link]], "for": f"Bearer {WORDY}"}).encode()))
    with pytest.raises(errors.ReplyError):
        new_session(WORDY).start("a fox").result()
    (raw,) = [each["raw"] for each in lines(tmp_path) if each["event"] == "reply"]
    assert json.loads(raw) == {"images": [[link]], "for": "Bearer …"}


@pytest.mark.parametrize("broken", [{}, {"length": 9999, "then": "reset"}], ids=["senseless", "broken off"])
def test_an_error_holds_no_key(new_session: NewSession, fault_server: FaultServer, broken: dict[str, Any]) -> None:
    """What came is in the error as it is kept: without the key, in `content` and in a pickle."""
    fault_server.on(POST, Reply(body=f"Authorization: Bearer {KEY}".encode(), **broken))
    session = new_session(KEY)
    job = session.start("a fox")
    with pytest.raises(errors.SeedreamError) as caught:
        job.result()
    assert bytes(caught.value.content) == "Authorization: Bearer …".encode()  # type: ignore[attr-defined]
    assert KEY[3:9].encode() not in pickle.dumps([vars(caught.value), caught.value.args])


# -- pictures that come in the reply ----------------------------------------------------------------


def test_a_picture_in_the_reply_is_a_result(new_session: NewSession, fault_server: FaultServer, tmp_path: Path) -> None:
    """It is on disk byte for byte beside the one that was fetched, costs the same, and no journal carries it."""
    replying(fault_server, DATA, fault_server.picture(64, 64))
    generation = new_session(KEY).start("a fox", max_images=2).result()
    assert (generation.status, f"{generation.cost:.2f}", len(generation)) == ("done", "0.06", 2)
    assert generation[0].path.read_bytes() == PICTURE
    assert all(len(json.dumps(each)) < 2000 for each in lines(tmp_path))
    assert new_session(KEY).history[-1].status == "done"


def test_a_picture_in_the_reply_survives_the_process(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """It is on disk before the journal names it: a process that dies then loses nothing."""
    seen: list[list[str]] = []

    class Looks(Journal):
        def append(self, event: str, number: int, /, **fields: object) -> None:
            if event == "links":
                seen.append([path.name for path in (tmp_path / "seedream").rglob("*.part")])
            super().append(event, number, **fields)

    replying(fault_server, DATA)
    new_session(KEY, journal=Looks).start("a fox").result()
    assert len(seen) == len(seen[0]) == 1


def test_a_picture_in_the_reply_is_recovered_from_what_a_dead_process_wrote(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """Killed between the journal's line and the picture's name: `recover` gives it that name."""
    replying(fault_server, DATA)
    session = new_session(KEY)
    generation = session.start("a fox").result()
    (link,), path = generation.links, generation[0].path
    session.close()
    (journal,) = (tmp_path / "seedream" / "journal").glob("*.jsonl")
    journal.write_text("".join(f"{line}\n" for line in journal.read_text().splitlines()[:2]))
    part = journal.parent / "partial" / f"0001-1.abc123-{2**22 + 1}.part"
    path.replace(part)
    later = new_session(KEY)
    (recovered,) = later.recover()
    assert (recovered.status, recovered[0].path.read_bytes(), recovered.links) == ("done", PICTURE, [link])
    recovered[0].path.unlink()
    (tried,) = later.recover()
    assert "inside the reply" in tried.missing[1]


def test_what_is_no_picture_in_the_reply_is_kept_aside(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """It says what it is instead; the others come."""
    replying(fault_server, "data:image/png;base64,PGh0bWw+", DATA)
    session = new_session(KEY)
    with pytest.raises(errors.DownloadError, match="a web page"):
        session.start("a fox", max_images=2).result()
    assert files(tmp_path)["0001-1.bin"] == b"<html>"
    assert [picture.mark for picture in session.history[-1]] == ["@1.2"]


# -- refusals of single pictures --------------------------------------------------------------------


def test_a_refused_picture_is_told_and_not_billed(new_session: NewSession, fault_server: FaultServer) -> None:
    """The others are results, the words of the service are a note on them, after a restart too."""
    replying(fault_server, fault_server.picture(64, 64), REFUSED, fault_server.picture(64, 48))
    session = new_session(KEY)
    generation = session.start("a fox", max_images=3).result()
    later = new_session(KEY)
    for each in (generation, later.history[-1]):
        assert (each.status, len(each), f"{each.cost:.2f}", each.missing) == ("partial", 2, "0.06", {})
        assert any("Picture 2 of 3 was refused" in note and "sensitive content”" in note for note in each.warnings)
    assert session.budget.spent == pytest.approx(0.06)
    assert (session.budget.may_have_been_billed, later.recover(), [*later.history.unfinished()]) == (0, [], [])


def test_a_reply_of_refusals_is_a_refusal(new_session: NewSession, fault_server: FaultServer) -> None:
    """No picture, no bill: the error is that of the safety check, and the history says so too."""
    replying(fault_server, REFUSED, REFUSED)
    session = new_session(KEY)
    with pytest.raises(errors.ContentRefusedError, match="sensitive content"):
        session.start("a fox", max_images=2).result()
    generation = new_session(KEY).history[-1]
    assert (generation.status, generation.cost, session.budget.may_have_been_billed) == ("failed", 0.0, 0)
    assert "safety check" in (generation.error or "")


def test_a_reply_of_refusals_is_one_although_the_process_died(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """The line with the reply tells it: nothing was billed, and nothing is left to do."""
    replying(fault_server, REFUSED)
    session = new_session(KEY)
    with pytest.raises(errors.ContentRefusedError):
        session.start("a fox").result()
    session.close()
    (journal,) = (tmp_path / "seedream" / "journal").glob("*.jsonl")
    journal.write_text("".join(f"{line}\n" for line in journal.read_text().splitlines()[:2]))
    later = new_session(KEY)
    assert (later.history[-1].status, later.history[-1].cost) == ("failed", 0.0)
    assert ([*later.history.left_behind()], [*later.history.unfinished()]) == ([], [])


# -- odd transfers ----------------------------------------------------------------------------------


def test_what_came_oddly_ends_as_usual(new_session: NewSession, fault_server: FaultServer) -> None:
    """All of the JSON is there, whatever is around it: the generation is done, and counted as paid."""
    body = json.dumps({"images": [fault_server.picture(64, 64), DATA]}).encode()
    fault_server.on(POST, Reply(body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), length=-1, then="close"))
    session = new_session(KEY)
    generation = session.start("a fox", max_images=2).result()
    assert (generation.status, len(generation)) == ("done", 2)
    assert (f"{session.budget.spent:.2f}", session.budget.may_have_been_billed) == ("0.06", 0)


# -- links that are nowhere else --------------------------------------------------------------------


def test_a_link_that_is_kept_nowhere_else_is_told_whole(new_session: NewSession, fault_server: FaultServer) -> None:
    """Signed links are long: neither error, cell, page nor panel cuts one that the journal could not be told."""

    class Full(Journal):
        def append(self, event: str, number: int, /, **fields: object) -> None:
            if event != "intent":
                raise OSError(28, "No space left on device")
            super().append(event, number, **fields)

    gone = [fault_server.on(f"/{number}.jpg", Reply(status=404)) + f"?sign={'a' * 2500}" for number in range(15)]
    replying(fault_server, *gone)
    session = new_session(KEY, journal=Full)
    job = session.start("a fox", max_images=15)
    with pytest.raises(errors.DownloadError) as caught:
        job.result()
    assert job.generation is not None
    (row,) = QueueRows(session).shown()
    bundle, shown = job_bundle(job), generation_bundle(job.generation)
    texts = [str(caught.value), str(job.generation), "\n".join(row["error"] or ())]
    texts += [bundle["text/plain"], bundle["text/html"], shown["text/plain"], shown["text/html"]]
    words = [text.replace("<", " ").split() for text in texts]
    assert [link for each in words for link in gone if link not in each] == []


# -- more than was asked for, and links that say less than they did --------------------------------------------


@pytest.mark.parametrize("most", [1, 2])
def test_pictures_that_nobody_asked_for_are_kept_and_told(
    new_session: NewSession, fault_server: FaultServer, most: int
) -> None:
    """All of them are here, the cost counts all, and a warning says so, in a later process too."""
    replying(fault_server, *[fault_server.picture(64, 64) for _ in range(3)])
    session = new_session()
    made = session.start("a fox", max_images=None if most == 1 else most).result()
    told = (
        f"3 pictures came where at most {most} {'was' if most == 1 else 'were'} requested. All are kept, and the cost"
    )
    for generation in (made, session.history[1], new_session().history[1]):
        assert (generation.status, len(generation), round(generation.cost or 0, 6)) == ("done", 3, 0.09)
        assert [warning for warning in generation.warnings if warning.startswith(told)]
    assert session.budget.spent == pytest.approx(0.09)


def test_as_many_pictures_as_asked_for_need_no_warning(new_session: NewSession, fault_server: FaultServer) -> None:
    """Nor do fewer."""
    replying(fault_server, fault_server.picture(64, 64), fault_server.picture(64, 64))
    assert new_session().start("a fox", max_images=2).result().warnings == []


def test_a_link_that_is_merely_long_had_no_key_in_it(new_session: NewSession, fault_server: FaultServer) -> None:
    """A later session, which has only its beginning, says that it was too long."""
    replying(fault_server, fault_server.on("/1.jpg", Reply(status=404)) + "?sign=" + "a" * 17_000)
    with pytest.raises(errors.DownloadError):
        new_session(KEY).start("a fox").result()
    (tried,) = new_session(KEY).recover()
    assert "more than 16,384 characters" in tried.missing[1]
    assert "your key" not in tried.missing[1]


def test_a_link_that_has_dots_of_its_own_had_no_key_in_it(new_session: NewSession, fault_server: FaultServer) -> None:
    """They are kept as addresses spell them, and a later session fetches it."""
    link = fault_server.on("/1.jpg", Reply(status=404), Reply(status=404), Reply(body=PICTURE))
    replying(fault_server, f"{link}?name=a…b")
    with pytest.raises(errors.DownloadError):
        new_session(KEY).start("a fox").result()
    later = new_session(KEY)
    assert "your key" not in later.recover()[0].missing[1]
    assert later.recover()[0].status == "done"
