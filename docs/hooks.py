"""What the site takes from elsewhere: tutorials with their outputs, a gallery of them, the public names, pictures.

A tutorial becomes a page of text and code like every other, which search, both themes and a phone can read; what its
cells showed is put in as it is committed, and nothing is run.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

import seedream_nb

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

TOP = Path(__file__).parents[1]
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
TUTORIALS = "tutorials"
PICTURES = ("first-picture.jpg", "panel.jpg")
FROM_THE_TOP = {"changes.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
BLOB = "https://github.com/seedream-nb/seedream-nb/blob/main/"

_SHOWN: dict[str, str] = {}
"""What cells showed, by its place in a page: HTML, which Markdown would read as text of its own."""
_FEW = 2
"""Columns of a table that needs no heads to be understood."""
_TABLE = re.compile("<table>.*?</table>", re.DOTALL)
_PLACE = re.compile(r"<!--shown (\S+)-->")
_PICTURE = re.compile(r'data:image/jpeg;base64,([^"]+)"')


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the tutorials into the navigation."""
    for entry in config.nav or ():
        if entry.get("Tutorials") == f"{TUTORIALS}/":
            pages = [{_title(path): f"{TUTORIALS}/{path.stem}.md"} for path in NOTEBOOKS]
            entry["Tutorials"] = [{"Gallery": f"{TUTORIALS}/index.md"}, *pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that do not lie in `pages/`."""
    made = partial(File.generated, config)
    for name in PICTURES:
        files.append(made(f"assets/{name}", abs_src_path=str(TOP / ".github" / name)))
    for page, name in FROM_THE_TOP.items():
        files.append(made(page, content=_with_links_to_the_repository((TOP / name).read_text("utf-8"))))
    files.append(made("python.md", content=_public_names()))
    files.append(made(f"{TUTORIALS}/index.md", content=_gallery()))
    files.append(made(f"{TUTORIALS}/panel.jpg", abs_src_path=str(TOP / ".github" / "panel.jpg")))
    for path in NOTEBOOKS:
        files.append(made(f"{TUTORIALS}/{path.stem}.md", content=_as_page(path)))
        files.append(made(f"{TUTORIALS}/{path.stem}.jpg", content=_first_picture(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - as called
    """Show a prompt as text: to Python's highlighter its words are keywords."""
    return markdown.replace("```python\n%%", "```text\n%%")


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - as called
    """Tell the cells of wide tables their heads, which a phone shows beside them; put in what the cells showed."""
    return _PLACE.sub(lambda place: _SHOWN[place[1]], _TABLE.sub(_with_heads, content))


def _with_heads(table: re.Match[str]) -> str:
    heads = [re.sub("<[^>]+>", "", head) for head in re.findall("<th[^>]*>(.*?)</th>", table[0])]
    told = itertools.cycle(["", *(f' data-head="{head}"' for head in heads[1:])])
    return re.sub("<td", lambda _: f"<td{next(told)}", table[0]) if len(heads) > _FEW else table[0]


# -- tutorials -------------------------------------------------------------------------------------


def _cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def _title(path: Path) -> str:
    return str(_cells(path)[0]["source"]).splitlines()[0].removeprefix("# ")


def _promise(path: Path) -> str:
    """Return what a reader will have at the end: the first paragraph of a tutorial."""
    return str(_cells(path)[0]["source"]).split("\n\n")[1].replace("\n", " ").replace("**", "").replace("`", "")


def _as_page(path: Path) -> str:
    """Return a tutorial as Markdown, with places for what its cells showed."""
    parts = []
    for number, cell in enumerate(_cells(path)):
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"])
            continue
        parts.append(_code(cell["source"]))
        shown = "".join(_output(output) for output in cell["outputs"])
        if shown:
            name = f"{path.stem}-{number}"
            _SHOWN[name] = f'<div class="shown" tabindex="0" role="group" aria-label="Output">{shown}</div>'
            parts.append(f"<!--shown {name}-->")
    first, *rest = parts
    taken = f"*This page is [the notebook]({BLOB}notebooks/{path.name}) as it ran in the sandbox.*"
    return "\n\n".join((first, taken, *rest)) + "\n"


def _code(source: str) -> str:
    return f"```python\n{source}\n```"


def _output(output: dict[str, Any]) -> str:
    """Return an output as HTML: the best that it has for a page."""
    data = {kind: "".join(value) for kind, value in output.get("data", {}).items() if kind != "application/json"}
    if "text/html" in data:
        return data["text/html"]
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return f'<img src="data:{kind};base64,{data[kind].strip()}" alt="The picture that the cell shows">'
    text = "".join(output.get("text", "")) or data.get("text/plain", "")
    return f"<pre>{html.escape(text.rstrip())}</pre>" if text.strip() else ""


def _gallery() -> str:
    """Return the page from which the tutorials are chosen: a picture, a title and a promise of each."""
    cards = "\n".join(
        f'<a class="card" href="{path.stem}/"><img src="{path.stem}.jpg" alt="" loading="lazy">'
        f"<strong>{html.escape(_title(path))}</strong><span>{html.escape(_promise(path))}</span></a>"
        for path in NOTEBOOKS
    )
    told = (
        "Five minutes or less each: read them with what came of them, or run them. Without a key they run in the "
        "sandbox, which is free; with one, each says first what it costs.\n\n"
        f"They lie in [`notebooks/`]({BLOB.replace('blob', 'tree')}notebooks). `make lab` opens JupyterLab on them."
    )
    return f'# Tutorials\n\n{told}\n\n<div class="cards">\n{cards}\n</div>\n'


def _first_picture(path: Path) -> bytes:
    """Return the picture that stands for a tutorial: its drawing of the panel, or the first that it made."""
    source = path.read_text("utf-8")
    if "](panel.jpg)" in source:
        return (TOP / ".github" / "panel.jpg").read_bytes()
    shown = "".join(_output(output) for cell in _cells(path) for output in cell.get("outputs", ()))
    found = _PICTURE.search(shown)
    assert found is not None, f"{path.name} shows no picture: `make notebooks`"
    return base64.b64decode(found[1])


# -- the public names ------------------------------------------------------------------------------

ABOUT: dict[str, dict[str, str]] = {
    "Make pictures": {"generate": "", "submit": "", "batch": "", "configure": "", "panel": ""},
    "What you get": {
        "Generation": "id prompt template request images created seconds cost backend status warnings mark "
        "edit rerun save",
        "Picture": "path width height media_type sha256 mark to_pil to_numpy to_bytes save",
        "Job": "status over mark result cancel",
        "Batch": "status failed unknown cost result cancel to_rows to_frame save",
        "History": "search",
        "ImageRequest": "",
    },
    "Pieces of the panel": {"Gallery": "", "ReferenceTray": "value"},
}
"""The public names, each with those of its members that people use."""


def _public_names() -> str:
    """Return the page of the Python reference, whose text is the docstrings."""
    errors = [name for name in seedream_nb.__all__ if name.endswith("Error")]
    errors.sort(key=lambda name: (name != "SeedreamError", name))
    parts = [(Path(__file__).parent / "python.md").read_text("utf-8")]
    for heading, names in {**ABOUT, "Errors": dict.fromkeys(errors, "")}.items():
        parts += [f"## {heading}", *(_directive(name, members.split()) for name, members in names.items())]
    return "\n\n".join(parts) + "\n"


def _directive(name: str, members: list[str]) -> str:
    return f"::: seedream_nb.{name}\n    options:\n      members: {json.dumps(members)}"


def _with_links_to_the_repository(text: str) -> str:
    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"]({BLOB}\1)", text)
