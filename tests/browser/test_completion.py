"""A real Tab in a real notebook: options, their values and references are completed where they are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.conftest import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser.jupyter import Notebook, Server

SOURCE = "() => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.getSource()"
LONGEST_WAIT = 20_000


FILL = "text => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(text)"
EMPTY = "() => window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource('')"


@pytest.fixture(scope="module")
def in_lab(shared_lab: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Open such a notebook in a folder of its own of JupyterLab, once."""
    for server in within(shared_lab):
        opened(server, tmp_path_factory.mktemp("tab"))
        yield server


@pytest.fixture
def page(in_lab: Server) -> Notebook:
    """Give that notebook, its second cell empty, and the cursor there."""
    [opened] = in_lab.opened
    opened.page.keyboard.press("Escape")
    opened.page.evaluate(EMPTY)
    opened.command("notebook:enter-edit-mode")
    return opened


def opened(server: Server, folder: Path) -> Notebook:
    """Open a notebook whose first cell has loaded the extension, the cursor in its second, empty one."""
    cells = [nbformat.v4.new_code_cell("%load_ext seedream_nb"), nbformat.v4.new_code_cell("")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "tab.ipynb")
    page = server.open(folder / "tab.ipynb")
    assert page.run(0) == []
    page.select(1)
    page.command("notebook:enter-edit-mode")
    return page


def type_to_tab(page: Notebook, text: str) -> None:
    """Type into the cell, and press Tab."""
    before = page.page.evaluate(SOURCE)
    page.page.keyboard.type(text)
    page.page.wait_for_function(f"([before, typed]) => ({SOURCE})() === before + typed", arg=[before, text])
    page.page.keyboard.press("Tab")


def list_of(page: Notebook) -> list[str]:
    """Wait for the list of completions and return what is in it."""
    items = page.page.locator(".jp-Completer .jp-Completer-match")
    items.first.wait_for(state="visible", timeout=LONGEST_WAIT)
    return items.all_inner_texts()


def accept(page: Notebook, text: str) -> None:
    """Take the first of the list; then the cell reads so."""
    page.page.keyboard.press("Enter")
    page.page.wait_for_function(f"text => ({SOURCE})() === text", arg=text, timeout=LONGEST_WAIT)


def complete_a_line(page: Notebook) -> None:
    """Complete an option and two values on one line."""
    type_to_tab(page, "%%seedream --si")
    assert list_of(page) == ["--size"]
    accept(page, "%%seedream --size")
    type_to_tab(page, " 16:")
    assert list_of(page) == ["16:9"]
    accept(page, "%%seedream --size 16:9")
    type_to_tab(page, " --sequential=")
    assert list_of(page)[:2] == ["auto", "disabled"]
    accept(page, "%%seedream --size 16:9 --sequential=auto")


def test_a_line_is_completed_in_jupyterlab(page: Notebook) -> None:
    """In JupyterLab Tab completes an option, a value with a colon, and one after `=`."""
    complete_a_line(page)
    assert page.problems == []


def test_a_line_is_completed_in_notebook_7(notebook7: Server, tmp_path: Path) -> None:
    """In Notebook 7 too."""
    complete_a_line(opened(notebook7, tmp_path))


def test_a_file_with_a_space_in_its_name_is_quoted(page: Notebook, in_lab: Server) -> None:
    """The name is put in quotes, and quotes that are there already are taken up."""
    (in_lab.root / "my fox.png").touch()

    type_to_tab(page, "%%seedream -i my")
    assert list_of(page) == ['"my fox.png"']
    accept(page, '%%seedream -i "my fox.png"')
    type_to_tab(page, " -i 'my f")
    assert list_of(page) == ["'my fox.png'"]
    accept(page, "%%seedream -i \"my fox.png\" -i 'my fox.png'")


def test_the_list_is_in_our_order(page: Notebook) -> None:
    """On an empty word the options come first, in the order of the documentation, and no name of Python's."""
    type_to_tab(page, "%%seedream ")

    texts = list_of(page)
    assert texts[:3] == ["--size", "--aspect", "--image"]
    # JupyterLab adds words of this very cell.
    assert {text for text in texts if not text.startswith("--")} <= {"%%", "seedream"}


def test_marks_are_in_our_order(page: Notebook) -> None:
    """The newest generation comes first, and the tenth picture of a series after the second; none is cut short."""
    page.page.evaluate(
        FILL,
        "%seedream config backend=sandbox\nimport seedream_nb as sd\nfor count in (1, 11):\n"
        "    sd.generate(f'{count} owls', size='1K', max_images=count)",
    )
    page.command("notebook:run-cell")
    page.page.evaluate(EMPTY)
    page.command("notebook:enter-edit-mode")

    type_to_tab(page, "%%seedream -i @")
    assert list_of(page)[:3] == ["last", "2", "2.1"]
    accept(page, "%%seedream -i @last")
    type_to_tab(page, " -i @2.")
    assert list_of(page)[:11] == [str(number) for number in range(1, 12)]
    accept(page, "%%seedream -i @last -i @2.1")
