"""The rows of a table, whatever it is: a DataFrame, a list of dicts, a `.csv` or `.jsonl` file."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.batches.plan import MAX_REQUESTS, Point
from seedream_nb.errors import Problem, describe_value, did_you_mean, plain, request_error
from seedream_nb.files import read_regular
from seedream_nb.frozen import frozen
from seedream_nb.references.foreign import describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 100_000_000
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
DELIMITERS = ",;\t|"
MAX_LABEL, SHOWN = 60, 60
ROW_IS = "write a list of dictionaries, a DataFrame, or the path of a .csv or .jsonl file."


class Row:
    """One row: `row.title` and `row["title"]` are the value of its column of that name."""

    def __init__(self, columns: Mapping[Any, Any]) -> None:
        """Have these columns."""
        self._columns = columns

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any value
        """Return the value of a column; `get`, `items` and the like are a dict's, where no column is named so."""
        if name.startswith("__"):
            raise AttributeError(name)
        columns = self.__dict__["_columns"]
        if name in columns:
            return columns[name]
        if hasattr(dict, name):
            return getattr(dict(columns), name)
        raise AttributeError(_no_column(name, columns))

    def __getitem__(self, name: Any) -> Any:  # noqa: ANN401 - any value
        """Return the value of a column."""
        if name in self._columns:
            return self._columns[name]
        raise LookupError(_no_column(name, self._columns))

    def __contains__(self, name: object) -> bool:
        """Return whether there is a column of this name."""
        return name in self._columns

    def __iter__(self) -> Iterator[Any]:
        """Yield the names of the columns."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def __repr__(self) -> str:
        """Show it as a dict."""
        return repr(dict(self._columns))


def _no_column(name: object, columns: Iterable[object]) -> str:
    known = [str(column) for column in columns]
    guess = did_you_mean(str(name), known)
    there = f" It has {plain(', '.join(known), SHOWN)}."
    return f"the table has no column {plain(str(name), 40)}.{guess or there}"


@frozen
class Table:
    """The rows that came in, and what else there is to know of the table."""

    rows: tuple[Mapping[Any, Any], ...]
    labels: tuple[str, ...]
    frame: Any = None
    """The DataFrame, if it is one."""


def points_of(table: Table) -> list[Point]:
    """Return a point for each row."""
    return [
        Point(labels=(label,), name=f"row {number}", values={"row": Row(row)}, row=row)
        for number, (label, row) in enumerate(zip(table.labels, table.rows, strict=True), 1)
    ]


def table_of(value: Any, name: str, folder: Path) -> Table:  # noqa: ANN401 - somebody's own
    """Return a table; `name` is how it was written, and relative paths are seen from `folder`.

    Raises:
        RequestError: it is none, has no rows or too many, or can't be read.
    """
    try:
        table = _read(value, name, folder)
    except Problem as problem:
        raise request_error([problem]) from None
    if not table.rows:
        raise request_error([Problem(f"{name}: the table has no rows.")])
    if len(table.rows) > MAX_REQUESTS:
        raise request_error([Problem(f"{name}: the table has more than {MAX_REQUESTS:,} rows, the most in a batch.")])
    return table


def _read(value: Any, name: str, folder: Path) -> Table:  # noqa: ANN401 - somebody's own
    if isinstance(value, str | Path):
        told = name if str(value) in name else f"{name} ({value})"
        return _numbered(_of_file(folder / Path(value).expanduser(), told))
    try:
        if hasattr(value, "columns") and hasattr(value, "to_dict") and hasattr(value, "index"):  # pandas
            return _of_frame(value, name)
        for method in ("to_dicts", "to_pylist"):  # polars, Arrow
            if callable(convert := getattr(value, method, None)):
                return _numbered(_checked(convert(), name))
    except Problem:
        raise
    except Exception as error:
        raise Problem(f"{name} can't be read: {describe_error(error)}.") from error
    if isinstance(value, Mapping | bytes) or not isinstance(value, Iterable):
        raise Problem(f"{name}: found {describe_value(value)}; {ROW_IS}")
    return _numbered(_checked(itertools.islice(value, MAX_REQUESTS + 1), name))


def _of_frame(frame: Any, name: str) -> Table:  # noqa: ANN401 - a DataFrame of pandas
    columns = list(frame.columns)
    if twice := next((column for column in columns if columns.count(column) > 1), None):
        raise Problem(f"{name}: two columns are called {plain(str(twice), 40)}; rename one.")
    rows = _checked(frame.to_dict("records"), name)
    index = [plain(str(label), MAX_LABEL) for label in frame.index]
    is_named = len(set(index)) == len(index) and index != [str(number) for number in range(len(index))]
    labels = tuple(index) if is_named else _numbered(rows).labels
    return Table(rows=tuple(rows), labels=labels, frame=frame)


def _numbered(rows: list[Mapping[Any, Any]]) -> Table:
    return Table(rows=tuple(rows), labels=tuple(str(number) for number in range(1, len(rows) + 1)))


def _checked(rows: Iterable[Any], name: str) -> list[Mapping[Any, Any]]:
    checked: list[Mapping[Any, Any]] = []
    for number, row in enumerate(rows, 1):
        columns = row._asdict() if hasattr(row, "_asdict") else row  # a named tuple
        if not isinstance(columns, Mapping):
            raise Problem(f"{name}: row {number} is {describe_value(row)}, not a dictionary; {ROW_IS}")
        checked.append(columns)
    return checked


def _of_file(path: Path, name: str) -> list[Mapping[Any, Any]]:
    told = plain(name, SHOWN)
    if path.suffix.lower() not in SUFFIXES:
        raise Problem(f"{told}: found a path; {ROW_IS}")
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise Problem(f"{told} can't be read: {error.strerror or error}.") from None
    text = _decoded(content, told)
    return _of_csv(text, told) if path.suffix.lower() in SUFFIXES[:2] else _of_lines(text, told)


def _decoded(content: bytes, told: str) -> str:
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        remedy = 'Save it as UTF-8, or read it with pandas: --each pandas.read_csv("…", encoding="cp1252")'
        raise Problem(f"{told} is not UTF-8. {remedy}") from None


def _of_csv(text: str, told: str) -> list[Mapping[Any, Any]]:
    head = next(iter(text.splitlines()), "")
    delimiter = max(DELIMITERS, key=head.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [line for line in itertools.islice(reader, MAX_REQUESTS + 2) if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise Problem(f"{told} is damaged: {error}.") from None
    if not lines:
        return []
    columns = [column.strip() for column in lines[0]]
    if twice := next((column for column in columns if columns.count(column) > 1), None):
        raise Problem(f"{told}: two columns are called {plain(twice, 40)}; rename one.")
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(columns):
            raise Problem(f"{told}: row {number} has {len(line)} cells, and there are {len(columns)} columns.")
    return [dict(zip(columns, line, strict=True)) for line in lines[1:]]


def _of_lines(text: str, told: str) -> list[Mapping[Any, Any]]:
    rows: list[Mapping[Any, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise Problem(f"{told}: line {number} is not JSON.") from None
        if not isinstance(row, dict):
            raise Problem(f"{told}: line {number} is {describe_value(row)}, not a JSON object.")
        rows.append(row)
        if len(rows) > MAX_REQUESTS:
            break
    return rows
