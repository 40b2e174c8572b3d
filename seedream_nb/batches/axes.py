"""What a batch varies: the values of a sweep, with their labels, and the points at which several of them cross."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from seedream_nb.batches.plan import MAX_REQUESTS, Point
from seedream_nb.errors import Problem, describe_value, did_you_mean, plain, request_error
from seedream_nb.frozen import frozen
from seedream_nb.options import ALL
from seedream_nb.prompt import Expression, parts_of
from seedream_nb.references.foreign import describe_error
from seedream_nb.scope import scalar

if TYPE_CHECKING:
    from collections.abc import Collection

    from seedream_nb.scope import Scope

OPTIONS = tuple(option.name for option in ALL.values() if option.may_be_swept)
"""The options that can be swept, besides the names of the prompt."""
MAX_LABEL = 60


@frozen
class Axis:
    """One thing that is varied: its name, its values, a label for each."""

    name: str
    values: tuple[object, ...]
    labels: tuple[str, ...]


def written_axes(sweeps: Sequence[str], scope: Scope) -> list[Axis]:
    """Return the axes of a cell's `--sweep name=expression`.

    Raises:
        RequestError: an expression fails, or has no values that can be swept.
    """
    given: list[tuple[str, object]] = []
    problems: list[Problem] = []
    for sweep in sweeps:
        try:
            name, code = _parted(sweep)
            given.append((name, _evaluated(name, code, scope)))
        except Problem as problem:
            problems.append(problem)
    if problems:
        raise request_error(problems)
    return axes_of(given)


def _parted(sweep: str) -> tuple[str, str]:
    name, equals, code = (part.strip() for part in sweep.partition("="))
    if name.isidentifier() and equals and code:
        return name, code
    told = f"--sweep: found {plain(sweep, MAX_LABEL)}"
    raise Problem(f'{told}; write a name and its values, such as --sweep style=["ink","oil"].')


def _evaluated(name: str, code: str, scope: Scope) -> object:
    try:
        return scope.evaluate(code)
    except NameError as error:
        missing = getattr(error, "name", None) or ""
        guess = did_you_mean(missing, scope.names())
        raise Problem(f"--sweep {name}={plain(code, 40)}: there is no variable {missing}.{guess}") from error
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic in Rust, and SystemExit, are not Exceptions
        raise Problem(f"--sweep {name}={plain(code, 40)} raises {describe_error(error)}.") from error


def axes_of(given: Iterable[tuple[str, object]]) -> list[Axis]:
    """Return an axis for each name with its values.

    Raises:
        RequestError: something has no values, is no list, or is named twice.
    """
    axes: list[Axis] = []
    problems: list[Problem] = []
    for name, values in given:
        try:
            axes.append(_axis(name, values, [axis.name for axis in axes]))
        except Problem as problem:
            problems.append(problem)
    if problems:
        raise request_error(problems)
    return axes


def _axis(name: str, values: Any, others: Sequence[str]) -> Axis:  # noqa: ANN401 - checked here
    if name in others:
        raise Problem(f"{name} is swept twice: write all its values in one list.")
    told = f"{name}: found {describe_value(values)}"
    if isinstance(values, str | bytes):
        raise Problem(f"{told}; a sweep needs a list of values, such as [{plain(repr(values), 20)}].")
    if isinstance(values, set | frozenset):
        raise Problem(f"{told}; a set has no order: write sorted(…) of it.")
    pairs = _pairs(values, told)
    if not pairs:
        raise Problem(f"{name}: found no values; a sweep needs at least one.")
    if len(pairs) > MAX_REQUESTS:
        raise Problem(f"{name}: found {len(pairs):,} values; the most is {MAX_REQUESTS:,} requests in a batch.")
    if name in OPTIONS and any(value is None for _, value in pairs):
        raise Problem(f"{name}: one of the values is None; write what it shall be there.")
    labels = [label for label, _ in pairs]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise Problem(f"{name}: two values have the label {twice}; write a dict, whose keys are the labels.")
    return Axis(name=name, values=tuple(value for _, value in pairs), labels=tuple(labels))


def _pairs(values: Any, told: str) -> list[tuple[str, object]]:  # noqa: ANN401 - somebody's own
    """Return the values with their labels."""
    try:
        if isinstance(values, Mapping):
            return [(_label(key, number), value) for number, (key, value) in enumerate(values.items(), 1)]
        is_list = isinstance(values, Iterable) and (isinstance(values, Sized) or hasattr(values, "__next__"))
        listed = list(itertools.islice(values, MAX_REQUESTS + 1)) if is_list else None
    except Exception as error:
        raise Problem(f"{told}, and going through it raises {describe_error(error)}.") from error
    if listed is None:
        raise Problem(f"{told}; a sweep needs a list of values, or a dict whose keys are the labels.")
    return [(_label(value, number), value) for number, value in enumerate(listed, 1)]


def _label(value: object, number: int) -> str:
    """Return what a value is called: a text or a number as it is, a file by its name, a picture by its mark."""
    own = scalar(value)
    if isinstance(own, str | int | float):
        return plain(str(own), MAX_LABEL) or str(number)
    for attribute in ("mark", "name"):  # a picture, a result; a path, an open file, a member of an enumeration
        try:
            name = getattr(value, attribute, None)
        except Exception:  # noqa: BLE001 - foreign code
            name = None
        if isinstance(name, str) and name:
            return plain(name, MAX_LABEL)
    return str(number)


def check_names(axes: Sequence[Axis], prompt: object, *, given: Collection[str], others: Sequence[str] = ()) -> None:
    """Refuse a sweep of what the request does not have.

    Args:
        axes: what is swept.
        prompt: the template.
        given: the options that have a value already.
        others: further texts whose expressions count.

    Raises:
        RequestError: a name is neither in the prompt nor an option, or has a value already.
    """
    names = {name for text in (prompt, *others) for name in _names_in(text)}
    problems = []
    for axis in axes:
        if axis.name in given and axis.name in OPTIONS and axis.name != "image":
            problems.append(Problem(f"{axis.name} is swept, and given as an option too: leave one of the two out."))
        elif axis.name not in names and axis.name not in OPTIONS:
            guess = did_you_mean(axis.name, [*names, *OPTIONS])
            told = f"{axis.name} is swept, but there is no {{{axis.name}}} in the prompt, and no such option to sweep."
            problems.append(Problem(f"{told}{guess}"))
    if problems:
        raise request_error(problems)


def _names_in(text: object) -> set[str]:
    """Return the names in the expressions of a template, those within their brackets too."""
    import re

    parts = parts_of(text) if isinstance(text, str) else ()
    return {name for part in parts if isinstance(part, Expression) for name in re.findall(r"[^\W\d]\w*", part.code)}


def crossed(axes: Sequence[Axis]) -> list[Point]:
    """Return a point for each combination of values, the first axis the slowest.

    Raises:
        RequestError: there are too many.
    """
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MAX_REQUESTS:
        sizes = " × ".join(str(len(axis.values)) for axis in axes)
        raise request_error([Problem(f"{sizes} are {count:,} requests; the most in a batch is {MAX_REQUESTS:,}.")])
    points = []
    for combination in itertools.product(*(zip(axis.labels, axis.values, strict=True) for axis in axes)):
        labels = tuple(label for label, _ in combination)
        values = {axis.name: value for axis, (_, value) in zip(axes, combination, strict=True)}
        options = {name: value for name, value in values.items() if name in OPTIONS}
        points.append(Point(labels=labels, name=" · ".join(labels), values=values, options=options))
    return points
