"""The first tutorial as a new user has it: in a real JupyterLab, without a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.conftest import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.jupyter import Notebook, Server

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01-first-picture.ipynb"

# Whether the browser has decoded the picture and shows it.
RENDERED = "image => image.complete && image.naturalWidth > 0 && image.getBoundingClientRect().width > 100"


def first_picture() -> int:
    """Return the number, among the code cells, of the first that asks for a picture."""
    cells = nbformat.read(TUTORIAL, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    return next(number for number, source in enumerate(code) if source.startswith("%%seedream"))


def run_through(page: Notebook, last: int) -> None:
    """Run the code cells up to this one; none fails."""
    for number in range(last + 1):
        assert not [output for output in page.run(number) if output["output_type"] == "error"]


@pytest.fixture(scope="module")
def tutorial(shared_lab: Server) -> Iterator[Server]:
    """Open it in a folder of its own, and run its cells up to the first picture, once."""
    for server in within(shared_lab):
        run_through(server.open(TUTORIAL), first_picture())
        yield server


def test_the_first_picture_is_seen(tutorial: Server) -> None:
    """The tutorial's first picture is on the page, visible, described in words, and the cell's one output."""
    cell, [page] = first_picture(), tutorial.opened

    assert [output["output_type"] for output in page.outputs(cell)] == ["execute_result"]
    picture = page.output(cell).locator("img").first
    picture.wait_for(state="visible")
    assert picture.evaluate(RENDERED)
    assert picture.get_attribute("alt")
    assert page.problems == []


def test_the_picture_is_a_file_beside_the_notebook(tutorial: Server) -> None:
    """After the first cells, the picture in full size is in the folder beside the notebook."""
    assert list((tutorial.root / "seedream").glob("0001-1-*"))
