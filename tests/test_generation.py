"""Generations: read from the journal's records, whole without a session."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seedream_nb.errors import SeedreamError
from seedream_nb.request import ImageRequest, Reference, make_request
from seedream_nb.storage.folding import CUT_OFF, fold
from seedream_nb.storage.generation import Generation, lineage, origins, reference_names, references_line, written
from seedream_nb.storage.picture import Picture

HOME = Path("home").absolute()
REQUEST = make_request("a fox in the snow", max_images=2)
LINKS = ["https://pictures.example/1", "https://pictures.example/2"]


def record(event: str, second: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a record of generation 3, written at that second."""
    return {"v": 1, "event": event, "id": 3, "at": f"2026-11-21T09:30:{second:02}.000000+00:00", **fields}


INTENT = record(
    "intent",
    template="a {animal} in the snow",
    request=REQUEST.to_record(),
    backend="novita",
    host="api.novita.ai",
    price=0.03,
    notebook="a.ipynb",
    sources=["@1.2"],
    warnings=["long"],
)
LINKED = record("links", 1, links=LINKS, seconds=12.5)
DONE = record("end", 9, status="done", seconds=15.5, cost=0.06, error=None)


def landed(index: int, second: int = 2, **changes: Any) -> dict[str, Any]:
    """Return the record of a picture that is complete."""
    fields = {
        "path": f"0003-{index}-fox.jpg",
        "width": 2048,
        "height": 1024,
        "media_type": "image/jpeg",
        "sha256": "ab",
        "size_bytes": 9,
    }
    return record("file", second, index=index, **{**fields, **changes})


def read(*records: dict[str, Any], alive: bool = False) -> Generation:
    """Fold records that tell of a generation."""
    generation = fold(records, home=HOME, alive=alive)
    assert generation is not None
    return generation


COMPLETE = (INTENT, LINKED, landed(1), landed(2), DONE)


def test_fields() -> None:
    """A generation has everything that the journal tells of it."""
    told = vars(read(*COMPLETE))
    images = told.pop("images")
    assert told == {
        "id": 3,
        "prompt": "a fox in the snow",
        "template": "a {animal} in the snow",
        "request": REQUEST,
        "created": datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
        "seconds": 15.5,
        "cost": 0.06,
        "backend": "novita",
        "host": "api.novita.ai",
        "status": "done",
        "warnings": ["long"],
        "error": None,
        "links": LINKS,
        "missing": {},
        "sources": ["@1.2"],
        "notebook": "a.ipynb",
        "starred": False,
        "deleted": False,
        "verbs": None,
    }
    assert [(each.mark, each.path) for each in images] == [
        ("@3.1", HOME / "0003-1-fox.jpg"),
        ("@3.2", HOME / "0003-2-fox.jpg"),
    ]


def test_order_of_records_is_of_no_account() -> None:
    """Records may come from several files, in any order."""
    expected = read(*COMPLETE)
    assert all(read(*records) == expected for records in itertools.permutations(COMPLETE))


@pytest.mark.parametrize(
    ("records", "alive", "status"),
    [
        ((), True, "generating"),
        ((), False, "unknown"),
        ((LINKED,), True, "downloading"),
        ((LINKED,), False, "partial"),
        ((LINKED, landed(1)), False, "partial"),
        ((LINKED, landed(1), landed(2)), True, "downloading"),
        ((LINKED, landed(1), landed(2)), False, "done"),
        ((landed(1),), False, "partial"),
        ((LINKED, landed(1), record("end", 9, status="partial")), False, "partial"),
        ((LINKED, landed(1), record("end", 9, status="partial"), landed(2, 20)), False, "done"),
        ((LINKED, landed(1), DONE), False, "partial"),
        ((record("end", 9, status="failed"),), False, "failed"),
        ((record("end", 9, status="stopped"),), True, "stopped"),
        ((record("end", 9, status="unknown"),), False, "unknown"),
    ],
)
def test_status(records: tuple[dict[str, Any], ...], alive: bool, status: str) -> None:
    """The status is how it ended, or how far it came; pictures that come later complete it."""
    assert read(INTENT, *records, alive=alive).status == status


@pytest.mark.parametrize(
    ("links", "end"),
    [
        ({"cut_off": True}, ()),
        ({}, (record("end", 9, status="partial", error={"kind": "ReplyError", "message": "no sense"}),)),
        ({}, (record("end", 9, status="partial", error={"kind": "OutcomeUnknownError", "message": "it broke"}),)),
    ],
)
@pytest.mark.parametrize(("most", "status"), [(2, "done"), (4, "partial")])
def test_links_of_a_reply_that_broke_off(
    links: dict[str, Any], end: tuple[dict[str, Any], ...], most: int, status: str
) -> None:
    """They are all only where as many came as were asked for; else it says so, whoever wrote it, and stays partial."""
    intent = {**INTENT, "request": make_request("a fox", max_images=most).to_record()}
    generation = read(intent, {**LINKED, **links}, landed(1), landed(2, 20), *end)
    assert (generation.status, generation.error is None) == (status, status == "done")
    assert end or status == "done" or generation.error == CUT_OFF


@pytest.mark.parametrize("status", ["<img src=x>", "DONE", "generating", "", None, 7, [], {}])
@pytest.mark.parametrize("alive", [True, False])
def test_unheard_of_ends_are_unknown(status: object, alive: bool) -> None:
    """An end that we would not write says nothing but that it has ended."""
    assert read(INTENT, LINKED, record("end", 9, status=status), alive=alive).status == "unknown"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:00"])
def test_times_without_a_place_in_a_calendar(at: str) -> None:
    """A time that can't be shown on every clock is damage."""
    assert fold([{**INTENT, "at": at}], home=HOME, alive=False) is None


def test_pictures_know_their_backend() -> None:
    """A picture alone still knows whether the imitation made it, and says so."""
    picture = read({**INTENT, "backend": "sandbox"}, LINKED, landed(1))[0]
    assert (picture.backend, repr(picture)[-9:]) == ("sandbox", " sandbox>")


def test_latest_end_counts() -> None:
    """When a later kernel ended it again, that is how it ended."""
    first, second = record("end", 5, status="unknown"), record("end", 6, status="failed")
    assert read(INTENT, second, first).status == "failed"


@pytest.mark.parametrize("known", ["done", "partial", "failed", "stopped"])
@pytest.mark.parametrize("doubt", ["unknown", "DONE", 7])
@pytest.mark.parametrize(("first", "second"), [(5, 6), (6, 5)])
def test_a_known_end_is_not_undone_by_one_in_doubt(known: str, doubt: object, first: int, second: int) -> None:
    """Who took the other for dead only knows that it does not know, whatever the clocks say."""
    told = [record("end", first, status=known), record("end", second, status=doubt)]
    assert read(INTENT, *told).status == known


@pytest.mark.parametrize("times", list(itertools.permutations((3, 30, 45, 59))))
def test_a_clock_that_jumps_changes_nothing(times: tuple[int, ...]) -> None:
    """Whatever the clock shows when a line is written, the same has happened."""
    lines = [LINKED, landed(1), record("missing", 0, index=2, reason="expired"), record("end", 0, status="partial")]
    jumped = [{**line, "at": f"2019-11-21T09:{minute:02}:00+00:00"} for line, minute in zip(lines, times, strict=True)]
    assert read(INTENT, *jumped) == read(INTENT, *lines)


def test_an_end_in_doubt_with_links_is_partial() -> None:
    """Where links are known, it is known that pictures were made, and what they cost."""
    generation = read(INTENT, LINKED, landed(1), record("end", 9, status="unknown", cost=None))
    assert (generation.status, generation.cost, list(generation.missing)) == ("partial", 0.06, [2])


@pytest.mark.parametrize(
    ("records", "cost"),
    [
        ((), None),
        ((LINKED,), 0.06),
        ((LINKED, record("end", 9, status="partial", cost=0.05)), 0.05),
        ((record("end", 9, status="unknown", cost=None),), None),
        ((record("end", 9, status="failed", cost=0.0),), 0.0),
    ],
)
def test_cost(records: tuple[dict[str, Any], ...], cost: float | None) -> None:
    """The cost is as settled, or what the links are worth; None where it can't be known."""
    assert read(INTENT, *records).cost == cost


def test_missing_pictures_have_a_reason() -> None:
    """A picture that could not be fetched has its reason, one that nobody tried says so."""
    generation = read(INTENT, LINKED, record("missing", 3, index=2, reason="expired"))
    assert generation.missing == {1: "not fetched yet", 2: "expired"}


@pytest.mark.parametrize("second", [2, 8])
def test_file_outweighs_missing(second: int) -> None:
    """A picture that is here is not missing, whichever was told first."""
    generation = read(INTENT, LINKED, landed(1), landed(2, second), record("missing", 5, index=2, reason="no"))
    assert (generation.missing, len(generation)) == ({}, 2)


def test_marks_stay_when_a_picture_is_missing() -> None:
    """The second picture is `@3.2`, also when the first is not here."""
    assert [each.mark for each in read(INTENT, LINKED, landed(2))] == ["@3.2"]


@pytest.mark.parametrize("path", ["../a.jpg", "/etc/passwd", "C:\\a.jpg", "a\\..\\..\\b.jpg", "", None, "a\0b"])
def test_paths_stay_in_home(path: str | None) -> None:
    """A record that leads out of home is no picture."""
    assert read(INTENT, LINKED, landed(1, path=path)).images == []


def test_error_is_told() -> None:
    """What went wrong is in `error`, in its own words."""
    ended = record("end", 9, status="failed", error={"kind": "ApiError", "message": "refused"})
    assert read(INTENT, ended).error == "refused"


@pytest.mark.parametrize(
    "changes",
    [
        {"request": None},
        {"request": {"prompt": 3}},
        {"request": {**REQUEST.to_record(), "size": "9x9"}},
        {"at": "yesterday"},
    ],
)
def test_unreadable_intent(changes: dict[str, Any]) -> None:
    """When it can't be read what was asked, there is no generation, and no crash."""
    assert fold([{**INTENT, **changes}, LINKED], home=HOME, alive=False) is None


def test_no_intent() -> None:
    """Records without their intent tell of no generation."""
    assert fold([LINKED, DONE], home=HOME, alive=False) is None


@pytest.mark.parametrize(
    "odd",
    [
        record("links", 1, links="no list"),
        record("links", 1, links=[1, None]),
        record("file", 2, index="1"),
        landed(1, width="wide"),
        landed(1, width=0),
        landed(1, height=-3),
        landed(1, height=10**400),
        landed(0),
        landed(index=True),
        record("end", 9, status=7, cost="much", seconds=[], error="text"),
        record("end", 9, cost=10**400, seconds=float("nan")),
        record("new", 9),
    ],
)
def test_damaged_fields_are_left_out(odd: dict[str, Any]) -> None:
    """A record with fields of the wrong kind changes nothing."""
    assert read(INTENT, odd).images == []


REFUSED = {"picture": 2, "of": 3, "code": "Sensitive", "message": "no"}


def test_refused_pictures_are_notes() -> None:
    """What the service refused is told in its words, makes a result incomplete, and is nothing to be recovered."""
    generation = read(INTENT, record("links", 1, links=LINKS, refused=[REFUSED]), landed(1), landed(2), DONE)
    told = "Picture 2 of 3 was refused by the service, and not billed (Sensitive): “no”"
    assert (generation.status, generation.warnings, generation.missing) == ("partial", ["long", told], {})


@pytest.mark.parametrize(
    ("refused", "told"),
    [("no list", []), ([5, None], []), ([{}], ["."]), ([{"picture": [], "of": "x", "code": {}, "message": 7}], ["."])],
)
def test_damaged_refusals_are_left_out(refused: object, told: list[str]) -> None:
    """What is no refusal is none, and one of the wrong kind says what is sure."""
    generation = read(INTENT, record("links", 1, links=LINKS, refused=refused))
    notes = [f"A picture was refused by the service, and not billed{each}" for each in told]
    assert generation.warnings == ["long", *notes]


def test_nothing_but_refusals_costs_nothing() -> None:
    """A process that died before it wrote down the end leaves no doubt."""
    generation = read(INTENT, record("links", 1, links=[], refused=[REFUSED]))
    assert (generation.status, generation.cost) == ("failed", 0.0)


def test_sequence() -> None:
    """`len`, indexing and iteration give the pictures; one without any is not false."""
    generation = read(*COMPLETE)
    assert (len(generation), generation[-1], list(generation)) == (2, generation.images[1], generation.images)
    assert bool(read(INTENT))


def test_equal_generations_have_equal_hashes() -> None:
    """Generations can be kept in sets."""
    assert len({read(*COMPLETE), read(*COMPLETE)}) == 1


def test_plain_text() -> None:
    """As text it tells outcome and files, a line each."""
    assert str(read(*COMPLETE)).splitlines() == [
        "@3 done · 2 pictures 2048x1024 · 15.5 s · 0.06 USD · from @1.2",
        f"@3.1  {HOME / '0003-1-fox.jpg'}",
        f"@3.2  {HOME / '0003-2-fox.jpg'}",
        "long",
    ]


def test_plain_text_of_a_failure() -> None:
    """What is missing and what went wrong is in the text too."""
    ended = record("end", 9, status="partial", error={"kind": "DownloadError", "message": "no\x1b[2J"})
    assert str(read({**INTENT, "warnings": []}, LINKED, landed(1), ended)).splitlines()[1:] == [
        f"@3.1  {HOME / '0003-1-fox.jpg'}",
        "@3.2  missing: not fetched yet",
        "no [2J",
    ]


@pytest.mark.parametrize("end", [[], [record("end", 9, status="unknown", cost=None)]], ids=["killed", "told"])
def test_an_unknown_outcome_of_the_sandbox_cost_nothing(end: list[dict[str, Any]]) -> None:
    """Whatever became of it, the imitation bills nobody; of the service nobody knows."""
    found = [read({**INTENT, "backend": backend}, *end) for backend in ("sandbox", "novita")]
    assert [(each.status, each.cost) for each in found] == [("unknown", 0.0), ("unknown", None)]


def test_sandbox_is_labelled() -> None:
    """What the imitation made says so, in text as well."""
    assert "sandbox" in str(read({**INTENT, "backend": "sandbox"}))


def test_repr_is_one_line() -> None:
    """The repr is short, and nothing in a prompt can break its line."""
    request = {**REQUEST.to_record(), "prompt": "a fox\nin \x1b[31mred " * 20}
    assert len(repr(read({**INTENT, "request": request})).splitlines()) == 1


class Asked:
    """A session that writes down what it is asked."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.asked: list[Any] = []

    def edit(self, generation: Generation, prompt: str, options: Any) -> Generation:
        """Note an edit."""
        self.asked.append(("edit", prompt, options))
        return generation

    def run_again(self, request: ImageRequest, changes: Any) -> Any:
        """Note a rerun."""
        self.asked.append(("rerun", request.prompt, changes))

    def bundle(self, value: Any) -> dict[str, Any]:
        """Show by type."""
        return {"text/html": type(value).__name__}


def test_verbs_are_the_sessions() -> None:
    """To edit, to run again and to be shown, a generation asks its session."""
    session = Asked()
    generation = fold(COMPLETE, home=HOME, alive=False, verbs=session)
    assert generation is not None
    generation.edit("at night", size="4K")
    generation.rerun(watermark=False)
    assert session.asked == [("edit", "at night", {"size": "4K"}), ("rerun", generation.prompt, {"watermark": False})]
    assert generation._repr_mimebundle_() == {"text/html": "Generation"}
    assert generation[0]._repr_mimebundle_() == {"text/html": "Picture"}


def test_without_a_session() -> None:
    """Without a session nothing can be sent, and the error says so; the rest works."""
    generation = read(*COMPLETE)
    with pytest.raises(SeedreamError, match="nothing can be sent"):
        generation.edit("at night")
    assert generation._repr_mimebundle_() == {"text/plain": str(generation)}


def test_save(tmp_path: Path) -> None:
    """All pictures are copied into a folder, made if need be."""
    for index in (1, 2):
        (tmp_path / f"0003-{index}-fox.jpg").write_bytes(bytes([index]))
    generation = fold(COMPLETE, home=tmp_path, alive=False)
    assert generation is not None
    paths = generation.save(tmp_path / "out" / "deep")
    assert [(path.name, path.read_bytes()) for path in paths] == [
        ("0003-1-fox.jpg", b"\x01"),
        ("0003-2-fox.jpg", b"\x02"),
    ]


def reference(name: str, *, sha256: str = "", url: str | None = None) -> Reference:
    """Return a reference of that name."""
    return Reference(name=name, url=url, sha256=sha256 or f"of {name}")


def result(mark: str, sha256: str) -> Picture:
    """Return a picture of the history."""
    return Picture(
        path=HOME / "a.jpg", width=8, height=8, media_type="image/jpeg", sha256=sha256, size_bytes=9, mark=mark
    )


def test_references_are_told_in_one_line() -> None:
    """As text it tells its references by the numbers of the prompt; a URL as what it is."""
    images = [reference("photo.jpg"), reference("@2.1"), reference("cat", url="https://x.example/cat.png")]
    asked = make_request("a fox like image 1", images=images, max_images=2)
    kept = ["inputs/" + "a" * 64 + ".jpg", "inputs/" + "b" * 64 + ".png", None]
    lines = str(read({**INTENT, "request": asked.to_record(kept)}, LINKED, landed(1), landed(2), DONE)).splitlines()
    assert lines[3:] == ["image 1: photo.jpg · image 2: @2.1 · image 3: https://x.example/cat.png", "long"]


def test_without_references_there_is_no_such_line() -> None:
    """A request of words alone has nothing to tell of references."""
    assert references_line(REQUEST) == ""


@pytest.mark.parametrize(
    ("prompt", "numbers"),
    [
        ("Dress image 1 as image 2", ["image 1", "image 2"]),
        ("把图1放在图2的风格里", ["图1", "图2"]),
        ("把 cat 放在 hat 里", ["图1", "图2"]),
        ("the cat of 图1 and the hat of 图2", ["图1", "图2"]),
        ("2 + 2", ["image 1", "image 2"]),
    ],
)
def test_references_are_called_as_in_the_prompt(prompt: str, numbers: list[str]) -> None:
    """Where a prompt says 图1 the reference is called so too, else image 1."""
    assert reference_names(make_request(prompt, images=[reference("a"), reference("b")])) == numbers


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("photo.jpg", "photo.jpg"),
        ("shots/" * 20 + "photo.jpg", "shots/shots/shot…ots/shots/shots/shots/photo.jpg"),
        ("a\nb\x1b[31m", "a b [31m"),
        ("", ""),
    ],
)
def test_a_long_name_is_shortened_in_the_middle(name: str, told: str) -> None:
    """A name is one line of at most 48 characters; of a path its end stays, where the file's name is."""
    assert written(reference(name)) == told
    assert len(told) <= 48


def test_lineage_is_found_by_content() -> None:
    """A reference that is an earlier result is known by its content, whatever it was called; others are none."""
    images = [reference("_", sha256="fox"), reference("photo.jpg"), reference("copy.jpg", sha256="fox")]
    assert lineage(images, [result("@2.1", "owl"), result("@1.2", "fox")]) == ["@1.2"]


def test_lineage_of_a_damaged_record() -> None:
    """A request of the history whose record tells nonsense can be run again: it has no lineage."""
    damaged = Reference(name="photo.jpg", original=["fox"])  # type: ignore[arg-type]
    assert lineage([damaged], [result("@1.2", "fox")]) == []


def test_lineage_of_a_copy_that_was_sent_before() -> None:
    """What is taken from a request of the history is known by the content that it was first made from."""
    kept = Reference(name="photo.jpg", sha256="as it was sent", original="fox")
    assert lineage([kept], [result("@1.2", "fox")]) == ["@1.2"]


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("_", "@3.1"),
        ("@2.1", "@2.1"),
        ("@2", "@2.1"),
        ("@last", "@3.1"),
        ("@2 (0002-1-fox.jpg)", "@2.1"),
        ("@3", "@3.1"),
    ],
)
def test_of_equal_results_the_named_one_counts(name: str, mark: str) -> None:
    """Where two results are the same picture the one that was named counts, else the newest."""
    results = [result("@3.1", "fox"), result("@2.1", "fox"), result("@22.1", "fox")]
    assert lineage([reference(name, sha256="fox")], results) == [mark]


def test_a_named_result_counts_without_its_content() -> None:
    """What was named as a mark counts even if the history can't tell its content; a file or cell mark does not."""
    images = [reference(name) for name in ("@2.1", "@out", "@[5]", "@2.jpg", "@2x")]
    assert lineage([*images, reference("cat", url="https://x.example/")], []) == ["@2.1"]


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (["@2.1"], ["@2.1"]),
        (["@2.1", "@2.2", "@3.1"], ["@2", "@3.1"]),
        (["@2.1", "@2"], ["@2"]),
        (["@2 (0002-1-fox.jpg)", "@2 (0002-2-fox.jpg)"], ["@2"]),
        (["@2.1", "@2.1"], ["@2.1"]),
        (["@last", "@out", "@[5]", "<img>", "@2x"], []),
    ],
)
def test_sources_as_they_are_told(sources: list[str], told: list[str]) -> None:
    """Several pictures of one generation are told as that; what is no mark of the history tells nothing."""
    assert origins(sources) == told
