"""The first tutorial as a new user has it: in a real JupyterLab, without a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from tests.browser.jupyter import Notebook, Server

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01-first-picture.ipynb"

# Whether the browser has decoded the picture and shows it.
RENDERED = "image => image.complete && image.naturalWidth > 0 && image.getBoundingClientRect().width > 100"


def first_picture() -> int:
    """Return the number, among the code cells, of the first that asks for a picture."""
    cells = nbformat.read(TUTORIAL, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    return next(number for number, source in enumerate(code) if source.startswith("%%seedream"))


def run_through(page: Notebook, last: int) -> list[dict[str, Any]]:
    """Run the code cells up to this one and return its outputs."""
    for number in range(last):
        assert not [output for output in page.run(number) if output["output_type"] == "error"]
    return page.run(last)


def test_the_first_picture_is_seen(lab: Server) -> None:
    """The tutorial's first picture is on the page, visible, described in words, and the cell's one output."""
    cell = first_picture()
    page = lab.open(TUTORIAL)

    outputs = run_through(page, cell)

    assert [output["output_type"] for output in outputs] == ["execute_result"]
    picture = page.output(cell).locator("img").first
    picture.wait_for(state="visible")
    assert picture.evaluate(RENDERED)
    assert picture.get_attribute("alt")
    assert page.problems == []


def test_the_picture_is_a_file_beside_the_notebook(lab: Server) -> None:
    """After the first cells, the picture in full size is in the folder beside the notebook."""
    page = lab.open(TUTORIAL)

    run_through(page, first_picture())

    assert list((lab.root / "seedream").glob("0001-1-*"))
