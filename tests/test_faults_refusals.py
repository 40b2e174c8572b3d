"""What is never sent again, row by row: the class of the error, its words, its remedy, the bill, the history."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from seedream_nb import errors
from seedream_nb.keys import Key
from tests.faults import POST, Cut, FaultServer, Links, Reply
from tests.posting import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.script import Step


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault, and what comes of it."""

    fault: Step
    kind: type[errors.SeedreamError]
    says: str
    remedy: str
    billed: bool = False


def said(status: int, message: str, reason: str = "SOME_REASON", headers: dict[str, str] | None = None) -> Reply:
    """Return a refusal as the service writes them."""
    body = json.dumps({"code": status, "reason": reason, "message": message, "metadata": {}}).encode()
    return Reply(status=status, body=body, headers=headers or {})


def links(*given: object) -> Reply:
    """Return a reply with these items."""
    return Reply(body=json.dumps({"images": given}).encode())


ROWS = {
    "validation": Row(
        fault=said(400, "size out of range"), kind=errors.ApiError, says="size out of range", remedy="run it again"
    ),
    "safety of the prompt": Row(
        fault=said(400, "The input text may contain sensitive information"), kind=errors.ContentRefusedError,
        says="input text may contain sensitive", remedy="Change the prompt",
    ),
    "safety of a reference": Row(
        fault=said(400, "The input image may contain sensitive information"), kind=errors.ContentRefusedError,
        says="refused a reference image", remedy="another reference",
    ),
    "safety of the result": Row(
        fault=said(400, "The output image may contain sensitive information"), kind=errors.ContentRefusedError,
        says="refused the result", remedy="Another try may pass",
    ),
    "401": Row(
        fault=said(401, "no such key"), kind=errors.AuthenticationError, says="no such key",
        remedy="It is from configure(). Give the right one there",
    ),
    "402": Row(fault=said(402, "pay first"), kind=errors.ApiError, says="pay first", remedy="Top it up"),
    "balance": Row(
        fault=said(403, "not enough balance"), kind=errors.PermissionDeniedError, says="balance", remedy="Top it up"
    ),
    "403": Row(
        fault=said(403, "identity not verified"), kind=errors.PermissionDeniedError, says="identity not verified",
        remedy="verify its identity",
    ),
    "404": Row(fault=said(404, "no such path"), kind=errors.ApiError, says="no such path", remedy="config base_url"),
    "413": Row(fault=said(413, "too big"), kind=errors.ApiError, says="too big", remedy="fewer or smaller"),
    "500": Row(
        fault=said(500, "oops"), kind=errors.ServiceError, says="oops", remedy="not billed. To try again, run it again"
    ),
    "503": Row(
        fault=said(503, "no backend"), kind=errors.ServiceError, says="no backend",
        remedy="not billed. To try again, run it again",
    ),
    "redirect to another host": Row(
        fault=said(307, "moved", headers={"Location": "https://other.example/v3/seedream-4.0"}), kind=errors.ApiError,
        says="redirects to https://other.example", remedy="config base_url",
    ),
    "redirect to http": Row(
        fault=said(308, "moved", headers={"Location": "http://api.novita.ai/v3"}), kind=errors.ApiError,
        says="redirects to http://api.novita.ai", remedy="config base_url",
    ),
    "502": Row(
        fault=said(502, "bad gateway"), kind=errors.OutcomeUnknownError, says="bad gateway",
        remedy="usage page at the service shows it. To try again, run it again", billed=True,
    ),
    "504": Row(
        fault=Reply(status=504, body=b"<title>504 Gateway Time-out</title>"), kind=errors.OutcomeUnknownError,
        says="504 Gateway Time-out", remedy="To try again, run it again", billed=True,
    ),
    "reset after sending": Row(
        fault=Cut(when="body"), kind=errors.OutcomeUnknownError, says="broke after the request was sent",
        remedy="To try again, run it again", billed=True,
    ),
    "closed after sending": Row(
        fault=Cut(when="body", reset=False), kind=errors.OutcomeUnknownError, says="broke after the request was sent",
        remedy="To try again, run it again", billed=True,
    ),
    "a reply that breaks off": Row(
        fault=Reply(body=b'{"images": ["https://a/1"]}', send=9, then="reset"), kind=errors.OutcomeUnknownError,
        says="before an answer came", remedy="To try again, run it again", billed=True,
    ),
    "broken headers": Row(
        fault=Reply(raw=b"HTTP/1.1 2oo OK\r\n\r\n", then="close"), kind=errors.OutcomeUnknownError,
        says="can't be read: it is garbled, or broke off", remedy="To try again, run it again", billed=True,
    ),
    "no JSON": Row(
        fault=Reply(body=b'{"images": ['), kind=errors.ReplyError, says="isn't JSON", remedy="kept in the journal",
        billed=True,
    ),
    "another shape": Row(
        fault=Reply(body=b'{"task_id": "kept-1"}'), kind=errors.ReplyError, says="no list of pictures",
        remedy="kept in the journal", billed=True,
    ),
    "no pictures": Row(
        fault=links(), kind=errors.ReplyError, says="names no picture", remedy="kept in the journal", billed=True
    ),
    "pictures that are none": Row(
        fault=links({"b64": "kept-2"}, None, 7), kind=errors.ReplyError, says="in an undocumented way",
        remedy="kept in the journal", billed=True,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_fault_that_is_never_sent_again(new_session: NewSession, fault_server: FaultServer, name: str) -> None:
    """The request is sent once; the error has its class and remedy, the bill and the history say what is known."""
    row, session = ROWS[name], new_session(KEY)
    fault_server.on(POST, row.fault, Links())
    with pytest.raises(errors.SeedreamError) as failed:
        session.start("a fox").result()
    assert type(failed.value) is row.kind
    assert row.says in failed.value.message
    assert row.remedy in (failed.value.hint or "")
    assert len(failed.value.lines()) <= errors.MAX_LINES
    assert len(fault_server.posts) == 1
    generation = session.history[-1]
    expected = ("unknown", None, 0.03) if row.billed else ("failed", 0.0, 0.0)
    assert (generation.status, generation.cost, session.budget.may_have_been_billed) == expected
    assert (session.budget.reserved, session.budget.spent) == (0, 0)
    assert row.says.split()[0] in (generation.error or "")


def test_a_wrong_key_is_told_by_where_it_was_found(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place that the key came from this time is named, and no other, though the same key lay elsewhere before."""
    fault_server.on(POST, Reply(status=401))
    session = new_session(KEY)

    def told() -> str:
        with pytest.raises(errors.AuthenticationError) as failed:
            session.start("a fox").result()
        assert len(failed.value.lines()) == 2
        return (failed.value.hint or "").partition("It is from ")[2]

    assert told().startswith("configure(). Give the right one there")
    session.settings.change(api_key=None)
    session.login.store(f"127.0.0.1:{fault_server.port}", Key(KEY, source="what was typed"))
    assert told().startswith(
        f"the stored login for 127.0.0.1:{fault_server.port}. Store the right one: %seedream login"
    )
    (tmp_path / ".env").write_text(f"NOVITA_API_KEY={KEY}\n")
    assert told().startswith(f"the file {tmp_path / '.env'}. Correct or unset it there")
    monkeypatch.setenv("NOVITA_API_KEY", KEY)
    assert told().startswith("the environment (NOVITA_API_KEY). Correct or unset it there")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.kind is errors.ReplyError])
def test_a_reply_that_makes_no_sense_is_kept(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path, name: str
) -> None:
    """It stands in the journal as it came."""
    fault = ROWS[name].fault
    fault_server.on(POST, fault)
    with pytest.raises(errors.ReplyError):
        new_session(KEY).start("a fox").result()
    assert isinstance(fault, Reply)
    assert raw_replies(tmp_path) == [fault.body.decode()]


def raw_replies(folder: Path) -> list[str]:
    """Return the replies that the one journal in a folder kept."""
    (path,) = (folder / "seedream" / "journal").glob("*.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record["raw"] for record in records if record["event"] == "reply"]


def test_a_redirect_takes_the_key_nowhere(new_session: NewSession, fault_server: FaultServer) -> None:
    """What a redirect points to is not even connected to."""
    with FaultServer() as elsewhere:
        fault_server.on(POST, Reply(status=307, headers={"Location": elsewhere.url + POST}))
        with pytest.raises(errors.ApiError):
            new_session(KEY).start("a fox").result()
        assert elsewhere.connections == []


def test_more_pictures_than_asked(new_session: NewSession, fault_server: FaultServer, tmp_path: Path) -> None:
    """All that came are fetched and counted, for they may be billed; the reply is kept."""
    reply = links(*(fault_server.picture(64, 64) for _ in range(3)))
    fault_server.on(POST, reply)
    session = new_session(KEY)
    generation = session.start("a fox").result()
    assert (generation.status, len(generation), len(fault_server.posts)) == ("done", 3, 1)
    assert session.budget.spent == pytest.approx(0.09)
    assert raw_replies(tmp_path) == [reply.body.decode()]


def test_the_same_link_twice(new_session: NewSession, fault_server: FaultServer, tmp_path: Path) -> None:
    """It is one picture, fetched once; the reply is kept."""
    link = fault_server.picture(64, 64)
    fault_server.on(POST, links(link, {"url": link}, fault_server.picture(64, 48)))
    generation = new_session(KEY).start("a fox", max_images=3).result()
    assert (generation.status, len(generation), len(fault_server.gets)) == ("done", 2, 2)
    assert len(raw_replies(tmp_path)) == 1


def test_a_usual_reply_is_not_kept(new_session: NewSession, tmp_path: Path) -> None:
    """A reply whose links are all in the journal is not written there again."""
    new_session(KEY).start("a fox", max_images=2).result()
    assert raw_replies(tmp_path) == []


# -- a reply that breaks off ------------------------------------------------------------------------


def broken_reply(server: FaultServer, *, links: int, whole: bool) -> list[str]:
    """Let the next answer promise ten bytes more than it sends; whole JSON, or cut off after the links."""
    urls = [server.picture(64, 64) for _ in range(links)]
    body = json.dumps({"images": [*urls] if whole else [*urls, "https://never.example/whole.jpg"]}).encode()
    cut = len(body) if whole else body.index(b"whole.jpg")
    server.on(POST, Reply(body=body, length=len(body) + 10, send=cut, then="reset"))
    return urls


def test_a_reply_that_is_whole_although_it_broke_off(new_session: NewSession, fault_server: FaultServer) -> None:
    """All its links came, so its pictures are fetched, as of any reply."""
    broken_reply(fault_server, links=2, whole=True)
    generation = new_session().start("a fox", max_images=2).result()
    assert (generation.status, len(generation)) == ("done", 2)
    assert len(fault_server.posts) == 1


def test_the_links_of_a_reply_that_broke_off_are_kept(new_session: NewSession, fault_server: FaultServer) -> None:
    """What came is paid for: it may have been billed, and recover brings the pictures whose links are whole."""
    urls = broken_reply(fault_server, links=2, whole=False)
    session = new_session()
    with pytest.raises(errors.OutcomeUnknownError, match="2 links had arrived: %seedream recover"):
        session.start("a fox", max_images=3).result()
    assert session.history[-1].links == urls
    session.recover()
    assert len(session.history[-1]) == 2
    assert len(fault_server.posts) == 1


@pytest.mark.parametrize("links", [1, 2])
def test_a_reply_that_broke_off_and_was_recovered_sends_nobody_to_recover(
    new_session: NewSession, fault_server: FaultServer, links: int
) -> None:
    """Once all of its links are fetched, the history tells how it broke off and no more of fetching."""
    broken_reply(fault_server, links=links, whole=False)
    session = new_session()
    with pytest.raises(errors.OutcomeUnknownError, match=f"{links} links? had arrived: %seedream recover. It may have"):
        session.start("a fox", max_images=3).result()
    assert "%seedream recover" in (session.history[1].error or "")
    (recovered,) = session.recover()
    for shown in (recovered, session.history[1], new_session().history[1]):
        assert "recover" not in (shown.error or "")
        assert re.fullmatch(r"The connection .*broke after .*\nIt may have been billed.*", shown.error or "")


def test_once_says_what_was_paid_for_a_reply_that_broke_off(new_session: NewSession, fault_server: FaultServer) -> None:
    """What is bought anew since not all of it came tells what it brought and cost before."""
    broken_reply(fault_server, links=2, whole=False)
    session = new_session()
    with pytest.raises(errors.OutcomeUnknownError):
        session.start("a fox", max_images=4, once=True).result()
    fault_server.on(POST, Links())
    again = session.start("a fox", max_images=4, once=True).result()
    (told,) = again.warnings
    assert told.startswith("@1 got 0 of 4 pictures (%seedream recover may bring 2 more) and was billed (at least 0.06")


def test_once_says_what_was_paid_where_a_picture_was_refused(
    new_session: NewSession, fault_server: FaultServer
) -> None:
    """A result that lacks a refused picture is bought anew as a whole, and that is told too."""
    refused = {"error": {"code": "policy", "message": "no"}}
    fault_server.on(POST, Reply(body=json.dumps({"images": [fault_server.picture(64, 64), refused]}).encode()), Links())
    session = new_session()
    assert session.start("a fox", max_images=2, once=True).result().status == "partial"
    again = session.start("a fox", max_images=2, once=True).result()
    assert again.warnings == ["@1 got 1 of 2 pictures and was billed (0.03 USD): this was bought again."]


@pytest.mark.parametrize("first", [True, False], ids=["after recover", "at once"])
def test_once_takes_no_reply_that_broke_off_for_all(
    new_session: NewSession,
    fault_server: FaultServer,
    first: bool,
) -> None:
    """Two links of a reply that broke off are not all that was asked for: `once` asks again, recovered or not."""
    broken_reply(fault_server, links=2, whole=False)
    session = new_session()
    with pytest.raises(errors.OutcomeUnknownError):
        session.start("a fox", max_images=3, once=True).result()
    if first:
        (recovered,) = session.recover()
        assert (recovered.status, len(recovered), recovered.missing) == ("partial", 2, {})
        assert "broke after" in (recovered.error or "")
        assert ([*session.history.unfinished()], session.recover()) == ([], [])
    fault_server.on(POST, Links())
    again = session.start("a fox", max_images=3, once=True).result()
    assert (again.id, again.status, len(again)) == (2, "done", 3)
    assert len(fault_server.posts) == 2


@pytest.mark.parametrize("first", [True, False], ids=["after recover", "at once"])
def test_once_takes_all_that_was_asked_for_though_the_reply_broke_off(
    new_session: NewSession,
    fault_server: FaultServer,
    first: bool,
) -> None:
    """Where as many links came as pictures were asked for nothing can be lacking: it is not bought again."""
    broken_reply(fault_server, links=2, whole=False)
    session = new_session()
    with pytest.raises(errors.OutcomeUnknownError):
        session.start("a fox", max_images=2, once=True).result()
    if first:
        session.recover()
    found = session.start("a fox", max_images=2, once=True).result()
    assert (found.id, found.status, len(found), found.error) == (1, "done", 2, None)
    assert len(fault_server.posts) == 1


SENSELESS = {
    "cut off by an orderly end": '{{"images": ["{0}", "{1}", "https://never.exam',
    "nested": '{{"images": [["{0}"], ["{1}"]]}}',
}


@pytest.mark.parametrize("reply", SENSELESS.values(), ids=SENSELESS)
def test_the_links_of_a_senseless_reply_are_kept(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path, reply: str
) -> None:
    """Links among the images of a reply that makes no sense can be recovered; the reply itself is kept too."""
    urls = [fault_server.picture(64, 64) for _ in range(2)]
    body = reply.format(*urls)
    fault_server.on(POST, Reply(body=body.encode(), length=-1, then="close"))
    session = new_session()
    with pytest.raises(errors.ReplyError, match="2 links had arrived: %seedream recover"):
        session.start("a fox", max_images=3).result()
    assert session.history[-1].links == urls
    assert session.budget.may_have_been_billed == pytest.approx(0.09)
    assert raw_replies(tmp_path) == [body]
    session.recover()
    assert len(session.history[-1]) == 2
    assert len(fault_server.posts) == 1


NO_PICTURES = {
    "a page": '<html><a href="https://portal.example/images">"images"</a>',
    "a hint": '{"message": "see", "url": "https://portal.example/docs"}',
    "far too many": '{"images": [' + ",".join(f'["https://a.example/{number}"]' for number in range(101)) + "]}",
}


@pytest.mark.parametrize("reply", NO_PICTURES.values(), ids=NO_PICTURES)
def test_links_of_something_else_are_no_pictures(
    new_session: NewSession, fault_server: FaultServer, reply: str
) -> None:
    """What a captive portal or a page of help links to was not paid for, and nobody asks for it."""
    fault_server.on(POST, Reply(body=reply.encode()))
    session = new_session()
    with pytest.raises(errors.ReplyError):
        session.start("a fox").result()
    assert (session.history[-1].links, session.history[-1].status) == ([], "unknown")


def test_a_reply_that_broke_off_stays_in_the_budget(new_session: NewSession, fault_server: FaultServer) -> None:
    """Links arrived and more may have been made: the upper estimate stays counted as what may have been billed."""
    broken_reply(fault_server, links=2, whole=False)
    session = new_session()
    session.settings.change(budget=0.10)
    with pytest.raises(errors.OutcomeUnknownError):
        session.start("a fox", max_images=3).result()
    assert session.budget.spent == 0
    assert session.budget.may_have_been_billed == pytest.approx(0.09)
    with pytest.raises(errors.BudgetError, match=r"0\.01 USD is left of 0\.10 USD"):
        session.start("a hare").result()


@pytest.mark.parametrize("status", [408, 499, 502, 504, 520, 522, 524, 598, 599])
def test_a_gateway_that_gave_up(new_session: NewSession, fault_server: FaultServer, status: int) -> None:
    """The work may have been begun: it is not sent again, and counted as what may have been billed."""
    fault_server.on(POST, Reply(status=status))
    session = new_session()
    with pytest.raises(errors.OutcomeUnknownError):
        session.start("a fox").result()
    assert len(fault_server.posts) == 1
    assert session.budget.may_have_been_billed == pytest.approx(0.03)
