"""Hosts with nobody at the page: papermill, nbconvert, and Python in a browser, which has no threads."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.faults.script import POST, Links

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.server import FaultServer

# Each starts programs that import much, which takes minutes where much else runs.
pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(400)]

SANDBOX = "%load_ext seedream_nb\n%seedream config backend=sandbox"
PANEL = "import seedream_nb as sd\nsd.panel()"
SUMMARY = "<strong>Seedream</strong>"


def written(folder: Path, *cells: str) -> None:
    """Write a notebook of these cells, the first one for papermill's parameters."""
    made = [new_code_cell(cell) for cell in ("style = 'ink wash'", *cells)]
    made[0].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=made, metadata=kernel), folder / "in.ipynb")


def ran(folder: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a Jupyter program in a folder, and return what it told."""
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def outputs(folder: Path, name: str = "out.ipynb") -> list[nbformat.NotebookNode]:
    """Return all outputs of the notebook that was written."""
    cells = nbformat.read(folder / name, as_version=4).cells
    return [output for cell in cells for output in cell.get("outputs", [])]


def test_papermill_parameters_reach_the_prompt(tmp_path: Path) -> None:
    """The prompt's braces have papermill's values, and the notebook that it writes holds the result alone."""
    written(tmp_path, SANDBOX, "%%seedream --size 1K\na fox in {style}")

    assert ran(tmp_path, "papermill", "in.ipynb", "out.ipynb", "-p", "style", "woodcut").returncode == 0

    (output,) = outputs(tmp_path)
    assert output.output_type == "execute_result"
    assert output.data["text/plain"].startswith("@1 done · 1 picture")
    assert "<img" in output.data["text/html"]
    assert (tmp_path / "seedream" / "0001-1-a-fox-in-woodcut.jpg").is_file()


def test_papermill_stops_at_an_error_of_ours(tmp_path: Path) -> None:
    """It exits with an error that ends with our lines, they stand in the notebook too, and no later cell runs."""
    written(tmp_path, SANDBOX, "%%seedream --size 9K\na fox", "print('later')")

    failed = ran(tmp_path, "papermill", "in.ipynb", "out.ipynb")

    assert failed.returncode == 1
    *_, first, last = failed.stderr.strip().splitlines()
    assert first.startswith('RequestError: size: "9K" is not a size.')
    assert last == "  Nothing was sent, nothing was billed."
    (error,) = [output for output in outputs(tmp_path) if output.output_type == "error"]
    assert len(error.traceback) == 2
    assert not any("later" in str(output) for output in outputs(tmp_path))


def test_papermill_logs_no_flood_of_progress(fault_server: FaultServer, tmp_path: Path) -> None:
    """Asked to log what cells show, it logs the beginning and the end of a request that takes seconds."""
    fault_server.on(POST, Links(delay=3))
    key = (
        f"%load_ext seedream_nb\nimport seedream_nb as sd\nsd.configure(base_url={fault_server.url!r}, api_key='sk_t')"
    )
    written(tmp_path, key, "%%seedream\na fox")

    told = ran(tmp_path, "papermill", "--log-output", "--no-progress-bar", "in.ipynb", "out.ipynb").stderr

    assert "@1 done" in told
    assert told.count("Generating") + told.count("Preparing") + told.count("Uploading") <= 2


def test_nbconvert_executes_and_converts(tmp_path: Path) -> None:
    """A page made by `nbconvert --execute` has the picture and its label."""
    written(tmp_path, SANDBOX, "%%seedream --size 1K\na fox in {style}")

    ran(tmp_path, "nbconvert", "--execute", "--to", "html", "in.ipynb", "--output", "page")

    page = (tmp_path / "page.html").read_text("utf-8")
    assert 'alt="a fox in ink wash (@1.1) (sandbox)"' in page
    assert "data:image/" in page


def test_nbconvert_has_the_panels_summary(tmp_path: Path) -> None:
    """Of a notebook with no widgets' state, as JupyterLab saves it, HTML has the history in the panel's place."""
    written(tmp_path, SANDBOX, "%%seedream --size 1K\na fox", PANEL)
    without = ("--ClearMetadataPreprocessor.enabled=True", "--ClearMetadataPreprocessor.clear_cell_metadata=False")

    ran(tmp_path, "nbconvert", "--execute", "--to", "html", *without, "in.ipynb", "--output", "page")

    shown = (tmp_path / "page.html").read_text("utf-8").partition(SUMMARY)[2]
    assert "Run this cell again to go on." in shown
    assert 'alt="a fox (@1.1) (sandbox)"' in shown


BROWSER = """
import sys
import seedream_nb as sd
sys.platform = "emscripten"
try:
    sd.generate("a fox")
except sd.SettingsError as error:
    print(error)
"""


def test_python_in_a_browser_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Where there are no threads (JupyterLite), the first request says so, and where it works; nothing is written."""
    told = subprocess.run([sys.executable, "-c", BROWSER], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert told.stdout.startswith("Python in the browser (JupyterLite) has no threads")
    assert "on Binder or on Colab" in told.stdout
    assert not list(tmp_path.iterdir())
