"""A journal may hold anything: whatever one generation's lines say, the others are told, shown and fetched."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.errors import Problem
from seedream_nb.request import make_request
from seedream_nb.storage.history import History
from seedream_nb.view import bundle, history_bundle
from seedream_nb.widgets.gallery import entry_of
from tests.faults import Reply, jpeg
from tests.journals import Kernel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import NewSession
    from tests.faults import FaultServer

ODD: list[Any] = [
    None, True, [], {}, "", 0, -1, 10**15, 10**400, 1e308, float("nan"), float("inf"), -0.5, "x" * 300,
    "/".join(["x" * 200] * 30), "a\0b", "/etc/passwd", "../x.jpg", "C:\\x.jpg", "\\\\host\\x.jpg", "CON", "aux.jpg",
    ".", "./", "~/x.jpg", "\ud83d", "\udcff.jpg", "half \udfff", "\u202e", "\x1b[2J", "<script>", "@3", "狐" * 100,
    "0000-01-01", "9999-12-31T23:59:59-23:59", "1900-01-01", "2026-13-40", "2026-11-21T09:30:00+23:59", [[[[]]]],
    ["https://x.example/1"] * 40, {"a": {"b": [1]}}, ["x", 1, None, {}], "journal", "journal/ids", ".gitignore",
]  # fmt: skip
VALUES = st.sampled_from(ODD) | st.text(st.characters(), max_size=8) | st.integers() | st.floats()


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with a whole generation, one that lacks its picture, and the lines of a third, to be damaged."""
    kernel = Kernel(tmp_path_factory.mktemp("home"))
    kernel.make(1, "a fox")
    kernel.ask(2, "a fox too")
    kernel.link(2)
    kernel.end(2, "partial")
    kernel.journal.close()
    reference = {"name": "a.png", "sha256": "b" * 64, "media_type": "image/png", "width": 20, "height": 20}
    images = [{**reference, "file": f"inputs/{'a' * 64}.png"}, {"name": "@1", "url": "https://x.example/a.png"}]
    request = {**make_request("the odd fox", max_images=2).to_record(), "images": images}
    kernel.ask(3, request=request, warnings=["careful"], sources=["@1.1"], notebook="a.ipynb")
    kernel.link(3, 2, refused=[{"picture": 3, "of": 3, "code": "Sensitive", "message": "no"}])
    for index in (1, 2):
        kernel.land(3, index)
        (kernel.home / f"0003-{index}.jpg").write_bytes(jpeg(20, 20))
    kernel.journal.append("missing", 3, index=3, reason="gone")
    kernel.journal.append("again", 3, tries=2)
    kernel.journal.append("refused", 3, tries=1)
    kernel.journal.append("star", 3, on=True)
    kernel.end(3)
    kernel.journal.append("once", 3)
    assert kernel.journal.path is not None
    kernel.journal.path.rename(kernel.home / "journal" / "odd.jsonl")
    kernel.journal.close()
    return kernel.home


@pytest.fixture(scope="module")
def lines(home: Path) -> list[str]:
    """Return the lines of the third as they were."""
    return (home / "journal" / "odd.jsonl").read_text("utf-8").splitlines()


@pytest.mark.slow
@given(data=st.data())
def test_one_generations_lines_keep_no_other_from_anything(home: Path, lines: list[str], data: st.DataObject) -> None:
    """Whatever stands in the fields of one generation, the others are found, shown, counted and lack what they lack."""
    records = [json.loads(line) for line in lines]
    for _ in range(data.draw(st.integers(1, 3))):
        record = data.draw(st.sampled_from(records))
        *way, last = data.draw(st.sampled_from([place for place in places(record) if place and place != ("v",)]))
        inner = record
        for key in way:
            inner = inner[key]
        inner[last] = copy.deepcopy(data.draw(VALUES))
    odd = home / "journal" / "odd.jsonl"
    odd.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
    check(home)


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD[::4], ids=range(len(ODD[::4])))
def test_no_field_of_a_generation_keeps_another_from_anything(home: Path, lines: list[str], odd: object) -> None:
    """So it is for each field, and each odd value in its place."""
    for number, line in enumerate(lines):
        for *way, last in filter(None, places(json.loads(line))):
            records = [json.loads(each) for each in lines]
            inner: Any = records[number]
            for key in way:
                inner = inner[key]
            if (*way, last) != ("v",):
                inner[last] = copy.deepcopy(odd)
                written = b"".join(json.dumps(record).encode() + b"\n" for record in records)
                (home / "journal" / "odd.jsonl").write_bytes(written)
                check(home)


def check(home: Path) -> None:
    """Look at everything that is made of a journal."""
    history = History(home)
    assert [each.status for each in history if each.id in {1, 2}] == ["done", "partial"]
    assert {1, 2} <= {each.id for each in history.search("fox")}
    assert history.usage().requests >= 2
    assert {each.id for each in history.lacking()} >= {2}
    assert {each.id for each in history.unfinished()} >= {2}
    assert history.same(history[1].request.fingerprint, "novita") is not None
    for some in (history.left_behind(), history.elsewhere(), history.starred(), history.with_content(["b"])):
        sendable(repr(some))
    for each in history:
        history.on_disk(each.id)
        sendable(bundle(each, folder=home))
        sendable(entry_of(each))
        sendable(str(each))
    sendable(history_bundle(history[:]))
    sendable(repr(history))
    try:
        history.marked("@last")
    except Problem as problem:
        sendable(str(problem))


def test_what_goes_wrong_with_one_keeps_no_other_from_being_fetched(
    new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """The record of the first is deleted while `recover` fetches it: that is told, and the second is there."""
    for prompt in ("a hare", "a fox"):
        session = new_session()
        session.start(prompt).result()[0].path.unlink()
        session.close()
    first, _ = sorted((tmp_path / "seedream" / "journal").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    link = urlsplit(new_session().history[1].links[0]).path

    def delete(_: object) -> Reply:
        first.unlink(missing_ok=True)
        return Reply(body=jpeg(64, 64))

    fault_server.on(link, delete)
    session = new_session()
    with pytest.raises(IndexError, match="no generation 1"):
        session.recover()
    assert session.history[2][0].path.exists()


def test_a_million_links_are_not_all_fetched(tmp_path: Path) -> None:
    """A line with more links than the service gives keeps nobody waiting: the first hundred count."""
    kernel = Kernel(tmp_path)
    kernel.ask(1)
    kernel.link(1, 200_000)
    (found,) = History(tmp_path)
    assert (len(found.links), len(found.missing)) == (100, 100)


def sendable(value: object) -> None:
    """Make sure that a page can be sent this, and a terminal shown it."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.usefixtures("fault_server")
@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("file", {"index": 1, "path": "x" * 300}),
        ("file", {"index": 1, "path": "\ud83d.jpg"}),
        ("file", {"index": 1, "path": "/".join(["x" * 200] * 30)}),
        ("links", {"links": ["http://[", "http://127.0.0.1:99999999/", "\ud83d", ""]}),
        ("end", {"status": "partial", "cost": float("nan")}),
        ("links", {"links": 5}),
    ],
)
def test_recover_fetches_what_the_others_lack(
    new_session: NewSession, tmp_path: Path, event: str, fields: dict[str, Any]
) -> None:
    """A damaged line of a generation that comes first keeps `recover` from no other."""
    first = new_session()
    first.start("a hare").result()
    first.start("a fox").result()[0].path.unlink()
    first.close()
    (path,) = (tmp_path / "seedream" / "journal").glob("*.jsonl")
    line = {"event": event, "id": 1, "at": "2030-01-01", "width": 9, "height": 9, **fields, "v": 1}
    path.write_bytes(path.read_bytes() + json.dumps(line).encode() + b"\n")
    session = new_session()
    session.recover()
    assert session.history[2][0].path.exists()
