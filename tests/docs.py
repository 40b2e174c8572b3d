"""What README and docs take from elsewhere: tables, badges, tutorials. `python -m tests.docs` writes it anew."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from seedream_nb.errors import money
from seedream_nb.notebook.verbs import VERBS
from seedream_nb.options import OPTIONS
from seedream_nb.service import DEFAULT
from seedream_nb.settings import SETTINGS
from seedream_nb.sizes import pixel_range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedream_nb.options import Option
    from seedream_nb.service import Model

README = Path(__file__).parents[1] / "README.md"
NOTEBOOKS = README.parent / "notebooks"
PAGES = README.parent / "docs" / "pages"
PLACES = {
    "badges": README,
    "tutorials": README,
    "options": PAGES / "cell.md",
    "verbs": PAGES / "cell.md",
    "settings": PAGES / "settings.md",
    "models": README,
}
"""Where each part stands."""
BINDER, COLAB = "https://mybinder.org", "https://colab.research.google.com"
OPENED, IN_COLAB = "notebooks/01-first-picture.ipynb", "notebooks/colab.ipynb"


def tables() -> dict[str, str]:
    """Return each part that is written here, by its name."""
    return {
        "badges": badges(repository()),
        "tutorials": " ·\n".join(map(_linked, sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb")))) + "\n",
        "options": _table(("option", "value", "what it does"), map(_option_row, OPTIONS)),
        "verbs": _table(
            ("in a line of its own", "what it does"),
            ((f"`{f'%seedream {name} {verb.words}'.strip()}`", verb.help) for name, verb in VERBS.items()),
        ),
        "models": _table(
            ("`--model`", "tiers", "width × height", "references, as they are", "USD a picture"),
            map(_model_row, DEFAULT.models),
        ),
        "settings": _table(
            ("setting", "environment", "default", "what it is"),
            (
                (f"`{each.name}`", _code(each.environment), _code(_spelled(each.default)), each.help)
                for each in SETTINGS.values()
            ),
        ),
    }


def _model_row(model: Model) -> tuple[str, ...]:
    limits = model.references
    formats = ", ".join(dict.fromkeys(kind.removeprefix("image/") for kind in limits.formats.values()))
    pixels = f"{pixel_range(model).replace('x', '×')}, in all"
    price = money(model.price).removesuffix(" USD")
    return f"`{model.name}`", ", ".join(model.tiers), pixels, f"{limits.max_count}: {formats}", price


def repository() -> str:
    """Return the project's `owner/name` on GitHub, from the one URL in pyproject.toml."""
    project = tomllib.loads((README.parent / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["urls"]["Homepage"]).removeprefix("https://github.com/")


def badges(of: str) -> str:
    """Return the badges that open a tutorial of a repository on other people's computers."""
    at_binder = f"{BINDER}/v2/gh/{of}/main?urlpath=lab/tree/{OPENED}"
    at_colab = f"{COLAB}/github/{of}/blob/main/{IN_COLAB}"
    return (
        f"[![Open in Binder]({BINDER}/badge_logo.svg)]({at_binder})\n"
        f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({at_colab})\n"
    )


def title(notebook: Path) -> str:
    """Return the heading that a notebook begins with."""
    first = nbformat.read(notebook, as_version=4).cells[0].source
    return str(first).splitlines()[0].removeprefix("# ")


def found(name: str) -> str:
    """Return the table of this name as it stands in its place."""
    return _parts(PLACES[name].read_text("utf-8"), name)[1]


def write() -> None:
    """Write all tables anew."""
    for name, table in tables().items():
        before, _, after = _parts(PLACES[name].read_text("utf-8"), name)
        PLACES[name].write_text(before + table + after, "utf-8")


def _parts(text: str, name: str) -> tuple[str, str, str]:
    """Return a text in three parts: before the table of this name, the table, and after it."""
    match = re.search(rf"<!-- {name}: [^\n]* -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert match is not None, f"there is no place for the table {name}"
    return text[: match.start(1)], match[1], text[match.end(1) :]


def _linked(notebook: Path) -> str:
    return f"[{title(notebook)}](notebooks/{notebook.name})"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _option_row(option: Option) -> tuple[str, ...]:
    flags = ", ".join(f"`{flag}`" for flag in option.flags)
    shown = _spelled(option.default) if option.metavar else ""
    value = _code(option.metavar) if option.kind != "whole" else f"{option.low} to {option.high}"
    value = " ".join(map(_code, option.choices)) if option.kind in {"choice", "model"} else value
    return flags, value, option.help + (f" (default: `{shown}`)" if shown else "")


def _spelled(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    write()
