"""Templates: what a person types between braces becomes the value it stands for, once and never twice."""

from __future__ import annotations

import builtins
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from seedream_nb.errors import Problem, did_you_mean, plain, refused
from seedream_nb.prompt.expressions import NAME, Expression, escaped_end, expression_at
from seedream_nb.prompt.links import Link, link_at
from seedream_nb.prompt.wording import worded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from seedream_nb.scope import Scope

__all__ = ["Expression", "Link", "Pictures", "expand", "literal", "parts_of"]

_MARKS = re.compile(r"\{|!\[")
_CONVERSIONS: dict[str | None, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii}
_SHOWN = 60


class Pictures(Protocol):
    """Where pictures that a template names become references, each with its number."""

    def of_value(self, name: str, value: object) -> Sequence[int] | None:
        """Return the numbers of the pictures that a value is; None if it is no picture but text. Raises Problem."""

    def of_link(self, target: str) -> Sequence[int]:
        """Return the numbers of what a Markdown image leads to; raises Problem."""


def expand(template: str, scope: Scope, pictures: Pictures | None = None, *, markdown: bool = True) -> str:
    r"""Return the prompt that a template means: each `{expression}` replaced by its value, as an f-string does.

    `{{expression}}` gives `{expression}`; all other braces stay as they are, and so does the argument of a
    TeX command that is no name of the notebook. An expression whose value is a picture, without `!r` or a format,
    and a Markdown image, `![alt](target)`, become "image 2"; `\![alt](target)` gives `![alt](target)`.

    Args:
        template: what was typed, or what came with values.
        scope: the names that expressions may use.
        pictures: where pictures become references; without it every value is text.
        markdown: whether Markdown images are references: in what a person typed they are, else they are text.

    Raises:
        RequestError: names that don't exist (the nearest is named), expressions that fail, pictures that can't be
            used; ReferenceImageError if it is only those.
    """
    problems: list[Problem] = []
    parts = list(parts_of(template, markdown=markdown))
    names = frozenset(scope.names()) if any(isinstance(part, Expression) for part in parts) else frozenset()
    found = [_told(partial(_meant, part, scope, names, pictures), problems) for part in parts]
    if problems:
        raise refused(problems)
    return worded(found)


def literal(text: str) -> str:
    """Return the template that means exactly this text, whatever braces and Markdown images it has."""
    parts, start, position = [], 0, 0
    while mark := _MARKS.search(text, position):
        position = mark.start()
        if mark[0] != "{":
            if link_at(text, position):
                parts += [text[start:position], "\\"]
                start = position
            position += 1
        elif found := expression_at(text, position):
            parts += [text[start:position], "{", found.written, "}"]
            start = position = position + len(found.written)
        else:
            position += 1
    return "".join([*parts, text[start:]])


def parts_of(template: str, *, markdown: bool = True) -> Iterator[str | Expression | Link]:
    r"""Yield the literal texts, the expressions and the Markdown images of a template in order.

    `{{x}}` comes as a literal `{x}`, `\![alt](target)` as a literal `![alt](target)`, whose braces are still braces.
    """
    start = position = 0
    while mark := _MARKS.search(template, position):
        at = mark.start()
        found: Expression | Link | None = None
        if mark[0] == "{":
            if end := escaped_end(template, at):
                yield template[start:at] + template[at + 1 : end - 1]
                start = position = end
                continue
            found = expression_at(template, at)
        elif markdown and (found := link_at(template, at)) and at > start and template[at - 1] == "\\":
            yield template[start : at - 1]
            start, found = at, None
        position = at + (len(found.written) if found else 1)
        if found:
            yield template[start:at]
            yield found
            start = position
    yield template[start:]


def _told(action: Callable[[], Any], problems: list[Problem]) -> Any:  # noqa: ANN401 - a text, or numbers
    """Return what an action gives; if it can't, add why to the problems."""
    try:
        return action()
    except Problem as problem:
        problems.append(problem)
        return ""


def _meant(
    part: str | Expression | Link, scope: Scope, names: Collection[str], pictures: Pictures | None
) -> str | tuple[int, ...]:
    """Return what a part means: a text, or the numbers of references."""
    if isinstance(part, str):
        return part
    if isinstance(part, Expression):
        return _value_of(part, scope, names, pictures)
    if pictures is None:
        raise Problem(f"{plain(part.written, _SHOWN)}: hand the picture over with --image.", reference=True)
    return tuple(pictures.of_link(part.target))


def _value_of(
    part: Expression, scope: Scope, names: Collection[str], pictures: Pictures | None
) -> str | tuple[int, ...]:
    if not _exists(part, scope, names):
        if part.in_tex:
            return part.written
        raise Problem(_missing(part, names))
    form = _text_of(part.format, scope, names)
    value = _tried(part, lambda: scope.evaluate(part.code))
    if pictures is not None and not part.conversion and not part.format:
        numbers = pictures.of_value(part.code, value)
        if numbers is not None:
            return tuple(numbers)
    convert = _CONVERSIONS.get(part.conversion, lambda kept: kept)
    converted = _tried(part, lambda: convert(value))
    text: str = _tried(part, lambda: format(converted, form))
    return text


def _text_of(parts: Iterable[str | Expression], scope: Scope, names: Collection[str]) -> str:
    """Return the parts of a format as one text; all that is wrong with them is told."""
    problems: list[Problem] = []
    texts = [_told(partial(_meant, part, scope, names, None), problems) for part in parts]
    if problems:
        raise Problem(*(text for problem in problems for text in problem.texts))
    return "".join(texts)


def _exists(part: Expression, scope: Scope, names: Collection[str]) -> bool:
    """Return whether an expression's first name means something; a bare builtin such as `{id}` does not."""
    if part.name in names:
        return True
    is_bare = NAME.fullmatch(part.code) is not None
    return scope.has_builtins and not is_bare and hasattr(builtins, part.name)


def _missing(part: Expression, names: Collection[str]) -> str:
    guess = did_you_mean(part.name, (name for name in names if not name.startswith("_")))
    return f"{_shown(part)}: there is no variable {part.name}.{guess} To keep it as it is, write {{{_shown(part)}}}."


def _tried(part: Expression, action: Any) -> Any:  # noqa: ANN401 - values of the notebook
    """Return what an action on the user's own values gives; what it raises becomes a problem."""
    try:
        return action()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic of Rust and SystemExit are no Exception
        raise Problem(
            f"{_shown(part)} raises {_said(error)}. To keep it as it is, write {{{_shown(part)}}}."
        ) from error


def _said(error: BaseException) -> str:
    """Return what an error says; even that may fail."""
    kind = type(error).__name__
    try:
        return f"{kind}: {plain(str(error))}".removesuffix(": ")
    except Exception:  # noqa: BLE001 - it is somebody's __str__
        return kind


def _shown(part: Expression) -> str:
    return plain(part.written, _SHOWN)
