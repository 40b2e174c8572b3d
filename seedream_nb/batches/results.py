"""A batch as a table: its rows with what became of each, as a list, a DataFrame, or a file that is kept fresh."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seedream_nb.errors import SeedreamError, describe_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from seedream_nb.batches.member import Member
    from seedream_nb.batches.plan import Shape

COLUMNS = ("picture", "mark", "status", "error", "cost", "seconds")
"""What is added to each row."""
VARIATION = "variation"
FRESH_SECONDS = 2.0
"""How often a saved file is written anew while the batch runs."""
KINDS = (".csv", ".jsonl")


def rows_of(members: Sequence[Member], shape: Shape) -> list[dict[Any, Any]]:
    """Return the rows that came in, or the values of a sweep, each with what became of it."""
    return [{**_came_in(member, shape), **_named(_outcome(member, shape), _columns(member))} for member in members]


def _columns(member: Member) -> set[object]:
    return set(member.point.row or ())


def _named(outcome: Mapping[str, object], taken: set[object]) -> dict[str, object]:
    """Return the outcome under names that no column has."""
    return {f"seedream_{name}" if name in taken else name: value for name, value in outcome.items()}


def _came_in(member: Member, shape: Shape) -> dict[Any, Any]:
    if member.point.row is not None:
        return dict(member.point.row)
    return dict(zip(shape.axes, member.point.labels, strict=False))


def _outcome(member: Member, shape: Shape) -> dict[str, object]:
    made, error = member.generation, member.error
    first = made.images[0] if made is not None and made.images else None
    told = str(error) if error is not None else None if made is None else made.error
    values = (
        None if first is None else str(first.path),
        None if first is None else first.mark,
        member.status,
        told,
        None if made is None else made.cost,
        None if made is None else made.seconds,
    )
    outcome: dict[str, object] = dict(zip(COLUMNS, values, strict=True))
    return {VARIATION: int(member.labels[-1]), **outcome} if shape.repeat > 1 else outcome


def frame_of(members: Sequence[Member], shape: Shape, frame: Any) -> Any:  # noqa: ANN401 - a DataFrame of pandas
    """Return the rows as a DataFrame; that of a DataFrame keeps its index and its columns' types."""
    if frame is None:
        pandas: Any = importlib.import_module("pandas")
        return pandas.DataFrame(rows_of(members, shape))
    positions = [number // shape.repeat for number in range(len(members))]
    whole = frame.iloc[positions].copy()
    outcomes = [_named(_outcome(member, shape), _columns(member)) for member in members]
    for name in outcomes[0] if outcomes else ():
        whole[name] = [outcome[name] for outcome in outcomes]
    return whole


class Table(Protocol):
    """What is saved: rows that change until it is over."""

    @property
    def over(self) -> bool:
        """Whether nothing changes any more."""

    @property
    def version(self) -> int:
        """A number that grows with each change."""

    def to_rows(self) -> list[dict[Any, Any]]:
        """Return the rows as they are now."""


def save(batch: Table, path: str | os.PathLike[str]) -> Path:
    """Write the rows to a `.csv` or `.jsonl` file, and once more whenever something has come of them.

    Raises:
        SeedreamError: it is the name of no such file, or can't be written.
    """
    target = _target(path)
    write = _writer(batch, target)
    try:
        write()
    except OSError as error:
        told = f"{target} can't be written: {error.strerror or type(error).__name__}."
        raise SeedreamError(told, hint="The batch goes on as before. Choose another file.") from None
    if not batch.over:
        threading.Thread(target=_keep_fresh, args=(batch, write), name="seedream rows", daemon=True).start()
    return target


def _target(path: object) -> Path:
    written = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
    if not isinstance(written, str) or Path(written).suffix.lower() not in KINDS:
        raise SeedreamError(f"save: found {describe_value(path)}; write the name of a .csv or .jsonl file.")
    return Path(written).expanduser().absolute()


def _keep_fresh(batch: Table, write: Callable[[], None]) -> None:
    seen = -1
    while not batch.over:
        if batch.version != seen:
            seen = batch.version
            with contextlib.suppress(OSError):  # perhaps later
                write()
        time.sleep(FRESH_SECONDS)
    with contextlib.suppress(OSError):
        write()


def _writer(batch: Table, target: Path) -> Callable[[], None]:
    to_text = _as_csv if target.suffix.lower() == ".csv" else _as_lines

    def write() -> None:
        text = to_text(batch.to_rows())
        # Whoever reads it meanwhile finds the whole of the old one or of the new one.
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below
            "w", dir=target.parent, prefix=f".{target.name}-", encoding="utf-8", errors="backslashreplace",
            newline="", delete=False,
        )  # fmt: skip
        try:
            with file:
                file.write(text)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise

    return write


def _as_csv(rows: Sequence[Mapping[Any, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=_fields(rows), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _fields(rows: Iterable[Mapping[Any, Any]]) -> list[Any]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _as_lines(rows: Sequence[Mapping[Any, Any]]) -> str:
    lines = ({str(name): value for name, value in row.items()} for row in rows)
    return "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines)
