"""The tutorials run top to bottom without a key, and leave pictures and an executed notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_runs_and_leaves_its_pictures(notebook: Path, tmp_path: Path) -> None:
    """What `make demo` does: no cell fails, the pictures are on disk, and it says where."""
    command = [sys.executable, str(NOTEBOOKS / "run.py"), str(notebook), str(tmp_path / "demo")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    pictures = list((tmp_path / "demo" / "seedream").glob("*.jpg"))
    assert pictures
    assert all(picture.name in ran.stdout for picture in pictures)
    cells = nbformat.read(tmp_path / "demo" / notebook.name, as_version=4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [
        output for output in outputs if output.output_type in {"error", "stream"} and output.get("name") == "stderr"
    ]
    assert any("<img" in output.get("data", {}).get("text/html", "") for output in outputs)


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_is_committed_clean(notebook: Path) -> None:
    """A tutorial names no path of one machine, and its cells have ids and no execution counts left over."""
    cells = nbformat.read(notebook, as_version=4).cells
    assert all(cell.get("id") for cell in cells)
    assert all(cell.execution_count is None for cell in cells if cell.cell_type == "code")
