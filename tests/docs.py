"""The tables of the README, from the tables of the package: `python -m tests.docs` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from seedream_nb.notebook.verbs import VERBS
from seedream_nb.options import OPTIONS
from seedream_nb.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedream_nb.options import Option

README = Path(__file__).parents[1] / "README.md"


def tables() -> dict[str, str]:
    """Return each table of the README by its name."""
    return {
        "options": _table(("option", "value", "what it does"), map(_option_row, OPTIONS)),
        "verbs": _table(
            ("in a line of its own", "what it does"),
            ((f"`{f'%seedream {name} {verb.words}'.strip()}`", verb.help) for name, verb in VERBS.items()),
        ),
        "settings": _table(
            ("setting", "environment", "default", "what it is"),
            (
                (f"`{each.name}`", _code(each.environment), _code(_spelled(each.default)), each.help)
                for each in SETTINGS.values()
            ),
        ),
    }


def found(text: str, name: str) -> str:
    """Return the table of this name as it stands in a text."""
    return _parts(text, name)[1]


def renewed(text: str) -> str:
    """Return a text with all its tables written anew."""
    for name, table in tables().items():
        before, _, after = _parts(text, name)
        text = before + table + after
    return text


def _parts(text: str, name: str) -> tuple[str, str, str]:
    """Return a text in three parts: before the table of this name, the table, and after it."""
    match = re.search(rf"<!-- {name}: [^\n]* -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert match is not None, f"the README has no place for the table {name}"
    return text[: match.start(1)], match[1], text[match.end(1) :]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _option_row(option: Option) -> tuple[str, ...]:
    flags = ", ".join(f"`{flag}`" for flag in option.flags)
    shown = _spelled(option.default) if option.value else ""
    value = _code(option.value) if option.low is None else f"{option.low} to {option.high}"
    value = " ".join(map(_code, option.choices)) if option.kind == "choice" else value
    return flags, value, option.help + (f" (default: `{shown}`)" if shown else "")


def _spelled(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    README.write_text(renewed(README.read_text("utf-8")), "utf-8")
