"""From what was written, in a cell or in Python, to what a batch asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from seedream_nb.batches.axes import Axis, axes_of, check_names, crossed, written_axes
from seedream_nb.batches.plan import Asked, Point, Shape, asked
from seedream_nb.batches.tables import points_of, table_of
from seedream_nb.errors import Problem, RequestError, describe_value, request_error
from seedream_nb.files import working_folder
from seedream_nb.options import ALL
from seedream_nb.prompt import Expression, expand, parts_of
from seedream_nb.references.foreign import describe_error
from seedream_nb.references.resolve import SharedReferences
from seedream_nb.scope import NamesScope, OverlaidScope, mentions, scalar

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest
    from seedream_nb.scope import Scope
    from seedream_nb.session import Session

TEMPLATES = ("size", "aspect", "max_images", "sequential", "model")
"""The options of a cell whose values may have expressions of a row or a sweep."""
ROW = "row"
BOTH = "--sweep and --each together: write the values of the sweep into the table, one row for each."
IS_NONE = "is None, so it has no value. Give it one; in a table, fillna fills such gaps."
TOGETHER = "over and rows together: write the values of over into the rows, one row for each."


def typed_batch(session: Session, cell: str, options: CellOptions, problems: Sequence[Problem]) -> Asked:
    """Return what a cell asks for.

    Raises:
        RequestError: something is wrong with any of it; nothing was sent.
    """
    sweeps, each = options.get("sweep"), options.get("each")
    if each is not None and sweeps:
        raise request_error([*problems, Problem(BOTH)])
    points, frame, axes = [Point()], None, list[Axis]()
    if each is not None:
        table = table_of(_table_value(each, session.scope), f"--each {each}", working_folder())
        points, frame = points_of(table), table.frame
    elif sweeps:
        axes = written_axes(sweeps, session.scope)
        words = [str(options.get(name) or "") for name in TEMPLATES]
        images = [f"{{{word}}}" if str(word).isidentifier() else str(word) for word in _listed(options.get("images"))]
        given = [name for name in TEMPLATES if options.get(name) is not None]
        check_names(axes, cell, given=given, others=[*words, *images])
        points = crossed(axes)
    names = {ROW} if each is not None else {axis.name for axis in axes}
    shared = SharedReferences(names)

    def compose(point: Point) -> ImageRequest:
        scope = OverlaidScope(point.values, session.scope) if names else session.scope
        own = {**options, **_expanded(options, scope, names), **_without_image(point.options)}
        own["images"] = [*_images(options, scope, names), *_swept_image(point.options)]
        return session.compose(cell, scope=scope, typed=True, problems=problems, shared=shared, **own)

    template = cell.strip()
    return asked(points, _shape(options.get("repeat"), each, axes), compose, template=template, frame=frame)


def called_batch(  # noqa: PLR0913 - what a call has to say of a batch
    session: Session, prompt: str, options: CellOptions, *, repeat: object = 1, over: object = None, rows: object = None
) -> Asked:
    """Return what a call asks for.

    Raises:
        RequestError: something is wrong with any of it; nothing was sent.
    """
    times = scalar(repeat)
    problems = [*ALL["repeat"].problems(times)]
    if over is not None and rows is not None:
        problems.append(Problem(TOGETHER))
    if problems:
        raise request_error(problems)
    points, frame, axes = [Point()], None, list[Axis]()
    if rows is not None:
        table = table_of(rows, "rows", working_folder())
        points, frame = points_of(table), table.frame
    elif over is not None:
        axes = axes_of(_named(over))
        given = [name for name in ALL if options.get(name) is not None]
        check_names(axes, prompt, given=given)
        points = crossed(axes)
    values = options.get("values")
    is_template = values is not None or rows is not None or over is not None
    names = {ROW} if rows is not None else {axis.name for axis in axes}
    shared = SharedReferences(names)

    def compose(point: Point) -> ImageRequest:
        own = {name: _called(name, value, point) for name, value in options.items()}
        own.update(_without_image(point.options))
        images = [*_listed(own.pop("images", None)), *_listed(own.pop("image", None)), *_swept_image(point.options)]
        if is_template:
            names_given = NamesScope(cast("Mapping[str, object]", values or {})).namespace()
            own["values"] = {
                **{name: names_given[name] for name in names_given if name != "__builtins__"},
                **point.values,
            }
        return session.compose(prompt, shared=shared, **{**own, "images": images})

    each = None if rows is None else "rows"
    return asked(points, _shape(times, each, axes), compose, template=prompt if is_template else None, frame=frame)


def _shape(repeat: object, each: str | None, axes: Sequence[Axis]) -> Shape:
    names = (ROW,) if each is not None else tuple(axis.name for axis in axes)
    return Shape(axes=names, repeat=repeat if isinstance(repeat, int) else 1)


def _table_value(written: str, scope: Scope) -> object:
    """Return what `--each` means: the path of a file that is there, or the value of an expression."""
    if re.search(r"\.(csv|tsv|jsonl|ndjson)$", written, re.IGNORECASE):
        return written
    try:
        return scope.evaluate(written)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic in Rust, and SystemExit, are not Exceptions
        raise RequestError(f"--each {written} raises {describe_error(error)}.") from error


def _named(over: Any) -> list[tuple[str, object]]:  # noqa: ANN401 - checked here
    if not hasattr(over, "items"):
        told = f"over: found {describe_value(over)}"
        raise RequestError(f'{told}; write a dict of names and their values, such as over={{"style": ["ink", "oil"]}}.')
    pairs = list(over.items())
    if wrong := [name for name, _ in pairs if not (isinstance(name, str) and name.isidentifier())]:
        raise RequestError(f"over: found the name {describe_value(wrong[0])}; a name must be one of the prompt.")
    return pairs


# -- the options of one point ------------------------------------------------------------------------


def _expanded(options: CellOptions, scope: Scope, names: Collection[str]) -> dict[str, Any]:
    """Return the options whose values have expressions of a row or a sweep, with what those are."""
    given = {name: options.get(name) for name in TEMPLATES}
    found = {name: _value(text, scope, names) for name, text in given.items() if isinstance(text, str)}
    if lacking := [name for name, value in found.items() if value is None]:
        raise request_error([Problem(f"{name}: {given[name]} {IS_NONE}") for name in lacking])
    return {name: _as_option(name, value) for name, value in found.items() if value is not given[name]}


def _as_option(name: str, value: object) -> object:
    own = scalar(value)
    if ALL[name].kind != "whole":
        return own
    if isinstance(own, str) and re.fullmatch("[0-9]{1,9}", own.strip()):  # as a CSV has it
        return int(own)
    return int(own) if isinstance(own, float) and own.is_integer() else own  # as a column with gaps has it


def _value(text: str, scope: Scope, names: Collection[str]) -> object:
    """Return what a word means: the value of its one expression, or its text with the values put in."""
    parts = list(parts_of(text, markdown=False))
    expressions = [part for part in parts if isinstance(part, Expression)]
    if not any(mentions(part.code, names) for part in expressions):
        return text
    alone = [part for part in parts if part != ""]
    if len(alone) == 1 and not expressions[0].conversion and not expressions[0].format:
        try:
            return scope.evaluate(expressions[0].code)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # a panic in Rust, and SystemExit, are not Exceptions
            raise RequestError(f"{{{expressions[0].code}}} raises {describe_error(error)}.") from error
    return expand(text, scope, markdown=False)


def _images(options: CellOptions, scope: Scope, names: Collection[str]) -> list[object]:
    """Return the references of a point; a text that a value gives is a path or an address, and is not evaluated."""
    words = options.get("images") or ()
    images: list[object] = []
    for word in _listed(words):
        value = _value(word, scope, names) if isinstance(word, str) and names else word
        images.append(value if value is word else [value])
    return images


def _swept_image(options: Mapping[str, Any]) -> list[object]:
    return [[options["image"]]] if "image" in options else []


def _without_image(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "image"}


def _listed(images: Any) -> list[object]:  # noqa: ANN401 - anything
    if images is None:
        return []
    return list(images) if type(images) in {list, tuple} else [images]


def _called(name: str, value: object, point: Point) -> object:
    """Return the value of an option: a function is called with the row, or the names and values of the point."""
    is_function = callable(value) and not isinstance(value, type) and hasattr(value, "__code__")
    if not is_function or not point.values:
        return value
    argument = point.values.get(ROW) if point.row is not None else dict(point.values)
    try:
        result = value(argument)  # type: ignore[operator]
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic in Rust, and SystemExit, are not Exceptions
        raise RequestError(f"{name}: the function raises {describe_error(error)}.") from error
    if result is None and ALL[name].kind == "reference":  # as `photos.get` gives where there is none
        raise RequestError(f"{name}: the function returns None; for no reference image return [].")
    return result
