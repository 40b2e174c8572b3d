"""Templates: what a person types between braces becomes the value it stands for, once and never twice."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedream_nb.errors import Problem, did_you_mean, plain, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from seedream_nb.scope import Scope

_NAME = re.compile(r"[^\W\d]\w*")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_NEXT_IN_BRACKETS = re.compile(r"""[()\[\]{}'"]""")
_STRING = re.compile(
    r"'{3}(?:[^\\]|\\.)*?'{3}"
    r'|"{3}(?:[^\\]|\\.)*?"{3}'
    r"|'(?:[^'\\\n]|\\.)*'"
    r'|"(?:[^"\\\n]|\\.)*"',
    re.DOTALL,
)
_CONVERSION = re.compile(r"!([rsa])(?=[:}])")
_CONVERSIONS: dict[str | None, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii}
_FORMAT_TEXT = re.compile(r"[^{}\n]*")
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_TEX = re.compile(rf"(?:\\[A-Za-z]++\*?(?:\[[^\[\]]*\])?(?:[_^]?(?:{_GROUP}|[A-Za-z0-9]))*[_^]?|\^)\Z")
_TEX_REACH = 200
_LONGEST = 2_000
"""Characters of one expression: what is longer was not meant as one, and looking for its end would take long."""

_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Expression:
    """One `{expression!r:format}` of a template."""

    code: str
    name: str
    conversion: str | None = None
    format: tuple[str | Expression, ...] = ()
    written: str
    in_tex: bool = False
    """Whether it stands where TeX has an argument, as in `\\frac{a}{b}`."""


def expand(template: str, scope: Scope) -> str:
    """Return the prompt that a template means: each `{expression}` replaced by its value, as an f-string does.

    `{{expression}}` gives `{expression}`; all other braces stay as they are, and so does the argument of a
    TeX command that is no name of the notebook.

    Raises:
        RequestError: names that don't exist (the nearest is named), expressions that fail, pictures.
    """
    problems: list[Problem] = []
    parts = list(parts_of(template))
    names = frozenset(scope.names()) if any(isinstance(part, Expression) for part in parts) else frozenset()
    text = _joined(parts, scope, names, problems)
    if problems:
        raise refused(problems)
    return text


def parts_of(template: str) -> Iterator[str | Expression]:
    """Yield the literal texts and the expressions of a template in order; `{{x}}` comes as a literal `{x}`."""
    start = position = 0
    while (brace := template.find("{", position)) >= 0:
        if end := _escaped_end(template, brace):
            yield template[start:brace] + template[brace + 1 : end - 1]
            start = position = end
        elif found := expression_at(template, brace):
            yield template[start:brace]
            yield found
            start = position = brace + len(found.written)
        else:
            position = brace + 1
    yield template[start:]


def expression_at(template: str, brace: int, *, in_format: bool = False) -> Expression | None:
    """Return the expression that the brace at this position opens, or None: then the brace is just a brace.

    As in an f-string, an expression within a format (`in_format`) has no braces in its own.
    """
    limit = min(len(template), brace + _LONGEST)
    name = _NAME.match(template, brace + 1, limit)
    if not name or not name[0].isidentifier() or keyword.iskeyword(name[0]):
        return None
    code_end = _trailers_end(template, name.end(), limit)
    conversion = _CONVERSION.match(template, code_end, limit)
    end = conversion.end() if conversion else code_end
    form: tuple[str | Expression, ...] = ()
    if template.startswith(":", end):
        form, end = _format(template, end + 1, limit, nests=not in_format)
    if not template.startswith("}", end):
        return None
    return Expression(
        code=template[brace + 1 : code_end],
        name=unicodedata.normalize("NFKC", name[0]),
        conversion=conversion[1] if conversion else None,
        format=form,
        written=template[brace : end + 1],
        in_tex=bool(_TEX.search(template[max(0, brace - _TEX_REACH) : brace])),
    )


def _escaped_end(template: str, brace: int) -> int:
    """Return where `{{expression}}` ends, or 0 if no such thing begins here."""
    inner = expression_at(template, brace + 1) if template.startswith("{{", brace) else None
    end = brace + 1 + len(inner.written) if inner else 0
    return end + 1 if end and template.startswith("}", end) else 0


def _trailers_end(template: str, position: int, limit: int) -> int:
    """Return where the `.attribute`, `[…]` and `(…)` after a name end."""
    while True:
        if template.startswith(".", position):
            attribute = _NAME.match(template, position + 1, limit)
            end = attribute.end() if attribute else 0
        elif template.startswith(("[", "("), position):
            end = _bracket_end(template, position, limit)
        else:
            return position
        if not end:
            return position
        position = end


def _bracket_end(template: str, position: int, limit: int) -> int:
    """Return where the bracket that opens here is closed again, or 0: strings in it may hold anything."""
    expected: list[str] = []
    while mark := _NEXT_IN_BRACKETS.search(template, position, limit):
        character, position = mark[0], mark.end()
        if character in _BRACKETS:
            expected.append(_BRACKETS[character])
        elif character in "'\"":
            string = _STRING.match(template, mark.start(), limit)
            if string is None:
                return 0
            position = string.end()
        elif character != expected.pop():
            return 0
        if not expected:
            return position
    return 0


def _format(template: str, position: int, limit: int, *, nests: bool) -> tuple[tuple[str | Expression, ...], int]:
    """Return the parts of a format such as `>{width}.2f`, and where it ends."""
    parts: list[str | Expression] = []
    while True:
        text = _FORMAT_TEXT.match(template, position, limit)
        parts.append(text[0] if text else "")
        position = text.end() if text else position
        opens = nests and template.startswith("{", position)
        inner = expression_at(template, position, in_format=True) if opens else None
        if inner is None:
            return tuple(parts), position
        parts.append(inner)
        position += len(inner.written)


def _joined(parts: Iterable[str | Expression], scope: Scope, names: Collection[str], problems: list[Problem]) -> str:
    """Return the parts as one text; what can't be had is added to the problems."""
    texts = []
    for part in parts:
        try:
            texts.append(part if isinstance(part, str) else _text_of(part, scope, names, problems))
        except Problem as problem:
            problems.append(problem)
    return "".join(texts)


def _text_of(part: Expression, scope: Scope, names: Collection[str], problems: list[Problem]) -> str:
    """Return the value of an expression as text."""
    if not _exists(part, scope, names):
        if part.in_tex:
            return part.written
        raise Problem(_missing(part, names))
    form = _joined(part.format, scope, names, problems)
    value = _tried(part, lambda: scope.evaluate(part.code))
    if not part.conversion and not part.format and _is_picture(value):
        raise Problem(f"{_shown(part)} is a picture: hand it over as a reference, with --image {part.code}.")
    convert = _CONVERSIONS.get(part.conversion, lambda kept: kept)
    converted = _tried(part, lambda: convert(value))
    text: str = _tried(part, lambda: format(converted, form))
    return text


def _exists(part: Expression, scope: Scope, names: Collection[str]) -> bool:
    """Return whether an expression's first name means something; a bare builtin such as `{id}` does not."""
    if part.name in names:
        return True
    is_bare = _NAME.fullmatch(part.code) is not None
    return scope.has_builtins and not is_bare and hasattr(builtins, part.name)


def _missing(part: Expression, names: Collection[str]) -> str:
    guess = did_you_mean(part.name, (name for name in names if not name.startswith("_")))
    return f"{_shown(part)}: there is no variable {part.name}.{guess} To keep it as it is, write {{{_shown(part)}}}."


def _tried(part: Expression, action: Any) -> Any:  # noqa: ANN401 - values of the notebook
    """Return what an action on the user's own values gives; what it raises becomes a problem."""
    try:
        return action()
    except Exception as error:
        told = f"{type(error).__name__}: {plain(str(error))}".removesuffix(": ")
        raise Problem(f"{_shown(part)} raises {told}. To keep it as it is, write {{{_shown(part)}}}.") from error


def _shown(part: Expression) -> str:
    return plain(part.written, _SHOWN)


def _is_picture(value: object) -> bool:
    """Return whether a value is one of our pictures or results, a PIL image, or a list of such."""
    if isinstance(value, list | tuple):
        return any(map(_is_picture, value))
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(value, pil.Image):
        return True
    if type(value).__module__.partition(".")[0] != __package__:
        return False
    return isinstance(getattr(value, "path", None), Path) or isinstance(getattr(value, "images", None), list)
