"""What others make of a saved notebook: nbconvert to HTML, Markdown and LaTeX, and a terminal."""

from __future__ import annotations

import base64
import io
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from seedream_nb.session import Session
from seedream_nb.settings import Settings
from seedream_nb.view import bundle, history_bundle, request_bundle
from tests.pictures import gradient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from seedream_nb.storage.generation import Generation
    from seedream_nb.view import Bundle

SIZES = ("1024x1024", "864x1536", "1536x864", "1680x720")
"""Square, portrait, landscape and 21:9, as small as they may be."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Begin a session with the imitation of the service, in a folder of its own."""
    settings = Settings(environ={}, folder=tmp_path)
    settings.change(backend="sandbox")
    begun = Session(settings=settings, bundle=bundle, lingers=False)
    yield begun
    begun.close()


def mixed(session: Session, prompt: str = "a fox in the snow") -> Generation:
    """Return a generation of four pictures: square, portrait, landscape and 21:9."""
    made = [session.start(prompt, size=size).result() for size in SIZES]
    return replace(made[-1], images=[picture for each in made for picture in each])


def edited(session: Session, prompt: str = "image 1 as image 2", count: int = 2) -> Generation:
    """Return a generation with so many references, the first one an earlier result."""
    before = session.start("a fox", size="1K").result()
    plots = [gradient(300 + 10 * number, 200) for number in range(count - 1)]
    return session.start(prompt, images=[*before, *plots], size="1K").result()


def shown(*views: Bundle) -> nbformat.NotebookNode:
    """Return a notebook, as it was saved, in which each cell shows one of these."""
    cells = [
        new_code_cell(f"show({number})", execution_count=number, outputs=[output(view, number)])
        for number, view in enumerate(views, start=1)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook: nbformat.NotebookNode = new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    return notebook


def output(view: Bundle, number: int) -> nbformat.NotebookNode:
    """Return the output of a cell whose value shows itself so."""
    made: nbformat.NotebookNode = new_output("execute_result", data=dict(view), execution_count=number)
    return made


def written(notebook: nbformat.NotebookNode, folder: Path, name: str = "saved.ipynb") -> Path:
    """Save a notebook, which makes sure of its format."""
    nbformat.validate(notebook)
    nbformat.write(notebook, folder / name)
    return folder / name


def converted(exporter: str, notebook: nbformat.NotebookNode, **options: object) -> tuple[str, dict[str, bytes]]:
    """Return what nbconvert makes of a notebook: a text, and files by their names."""
    from nbconvert.exporters import get_exporter

    kind = get_exporter(exporter)  # type: ignore[no-untyped-call]
    text, resources = kind(**options).from_notebook_node(notebook)
    return text, dict(resources.get("outputs") or {})


class Images(HTMLParser):
    """The attributes of every picture on a page."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a picture."""
        if tag == "img":
            self.found.append(dict(attrs))

    def sizes(self) -> list[tuple[int, int]]:
        """Return the size of each picture, from its bytes on the page."""
        return [size_of(base64.b64decode((image["src"] or "").partition(",")[2])) for image in self.found]


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Return the width and height of a JPEG, which can be decoded."""
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    assert image.format == "JPEG"
    return image.size


def marks(generation: Sequence[Any]) -> list[str]:
    """Return the marks of its pictures."""
    return [picture.mark for picture in generation]


@pytest.mark.slow
@pytest.mark.parametrize("template", ["lab", "classic", "basic"])
def test_html_has_every_picture_and_its_caption(session: Session, template: str) -> None:
    """HTML by nbconvert has each preview with its alternative text, each mark, and the label of the sandbox."""
    generation = mixed(session)

    page, _ = converted("html", shown(bundle(generation)), template_name=template)

    pictures = Images(page)
    assert pictures.sizes() == [(640, 640), (360, 640), (640, 360), (640, 274)]
    for image, mark in zip(pictures.found, marks(generation), strict=True):
        assert image["alt"] == f"a fox in the snow ({mark}, one of 4) (sandbox)"
        assert f"{mark} · <a " in page
    assert ">sandbox</span>" in page


@pytest.mark.slow
def test_markdown_has_the_page_in_one_block(session: Session) -> None:
    """Markdown by nbconvert has the HTML as it is: with no blank line in it, it stays one block for every reader."""
    generation = mixed(session, "a fox\n\n    in the snow")

    text, files = converted("markdown", shown(bundle(generation), history_bundle([generation])))

    assert bundle(generation)["text/html"] in text
    assert "\n" not in bundle(generation)["text/html"]
    assert Images(text).found[0]["alt"] == "a fox in the snow (@1.1, one of 4) (sandbox)"
    assert len(files) == 1


@pytest.mark.slow
def test_markdown_can_have_files_in_place_of_the_page(session: Session) -> None:
    """Who asks nbconvert for pictures gets the sheet as a file that the Markdown shows."""
    from traitlets.config import Config

    wanted = Config({"NbConvertBase": {"display_data_priority": ["image/jpeg", "text/plain"]}})

    text, files = converted("markdown", shown(bundle(mixed(session))), config=wanted)

    (name,) = files
    assert f"![jpeg]({name})" in text


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["html", "markdown"])
def test_references_come_along(session: Session, exporter: str) -> None:
    """HTML and Markdown by nbconvert have what went in, of a result and of a dry run, small and with its number."""
    generation = edited(session)

    text, _ = converted(exporter, shown(bundle(generation), request_bundle(generation.request, 0.03, "sandbox")))

    result, *small = Images(text).found
    numbered = [f"image {number}: {each.name}" for number, each in enumerate(generation.request.images, start=1)]
    assert [image["alt"] for image in small] == numbered * 2
    assert max(max(size) for size in Images(text).sizes()[1:]) <= 168
    assert result["alt"] == "image 1 as image 2 (@2.1) (sandbox)"


@pytest.mark.slow
def test_a_terminal_is_told_what_went_in(session: Session) -> None:
    """Plain text has one line of the references, with their numbers."""
    first, _, last = bundle(edited(session))["text/plain"].splitlines()

    assert " · from @1.1 · " in first
    assert last.startswith("image 1: @1.1 · image 2: ")


@pytest.mark.slow
def test_latex_has_the_pictures(session: Session) -> None:
    """LaTeX, which shows no HTML, gets a JPEG for each result and each picture."""
    generation = mixed(session)

    text, files = converted("latex", shown(bundle(generation), bundle(generation[0])))

    sheet, alone = (base64.b64encode(data).decode() for data in files.values())
    assert sheet == bundle(generation)["image/jpeg"]
    assert alone == bundle(generation[0])["image/jpeg"]
    assert all(name in text for name in files)
    assert "data:image" not in text


@pytest.mark.slow
def test_latex_has_the_history_as_text(session: Session) -> None:
    """What has no picture of its own is plain text in LaTeX."""
    generation = session.start("a fox", size="1K").result()

    text, _ = converted("latex", shown(history_bundle([generation])))

    assert "a fox" in text
    assert "(sandbox)" in text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pandoc") is None, reason="nbconvert asks pandoc for what is Markdown in LaTeX")
def test_latex_with_words_around(session: Session) -> None:
    """A notebook with text between its pictures becomes LaTeX too."""
    notebook = shown(bundle(session.start("a fox", size="1K").result()))
    notebook.cells.insert(0, new_markdown_cell("# Foxes"))

    text, files = converted("latex", notebook)

    assert r"\section{Foxes}" in text
    assert len(files) == 1


@pytest.mark.slow
def test_a_terminal_is_told_everything(session: Session) -> None:
    """Plain text says what was made, where each file is, by which mark, and that it is an imitation."""
    generation = mixed(session)

    first, *rest = bundle(generation)["text/plain"].splitlines()

    assert first.startswith("@4 done · 4 pictures ")
    assert first.endswith("sandbox")
    assert rest == [f"{picture.mark}  {picture.path}" for picture in generation]


@pytest.mark.slow
def test_fifteen_pictures_stay_small(session: Session) -> None:
    """Fifteen pictures of 4096x4096 add less than 1.5 MB to a saved notebook, sheet and ten references among it."""
    picture = session.start("a fox", size="4K").result()[0]
    sample = replace(edited(session, count=10), images=[picture] * 15)

    assert len(nbformat.writes(shown(bundle(sample)))) < 1_500_000
