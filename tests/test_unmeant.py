"""What nobody means as text in a prompt's braces, and what looks like it and is text."""

from __future__ import annotations

import array
import asyncio
import collections
import datetime as dt
import decimal
import enum
import functools
import io
import json
import os
import re
import types
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import pytest
from IPython.display import HTML, JSON, FileLink, Javascript, Latex, Markdown

from seedream_nb.errors import RequestError
from seedream_nb.prompt import expand
from seedream_nb.scope import NamesScope

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bare:
    """Has no text of its own."""

    def method(self) -> str:
        """Return a text."""
        return "x"


class Told:
    """Has one."""

    def __str__(self) -> str:
        """Return it."""
        return "own text"


class Angled(Told):
    """Has one that looks like a bare one's."""

    def __str__(self) -> str:
        """Return markup."""
        return "<b>bold</b>"


class Formatted:
    """Has a text for formats only."""

    def __format__(self, form: str) -> str:
        """Return it."""
        return f"formatted {form}".strip()


class ArrowScalar:
    """One cell of an Arrow table: its text is that of what it holds."""

    is_valid = True

    def __init__(self, held: object) -> None:
        """Hold a value."""
        self._held = held

    def as_py(self) -> object:
        """Return it as Python's own."""
        return self._held

    def __str__(self) -> str:
        """Return its text."""
        return str(self._held)


class Plan:
    """A table that is still to be computed: its text is how."""

    schema: object = None

    @property
    def columns(self) -> list[str]:
        """Return the names of its columns."""
        return ["title"]

    def __str__(self) -> str:
        """Return its plan."""
        return "naive plan: SELECT title"


@dataclass
class Style:
    """Shows its fields."""

    name: str = "ink"


class Ink(enum.Enum):
    """A choice."""

    BLACK = 1


class Colour(str, enum.Enum):  # noqa: UP042 - a StrEnum has another text
    """A choice that is a text."""

    RED = "red"


class Tags(list[object]):
    """A list that says how it is written."""

    def __str__(self) -> str:
        """Return its items."""
        return " ".join(map(str, self))


class Stream:
    """Gives its items one by one, and has a text of its own."""

    def __iter__(self) -> Iterator[int]:
        """Return itself."""
        return self

    def __next__(self) -> int:
        """End."""
        raise StopIteration

    def __str__(self) -> str:
        """Return a text."""
        return "a stream"


class Column:
    """An expression over a column that is still to be computed."""

    def cast(self) -> Column:
        """Return itself."""
        return self

    def __bool__(self) -> bool:
        """Say that nobody knows."""
        raise TypeError("the truth value of an expression is ambiguous")

    def __str__(self) -> str:
        """Return how it is computed."""
        return '[(col("a")) + (dyn int: 1)]'


class Rolling:
    """Says its class and settings, in a text of its own."""

    def __str__(self) -> str:
        """Return it."""
        return "Rolling [window=2,method=single]"


class Inked:
    """Is written as people write."""

    def __repr__(self) -> str:
        """Return it."""
        return "ink wash (dark)"


async def awaitable() -> None:
    """Do nothing."""


Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024 - as people write it
Masked = np.ma.masked

REFUSED: list[tuple[object, list[str]]] = [
    (None, ["{it} is None", "fillna", "{it!s}"]),
    (float("nan"), ["{it} is nan", "fillna", "{it!s}"]),
    (np.float32("nan"), ["is nan"]),
    (np.array(float("nan")), ["is nan"]),
    (np.array(None), ["is None"]),
    (decimal.Decimal("NaN"), ["is NaN"]),
    (decimal.Decimal("sNaN"), ["is sNaN"]),
    (complex("nan"), ["nan"]),
    (np.datetime64("NaT"), ["is NaT"]),
    (np.timedelta64("NaT"), ["is NaT"]),
    (Masked, ["is --"]),
    (..., ["is Ellipsis, so it has no value", "{it!s}"]),
    (NotImplemented, ["is NotImplemented"]),
    (["ink", ...], ["it[1] is Ellipsis"]),
    ({"ink": 1}.keys(), ["is a dict_keys", "', '.join(it)"]),
    ({1: "ink"}.values(), ["is a dict_values"]),
    (enumerate("ab"), ["is an enumerate"]),
    (np.add, ["would read <ufunc"]),
    (b"ink", ["is bytes", "{it.decode()}"]),
    (bytearray(b"ink"), ["is bytes"]),
    (memoryview(b"ink"), ["is bytes", "{bytes(it).decode()}"]),
    (Path("a.png"), ["is a path", "{it!s}"]),
    (PurePosixPath("a.png"), ["is a path"]),
    (io.BytesIO(b"x"), ["is an open file"]),
    (io.StringIO("x"), ["is an open file", "{it.read()}"]),
    (np.array([1, 2]), ["is an array of shape (2,)", "{it!s}"]),
    (np.array(["ink", "oil"]), ["is an array of shape (2,)"]),
    (np.zeros((1, 2, 2, 3)), ["shape (1, 2, 2, 3)"]),
    (array.array("d", [1.0]), ["is an array"]),
    ("name".upper, ["is a method that was not called", "{it()}"]),
    (Bare().method, ["is a method that was not called", "{it()}"]),
    (len, ["is a function that was not called"]),
    (lambda: 1, ["is a function that was not called"]),
    (functools.partial(print, 1), ["is a function that was not called"]),
    (functools.lru_cache(lambda: 1), ["is a function that was not called"]),
    (Bare, ["is a class, Bare"]),
    ((each for each in "ab"), ["is a generator", "', '.join(it)"]),
    (zip("a", "b", strict=True), ["is a zip"]),
    (map(str, [1]), ["is a map"]),
    (ipywidgets.Dropdown(options=["ink"]), ["is a widget (Dropdown)", "{it.value}"]),
    (ipywidgets.Button(), ["is a widget (Button)"]),
    (Bare(), ["would read <", "{it!s}"]),
    (HTML("<b>"), ["is what a notebook shows (HTML)", "{it.data}"]),
    (JSON({"a": 1}), ["is what a notebook shows (JSON)", "variable that holds text"]),
    (Markdown("*a*"), ["is what a notebook shows (Markdown)", "{it.data}"]),
    (Latex("$a$"), ["is what a notebook shows (Latex)", "{it.data}"]),
    (Javascript("1"), ["is what a notebook shows (Javascript)"]),
    (FileLink("a.png"), ["is a link to a file", "--image it"]),
    (os, ["would read <module 'os'"]),
    (["ink", None], ["it[1] is None", "{it!s}"]),
    (["ink", float("nan")], ["it[1] is nan"]),
    (("ink", [b"x"]), ["it[1][0] is bytes"]),
    ({"ink", None}, ["an item of it is None"]),
    ({"a": float("nan")}, ["it['a'] is nan"]),
    ({"a": [Path("a.png")]}, ["it['a'][0] is a path"]),
    ({"a": len}, ["it['a'] is a function that was not called"]),
    ({"a": Bare()}, ["it['a'] would read <"]),
    ([Bare()], ["it[0] would read <"]),
    ([np.zeros(3)], ["it[0] is an array"]),
    (Pair(a="ink", b=None), ["it[1] is None"]),
    (collections.deque([None]), ["it[0] is None"]),
    (collections.UserList(["ink", b"x"]), ["it[1] is bytes"]),
    (collections.UserDict(a=float("nan")), ["it['a'] is nan"]),
    (collections.ChainMap({"a": b"x"}), ["it['a'] is bytes"]),
    (types.MappingProxyType({"a": [None]}), ["it['a'][0] is None"]),
    ({b"a": 1}, ["a key of it is bytes"]),
    ([Ink.BLACK], ["it[0] would read <Ink.BLACK: 1>", "the part of it that you mean", "{it!s}"]),
    ({"a": Ink.BLACK}, ["it['a'] would read <Ink.BLACK: 1>"]),
    ([Colour.RED], ["it[0] would read <Colour.RED: 'red'>"]),
    ([HTML("a")], ["it[0] is what a notebook shows (HTML)"]),
    ([re], ["it[0] would read <module 're'"]),
    ([re.match("a", "a")], ["it[0] would read <re.Match"]),
    (np.array(b"x"), ["{it} is bytes", "{it.item().decode()}"]),
    (np.void(b"abc"), ["{it} is bytes"]),
    (np.array(Path("a.png"), dtype=object), ["{it} is a path"]),
    (np.array(len, dtype=object), ["{it} is a function"]),
    ([np.array(b"x")], ["it[0] is bytes"]),
    (np.ma.array(1, mask=True), ["{it} is --"]),
    ([np.ma.array(1, mask=True)], ["it[0] is --"]),
    (ArrowScalar(None), ["{it} is None"]),
    (ArrowScalar(float("nan")), ["{it} is nan"]),
    (ArrowScalar(b"ink"), ["{it} is bytes"]),
    (ArrowScalar([b"ink"]), ["it[0] is bytes"]),
    ([ArrowScalar(None)], ["it[0] is None"]),
    (Plan(), ["is a table (Plan)", "{it!s}"]),
    (Column(), ["is an expression (Column)", "{it!s}"]),
    (Style(), ["would read Style(name='ink')", "such as an attribute", "{it!s}"]),
    (Rolling(), ["would read Rolling [window=2,method=single]"]),
    (Pair(a=1, b=2), ["would read Pair(a=1, b=2)"]),
    (slice(2), ["would read slice(None, 2, None)"]),
    (range(3), ["would read range(0, 3)"]),
    (frozenset("a"), ["would read frozenset({'a'})"]),
    (collections.Counter("a"), ["would read Counter({'a': 1})"]),
    (collections.deque("a"), ["would read deque(['a'])"]),
    (types.SimpleNamespace(a=1), ["would read namespace(a=1)"]),
    (re.compile("a"), ["would read re.compile('a')"]),
    (os.environ, ["would read environ({"]),
    ([Style()], ["it[0] would read Style(name='ink')"]),
    ([Pair(a=1, b=2)], ["it[0] would read Pair(a=1, b=2)"]),
    ([decimal.Decimal("1.5")], ["it[0] would read Decimal('1.5')", "', '.join(map(str, items))"]),
    ({"a": dt.date(2026, 1, 2)}, ["it['a'] would read datetime.date(2026, 1, 2)"]),
    ([types.MappingProxyType({"a": 1})], ["it[0] would read mappingproxy({'a': 1})"]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "told"), REFUSED, ids=[type(value).__name__ for value, _ in REFUSED])
def test_what_nobody_means_as_text_is_refused(value: object, told: list[str]) -> None:
    """With what it is, where in the value it stands, and the remedy, in one sentence or two."""
    with pytest.raises(RequestError) as caught:
        expand("a {it} fox", NamesScope({"it": value}))
    (problem,) = caught.value.problems
    assert [each for each in told if each not in problem] == []
    assert problem.startswith("{it}")


@pytest.mark.parametrize(("value", "told"), REFUSED, ids=[type(value).__name__ for value, _ in REFUSED])
def test_a_conversion_means_the_text_on_purpose(value: object, told: list[str]) -> None:  # noqa: ARG001 - the same table
    """`!s` and `!r`, whatever the value is."""
    if not isinstance(value, decimal.Decimal):
        assert expand("{it!s}|{it!r}", NamesScope({"it": value})) == f"{value!s}|{value!r}"


TEXTS: list[tuple[object, str]] = [
    ("", ""),
    ("None", "None"),
    ("nan", "nan"),
    ("<function f at 0x7f0012345678>", "<function f at 0x7f0012345678>"),
    (np.str_("ink"), "ink"),
    (3, "3"),
    (True, "True"),
    (0.5, "0.5"),
    (float("inf"), "inf"),
    (decimal.Decimal("1.50"), "1.50"),
    (np.int64(3), "3"),
    (np.float32(0.5), "0.5"),
    (np.bool_(1), "True"),
    (np.array(3), "3"),
    (np.datetime64("2026-01-02"), "2026-01-02"),
    (dt.date(2026, 1, 2), "2026-01-02"),
    (Told(), "own text"),
    (Angled(), "<b>bold</b>"),
    (Formatted(), "formatted"),
    (Ink.BLACK, "Ink.BLACK"),
    (ValueError("bad"), "bad"),
    (Stream(), "a stream"),
    (["ink", "oil"], "['ink', 'oil']"),
    ([], "[]"),
    (("ink", 3), "('ink', 3)"),
    ({"a": 1, "b": None}, "{'a': 1, 'b': None}"),
    ({"ink"}, "{'ink'}"),
    ({None: 1}, "{None: 1}"),
    (np.ma.array(1, mask=False), "1"),
    (np.array(Ink.BLACK, dtype=object), "Ink.BLACK"),
    (Colour.RED, str(Colour.RED)),
    (["<b>"], "['<b>']"),
    (Tags([b"x"]), "b'x'"),
    (collections.UserDict(a=None), "{'a': None}"),
    (types.MappingProxyType({"a": 1}), "{'a': 1}"),
    (Inked(), "ink wash (dark)"),
    ([Inked()], "[ink wash (dark)]"),
    ({"a": [1, (2.5, "b")]}, "{'a': [1, (2.5, 'b')]}"),
    (1 + 2j, "(1+2j)"),
    ("Point(x=1)", "Point(x=1)"),
    (["Point(x=1)"], "['Point(x=1)']"),
    (ArrowScalar("ink"), "ink"),
    (ArrowScalar(3), "3"),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=[type(value).__name__ for value, _ in TEXTS])
def test_what_has_a_text_is_text(value: object, text: str) -> None:
    """Texts whatever they say, numbers, numpy's scalars, what says itself how it is written, lists of such."""
    assert expand("a {it} fox", NamesScope({"it": value})) == f"a {text} fox"


FORMATS: list[tuple[str, object, str | None]] = [
    ("{it:.2f}", float("nan"), None),
    ("{it:>8}", np.float64("nan"), None),
    ("{it:}", None, None),
    ("{it:}", b"x", None),
    ("{it:}", ["ink", None], None),
    ("{it:}", Path("a.png"), "a.png"),
    ("{it:.1f}", np.float32(0.25), "0.2"),
    ("{it:%d.%m.}", dt.date(2026, 1, 2), "02.01."),
    ("{it:wide}", Formatted(), "formatted wide"),
    ("{it!s:>5}", None, " None"),
]


@pytest.mark.parametrize(("template", "value", "text"), FORMATS)
def test_a_format_makes_no_text_of_what_is_none(template: str, value: object, text: str | None) -> None:
    """NaN with two digits is still NaN; but a path that is formatted is meant as text."""
    scope = NamesScope({"it": value})
    if text is not None:
        assert expand(template, scope) == text
        return
    with pytest.raises(RequestError, match=r"is (nan|None|bytes)|it.1. is None"):
        expand(template, scope)


class Described:
    """An array without a dimension whose text describes it, as those of xarray do."""

    shape = ()

    def __init__(self, value: float) -> None:
        """Hold this value."""
        self.value = value

    def item(self) -> float:
        """Return the value."""
        return self.value

    def __repr__(self) -> str:
        """Describe it."""
        return f"<xarray.DataArray ()> Size: 8B\narray({self.value})"

    def __format__(self, form: str) -> str:
        """Describe it, or give its value in a format."""
        return format(self.value, form) if form else repr(self)


@pytest.mark.parametrize("template", ["{it}", "{many}", "{many[0]}"])
def test_the_description_of_a_scalar_is_nobodys_text(template: str) -> None:
    """`{table.mean()}` of xarray: its value was meant."""
    mean = Described(2.5)
    with pytest.raises(RequestError, match=r"would read <xarray\.DataArray"):
        expand(template, NamesScope({"it": mean, "many": [mean]}))
    assert expand("{it:.1f} {it.item()}", NamesScope({"it": mean})) == "2.5 2.5"


def test_a_scalar_that_reads_as_its_value_is_text() -> None:
    """Whatever that value begins with."""
    assert expand("{it} {one}", NamesScope({"it": np.array("<b>"), "one": np.float32(1)})) == "<b> 1.0"


def test_a_coroutine_is_to_be_awaited() -> None:
    """It is no text."""
    coroutine = awaitable()
    with pytest.raises(RequestError, match=r"is a coroutine\. Await it first"):
        expand("{it}", NamesScope({"it": coroutine}))
    asyncio.run(coroutine)


def test_gaps_of_tables_are_refused() -> None:
    """Those of pandas, and a whole column or table."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"title": ["Fox", None], "price": [1.5, float("nan")]})
    row = table.iloc[1]
    scope = NamesScope({"row": row, "na": pandas.NA, "nat": pandas.NaT, "table": table, "first": table.iloc[0]})
    for code in ("row.title", "row['price']", "na", "nat", "table", "table.title", "row"):
        with pytest.raises(RequestError) as caught:
            expand(f"{{{code}}}", scope)
        assert caught.value.problems[0].startswith(f"{{{code}}} is ")
    assert expand("{first.title} {first.price}", scope) == "Fox 1.5"


class Hostile:
    """Raises whatever one asks of it."""

    def __getattribute__(self, name: str) -> Any:
        """Raise."""
        raise ConnectionError(name)


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [value], lambda value: {"a": value}])
def test_a_value_that_raises_is_a_problem_of_the_request(wrap: Any) -> None:
    """And no bare error, also within a list."""
    with pytest.raises(RequestError):
        expand("{it}", NamesScope({"it": wrap(Hostile())}))


def test_a_list_that_holds_itself_is_looked_through_once() -> None:
    """And reads as Python writes it."""
    loop: list[object] = ["ink"]
    loop.append(loop)
    assert expand("{it}", NamesScope({"it": loop})) == "['ink', [...]]"


@pytest.mark.parametrize("value", ["x" * 1_000_000, list(range(100_000)), json.loads("[" * 500 + "]" * 500)])
def test_large_values_take_no_long_time(value: object) -> None:
    """Whatever they hold."""
    assert expand("{it}", NamesScope({"it": value})) == str(value)
