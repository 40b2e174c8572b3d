"""Templates: an expression between braces becomes its value, once and never twice."""

from __future__ import annotations

import builtins
import io
import keyword
import re
import unicodedata
from bisect import bisect_left
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from seedream_nb.errors import Problem, did_you_mean, plain, request_error
from seedream_nb.frozen import frozen
from seedream_nb.patterns import lazy_pattern
from seedream_nb.references.foreign import describe_error
from seedream_nb.request import MAX_PROMPT, overlong_prompt
from seedream_nb.scope import unwrapped
from seedream_nb.unmeant import is_path, overlong, reads_as_object, unmeant
from seedream_nb.wording import ImageNumber, pieces, said_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from seedream_nb.scope import Scope

__all__ = [
    "Expression",
    "Link",
    "Pictures",
    "Prompt",
    "code_in",
    "expand",
    "expanded",
    "is_in_tex",
    "is_plain",
    "literal",
    "parts_of",
]

NAME = lazy_pattern(r"[^\W\d]\w*")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_NEXT_IN_BRACKETS = lazy_pattern(r"""[()\[\]{}'"]""")
_STRING = lazy_pattern(
    r"'{3}(?:[^\\]|\\.)*?'{3}"
    r'|"{3}(?:[^\\]|\\.)*?"{3}'
    r"|'(?:[^'\\\n]|\\.)*+'"
    r'|"(?:[^"\\\n]|\\.)*+"',
    re.DOTALL,
)
_CONVERSION = lazy_pattern(r"!([rsa])(?=[:}])")
_FORMAT_TEXT = lazy_pattern(r"[^{}\n]*")
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_TEX = lazy_pattern(rf"(?:\\[A-Za-z]++\*?(?:\[[^\[\]]*\])?(?:[_^]?(?:{_GROUP}|[A-Za-z0-9]))*[_^]?|\^)\Z")
_TEX_REACH = 200
_LONGEST = 2_000
"""The longest expression; longer text in braces was not meant as one."""
_LOOKS = 20
"""How often each character may be read on average; only a text made on purpose needs more."""


@frozen
class Expression:
    """One `{expression!r:format}` of a template."""

    code: str
    name: str
    conversion: str | None = None
    format: tuple[str | Expression, ...] = ()
    written: str
    in_tex: bool = False
    """Whether it is where TeX has an argument, as in `\\frac{a}{b}`."""


class Brackets:
    """Where the brackets of a text are closed. Results are kept, so that the text is not scanned again for each."""

    def __init__(self, text: str) -> None:
        """Scan nothing yet."""
        self.text = text
        self._ends: dict[int, int] = {}
        self._left = _LOOKS * len(text) + 1

    def end(self, bracket: int) -> int:
        """Return where the bracket opened here is closed, or 0; strings inside may contain anything."""
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
        """Return where to continue after a bracket or a string, or 0 if nothing that is open can be closed."""
        character = self.text[mark]
        if character in "'\"":
            string = _STRING.match(self.text, mark)
            self._left -= (string.end() if string else len(self.text)) - mark
            return string.end() if string else 0
        if character not in _BRACKETS:
            if character != _BRACKETS[self.text[unclosed[-1]]]:
                return 0
            self._ends[unclosed.pop()] = mark + 1
        elif (end := self._ends.get(mark)) is not None:
            return end
        else:
            unclosed.append(mark)
        return mark + 1


def expression_at(brackets: Brackets, brace: int, *, in_format: bool = False) -> Expression | None:
    """Return the expression opened by the brace at this position, or None: then the brace is just a brace.

    As in an f-string, an expression within a format (`in_format`) has no nested braces.

    Args:
        brackets: those of the template.
        brace: its position in the template.
        in_format: whether it is within the format of another.
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
        in_tex=is_in_tex(template, brace),
    )


def is_in_tex(template: str, brace: int) -> bool:
    r"""Return whether the brace at this position opens an argument of TeX, as in `\frac{a}{b}`."""
    return _TEX.search(template[max(0, brace - _TEX_REACH) : brace]) is not None


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


# Brackets and parentheses may contain one more pair: `![photo[1]](<my photo (1).png>)`. Each part ends at the second
# nested one or at the end of the line, so that scanning a text full of beginnings stays fast.
_ALT = r"!\[(?:[^\[\]\n]|\[[^\[\]\n]*+\])*+\]"
_TITLE = r"""(?:[ \t]+(?:"[^"\n]*+"|'[^'\n]*+'))?"""
_IN_ANGLES = lazy_pattern(rf"{_ALT}\([ \t]*<([^<>\n]++)>{_TITLE}[ \t]*\)")
_BARE = lazy_pattern(rf"{_ALT}\(((?:[^()\n]|\([^()\n]*+\))*+)\)")


@frozen
class Link:
    """One Markdown image of a template."""

    target: str
    """A path, a URL, or `attachment:name`."""
    written: str


def link_at(template: str, bang: int) -> Link | None:
    """Return the Markdown image that begins with the `!` at this position, or None: then it is just text."""
    in_angles = _IN_ANGLES.match(template, bang)
    match = in_angles or _BARE.match(template, bang)
    if match is None:
        return None
    target = match[1].strip() if in_angles else _without_title(match[1].strip())
    return Link(target=target, written=match[0]) if target else None


def _without_title(inner: str) -> str:
    """Return what comes before a quoted title; a path with spaces needs no angle brackets, as people type it."""
    if inner[-1:] not in {'"', "'"}:
        return inner
    opening = inner.rfind(inner[-1], 0, -1)
    return inner[:opening].rstrip() if opening > 0 and inner[opening - 1].isspace() else inner


_MARKS = lazy_pattern(r"\{|!\[")
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii}
_SHOWN, _MAX_PROBLEMS = 60, 50


class Pictures(Protocol):
    """Turns the pictures in a template into numbered references."""

    def of_value(self, name: str, value: object) -> Sequence[int] | None:
        """Return the numbers of a value's pictures; None if it was not meant as any. Raises Problem."""

    def of_link(self, target: str) -> Sequence[int]:
        """Return the numbers of a Markdown image's pictures; raises Problem."""


@frozen
class Prompt:
    """The text of an expanded template, and which of it was typed."""

    text: str
    typed: tuple[tuple[int, int], ...]
    """The positions, from and to, of typed text; the rest are values."""

    @classmethod
    def plain(cls, text: str) -> Prompt:
        """Return a text that was typed as it is."""
        return cls(text=text, typed=((0, len(text)),))

    def numbers(self, *, typed: bool) -> list[ImageNumber]:
        """Return the numbers that the prompt gives to reference images, in typed text or within values."""
        starts = [start for start, _ in self.typed]

        def is_typed(number: ImageNumber) -> bool:
            before = bisect_left(
                starts, number.end
            )  # of the parts that begin before it ends, the last reaches farthest
            return before > 0 and self.typed[before - 1][1] > number.start

        return [number for number in said_in(self.text) if is_typed(number) is typed]


def expand(template: str, scope: Scope, pictures: Pictures | None = None, *, markdown: bool = True) -> str:
    """Return the text of `expanded`."""
    return expanded(template, scope, pictures, markdown=markdown).text


def expanded(template: str, scope: Scope, pictures: Pictures | None = None, *, markdown: bool = True) -> Prompt:
    r"""Return the prompt for a template: each `{expression}` is replaced by its value, as in an f-string.

    `{{expression}}` becomes `{expression}`; all other braces stay as they are, and so does the argument of a
    TeX command that is not a name of the notebook. An expression whose value is a picture, without `!r` or a format,
    and a Markdown image, `![alt](target)`, become "image 2"; `\![alt](target)` becomes `![alt](target)`.

    Args:
        template: what was typed, or came with values.
        scope: the names that expressions may use.
        pictures: turns pictures into references; without it every value is text.
        markdown: whether Markdown images are references, as in typed text, or text.

    Raises:
        RequestError: a name doesn't exist (it names the nearest), an expression fails, or a picture can't be used;
            ReferenceImageError if only pictures are wrong.
    """
    problems: list[Problem] = []
    parts = list(parts_of(template, markdown=markdown))
    names = frozenset(scope.names()) if any(isinstance(part, Expression) for part in parts) else frozenset()
    values, length = [], 0
    for part in parts:
        values.append(_try(partial(_meaning, part, scope, names, pictures), problems))
        if (length := length + len(values[-1])) > MAX_PROMPT:
            raise request_error([*problems, overlong_prompt(length)])
        if len(problems) == _MAX_PROBLEMS:  # for each the nearest name is searched, which is slow
            break
    if problems:
        raise request_error(problems)
    texts = pieces(values)
    ends = list(accumulate(map(len, texts)))
    typed = tuple(
        (end - len(text), end)
        for part, text, end in zip(parts, texts, ends, strict=True)
        if text and isinstance(part, str)
    )
    return Prompt(text="".join(texts), typed=typed)


def is_plain(template: str) -> bool:
    """Return whether a template has no expressions or Markdown images, so that it never changes."""
    return all(isinstance(part, str) for part in parts_of(template))


def literal(text: str) -> str:
    """Return the template that means exactly this text, even if it has braces and Markdown images."""
    parts, start, position = [], 0, 0
    brackets = Brackets(text)
    while mark := _MARKS.search(text, position):
        position = mark.start()
        if mark[0] != "{":
            if link_at(text, position):
                parts += [text[start:position], "\\"]
                start = position
            position += 1
        elif expression := expression_at(brackets, position):
            parts += [text[start:position], "{", expression.written, "}"]
            start = position = position + len(expression.written)
        else:
            position += 1
    return "".join([*parts, text[start:]])


def code_in(template: str) -> list[tuple[int, int]]:
    """Return where in a template expressions and Markdown images stand, from and to, escaped ones too."""
    spans, position, brackets = list[tuple[int, int]](), 0, Brackets(template)
    while mark := _MARKS.search(template, position):
        position, at = mark.start() + 1, mark.start()
        if found := expression_at(brackets, at) if mark[0] == "{" else link_at(template, at):
            position = at + len(found.written)
            spans.append((at, position))
    return spans


def parts_of(template: str, *, markdown: bool = True) -> Iterator[str | Expression | Link]:
    r"""Yield the literal texts, expressions and Markdown images of a template in order.

    `{{x}}` is yielded as a literal `{x}`, `\![alt](target)` as a literal `![alt](target)`, whose braces still count.
    """
    start = position = 0
    brackets = Brackets(template)
    while mark := _MARKS.search(template, position):
        at = mark.start()
        found: Expression | Link | None = None
        if mark[0] == "{":
            if end := escaped_end(brackets, at):
                yield template[start:at] + template[at + 1 : end - 1]
                start = position = end
                continue
            found = expression_at(brackets, at)
        elif markdown and (found := link_at(template, at)) and at > start and template[at - 1] == "\\":
            yield template[start : at - 1]
            start, found = at, None
        position = at + (len(found.written) if found else 1)
        if found:
            yield template[start:at]
            yield found
            start = position
    yield template[start:]


def _try(action: Callable[[], Any], problems: list[Problem]) -> Any:  # noqa: ANN401 - a text, or numbers
    """Return the result of an action, or add its problem to the problems."""
    try:
        return action()
    except Problem as problem:
        problems.append(problem)
        return ""


def _meaning(
    part: str | Expression | Link, scope: Scope, names: Collection[str], pictures: Pictures | None
) -> str | tuple[int, ...]:
    """Return the meaning of a part: a text, or the numbers of references."""
    if isinstance(part, str):
        return part
    if isinstance(part, Expression):
        return _value_of(part, scope, names, pictures)
    if pictures is None:
        raise Problem(f"{plain(part.written, _SHOWN)}: pass the picture with --image.", reference=True)
    return tuple(pictures.of_link(part.target))


def _value_of(
    part: Expression, scope: Scope, names: Collection[str], pictures: Pictures | None
) -> str | tuple[int, ...]:
    if not _exists(part, scope, names):
        if part.in_tex:
            return part.written
        raise Problem(_missing(part, names))
    form = _text_of(part.format, scope, names)
    value = _not_overlong(part, _guard(part, lambda: _evaluated(part, scope)), form)
    if part.conversion:  # it asks for text
        return str(_not_overlong(part, _guard(part, lambda: format(_CONVERSIONS[part.conversion](value), form))))
    if pictures is not None and not part.format:
        numbers = _numbers_of(part, value, pictures)
        if numbers is not None:
            return numbers
    if not (part.format and _guard(part, lambda: is_path(value))):
        _guard(part, lambda: _refuse_unmeant(part, value))
    text = str(_not_overlong(part, _guard(part, lambda: format(value, form))))
    if _guard(part, lambda: reads_as_object(value, text)):
        as_text = f"write the part of it that you mean, such as an attribute. {_as_text(part)}"
        raise Problem(f"{_shown(part)} would read {plain(text, _SHOWN)}: {as_text}")
    return text


def _evaluated(part: Expression, scope: Scope) -> object:
    """Return what an expression is; converted, a scalar of Arrow is meant as it writes itself."""
    value = scope.evaluate(part.code)
    return value if part.conversion else unwrapped(value)


def _not_overlong(part: Expression, value: Any, form: str = "") -> Any:  # noqa: ANN401 - values of the notebook
    """Return a value, or a text, unless it is longer than any prompt; raises Problem."""
    if told := _guard(part, lambda: overlong(value, form)):
        raise Problem(f"{_shown(part)} {told}, the most for a prompt. Write a part of it.")
    return value


def _numbers_of(part: Expression, value: object, pictures: Pictures) -> tuple[int, ...] | None:
    """Return the numbers of a value's pictures; problems with them begin with the braces."""
    try:
        numbers = pictures.of_value(part.code, value)
    except Problem as problem:
        *texts, last = [_with_braces(part, text) for text in problem.texts]
        raise Problem(*texts, f"{last}{_guard(part, lambda: _way_to_text(part, value))}", reference=True) from problem
    return None if numbers is None else tuple(numbers)


def _with_braces(part: Expression, text: str) -> str:
    """Return a problem with a value as a sentence that begins with its braces, which the panel looks for."""
    return f"{{{part.code}}}{text.removeprefix(part.code)}" if text.startswith(part.code) else f"{_shown(part)}: {text}"


def _way_to_text(part: Expression, value: object) -> str:
    """Return how to use the text of something meant as a picture, if anybody might want that."""
    reason = unmeant(value, part.code)
    if reason is None or reason[0] != part.code:
        return ""
    if isinstance(value, io.TextIOBase) or (isinstance(value, bytes | bytearray | memoryview) and _is_text(value)):
        return f" {reason[1].remedy}"
    return f" {_as_text(part)}" if reason[1].reads else ""


def _is_text(content: bytes | bytearray | memoryview) -> bool:
    try:
        return b"\0" not in bytes(content) and bool(bytes(content).decode())
    except UnicodeDecodeError:
        return False


def _refuse_unmeant(part: Expression, value: object) -> None:
    """Refuse a value that nobody means as text.

    Raises:
        Problem: says what it is, what to write instead, and how to use its text all the same.
    """
    reason = unmeant(value, part.code)
    if reason is None:
        return
    where, why = reason
    name = _shown(part) if where == part.code else f"{_shown(part)}: {plain(where, _SHOWN)}"
    as_text = f" {_as_text(part)}" if why.reads else ""
    raise Problem(f"{name} {why.told}. {why.remedy}{as_text}")


def _as_text(part: Expression) -> str:
    return f"To use its text, write {{{part.code}!s}}."


def _text_of(parts: Iterable[str | Expression], scope: Scope, names: Collection[str]) -> str:
    """Return the parts of a format as one text; all problems are reported together."""
    problems: list[Problem] = []
    texts = [_try(partial(_meaning, part, scope, names, None), problems) for part in parts]
    if problems:
        raise Problem(*(text for problem in problems for text in problem.texts))
    return "".join(texts)


def _exists(part: Expression, scope: Scope, names: Collection[str]) -> bool:
    """Return whether an expression's first name exists; a bare builtin such as `{id}` does not count."""
    if part.name in names:
        return True
    is_bare = NAME.fullmatch(part.code) is not None
    return scope.has_builtins and not is_bare and hasattr(builtins, part.name)


def _missing(part: Expression, names: Collection[str]) -> str:
    guess = did_you_mean(part.name, (name for name in names if not name.startswith("_")))
    return f"{_shown(part)}: there is no variable {part.name}.{guess} To keep it as it is, write {{{_shown(part)}}}."


def _guard(part: Expression, action: Any) -> Any:  # noqa: ANN401 - values of the notebook
    """Return the result of an action on the user's own values; what it raises becomes a problem."""
    try:
        return action()
    except (Problem, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a panic in Rust, and SystemExit, are not Exceptions
        raise Problem(
            f"{_shown(part)} raises {describe_error(error)}. To keep it as it is, write {{{_shown(part)}}}."
        ) from error


def _shown(part: Expression) -> str:
    return plain(part.written, _SHOWN)
