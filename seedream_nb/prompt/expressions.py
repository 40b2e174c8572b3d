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
    r"|'(?:[^'\\\n]|\\.)*+'"
    r'|"(?:[^"\\\n]|\\.)*+"',
    re.DOTALL,
)
_CONVERSION = re.compile(r"!([rsa])(?=[:}])")
_FORMAT_TEXT = re.compile(r"[^{}\n]*")
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_TEX = re.compile(rf"(?:\\[A-Za-z]++\*?(?:\[[^\[\]]*\])?(?:[_^]?(?:{_GROUP}|[A-Za-z0-9]))*[_^]?|\^)\Z")
_TEX_REACH = 200
_LONGEST = 2_000
"""Characters of one expression: what is longer was not meant as one."""
_LOOKS = 20
"""How often each character may be looked at on average: more takes a text that is made for it."""


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


class Brackets:
    """Where the brackets of a text are closed again. What was found is kept: no text is looked through for each."""

    def __init__(self, text: str) -> None:
        """Look for nothing yet."""
        self.text = text
        self._ends: dict[int, int] = {}
        self._left = _LOOKS * len(text) + 1

    def end(self, bracket: int) -> int:
        """Return where the bracket that opens here is closed again, or 0: strings in it may hold anything."""
        if bracket not in self._ends:
            self._look(bracket)
        return self._ends.get(bracket, 0)

    def _look(self, position: int) -> None:
        unclosed: list[int] = []
        while position and self._left > 0:
            mark = _NEXT_IN_BRACKETS.search(self.text, position)
            self._left -= (mark.end() if mark else len(self.text)) - position
            position = self._after(mark.start(), unclosed) if mark else 0
            if not unclosed:
                return
        self._ends.update(dict.fromkeys(unclosed, 0))

    def _after(self, mark: int, unclosed: list[int]) -> int:
        """Return where to go on after a bracket or a string, or 0 where nothing that is unclosed can be closed."""
        character = self.text[mark]
        if character in "'\"":
            string = _STRING.match(self.text, mark)
            self._left -= (string.end() if string else len(self.text)) - mark
            return string.end() if string else 0
        if character not in _BRACKETS:
            if character != _BRACKETS[self.text[unclosed[-1]]]:
                return 0
            self._ends[unclosed.pop()] = mark + 1
        elif (known := self._ends.get(mark)) is not None:
            return known
        else:
            unclosed.append(mark)
        return mark + 1


def expression_at(brackets: Brackets, brace: int, *, in_format: bool = False) -> Expression | None:
    """Return the expression that the brace at this position opens, or None: then the brace is just a brace.

    As in an f-string, an expression within a format (`in_format`) has no braces in its own.

    Args:
        brackets: those of the template.
        brace: its place in the template.
        in_format: whether it stands within the format of another.
    """
    template = brackets.text
    limit = min(len(template), brace + _LONGEST)
    name = NAME.match(template, brace + 1, limit)
    if not name or not name[0].isidentifier() or keyword.iskeyword(name[0]):
        return None
    code_end = _trailers_end(brackets, name.end(), limit)
    conversion = _CONVERSION.match(template, code_end, limit)
    end = conversion.end() if conversion else code_end
    form: tuple[str | Expression, ...] = ()
    if template.startswith(":", end):
        form, end = _format(brackets, end + 1, limit, nests=not in_format)
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


def escaped_end(brackets: Brackets, brace: int) -> int:
    """Return where `{{expression}}` ends, or 0 if no such thing begins here."""
    template = brackets.text
    inner = expression_at(brackets, brace + 1) if template.startswith("{{", brace) else None
    end = brace + 1 + len(inner.written) if inner else 0
    return end + 1 if end and template.startswith("}", end) else 0


def _trailers_end(brackets: Brackets, position: int, limit: int) -> int:
    """Return where the `.attribute`, `[…]` and `(…)` after a name end."""
    template = brackets.text
    while True:
        if template.startswith(".", position):
            attribute = NAME.match(template, position + 1, limit)
            end = attribute.end() if attribute else 0
        elif template.startswith(("[", "("), position):
            end = brackets.end(position)
        else:
            return position
        if not end or end > limit:
            return position
        position = end


def _format(brackets: Brackets, position: int, limit: int, *, nests: bool) -> tuple[tuple[str | Expression, ...], int]:
    """Return the parts of a format such as `>{width}.2f`, and where it ends."""
    template = brackets.text
    parts: list[str | Expression] = []
    while True:
        text = _FORMAT_TEXT.match(template, position, limit)
        parts.append(text[0] if text else "")
        position = text.end() if text else position
        opens = nests and template.startswith("{", position)
        inner = expression_at(brackets, position, in_format=True) if opens else None
        if inner is None:
            return tuple(parts), position
        parts.append(inner)
        position += len(inner.written)
