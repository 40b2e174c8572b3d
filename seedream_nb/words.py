"""Splits an option line into words: at white space outside quotes and brackets, without a shell."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seedream_nb.errors import Problem, plain

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_QUOTES = "'\""
_SPECIAL = frozenset("([{" + _QUOTES)
DASHES = "-–—−"  # noqa: RUF001 - what word processors make of a minus
_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
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
    while position < len(line) and line[position].isspace():
        position += 1
    return position


def _word(line: str, start: int) -> tuple[str, int]:
    """Return the word that starts here, and where it ends."""
    text, position = "", start
    while position < len(line) and not line[position].isspace():
        if line[position] in _QUOTES:
            end = _quote_end(line, position)
            text += line[position + 1 : end - 1]
        elif line[position] in _BRACKETS:
            end = _bracket_end(line, position)
            text += line[position:end]
        else:
            end = position + 1
            text += line[position]
        position = end
    return text, position


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
    return Problem(f"The {what} {line[start]} is not closed in: {plain(line[start:], _SHOWN)}  {remedy}")
