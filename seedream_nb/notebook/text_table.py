"""Prints a table of two columns, and paragraphs, which read well as plain text everywhere."""

from __future__ import annotations

import shutil
import sys
import textwrap

from seedream_nb.errors import without_surrogates
from seedream_nb.patterns import lazy_pattern

WIDTH, COLUMN = 88, 17
NARROWEST, WIDEST = 40, 100
"""The columns of a terminal that are used: in fewer nothing can be read, and of more the eye loses the line."""
_COMMAND = lazy_pattern(
    r"%seedream (?:config \w+(?:=\S+)?|(?:help|show|code|rerun|restore) [@A-Z]\S*|delete --forever [a-z]+|[a-z]+)"
    r"|pip install --upgrade \S+"
)
"""What is to be copied stays on one line."""
_KEPT = "\N{NO-BREAK SPACE}"


def row(name: str, text: str, column: int = COLUMN) -> None:
    """Print one row; what does not fit goes on below in its column."""
    print("\n".join(lines_of(name, text, column, _columns())))


def paragraph(text: str, indent: str = "") -> None:
    """Print a text in lines that fit, those after the first set in by two more."""
    print("\n".join(_wrapped(text, _columns(), indent, indent + "  ")))


def _columns() -> int:
    """Return how many columns there are: those of the terminal, if this is one; of a page nobody knows."""
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDTH
    return columns_used(shutil.get_terminal_size().columns)


def columns_used(columns: int) -> int:
    """Return how many columns of a terminal are used; some terminals begin a new line once the last one is full."""
    return max(NARROWEST, min(WIDEST, columns - 1))


def lines_of(name: str, text: str, column: int = COLUMN, width: int = WIDTH) -> list[str]:
    """Return one row as lines: a name that is too long for its column has a line of its own."""
    folded = _wrapped(text, width - column) or [""]
    first = f"{name:<{column}}"
    lines = [first + folded[0], *folded[1:]] if len(name) < column else [first, *folded]
    return [lines[0].rstrip(), *(" " * column + line for line in lines[1:])]


def _wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _KEPT), without_surrogates(text))
    lines = textwrap.wrap(
        whole, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_KEPT, " ") for line in lines]
