"""The text of a cell: how its option line is split and read, and how the cell of a generation is written."""

from __future__ import annotations

import builtins
import contextlib
import glob
import itertools
import keyword
import os
import re
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from seedream_nb.errors import Problem, SeedreamError, plain, request_error, without_surrogates
from seedream_nb.files import is_regular_file, working_folder
from seedream_nb.frozen import frozen
from seedream_nb.keys import may_hold_key
from seedream_nb.options import (
    BY_FLAG,
    MAX_NUMBER,
    NUMBER,
    SENT,
    Option,
    did_you_mean_option,
    options_of,
    read_number,
)
from seedream_nb.patterns import lazy_pattern
from seedream_nb.service import DEFAULT, models_beside
from seedream_nb.sizes import spell_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from seedream_nb.options import CellOptions
    from seedream_nb.request import ImageRequest, Reference
    from seedream_nb.service import Model
    from seedream_nb.settings import Settings
    from seedream_nb.storage.generation import Generation
    from seedream_nb.storage.history import History

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_QUOTES = "'\""
_SPECIAL = frozenset("([{" + _QUOTES)
_SPACES, _RUN = lazy_pattern(r"\s*"), lazy_pattern(r"[^\s(\[{'\"]+")
DASHES = "-–—−"  # noqa: RUF001 - what word processors make of a minus
_SHOWN_CHARACTERS_OF_A_WORD = 40


@frozen
class Word:
    """One word of an option line."""

    text: str
    """Without the quotes around it; quotes inside brackets are kept."""
    quoted: bool = False
    """Whether it begins with a quote: then it is a value, whatever it looks like."""
    left_open: bool = False
    """Whether a quote or bracket in it is never closed, which is told already."""


def split(line: str) -> tuple[list[Word], list[Problem]]:
    """Return the words of a line, and what was left open in it; the rest of the line is then one word."""
    words, problems, position = [], [], 0
    while (position := _word_start(line, position)) < len(line):
        try:
            text, end = _word(line, position)
        except Problem as problem:
            problems.append(problem)
            words.append(Word(text=line[position:], quoted=True, left_open=True))
            break
        words.append(Word(text=text, quoted=line[position] in _QUOTES))
        position = end
    return words, problems


def quoted(text: str) -> str:
    """Return the word that `split` reads back as this text."""
    plain_word = text and not any(character.isspace() or character in _SPECIAL for character in text)
    if plain_word and text[0] not in DASHES:
        return text
    if '"' not in text:
        return f'"{text}"'
    return "".join(f"'{part}'" if part == '"' else f'"{part}"' for part in re.split('(")', text) if part)


def _word_start(line: str, position: int) -> int:
    found = _SPACES.match(line, position)
    return found.end() if found else position


def _word(line: str, start: int) -> tuple[str, int]:
    """Return the word that starts here, and where it ends."""
    parts, position = list[str](), start  # a text that grows by one character may be copied for each of them
    while position < len(line):
        if run := _RUN.match(line, position):
            end = run.end()
            parts.append(run[0])
        elif line[position] in _QUOTES:
            end = _quote_end(line, position)
            parts.append(line[position + 1 : end - 1])
        elif line[position] in _BRACKETS:
            end = _bracket_end(line, position)
            parts.append(line[position:end])
        else:  # a space
            break
        position = end
    return "".join(parts), position


def _quote_end(line: str, start: int) -> int:
    """Return the place after the quote that closes the one here; a backslash is an ordinary character."""
    end = line.find(line[start], start + 1)
    if end < 0:
        raise _left_open("quote", line, start, "Close it, or put the value in the other kind of quotes.")
    return end + 1


def _bracket_end(line: str, start: int) -> int:
    """Return the place after the bracket that closes the one here."""
    expected, position = [_BRACKETS[line[start]]], start + 1
    while position < len(line):
        character = line[position]
        position += 1
        if character in _QUOTES:
            position = _string_end(line, position - 1)
        elif character in _BRACKETS:
            expected.append(_BRACKETS[character])
        elif character == expected[-1]:
            expected.pop()
            if not expected:
                return position
    raise _left_open("bracket", line, start, "Close it, or put the value in quotes.")


def _string_end(line: str, start: int) -> int:
    """Return the place after a string within brackets: there it is Python, where a backslash escapes."""
    position = start + 1
    while position < len(line) and line[position] != line[start]:
        position += 2 if line[position] == "\\" else 1
    if position >= len(line):
        raise _left_open("quote", line, start, "Close it.")
    return position + 1


def _left_open(what: str, line: str, start: int, remedy: str) -> Problem:
    return Problem(
        f"The {what} {line[start]} is not closed in: {plain(line[start:], _SHOWN_CHARACTERS_OF_A_WORD)}  {remedy}"
    )


_HELP = ("-h", "--help")
_WHOLE = r"[-+]?[0-9]{1,9}"
_SHOWN = 40
_MAX_PROBLEMS = 50
_IPYTHONS = frozenset({"In", "Out", "get_ipython", "exit", "quit"})


def asks_for_help(line: str) -> bool:
    """Return whether a line wants to be told of the options; then nothing else in it matters."""
    may = any(flag in line for flag in _HELP)  # most lines don't, and are split once
    return may and any(word.text in _HELP and not word.quoted for word in split(line)[0])


def read(line: str, model: Model = DEFAULT.model) -> tuple[CellOptions, list[Problem]]:
    """Return the options that a line gives as far as they can be understood, and what is wrong with it for a model."""
    if asks_for_help(line):
        return {}, []
    words, problems = split(line)
    reader = _Reader(words, options_of(model_of(words, model)))
    reader.read()
    return cast("CellOptions", reader.values), [*problems, *reader.problems]


def model_of(words: Sequence[Word], model: Model) -> Model:
    """Return the model that a line names, else the one that is meant without: its limits hold for the whole line."""
    for word, following in itertools.zip_longest(words, words[1:]):
        flag, attached = parted(word.text)
        if BY_FLAG.get(flag, _NOT_ONE).kind == "model":
            name = attached or ("" if following is None else following.text)
            return next((known for known in models_beside(model) if known.name == name), model)
    return model


_NOT_ONE = Option(kind="flag")


def parse_assignments(text: str) -> dict[str, str]:
    """Return what `name=value name=value …` gives; `name=` gives an empty text, which resets.

    Raises:
        RequestError: words without `=`, and names given twice.
    """
    words, problems = split(text)
    values: dict[str, str] = {}
    strays = []
    for word in words:
        name, equals, value = word.text.partition("=")
        if word.left_open:
            continue
        if not equals or not name.isidentifier():
            strays.append(word.text)
        elif name in values:
            problems.append(Problem(f"{name} is given twice: write it once."))
        else:
            values[name] = value
    if strays:
        unused = plain(" ".join(strays), _SHOWN)
        problems.append(Problem(f"{unused} sets nothing: write name=value, with no space around the =."))
    if problems:
        raise request_error(problems)
    return values


_KEY = "A key in a cell would stay in the notebook: take it out, and run %seedream login."


class _Reader:
    """Takes the words one by one and sorts them into values and problems."""

    def __init__(self, words: list[Word], options: Mapping[str, Option]) -> None:
        self._options = options
        self.values: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self._left = deque(words)
        self._images: list[str] = []
        self._sweeps: list[str] = []
        self._given: dict[str, str] = {}
        self._last: tuple[str, str] | None = None

    def read(self) -> None:
        while self._left and len(self.problems) < _MAX_PROBLEMS:  # for each the nearest option is looked for
            word = self._left.popleft()
            try:
                if _is_option(word):
                    self._option(word.text)
                else:
                    self._stray(word)
            except Problem as problem:
                self.problems.append(problem)
        if self._images:
            self.values["images"] = tuple(self._images)
        if self._sweeps:
            self.values["sweep"] = tuple(self._sweeps)

    def _option(self, text: str) -> None:
        flag, attached = parted(text)
        option = BY_FLAG.get(flag)
        if option is None:
            self._skip_values()
            raise _unknown(flag)
        value = self._value(self._options[option.name], flag, attached)
        self._last = (flag, str(value)) if option.metavar else None
        if option.kind == "reference":
            self._images.append(str(value))
            return
        if option.kind == "sweep":
            self._sweeps.append(str(value))
            return
        self._only_once(option, flag)
        self.values[option.name] = value

    def _value(self, option: Option, flag: str, attached: str | None) -> object:
        if option.metavar is None:
            if attached is not None:
                raise _no_value(option, flag, attached)
            return not flag.startswith("--no-")
        if attached is None and self._left and not _is_option(self._left[0]):
            word = self._left.popleft()
            if word.left_open:
                raise Problem  # which is told already
            attached = word.text
        if not attached:
            raise Problem(f"{flag} needs a value: {flag} {option.metavar}{_range(option)}.{_choices(option)}")
        if option.kind != "reference" and may_hold_key(attached):
            raise Problem(_KEY)
        if _differs(option, attached):
            return attached
        return _READERS.get(option.kind, _text)(option, flag, attached)

    def _only_once(self, option: Option, flag: str) -> None:
        before = self._given.setdefault(option.name, flag)
        if option.name not in self.values:
            return
        if option.kind == "switch" and before != flag:
            raise Problem(f"{before} and {flag} contradict each other: write one of the two.")
        also = f" (as {before} too)" if before != flag else ""
        raise Problem(f"{flag} is given twice{also}: write it once.")

    def _skip_values(self) -> None:
        """Leave out what belongs to an unknown option: one mistake, one message."""
        while self._left and not _is_option(self._left[0]):
            self._left.popleft()

    def _stray(self, word: Word) -> None:
        """Report words that belong to no option, together."""
        if word.left_open:  # which is told already
            return
        texts = [word.text]
        while self._left and not _is_option(self._left[0]):
            texts.append(self._left.popleft().text)
        if may_hold_key(" ".join(texts)):
            raise Problem(_KEY)
        leftover = plain(" ".join(texts), _SHOWN)
        remedy = self._remedy(texts, leftover)
        raise Problem(f"{leftover} doesn't belong to any option. The prompt goes on the lines below.{remedy}")

    def _remedy(self, texts: list[str], leftover: str) -> str:
        """Return what to do with words after a value: another reference, or more of the same value."""
        flag, value = self._last or (None, "")
        if flag is None:
            return ""
        if BY_FLAG[flag].kind == "reference":
            each = " ".join(f"{flag} {plain(text, _SHOWN)}" for text in (value, *texts))
            return f" For several references write {each}, and quotes around one that has spaces."
        return f' Quote a value that has spaces: {flag} "{plain(value, _SHOWN)} {leftover}".'


def _differs(option: Option, text: str) -> bool:
    """Return whether a value stands in braces, as in a batch where it differs from row to row."""
    may_differ = option.kind in {"whole", "choice", "model"} and option.is_sent | (option.kind == "model")
    return may_differ and text.startswith("{") and text.endswith("}")


def _is_option(word: Word) -> bool:
    dashed = len(word.text) > 1 and word.text[0] in DASHES
    return dashed and not word.quoted and not re.fullmatch(NUMBER, word.text)


def parted(text: str) -> tuple[str, str | None]:
    """Return the flag and the value attached to it: `--size=2K`, `-s2K`."""
    flag, equals, value = text.partition("=")
    if text.startswith("--") or f"-{flag}" in BY_FLAG or text[:2] not in BY_FLAG:
        return flag, value if equals else None
    return text[:2], text[2:].removeprefix("=") or None


def _unknown(flag: str) -> Problem:
    guess = did_you_mean_option(flag.lstrip(DASHES))
    return Problem(f"There is no option {plain(flag, _SHOWN)}.{guess or ' %%seedream? lists them all.'}")


def _no_value(option: Option, flag: str, attached: str) -> Problem:
    other = f" To switch it off, write {option.flags[-1]}." if option.kind == "switch" else ""
    return Problem(f"{flag} takes no value, but found {plain(attached, _SHOWN)}.{other}")


def _range(option: Option) -> str:
    return f", from {option.low} to {option.high}" if option.kind == "whole" else ""


def _choices(option: Option) -> str:
    return f" Possible: {', '.join(option.choices)}." if option.choices else ""


def _text(_option: Option, _flag: str, text: str) -> str:
    return text


def _choice(option: Option, flag: str, text: str) -> str:
    _check(option, flag, text, text)
    return text


def _whole(option: Option, flag: str, text: str) -> int:
    number = int(text) if re.fullmatch(_WHOLE, text) else None
    _check(option, flag, number, text)
    return cast("int", number)


def _check(option: Option, flag: str, value: object, text: str) -> None:
    for problem in option.problems(value, name=flag, found=plain(text, _SHOWN)):
        raise problem


def _seconds(option: Option, flag: str, text: str) -> float:
    number = read_number(text)
    if not 0 < number <= MAX_NUMBER:
        raise Problem(f"{flag}: found {plain(text, _SHOWN)}; write seconds above 0, such as {option.default:g}.")
    return number


def _name(_option: Option, flag: str, text: str) -> str:
    if text in _IPYTHONS:
        raise Problem(f"{flag}: {text} is a name that IPython itself uses. Choose another, such as {flag} result.")
    if hasattr(builtins, text) and not text.startswith("_"):
        raise Problem(
            f"{flag}: {text} is a Python built-in, which it would hide. Choose another, such as {flag} result."
        )
    if not text.isidentifier() or keyword.iskeyword(text):
        nearest = re.sub(r"\W", "_", text).lstrip("0123456789") or "_"
        nearest += "_" if keyword.iskeyword(nearest) else ""
        raise Problem(f"{flag}: {plain(text, _SHOWN)} is not a valid variable name. Write {flag} {nearest}.")
    return text


_READERS: dict[str, Callable[[Option, str, str], object]] = {
    "choice": _choice,
    "model": _text,
    "whole": _whole,
    "seconds": _seconds,
    "name": _name,
}


_PASTED = ("...", "In [", "[ins] In [", "[nav] In [")
"""What a terminal's prompts begin with: on the second line of a cell they make IPython strip all lines of them."""
_PIECE = 100
_BEGINNING = 10
_DIGEST = lazy_pattern(r"[0-9a-f]{64}")
_TOLD = frozenset({"size", "sequential", "max_images"})
"""Options that say together what they mean."""


class CellContext(Protocol):
    """What a cell is written for: a session."""

    settings: Settings

    @property
    def history(self) -> History:
        """The history whose marks the cell may name."""


def cell_of(generation: Generation, session: CellContext) -> str:
    """Return a `%%seedream` cell that asks for exactly the same, under the settings in force now.

    Raises:
        SeedreamError: a reference image that was sent no longer exists.
    """
    request = generation.request
    words = [
        *_shape_words(request, session),
        *_series_words(request),
        *_other_words(request, session),
        *(word for reference in request.images for word in ("-i", quoted(_written(reference, session)))),
    ]
    return f"{' '.join(['%%seedream', *words])}\n{_body(request.prompt)}"


def _body(prompt: str) -> str:
    """Return the text of a cell that means a prompt, whatever IPython strips of what looks like pasted code."""
    from seedream_nb.prompt import expand, literal
    from seedream_nb.scope import NamesScope

    plain_body = literal(prompt)
    body = "\n".join(map(_kept_line, plain_body.split("\n")))
    if body != plain_body and expand(body, NamesScope({"chr": chr})) != prompt:  # it stands within an expression
        body = "".join(f"{{str({prompt[at : at + _PIECE]!r})}}" for at in range(0, len(prompt), _PIECE))
    return f"\n{body}" if body.lstrip().startswith(_PASTED) else body


def _kept_line(line: str) -> str:
    """Return a line of a template with the character written as an expression that IPython would strip it of."""
    if line.isspace():
        return _as_expression(line)
    return "".join(
        text_line[: len(text_line) - len(text)] + _as_expression(text)
        if (text := text_line.lstrip()).startswith(">>>")
        else text_line
        for text_line in line.splitlines(keepends=True)
    )


def _as_expression(text: str) -> str:
    return f"{{chr({ord(text[0])})}}{text[1:]}"


def _shape_words(request: ImageRequest, session: CellContext) -> Iterator[str]:
    if request.model is not session.settings.model:
        yield from ("--model", request.model.name)
    if _usual_size(request.model, session) != request.size:
        yield from ("--size", request.size)


def _usual_size(model: Model, session: CellContext) -> str | None:
    """Return the size that a cell asks of a model by itself; None if what is set is nothing that it makes."""
    try:
        return spell_size(session.settings.get("size"), session.settings.get("aspect"), model)
    except Problem:
        return None


def _series_words(request: ImageRequest) -> Iterator[str]:
    if request.max_images is not None:
        yield from ("-n", str(request.max_images))


def _other_words(request: ImageRequest, session: CellContext) -> Iterator[str]:
    """Yield what differs from what a cell asks for by itself."""
    for option in SENT:
        value = getattr(request, option.name)
        usual = session.settings.get(option.name) if option.has_setting else None
        if option.name not in _TOLD and value != (option.default if usual is None else usual):
            yield option.flag if value else option.flags[-1]
            if option.metavar is not None:
                yield quoted(str(value))


def _written(reference: Reference, session: CellContext) -> str:
    """Return how a reference is written in a cell: its URL, its mark, or the file that was sent."""
    if reference.url is not None:
        return reference.url
    if _is_marked(reference, session):
        return reference.name
    if not isinstance(reference.source, Path) or not is_regular_file(reference.source):
        raise SeedreamError(
            f"The reference image {reference.name} that was sent no longer exists.",
            hint="It was kept in the folder inputs beside your pictures: somebody must have removed it.",
        )
    return _path_in_a_cell(reference.source)


def _path_in_a_cell(path: Path) -> str:
    """Return how a cell names a file: from the folder where it runs, if it is in there, and by its beginning."""
    folder = working_folder()
    is_inside = path.is_relative_to(folder) or without_surrogates(str(path)) != str(path)
    path = path.with_name(_beginning(path))
    return Path(os.path.relpath(path, folder)).as_posix() if is_inside and folder.is_absolute() else str(path)


def _beginning(path: Path) -> str:
    """Return the name of a kept reference as a glob that no other file of its folder fits: `3f2a91b04c*`.

    The whole name, 64 hexadecimal characters, is nothing to read.
    """
    begin = path.name[:_BEGINNING]
    is_long = _DIGEST.fullmatch(path.stem) is not None and not glob.has_magic(str(path.parent))
    with contextlib.suppress(OSError):
        if is_long and sum(name.startswith(begin) for name in os.listdir(path.parent)) == 1:  # noqa: PTH208 - only names
            return f"{begin}*"
    return path.name


def _is_marked(reference: Reference, session: CellContext) -> bool:
    """Return whether the name of a reference is a mark that still means this one picture."""
    if not reference.name.startswith("@"):
        return False
    try:
        pictures = session.history.marked(reference.name)
    except Problem:
        return False
    return [picture.sha256 for picture in pictures] == [reference.original or reference.sha256]
