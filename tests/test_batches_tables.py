"""Sweeps and tables: what is asked for each value and each row, what is refused, and what comes back."""

from __future__ import annotations

import csv
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedream_nb.batches.asking import called_batch, typed_batch
from seedream_nb.batches.axes import axes_of, crossed
from seedream_nb.cell import read
from seedream_nb.errors import RequestError, SeedreamError
from seedream_nb.scope import NamesScope
from tests.batches import ask
from tests.faults import POST, Links
from tests.pictures import encoded, gradient
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seedream_nb.batches.plan import Asked
    from seedream_nb.session import Session
    from tests.conftest import NewSession
    from tests.faults import FaultServer, Seen

ROWS = [{"title": "a fox", "format": "16:9"}, {"title": "a cat", "format": "1:1"}, {"title": "a dog", "format": "4:3"}]


@pytest.fixture
def session(new_session: NewSession) -> Session:
    """Begin a session without a notebook."""
    return new_session()


@pytest.fixture
def cell(new_session: NewSession) -> Callable[..., Asked]:
    """Give a function that reads a cell in a notebook with these variables."""

    def asked(line: str, prompt: str, **variables: Any) -> Asked:
        session = new_session(scope=Notebook(variables))
        options, problems = read(line)
        return typed_batch(session, prompt, options, problems)

    return asked


class Notebook(NamesScope):
    """Names as a notebook offers them, with Python's builtins."""

    has_builtins = True

    def evaluate(self, expression: str) -> object:
        """Return the value of an expression."""
        return eval(expression, dict(self._values))  # noqa: S307 - of the test

    def namespace(self) -> dict[str, object]:
        """Return the names, for expressions to see."""
        return dict(self._values)


def prompts(what: Asked) -> list[str]:
    """Return what is sent as prompts, in order."""
    return [request.prompt for request in what.requests]


# -- sweeps ----------------------------------------------------------------------------------------------


def test_a_sweep_asks_for_each_value(cell: Callable[..., Asked]) -> None:
    """A name of the prompt has them one after another; they are labels too."""
    what = cell("--sweep style=styles", "a fox, {style}", styles=["ink", "oil"])
    assert prompts(what) == ["a fox, ink", "a fox, oil"]
    assert [point.labels for point in what.points] == [("ink",), ("oil",)]


def test_sweeps_are_crossed(cell: Callable[..., Asked]) -> None:
    """The first changes slowest; an option is swept by its name."""
    what = cell('--sweep style=["ink","oil"] --sweep size=["16:9","1K"]', "a fox, {style}")
    assert [(point.labels, request.size) for point, request in zip(what.points, what.requests, strict=True)] == [
        (("ink", "16:9"), "2560x1440"), (("ink", "1K"), "1K"), (("oil", "16:9"), "2560x1440"), (("oil", "1K"), "1K"),
    ]  # fmt: skip


def test_the_keys_of_a_dict_are_labels(cell: Callable[..., Asked]) -> None:
    """So long values have short names."""
    what = cell("--sweep style=styles", "a fox, {style}", styles={"ink": "ink wash on rice paper", "oil": "oil, thick"})
    assert [point.labels for point in what.points] == [("ink",), ("oil",)]
    assert prompts(what)[0] == "a fox, ink wash on rice paper"


def test_the_name_of_a_sweep_goes_before_a_variable(cell: Callable[..., Asked]) -> None:
    """Also within an expression, beside other variables."""
    what = cell("--sweep style=['ink']", "a fox, {names[style]}", style="no", names={"ink": "墨"})
    assert prompts(what) == ["a fox, 墨"]


def test_a_value_is_not_expanded_again(cell: Callable[..., Asked]) -> None:
    """Braces in it stay as they are."""
    assert prompts(cell("--sweep x=['{y}']", "a {x}", y="no")) == ["a {y}"]


def test_references_are_swept(cell: Callable[..., Asked], tmp_path: Path) -> None:
    """Each request has its own beside those that all have; a text is a path, and is not evaluated."""
    for number, name in enumerate(("one", "two", "all"), 2):
        (tmp_path / f"{name}.png").write_bytes(encoded(gradient(40, number * 10), "PNG"))
    what = cell("-i all.png --sweep image=['one.png','two.png']", "a fox")
    assert [[image.name for image in request.images] for request in what.requests] == [
        ["all.png", "one.png"],
        ["all.png", "two.png"],
    ]


def test_python_sweeps_the_same(session: Session) -> None:
    """With `over`; an option may be a function of the values."""
    what = called_batch(
        session, "a fox, {style}", {"size": lambda point: "1K" if point["style"] == "ink" else "2K"},  # type: ignore[typeddict-item]
        over={"style": ["ink", "oil"], "watermark": [True, False]},
    )  # fmt: skip
    assert [(request.size, request.watermark) for request in what.requests] == [
        ("1K", True), ("1K", False), ("2K", True), ("2K", False),
    ]  # fmt: skip


LABELS = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=4, unique=True)


@given(st.dictionaries(st.sampled_from(["x", "y", "z"]), LABELS, min_size=1))
def test_crossing_is_a_product(over: dict[str, list[str]]) -> None:
    """Of all values, in order, whatever they are."""
    points = crossed(axes_of(over.items()))
    assert [point.labels for point in points] == list(itertools.product(*over.values()))
    assert all(tuple(point.values.values()) == point.labels for point in points)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--sweep style=[]", "style: found no values; a sweep needs at least one."),
        ('--sweep style="ink"', "there is no variable ink"),
        ("--sweep style=one", "style: found 'ink' (str); a sweep needs a list of values, such as ['ink']."),
        ("--sweep style=list(range(10_000))", "style: found 5,001 values; the most is 5,000 requests in a batch."),
        ("--sweep stile=[1]", "stile is swept, but there is no {stile} in the prompt, and no such option to sweep."),
        ("--sweep style=[1] --sweep style=[2]", "style is swept twice: write all its values in one list."),
        ("--sweep style=['a','a']", "style: two values have the label a; write a dict, whose keys are the labels."),
        ("--sweep style={1,2}", "style: found {1, 2} (set); a set has no order: write sorted(…) of it."),
        ("--sweep style=7", "style: found 7 (int); a sweep needs a list of values"),
        ("--sweep style=[1] --sweep size=['1K'] -s 2K", "size is swept, and given as an option too"),
        ("--sweep style", "--sweep: found style; write a name and its values"),
        ("--sweep style=1/0", "--sweep style=1/0 raises ZeroDivisionError"),
        ("--sweep style=list(range(99)) --sweep size=['1K','2K'] --sweep image=range(99)", "99 × 2 × 99 are 19,602"),
        ("--sweep style=[1] --each rows", "--sweep and --each together"),
        ("--sweep style=[1] --repeat 0", "--repeat: found 0; the range is 1 to 100. The nearest is 1."),
        ("--sweep style=[float('nan')]", "{style} is nan, so it has no value"),
    ],
)
def test_a_wrong_sweep_is_refused(cell: Callable[..., Asked], line: str, told: str) -> None:
    """In at most five lines, and nothing is sent."""
    with pytest.raises(RequestError) as refused:
        cell(line, "a fox, {style}", one="ink", rows=ROWS)
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 5


# -- tables ----------------------------------------------------------------------------------------------


def test_each_row_is_asked(cell: Callable[..., Asked]) -> None:
    """Its columns are in the prompt, by attribute or in brackets, and in the values of options."""
    what = cell("--each rows -s {row.format}", "{row.title} or {row['title']}", rows=ROWS)
    assert prompts(what) == ["a fox or a fox", "a cat or a cat", "a dog or a dog"]
    assert [request.size for request in what.requests] == ["2560x1440", "2048x2048", "2304x1728"]


def test_a_row_has_its_references(cell: Callable[..., Asked], tmp_path: Path) -> None:
    """In braces, as an expression, or as part of a path."""
    for name in ("fox", "cat"):
        (tmp_path / f"{name}.png").write_bytes(encoded(gradient(40, len(name) * 10 + ord(name[0]) % 7), "PNG"))
    rows = [{"sku": "fox", "photo": "fox.png"}, {"sku": "cat", "photo": "cat.png"}]
    for word in ("{row.photo}", "row.photo", "row['photo']", "{row.sku}.png"):
        what = cell(f"--each rows -i {word}", "the same at night", rows=rows)
        assert [request.images[0].source for request in what.requests] == [tmp_path / "fox.png", tmp_path / "cat.png"]


def test_a_shared_reference_is_read_once(cell: Callable[..., Asked]) -> None:
    """Also one that is drawn: each request has the same object."""

    class Figure:
        drawn = 0

        def _repr_png_(self) -> bytes:
            Figure.drawn += 1
            return encoded(gradient(40, 40), "PNG")

    what = cell("--each rows -i figure", "{row.title}, like {figure}", rows=ROWS, figure=Figure())
    assert len({id(request.images[0]) for request in what.requests}) == 1
    assert Figure.drawn <= 2


@pytest.mark.parametrize(
    "content",
    [
        b'title,format\na fox,16:9\n"a\ncat",1:1\n',
        b'\xef\xbb\xbftitle;format\r\na fox;16:9\r\n"a\ncat";1:1\r\n',
        'title\tformat\na fox\t16:9\n"a\ncat"\t1:1\n'.encode("utf-16"),
    ],
    ids=["plain", "BOM and semicolons", "UTF-16 and tabs"],
)
def test_a_csv_file_is_read(cell: Callable[..., Asked], tmp_path: Path, content: bytes) -> None:
    """As spreadsheets write it; a quoted cell may have a line break."""
    (tmp_path / "rows.csv").write_bytes(content)
    what = cell("--each rows.csv -s {row.format}", "{row.title}")
    assert prompts(what) == ["a fox", "a\ncat"]


def test_a_file_of_json_lines_is_read(cell: Callable[..., Asked], tmp_path: Path) -> None:
    """Blank lines in it are no rows."""
    (tmp_path / "rows.jsonl").write_text('{"title": "狐"}\n\n{"title": "a cat"}\n', "utf-8")
    assert prompts(cell("--each rows.jsonl", "{row.title}")) == ["狐", "a cat"]


def test_a_prompt_from_a_table_is_plain_text(cell: Callable[..., Asked]) -> None:
    """Braces and Markdown in it stay as they are."""
    rows = [{"prompt": "a {fox} ![x](y.png)"}]
    assert prompts(cell("--each rows", "{row.prompt}", rows=rows, fox="no")) == ["a {fox} ![x](y.png)"]


@pytest.mark.parametrize(
    ("rows", "prompt", "told"),
    [
        ([], "{row.title}", "the table has no rows."),
        (ROWS, "{row.titel}", "the table has no column titel. Did you mean title?"),
        (
            [*ROWS, {"title": float("nan")}],
            "{row.title}",
            "row 4: {row.title} is nan, so it has no value. Give it one; in a table, fillna fills",
        ),
        ([*ROWS, {"title": None}], "{row.title}", "row 4: {row.title} is None"),
        ([*ROWS, {"title": ""}], "{row.title}", "row 4: The prompt is empty"),
        ([*ROWS, {"name": "x"}], "{row.title}", "row 4: {row.title} raises AttributeError: the table has no column"),
        (7, "{row.title}", "found 7 (int); write a list of dictionaries"),
        ({"title": "x"}, "{row.title}", "write a list of dictionaries"),
        (["x"], "{row.title}", "row 1 is 'x' (str), not a dictionary"),
        ("rows.xlsx", "{row.title}", "found a path; write a list of dictionaries"),
        ("gone.csv", "{row.title}", "--each rows (gone.csv) can't be read: No such file"),
    ],
)
def test_a_wrong_table_is_refused(cell: Callable[..., Asked], rows: Any, prompt: str, told: str) -> None:
    """With the number of the row, in at most five lines."""
    with pytest.raises(RequestError) as refused:
        cell("--each rows", prompt, rows=rows)
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 5


def test_all_rows_are_checked_before_anything_is_sent(session: Session, fault_server: FaultServer) -> None:
    """The first three problems are told, and how many more there are."""
    rows = [{"title": "a fox" if number < 37 else ""} for number in range(1, 41)]
    with pytest.raises(RequestError) as refused:
        ask(session, "{row.title}", rows=rows, yes=True)
    assert str(refused.value).splitlines() == [
        "row 37: The prompt is empty: write what the picture should show.",
        "row 38: The prompt is empty: write what the picture should show.",
        "row 39: The prompt is empty: write what the picture should show.",
        "and 1 more problem in 4 of 40.",
        "Nothing was sent, nothing was billed.",
    ]
    assert fault_server.posts == []


def test_what_is_not_utf_8_is_refused(cell: Callable[..., Asked], tmp_path: Path) -> None:
    """With what to do; guessing would put wrong letters into a picture."""
    (tmp_path / "rows.csv").write_bytes("title\nFüchse\n".encode("cp1252"))
    with pytest.raises(RequestError, match=r"rows\.csv is not UTF-8\. Save it as UTF-8, or read it with pandas"):
        cell("--each rows.csv", "{row.title}")


def test_identical_rows_are_sent_once(session: Session, fault_server: FaultServer) -> None:
    """It is said; each row has the picture."""
    batch = ask(session, "{row.title}", rows=[ROWS[0], ROWS[1], ROWS[0]]).result()
    assert batch[0].id == batch[2].id
    assert len(fault_server.posts) == 2
    assert "1 request is the same as another, and sent once." in batch.notes
    assert batch.cost == 0.06


# -- what comes back -------------------------------------------------------------------------------------


def test_rows_come_back_with_what_became_of_them(session: Session) -> None:
    """A column of one of our names stays as it was."""
    rows = [{"title": "a fox", "status": "new"}, {"title": "a cat", "status": "old"}]
    batch = ask(session, "{row.title}", rows=rows).result()
    for row, made, came_in in zip(batch.to_rows(), batch, rows, strict=True):
        assert {name: row[name] for name in came_in} == came_in
        assert row["seedream_status"] == "done"
        assert (row["picture"], row["mark"]) == (str(made[0].path), made[0].mark)
        assert (row["cost"], row["error"], row["seconds"]) == (0.03, None, made.seconds)


def test_a_sweep_comes_back_with_its_labels(session: Session) -> None:
    """By the names of the sweep, and the number of the variation."""
    batch = ask(session, "a fox, {style}", over={"style": ["ink", "oil"]}, repeat=2).result()
    assert [(row["style"], row["variation"]) for row in batch.to_rows()] == [
        ("ink", 1), ("ink", 2), ("oil", 1), ("oil", 2),
    ]  # fmt: skip
    assert batch["oil", 2].prompt == "a fox, oil"
    assert [made.prompt for made in batch["ink"]] == ["a fox, ink"] * 2


def test_the_rows_are_saved_and_kept_fresh(session: Session, fault_server: FaultServer, tmp_path: Path) -> None:
    """A file is there from the beginning, and complete at the end."""
    import threading

    opened = threading.Event()

    def answer(_: Seen) -> Links:
        assert opened.wait(60)
        return Links()

    fault_server.on(POST, answer)
    batch = ask(session, "{row.title}", rows=ROWS)
    batch.save("out.csv")
    batch.save(tmp_path / "out.jsonl")
    assert len((tmp_path / "out.csv").read_text("utf-8").splitlines()) == 4
    opened.set()
    batch.result()
    until(lambda: (tmp_path / "out.csv").read_text("utf-8").count("done") == 3)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [row["title"] for row in csv.DictReader(file)] == ["a fox", "a cat", "a dog"]
    until(lambda: (tmp_path / "out.jsonl").read_text("utf-8").count("done") == 3)
    assert json.loads((tmp_path / "out.jsonl").read_text("utf-8").splitlines()[1])["title"] == "a cat"
    with pytest.raises(SeedreamError, match=r"write the name of a \.csv or \.jsonl file"):
        batch.save("out.xlsx")


def test_a_frame_keeps_its_index(session: Session) -> None:
    """And its columns' types; its index is the labels."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"title": ["a fox", "a cat"], "price": [1.5, 2.5]}, index=["A-1", "B-2"])
    batch = ask(session, "{row.title} for {row.price}", rows=frame, repeat=2).result()
    whole = batch.to_frame()
    assert list(whole.index) == ["A-1", "A-1", "B-2", "B-2"]
    assert list(whole.columns) == [
        "title", "price", "variation", "picture", "mark", "status", "error", "cost", "seconds",
    ]  # fmt: skip
    assert whole["price"].dtype == float
    assert batch["B-2", "1"].prompt == "a cat for 2.5"


@pytest.mark.parametrize("option", ["-s", "-a", "-n", "--sequential", "--model"])
def test_a_gap_in_a_table_does_not_mean_the_default(cell: Callable[..., Asked], option: str) -> None:
    """A picture of the default size, or of another model, would be paid for without a word."""
    with pytest.raises(RequestError, match=r"row 2: .*\{row\.value\} is None, so it has no value"):
        cell(f"--each rows {option} {{row.value}}", "a fox", rows=[{"value": VALID[option]}, {"value": None}])


VALID = {"-s": "2K", "-a": "16:9", "-n": 2, "--sequential": "auto", "--model": "seedream-4.5"}


@pytest.mark.parametrize("name", ["image", "images"])
def test_a_row_loses_its_reference_only_on_purpose(session: Session, name: str) -> None:
    """A function that finds none gives None, and the picture would be paid for without it; [] says so."""
    with pytest.raises(RequestError, match=rf"{name}: the function returns None; for no reference image return \[\]"):
        called_batch(session, "a fox", {name: lambda _: None}, rows=[{"of": 1}])  # type: ignore[misc]
    asked = called_batch(session, "a fox", {"images": lambda _: []}, rows=[{"of": 1}])
    assert not asked.requests[0].images


@pytest.mark.parametrize("name", ["size", "aspect", "watermark", "model", "image"])
def test_none_is_no_value_of_a_swept_option(session: Session, name: str) -> None:
    """It would be the default, under a label that does not say so."""
    with pytest.raises(RequestError, match=f"{name}: one of the values is None"):
        called_batch(session, "a fox", {}, over={name: [None]})


def test_a_key_in_a_table_is_neither_shown_nor_saved(new_session: NewSession, fault_server: FaultServer) -> None:
    """Nor as a label: a column that no prompt uses would stand in the notebook and in the saved file too."""
    session, key = new_session(key=f"sk_{KEY}"), KEY
    for asked in ({"rows": [{"of": key}]}, {"rows": [{key: 1}]}, {"over": {"x": {key: "ink"}}}):
        with pytest.raises(RequestError, match="Your key is in the table or the labels") as refused:
            ask(session, "a fox", **asked) if "rows" in asked else ask(session, "a fox {x}", **asked)
        assert key not in f"{refused.value!r} {refused.value.args}"
    assert not fault_server.posts


KEY = "Zq7XvTgWpLmRkYbN"


def test_what_cant_be_saved_leaves_no_other_file(session: Session, tmp_path: Path) -> None:
    """Else one would come every two seconds on a full disk; half of a character is written as its code."""
    batch = ask(session, "a fox", rows=[{"title": "\ud800"}]).result()
    assert "\\ud800" in batch.save(tmp_path / "out.csv").read_text("utf-8")
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(SeedreamError, match="can't be written"):
        batch.save(tmp_path / "taken.csv")
    assert not list(tmp_path.glob(".*.csv-*"))
