"""What others wrote is text: a prompt, a file name, a service's words or a cloned history can't move the cursor."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.cell import cell_of
from seedream_nb.errors import ApiError, DownloadError, ReplyError, SeedreamError
from seedream_nb.jobs.job import Job
from seedream_nb.notebook.verbs import run
from seedream_nb.request import make_request
from seedream_nb.scope import EmptyScope
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.view import bundle, history_bundle, job_bundle, request_bundle
from tests.faults.script import POST, Reply
from tests.pictures import gradient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults.server import FaultServer

CONTROLS = "\x1b[2J\x1b]0;owned\x07\x9b31m\x85\u2028\b\b\r\x00\x7f\u202e\u2066\u200b\ufeff end"
"""Clears the screen, names the window, colours (in one byte too), goes back, turns the line around, hides."""

AT = "2026-11-21T09:30:00+00:00"


def moving(text: str) -> list[str]:
    """Return the characters of a text that are not there to be seen: none may stand in what we show, but line ends."""
    hidden = {"Cc", "Cf", "Zl", "Zp"}
    return [f"U+{ord(each):04X}" for each in text if unicodedata.category(each) in hidden and each != "\n"]


def all_texts(shown: dict[str, Any]) -> str:
    """Return what a bundle shows: its plain text, and its page as a reader has it."""
    return "\n".join([shown["text/plain"], html.unescape(shown.get("text/html", ""))])


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Give a session whose service is the fault server, which shows what it makes as a notebook does."""
    return new_session(bundle=bundle)


def hostile_history(home: Path, server: FaultServer, text: str) -> None:
    """Leave a journal as somebody else could have put it into a folder that is shared or cloned."""
    request = {
        **make_request("x").to_record(), "prompt": f"a fox {text}",
        "images": [{"name": text, "url": "https://x.example/x.png"}],
    }  # fmt: skip
    lines: list[dict[str, Any]] = [
        {"event": "intent", "id": 1, "at": AT, "request": request, "template": text, "backend": text, "host": text,
         "notebook": text, "warnings": [text], "sources": [text], "price": 0.03},
        {"event": "links", "id": 1, "at": AT, "links": [f"{server.url}/{text}", text, f"http://{text}/"]},
        {"event": "file", "id": 1, "at": AT, "index": 4, "path": f"{text.replace(chr(0), '')}.jpg", "width": 64,
         "height": 48, "media_type": text, "sha256": text, "size_bytes": 9},
        {"event": "missing", "id": 1, "at": AT, "index": 9, "reason": text},
        {"event": "end", "id": 1, "at": AT, "status": text, "error": {"kind": text, "message": text}},
    ]  # fmt: skip
    (home / "journal").mkdir(parents=True)
    written = "".join(json.dumps({**each, "v": 1}) + "\n" for each in lines)
    (home / "journal" / "20261121-093000-1-abcdef12.jsonl").write_text(written)


def test_a_hostile_history_moves_no_cursor(session: Session, fault_server: FaultServer, tmp_path: Path) -> None:
    """Neither a generation, its pictures nor the history show a control character that stands in the journal."""
    hostile_history(tmp_path / "seedream", fault_server, CONTROLS)
    generation = session.history[1]
    texts = [repr(generation), str(generation), repr(session.history), repr(generation.images)]
    texts += [all_texts(bundle(each)) for each in (generation, *generation.images, session.history)]
    texts += [all_texts(history_bundle([generation]))]
    assert len(generation.images) == 1
    assert {text: moving(text) for text in texts if moving(text)} == {}


@pytest.mark.parametrize("verb", ["", "history", "history fox", "show @1", "recover", "usage", "doctor", "help"])
def test_no_verb_moves_the_cursor(
    session: Session, fault_server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """What the verbs print of such a history is harmless text."""
    hostile_history(tmp_path / "seedream", fault_server, CONTROLS)
    shell: Any = type("Shell", (), {"user_ns": {}, "kernel": None})()
    value = run(verb, session, shell)
    assert moving(capsys.readouterr().out + repr(value)) == []


def test_no_error_moves_the_cursor(session: Session, fault_server: FaultServer, tmp_path: Path) -> None:
    """A link, a redirect, a file or a service's words that hold control characters are told without them."""
    words = {"code": CONTROLS, "reason": CONTROLS, "message": CONTROLS, "metadata": {"trace_id": CONTROLS}}
    elsewhere = fault_server.on("/away.jpg", Reply(status=302, headers={"Location": "http://\x7f\x85/"}))
    text = fault_server.on("/text.jpg", Reply(body=CONTROLS.encode()))
    links = [CONTROLS, f"http://{CONTROLS}/", f"{CONTROLS}://x", elsewhere, text]
    fault_server.on(
        POST,
        Reply(status=400, body=json.dumps(words).encode()),
        Reply(status=500, body=CONTROLS.encode()),
        Reply(status=400, body=f"<title>{CONTROLS}</title>".encode()),
        Reply(status=302, headers={"Location": "https://\x7f\x9b.example/"}),
        Reply(body=CONTROLS.encode()),
        Reply(body=json.dumps({"images": links}).encode()),
    )
    kinds: list[type[SeedreamError]] = [*[ApiError] * 4, ReplyError, DownloadError]
    for kind in kinds:
        with pytest.raises(kind) as caught:
            session.start("a fox", max_images=5).result()
        assert moving("\n".join(caught.value._render_traceback_()) + repr(caught.value)) == []
    assert len(list((tmp_path / "seedream").glob("*.jpg"))) == 0


def test_no_prompt_of_a_table_moves_the_cursor(session: Session) -> None:
    """A prompt whose text came from elsewhere is shown without control characters: result, progress and dry run."""
    generation = session.start(f"a fox {CONTROLS}").result()
    texts = [repr(generation), str(generation), all_texts(bundle(generation)), repr(session.history)]
    request = make_request(f"a fox {CONTROLS}")
    running = Job(request, backend="novita", host="x", price=0.03, timeout=60.0)
    running.update(pictures=generation.images, phase="downloading", wait=None)
    texts += [repr(running), all_texts(job_bundle(running))]
    failed = Job(replace(request, warnings=(CONTROLS,)), backend="novita", host="x", price=0.03, timeout=60.0)
    failed.finish(None, SeedreamError(CONTROLS, hint=CONTROLS))
    texts += [all_texts(job_bundle(failed)), repr(failed)]
    assert {text: moving(text) for text in texts if moving(text)} == {}


def test_a_dry_run_moves_no_cursor() -> None:
    """What would be sent is shown as it is, but for what a terminal would obey: that is spelled out."""
    request = replace(make_request(f"a fox {CONTROLS}"), warnings=(CONTROLS,))
    shown = request_bundle(request, 0.03, "novita")
    assert moving(all_texts(shown)) == []
    assert json.loads(shown["text/plain"].partition("}\n")[0] + "}")["prompt"] == f"a fox {CONTROLS}"


def test_no_file_name_moves_the_cursor(session: Session, tmp_path: Path) -> None:
    """Files with such names, found by a glob, are told without them: as errors, notes and in a dry run."""
    name = CONTROLS.replace("\0", "").replace("/", "")
    (tmp_path / f"{name}.png").write_bytes(b"no picture")
    with pytest.raises(SeedreamError) as caught:
        session.compose("a fox", images=["*.png"])
    texts = [str(caught.value), *caught.value.lines(), repr(caught.value)]
    (tmp_path / f"{name}.png").unlink()
    gradient(40, 30).save(tmp_path / f"{name}.tiff")
    request = session.compose("a fox", images=["*.tiff"])
    texts += [all_texts(request_bundle(request, 0.03, "novita")), repr(request)]
    generation = session.submit(request).result()
    texts += [str(generation), all_texts(bundle(generation))]
    assert {text: moving(text) for text in texts if moving(text)} == {}


FOREIGN_REFERENCES = [
    "__import__('os').system('touch owned')", "x' -i \"@1\" --save elsewhere", 'x" --save elsewhere/x',
    "x\n%%bash\ntouch owned",
    "{__import__('os').system('touch owned')}", "file:///etc/passwd", "/etc/passwd", "~/.ssh/id_rsa", "*", "@last",
]  # fmt: skip


@pytest.mark.parametrize("url", FOREIGN_REFERENCES)
def test_no_history_puts_code_into_a_cell(session: Session, tmp_path: Path, url: str) -> None:
    """What a journal gives as a reference's address is written into no cell, and sent nowhere, unless it is one."""
    request = {**make_request("x").to_record(), "images": [{"name": "x", "url": url}]}
    line = {"event": "intent", "id": 1, "at": AT, "request": request, "backend": "novita", "host": "x", "v": 1}
    (tmp_path / "seedream" / "journal").mkdir(parents=True)
    (tmp_path / "seedream" / "journal" / "20261121-093000-1-abcdef12.jsonl").write_text(json.dumps(line) + "\n")
    try:
        written = cell_of(session.history[1], session)
    except (SeedreamError, IndexError):
        return
    pytest.fail(f"the cell that would be run: {written!r}")


def test_a_prompt_from_a_history_is_no_template(session: Session, tmp_path: Path) -> None:
    """The cell that makes it again gives back braces as braces: nothing in it is looked up."""
    prompt = "a {__import__('os')} ![x](/etc/passwd) {{x}} {x} $HOME\n%%bash\n!ls"
    session.start(prompt).result()
    written = cell_of(session.history[1], session)
    line, _, body = written.partition("\n")
    assert session.compose(body, scope=EmptyScope(), typed=True).prompt == prompt
    assert re.fullmatch(r"%%seedream[ \w-]*", line)
    assert not (tmp_path / "owned").exists()


def test_no_history_leads_into_this_network(fault_server: FaultServer, tmp_path: Path) -> None:
    """`recover` fetches nothing of this machine or network because a journal says that its service was there."""
    settings = Settings(environ={}, folder=tmp_path)
    settings.change(api_key="sk_test")
    link = fault_server.picture(64, 64, name="reboot")
    request = make_request("x").to_record()
    lines = [
        {"event": "intent", "id": 1, "at": AT, "request": request, "backend": "novita", "host": "127.0.0.1", "v": 1},
        {"event": "links", "id": 1, "at": AT, "links": [link], "v": 1},
        {"event": "end", "id": 1, "at": AT, "status": "partial", "v": 1},
    ]
    (tmp_path / "seedream" / "journal").mkdir(parents=True)
    written = "".join(json.dumps(each) + "\n" for each in lines)
    (tmp_path / "seedream" / "journal" / "20261121-093000-1-abcdef12.jsonl").write_text(written)
    session = Session(settings=settings, lingers=False)
    (tried,) = session.recover()
    session.close()
    assert fault_server.seen == []
    assert "private network" in tried.missing[1]
