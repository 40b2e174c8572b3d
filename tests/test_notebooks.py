"""The tutorials run top to bottom, cost nothing twice, and are committed with what they showed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

if TYPE_CHECKING:
    from tests.faults.server import FaultServer

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ALL = sorted(NOTEBOOKS.glob("*.ipynb"))
PANEL = NOTEBOOKS.parent / ".github" / "panel.jpg"
TUTORIALS = [path for path in ALL if path.stem[:2].isdecimal()]
"""The numbered ones: they run with a key beyond Colab too."""

TOPS = "tmp|home|root|Users|var/folders"
"""Folders at the top of a disk in which a person's files are."""
MAX_BYTES = 300_000
LIST_PRICE = 0.03

tutorial = pytest.mark.parametrize("notebook", TUTORIALS, ids=lambda path: path.stem)
every = pytest.mark.parametrize("notebook", ALL, ids=lambda path: path.stem)


def cells_of(notebook: Path) -> list[Any]:
    """Return the code cells of a notebook."""
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def outputs_of(notebook: Path) -> list[Any]:
    """Return all outputs of a notebook."""
    return [output for cell in cells_of(notebook) for output in cell.outputs]


def run(script: str, folder: Path, *words: object, **environ: str) -> str:
    """Run the script that runs notebooks, and return what it printed."""
    command = [sys.executable, str(NOTEBOOKS / script), *map(str, words)]
    environment = {**os.environ, **environ}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=110)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


# -- running them ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.kernel
@every
def test_it_runs_and_leaves_its_pictures(notebook: Path, tmp_path: Path) -> None:
    """What `make demo` does: no cell fails, the pictures are on disk, and it says where."""
    told = run("run.py", tmp_path, notebook, tmp_path / "demo")
    made = list((tmp_path / "demo" / "seedream").rglob("0*.jpg"))
    assert made
    assert all(picture.name in told for picture in made if picture.parent.name == "seedream")
    outputs = outputs_of(tmp_path / "demo" / notebook.name)
    assert not [each for each in outputs if each.output_type == "error" or each.get("name") == "stderr"]
    assert any("<img" in each.get("data", {}).get("text/html", "") for each in outputs)


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.timeout(240)
@tutorial
def test_with_a_key_it_costs_what_it_says_and_nothing_again(
    notebook: Path, tmp_path: Path, fault_server: FaultServer
) -> None:
    """With a key it asks for as many pictures as its first lines say, and run again it asks for none."""
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("run.py", notebook.name):
        shutil.copy(NOTEBOOKS / name, alone)

    def run_with_a_key() -> None:
        key = {"NOVITA_API_KEY": "sk_test", "SEEDREAM_BASE_URL": fault_server.url}
        run(str(alone / "run.py"), tmp_path, "all", tmp_path / "kept", **key)

    run_with_a_key()
    asked = [each.json() for each in fault_server.posts]
    pictures = sum(each.get("max_images", 1) for each in asked)
    assert f"that is {pictures * LIST_PRICE:.2f} USD" in " ".join(first_words(notebook).split())

    run_with_a_key()
    assert len(fault_server.posts) == len(asked)


def first_words(notebook: Path) -> str:
    """Return the first cell of a notebook, which is text."""
    first = nbformat.read(notebook, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    return str(first.source)


# -- what is committed -----------------------------------------------------------------------------


@every
def test_it_begins_with_what_comes_of_it(notebook: Path) -> None:
    """The first lines say what the reader will have at the end, before anything is run."""
    assert re.search(r"minutes? you will have", first_words(notebook))


@every
def test_its_cells_have_names(notebook: Path) -> None:
    """Each cell has an id, so that a change to one shows as a change to that one."""
    assert all(cell.get("id") for cell in nbformat.read(notebook, as_version=4).cells)


@every
def test_its_outputs_belong_to_its_cells(notebook: Path) -> None:
    """It was run top to bottom in one go, in a fresh kernel; no cell failed, none warned. Else: `make notebooks`."""
    assert [cell.execution_count for cell in cells_of(notebook)] == list(range(1, len(cells_of(notebook)) + 1))
    outputs = outputs_of(notebook)
    assert not [each for each in outputs if each.output_type == "error" or each.get("name") == "stderr"]


@every
def test_its_pictures_are_the_sandboxs(notebook: Path) -> None:
    """Every result that it shows is labelled as the sandbox's; none comes from a service."""
    shown = [each.get("data", {}).get("text/html", "") for each in outputs_of(notebook)]
    results = [html for html in shown if "seedream/" in html]  # what a dry run shows is references
    assert results
    assert all(">sandbox</span>" in html for html in results)


@every
def test_it_links_to_nothing_that_is_not_there(notebook: Path) -> None:
    """The pictures' files are not committed: on GitHub a link to one would lead nowhere."""
    html = "".join(each.get("data", {}).get("text/html", "") for each in outputs_of(notebook))
    assert 'href="' not in html


@every
def test_it_is_small(notebook: Path) -> None:
    """It opens at once, here and on GitHub."""
    assert notebook.stat().st_size <= MAX_BYTES


@every
def test_it_names_nothing_of_one_machine(notebook: Path) -> None:
    """No absolute path, no version of Python, no time at which a cell ran."""
    text = notebook.read_text("utf-8")
    assert not re.findall(rf"(?:/(?:{TOPS})/|[A-Z]:\\\\)[\w.-]+", text)
    document = nbformat.read(notebook, as_version=4)
    assert document.metadata.language_info == {"name": "python"}
    assert document.metadata.kernelspec.name == "python3"
    assert not [cell.id for cell in document.cells if "execution" in cell.metadata]


@every
def test_it_needs_no_live_widget(notebook: Path) -> None:
    """What it shows shows without a kernel: no widget stands in the place of a picture or a text."""
    kinds = {kind for each in outputs_of(notebook) for kind in each.get("data", {})}
    assert not {kind for kind in kinds if "widget" in kind}
    assert "widgets" not in nbformat.read(notebook, as_version=4).metadata


@every
def test_its_pictures_survive_a_host_that_strips_styles(notebook: Path) -> None:
    """Without styles and scripts, as on GitHub, each picture still has its text and its width."""
    html = "".join(each.get("data", {}).get("text/html", "") for each in outputs_of(notebook))
    bare = re.sub(r"""\s(?:style|class|role)="[^"]*"|<script.*?</script>""", "", html)
    pictures = re.findall(r"<img [^>]*>", bare)
    assert pictures
    assert all('alt="' in each and 'width="' in each for each in pictures)


@every
def test_a_picture_of_its_text_is_there(notebook: Path) -> None:
    """Each picture file that its text shows lies beside it, for a server shows nothing from above its folder."""
    texts = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "markdown"]
    for name in re.findall(r"!\[[^\]]*\]\((?!https?:)([^)]+)\)", "\n".join(texts)):
        assert (NOTEBOOKS / name).is_file()


def test_the_panel_is_pictured_as_in_the_readme() -> None:
    """The tutorial's picture of the panel is the README's. Else: `make notebooks`."""
    assert (NOTEBOOKS / PANEL.name).read_bytes() == PANEL.read_bytes()
