"""What a released version wrote stays readable: folders of each are committed, and every later version must do this.

`tests/golden/write.py` wrote them, once for each version; it says what happened to whom.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from seedream_nb.cell import read
from seedream_nb.frozen import frozen
from seedream_nb.jobs.messages import FROM_HISTORY
from seedream_nb.notebook.verbs import run
from seedream_nb.options import ALL, Option
from seedream_nb.request import ImageRequest
from seedream_nb.scope import EmptyScope
from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.storage.history import History
from seedream_nb.storage.store import Store
from seedream_nb.view import bundle, history_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import NewSession
    from tests.faults import FaultServer

GOLDEN = Path(__file__).parent / "golden"
HOST = "service.example"
GONE = "service.example answered 404: the picture is gone."
REFUSED = (
    "Picture 2 of 3 was refused by the service, and not billed (OutputImageSensitiveContentDetected): "
    "“it may contain sensitive content”"
)
SKETCH = "seedream/inputs/9b0e7c117d*"
LIGHT = "https://pictures.example/light.png"
SENT = "https://service.example/pictures/{}.jpg"
SANDBOX_LINK = (
    "http://sandbox/pictures/WN7-blg2CLCVMGLFEEGn6Ymr.jpg?expires=1795996421.235"
    "&signature=5d930f5ca4fa798fdf2940d18cbabb74da438238d30cba4bfb2e4bad5b00feda"
)

Line = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What is known of one generation of a golden folder."""

    prompt: str
    status: str
    cost: float | None
    links: tuple[str, ...] = ()
    pictures: int = 0
    missing: dict[int, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str | None = None
    """What it begins with."""
    options: dict[str, Any] = field(default_factory=dict)
    """How one asks for the same; references as they can be written below the folder."""
    cell: str = "%%seedream"
    """The first line that `code` writes."""
    found: bool = False
    """Whether `once` finds it."""
    backend: str = "novita"
    sources: tuple[str, ...] = ()
    starred: bool = False
    template: str | None = None


FACTS = {
    "0.1.0": {
        1: Fact(
            prompt="a fox 狐 in the snow", template="a {animal} in the snow", status="done", cost=0.03, pictures=1,
            links=(SENT.format(1),), options={"size": "1K"}, cell="%%seedream --size 1K", found=True, starred=True,
        ),
        2: Fact(
            prompt="four seasons of a garden", status="done", cost=0.09, pictures=3, found=True,
            links=(SENT.format(2), SENT.format(3), SENT.format(4)),
            options={"max_images": 3, "size": "16:9", "watermark": False},
            cell="%%seedream --size 2560x1440 -n 3 --no-watermark",
        ),
        3: Fact(
            prompt="as image 1, lit as image 2", status="done", cost=0.03, pictures=1, links=(SENT.format(5),),
            found=True, options={"images": [SKETCH, LIGHT]}, cell=f"%%seedream -i {SKETCH} -i {LIGHT}",
        ),
        4: Fact(
            prompt="the same fox asleep", status="done", cost=0.03, pictures=1, links=(SENT.format(6),), found=True,
            options={"images": ["@1.1"]}, cell="%%seedream -i @1.1", sources=("@1.1",),
        ),
        5: Fact(
            prompt="two owls", status="partial", cost=0.06, pictures=1, missing={2: GONE},
            links=(SENT.format(7), "https://service.example/gone.jpg"), options={"max_images": 2},
            cell="%%seedream -n 2",
        ),
        6: Fact(
            prompt="two herons", status="done", cost=0.06, pictures=2, links=(SENT.format(8), SENT.format(9)),
            options={"max_images": 2}, cell="%%seedream -n 2", found=True,
        ),
        7: Fact(
            prompt="three knights", status="partial", cost=0.06, pictures=2, links=(SENT.format(10), SENT.format(11)),
            warnings=(REFUSED,), options={"max_images": 3}, cell="%%seedream -n 3",
        ),
        8: Fact(
            prompt="a letter in a bottle", status="done", cost=0.03, pictures=1, found=True,
            links=("data:image/jpeg;sha256=4010055abcb1e4fb8909acb5439d37f9fe28c8b34783f17a8ec520a4e1bffa87",),
        ),
        9: Fact(prompt="a lighthouse", status="unknown", cost=None, error="The service's reply isn't JSON: <html>"),
        10: Fact(
            prompt="something forbidden", status="failed", cost=0.0, error="The service refused the request (400)",
        ),
        11: Fact(
            prompt="a queue at the gate", status="stopped", cost=0.0, error="The service refused it for now, and it",
        ),
        12: Fact(
            prompt="a broken bridge", status="unknown", cost=None, error="The connection to service.example broke",
        ),
        13: Fact(
            prompt="a stage set", status="done", cost=0.0, pictures=1, backend="sandbox", options={"size": "1K"},
            cell="%%seedream --size 1K",
            links=(SANDBOX_LINK,),
        ),
        14: Fact(prompt="an hourglass", status="unknown", cost=None),
        15: Fact(
            prompt="a candle", status="partial", cost=0.03, missing={1: "not fetched yet"}, links=(SENT.format(12),),
        ),
        16: Fact(
            prompt="a walk after the storm", status="done", cost=0.03, pictures=1, links=(SENT.format(13),),
            options={"size": "1K"}, cell="%%seedream --size 1K", found=True,
        ),
    },
}  # fmt: skip
"""By version and id."""

EACH = [pytest.param(version, number, id=f"{version}@{number}") for version in FACTS for number in FACTS[version]]
every_generation = pytest.mark.parametrize(("version", "number"), EACH)
every_version = pytest.mark.parametrize("version", FACTS)


def copied(version: str, folder: Path) -> Path:
    """Return a copy of a golden folder, which may be written to, where a session in `folder` has its pictures."""
    return Path(shutil.copytree(GOLDEN / version, folder / "seedream"))


@pytest.fixture
def golden(version: str) -> Path:
    """Return the folder of a version itself, to be read only."""
    return GOLDEN / version


@pytest.fixture
def home(version: str, tmp_path: Path) -> Path:
    """Return a copy of the folder of a version."""
    return copied(version, tmp_path)


@pytest.fixture
def session(home: Path) -> Iterator[Session]:
    """Begin a session of today in that folder, with the service that it was written with; nothing can be sent."""
    settings = Settings(environ={}, folder=home.parent)
    settings.change(base_url=f"https://{HOST}", api_key="sk_test")
    begun = Session(settings=settings, lingers=False)
    yield begun
    begun.close()


def lines(home: Path) -> list[Line]:
    """Return the whole lines of a journal."""
    texts = [text for path in sorted(home.glob("journal/*.jsonl")) for text in path.read_text("utf-8").splitlines()]
    return [json.loads(text) for text in texts if text.endswith("}")]


def intents(home: Path) -> dict[int, Line]:
    """Return what was asked, by id."""
    return {line["id"]: line for line in lines(home) if line["event"] == "intent"}


def rewrite(home: Path, change: Callable[[Line], list[Line]]) -> None:
    """Put other lines in the place of each whole one."""
    for path in home.glob("journal/*.jsonl"):
        texts = path.read_text("utf-8").splitlines(keepends=True)
        changed = ["".join(map(spelled, change(json.loads(text)))) if text.endswith("}\n") else text for text in texts]
        path.write_text("".join(changed), "utf-8", newline="\n")


def spelled(line: Line) -> str:
    """Return a line as a journal has it."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def asked(session: Session, fact: Fact) -> ImageRequest:
    """Compose anew what a generation asked for."""
    options = dict(fact.options)
    images = [session.find(each) if each.startswith("@") else each for each in options.pop("images", ())]
    return session.compose(fact.prompt, images=images, **options)


# -- what an old version wrote ----------------------------------------------------------------------


def test_each_golden_folder_has_its_facts() -> None:
    """No version is forgotten."""
    assert {path.name for path in GOLDEN.glob("[0-9]*")} == set(FACTS)


@every_version
def test_a_golden_folder_names_nobody(version: str) -> None:
    """It is small, and tells of no machine and no key."""
    files = [path for path in (GOLDEN / version).rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) < 150_000
    assert sum(path.stat().st_size for path in files) < 300_000
    told = b"".join(path.read_bytes() for path in files)
    assert not [word for word in (b"sk_", b"/tmp", b"/home/", b"/Users/", b"127.0.0.1", b"Bearer") if word in told]


@every_version
def test_every_generation_is_read(version: str, golden: Path) -> None:
    """All are there in their order; nothing counts as damaged, newer or unreadable, a torn last line neither."""
    history = History(golden)
    assert [each.id for each in history] == list(FACTS[version])
    assert (history.damaged, history.newer, history.unreadable) == (0, 0, {})
    assert any(not path.read_bytes().endswith(b"\n") for path in golden.glob("journal/*.jsonl"))


@every_generation
def test_each_reads_as_it_was(version: str, number: int, golden: Path) -> None:
    """Status, cost, links, pictures and what else is told of it are what they were when it was written."""
    fact, read = FACTS[version][number], History(golden)[number]
    assert (read.status, read.cost, read.missing) == (fact.status, fact.cost, fact.missing)
    assert (tuple(read.links), tuple(read.warnings), tuple(read.sources)) == (fact.links, fact.warnings, fact.sources)
    assert (read.prompt, read.template) == (fact.prompt, fact.template or fact.prompt)
    assert (read.backend, read.starred, read.notebook) == (fact.backend, fact.starred, "golden.ipynb")
    assert (read.error or "").startswith(fact.error or "")
    assert (read.error is None) == (fact.error is None)
    assert len(read) == fact.pictures
    assert all(picture.path.is_file() for picture in read) or fact.backend == "sandbox"


@every_version
def test_what_it_cost_adds_up(version: str, golden: Path) -> None:
    """What was spent, saved and may have been billed is what it was; what a dead process left is still found."""
    history, facts = History(golden), FACTS[version]
    usage = history.usage()
    assert (usage.requests, usage.pictures) == (len(facts), sum(len(fact.links) for fact in facts.values()))
    assert usage.spent == pytest.approx(sum(fact.cost or 0.0 for fact in facts.values()))
    assert usage.unknown == sum(fact.cost is None for fact in facts.values())
    assert (usage.reused, usage.saved) == (1, 0.03)
    assert [each.id for each in history.left_behind()] == [14, 15]
    assert [each.id for each in history.starred()] == [1]
    assert [each.id for each in history.lacking()] == [5, 13, 15]


@every_generation
def test_each_is_shown(version: str, number: int, golden: Path) -> None:
    """As plain text and as HTML, alone and in the history."""
    fact, history = FACTS[version][number], History(golden)
    alone, together = bundle(history[number]), history_bundle(history[:])
    assert alone["text/plain"].startswith(f"@{number} {fact.status} · {fact.pictures} picture")
    assert all(told in alone["text/plain"] for told in (*fact.warnings, *fact.missing.values(), fact.error or ""))
    assert f"@{number}" in alone["text/html"]
    assert fact.prompt in together["text/plain"]
    assert fact.prompt in together["text/html"]


@every_generation
def test_each_is_found_by_its_words(version: str, number: int, golden: Path) -> None:
    """Prompt and template are searched."""
    fact, history = FACTS[version][number], History(golden)
    for words in (fact.prompt.upper(), fact.template or fact.prompt):
        assert number in [each.id for each in history.search(words)]


@every_generation
def test_each_can_be_asked_again(
    version: str, number: int, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rerun --dry-run` shows the request and sends nothing."""
    ip: Any = None
    run(f"rerun @{number} --dry-run", session, ip)
    assert FACTS[version][number].prompt in capsys.readouterr().out
    assert len(session.history) == len(FACTS[version])


@every_generation
def test_the_cell_of_each_asks_for_the_same(version: str, number: int, session: Session, home: Path) -> None:
    """`code` writes the cell that it wrote then, and running that asks for what was asked."""
    written: list[str] = []
    ip: Any = SimpleNamespace(set_next_input=written.append)
    run(f"code @{number}", session, ip)
    line, _, prompt = written[0].partition("\n")
    assert line == FACTS[version][number].cell
    options, _ = read(line.removeprefix("%%seedream"))
    request = session.compose(prompt, scope=EmptyScope(), typed=True, **options)
    assert request.fingerprint == intents(home)[number]["fingerprint"]


@every_generation
def test_each_has_the_fingerprint_that_it_had(version: str, number: int, session: Session, home: Path) -> None:
    """As it is read from the journal, and as the same is asked for today."""
    then = intents(home)[number]["fingerprint"]
    assert session.history[number].request.fingerprint == then
    assert asked(session, FACTS[version][number]).fingerprint == then


@every_generation
def test_once_finds_what_is_whole(version: str, number: int, session: Session) -> None:
    """A complete result whose files are here is matched by the same request made today; nothing else is."""
    fact = FACTS[version][number]
    found = session.history.same(asked(session, fact).fingerprint, fact.backend)
    assert (found and found.id) == (number if fact.found else None)


@every_version
def test_once_buys_nothing_twice(version: str, session: Session) -> None:
    """Each complete result is shown again by the whole way of a request, and nothing is sent."""
    whole = {number: fact for number, fact in FACTS[version].items() if fact.found}
    shown = [session.submit(asked(session, fact), once=True).result() for fact in whole.values()]
    assert [each.id for each in shown] == list(whole)
    assert all(FROM_HISTORY in each.warnings for each in shown)


# -- a field that is added later --------------------------------------------------------------------


GRAIN = Option(name="grain", kind="whole", help="how coarse it looks", high=9, is_sent=True, since="0.2.0")


@frozen
class LaterRequest(ImageRequest):
    """A request as a later version could have it."""

    grain: int | None = GRAIN.field()


def later(request: ImageRequest, grain: int | None = None) -> LaterRequest:
    """Return a request with the field that today's has not."""
    return LaterRequest(**{each.name: getattr(request, each.name) for each in fields(request)}, grain=grain)


def test_only_the_fields_of_the_first_release_need_no_version() -> None:
    """An option without `since` would make every older generation unreadable, and be bought again."""
    first = {option.name for option in ALL.values() if option.is_sent and option.since is None}
    assert first == {"size", "sequential", "max_images", "watermark"}
    assert {each.name for each in fields(ImageRequest) if not each.metadata} == {
        "prompt",
        "images",
        "model",
        "warnings",
    }
    assert "model" not in ImageRequest(prompt="a fox").to_record()


@every_generation
def test_an_added_field_changes_nothing_for_the_old(number: int, golden: Path) -> None:
    """An old record reads with its default, and has the fingerprint and the form that it had."""
    intent = intents(golden)[number]
    read = LaterRequest.from_record(intent["request"], golden)
    assert (read.grain, read.fingerprint) == (None, intent["fingerprint"])
    kept = [each.get("file") for each in intent["request"]["images"]]
    assert read.to_record(kept) == intent["request"]


@every_version
def test_once_finds_the_old_although_a_field_was_added(version: str, session: Session) -> None:
    """As long as it is at its default, nothing complete is bought again."""
    whole = {number: fact for number, fact in FACTS[version].items() if fact.found}
    shown = [session.submit(later(asked(session, fact)), once=True).result() for fact in whole.values()]
    assert [each.id for each in shown] == list(whole)


def test_another_value_of_an_added_field_is_another_request() -> None:
    """It stands in the record and comes back; each value has its own fingerprint, one that looks like false too."""
    plain = Session(settings=Settings(environ={}, folder=Path.cwd()), lingers=False).compose("a fox")
    requests = [later(plain), later(plain, grain=0), later(plain, grain=7)]
    assert len({each.fingerprint for each in requests}) == 3
    assert ["grain" in each.to_record() for each in requests] == [False, True, True]
    back = [LaterRequest.from_record(json.loads(json.dumps(each.to_record())), Path()) for each in requests]
    assert [(each.grain, each.fingerprint) for each in back] == [(each.grain, each.fingerprint) for each in requests]


@pytest.mark.parametrize("version", list(FACTS)[-1:])
def test_what_a_later_version_asked_with_it_is_not_taken_for_less(
    version: str, new_session: NewSession, fault_server: FaultServer, tmp_path: Path
) -> None:
    """Today's version reads such a generation, and `once` does not match it with a request that lacks the field."""
    copied(version, tmp_path)
    session = new_session()
    plain = session.compose("a new fox")
    made = session.submit(later(plain, grain=7), once=True).result()
    assert session.submit(later(plain, grain=7), once=True).result().id == made.id
    assert session.submit(plain, once=True).result().id != made.id
    assert len(fault_server.posts) == 2
    assert type(new_session().history[made.id].request) is ImageRequest


# -- what a newer version wrote ---------------------------------------------------------------------


@every_version
def test_unknown_fields_pass(home: Path) -> None:
    """In every known line, in the request and in its references; all that is known reads as it did."""
    before = list(History(home))

    def newer(line: Line) -> list[Line]:
        version = line.pop("v")
        if "request" in line:
            line["request"]["style"] = {"name": "ink", "weight": 0.5}
            line["request"]["images"] = [{**each, "role": "pose"} for each in line["request"]["images"]]
        return [{**line, "model": "later-5", "parts": [{"kind": "layer", "of": [1, None]}], "v": version}]

    rewrite(home, newer)
    history = History(home)
    assert list(history) == before
    assert (history.damaged, history.newer) == (0, 0)


@every_version
def test_unknown_kinds_of_line_pass(home: Path) -> None:
    """However they are named and whatever they hold; all that is known reads as it did."""
    before = list(History(home))

    def newer(line: Line) -> list[Line]:
        common = {"id": line["id"], "at": line["at"]}
        return [
            {"event": "batch", **common, "of": 40, "v": 1}, line, {"event": "rated-2", **common, "stars": 5, "v": 1},
            {"event": "progress", "id": 999, "at": line["at"], "status": "done", "v": 1},
        ]  # fmt: skip

    rewrite(home, newer)
    history = History(home)
    assert list(history) == before
    assert (history.damaged, history.newer) == (0, 0)


@every_version
def test_lines_of_a_later_version_are_counted(version: str, home: Path) -> None:
    """They change nothing of what is known, the history says how many are left out, and their ids stay theirs."""
    before, last = list(History(home)), max(FACTS[version])
    common = {"at": "2030-01-01T00:00:00+00:00", "v": 2}
    newer = [
        {"event": "intent", "id": last + 1, "asks": {"text": "a fox"}, **common},
        {"event": "end", "id": 1, "outcome": "undone", **common},
        {"event": "star", "id": 2, "on": True, **common},
    ]
    (home / "journal" / "20300101-000000-1-00000000.jsonl").write_text("".join(map(spelled, newer)), "utf-8")
    history = History(home)
    assert list(history) == before
    assert (history.damaged, history.newer) == (0, 3)
    assert history.left_out.startswith("3 lines of a newer seedream-nb")
    with pytest.raises(IndexError, match="3 lines of the journal are from a newer seedream-nb"):
        history[last + 1]
    assert Store(home).new_id() == last + 2


@every_version
def test_an_unknown_status_is_told_as_unknown(home: Path) -> None:
    """Unless all its pictures are here: then it is done, whatever a newer version calls that."""
    rewrite(home, lambda line: [{**line, "status": "expired"} if line["event"] == "end" else line])
    read = {each.id: each.status for each in History(home)}
    assert [read[number] for number in (1, 2, 10)] == ["done", "done", "unknown"]


@every_version
def test_the_session_goes_on_in_a_folder_that_a_newer_version_wrote_in(version: str, session: Session) -> None:
    """What it can't read keeps nobody from what it can: marks, stars and `once` work as before."""
    rewrite(session.history.home, lambda line: [line, {**line, "event": "shared", "v": 2}])
    assert session.submit(asked(session, FACTS[version][1]), once=True).result().id == 1
    assert session.history.newer > 0
    session.star(5, on=True)
    assert [each.id for each in session.history.starred()] == [1, 5]
