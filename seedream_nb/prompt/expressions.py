"""What an expression of a template is: where it begins and ends. Nothing is evaluated here."""

from __future__ import annotations

import keyword
import re
import unicodedata
from dataclasses import dataclass

NAME = re.compile(r"[^\W\d]\w*")
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
_FORMAT_TEXT = re.compile(r"[^{}\n]*")
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_TEX = re.compile(rf"(?:\\[A-Za-z]++\*?(?:\[[^\[\]]*\])?(?:[_^]?(?:{_GROUP}|[A-Za-z0-9]))*[_^]?|\^)\Z")
_TEX_REACH = 200
_LONGEST = 2_000
"""Characters of one expression: what is longer was not meant as one, and looking for its end would take long."""


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


def expression_at(template: str, brace: int, *, in_format: bool = False) -> Expression | None:
    """Return the expression that the brace at this position opens, or None: then the brace is just a brace.

    As in an f-string, an expression within a format (`in_format`) has no braces in its own.
    """
    limit = min(len(template), brace + _LONGEST)
    name = NAME.match(template, brace + 1, limit)
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


def escaped_end(template: str, brace: int) -> int:
    """Return where `{{expression}}` ends, or 0 if no such thing begins here."""
    inner = expression_at(template, brace + 1) if template.startswith("{{", brace) else None
    end = brace + 1 + len(inner.written) if inner else 0
    return end + 1 if end and template.startswith("}", end) else 0


def _trailers_end(template: str, position: int, limit: int) -> int:
    """Return where the `.attribute`, `[…]` and `(…)` after a name end."""
    while True:
        if template.startswith(".", position):
            attribute = NAME.match(template, position + 1, limit)
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
